"""Matrix products."""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.primitive import Primitive, primitive
from learnkit.autodiff.rules.elementwise import unbroadcast
from learnkit.autodiff.tape import Node
from learnkit.backends.base import Array

__all__ = ["LINALG"]

Parents = tuple[Node | None, ...]


@primitive()
def matmul(xp: Any, a: Array, b: Array, /) -> tuple[Array, Any]:
    """``a @ b``, batched over leading axes; a vector counts as a row on the left, a column on the right."""
    return xp.matmul(a, b), (a, b)


@matmul.rule
def _matmul_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    a, b = saved
    a2 = xp.expand_dims(a, axis=0) if len(a.shape) == 1 else a
    b2 = xp.expand_dims(b, axis=1) if len(b.shape) == 1 else b
    if len(b.shape) == 1:
        g = xp.expand_dims(g, axis=-1)
    if len(a.shape) == 1:
        g = xp.expand_dims(g, axis=-2)
    da = db = None
    if parents[0] is not None:
        da = unbroadcast(xp, xp.matmul(g, xp.matrix_transpose(b2)), a2.shape)
        da = xp.reshape(da, a.shape)
    if parents[1] is not None:
        db = unbroadcast(xp, xp.matmul(xp.matrix_transpose(a2), g), b2.shape)
        db = xp.reshape(db, b.shape)
    return da, db


@primitive()
def matrix_transpose(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """Exchange the last two axes."""
    return xp.matrix_transpose(x), None


@matrix_transpose.rule
def _matrix_transpose_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    return (xp.matrix_transpose(g),)


@primitive()
def vecdot(xp: Any, a: Array, b: Array, /, *, axis: int = -1) -> tuple[Array, Any]:
    """Sum of products along one axis, for real arrays."""
    return xp.vecdot(a, b, axis=axis), (a, b, axis)


@vecdot.rule
def _vecdot_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    a, b, axis = saved
    g = xp.expand_dims(g, axis=axis)
    return (
        None if parents[0] is None else unbroadcast(xp, xp.multiply(g, b), a.shape),
        None if parents[1] is None else unbroadcast(xp, xp.multiply(g, a), b.shape),
    )


LINALG: dict[str, Primitive] = {"matmul": matmul, "matrix_transpose": matrix_transpose, "vecdot": vecdot}

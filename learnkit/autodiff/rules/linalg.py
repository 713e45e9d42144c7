"""Matrix products."""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.primitive import Primitive, primitive
from learnkit.autodiff.rules.complex import hermitian, is_complex, to_dtype
from learnkit.autodiff.rules.elementwise import unbroadcast
from learnkit.autodiff.tape import Node
from learnkit.autodiff.variable import Variable
from learnkit.backends.base import Array, kernels_of

__all__ = ["LINALG"]

Parents = tuple[Node | None, ...]


@primitive()
def matmul(xp: Any, x1: Array, x2: Array, /) -> tuple[Array, Any]:
    """``x1 @ x2``, batched over leading axes; a vector counts as a row on the left, a column on the right."""
    return xp.matmul(x1, x2), (x1, x2)


@matmul.rule
def _matmul_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    a, b = saved
    if len(a.shape) == 2 and len(b.shape) == 2:  # nothing is broadcast
        da = db = None
        if parents[0] is not None:
            if is_complex(b):
                da = xp.matmul(g, hermitian(xp, b))
            else:
                da = kernels_of(g if type(g) is Variable else b).product_with_transpose(g, b)
            da = to_dtype(xp, da, a.dtype)
        if parents[1] is not None:
            db = to_dtype(xp, xp.matmul(hermitian(xp, a), g), b.dtype)
        return da, db
    a2 = xp.expand_dims(a, axis=0) if len(a.shape) == 1 else a
    b2 = xp.expand_dims(b, axis=1) if len(b.shape) == 1 else b
    if len(b.shape) == 1:
        g = xp.expand_dims(g, axis=-1)
    if len(a.shape) == 1:
        g = xp.expand_dims(g, axis=-2)
    da = db = None
    if parents[0] is not None:
        da = unbroadcast(xp, xp.matmul(g, hermitian(xp, b2)), a2.shape)
        da = to_dtype(xp, xp.reshape(da, a.shape), a.dtype)
    if parents[1] is not None:
        db = unbroadcast(xp, xp.matmul(hermitian(xp, a2), g), b2.shape)
        db = to_dtype(xp, xp.reshape(db, b.shape), b.dtype)
    return da, db


@primitive()
def matrix_transpose(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """Exchange the last two axes."""
    return xp.matrix_transpose(x), None


@matrix_transpose.rule
def _matrix_transpose_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    return (xp.matrix_transpose(g),)


LINALG: dict[str, Primitive] = {"matmul": matmul, "matrix_transpose": matrix_transpose}

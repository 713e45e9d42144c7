"""Reductions along axes."""

from __future__ import annotations

import math
from typing import Any

from learnkit.autodiff.primitive import Primitive
from learnkit.autodiff.rules.complex import to_dtype
from learnkit.autodiff.tape import Node
from learnkit.backends.base import Array, kernels_of, size_of

__all__ = ["REDUCTIONS"]

Axis = int | tuple[int, ...] | None
Parents = tuple[Node | None, ...]


def _axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The reduced axes, counted from the front."""
    if axis is None:
        return tuple(range(ndim))
    given = (axis,) if isinstance(axis, int) else axis
    return tuple(a % ndim for a in given)


def _kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """The shape of the result if the reduced axes were kept with length 1."""
    if axis is None:
        return (1,) * len(shape)
    if type(axis) is int and shape:
        axis %= len(shape)
        return (*shape[:axis], 1, *shape[axis + 1 :])
    reduced = _axes(axis, len(shape))
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


def _spread(xp: Any, g: Array, shape: tuple[int, ...], axis: Axis) -> Array:
    """Repeat the gradient of a reduction along the reduced axes."""
    return kernels_of(g).spread(xp.reshape(g, _kept_shape(shape, axis)), shape)


def _sum() -> Primitive:
    def forward(
        xp: Any, x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False
    ) -> tuple[Array, Any]:
        return xp.sum(x, axis=axis, dtype=dtype, keepdims=keepdims), (x.shape, axis, x.dtype)

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
        shape, axis, dtype = saved
        return (_spread(xp, to_dtype(xp, g, dtype), shape, axis),)

    made = Primitive(forward, "sum")
    made.rule(backward)
    return made


def _mean() -> Primitive:
    def forward(xp: Any, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> tuple[Array, Any]:
        return xp.mean(x, axis=axis, keepdims=keepdims), (x.shape, axis)

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
        shape, axis = saved
        n = size_of(shape) // max(1, size_of(_kept_shape(shape, axis)))
        return (_spread(xp, xp.divide(g, n * 1.0), shape, axis),)

    made = Primitive(forward, "mean")
    made.rule(backward)
    return made


def _var(name: str) -> Primitive:
    """``var`` and ``std``: mean squared deviation with ``n - correction``, and its root."""
    root = name == "std"

    def forward(
        xp: Any, x: Array, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
    ) -> tuple[Array, Any]:
        y = getattr(xp, name)(x, axis=axis, correction=correction, keepdims=keepdims)
        return y, (x, y if root else None, axis, correction)

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
        x, y, axis, correction = saved
        n = size_of(x.shape) // max(1, size_of(_kept_shape(x.shape, axis))) - correction
        deviation = xp.subtract(x, xp.mean(x, axis=axis, keepdims=True))
        if root:  # of constant values: no direction is steeper than another, so 0, as in PyTorch
            # The mean is rounded, and y may be nothing but that error: what is left of it is taken out.
            deviation = xp.subtract(deviation, xp.mean(deviation, axis=axis, keepdims=True))
            g = xp.divide(g, xp.multiply(2.0, xp.where(xp.equal(y, 0), xp.ones_like(y), y)))
        scale = 2.0 / n if n > 0 else math.nan
        return (xp.multiply(_spread(xp, g, x.shape, axis), xp.multiply(scale, deviation)),)

    made = Primitive(forward, name)
    made.rule(backward)
    return made


def _extremum(name: str) -> Primitive:
    """``max`` and ``min``: the gradient goes to the extreme elements, in equal parts where they tie."""

    def forward(xp: Any, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> tuple[Array, Any]:
        y = getattr(xp, name)(x, axis=axis, keepdims=keepdims)
        return y, (x, y, axis)

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
        x, y, axis = saved
        kept = _kept_shape(x.shape, axis)
        y = xp.reshape(y, kept)
        at = xp.logical_or(xp.equal(x, y), xp.logical_and(xp.isnan(x), xp.isnan(y)))
        hit = xp.astype(at, g.dtype)
        share = xp.divide(xp.reshape(g, kept), xp.sum(hit, axis=axis, keepdims=True))
        return (xp.multiply(hit, share),)

    made = Primitive(forward, name)
    made.rule(backward)
    return made


def _cumulative_sum() -> Primitive:
    def forward(
        xp: Any, x: Array, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
    ) -> tuple[Array, Any]:
        y = xp.cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial)
        return y, (len(x.shape), axis, include_initial, x.dtype)

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
        ndim, axis, include_initial, dtype = saved
        along = 0 if axis is None else axis % ndim
        if include_initial:
            g = g[(*(slice(None),) * along, slice(1, None), ...)]
        backwards = xp.cumulative_sum(xp.flip(g, axis=along), axis=along)
        return (to_dtype(xp, xp.flip(backwards, axis=along), dtype),)

    made = Primitive(forward, "cumulative_sum")
    made.rule(backward)
    return made


REDUCTIONS: dict[str, Primitive] = {
    "cumulative_sum": _cumulative_sum(),
    "max": _extremum("max"),
    "mean": _mean(),
    "min": _extremum("min"),
    "std": _var("std"),
    "sum": _sum(),
    "var": _var("var"),
}

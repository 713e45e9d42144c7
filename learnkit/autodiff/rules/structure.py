"""Functions that move elements without changing them."""

from __future__ import annotations

from typing import Any

import array_api_compat

from learnkit.autodiff.primitive import Primitive, primitive
from learnkit.autodiff.rules.complex import to_dtype
from learnkit.autodiff.rules.elementwise import unbroadcast
from learnkit.autodiff.tape import CONSTANT, Node
from learnkit.autodiff.variable import Variable, plain_value
from learnkit.backends.base import Array, array_namespace, size_of

__all__ = ["STRUCTURE", "astype", "concat", "stack"]

Parents = tuple[Node | None, ...]


@primitive(1)
def reshape(xp: Any, x: Array, /, shape: tuple[int, ...], *, copy: bool | None = None) -> tuple[Array, Any]:
    """The same elements in another shape."""
    return xp.reshape(x, shape, copy=copy), x.shape


@reshape.rule
def _reshape_rule(xp: Any, g: Array, shape: Any, parents: Parents) -> tuple[Array]:
    return (xp.reshape(g, shape),)


@primitive(1)
def broadcast_to(xp: Any, x: Array, /, shape: tuple[int, ...]) -> tuple[Array, Any]:
    """Repeat along new axes and along axes of length 1."""
    return xp.broadcast_to(x, shape), x.shape


@broadcast_to.rule
def _broadcast_to_rule(xp: Any, g: Array, shape: Any, parents: Parents) -> tuple[Array]:
    return (unbroadcast(xp, g, shape),)


@primitive(1)
def expand_dims(xp: Any, x: Array, /, axis: Any = 0) -> tuple[Array, Any]:
    """Insert an axis of length 1."""
    return xp.expand_dims(x, axis=axis), x.shape


expand_dims.rule(_reshape_rule)


@primitive(1)
def squeeze(xp: Any, x: Array, /, axis: Any) -> tuple[Array, Any]:
    """Remove axes of length 1."""
    return xp.squeeze(x, axis=axis), x.shape


squeeze.rule(_reshape_rule)


@primitive(1)
def permute_dims(xp: Any, x: Array, /, axes: tuple[int, ...]) -> tuple[Array, Any]:
    """Reorder the axes."""
    inverse = sorted(range(len(axes)), key=lambda i: axes[i] % len(axes))
    return xp.permute_dims(x, axes), tuple(inverse)


@permute_dims.rule
def _permute_dims_rule(xp: Any, g: Array, inverse: Any, parents: Parents) -> tuple[Array]:
    return (xp.permute_dims(g, inverse),)


@primitive(1)
def flip(xp: Any, x: Array, /, *, axis: Any = None) -> tuple[Array, Any]:
    """Reverse the order along axes."""
    return xp.flip(x, axis=axis), axis


@flip.rule
def _flip_rule(xp: Any, g: Array, axis: Any, parents: Parents) -> tuple[Array]:
    return (xp.flip(g, axis=axis),)


@primitive(1)
def _cast(xp: Any, x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> tuple[Array, Any]:
    """Between floating-point dtypes; the gradient is cast back."""
    options = {} if device is None else {"device": device}
    return xp.astype(x, dtype, copy=copy, **options), x.dtype


@_cast.rule
def _cast_rule(xp: Any, g: Array, dtype: Any, parents: Parents) -> tuple[Array]:
    return (to_dtype(xp, g, dtype),)


def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    """Change the dtype. Integers and booleans do not move with small changes, so they are constants."""
    if type(x) is Variable and not array_namespace(x).isdtype(dtype, ("real floating", "complex floating")):
        return Variable(_cast(plain_value(x), dtype, copy=copy, device=device), CONSTANT)
    return _cast(x, dtype, copy=copy, device=device)


@primitive(1)
def to_device(xp: Any, x: Array, device: Any, /, *, stream: Any = None) -> tuple[Array, Any]:
    """The same values on another device; the gradient is brought back."""
    return array_api_compat.to_device(x, device, stream=stream), array_api_compat.device(x)


@to_device.rule
def _to_device_rule(xp: Any, g: Array, device: Any, parents: Parents) -> tuple[Array]:
    return (to_device(g, device),)


def _concat() -> Primitive:
    def forward(xp: Any, *arrays: Array, axis: int | None = 0) -> tuple[Array, Any]:
        return xp.concat(arrays, axis=axis), ([(a.shape, a.dtype) for a in arrays], axis)

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
        kinds, axis = saved
        gradients: list[Array | None] = []
        start = 0
        for parent, (shape, dtype) in zip(parents, kinds, strict=True):
            if axis is None:
                n, before = size_of(shape), 0
            else:
                n, before = shape[axis], axis % len(shape)
            if parent is None:
                gradients.append(None)
            else:
                part = g[(slice(None),) * before + (slice(start, start + n), ...)]
                gradients.append(to_dtype(xp, xp.reshape(part, shape), dtype))
            start += n
        return tuple(gradients)

    made = Primitive(forward, "concat")
    made.rule(backward)
    return made


def _stack() -> Primitive:
    def forward(xp: Any, *arrays: Array, axis: int = 0) -> tuple[Array, Any]:
        return xp.stack(arrays, axis=axis), (axis % (len(arrays[0].shape) + 1), [a.dtype for a in arrays])

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
        axis, dtypes = saved
        before = (slice(None),) * axis
        return tuple(
            None if p is None else to_dtype(xp, g[(*before, i, ...)], t)
            for i, (p, t) in enumerate(zip(parents, dtypes, strict=True))
        )

    made = Primitive(forward, "stack")
    made.rule(backward)
    return made


_concat_arrays = _concat()
_stack_arrays = _stack()


def concat(arrays: Any, /, *, axis: int | None = 0) -> Array:
    """Join arrays along an axis; ``None`` flattens them first."""
    return _concat_arrays(*arrays, axis=axis)


def stack(arrays: Any, /, *, axis: int = 0) -> Array:
    """Join arrays along a new axis."""
    return _stack_arrays(*arrays, axis=axis)


STRUCTURE: dict[str, Primitive] = {
    "broadcast_to": broadcast_to,
    "expand_dims": expand_dims,
    "flip": flip,
    "permute_dims": permute_dims,
    "reshape": reshape,
    "squeeze": squeeze,
}

"""Reading parts of an array: the gradient is added back where it was read from."""

from __future__ import annotations

from typing import Any

import array_api_compat

from learnkit.autodiff.primitive import Primitive, primitive
from learnkit.autodiff.rules.elementwise import fit, unbroadcast
from learnkit.autodiff.tape import Node
from learnkit.autodiff.variable import plain_value
from learnkit.backends.base import PYTHON_SCALARS, Array, array_namespace, kernels_of, size_of

__all__ = ["INDEXING", "getitem", "index_add", "read", "write"]

Parents = tuple[Node | None, ...]


@primitive()
def getitem(xp: Any, x: Array, /, *, key: Any) -> tuple[Array, Any]:
    """``x[key]`` for integers, slices, ``...`` and ``None``."""
    return x[key], (x.shape, key)


@getitem.rule
def _getitem_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    shape, key = saved
    return (scatter_slice(g, shape=shape, key=key),)


@primitive()
def scatter_slice(xp: Any, g: Array, /, *, shape: tuple[int, ...], key: Any) -> tuple[Array, Any]:
    """Zeros of ``shape`` with ``g`` written at ``key``: the transpose of ``x[key]``."""
    full = xp.zeros(shape, dtype=g.dtype, device=array_api_compat.device(g))
    # The standard knows None only in reading, so the axes that it made are dropped from g.
    plain = tuple(k for k in (key if isinstance(key, tuple) else (key,)) if k is not None)
    full[plain] = xp.reshape(g, full[plain].shape)
    return full, key


@scatter_slice.rule
def _scatter_slice_rule(xp: Any, g: Array, key: Any, parents: Parents) -> tuple[Array]:
    return (getitem(g, key=key),)


@primitive()
def take(xp: Any, x: Array, indices: Array, /, *, axis: int | None = None) -> tuple[Array, Any]:
    """The entries ``indices`` (1-D) along ``axis``."""
    along = (0 if axis is None else axis) % max(1, len(x.shape))
    return xp.take(x, indices, axis=along), (x.shape, indices, along)


@take.rule
def _take_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    shape, indices, axis = saved
    return index_add(_zeros(xp, g, shape), _from_front(indices, shape[axis]), g, axis=axis), None


@primitive()
def index_add(xp: Any, x: Array, indices: Array, values: Array, /, *, axis: int = 0) -> tuple[Array, Any]:
    """A copy of ``x`` with ``values`` added at ``indices`` along ``axis``; repeated indices accumulate."""
    xf, vf = (_axis_first(xp, a, axis) for a in (x, values))
    n, inner = xf.shape[0], size_of(tuple(xf.shape[1:]))
    rows = xp.reshape(vf, (vf.shape[0], inner))  # not -1, which an empty array leaves open
    flat = kernels_of(xf).index_add(xp.reshape(xf, (n, inner)), indices, rows)
    return _axis_back(xp, xp.reshape(flat, xf.shape), axis), (indices, axis)


@index_add.rule
def _index_add_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    indices, axis = saved
    return g, None, (None if parents[2] is None else take(g, indices, axis=axis))


@primitive()
def take_along_axis(xp: Any, x: Array, indices: Array, /, *, axis: int = -1) -> tuple[Array, Any]:
    """For each position of ``indices``, the entry of ``x`` at that index along ``axis``."""
    return xp.take_along_axis(x, indices, axis=axis), (x.shape, indices, axis % len(x.shape))


@take_along_axis.rule
def _take_along_axis_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    shape, indices, axis = saved
    n = shape[axis]
    if g.shape[axis] == 1:  # one entry of each line, such as the label's of a row, is found by comparing
        own = array_namespace(indices)
        numbers = own.arange(n, dtype=indices.dtype, device=array_api_compat.device(indices))
        numbers = own.reshape(numbers, (n, *(1 for _ in shape[axis + 1 :])))
        hit = own.equal(_from_front(indices, n), numbers)
        return unbroadcast(xp, xp.where(hit, g, _zeros(xp, g, ())), shape), None
    indices = array_namespace(indices).broadcast_to(_from_front(indices, n), g.shape)
    # As one flat index_add: rows are the lines along the axis, laid one after another.
    m = indices.shape[axis]
    before = tuple(s for i, s in enumerate(g.shape) if i != axis)
    gf = xp.reshape(_axis_last(xp, g, axis), (size_of(before), m))
    inf = xp.reshape(_axis_last(xp, indices, axis), (size_of(before), m))
    lines = gf.shape[0]
    offsets = xp.expand_dims(xp.arange(lines, dtype=inf.dtype, device=array_api_compat.device(inf)), axis=1)
    position = xp.reshape(xp.add(inf, xp.multiply(offsets, n)), (-1,))
    flat = index_add(_zeros(xp, g, (lines * n,)), position, xp.reshape(gf, (-1,)))
    return unbroadcast(xp, _last_back(xp, xp.reshape(flat, (*before, n)), axis), shape), None


def _from_front(indices: Array, n: int) -> Array:
    """Indices that count from the end made to count from the front."""
    return array_namespace(indices).remainder(indices, max(1, n))


def _zeros(xp: Any, like: Array, shape: tuple[int, ...]) -> Array:
    return xp.zeros(shape, dtype=like.dtype, device=array_api_compat.device(like))


def _axis_first(xp: Any, x: Array, axis: int) -> Array:
    if axis % len(x.shape) == 0:
        return x
    rest = [i for i in range(len(x.shape)) if i != axis % len(x.shape)]
    return xp.permute_dims(x, (axis % len(x.shape), *rest))


def _axis_back(xp: Any, x: Array, axis: int) -> Array:
    a = axis % len(x.shape)
    if a == 0:
        return x
    return xp.permute_dims(x, (*range(1, a + 1), 0, *range(a + 1, len(x.shape))))


def _axis_last(xp: Any, x: Array, axis: int) -> Array:
    return xp.permute_dims(x, (*(i for i in range(len(x.shape)) if i != axis), axis))


def _last_back(xp: Any, x: Array, axis: int) -> Array:
    last = len(x.shape) - 1
    return xp.permute_dims(x, (*range(axis), last, *range(axis, last)))


INDEXING: dict[str, Primitive] = {"take": take, "take_along_axis": take_along_axis}


@primitive()
def gather(xp: Any, x: Array, /, *, key: Any) -> tuple[Array, Any]:
    """``x[key]`` with integer arrays or a boolean mask in the key."""
    return x[key], (x.shape, key)


@gather.rule
def _gather_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    shape, key = saved
    n = size_of(tuple(shape))
    plain = plain_value(g)
    places = array_namespace(plain).arange(n, device=array_api_compat.device(plain))
    read_places = array_namespace(plain).reshape(places, tuple(shape))[key]
    flat = index_add(
        _zeros(xp, g, (n,)),
        array_namespace(plain).reshape(read_places, (-1,)),
        xp.reshape(g, (-1,)),
    )
    return (xp.reshape(flat, tuple(shape)),)


@primitive()
def set_item(xp: Any, x: Array, value: Any, /, *, key: Any) -> tuple[Array, Any]:
    """A copy of ``x`` with ``value`` at ``key``."""
    changed = xp.asarray(x, copy=True)
    changed[key] = value
    shape = None if type(value) in PYTHON_SCALARS else (value.shape, value.dtype)
    return changed, (key, shape)


@set_item.rule
def _set_item_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    key, kind = saved
    dx = dv = None
    if parents[0] is not None:
        dx = set_item(g, 0.0, key=key) if is_wrapped(g) else _with_zeros(xp, g, key)
    if parents[1] is not None:
        dv = fit(xp, read(g, key) if is_wrapped(g) else g[key], kind)
    return dx, dv


def _with_zeros(xp: Any, g: Array, key: Any) -> Array:
    g = xp.asarray(g, copy=True)
    g[key] = 0.0
    return g


def is_wrapped(x: Array) -> bool:
    """Whether ``x`` is a variable, of an outer differentiation when a rule asks."""
    return getattr(type(x), "wraps_arrays", False)


def read(x: Array, key: Any) -> Array:
    """``x[key]`` on the tape.

    The key may hold integers, slices, ``...``, ``None``, integer arrays, or a boolean mask where the
    library has them. Positions that are read more than once add up in the gradient.
    """
    key = tuple(plain_value(k) for k in key) if isinstance(key, tuple) else plain_value(key)
    parts = key if isinstance(key, tuple) else (key,)
    if all(p is None or p is Ellipsis or isinstance(p, (int, slice)) for p in parts):
        return getitem(x, key=key)
    return gather(x, key=key)


def write(x: Any, key: Any, value: Any) -> None:
    """``x[key] = value``: the variable ``x`` becomes the changed copy; the tape keeps the old values."""
    key = tuple(plain_value(k) for k in key) if isinstance(key, tuple) else plain_value(key)
    changed = set_item(x, value, key=key)
    x.data, x.node = changed.data, changed.node

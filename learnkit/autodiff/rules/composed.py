"""Functions of the standard that are short compositions of differentiable ones.

They need no rule of their own, so their gradients of every order follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_compat

from learnkit.autodiff.rules.complex import conjugate, is_complex
from learnkit.autodiff.variable import plain_value
from learnkit.backends.base import PYTHON_SCALARS, Array, size_of
from learnkit.errors import GradientError, ShapeError

__all__ = ["COMPOSED", "LINALG_COMPOSED"]


def clip(xp: Any, x: Array, /, min: Any = None, max: Any = None) -> Array:
    """``x`` held between bounds; where it is at or beyond a bound, the gradient goes to the bound, and a
    tie counts as inside, as in PyTorch."""
    if min is not None:
        x = xp.where(_beyond(xp, xp.less, x, min), _like(xp, min, x), x)
    if max is not None:
        x = xp.where(_beyond(xp, xp.greater, x, max), _like(xp, max, x), x)
    return x


def _beyond(xp: Any, compare: Any, x: Array, bound: Any) -> Array:
    """Whether the bound takes the place of ``x``; a bound that is NaN does."""
    if type(bound) in PYTHON_SCALARS:
        return compare(x, bound) if bound == bound else xp.ones_like(x, dtype=xp.bool)
    return xp.logical_or(compare(x, bound), xp.isnan(bound))


def _like(xp: Any, value: Any, x: Array) -> Array:
    if type(value) in PYTHON_SCALARS:
        return xp.full_like(x, value)
    return value if value.dtype == x.dtype else xp.astype(value, x.dtype)


def copysign(xp: Any, x1: Any, x2: Any, /) -> Array:
    """The magnitude of ``x1`` with the sign of ``x2``; constant in ``x2``."""
    if type(x1) in PYTHON_SCALARS:
        x1 = xp.full_like(x2, x1)
    if type(x2) in PYTHON_SCALARS:
        x2 = xp.full_like(x1, x2)
    size = xp.abs(x1)
    dtype = xp.result_type(x1.dtype, x2.dtype)
    size = size if size.dtype == dtype else xp.astype(size, dtype)
    return xp.where(xp.signbit(x2), xp.negative(size), size)


def moveaxis(xp: Any, x: Array, source: Any, destination: Any, /) -> Array:
    """Axes moved to other positions, the rest in order."""
    ndim = len(x.shape)
    from_ = [s % ndim for s in ((source,) if isinstance(source, int) else source)]
    to = [d % ndim for d in ((destination,) if isinstance(destination, int) else destination)]
    order = [i for i in range(ndim) if i not in from_]
    for d, s in sorted(zip(to, from_, strict=True)):
        order.insert(d, s)
    return xp.permute_dims(x, tuple(order))


def roll(xp: Any, x: Array, /, shift: Any, *, axis: Any = None) -> Array:
    """Elements moved along axes, those that leave coming in at the other end."""
    if axis is None:
        return xp.reshape(roll(xp, xp.reshape(x, (-1,)), shift, axis=0), x.shape)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    shifts = (shift,) * len(axes) if isinstance(shift, int) else tuple(shift)
    for s, a in zip(shifts, axes, strict=True):
        n = x.shape[a]
        cut = n - s % n if n else 0
        if 0 < cut < n:
            before = (slice(None),) * (a % len(x.shape))
            x = xp.concat([x[(*before, slice(cut, n), ...)], x[(*before, slice(0, cut), ...)]], axis=a)
    return x


def repeat(xp: Any, x: Array, repeats: Any, /, *, axis: int | None = None) -> Array:
    """Each element, or each slice along ``axis``, ``repeats`` times."""
    if axis is None:
        x, axis = xp.reshape(x, (-1,)), 0
    plain = plain_value(x)
    below = array_api_compat.array_namespace(plain)
    positions = below.arange(x.shape[axis], device=array_api_compat.device(plain))
    return xp.take(x, below.repeat(positions, plain_value(repeats)), axis=axis)


def tile(xp: Any, x: Array, repetitions: tuple[int, ...], /) -> Array:
    """The whole array repeated along each axis."""
    ndim = max(len(repetitions), len(x.shape))
    shape = (1,) * (ndim - len(x.shape)) + tuple(x.shape)
    times = (1,) * (ndim - len(repetitions)) + tuple(repetitions)
    spread = xp.reshape(x, tuple(v for n in shape for v in (1, n)))
    spread = xp.broadcast_to(spread, tuple(v for t, n in zip(times, shape, strict=True) for v in (t, n)))
    return xp.reshape(spread, tuple(t * n for t, n in zip(times, shape, strict=True)))


def unstack(xp: Any, x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The slices along ``axis``."""
    before = (slice(None),) * (axis % len(x.shape))
    return tuple(x[(*before, i, ...)] for i in range(x.shape[axis]))


def broadcast_arrays(xp: Any, *arrays: Array) -> tuple[Array, ...]:
    """All arrays in their common shape."""
    shape = xp.broadcast_shapes(*(a.shape for a in arrays))
    return tuple(xp.broadcast_to(a, shape) for a in arrays)


def meshgrid(xp: Any, *arrays: Array, indexing: str = "xy") -> tuple[Array, ...]:
    """Coordinate arrays of a grid from vectors."""
    n = len(arrays)
    out = []
    for i, a in enumerate(arrays):
        place = (1 - i) if indexing == "xy" and i < 2 and n > 1 else i
        out.append(xp.reshape(a, tuple(-1 if k == place else 1 for k in range(max(n, 1)))))
    return broadcast_arrays(xp, *out)


def diff(
    xp: Any, x: Array, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> Array:
    """Differences of neighbours along ``axis``, ``n`` times."""
    parts = [p for p in (prepend, x, append) if p is not None]
    if len(parts) > 1:
        x = xp.concat(parts, axis=axis)
    before = (slice(None),) * (axis % len(x.shape))
    for _ in range(n):
        m = x.shape[axis]
        x = xp.subtract(x[(*before, slice(min(1, m), m), ...)], x[(*before, slice(0, max(m - 1, 0)), ...)])
    return x


def tril(xp: Any, x: Array, /, *, k: int = 0) -> Array:
    """The lower triangle, with zeros above diagonal ``k``."""
    return xp.where(_triangle(x, k, lower=True), x, xp.zeros_like(x))


def triu(xp: Any, x: Array, /, *, k: int = 0) -> Array:
    """The upper triangle, with zeros below diagonal ``k``."""
    return xp.where(_triangle(x, k, lower=False), x, xp.zeros_like(x))


def _triangle(x: Array, k: int, *, lower: bool) -> Array:
    x = plain_value(x)
    plain = array_api_compat.array_namespace(x)
    device = array_api_compat.device(x)
    rows = plain.expand_dims(plain.arange(x.shape[-2], device=device), axis=1)
    columns = plain.expand_dims(plain.arange(x.shape[-1], device=device), axis=0)
    reach = columns - rows
    return plain.less_equal(reach, k) if lower else plain.greater_equal(reach, k)


def sort(xp: Any, x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Sorted along ``axis``; each gradient goes to the element that came to its place."""
    order = xp.argsort(x, axis=axis, descending=descending, stable=stable)
    return xp.take_along_axis(x, order, axis=axis)


def prod(xp: Any, x: Array, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The product, as a tree of products, so that zeros have the right gradient, of every order."""
    if dtype is not None and dtype != x.dtype:
        x = xp.astype(x, dtype)
    ndim = len(x.shape)
    axes = tuple(range(ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    reduced = sorted(a % ndim for a in axes)
    kept = tuple(1 if i in reduced else n for i, n in enumerate(x.shape))
    rest = [i for i in range(ndim) if i not in reduced]
    rows = xp.reshape(xp.permute_dims(x, (*reduced, *rest)), (-1, *(x.shape[i] for i in rest))) if ndim else x
    if ndim and not reduced:
        return x
    if ndim:
        n = size_of(tuple(x.shape[i] for i in reduced))
        if n == 0:
            rows = xp.ones((1, *rows.shape[1:]), dtype=x.dtype, device=array_api_compat.device(x))
            n = 1
        while n > 1:
            half = n // 2
            paired = xp.multiply(rows[:half, ...], rows[half : 2 * half, ...])
            rows = xp.concat([paired, rows[2 * half : n, ...]], axis=0) if n % 2 else paired
            n = rows.shape[0]
        rows = rows[0, ...]
    return xp.reshape(rows, kept) if keepdims else rows


def cumulative_prod(
    xp: Any, x: Array, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Array:
    """Products of all elements so far, by doubling strides, so that zeros have the right gradient."""
    if dtype is not None and dtype != x.dtype:
        x = xp.astype(x, dtype)
    along = 0 if axis is None else axis % len(x.shape)
    before = (slice(None),) * along
    n = x.shape[along]
    shift = 1
    while shift < n:
        moved = xp.multiply(x[(*before, slice(shift, n), ...)], x[(*before, slice(0, n - shift), ...)])
        x = xp.concat([x[(*before, slice(0, shift), ...)], moved], axis=along)
        shift *= 2
    if include_initial:
        shape = tuple(1 if i == along else s for i, s in enumerate(x.shape))
        one = xp.ones(shape, dtype=x.dtype, device=array_api_compat.device(x))
        x = xp.concat([one, x], axis=along)
    return x


def vecdot(xp: Any, x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Sum of products along ``axis``, with the conjugate of the first."""
    if x1.shape[axis] != x2.shape[axis]:
        raise ShapeError(
            f"vecdot: {x1.shape[axis]} and {x2.shape[axis]} elements along axis {axis}, expected as many",
            hint=f"the arrays have shapes {tuple(x1.shape)} and {tuple(x2.shape)}",
        )
    return xp.sum(xp.multiply(conjugate(xp, x1), x2), axis=axis)


def tensordot(xp: Any, x1: Array, x2: Array, /, *, axes: Any = 2) -> Array:
    """Sum of products over pairs of axes, as one matrix product."""
    if isinstance(axes, int):
        left = list(range(len(x1.shape) - axes, len(x1.shape)))
        right = list(range(axes))
    else:
        left = [i % len(x1.shape) for i in axes[0]]
        right = [i % len(x2.shape) for i in axes[1]]
    summed_a, summed_b = (tuple(x.shape[i] for i in a) for x, a in ((x1, left), (x2, right)))
    if summed_a != summed_b:
        raise ShapeError(
            f"tensordot: the axes summed over have lengths {summed_a} and {summed_b}, expected equal ones",
            hint=f"the arrays have shapes {tuple(x1.shape)} and {tuple(x2.shape)}, axes is {axes}",
        )
    keep_a = [i for i in range(len(x1.shape)) if i not in left]
    keep_b = [i for i in range(len(x2.shape)) if i not in right]
    shape = (*(x1.shape[i] for i in keep_a), *(x2.shape[i] for i in keep_b))
    inner = size_of(tuple(x1.shape[i] for i in left))
    rows = size_of(tuple(x1.shape[i] for i in keep_a))
    columns = size_of(tuple(x2.shape[i] for i in keep_b))
    a2 = xp.reshape(xp.permute_dims(x1, (*keep_a, *left)), (rows, inner))
    b2 = xp.reshape(xp.permute_dims(x2, (*right, *keep_b)), (inner, columns))
    return xp.reshape(xp.matmul(a2, b2), shape)


COMPOSED: dict[str, Callable[..., Any]] = {
    "broadcast_arrays": broadcast_arrays,
    "clip": clip,
    "copysign": copysign,
    "cumulative_prod": cumulative_prod,
    "diff": diff,
    "meshgrid": meshgrid,
    "moveaxis": moveaxis,
    "prod": prod,
    "repeat": repeat,
    "roll": roll,
    "sort": sort,
    "tensordot": tensordot,
    "tile": tile,
    "tril": tril,
    "triu": triu,
    "unstack": unstack,
    "vecdot": vecdot,
}


# Linear algebra


def outer(xp: Any, x1: Array, x2: Array, /) -> Array:
    """The products of all pairs of two vectors."""
    return xp.multiply(xp.expand_dims(x1, axis=1), xp.expand_dims(x2, axis=0))


def diagonal(xp: Any, x: Array, /, *, offset: int = 0) -> Array:
    """The diagonal, ``offset`` above (or below) the main one, of matrices."""
    m, n = x.shape[-2:]
    row, column = max(0, -offset), max(0, offset)
    length = max(0, min(m - row, n - column))
    flat = xp.reshape(x, (*x.shape[:-2], m * n))
    indices = xp.arange(length, device=array_api_compat.device(x)) * (n + 1) + (row * n + column)
    return xp.take(flat, indices, axis=-1)


def trace(xp: Any, x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """The sum of a diagonal."""
    return xp.sum(diagonal(xp, x, offset=offset), axis=-1, dtype=dtype)


def cross(xp: Any, x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """The cross product of vectors of three entries along ``axis``."""
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ShapeError(
            f"cross: {x1.shape[axis]} and {x2.shape[axis]} elements along axis {axis}, expected 3 and 3",
            hint=f"the arrays have shapes {tuple(x1.shape)} and {tuple(x2.shape)}",
        )
    x1, x2 = broadcast_arrays(xp, x1, x2)
    a0, a1, a2 = unstack(xp, x1, axis=axis)
    b0, b1, b2 = unstack(xp, x2, axis=axis)
    parts = [
        xp.subtract(xp.multiply(a1, b2), xp.multiply(a2, b1)),
        xp.subtract(xp.multiply(a2, b0), xp.multiply(a0, b2)),
        xp.subtract(xp.multiply(a0, b1), xp.multiply(a1, b0)),
    ]
    return xp.stack(parts, axis=axis)


def matrix_power(xp: Any, x: Array, n: int, /) -> Array:
    """``x`` times itself, by repeated squaring; a negative ``n`` inverts first."""
    if n == 0:
        device = array_api_compat.device(x)
        eye = xp.eye(x.shape[-1], dtype=x.dtype, device=device)
        return xp.add(xp.multiply(x, 0.0), eye)
    if n < 0:
        x, n = xp.linalg.inv(x), -n
    result = None
    while n:
        if n % 2:
            result = x if result is None else xp.matmul(result, x)
        n //= 2
        if n:
            x = xp.matmul(x, x)
    return result


def _modulus(xp: Any, x: Array) -> Array:
    return xp.abs(x)


def _root_of_squares(xp: Any, x: Array, axis: Any, keepdims: bool) -> Array:
    """``sqrt(sum |x|^2)``, whose gradient at 0 is 0."""
    square = xp.real(xp.multiply(x, xp.conj(x))) if is_complex(x) else xp.square(x)
    total = xp.sum(square, axis=axis, keepdims=keepdims)
    zero = xp.equal(total, 0)
    return xp.where(zero, total, xp.sqrt(xp.where(zero, xp.ones_like(total), total)))


def vector_norm(xp: Any, x: Array, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """``sum(|x|^ord)^(1/ord)`` and its limits; the subgradient at 0 is 0."""
    if axis is None:
        kept = (1,) * len(x.shape)
        value = vector_norm(xp, xp.reshape(x, (-1,)), axis=0, ord=ord)
        return xp.reshape(value, kept) if keepdims else value
    if ord == 2:
        return _root_of_squares(xp, x, axis, keepdims)
    size = _modulus(xp, x)
    if ord == math.inf:
        return xp.max(size, axis=axis, keepdims=keepdims)
    if ord == -math.inf:
        return xp.min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return xp.sum(xp.astype(xp.not_equal(x, 0), size.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return xp.sum(size, axis=axis, keepdims=keepdims)
    if ord < 1:  # the slope at 0 is infinite: 0 is taken instead, as in PyTorch
        none = xp.equal(size, 0)
        powers = xp.pow(xp.where(none, xp.ones_like(size), size), float(ord))
        powers = xp.where(none, xp.full_like(size, 0.0 if ord > 0 else math.inf), powers)
    else:
        powers = xp.pow(size, float(ord))
    total = xp.sum(powers, axis=axis, keepdims=keepdims)
    zero = xp.equal(total, 0)
    safe = xp.where(zero, xp.ones_like(total), total)
    return xp.where(zero, total, xp.pow(safe, 1.0 / ord))


def matrix_norm(xp: Any, x: Array, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """Frobenius, nuclear, spectral (2, -2), column-sum (1, -1) and row-sum (inf, -inf) norms of matrices."""
    if ord == "fro":
        return _root_of_squares(xp, x, (-2, -1), keepdims)
    if ord in ("nuc", 2, -2):
        s = xp.linalg.svdvals(x)
        # The extremes, and not the first and last: equal ones share the gradient.
        reduce = xp.sum if ord == "nuc" else xp.max if ord == 2 else xp.min
        value = reduce(s, axis=-1)
    elif ord in (1, -1, math.inf, -math.inf):
        sums = xp.sum(_modulus(xp, x), axis=-2 if abs(ord) == 1 else -1)
        value = xp.max(sums, axis=-1) if ord > 0 else xp.min(sums, axis=-1)
    else:
        raise GradientError(f"matrix_norm: ord is {ord!r}, expected 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    return xp.reshape(value, (*value.shape, 1, 1)) if keepdims else value


LINALG_COMPOSED: dict[str, Callable[..., Any]] = {
    "cross": cross,
    "diagonal": diagonal,
    "matrix_norm": matrix_norm,
    "matrix_power": matrix_power,
    "outer": outer,
    "tensordot": tensordot,
    "trace": trace,
    "vecdot": vecdot,
    "vector_norm": vector_norm,
}

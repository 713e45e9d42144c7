"""Exact Euclidean distances in standard array code, up to a radius.

The squared distance to the nearest of some pixels is a minimum over offsets that falls apart by axes::

    D(i, j) = min_k min_l (k^2 + l^2 + S(i + k, j + l)) = min_k (k^2 + min_l (l^2 + S(i + k, j + l)))

with S = 0 on these pixels and infinity elsewhere. So it is one pass of minima over shifted views along each
axis, without a sort, a queue or an index that depends on data: what a GPU does well, and what waits for
nothing. The passes are cut at the radius, since a weight or a tolerance is only interested in what is near;
all distances up to the radius are exact.
"""

from __future__ import annotations

import math
from typing import Any

import array_api_compat

from learnkit.backends import Array, array_namespace
from learnkit.checks import check_numbers
from learnkit.errors import ShapeError

__all__ = ["check_spacing", "spacing_for", "squared_distance"]


def squared_distance(sites: Array, spacing: tuple[float, ...], radius: float, dtype: Any) -> Array:
    """The squared distance of each pixel to the nearest site of its image.

    Args:
        sites: booleans (batch, *space).
        spacing: the size of a pixel along each axis of space.
        radius: in the unit of the spacing; what is farther is infinitely far.
        dtype: of the result, a floating-point dtype of the library.

    Returns:
        (batch, *space), in the unit of the spacing, squared; infinity where no site is within the radius.

    >>> import numpy as np
    >>> sites = np.asarray([[[True, False, False], [False, False, False]]])
    >>> squared_distance(sites, (1.0, 1.0), 2.0, np.float64).tolist()
    [[[0.0, 1.0, 4.0], [1.0, 2.0, inf]]]
    """
    xp = array_namespace(sites)
    far = xp.full((), math.inf, dtype=dtype, device=array_api_compat.device(sites))
    found = xp.where(sites, xp.zeros_like(far), far)
    for axis, size in enumerate(spacing, start=1):
        # More than the length of the axis away there is no pixel.
        reach = min(math.floor(radius / size * (1 + 1e-9)), sites.shape[axis] - 1)
        found = _nearest(found, axis, size, reach, far)
    return xp.where(xp.less_equal(found, radius * radius * (1 + 1e-9)), found, far)


def _nearest(squares: Array, axis: int, size: float, reach: int, far: Array) -> Array:
    """``min_k (k size)^2 + squares[i + k]`` along an axis, for |k| <= reach."""
    if reach < 1:
        return squares
    xp = array_namespace(squares)
    shape = tuple(squares.shape)
    n = shape[axis]
    rim = xp.broadcast_to(far, (*shape[:axis], reach, *shape[axis + 1 :]))
    padded = xp.concat([rim, squares, rim], axis=axis)
    for k in range(1, reach + 1):
        left, right = _window(padded, axis, reach - k, n), _window(padded, axis, reach + k, n)
        squares = xp.minimum(squares, xp.add(xp.minimum(left, right), (k * size) ** 2))
    return squares


def _window(x: Array, axis: int, start: int, length: int) -> Array:
    """A view of so many entries along an axis."""
    return x[(slice(None),) * axis + (slice(start, start + length), ...)]


def neighbours(x: Array, axis: int) -> tuple[Array, Array]:
    """Each entry along an axis but the last, and the one that follows it."""
    n = max(int(x.shape[axis]) - 1, 0)
    return _window(x, axis, 0, n), _window(x, axis, 1, n)


def check_spacing(component: Any) -> None:
    """Check the option ``spacing``, ``None`` or the size of a pixel along each axis.

    Raises:
        ArgumentError: it is something else.
    """
    if component.spacing is not None:
        check_numbers(type(component).__name__, "spacing", component.spacing, above=0)
        object.__setattr__(component, "spacing", tuple(component.spacing))


def spacing_for(owner: str, spacing: tuple[float, ...] | None, shape: tuple[int, ...]) -> tuple[float, ...]:
    """The size of a pixel along each axis after the batch, 1 where it is not given.

    Raises:
        ShapeError: there is no axis after the batch, or the given spacing is of another number of axes.
    """
    space = shape[1:]
    if not space:
        raise ShapeError(f"{owner}: the targets have shape {shape}, expected images (batch, height, width)")
    if spacing is None:
        return (1.0,) * len(space)
    if len(spacing) == len(space) - 1 and space[0] == 1:  # (batch, 1, height, width)
        return (1.0, *spacing)
    if len(spacing) != len(space):
        raise ShapeError(
            f"{owner}: spacing has {len(spacing)} entries, and the targets of shape {shape} have "
            f"{len(space)} axes of space"
        )
    return tuple(spacing)

"""Adding rows into an array at indices that may repeat: the gradient of looking rows up.

The standard can neither assign through an index array nor accumulate, but it can multiply matrices,
and a matrix of zeros and ones sends each row of the values where it belongs::

    out = x + S v,      S[r, i] = 1 where indices[i] == r, else 0
"""

from __future__ import annotations

import math
from typing import Any

import array_api_compat

from learnkit.backends.base import Array
from learnkit.errors import ArgumentError, ShapeError

__all__ = ["check_index_add", "index_add", "refuse_outside"]

#: Largest number of elements of S held at once: 16 MiB in float32.
_CHUNK = 1 << 22


def check_index_add(x: Array, indices: Array, values: Array) -> None:
    """Refuse shapes that do not fit each other.

    Raises:
        ShapeError: ``indices`` is not a vector, or ``values`` is not ``(len(indices), *x.shape[1:])``.
    """
    if x.ndim < 1:
        raise ShapeError("index_add needs an array of at least one dimension, got a 0-d array")
    if indices.ndim != 1:
        raise ShapeError(f"index_add expects a vector of indices, got shape {tuple(indices.shape)}")
    expected = (*indices.shape, *x.shape[1:])
    if tuple(values.shape) != expected:
        raise ShapeError(
            f"index_add expects values of shape {expected} for {indices.shape[0]} indices into an array of "
            f"shape {tuple(x.shape)}, got {tuple(values.shape)}"
        )


def refuse_outside(lowest: int, highest: int, rows: int) -> None:
    """Refuse indices outside ``[0, rows)``; only for host libraries, where looking costs no wait.

    Raises:
        ArgumentError: naming the index and the range.
    """
    if lowest < 0 or highest >= rows:
        wrong = lowest if lowest < 0 else highest
        raise ArgumentError(f"index {wrong} is out of range for {rows} rows: expected 0 <= index < {rows}")


def index_add(xp: Any, x: Array, indices: Array, values: Array) -> Array:
    """A copy of ``x`` with ``values[i]`` added to ``x[indices[i]]``; repeated indices accumulate.

    This is the version for any library. An index outside ``[0, len(x))`` matches no row and is dropped,
    since finding it would wait for the device. A value that is not finite spoils its whole column.

    Args:
        xp: namespace of the arrays.
        x: array of shape (n, ...).
        indices: integers in [0, n), shape (m,).
        values: array of shape (m, ...), of the dtype of ``x``.

    Raises:
        ShapeError: the shapes do not fit.
    """
    check_index_add(x, indices, values)
    n, m = x.shape[0], indices.shape[0]
    width = math.prod(x.shape[1:])
    if n == 0 or m == 0 or width == 0:
        return xp.asarray(x, copy=True)
    rows = xp.arange(n, dtype=indices.dtype, device=array_api_compat.device(indices))
    flat = xp.reshape(values, (m, width))
    total = xp.reshape(x, (n, width))
    chunk = max(1, _CHUNK // n)
    for start in range(0, m, chunk):
        stop = min(start + chunk, m)
        part = xp.expand_dims(indices[start:stop], axis=0)
        select = xp.astype(xp.equal(xp.expand_dims(rows, axis=1), part), values.dtype)
        total = total + xp.matmul(select, flat[start:stop, :])
    return xp.reshape(total, x.shape)

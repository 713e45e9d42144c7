"""Normalisation in NumPy alone: block by block, so that all temporaries stay in the cache."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from learnkit.backends.base import Array
from learnkit.backends.norms import Gradients, Needs, NormKernels, Statistics, scale_of

__all__ = ["NumpyNormKernels", "inverse_of", "merged"]

#: Elements of a block.
_BLOCK = 65536
#: Rows of a block at most: what is summed in float32 are so few numbers that it shows in no digit.
_ROWS = 2048

#: Squares summed in float32, in the vector registers of BLAS and without its threads.
_SUMMED = 8192


def merged(means: Array, squares: Array, counts: Array, dtype: Any) -> Statistics:
    """The statistics of the whole from those of its parts, in double precision.

    Args:
        means: of each part, shape (parts, channels).
        squares: sums of squared distances from it.
        counts: numbers in each part, shape (parts,).
        dtype: of the result.
    """
    n = counts.sum()
    mean = (counts @ means) / n
    d = means - mean
    power = (squares.sum(axis=0) + counts @ (d * d)) / n
    high = mean.astype(dtype)
    return high, (mean - high).astype(dtype), power.astype(dtype)


def inverse_of(power: Array, eps: float) -> Array:
    """``1 / sqrt(power + eps)`` in double precision."""
    return 1.0 / np.sqrt(power.astype(np.float64) + eps)


def _blocks(n: int, width: int) -> Iterator[slice]:
    """Parts of ``n`` rows of so many elements."""
    rows = min(_ROWS, max(1, _BLOCK // width))
    return (slice(first, first + rows) for first in range(0, n, rows))


def _sums(x: Array) -> Array:
    """Of an array (few examples, channels, rest) over all but the channels, in double precision."""
    n, channels, rest = x.shape
    rows = x.reshape(n, channels) if rest == 1 else np.add.reduce(x, axis=2)
    return (np.ones(n, x.dtype) @ rows).astype(np.float64)


def _real(*arrays: Array | None) -> bool:
    return all(a is None or (a.dtype.char in "fd" and a.size) for a in arrays)


class NumpyNormKernels(NormKernels):
    """The generic formulas, on a block at a time.

    Means over the batch are taken of each block about its own centre, and put together in double precision.
    """

    def sum_of_squares(self, x: Array) -> Array:
        flat = np.ascontiguousarray(x).reshape(-1)
        parts = [flat[start : start + _SUMMED] for start in range(0, flat.size, _SUMMED)]
        with np.errstate(over="ignore"):
            total = sum(float(part @ part) for part in parts)
        if x.dtype.char == "f" and not 1e-24 < total < math.inf:  # squares beyond the range, or below it
            total = sum(float(np.square(part, dtype=np.float64).sum()) for part in parts)
        return np.float64(total)

    def norm_rows(
        self, x: Array, weight: Array | None, bias: Array | None, *, eps: float, centred: bool = True
    ) -> tuple[Array, Statistics]:
        if not _real(x, weight, bias):
            return super().norm_rows(x, weight, bias, eps=eps, centred=centred)
        y = np.empty(x.shape, np.result_type(*(a for a in (x, weight, bias) if a is not None)))
        parts = []
        for block in _blocks(x.shape[0], x[0].size):
            y[block], found = super().norm_rows(x[block], weight, bias, eps=eps, centred=centred)
            parts.append(found)
        mean, left, power = (None if a[0] is None else np.concatenate(a) for a in zip(*parts, strict=True))
        return y, (mean, left, power)

    def norm_rows_backward(
        self,
        g: Array,
        x: Array,
        weight: Array | None,
        statistics: Statistics,
        *,
        eps: float,
        needs: Needs = (True, True, True),
    ) -> Gradients:
        if not _real(g, x, weight):
            return super().norm_rows_backward(g, x, weight, statistics, eps=eps, needs=needs)
        dx = np.empty(x.shape, np.result_type(g, x)) if needs[0] else None
        dw, db = (np.zeros(x.shape[1:3]) if need else None for need in needs[1:])
        for block in _blocks(x.shape[0], x[0].size):
            found = _part(statistics, block)
            d, w, b = super().norm_rows_backward(g[block], x[block], weight, found, eps=eps, needs=needs)
            for total, part in ((dw, w), (db, b)):
                if total is not None:
                    total += part
            if dx is not None:
                dx[block] = d
        dw, db = (a if a is None else a.astype(g.dtype) for a in (dw, db))
        return dx, dw, db

    def norm_channels(
        self, x: Array, weight: Array | None, bias: Array | None, *, eps: float
    ) -> tuple[Array, Statistics]:
        if not _real(x, weight, bias):
            return super().norm_channels(x, weight, bias, eps=eps)
        n, channels, rest = x.shape
        scale = scale_of(np, x.dtype)
        means, squares, counts = [], [], []
        for block in _blocks(n, channels * rest):
            part = x[block] * x.dtype.type(scale)
            count = part.shape[0] * rest
            mean = (_sums(part) / count).astype(x.dtype)
            part -= mean[:, None]
            left = _sums(part)
            part *= part
            means.append(mean + left / count)
            squares.append(_sums(part) - left * left / count)
            counts.append(float(count))
        statistics = merged(np.stack(means), np.stack(squares), np.asarray(counts), x.dtype)
        high, low, power = statistics
        k = inverse_of(power, eps * scale * scale)
        k = (k if weight is None else k * weight).astype(x.dtype)[:, None]
        y = np.empty(x.shape, np.result_type(*(a for a in (x, weight, bias) if a is not None)))
        for block in _blocks(n, channels * rest):
            part = _centred(x[block], scale, high, low)
            part *= k
            y[block] = part
            if bias is not None:
                y[block] += bias[:, None]
        return y, statistics

    def affine_channels(self, x: Array, shift: Array, factor: Array, bias: Array | None) -> Array:
        given = [a for a in (x, shift, factor, bias) if a is not None]
        if not _real(*given) or any(a.dtype != x.dtype for a in given):
            return super().affine_channels(x, shift, factor, bias)
        return _apply_blockwise(x, shift, factor, bias)

    def norm_channels_backward(
        self,
        g: Array,
        x: Array,
        weight: Array | None,
        statistics: Statistics,
        *,
        eps: float,
        needs: Needs = (True, True, True),
    ) -> Gradients:
        if not _real(g, x, weight):
            return super().norm_channels_backward(g, x, weight, statistics, eps=eps, needs=needs)
        n, channels, rest = x.shape
        scale = scale_of(np, x.dtype)
        high, low, power = statistics
        inverse = inverse_of(power, eps * scale * scale)
        dw, db = np.zeros((2, channels))
        for block in _blocks(n, channels * rest):
            part = _centred(x[block], scale, high, low)
            part *= g[block]
            dw += _sums(part)
            db += _sums(g[block])
        dw *= inverse
        dx = None
        if needs[0]:
            k = inverse * scale if weight is None else inverse * scale * weight
            m = n * rest
            terms = (k, k * inverse * dw / m, k * db / m)
            k, slope, shift = (a.astype(x.dtype)[:, None] for a in terms)
            dx = np.empty(x.shape, np.result_type(g, x))
            for block in _blocks(n, channels * rest):
                part = _centred(x[block], scale, high, low)
                part *= slope
                part += shift
                dx[block] = g[block] * k - part
        return dx, dw.astype(g.dtype) if needs[1] else None, db.astype(g.dtype) if needs[2] else None


def _apply_blockwise(x: Array, shift: Array, factor: Array, bias: Array | None) -> Array:
    """``(x - shift) factor + bias`` with numbers of each channel, into a new array."""
    y = np.empty(x.shape, x.dtype)
    for block in _blocks(x.shape[0], x[0].size):
        part = np.subtract(x[block], shift[:, None], out=y[block])
        part *= factor[:, None]
        if bias is not None:
            part += bias[:, None]
    return y


def _part(statistics: Statistics, block: slice) -> Statistics:
    mean, left, power = (a if a is None else a[block] for a in statistics)
    return mean, left, power


def _centred(x: Array, scale: float, high: Array, low: Array) -> Array:
    d = x * x.dtype.type(scale)
    d -= high[:, None]
    d -= low[:, None]
    return d

"""Normalisation and sums of squares of NumPy arrays by loops that Numba compiles."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from learnkit.backends.base import Array
from learnkit.backends.compiled_rows import over_rows, plain, suits
from learnkit.backends.norms import Gradients, Needs, Statistics, scale_of
from learnkit.backends.numpy_norms import NumpyNormKernels, inverse_of, merged

__all__ = ["CompiledNormKernels"]

#: Elements of one chunk of rows, whose sums are taken together: they stay in the cache for a second pass.
_CHUNK = 65536


@functools.cache
def _loops() -> Any:
    """The compiled loops; importing them imports Numba."""
    from learnkit.backends import compiled_norm_loops

    return compiled_norm_loops


@functools.cache
def _channel_loops() -> Any:
    from learnkit.backends import compiled_channel_loops

    return compiled_channel_loops


class CompiledNormKernels(NumpyNormKernels):
    """The forward pass reads x once, the backward pass g and x once, or twice if means are over the batch."""

    def sum_of_squares(self, x: Array) -> Array:
        if not suits(x):
            return super().sum_of_squares(x)
        chunks = -(-x.size // _CHUNK)
        partial = np.empty(chunks)
        over_rows(_loops().squares, chunks, x.size, _CHUNK, plain(x).reshape(-1), partial)
        return partial.sum()

    def norm_rows(
        self, x: Array, weight: Array | None, bias: Array | None, *, eps: float, centred: bool = True
    ) -> tuple[Array, Statistics]:
        if not suits(x, weight, bias):
            return super().norm_rows(x, weight, bias, eps=eps, centred=centred)
        n, groups, segments, rest = x.shape
        rows = n * groups
        scale = scale_of(np, x.dtype)
        y = np.empty(x.shape, x.dtype)
        high, low, power = np.empty((3, rows), x.dtype)
        over_rows(
            _loops().row_norm,
            rows,
            x.size,
            plain(x).reshape(rows, segments, rest),
            _filled((groups, segments), x.dtype, 1) if weight is None else plain(weight),
            _filled((groups, segments), x.dtype, 0) if bias is None else plain(bias),
            scale,
            eps * scale * scale,
            centred,
            y.reshape(rows, segments, rest),
            high,
            low,
            power,
        )
        shape = (n, groups)
        if not centred:
            return y, (None, None, power.reshape(shape))
        return y, (high.reshape(shape), low.reshape(shape), power.reshape(shape))

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
        if not suits(g, x, weight):
            return super().norm_rows_backward(g, x, weight, statistics, eps=eps, needs=needs)
        n, groups, segments, rest = x.shape
        rows, view = n * groups, (n * groups, segments, rest)
        scale = scale_of(np, x.dtype)
        high, low, power = (
            _filled((rows,), x.dtype, 0) if a is None else a.reshape(rows) for a in statistics
        )
        chunk = max(16, _CHUNK // (segments * rest))
        chunks = -(-rows // chunk)
        to_weight = needs[1] or needs[2]
        partial = np.zeros((chunks if to_weight else 1, 2, groups, segments))
        dx = np.empty(x.shape if needs[0] else (1, groups, segments, rest), x.dtype)
        over_rows(
            _loops().row_backward,
            chunks,
            x.size,
            chunk,
            plain(g).reshape(view),
            plain(x).reshape(view),
            _filled((groups, segments), x.dtype, 1) if weight is None else plain(weight),
            scale,
            eps * scale * scale,
            statistics[0] is not None,
            high,
            low,
            power,
            needs[0],
            to_weight,
            dx.reshape(-1, segments, rest),
            partial,
        )
        return _gradients(dx, partial, needs, x.dtype)

    def norm_channels(
        self, x: Array, weight: Array | None, bias: Array | None, *, eps: float
    ) -> tuple[Array, Statistics]:
        if not suits(x, weight, bias):
            return super().norm_channels(x, weight, bias, eps=eps)
        n, channels, rest = x.shape
        x, scale, loops = plain(x), scale_of(np, x.dtype), _channel_loops()
        chunk = _examples(channels, rest)
        chunks = -(-n // chunk)
        partial = np.empty((chunks, 2, channels))
        over_rows(loops.channel_moments, chunks, x.size, chunk, x, scale, partial)
        counts = np.full(chunks, chunk * rest, np.float64)
        counts[-1] = (n - (chunks - 1) * chunk) * rest
        statistics = merged(partial[:, 0], partial[:, 1], counts, x.dtype)
        high, low, power = statistics
        k = inverse_of(power, eps * scale * scale)
        y = np.empty(x.shape, x.dtype)
        if weight is not None:
            k *= weight
        shift = (-low * k if bias is None else bias - low * k).astype(x.dtype)
        over_rows(loops.channels_apply, n, x.size, x, scale, high, k.astype(x.dtype), shift, y)
        return y, statistics

    def affine_channels(self, x: Array, shift: Array, factor: Array, bias: Array | None) -> Array:
        if not suits(x, shift, factor, bias):
            return super().affine_channels(x, shift, factor, bias)
        n, channels, _ = x.shape
        y = np.empty(x.shape, x.dtype)
        bias = _filled((channels,), x.dtype, 0) if bias is None else plain(bias)
        numbers = plain(shift), plain(factor), bias
        over_rows(_channel_loops().channels_apply, n, x.size, plain(x), 1.0, *numbers, y)
        return y

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
        if not suits(g, x, weight):
            return super().norm_channels_backward(g, x, weight, statistics, eps=eps, needs=needs)
        n, channels, rest = x.shape
        g, x, scale, loops = plain(g), plain(x), scale_of(np, x.dtype), _channel_loops()
        high, low, power = (plain(a) for a in statistics)
        wide = inverse_of(power, eps * scale * scale)
        chunk = _examples(channels, rest)
        chunks = -(-n // chunk)
        partial = np.zeros((chunks, 2, channels))
        terms = high, wide.astype(x.dtype), (-low * wide).astype(x.dtype)
        over_rows(loops.channel_gradients, chunks, x.size, chunk, g, x, scale, *terms, partial)
        dx = None
        if needs[0]:
            gh, total = partial.sum(axis=0) / (n * rest)
            k = wide * scale if weight is None else wide * scale * weight
            slope = k * wide * gh
            terms = tuple(a.astype(x.dtype) for a in (k, slope, k * total - low * slope))
            dx = np.empty(x.shape, x.dtype)
            over_rows(loops.channels_backward, n, x.size, g, x, scale, high, *terms, dx)
        return _gradients(dx, partial, needs, x.dtype)


@functools.lru_cache(64)
def _filled(shape: tuple[int, ...], dtype: Any, value: float) -> Array:
    """An array of that number, never written to."""
    return np.full(shape, value, dtype)


def _examples(channels: int, rest: int) -> int:
    """Examples in a chunk. Not so few that the sums of the chunks would be many beside the elements."""
    return max(_CHUNK // (channels * rest), -(-64 // rest))


def _gradients(dx: Array | None, partial: Array, needs: Needs, dtype: Any) -> Gradients:
    if not (needs[1] or needs[2]):
        return dx, None, None
    dw, db = partial.sum(axis=0).astype(dtype)
    return dx if needs[0] else None, dw if needs[1] else None, db if needs[2] else None

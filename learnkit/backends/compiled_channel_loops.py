"""Loops that Numba compiles for normalisation over the batch. Imported when the first is needed.

As in :mod:`learnkit.backends.compiled_norm_loops`.
"""

from __future__ import annotations

import numpy as np

from learnkit.backends.compiled_sums import (
    STRIP,
    exact,
    wide_mean,
    wide_moments,
    wide_product,
    wide_total,
)

__all__ = ["channel_gradients", "channel_moments", "channels_apply", "channels_backward"]


@exact
def channel_moments(lo, hi, chunk, x, scale, partial):  # type: ignore[no-untyped-def]
    """Of chunks ``lo`` to ``hi`` of so many examples each: mean, and sum of squared distances from it.

    x: (n, channels, rest).  partial: (chunks, 2, channels).
    """
    n, channels, rest = x.shape
    sums, one, two = np.empty(channels), np.empty(channels), np.empty(channels)
    for q in range(lo, hi):
        first, last = q * chunk, min((q + 1) * chunk, n)
        count = np.float64((last - first) * rest)
        sums[:] = 0
        one[:] = 0
        two[:] = 0
        if rest == 1:
            flat = x.reshape(n, channels)
            for c in range(0, channels, STRIP):
                total, d, dd = sums[c : c + STRIP], one[c : c + STRIP], two[c : c + STRIP]
                for r in range(first, last):
                    row = flat[r, c : c + STRIP]
                    for j in range(row.shape[0]):
                        total[j] += np.float64(row[j]) * scale
                for j in range(total.shape[0]):
                    total[j] /= count
                for r in range(first, last):
                    row = flat[r, c : c + STRIP]
                    for j in range(row.shape[0]):
                        v = np.float64(row[j]) * scale - total[j]
                        d[j] += v
                        dd[j] += v * v
        else:
            for r in range(first, last):
                for c in range(channels):
                    sums[c] += wide_mean(x[r, c], scale)
            for c in range(channels):
                sums[c] /= last - first
            for r in range(first, last):
                for c in range(channels):
                    a, b = wide_moments(x[r, c], scale, sums[c])
                    one[c] += a
                    two[c] += b
        for c in range(channels):
            partial[q, 0, c] = sums[c] + one[c] / count
            partial[q, 1, c] = two[c] - one[c] * one[c] / count


@exact
def channels_apply(lo, hi, x, scale, high, low, k, bias, y):  # type: ignore[no-untyped-def]
    """``y = ((scale x - high) - low) k + bias`` for examples ``lo`` to ``hi``."""
    n, channels, rest = x.shape
    s = x.dtype.type(scale)
    if rest == 1:
        flat, out = x.reshape(n, channels), y.reshape(n, channels)
        for c in range(0, channels, STRIP):
            a, b, w, shift = high[c : c + STRIP], low[c : c + STRIP], k[c : c + STRIP], bias[c : c + STRIP]
            for r in range(lo, hi):
                row, to = flat[r, c : c + STRIP], out[r, c : c + STRIP]
                for j in range(a.shape[0]):
                    to[j] = ((row[j] * s - a[j]) - b[j]) * w[j] + shift[j]
    else:
        for r in range(lo, hi):
            for c in range(channels):
                part, to, a1, b1, w1, shift1 = x[r, c], y[r, c], high[c], low[c], k[c], bias[c]
                for j in range(rest):
                    to[j] = ((part[j] * s - a1) - b1) * w1 + shift1


@exact
def channel_gradients(lo, hi, chunk, g, x, scale, high, low, inverse, partial):  # type: ignore[no-untyped-def]
    """Of chunks ``lo`` to ``hi`` the sums of ``g h`` and of ``g``.  partial: (chunks, 2, channels), zeros."""
    n, channels, rest = x.shape
    s = x.dtype.type(scale)
    strip = np.empty(STRIP, x.dtype)
    for q in range(lo, hi):
        first, last = q * chunk, min((q + 1) * chunk, n)
        if rest == 1:
            flat, gradient = x.reshape(n, channels), g.reshape(n, channels)
            for c in range(0, channels, STRIP):
                a, b, k = high[c : c + STRIP], low[c : c + STRIP], inverse[c : c + STRIP]
                dw, db = partial[q, 0, c : c + STRIP], partial[q, 1, c : c + STRIP]
                for r in range(first, last):
                    row, gr = flat[r, c : c + STRIP], gradient[r, c : c + STRIP]
                    for j in range(a.shape[0]):
                        dw[j] += np.float64(gr[j]) * np.float64(((row[j] * s - a[j]) - b[j]) * k[j])
                        db[j] += np.float64(gr[j])
        else:
            for r in range(first, last):
                for c in range(channels):
                    for start in range(0, rest, STRIP):
                        part, gr = x[r, c, start : start + STRIP], g[r, c, start : start + STRIP]
                        h = strip[: part.shape[0]]
                        for j in range(part.shape[0]):
                            h[j] = ((part[j] * s - high[c]) - low[c]) * inverse[c]
                        partial[q, 0, c] += wide_product(gr, h)
                        partial[q, 1, c] += wide_total(gr)


@exact
def channels_backward(lo, hi, g, x, scale, high, low, k, slope, shift, dx):  # type: ignore[no-untyped-def]
    """``dx = g k - ((scale x - high) - low) slope - shift`` for examples ``lo`` to ``hi``."""
    n, channels, rest = x.shape
    s = x.dtype.type(scale)
    if rest == 1:
        flat, gradient, out = x.reshape(n, channels), g.reshape(n, channels), dx.reshape(n, channels)
        for c in range(0, channels, STRIP):
            a, b, w = high[c : c + STRIP], low[c : c + STRIP], k[c : c + STRIP]
            m, t = slope[c : c + STRIP], shift[c : c + STRIP]
            for r in range(lo, hi):
                row, gr, to = flat[r, c : c + STRIP], gradient[r, c : c + STRIP], out[r, c : c + STRIP]
                for j in range(a.shape[0]):
                    to[j] = gr[j] * w[j] - ((row[j] * s - a[j]) - b[j]) * m[j] - t[j]
    else:
        for r in range(lo, hi):
            for c in range(channels):
                part, gr, to, a1, b1, w1, m1, t1 = (
                    x[r, c], g[r, c], dx[r, c], high[c], low[c], k[c], slope[c], shift[c]
                )  # fmt: skip
                for j in range(rest):
                    to[j] = gr[j] * w1 - ((part[j] * s - a1) - b1) * m1 - t1

"""Loops that Numba compiles for normalisation and for sums of squares. Imported when the first is needed.

Statistics are taken in double precision, whatever the dtype of x, and in a second pass over numbers that the
first has centred. Sums over rows of the batch are partial sums of chunks of rows, added in the order of the
chunks: the same bits whatever the number of threads.

Sums may be taken in another order, for the sake of vector registers, but only by functions that do nothing
else: in ``x - mean`` the order is the accuracy. What they sum lies in a strip that stays in the
nearest cache.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = [
    "STRIP",
    "channel_gradients",
    "channel_moments",
    "channels_apply",
    "channels_backward",
    "row_backward",
    "row_norm",
    "squares",
]

#: Elements worked on at once.
STRIP = 1024

_exact = numba.njit(nogil=True, error_model="numpy", cache=True)
_sum = numba.njit(nogil=True, error_model="numpy", cache=True, fastmath={"reassoc", "nsz"})


@_sum
def _total(x):  # type: ignore[no-untyped-def]
    a = 0.0
    for j in range(x.shape[0]):
        a += np.float64(x[j])
    return a


@_sum
def _product(x, y):  # type: ignore[no-untyped-def]
    """The sum of products, each rounded to double precision only."""
    a = 0.0
    for j in range(x.shape[0]):
        a += np.float64(x[j]) * np.float64(y[j])
    return a


@_exact
def _mean_of(x, scale):  # type: ignore[no-untyped-def]
    """The mean of ``scale x``."""
    total = 0.0
    for first in range(0, x.shape[0], STRIP):
        total += _total(x[first : first + STRIP]) * scale
    return total / x.shape[0]


@_exact
def _moments(x, scale, mean, strip):  # type: ignore[no-untyped-def]
    """The sums of ``d`` and of ``d^2`` for ``d = scale x - mean``."""
    one = two = 0.0
    for first in range(0, x.shape[0], STRIP):
        part = x[first : first + STRIP]
        d = strip[: part.shape[0]]
        for j in range(part.shape[0]):
            d[j] = np.float64(part[j]) * scale - mean
        one += _total(d)
        two += _product(d, d)
    return one, two


@_exact
def row_norm(  # type: ignore[no-untyped-def]
    lo, hi, x, weight, bias, scale, eps, centred, y, high_of, low_of, power_of
):
    """Rows ``lo`` to ``hi`` of x (rows, segments, rest), with weight and bias (groups, segments)."""
    groups, segments, rest = weight.shape[0], x.shape[1], x.shape[2]
    m = segments * rest
    strip = np.empty(STRIP)
    kind = x.dtype.type
    s = kind(scale)
    for r in range(lo, hi):
        row = x[r].reshape(m)
        mean = _mean_of(row, scale) if centred else 0.0
        one, two = _moments(row, scale, mean, strip)
        if centred:
            mean += one / m
            two -= one * one / m
        power = two / m
        inverse = kind(1.0 / np.sqrt(power + eps))
        high = kind(mean)
        low = kind(mean - np.float64(high))
        high_of[r], low_of[r], power_of[r] = high, low, kind(power)
        w, b = weight[r % groups], bias[r % groups]
        if rest == 1:
            out = y[r].reshape(m)
            for j in range(m):
                out[j] = ((row[j] * s - high) - low) * inverse * w[j] + b[j]
        else:
            for c in range(segments):
                part, out, k, shift = x[r, c], y[r, c], inverse * w[c], b[c]
                for j in range(rest):
                    out[j] = ((part[j] * s - high) - low) * k + shift


@_exact
def row_backward(  # type: ignore[no-untyped-def]
    lo, hi, chunk, g, x, weight, scale, eps, centred, high_of, low_of, power_of, to_x, to_weight, dx, partial
):
    """Chunks ``lo`` to ``hi`` of so many rows each: dx, and of weight and bias partial sums.

    partial: (chunks, 2, groups, segments), zeros.
    """
    groups, segments, rest = weight.shape[0], x.shape[1], x.shape[2]
    m = segments * rest
    kind = x.dtype.type
    s = kind(scale)
    h, gw = np.empty(m, x.dtype), np.empty(m, x.dtype)
    for r in range(lo * chunk, min(hi * chunk, x.shape[0])):
        high, low = high_of[r], low_of[r]
        inverse = kind(1.0 / np.sqrt(np.float64(power_of[r]) + eps))
        row, gr = x[r].reshape(m), g[r].reshape(m)
        for j in range(m):
            h[j] = ((row[j] * s - high) - low) * inverse
        w = weight[r % groups]
        if to_weight:
            dw, db = partial[r // chunk, 0, r % groups], partial[r // chunk, 1, r % groups]
            if rest == 1:
                for j in range(m):
                    dw[j] += np.float64(gr[j]) * np.float64(h[j])
                    db[j] += np.float64(gr[j])
            else:
                for c in range(segments):
                    dw[c] += _product(gr[c * rest : (c + 1) * rest], h[c * rest : (c + 1) * rest])
                    db[c] += _total(gr[c * rest : (c + 1) * rest])
        if to_x:
            if rest == 1:
                for j in range(m):
                    gw[j] = gr[j] * w[j]
            else:
                for c in range(segments):
                    for j in range(c * rest, (c + 1) * rest):
                        gw[j] = gr[j] * w[c]
            a = kind(_total(gw) / m) if centred else kind(0)
            b = kind(_product(gw, h) / m)
            k = inverse * s
            out = dx[r].reshape(m)
            for j in range(m):
                out[j] = (gw[j] - a - h[j] * b) * k


@_exact
def channel_moments(lo, hi, chunk, x, scale, partial):  # type: ignore[no-untyped-def]
    """Of chunks ``lo`` to ``hi`` of so many examples each: mean, and sum of squared distances from it.

    x: (n, channels, rest).  partial: (chunks, 2, channels).
    """
    n, channels, rest = x.shape
    strip = np.empty(STRIP)
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
                    sums[c] += _mean_of(x[r, c], scale)
            for c in range(channels):
                sums[c] /= last - first
            for r in range(first, last):
                for c in range(channels):
                    a, b = _moments(x[r, c], scale, sums[c], strip)
                    one[c] += a
                    two[c] += b
        for c in range(channels):
            partial[q, 0, c] = sums[c] + one[c] / count
            partial[q, 1, c] = two[c] - one[c] * one[c] / count


@_exact
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


@_exact
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
                        partial[q, 0, c] += _product(gr, h)
                        partial[q, 1, c] += _total(gr)


@_exact
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


@_exact
def squares(lo, hi, chunk, x, partial):  # type: ignore[no-untyped-def]
    """The sums of squares in chunks ``lo`` to ``hi`` of a vector, in double precision."""
    for q in range(lo, hi):
        part = x[q * chunk : (q + 1) * chunk]
        partial[q] = _product(part, part)

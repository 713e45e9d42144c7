"""Loops that Numba compiles for normalisation over the batch. Imported when the first is needed.

As in :mod:`learnkit.backends.compiled_norm_loops`. Where a channel has one number in each example, the sums
of all channels are taken side by side, in the dtype of x over a few examples and in double precision over
more.
"""

from __future__ import annotations

import numpy as np

from learnkit.backends.compiled_sums import (
    add_to,
    constant,
    exact,
    finite,
    moments,
    near,
    products,
    usable,
    wide_products,
)
from learnkit.backends.numba_arithmetic import fma

__all__ = ["channel_gradients", "channel_moments", "channels_apply", "channels_backward"]

#: Examples whose numbers are summed in the dtype of x, and numbers of which a mean is near enough.
_FEW = 16


@exact
def _wide_moments(x, c, scale):  # type: ignore[no-untyped-def]
    """Of a channel: mean, and sum of squared distances from it, in double precision."""
    n, rest = x.shape[0], x.shape[2]
    mean = one = two = 0.0
    for r in range(n):
        for j in range(rest):
            mean += np.float64(x[r, c, j]) * scale
    mean /= n * rest
    for r in range(n):
        for j in range(rest):
            d = np.float64(x[r, c, j]) * scale - mean
            one += d
            two += d * d
    return mean + one / (n * rest), two - one * one / (n * rest)


@exact
def _moments_by_example(x, shift, one, two):  # type: ignore[no-untyped-def]
    """Sums of ``d = x - shift`` and of ``d^2`` of channels that have many numbers in each example."""
    n, channels, rest = x.shape
    few = min(n, -(-_FEW // rest))
    for c in range(channels):
        start, off = x[0, c, 0], x.dtype.type(0)
        for i in range(few):
            off += near(x[i * n // few, c]) - start
        shift[c] = start + off / x.dtype.type(few)
    for r in range(n):
        for c in range(channels):
            a, b = moments(x[r, c], shift[c])
            one[c] += a
            two[c] += b


@exact
def _moments_side_by_side(x, shift, one, two):  # type: ignore[no-untyped-def]
    """The same of channels that have one number in each example. x: (n, channels)."""
    n, kind = x.shape[0], x.dtype.type
    few = min(n, _FEW)
    a, b = np.empty(shift.shape[0], x.dtype), np.empty(shift.shape[0], x.dtype)
    start = x[0]
    a[:] = kind(0)
    for i in range(few):
        row = x[i * n // few]
        for j in range(a.shape[0]):
            a[j] += row[j] - start[j]
    for j in range(a.shape[0]):
        shift[j] = start[j] + a[j] / kind(few)
    for first in range(0, n, _FEW):
        a[:] = kind(0)
        b[:] = kind(0)
        for r in range(first, min(first + _FEW, n)):
            row = x[r]
            for j in range(a.shape[0]):
                d = row[j] - shift[j]
                a[j] += d
                b[j] = fma(d, d, b[j])
        add_to(one, a)
        add_to(two, b)


@exact
def _others(x, shift, two):  # type: ignore[no-untyped-def]
    """How many numbers of the channels where ``two`` is 0 are not ``shift``."""
    count = 0
    for r in range(x.shape[0]):
        if x.shape[2] == 1:
            row = x[r].reshape(x.shape[1])
            for j in range(row.shape[0]):
                count += (two[j] == 0) & (row[j] != shift[j])
        else:
            for c in range(x.shape[1]):
                if two[c] == 0 and not constant(x[r, c], shift[c]):
                    count += 1
    return count


@exact
def channel_moments(lo, hi, chunk, x, scale, partial):  # type: ignore[no-untyped-def]
    """Of chunks ``lo`` to ``hi`` of so many examples each: mean, and sum of squared distances from it.

    x: (n, channels, rest).  partial: (chunks, 2, channels).
    """
    channels, rest = x.shape[1], x.shape[2]
    shift, one, two = np.empty(channels, x.dtype), np.empty(channels), np.empty(channels)
    for q in range(lo, hi):
        part = x[q * chunk : (q + 1) * chunk]
        count = part.shape[0] * rest
        one[:] = 0.0
        two[:] = 0.0
        if rest == 1:
            _moments_side_by_side(part.reshape(part.shape[0], channels), shift, one, two)
        else:
            _moments_by_example(part, shift, one, two)
        means, squares, share, bad, empty = partial[q, 0], partial[q, 1], 1.0 / count, 0, 0
        for c in range(channels):
            left = two[c] - one[c] * one[c] * share
            means[c] = (np.float64(shift[c]) + one[c] * share) * scale
            squares[c] = left * scale * scale
            bad += not usable(left, two[c], count, scale)
            empty += two[c] == 0
        if bad > empty or (empty > 0 and _others(part, shift, two) > 0):
            for c in range(channels):
                if not usable(two[c] - one[c] * one[c] * share, two[c], count, scale):
                    means[c], squares[c] = _wide_moments(part, c, scale)


@exact
def channels_apply(lo, hi, x, scale, high, k, shift, y):  # type: ignore[no-untyped-def]
    """``y = (scale x - high) k + shift`` for examples ``lo`` to ``hi``, counted from the end.

    What the statistics were taken of last may still be in a cache.
    """
    n, channels, rest = x.shape
    lo, hi = n - hi, n - lo
    s = x.dtype.type(scale)
    if rest == 1:
        flat, out = x.reshape(n, channels), y.reshape(n, channels)
        for r in range(lo, hi):
            row, to = flat[r], out[r]
            for j in range(channels):
                to[j] = fma(fma(row[j], s, -high[j]), k[j], shift[j])
    else:
        for r in range(lo, hi):
            for c in range(channels):
                part, results, a, b, w = x[r, c], y[r, c], high[c], shift[c], k[c]
                for j in range(rest):
                    results[j] = fma(fma(part[j], s, -a), w, b)


@exact
def _gradients_side_by_side(g, x, s, high, inverse, shift, dw, db):  # type: ignore[no-untyped-def]
    """Add to dw and db of channels that have one number in each example. g, x: (few, channels)."""
    for r in range(x.shape[0]):
        gs, xs = g[r], x[r]
        for j in range(xs.shape[0]):
            h = fma(fma(xs[j], s, -high[j]), inverse[j], shift[j])
            dw[j] = fma(gs[j], h, dw[j])
            db[j] += gs[j]


@exact
def channel_gradients(lo, hi, chunk, g, x, scale, high, inverse, shift, partial):  # type: ignore[no-untyped-def]
    """Of chunks ``lo`` to ``hi`` the sums of ``g h`` and ``g`` for ``h = (scale x - high) inverse + shift``.

    partial: (chunks, 2, channels), zeros.
    """
    n, channels, rest = x.shape
    kind = x.dtype.type
    s = kind(scale)
    dw, db = np.empty(channels, x.dtype), np.empty(channels, x.dtype)
    for q in range(lo, hi):
        to_w, to_b = partial[q, 0], partial[q, 1]
        end = min((q + 1) * chunk, n)
        step = _FEW if rest == 1 else 1
        for first in range(q * chunk, end, step):
            last = min(first + step, end)
            if rest == 1:
                dw[:] = kind(0)
                db[:] = kind(0)
                gs, xs = (
                    g[first:last].reshape(last - first, channels),
                    x[first:last].reshape(last - first, channels),
                )
                _gradients_side_by_side(gs, xs, s, high, inverse, shift, dw, db)
                if finite(dw) and finite(db):
                    add_to(to_w, dw)
                    add_to(to_b, db)
                    continue
            for r in range(first, last):
                for c in range(channels):
                    one, two = products(g[r, c], x[r, c], s, high[c], inverse[c], shift[c])
                    if not abs(one) + abs(two) < np.inf:
                        one, two = wide_products(g[r, c], x[r, c], s, high[c], inverse[c], shift[c])
                    to_w[c] += two
                    to_b[c] += one


@exact
def channels_backward(lo, hi, g, x, scale, high, k, slope, shift, dx):  # type: ignore[no-untyped-def]
    """``dx = g k - (scale x - high) slope - shift`` for examples ``lo`` to ``hi``, counted from the end."""
    n, channels, rest = x.shape
    lo, hi = n - hi, n - lo
    s = x.dtype.type(scale)
    if rest == 1:
        flat, gradient, out = x.reshape(n, channels), g.reshape(n, channels), dx.reshape(n, channels)
        for r in range(lo, hi):
            row, gs, to = flat[r], gradient[r], out[r]
            for j in range(channels):
                to[j] = fma(gs[j], k[j], -fma(fma(row[j], s, -high[j]), slope[j], shift[j]))
    else:
        for r in range(lo, hi):
            for c in range(channels):
                xs, gr, results, a, w, m, t = x[r, c], g[r, c], dx[r, c], high[c], k[c], slope[c], shift[c]
                for j in range(rest):
                    results[j] = fma(gr[j], w, -fma(fma(xs[j], s, -a), m, t))

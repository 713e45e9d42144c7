"""Loops that Numba compiles to normalise rows, and for sums of squares. Imported when the first is needed.

Statistics are taken in a second pass over numbers that the first has centred, and sums of more than a few
numbers in double precision (see :mod:`learnkit.backends.compiled_sums`). Sums over rows of the batch are
partial sums of chunks of rows, added in the order of the chunks: the same bits whatever the number of
threads.
"""

from __future__ import annotations

import numpy as np

from learnkit.backends.compiled_sums import (
    STRIP,
    add_to,
    constant,
    exact,
    finite,
    moments,
    near,
    products,
    usable,
    wide_mean,
    wide_moments,
    wide_product,
    wide_products,
)
from learnkit.backends.numba_arithmetic import fma, plus

__all__ = ["row_backward", "row_norm", "squares"]

#: Rows whose products are summed in the dtype of x before they are added to the others.
_ROWS = 16
#: Elements of rows that the backward pass reads twice, and the second time from a cache.
_NEAR = 32768


@exact
def _statistics(row, scale, centred):  # type: ignore[no-untyped-def]
    """The mean of ``scale row`` and the mean square of what is left without it, in double precision."""
    m, kind = row.shape[0], row.dtype.type
    shift = near(row) if centred else kind(0)
    one, two = moments(row, shift)
    if not centred:
        one = 0.0
    left = two - one * one / m
    if usable(left, two, m, scale) or (two == 0 and constant(row, shift)):
        return (np.float64(shift) + one / m) * scale, left / m * scale * scale
    mean = wide_mean(row, scale) if centred else 0.0
    one, two = wide_moments(row, scale, mean)
    if not centred:
        return mean, two / m
    return mean + one / m, (two - one * one / m) / m


@exact
def row_norm(  # type: ignore[no-untyped-def]
    lo, hi, x, weight, bias, scale, eps, centred, y, high_of, low_of, power_of
):
    """Rows ``lo`` to ``hi`` of x (rows, segments, rest), with weight and bias (groups, segments)."""
    groups, segments, rest = weight.shape[0], x.shape[1], x.shape[2]
    rows, results = x.reshape(x.shape[0], segments * rest), y.reshape(x.shape[0], segments * rest)
    kind = x.dtype.type
    s = kind(scale)
    for r in range(lo, hi):
        row, out = rows[r], results[r]
        mean, power = _statistics(row, scale, centred)
        inverse = kind(1.0 / np.sqrt(power + eps))
        high = kind(mean)
        low = kind(mean - np.float64(high))
        high_of[r], low_of[r], power_of[r] = high, low, kind(power)
        shift = -low * inverse
        w, b = weight[r % groups], bias[r % groups]
        if rest == 1:
            for j in range(row.shape[0]):
                out[j] = fma(fma(fma(row[j], s, -high), inverse, shift), w[j], b[j])
        else:
            for c in range(segments):
                part, to, wc, bc = x[r, c], y[r, c], w[c], b[c]
                for j in range(rest):
                    to[j] = fma(fma(fma(part[j], s, -high), inverse, shift), wc, bc)


@exact
def _sums_by_element(g, x, w, s, high, inverse, shift, dw, db):  # type: ignore[no-untyped-def]
    """The sums of ``g w`` and of ``g w h`` over a row; ``g h`` and ``g`` are added to dw and db."""
    one = two = 0.0
    for first in range(0, x.shape[0], STRIP):
        last = first + STRIP
        gs, xs, ws, to_w, to_b = g[first:last], x[first:last], w[first:last], dw[first:last], db[first:last]
        a = b = x.dtype.type(0)
        for j in range(xs.shape[0]):
            h = fma(fma(xs[j], s, -high), inverse, shift)
            gw = gs[j] * ws[j]
            a = plus(a, gw)
            b = plus(b, gw * h)
            to_w[j] = fma(gs[j], h, to_w[j])
            to_b[j] += gs[j]
        one += np.float64(a)
        two += np.float64(b)
    return one, two


@exact
def _sums_by_segment(g, x, w, s, high, inverse, shift, dw, db):  # type: ignore[no-untyped-def]
    """The same where weight and bias have one number for each segment of the row."""
    one = two = 0.0
    for c in range(x.shape[0]):
        a, b = products(g[c], x[c], s, high, inverse, shift)
        one += a * w[c]
        two += b * w[c]
        dw[c] += b
        db[c] += a
    return one, two


@exact
def _add(partial, sums):  # type: ignore[no-untyped-def]
    """Add sums to the partial sums, unless there is one among them that is not finite."""
    x = sums.reshape(sums.size)
    good = finite(x)
    if good:
        add_to(partial.reshape(partial.size), x)
    return good


@exact
def _wide_sums(g, x, w, s, high, inverse, shift, dw, db):  # type: ignore[no-untyped-def]
    """The same in double precision."""
    one = two = 0.0
    for c in range(x.shape[0]):
        a, b = wide_products(g[c], x[c], s, high, inverse, shift)
        one += a * w[c]
        two += b * w[c]
        dw[c] += b
        db[c] += a
    return one, two


@exact
def _terms(low, power, eps, inverse, shift):  # type: ignore[no-untyped-def]
    """Of rows the numbers with which they are ``h = (s x - high) inverse + shift``."""
    for r in range(low.shape[0]):
        inverse[r] = inverse.dtype.type(1.0 / np.sqrt(np.float64(power[r]) + eps))
        shift[r] = -low[r] * inverse[r]


@exact
def _to_x(g, x, w, s, high, inverse, shift, a, b, dx):  # type: ignore[no-untyped-def]
    """``dx = (g w - a - h b) inverse s`` of a row with as many segments as w has numbers."""
    k, rest = inverse * s, x.shape[0] // w.shape[0]
    if rest == 1:
        for j in range(w.shape[0]):
            h = fma(fma(x[j], s, -high), inverse, shift)
            dx[j] = fma(h, -b, fma(g[j], w[j], -a)) * k
    else:
        for c in range(w.shape[0]):
            first, last = c * rest, (c + 1) * rest
            gs, xs, to, wc = g[first:last], x[first:last], dx[first:last], w[c]
            for j in range(rest):
                h = fma(fma(xs[j], s, -high), inverse, shift)
                to[j] = fma(h, -b, fma(gs[j], wc, -a)) * k


@exact
def row_backward(  # type: ignore[no-untyped-def]
    lo, hi, chunk, g, x, weight, scale, eps, centred, high_of, low_of, power_of, to_x, to_weight, dx, partial
):
    """Chunks ``lo`` to ``hi`` of so many rows, counted from the end: dx, and of weight and bias partial sums.

    What the forward pass read last may still be in a cache.

    partial: (chunks, 2, groups, segments), zeros.
    """
    n, segments, rest = x.shape
    m, groups, kind = segments * rest, weight.shape[0], x.dtype.type
    xs, gs, results = x.reshape(n, m), g.reshape(n, m), dx.reshape(dx.shape[0], m)
    s, zero = kind(scale), kind(0)
    by_element = np.empty((2, groups, segments if rest == 1 else 0), x.dtype)
    by_segment = np.empty((2, groups, segments if rest > 1 else 0))
    means, unused = np.empty((2, _ROWS * groups)), np.zeros((2, segments))
    inverses, shifts = np.empty(_ROWS * groups, x.dtype), np.empty(_ROWS * groups, x.dtype)
    few = max(1, _NEAR // m)
    chunks = -(-n // chunk)
    for q in range(chunks - hi, chunks - lo):
        end = min((q + 1) * chunk, n)
        for first in range(q * chunk, end, _ROWS * groups):
            last = min(first + _ROWS * groups, end)
            by_element[:] = zero
            by_segment[:] = 0.0
            _terms(low_of[first:last], power_of[first:last], eps, inverses, shifts)
            for start in range(first, last, few):
                stop = min(start + few, last)
                for r in range(start, stop):
                    i, w, high, k, t = (
                        r % groups,
                        weight[r % groups],
                        high_of[r],
                        inverses[r - first],
                        shifts[r - first],
                    )
                    if rest == 1:
                        one, two = _sums_by_element(
                            gs[r], xs[r], w, s, high, k, t, by_element[0, i], by_element[1, i]
                        )
                    else:
                        one, two = _sums_by_segment(
                            g[r], x[r], w, s, high, k, t, by_segment[0, i], by_segment[1, i]
                        )
                    if not abs(one) + abs(two) < np.inf:
                        one, two = _wide_sums(g[r], x[r], w, s, high, k, t, unused[0], unused[1])
                    means[0, r - first], means[1, r - first] = one / m if centred else 0.0, two / m
                if to_x:
                    for r in range(start, stop):
                        a, b, w = kind(means[0, r - first]), kind(means[1, r - first]), weight[r % groups]
                        k, t = inverses[r - first], shifts[r - first]
                        _to_x(gs[r], xs[r], w, s, high_of[r], k, t, a, b, results[r])
            if not to_weight:
                continue
            if not (_add(partial[q], by_element) if rest == 1 else _add(partial[q], by_segment)):
                for r in range(first, last):
                    i, k, t = r % groups, inverses[r - first], shifts[r - first]
                    to_w, to_b = partial[q, 0, i], partial[q, 1, i]
                    _wide_sums(g[r], x[r], weight[i], s, high_of[r], k, t, to_w, to_b)


@exact
def squares(lo, hi, chunk, x, partial):  # type: ignore[no-untyped-def]
    """The sums of squares in chunks ``lo`` to ``hi`` of a vector, in double precision."""
    for q in range(lo, hi):
        part = x[q * chunk : (q + 1) * chunk]
        partial[q] = wide_product(part, part)

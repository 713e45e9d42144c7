"""Sums for the loops of normalisation, which Numba compiles. Imported when the first is needed.

*Wide* functions compute in double precision. The others sum :data:`STRIP` numbers at most in the dtype of x,
and what comes of that in double precision: with some dozen partial sums in vector registers each is of few
numbers, and good to all digits but the last. The caller falls back on the wide functions where sums or
squares leave the range of the dtype.

Sums may be taken in another order, for the sake of vector registers, but nothing else: in ``x - shift`` the
order is the accuracy.
"""

from __future__ import annotations

import numba
import numpy as np

from learnkit.backends.numba_arithmetic import fma, plus

__all__ = [
    "STRIP",
    "add_to",
    "constant",
    "exact",
    "finite",
    "moments",
    "near",
    "products",
    "usable",
    "wide_mean",
    "wide_moments",
    "wide_product",
    "wide_products",
    "wide_total",
]

#: Elements worked on at once: they stay in the nearest cache.
STRIP = 1024

exact = numba.njit(nogil=True, error_model="numpy", cache=True)


@exact
def wide_total(x):  # type: ignore[no-untyped-def]
    """The sum of a vector."""
    a = 0.0
    for j in range(x.shape[0]):
        a = plus(a, np.float64(x[j]))
    return a


@exact
def wide_product(x, y):  # type: ignore[no-untyped-def]
    """The sum of products, each rounded to double precision only."""
    a = 0.0
    for j in range(x.shape[0]):
        a = plus(a, np.float64(x[j]) * np.float64(y[j]))
    return a


@exact
def wide_mean(x, scale):  # type: ignore[no-untyped-def]
    """The mean of ``scale x``."""
    a = 0.0
    for first in range(0, x.shape[0], STRIP):
        a += wide_total(x[first : first + STRIP]) * scale
    return a / x.shape[0]


@exact
def wide_moments(x, scale, mean):  # type: ignore[no-untyped-def]
    """The sums of ``d`` and of ``d^2`` for ``d = scale x - mean``."""
    one = two = 0.0
    for j in range(x.shape[0]):
        d = np.float64(x[j]) * scale - mean
        one = plus(one, d)
        two = plus(two, d * d)
    return one, two


@exact
def wide_products(g, x, s, high, inverse, shift):  # type: ignore[no-untyped-def]
    """The sums of ``g`` and of ``g h`` for ``h = (s x - high) inverse + shift``, which has the dtype of x."""
    one = two = 0.0
    for j in range(x.shape[0]):
        h = fma(fma(x[j], s, -high), inverse, shift)
        one = plus(one, np.float64(g[j]))
        two = plus(two, np.float64(g[j]) * np.float64(h))
    return one, two


@exact
def near(x):  # type: ignore[no-untyped-def]
    """A number near the mean of a vector: that of a few of its numbers; exact if they are all the same."""
    few = min(x.shape[0], 16)
    off, apart = x.dtype.type(0), x.shape[0] // few
    for i in range(few):
        off = plus(off, x[i * apart] - x[0])
    return x[0] + off / x.dtype.type(few)


@exact
def moments(x, shift):  # type: ignore[no-untyped-def]
    """:func:`wide_moments` of x about ``shift``: of strips in the dtype of x, of all in double precision."""
    one = two = 0.0
    for first in range(0, x.shape[0], STRIP):
        part, a, b = x[first : first + STRIP], x.dtype.type(0), x.dtype.type(0)
        for j in range(part.shape[0]):
            d = part[j] - shift
            a = plus(a, d)
            b = plus(b, d * d)
        one += np.float64(a)
        two += np.float64(b)
    return one, two


@exact
def products(g, x, s, high, inverse, shift):  # type: ignore[no-untyped-def]
    """:func:`wide_products`, summed as in :func:`moments`."""
    one = two = 0.0
    for first in range(0, x.shape[0], STRIP):
        gs, part = g[first : first + STRIP], x[first : first + STRIP]
        a = b = x.dtype.type(0)
        for j in range(part.shape[0]):
            h = fma(fma(part[j], s, -high), inverse, shift)
            a = plus(a, gs[j])
            b = plus(b, gs[j] * h)
        one += np.float64(a)
        two += np.float64(b)
    return one, two


@exact
def usable(left, two, n, scale):  # type: ignore[no-untyped-def]
    """Whether the moments of ``n`` numbers give their variance ``left / n`` to all digits.

    Not if squares were beyond the range or below it, nor if the shift was so far from the mean that what is
    left of ``two`` is a small part of it.
    """
    return (two < np.inf) & (left > n * scale * scale) & (left > 0.1 * two)


@exact
def constant(x, value):  # type: ignore[no-untyped-def]
    """Whether all numbers of a vector are that one."""
    others = 0
    for j in range(x.shape[0]):
        others += x[j] != value
    return others == 0


@exact
def finite(x):  # type: ignore[no-untyped-def]
    """Whether no number of a vector is infinite or NaN."""
    return abs(wide_total(x)) < np.inf


@exact
def add_to(sums, x):  # type: ignore[no-untyped-def]
    """Add a vector to one in double precision."""
    for j in range(x.shape[0]):
        sums[j] += np.float64(x[j])

# mypy: allow-untyped-defs, allow-untyped-calls
"""Loops that Numba compiles for softmax, its logarithm, and the gradients of both and of cross-entropy.

As in :mod:`learnkit.backends.compiled_loops`, of whose parts these are made.
"""

from __future__ import annotations

import numba
import numpy as np

from learnkit.backends.compiled_loops import row_sum
from learnkit.backends.numba_functions import exp, log, maximum

__all__ = ["cross_entropy_backward", "log_softmax", "log_softmax_backward", "softmax", "softmax_backward"]

_exact = numba.njit(nogil=True, error_model="numpy", cache=True)


# Only sums may be taken in another order, for the sake of vector registers.
@numba.njit(nogil=True, error_model="numpy", cache=True, fastmath={"reassoc", "nsz"})
def _row_product(x, y):
    total = x.dtype.type(0)
    for j in range(x.shape[0]):
        total += x[j] * y[j]
    return total


@_exact
def softmax(lo, hi, z, y):
    """``exp(z - max z) / sum`` of each row."""
    k = z.shape[1]
    each = max(1, 4096 // k)  # rows at a time: exp runs over many numbers also where rows are short
    one = y.dtype.type(1)
    for first in range(lo, hi, each):
        last = min(hi, first + each)
        for r in range(first, last):
            row, out = z[r], y[r]
            high = maximum(row)
            for j in range(k):
                out[j] = row[j] - high
        block = y[first:last].reshape((last - first) * k)
        for i in range(block.shape[0]):
            block[i] = exp(block[i])
        for r in range(first, last):
            out = y[r]
            share = one / row_sum(out)
            for j in range(k):
                out[j] *= share


@_exact
def log_softmax(lo, hi, z, y):
    """``z - max z - log(sum exp(z - max z))`` of each row."""
    k = z.shape[1]
    each = max(1, 4096 // k)
    strip = np.empty((each, k), z.dtype)
    for first in range(lo, hi, each):
        last = min(hi, first + each)
        for r in range(first, last):
            row, out = z[r], y[r]
            high = maximum(row)
            for j in range(k):
                out[j] = row[j] - high
        block, e = y[first:last].reshape((last - first) * k), strip.reshape(each * k)
        for i in range(block.shape[0]):
            e[i] = exp(block[i])
        for r in range(first, last):
            out, rest = y[r], log(row_sum(strip[r - first]))
            for j in range(k):
                out[j] -= rest


@_exact
def log_softmax_backward(lo, hi, g, y, out):
    """``g - exp(y) sum(g)`` row by row."""
    k = y.shape[1]
    each = max(1, 4096 // k)
    for first in range(lo, hi, each):
        last = min(hi, first + each)
        block, to = y[first:last].reshape((last - first) * k), out[first:last].reshape((last - first) * k)
        for i in range(block.shape[0]):
            to[i] = exp(block[i])
        for r in range(first, last):
            row, part, total = g[r], out[r], row_sum(g[r])
            for j in range(k):
                part[j] = row[j] - part[j] * total


@_exact
def softmax_backward(lo, hi, g, y, out):
    """``y (g - sum(g y))`` row by row."""
    for r in range(lo, hi):
        a, b, to = g[r], y[r], out[r]
        inner = _row_product(a, b)
        for j in range(a.shape[0]):
            to[j] = b[j] * (a[j] - inner)


@_exact
def cross_entropy_backward(lo, hi, g, p, labels, dz):
    """``(p - onehot(labels)) g`` row by row; ``g`` has one number for each row, or one for all."""
    for r in range(lo, hi):
        each, row, out = g[r if g.shape[0] > 1 else 0], p[r], dz[r]
        for j in range(row.shape[0]):
            out[j] = row[j] * each
        out[labels[r]] -= each

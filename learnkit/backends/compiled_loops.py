# mypy: allow-untyped-defs, allow-untyped-calls
"""Loops that Numba compiles, for :mod:`learnkit.backends.compiled`. Imported there when the first is needed.

Each works on rows ``lo`` to ``hi``, so that threads can share it, and changes nothing but its outputs. What a
row gets never depends on the others, nor on which thread computes it.
"""

from __future__ import annotations

import numba
import numpy as np

from learnkit.backends.numba_functions import exp, log, maximum

__all__ = [
    "bias_relu_in_place",
    "cross_entropy_step",
    "mask_in_place",
    "relu_backward",
    "row_sum",
    "softmax_cross_entropy",
]

_exact = numba.njit(nogil=True, error_model="numpy", cache=True)


# Only sums may be taken in another order, for the sake of vector registers: inside exp the order is its
# accuracy.
@numba.njit(nogil=True, error_model="numpy", cache=True, fastmath={"reassoc", "nsz"})
def row_sum(x):
    """The sum of a vector in its own dtype."""
    total = x.dtype.type(0)
    for j in range(x.shape[0]):
        total += x[j]
    return total


@_exact
def relu_backward(lo, hi, g, y, out):
    """``g``, and 0 where ``y <= 0``: a NaN in ``y`` does not hide that in ``g``."""
    a, b, c = g[lo:hi], y[lo:hi], out[lo:hi]
    zero = a.dtype.type(0)
    for i in range(a.shape[0]):
        c[i] = zero if b[i] <= 0 else a[i]


@_exact
def mask_in_place(lo, hi, g, y):
    """:func:`relu_backward` written over ``g``: one argument, so that the compiler sees no overlap of two."""
    a, b = g[lo:hi], y[lo:hi]
    zero = a.dtype.type(0)
    for i in range(a.shape[0]):
        a[i] = zero if b[i] <= 0 else a[i]


@_exact
def bias_relu_in_place(lo, hi, y, bias):
    """``max(y + bias, 0)``; NaN stays NaN."""
    zero = y.dtype.type(0)
    for r in range(lo, hi):
        row = y[r]
        for j in range(bias.shape[0]):
            v = row[j] + bias[j]
            row[j] = zero if v < zero else v


@_exact
def softmax_cross_entropy(lo, hi, z, labels, losses, p, outside):
    """Losses and softmax of rows; ``outside[0]`` becomes 1 if a label is beyond the classes."""
    k = z.shape[1]
    each = max(1, 4096 // k)  # rows at a time: exp runs over many numbers also where rows are short
    one = p.dtype.type(1)
    for first in range(lo, hi, each):
        last = min(hi, first + each)
        for r in range(first, last):
            row, out = z[r], p[r]
            high = maximum(row)  # a NaN that it passes over reaches the sum below all the same
            for j in range(k):
                out[j] = row[j] - high
            label = labels[r]
            if -k <= label < k:  # below 0 it counts from the end, as with NumPy
                losses[r] = out[label]
            else:
                outside[0] = 1
                losses[r] = np.nan
        block = p[first:last].reshape((last - first) * k)
        for i in range(block.shape[0]):
            block[i] = exp(block[i])
        for r in range(first, last):
            out = p[r]
            total = row_sum(out)
            losses[r] = log(total) - losses[r]
            share = one / total
            for j in range(k):
                out[j] *= share


@_exact
def cross_entropy_step(z, labels, losses, p, outside):
    """The mean loss of a small batch, and in ``p`` its gradient with respect to ``z``."""
    n = z.shape[0]
    softmax_cross_entropy(0, n, z, labels, losses, p, outside)
    rows = p.dtype.type(n)
    share = p.dtype.type(1) / rows
    flat = p.reshape(p.size)
    for i in range(flat.shape[0]):
        flat[i] *= share
    for r in range(n):
        if 0 <= labels[r] < z.shape[1]:
            p[r, labels[r]] -= share
        else:
            outside[0] = 1
    return row_sum(losses) / rows

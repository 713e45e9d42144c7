"""Loops that Numba compiles, for :mod:`learnkit.backends.compiled`. Imported there when the first is needed.

Each works on rows ``lo`` to ``hi``, so that threads can share it, and changes nothing but its outputs. What a
row gets never depends on the others, nor on which thread computes it.
"""

from __future__ import annotations

import numba
import numpy as np

from learnkit.backends.numba_functions import exp_32, exp_64, log_32, log_64

__all__ = [
    "bias_relu_in_place",
    "cross_entropy_step_32",
    "cross_entropy_step_64",
    "mask_in_place",
    "maximum_32",
    "maximum_64",
    "relu_backward",
    "row_sum",
    "softmax_cross_entropy_32",
    "softmax_cross_entropy_64",
]

_exact = numba.njit(nogil=True, error_model="numpy", cache=True)


# Only sums may be taken in another order, for the sake of vector registers: inside exp the order is its
# accuracy.
@numba.njit(nogil=True, error_model="numpy", cache=True, fastmath={"reassoc", "nsz"})
def row_sum(x):  # type: ignore[no-untyped-def]
    """The sum of a vector in its own dtype."""
    total = x.dtype.type(0)
    for j in range(x.shape[0]):
        total += x[j]
    return total


@_exact
def relu_backward(lo, hi, g, y, out):  # type: ignore[no-untyped-def]
    """``g`` where ``y > 0``, else 0."""
    a, b, c = g[lo:hi], y[lo:hi], out[lo:hi]
    zero = a.dtype.type(0)
    for i in range(a.shape[0]):
        c[i] = a[i] if b[i] > 0 else zero


@_exact
def mask_in_place(lo, hi, g, y):  # type: ignore[no-untyped-def]
    """:func:`relu_backward` written over ``g``: one argument, so that the compiler sees no overlap of two."""
    a, b = g[lo:hi], y[lo:hi]
    zero = a.dtype.type(0)
    for i in range(a.shape[0]):
        a[i] = a[i] if b[i] > 0 else zero


@numba.njit(inline="always")
def _ordered(bits, shift, mask):  # type: ignore[no-untyped-def]
    """Integers in the order of the floating-point numbers of these bits, and back again."""
    return bits ^ ((bits >> shift) & mask)


@_exact
def bias_relu_in_place(lo, hi, y, bias):  # type: ignore[no-untyped-def]
    """``max(y + bias, 0)``; NaN stays NaN."""
    zero = y.dtype.type(0)
    for r in range(lo, hi):
        row = y[r]
        for j in range(bias.shape[0]):
            v = row[j] + bias[j]
            row[j] = zero if v < zero else v


def _maximum(integer, shift, mask):  # type: ignore[no-untyped-def]
    def maximum(row):  # type: ignore[no-untyped-def]
        """Of integers, as that of numbers that may be NaN takes no vector registers. NaN may be missed."""
        bits = row.view(integer)
        high = _ordered(bits[0], shift, mask)
        for j in range(bits.shape[0]):
            high = max(high, _ordered(bits[j], shift, mask))
        return integer(_ordered(high, shift, mask)).view(row.dtype)

    return maximum


maximum_32 = _exact(_maximum(np.int32, np.int32(31), np.int32(0x7FFFFFFF)))
maximum_64 = _exact(_maximum(np.int64, np.int64(63), np.int64(0x7FFFFFFFFFFFFFFF)))


def _softmax_cross_entropy(exp, log, maximum):  # type: ignore[no-untyped-def]
    def loop(lo, hi, z, labels, losses, p, outside):  # type: ignore[no-untyped-def]
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

    return loop


softmax_cross_entropy_32 = _exact(_softmax_cross_entropy(exp_32, log_32, maximum_32))
softmax_cross_entropy_64 = _exact(_softmax_cross_entropy(exp_64, log_64, maximum_64))


def _cross_entropy_step(softmax_cross_entropy):  # type: ignore[no-untyped-def]
    def step(z, labels, losses, p, outside):  # type: ignore[no-untyped-def]
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

    return step


cross_entropy_step_32 = _exact(_cross_entropy_step(softmax_cross_entropy_32))
cross_entropy_step_64 = _exact(_cross_entropy_step(softmax_cross_entropy_64))

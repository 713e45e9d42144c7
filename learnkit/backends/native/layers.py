# mypy: allow-untyped-defs, allow-untyped-calls
"""Compiled calls for the layers of a perceptron, of the kind that :mod:`learnkit.backends.native.crew` makes.

Each is ``f(low, high, address)``, for rows or columns ``low`` to ``high`` of its result. At the address are
its arguments, 64 bits each: numbers, and addresses of contiguous arrays of one dtype. There is one call for
float32 and one for float64.
"""

from __future__ import annotations

import functools

import numba
import numpy as np
from numba import carray, types

from learnkit.backends.compiled_loops import row_sum, softmax_cross_entropy
from learnkit.backends.native.intrinsics import call_part, gemm_32, gemm_64, gemv_32, gemv_64, pointer

__all__ = ["ADD", "ADD_RELU", "MASK", "NOTHING", "address"]

#: What is done to the block of a product while it is in the cache: nothing, add a bias, that and ReLU, or
#: put 0 where another array is not positive.
NOTHING, ADD, ADD_RELU, MASK = range(4)

_compiled = numba.njit(nogil=True, error_model="numpy")
_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112


@_compiled
def _add(row, bias):
    for j in range(row.shape[0]):
        row[j] += bias[j]


@_compiled
def _add_relu(row, bias, zero):
    for j in range(row.shape[0]):
        v = row[j] + bias[j]
        row[j] = zero if v < zero else v  # NaN stays NaN


@_compiled
def _mask(row, y, zero):
    for j in range(row.shape[0]):
        row[j] = zero if y[j] <= zero else row[j]


@_compiled
def _block(r0, r1, c0, c1, x, zero, one, size):
    """A block of ``a b``, where either may be transposed, with what follows.

    gemm, gemv, wide integers?, transposed a?, transposed b?, k, a, its row length, b, its row length, out,
    its row length, what follows, the array for that.
    """
    ta, tb, m, n, k, width = x[3], x[4], r1 - r0, c1 - c0, x[5], x[11]
    a = x[6] + (r0 if ta else r0 * x[7]) * size
    b = x[8] + (c0 * x[9] if tb else c0) * size
    out = x[10] + (r0 * width + c0) * size
    if m == 1 and not ta:
        turn, rows, columns = (_PLAIN, n, k) if tb else (_TRANSPOSED, k, n)
        if x[2]:
            gemv_64(x[1], _ROW_MAJOR, turn, rows, columns, one, b, x[9], a, 1, zero, out, 1)
        else:
            gemv_32(x[1], _ROW_MAJOR, turn, rows, columns, one, b, x[9], a, 1, zero, out, 1)
    else:
        to_a, to_b = (_TRANSPOSED if ta else _PLAIN), (_TRANSPOSED if tb else _PLAIN)
        if x[2]:
            gemm_64(x[0], _ROW_MAJOR, to_a, to_b, m, n, k, one, a, x[7], b, x[9], zero, out, width)
        else:
            gemm_32(x[0], _ROW_MAJOR, to_a, to_b, m, n, k, one, a, x[7], b, x[9], zero, out, width)
    follows = x[12]
    if follows:
        for r in range(m):
            row = carray(pointer(out + r * width * size, zero), n)
            if follows == MASK:
                _mask(row, carray(pointer(x[13] + ((r0 + r) * width + c0) * size, zero), n), zero)
            elif follows == ADD_RELU:
                _add_relu(row, carray(pointer(x[13] + c0 * size, zero), n), zero)
            else:
                _add(row, carray(pointer(x[13] + c0 * size, zero), n))


@_compiled
def _product_rows(low, high, address, zero, one, size):
    """:func:`_block`'s, then the number of columns."""
    x = carray(pointer(address, np.int64(0)), 15)
    _block(low, high, 0, x[14], x, zero, one, size)


@_compiled
def _product_columns(low, high, address, zero, one, size):
    """:func:`_block`'s, then the number of rows."""
    x = carray(pointer(address, np.int64(0)), 15)
    _block(0, x[14], low, high, x, zero, one, size)


@_compiled
def _column_sums(low, high, address, zero, one, size):
    """gemv, wide integers?, rows, columns, array, as many ones, out."""
    x = carray(pointer(address, np.int64(0)), 7)
    g, out = x[4] + low * size, x[6] + low * size
    if x[1]:
        gemv_64(x[0], _ROW_MAJOR, _TRANSPOSED, x[2], high - low, one, g, x[3], x[5], 1, zero, out, 1)
    else:
        gemv_32(x[0], _ROW_MAJOR, _TRANSPOSED, x[2], high - low, one, g, x[3], x[5], 1, zero, out, 1)


@_compiled
def _transpose(low, high, address, zero, one, size):
    """rows, columns, array, out: rows of out, which are columns of the array."""
    x = carray(pointer(address, np.int64(0)), 4)
    a = carray(pointer(x[2], zero), (x[0], x[1]))
    out = carray(pointer(x[3], zero), (x[1], x[0]))
    for j in range(low, high):
        for i in range(a.shape[0]):
            out[j, i] = a[i, j]


@_compiled
def _cross_entropy(low, high, address, zero, one, size):
    """rows, classes, logits, class numbers, losses, gradient of the mean, flag for a bad class number."""
    x = carray(pointer(address, np.int64(0)), 7)
    n, k = x[0], x[1]
    z, g = carray(pointer(x[2], zero), (n, k)), carray(pointer(x[5], zero), (n, k))
    labels, losses = carray(pointer(x[3], np.int64(0)), n), carray(pointer(x[4], zero), n)
    outside = carray(pointer(x[6], np.int8(0)), 1)
    softmax_cross_entropy(low, high, z, labels, losses, g, outside)
    share = one / losses.dtype.type(z.shape[0])
    k = z.shape[1]
    flat = g[low:high].reshape((high - low) * k)
    for i in range(flat.shape[0]):
        flat[i] *= share
    for r in range(low, high):
        if 0 <= labels[r] < k:
            g[r, labels[r]] -= share
        else:
            outside[0] = 1


@_compiled
def _mean(low, high, address, zero, one, size):
    """numbers, vector, out."""
    x = carray(pointer(address, np.int64(0)), 3)
    out = carray(pointer(x[2], zero), 1)
    values = carray(pointer(x[1], zero), x[0])
    out[0] = row_sum(values) / values.dtype.type(x[0])


_PART = types.void(types.intp, types.intp, types.intp)


def _in_turn(low, high, address):
    """The number of calls, then the address and the arguments of each: one after the other, same rows."""
    x = carray(pointer(address, np.int64(0)), 1 << 16)
    for i in range(x[0]):
        call_part(x[1 + 2 * i], low, high, x[2 + 2 * i])


def _product_rows_f(low, high, address):
    _product_rows(low, high, address, np.float32(0), np.float32(1), 4)


def _product_rows_d(low, high, address):
    _product_rows(low, high, address, np.float64(0), np.float64(1), 8)


def _product_columns_f(low, high, address):
    _product_columns(low, high, address, np.float32(0), np.float32(1), 4)


def _product_columns_d(low, high, address):
    _product_columns(low, high, address, np.float64(0), np.float64(1), 8)


def _column_sums_f(low, high, address):
    _column_sums(low, high, address, np.float32(0), np.float32(1), 4)


def _column_sums_d(low, high, address):
    _column_sums(low, high, address, np.float64(0), np.float64(1), 8)


def _transpose_f(low, high, address):
    _transpose(low, high, address, np.float32(0), np.float32(1), 4)


def _transpose_d(low, high, address):
    _transpose(low, high, address, np.float64(0), np.float64(1), 8)


def _cross_entropy_f(low, high, address):
    _cross_entropy(low, high, address, np.float32(0), np.float32(1), 4)


def _cross_entropy_d(low, high, address):
    _cross_entropy(low, high, address, np.float64(0), np.float64(1), 8)


def _mean_f(low, high, address):
    _mean(low, high, address, np.float32(0), np.float32(1), 4)


def _mean_d(low, high, address):
    _mean(low, high, address, np.float64(0), np.float64(1), 8)


@functools.cache
def address(name: str, kind: str = "") -> int:
    """Where the call of that name for the dtype with that character is. The first question compiles it."""
    function = globals()[f"_{name}_{kind}" if kind else f"_{name}"]
    return int(numba.cfunc(_PART, cache=True, error_model="numpy")(function).address)

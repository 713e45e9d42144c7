"""Philox 4x64 and dropout as loops that Numba compiles; the layout is in ``learnkit.backends.random``.

Each number is computed from its place alone, so threads can share them, and a mask that was drawn in the
forward pass is drawn again in the backward pass.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

__all__ = ["NUMBERS", "drop", "uniform_32", "uniform_64"]

#: float32 numbers drawn at once, into a strip in the nearest cache; eight a block of Philox.
NUMBERS = 2048

_exact = numba.njit(nogil=True, error_model="numpy", cache=True)

_u64 = np.uint64
_M0, _M1 = _u64(0xD2E7470EE14C6C93), _u64(0xCA5A826395121157)
_W0, _W1 = _u64(0x9E3779B97F4A7C15), _u64(0xBB67AE8584CAA73B)


@intrinsic  # type: ignore[untyped-decorator]
def _high(typing: Any, a: Any, b: Any) -> Any:
    """The upper half of the product of two 64-bit words, which Numba has no type for."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(x, wide) for x in arguments))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), code


@numba.njit(inline="always")
def _philox(block, step, k0, k1, out, i):  # type: ignore[no-untyped-def]
    """The four words of a block, in ``out[i : i + 4]``."""
    c0, c1, c2, c3 = block, step, _u64(0), _u64(0)
    for _ in range(10):
        high0, low0 = _high(_M0, c0), _M0 * c0
        high1, low1 = _high(_M1, c2), _M1 * c2
        c0 = high1 ^ c1 ^ k0
        c1 = low1
        c2 = high0 ^ c3 ^ k1
        c3 = low0
        k0 = k0 + _W0
        k1 = k1 + _W1
    out[i] = c0
    out[i + 1] = c1
    out[i + 2] = c2
    out[i + 3] = c3


@_exact
def _words(first, count, step, k0, k1, out):  # type: ignore[no-untyped-def]
    """So many words from block ``first`` on, rounded up to whole blocks; blocks count from 0 here."""
    for b in range((count + 3) // 4):
        _philox(_u64(first + b + 1), step, k0, k1, out, 4 * b)


@_exact
def uniform_32(lo, hi, n, step, k0, k1, out):  # type: ignore[no-untyped-def]
    """Strips ``lo`` to ``hi`` of ``n`` float32 numbers in [0, 1)."""
    words = np.empty(NUMBERS // 2, np.uint64)
    halves = words.view(np.uint32)
    scale = np.float32(2.0**-24)
    for q in range(lo, hi):
        part = out[q * NUMBERS : min(n, (q + 1) * NUMBERS)]
        _words(q * (NUMBERS // 8), (part.shape[0] + 1) // 2, step, k0, k1, words)
        for i in range(part.shape[0]):
            part[i] = np.float32(np.int32(halves[i] >> np.uint32(8))) * scale


@_exact
def uniform_64(lo, hi, n, step, k0, k1, out):  # type: ignore[no-untyped-def]
    """Strips ``lo`` to ``hi``, of half as many numbers each, of ``n`` float64 numbers in [0, 1)."""
    words = np.empty(NUMBERS // 2, np.uint64)
    for q in range(lo, hi):
        part = out[q * (NUMBERS // 2) : min(n, (q + 1) * (NUMBERS // 2))]
        _words(q * (NUMBERS // 8), part.shape[0], step, k0, k1, words)
        for i in range(part.shape[0]):
            part[i] = np.float64(np.int64(words[i] >> _u64(11))) * 2.0**-53


@_exact
def drop(lo, hi, n, step, k0, k1, least, kept, x, out):  # type: ignore[no-untyped-def]
    """Strips of ``x`` times ``kept`` where the number, of 24 bits, is at least ``least``, else times 0."""
    words = np.empty(NUMBERS // 2, np.uint64)
    halves = words.view(np.uint32)
    bound = np.int32(least)
    nothing = x.dtype.type(0)
    for q in range(lo, hi):
        part, to = x[q * NUMBERS : min(n, (q + 1) * NUMBERS)], out[q * NUMBERS : min(n, (q + 1) * NUMBERS)]
        _words(q * (NUMBERS // 8), (part.shape[0] + 1) // 2, step, k0, k1, words)
        for i in range(part.shape[0]):
            to[i] = part[i] * (kept if np.int32(halves[i] >> np.uint32(8)) >= bound else nothing)

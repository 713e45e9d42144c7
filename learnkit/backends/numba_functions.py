# mypy: allow-untyped-defs, allow-untyped-calls
"""What fused loops call: functions that the compiler can turn into vector instructions.

Imported by compiled code only, as it needs Numba. The float32 functions are polynomials, exact at infinities
and NaN. Their errors are at most 1 unit in the last place for exp and log, 3 for log1p and expm1, 5 for tanh
and 6 for erf; where the processor has no fused multiply-add, 7 for tanh and 8 for erf. exp and log follow
Cephes (Moshier 1992), tanh is the rational approximation of degree 13 over 6 that Eigen uses, erf is that of
``backends.numpy``. log1p and expm1 are made of log and exp as in Kahan's notes: the rounding error of
``1 + x`` cancels.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numba.extending import overload

from learnkit.backends.numba_arithmetic import fma
from learnkit.backends.numpy import ERF_END, ERF_P, ERF_Q

__all__ = [
    "erf_32",
    "erf_64",
    "exp",
    "exp_32",
    "exp_64",
    "expm1_32",
    "expm1_64",
    "hypot_32",
    "hypot_64",
    "log",
    "log1p_32",
    "log1p_64",
    "log_32",
    "log_64",
    "logaddexp_32",
    "logaddexp_64",
    "maximum",
    "sum_of",
    "tanh_32",
    "tanh_64",
]

f32 = np.float32
i32 = np.int32
#: Added to a number it rounds it to an integer, and leaves that, 254 more, in the lowest bits.
_SHIFT = f32(12582912.0 + 254.0)
_SHIFT_BITS = i32(0x4B400000)
_inline = numba.njit(inline="always", error_model="numpy")
_call = numba.njit(error_model="numpy")


@_inline
def exp_32(x):
    """The exponential, in float32."""
    y = min(max(x, f32(-104.0)), f32(88.8))  # of x and a limit the first, if x is NaN
    t = fma(y, f32(1.44269504088896341), _SHIFT)
    n = t - _SHIFT
    r = fma(n, f32(2.12194440e-4), fma(n, f32(-0.693359375), y))
    p = f32(1.9875691500e-4)
    p = fma(p, r, f32(1.3981999507e-3))
    p = fma(p, r, f32(8.3334519073e-3))
    p = fma(p, r, f32(4.1665795894e-2))
    p = fma(p, r, f32(1.6666665459e-1))
    p = fma(p, r, f32(5.0000001201e-1))
    p = fma(p, r * r, r) + f32(1.0)
    k = i32(f32(t).view(i32) - _SHIFT_BITS)  # 2^n in two halves: n may be 128, or below -126
    half = i32(k >> i32(1))
    rest = i32(k - half)
    return p * i32(half << i32(23)).view(f32) * i32(rest << i32(23)).view(f32)


@_inline
def log_32(x):
    """The logarithm, in float32."""
    small = x < f32(1.17549435e-38)
    scaled = x * f32(8388608.0) if small else x
    bits = f32(scaled).view(i32)
    e = f32(((bits >> i32(23)) & i32(255)) - i32(126)) - (f32(23.0) if small else f32(0.0))
    m = i32((bits & i32(0x007FFFFF)) | i32(0x3F000000)).view(f32)
    low = m < f32(0.707106781186547524)
    e = e - (f32(1.0) if low else f32(0.0))
    t = (m + m - f32(1.0)) if low else (m - f32(1.0))
    z = t * t
    p = f32(7.0376836292e-2)
    p = fma(p, t, f32(-1.1514610310e-1))
    p = fma(p, t, f32(1.1676998740e-1))
    p = fma(p, t, f32(-1.2420140846e-1))
    p = fma(p, t, f32(1.4249322787e-1))
    p = fma(p, t, f32(-1.6668057665e-1))
    p = fma(p, t, f32(2.0000714765e-1))
    p = fma(p, t, f32(-2.4999993993e-1))
    p = fma(p, t, f32(3.3333331174e-1))
    y = fma(f32(-0.5), z, fma(p * t, z, e * f32(-2.12194440e-4)))
    r = fma(e, f32(0.693359375), t + y)
    r = f32(np.inf) if x > f32(3.4028235e38) else r
    r = f32(-np.inf) if x == f32(0) else r
    return r if x >= f32(0) else f32(np.nan)


@_inline
def tanh_32(x):
    """The hyperbolic tangent, in float32."""
    y = min(max(x, f32(-7.90531110763549805)), f32(7.90531110763549805))
    q = y * y
    a = f32(-2.76076847742355e-16)
    a = fma(a, q, f32(2.00018790482477e-13))
    a = fma(a, q, f32(-8.60467152213735e-11))
    a = fma(a, q, f32(5.12229709037114e-08))
    a = fma(a, q, f32(1.48572235717979e-05))
    a = fma(a, q, f32(6.37261928875436e-04))
    a = fma(a, q, f32(4.89352455891786e-03))
    a = a * y
    b = f32(1.19825839466702e-06)
    b = fma(b, q, f32(1.18534705686654e-04))
    b = fma(b, q, f32(2.26843463243900e-03))
    b = fma(b, q, f32(4.89352518554385e-03))
    z = a / b
    z = f32(1) if x > f32(7.90531) else z
    z = f32(-1) if x < f32(-7.90531) else z
    return z if abs(x) >= f32(0.0004) else x


_E = f32(ERF_END)
_P0, _P1, _P2, _P3, _P4, _P5 = (f32(c) for c in ERF_P)
_Q0, _Q1, _Q2, _Q3, _Q4, _Q5 = (f32(c) for c in ERF_Q)


@_inline
def erf_32(x):
    """The error function, in float32."""
    y = min(max(x, -_E), _E)
    t = y * y
    p = fma(fma(fma(fma(fma(_P0, t, _P1), t, _P2), t, _P3), t, _P4), t, _P5)
    q = fma(fma(fma(fma(fma(_Q0, t, _Q1), t, _Q2), t, _Q3), t, _Q4), t, _Q5)
    return min(max(p / q * y, f32(-1.0)), f32(1.0))


@_inline
def log1p_32(x):
    """log(1 + x), in float32."""
    u = f32(1.0) + x
    d = u - f32(1.0)
    ratio = x / (d if d != f32(0) else f32(1.0))
    near = x if d == f32(0) else log_32(u) * ratio
    return log_32(u) if u > f32(3e38) or u <= f32(0) else near


@_inline
def expm1_32(x):
    """exp(x) - 1, in float32."""
    u = exp_32(x)
    d = u - f32(1.0)
    log = log_32(u)
    near = d * x / (log if log != f32(0) else f32(1.0))
    z = x if u == f32(1.0) else near
    z = f32(-1.0) if d == f32(-1.0) else z
    return d if u > f32(1e30) else z


@_inline
def hypot_32(a, b):
    """sqrt(a^2 + b^2), in float32."""
    x, y = np.float64(a), np.float64(b)  # squares of float32 fit in float64
    z = f32(np.sqrt(x * x + y * y))
    return f32(np.inf) if abs(a) == f32(np.inf) or abs(b) == f32(np.inf) else z


@_inline
def logaddexp_32(a, b):
    """log(exp(a) + exp(b)), in float32."""
    high, low = max(a, b), min(a, b)
    z = high + log1p_32(exp_32(low - high))
    z = a + f32(0.6931471805599453) if a == b else z
    return a + b if a != a or b != b else z


@_call
def exp_64(x):
    """The exponential, in float64."""
    return np.exp(x)


@_call
def log_64(x):
    """The logarithm, in float64."""
    return np.log(x)


@_call
def tanh_64(x):
    """The hyperbolic tangent, in float64."""
    return np.tanh(x)


@_call
def erf_64(x):
    """The error function, in float64."""
    return math.erf(x)


@_call
def log1p_64(x):
    """log(1 + x), in float64."""
    return np.log1p(x)


@_call
def expm1_64(x):
    """exp(x) - 1, in float64."""
    return np.expm1(x)


@_call
def hypot_64(a, b):
    """sqrt(a^2 + b^2), in float64."""
    return math.hypot(a, b)


@_call
def logaddexp_64(a, b):
    """log(exp(a) + exp(b)), in float64."""
    if a == b:
        return a + np.log(2.0)
    return max(a, b) + np.log1p(np.exp(-abs(a - b)))


# One name for both dtypes. Not a function that is handed to a maker of loops: loops that were made in another
# function, and hold what it was given, are compiled again in each process.


def exp(x):
    """The exponential of a float32 or float64 number."""
    return np.exp(x)


@overload(exp, inline="always")
def _exp(x):
    return (lambda x: exp_32(x)) if x == numba.float32 else (lambda x: np.exp(x))


def log(x):
    """The logarithm of a float32 or float64 number."""
    return np.log(x)


@overload(log, inline="always")
def _log(x):
    return (lambda x: log_32(x)) if x == numba.float32 else (lambda x: np.log(x))


def maximum(row):
    """The largest number of a vector. Where there is a NaN it may be passed over."""
    return row.max()


@overload(maximum)
def _maximum(row):
    # Of integers in the order of the numbers: that of numbers which may be NaN takes no vector registers.
    if row.dtype == numba.float32:

        def of_float32(row):
            bits = row.view(np.int32)
            high = np.int32(-2147483648)
            for j in range(bits.shape[0]):
                b = bits[j]
                high = max(high, b ^ ((b >> np.int32(31)) & np.int32(0x7FFFFFFF)))
            return np.int32(high ^ ((high >> np.int32(31)) & np.int32(0x7FFFFFFF))).view(np.float32)

        return of_float32

    def of_float64(row):
        bits = row.view(np.int64)
        high = np.int64(-9223372036854775808)
        for j in range(bits.shape[0]):
            b = bits[j]
            high = max(high, b ^ ((b >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF)))
        return np.int64(high ^ ((high >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF))).view(np.float64)

    return of_float64


@numba.njit(fastmath={"reassoc", "nsz"}, error_model="numpy", nogil=True)
def sum_of(x):
    """In double precision; several partial sums at once, so the order is not that of the elements."""
    total = 0.0
    for i in range(x.shape[0]):
        total += np.float64(x[i])
    return total

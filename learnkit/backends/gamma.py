"""The gamma function's logarithm and its derivatives, in standard code.

``log |Gamma(x)|`` by Lanczos' approximation (g = 607/128, the 15 coefficients of P. Godfrey, 2001) for
x >= 1/2, and by the reflection ``Gamma(x) Gamma(1 - x) = pi / sin(pi x)`` below. The derivatives of its
derivative are Hurwitz zeta values, ``psi_n(x) = (-1)^(n+1) n! zeta(n + 1, x)``, summed by Euler-Maclaurin.
"""

from __future__ import annotations

import math
from typing import Any

from learnkit.backends.base import Array

__all__ = ["gammaln", "polygamma"]

_LANCZOS_G = 607.0 / 128.0
_LANCZOS = (
    0.99999999999999709182,
    57.156235665862923517,
    -59.597960355475491248,
    14.136097974741747174,
    -0.49191381609762019978,
    0.33994649984811888699e-4,
    0.46523628927048575665e-4,
    -0.98374475304879564677e-4,
    0.15808870322491248884e-3,
    -0.21026444172410488319e-3,
    0.21743961811521264320e-3,
    -0.16431810653676389022e-3,
    0.84418223983852743293e-4,
    -0.26190838401581408670e-4,
    0.36899182659531622704e-5,
)

#: Bernoulli numbers B_2, B_4, ... B_24.
_BERNOULLI = (
    1 / 6,
    -1 / 30,
    1 / 42,
    -1 / 30,
    5 / 66,
    -691 / 2730,
    7 / 6,
    -3617 / 510,
    43867 / 798,
    -174611 / 330,
    854513 / 138,
    -236364091 / 2730,
)
_SHIFT = 12


def gammaln(xp: Any, x: Array) -> Array:
    """``log |Gamma(x)|`` for real ``x``; infinite at 0 and the negative integers.

    The error in float64 is near 1e-15 of the larger of 1 and the value.
    """
    infinite = xp.isinf(x)
    x = xp.where(infinite, xp.ones_like(x), x)
    low = xp.less(x, 0.5)
    z = xp.where(low, xp.subtract(1.0, x), x)  # at least 1/2
    total = xp.full_like(z, _LANCZOS[0])
    for k in range(1, len(_LANCZOS)):
        total = xp.add(total, xp.divide(_LANCZOS[k], xp.add(z, k - 1.0)))
    t = xp.add(z, _LANCZOS_G - 0.5)
    right = xp.add(
        xp.subtract(xp.multiply(xp.subtract(z, 0.5), xp.log(t)), t),
        xp.log(xp.multiply(math.sqrt(2.0 * math.pi), total)),
    )
    sine = xp.abs(_sin_pi(xp, x))
    pole = xp.logical_and(low, xp.equal(sine, 0))
    sine = xp.where(xp.logical_or(pole, xp.logical_not(low)), xp.ones_like(sine), sine)
    left = xp.subtract(xp.subtract(math.log(math.pi), xp.log(sine)), right)
    value = xp.where(low, left, right)
    return xp.where(xp.logical_or(pole, infinite), xp.full_like(value, math.inf), value)


def polygamma(xp: Any, n: int, x: Array) -> Array:
    """``psi_n(x)``, the derivative of order ``n + 1`` of ``log Gamma``, for n >= 0.

    Below 1/2 by reflection, ``psi_n(x) = (-1)^n psi_n(1 - x) - pi d^n/dx^n cot(pi x)``. At the negative
    integers it is infinite for odd n and NaN for even n, where the sides differ; at 0 that of the right side.
    """
    end = xp.isinf(x)
    inside = xp.where(end, xp.ones_like(x), x)
    low = xp.less(inside, 0.5)
    z = xp.where(low, xp.subtract(1.0, inside), inside)
    value = _digamma_right(xp, z) if n == 0 else _polygamma_right(xp, n, z)
    sine = _sin_pi(xp, inside)
    pole = xp.logical_and(low, xp.equal(sine, 0))
    sine = xp.where(xp.logical_or(pole, xp.logical_not(low)), xp.ones_like(sine), sine)
    cosine = xp.where(low, _cos_pi(xp, inside), xp.zeros_like(inside))
    slope = xp.multiply(math.pi ** (n + 1), _cotangent_derivative(xp, n, xp.divide(cosine, sine)))
    value = xp.where(low, xp.subtract(xp.multiply(float((-1) ** n), value), slope), value)
    at_zero = math.inf if n % 2 else -math.inf
    value = xp.where(pole, xp.full_like(value, math.inf if n % 2 else math.nan), value)
    value = xp.where(xp.equal(x, 0), xp.full_like(value, at_zero), value)
    if n == 0:
        limit = xp.where(xp.greater(x, 0), x, xp.full_like(x, math.nan))
    else:
        limit = xp.where(xp.greater(x, 0), xp.zeros_like(x), xp.full_like(x, math.nan))
    return xp.where(end, limit, value)


def _cotangent_derivative(xp: Any, n: int, c: Array) -> Array:
    """The n-th derivative of the cotangent, a polynomial in ``c``, the cotangent itself."""
    p = [0, 1]  # coefficients, lowest power first; (d/dt) p(c) = -p'(c) (1 + c^2)
    for _ in range(n):
        slope = [k * a for k, a in enumerate(p)][1:]
        p = [-(a + b) for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    total = xp.full_like(c, float(p[-1]))
    for a in reversed(p[:-1]):
        total = xp.add(xp.multiply(total, c), float(a))
    return total


def _digamma_right(xp: Any, z: Array) -> Array:
    """``psi_0`` for z >= 1/2: recurrence upwards, then the asymptotic series."""
    total = xp.zeros_like(z)
    for _ in range(_SHIFT):
        total = xp.subtract(total, xp.divide(1.0, z))
        z = xp.add(z, 1.0)
    inverse = xp.square(xp.divide(1.0, z))  # squared after the division: z may be huge
    series = xp.zeros_like(z)
    for k in range(len(_BERNOULLI), 0, -1):
        series = xp.multiply(inverse, xp.add(series, _BERNOULLI[k - 1] / (2 * k)))
    return xp.subtract(xp.subtract(xp.add(total, xp.log(z)), xp.divide(0.5, z)), series)


def _polygamma_right(xp: Any, n: int, z: Array) -> Array:
    """``(-1)^(n+1) n! zeta(n + 1, z)`` for z > 0."""
    s = n + 1
    total = xp.zeros_like(z)
    for _ in range(_SHIFT):
        total = xp.add(total, xp.pow(z, float(-s)))
        z = xp.add(z, 1.0)
    total = xp.add(total, xp.divide(xp.pow(z, float(1 - s)), float(s - 1)))
    total = xp.add(total, xp.multiply(0.5, xp.pow(z, float(-s))))
    power = xp.pow(z, float(-s - 1))
    inverse = xp.square(xp.divide(1.0, z))
    rising = float(s)
    for k, b in enumerate(_BERNOULLI, start=1):
        total = xp.add(total, xp.multiply(b * rising / math.factorial(2 * k), power))
        power = xp.multiply(power, inverse)
        rising *= (s + 2 * k - 1) * (s + 2 * k)
    return xp.multiply(float((-1) ** (n + 1) * math.factorial(n)), total)


def _sin_pi(xp: Any, x: Array) -> Array:
    """``sin(pi x)``, exactly 0 at integers."""
    nearest = xp.round(x)
    odd = xp.not_equal(xp.remainder(nearest, 2.0), 0.0)
    s = xp.sin(xp.multiply(math.pi, xp.subtract(x, nearest)))
    return xp.where(odd, xp.negative(s), s)


def _cos_pi(xp: Any, x: Array) -> Array:
    nearest = xp.round(x)
    odd = xp.not_equal(xp.remainder(nearest, 2.0), 0.0)
    c = xp.cos(xp.multiply(math.pi, xp.subtract(x, nearest)))
    return xp.where(odd, xp.negative(c), c)

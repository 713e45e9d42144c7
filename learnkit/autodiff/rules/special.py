"""Special functions, which the standard lacks, under the names of ``scipy.special``.

They are the sub-namespace ``special`` of the differentiable namespace, where SciPy looks for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from learnkit.autodiff.primitive import Primitive, primitive
from learnkit.autodiff.rules.elementwise import where
from learnkit.autodiff.rules.layers import sigmoid
from learnkit.autodiff.tape import Node
from learnkit.autodiff.variable import Variable
from learnkit.backends import gamma
from learnkit.backends.base import PYTHON_SCALARS, Array, array_namespace, kernels_of
from learnkit.backends.special import erfc as generic_erfc
from learnkit.backends.special import erfcx

__all__ = ["SPECIAL"]

Parents = tuple[Node | None, ...]

#: Where exp(-x^2 / 2) is 0 in every dtype.
_FAR = 60.0


def _direct(function: Callable[[], Primitive], approximation: Callable[..., Array]) -> Callable[..., Array]:
    """The approximation on plain arrays; on variables of an outer differentiation the function itself.

    So no one differentiates an approximation, whose pieces meet in corners.
    """

    def value(xp: Any, x: Array, **options: Any) -> Array:
        if type(x) is Variable:
            return function()(x, **options)
        return approximation(xp, x, **options)

    return value


@primitive()
def erf(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return _erf(xp, x), x


@erf.rule
def _erf_rule(xp: Any, g: Array, x: Array, parents: Parents) -> tuple[Array]:
    return (xp.multiply(g, _bell(xp, x, 2.0 / math.sqrt(math.pi), 1.0)),)


def _bell(xp: Any, x: Array, height: float, rate: float) -> Array:
    """``height exp(-rate x^2)``, which far out is 0, and so is its slope."""
    x = xp.where(xp.greater(xp.abs(x), _FAR), xp.full_like(x, _FAR), x)
    return xp.multiply(height, xp.exp(xp.multiply(-rate, xp.square(x))))


@primitive()
def erfc(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """``1 - erf(x)``, exact where it is small."""
    return _erfc(xp, x), x


@erfc.rule
def _erfc_rule(xp: Any, g: Array, x: Array, parents: Parents) -> tuple[Array]:
    return (xp.multiply(g, _bell(xp, x, -2.0 / math.sqrt(math.pi), 1.0)),)


@primitive()
def gammaln(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """The logarithm of the absolute value of the gamma function."""
    return _gammaln(xp, x), x


@gammaln.rule
def _gammaln_rule(xp: Any, g: Array, x: Array, parents: Parents) -> tuple[Array]:
    return (xp.multiply(g, polygamma(x, order=0)),)


@primitive()
def polygamma(xp: Any, x: Array, /, *, order: int) -> tuple[Array, Any]:
    """The derivative of order ``order + 1`` of the logarithm of the gamma function."""
    return _polygamma(xp, x, order=order), (x, order)


@polygamma.rule
def _polygamma_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    x, order = saved
    return (xp.multiply(g, polygamma(x, order=order + 1)),)


def digamma(x: Array, /) -> Array:
    """The derivative of ``gammaln``."""
    return polygamma(x, order=0)


def expit(x: Array, /) -> Array:
    """The logistic sigmoid, ``1 / (1 + exp(-x))``."""
    return sigmoid(x)


def logit(x: Array, /) -> Array:
    """``log(x / (1 - x))``, the inverse of ``expit``."""
    xp = array_namespace(x)
    return xp.subtract(xp.log(x), xp.log1p(xp.negative(x)))


@primitive()
def log_expit(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """``log(expit(x))``, finite for every finite x."""
    return _log_expit(xp, x), x


@log_expit.rule
def _log_expit_rule(xp: Any, g: Array, x: Array, parents: Parents) -> tuple[Array]:
    return (xp.multiply(g, sigmoid(xp.negative(x))),)


def xlogy(x: Any, y: Any, /) -> Array:
    """``x log(y)``, and 0 where x is 0 unless y is NaN; there the gradient is 0 in place of log(0)."""
    xp = array_namespace(x, y)
    if type(x) in PYTHON_SCALARS:
        x = xp.full_like(y, float(x))
    if type(y) in PYTHON_SCALARS:
        y = xp.full_like(x, float(y))
    logarithm = xp.logical_and(xp.greater(y, 0), xp.isfinite(y))  # log(y) is the gradient of x even at x = 0
    nothing = xp.logical_and(xp.equal(x, 0), xp.logical_not(xp.logical_or(logarithm, xp.isnan(y))))
    log = xp.log(where(nothing, xp.ones_like(y), y))
    return xp.multiply(x, log)


def entr(x: Array, /) -> Array:
    """``-x log(x)``, the term of an entropy: 0 at 0 and minus infinity below."""
    xp = array_namespace(x)
    below = xp.less(x, 0)
    safe = where(xp.less_equal(x, 0), xp.ones_like(x), x)
    value = xp.subtract(0.0, xp.multiply(where(below, xp.ones_like(x), x), xp.log(safe)))  # 0 and not -0
    return where(below, xp.full_like(value, -math.inf), value)


def ndtr(x: Array, /) -> Array:
    """The distribution function of the standard normal."""
    xp = array_namespace(x)
    return xp.multiply(0.5, erfc(xp.multiply(x, -1.0 / math.sqrt(2.0))))


@primitive()
def log_ndtr(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """The logarithm of ``ndtr``, finite far out on the left."""
    return _log_ndtr(xp, x), x


@log_ndtr.rule
def _log_ndtr_rule(xp: Any, g: Array, x: Array, parents: Parents) -> tuple[Array]:
    return (xp.multiply(g, _hazard(x)),)


@primitive()
def _hazard(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """Density over distribution function of the standard normal, near ``-x`` far out on the left."""
    y = _hazard_value(xp, x)
    return y, (x, y)


@_hazard.rule
def _hazard_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    x, y = saved
    """``-y (x + y)``; far out on the left, where the sum cancels, from its series in ``t = -1 / x``."""
    x = xp.where(xp.greater(x, _FAR), xp.full_like(x, _FAR), x)
    out = xp.less(x, -100.0)
    t = xp.divide(-1.0, xp.where(out, x, xp.full_like(x, -100.0)))
    u = xp.square(t)
    series = xp.add(xp.multiply(u, xp.add(xp.multiply(u, xp.add(xp.multiply(u, -74.0), 10.0)), -2.0)), 1.0)
    end = xp.isinf(y)  # where y t is 1
    left = xp.multiply(xp.where(end, xp.ones_like(y), y), xp.where(end, xp.ones_like(t), t))
    inside = xp.where(out, xp.zeros_like(x), x)
    product = xp.where(out, xp.multiply(left, series), xp.multiply(y, xp.add(inside, y)))
    return (xp.negative(xp.multiply(g, product)),)


def _approximate_log_expit(xp: Any, x: Array) -> Array:
    smaller = xp.minimum(x, xp.zeros_like(x))
    return xp.subtract(smaller, xp.log1p(xp.exp(xp.negative(xp.abs(x)))))


def _approximate_log_ndtr(xp: Any, x: Array) -> Array:
    end = xp.equal(x, -math.inf)
    scaled = xp.multiply(xp.where(end, xp.zeros_like(x), x), 1.0 / math.sqrt(2.0))
    right = xp.log1p(xp.multiply(-0.5, generic_erfc(xp, xp.maximum(scaled, xp.full_like(x, -0.8)))))
    tail = xp.log(xp.multiply(0.5, erfcx(xp, xp.negative(scaled))))
    left = xp.subtract(tail, xp.square(xp.minimum(scaled, xp.zeros_like(x))))
    y = xp.where(xp.greater(scaled, -0.7), right, left)
    return xp.where(end, x, y)


def _approximate_hazard(xp: Any, x: Array) -> Array:
    end = xp.equal(x, -math.inf)
    left = xp.where(end, xp.zeros_like(x), xp.minimum(x, xp.zeros_like(x)))
    right = xp.minimum(xp.maximum(x, xp.zeros_like(x)), xp.full_like(x, _FAR))
    half = 1.0 / math.sqrt(2.0)
    below = xp.divide(math.sqrt(2.0 / math.pi), erfcx(xp, xp.multiply(left, -half)))
    density = xp.multiply(1.0 / math.sqrt(2.0 * math.pi), xp.exp(xp.multiply(-0.5, xp.square(right))))
    above = xp.divide(density, xp.multiply(0.5, generic_erfc(xp, xp.multiply(right, -half))))
    return xp.where(xp.less(x, 0), xp.where(end, xp.negative(x), below), above)


_erf = _direct(lambda: erf, lambda xp, x: kernels_of(x).erf(x))
_erfc = _direct(lambda: erfc, generic_erfc)
_gammaln = _direct(lambda: gammaln, gamma.gammaln)
_polygamma = _direct(lambda: polygamma, lambda xp, x, order: gamma.polygamma(xp, order, x))
_log_expit = _direct(lambda: log_expit, _approximate_log_expit)
_log_ndtr = _direct(lambda: log_ndtr, _approximate_log_ndtr)
_hazard_value = _direct(lambda: _hazard, _approximate_hazard)

SPECIAL: dict[str, Primitive | Callable[..., Array]] = {
    "digamma": digamma,
    "entr": entr,
    "erf": erf,
    "erfc": erfc,
    "expit": expit,
    "gammaln": gammaln,
    "log_expit": log_expit,
    "log_ndtr": log_ndtr,
    "logit": logit,
    "ndtr": ndtr,
    "polygamma": polygamma,
    "xlogy": xlogy,
}

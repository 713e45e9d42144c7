"""Activations as one node each: a table of values and slopes, and the primitive made of both.

An activation is two formulas, ``value(xp, x, **options)`` and its derivative ``slope``, elementwise and
in functions of the standard. The slope is written in differentiable steps, so the second derivative
follows from it, and each formula is finite and without overflow at every x, infinities included: where
a function has become its asymptote to the last bit, the argument is held there. At corners the slope is
the one that PyTorch takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_compat

from learnkit.autodiff.primitive import Primitive, primitive
from learnkit.autodiff.rules.elementwise import fit
from learnkit.autodiff.rules.layers import sigmoid
from learnkit.autodiff.rules.special import erf
from learnkit.autodiff.tape import Node
from learnkit.autodiff.variable import is_variable
from learnkit.backends.base import Array, array_namespace
from learnkit.fusion import Fused

__all__ = ["ACTIVATIONS", "prelu"]

Parents = tuple[Node | None, ...]
Formula = Callable[..., Array]

#: Where exp(-x) is 0 in every dtype, and where exp(-x^2 / 2) is.
_FAR, _FAR_SQUARED = 800.0, 60.0


def _number(xp: Any, x: Array, value: float) -> Array:
    """A 0-d array of the dtype and device of ``x``, which broadcasts against it."""
    return xp.full((), value, dtype=x.dtype, device=array_api_compat.device(x))


def _held(xp: Any, x: Array, low: float, high: float) -> Array:
    return xp.minimum(xp.maximum(x, _number(xp, x, low)), _number(xp, x, high))


def _finite(xp: Any, x: Array) -> Array:
    """``x`` with the largest number of its dtype in place of infinity."""
    largest = xp.finfo(x.dtype).max
    return _held(xp, x, -largest, largest)


def _negative_part(xp: Any, x: Array) -> Array:
    """``min(x, 0)``, with the slope 0 at 0 and not the half that a tie of ``minimum`` gives."""
    return xp.where(xp.less(x, 0), x, _number(xp, x, 0.0))


def _one_where(xp: Any, condition: Array, x: Array) -> Array:
    return xp.astype(condition, x.dtype)


def _choice(xp: Any, condition: Array, x: Array, yes: float, no: float) -> Array:
    return xp.where(condition, _number(xp, x, yes), _number(xp, x, no))


# Piecewise linear


def _leaky_relu(xp: Any, x: Array, *, negative_slope: float) -> Array:
    return xp.where(xp.greater(x, 0), x, xp.multiply(x, negative_slope))


def _leaky_relu_slope(xp: Any, x: Array, *, negative_slope: float) -> Array:
    return _choice(xp, xp.greater(x, 0), x, 1.0, negative_slope)


def _hard_tanh(xp: Any, x: Array, *, min_val: float, max_val: float) -> Array:
    return _held(xp, x, min_val, max_val)


def _hard_tanh_slope(xp: Any, x: Array, *, min_val: float, max_val: float) -> Array:
    return _one_where(xp, xp.logical_and(xp.greater(x, min_val), xp.less(x, max_val)), x)


def _hard_sigmoid(xp: Any, x: Array, *, slope: float, offset: float) -> Array:
    """``clip(slope x + offset, 0, 1)`` as a ramp over its width, so that it is in [0, 1] exactly."""
    width = 1.0 / slope
    return xp.divide(_held(xp, xp.add(x, offset * width), 0.0, width), width)


def _hard_sigmoid_slope(xp: Any, x: Array, *, slope: float, offset: float) -> Array:
    low, high = -offset / slope, (1.0 - offset) / slope
    inside = _one_where(xp, xp.logical_and(xp.greater(x, low), xp.less(x, high)), x)
    return xp.multiply(inside, slope)


def _hard_swish(xp: Any, x: Array) -> Array:
    x = xp.maximum(x, _number(xp, x, -3.0))
    return xp.multiply(x, xp.divide(xp.minimum(xp.add(x, 3.0), _number(xp, x, 6.0)), 6.0))


def _hard_swish_slope(xp: Any, x: Array) -> Array:
    inner = xp.add(xp.divide(x, 3.0), 0.5)
    right = xp.where(xp.greater_equal(x, 3.0), _number(xp, x, 1.0), inner)
    return xp.where(xp.less_equal(x, -3.0), _number(xp, x, 0.0), right)


def _threshold(xp: Any, x: Array, *, threshold: float, value: float) -> Array:
    return xp.where(xp.less_equal(x, threshold), _number(xp, x, value), x)


def _threshold_slope(xp: Any, x: Array, *, threshold: float, value: float) -> Array:
    return _one_where(xp, xp.greater(x, threshold), x)


def _hardshrink(xp: Any, x: Array, *, lambd: float) -> Array:
    return xp.where(xp.less_equal(xp.abs(x), lambd), _number(xp, x, 0.0), x)


def _softshrink(xp: Any, x: Array, *, lambd: float) -> Array:
    return xp.subtract(x, _held(xp, x, -lambd, lambd))


def _shrink_slope(xp: Any, x: Array, *, lambd: float) -> Array:
    return _one_where(xp, xp.greater(xp.abs(x), lambd), x)


# Exponential on the left


def _elu(xp: Any, x: Array, *, alpha: float, scale: float, rate: float) -> Array:
    left = xp.multiply(xp.expm1(xp.multiply(xp.minimum(x, _number(xp, x, 0.0)), rate)), alpha)
    y = xp.where(xp.greater(x, 0), x, left)
    return y if scale == 1.0 else xp.multiply(y, scale)


def _elu_slope(xp: Any, x: Array, *, alpha: float, scale: float, rate: float) -> Array:
    left = xp.multiply(xp.exp(xp.multiply(_negative_part(xp, x), rate)), alpha * scale * rate)
    return xp.where(xp.greater(x, 0), _number(xp, x, scale), left)


# Smooth


def _silu(xp: Any, x: Array) -> Array:
    return xp.multiply(xp.maximum(x, _number(xp, x, -_FAR)), sigmoid(x))


def _silu_slope(xp: Any, x: Array) -> Array:
    x = _held(xp, x, -_FAR, _FAR)
    s = sigmoid(x)
    return xp.multiply(s, xp.add(xp.multiply(x, xp.subtract(1.0, s)), 1.0))


def _tanh_of_softplus(xp: Any, x: Array) -> Array:
    """``tanh(log(1 + exp(x)))`` as a ratio of polynomials in exp(-|x|)."""
    e = xp.exp(xp.negative(xp.abs(x)))
    right = xp.greater_equal(x, 0)
    top = xp.where(right, xp.add(xp.multiply(e, 2.0), 1.0), xp.multiply(e, xp.add(e, 2.0)))
    rest = xp.where(right, xp.square(e), _number(xp, x, 1.0))
    return xp.divide(top, xp.add(top, xp.multiply(rest, 2.0)))


def _tanh_of_softplus_slope(xp: Any, x: Array) -> Array:
    return xp.multiply(sigmoid(x), xp.subtract(1.0, xp.square(_gate_of_mish(x))))


def _mish(xp: Any, x: Array) -> Array:
    return xp.multiply(xp.maximum(x, _number(xp, x, -_FAR)), _gate_of_mish(x))


def _mish_slope(xp: Any, x: Array) -> Array:
    x = _held(xp, x, -_FAR, _FAR)
    gate = _gate_of_mish(x)
    return xp.add(gate, xp.multiply(x, xp.multiply(sigmoid(x), xp.subtract(1.0, xp.square(gate)))))


def _gelu(xp: Any, x: Array) -> Array:
    x = xp.maximum(x, _number(xp, x, -_FAR_SQUARED))
    return xp.multiply(xp.multiply(x, 0.5), xp.add(erf(xp.multiply(x, math.sqrt(0.5))), 1.0))


def _gelu_slope(xp: Any, x: Array) -> Array:
    x = _held(xp, x, -_FAR_SQUARED, _FAR_SQUARED)
    distribution = xp.multiply(xp.add(erf(xp.multiply(x, math.sqrt(0.5))), 1.0), 0.5)
    density = xp.multiply(xp.exp(xp.multiply(xp.square(x), -0.5)), 1.0 / math.sqrt(2.0 * math.pi))
    return xp.add(distribution, xp.multiply(x, density))


_RATE, _CUBE = math.sqrt(2.0 / math.pi), 0.044715


def _gelu_tanh(xp: Any, x: Array) -> Array:
    x = xp.maximum(x, _number(xp, x, -_FAR_SQUARED))
    t = xp.minimum(x, _number(xp, x, _FAR_SQUARED))
    inner = xp.multiply(t, xp.add(xp.multiply(xp.square(t), _RATE * _CUBE), _RATE))
    return xp.multiply(xp.multiply(x, 0.5), xp.add(xp.tanh(inner), 1.0))


def _gelu_tanh_slope(xp: Any, x: Array) -> Array:
    x = _held(xp, x, -_FAR_SQUARED, _FAR_SQUARED)
    square = xp.square(x)
    t = xp.tanh(xp.multiply(x, xp.add(xp.multiply(square, _RATE * _CUBE), _RATE)))
    inner_slope = xp.add(xp.multiply(square, 3.0 * _RATE * _CUBE), _RATE)
    bend = xp.multiply(xp.subtract(1.0, xp.square(t)), xp.multiply(x, inner_slope))
    return xp.multiply(xp.add(xp.add(t, 1.0), bend), 0.5)


def _softplus(xp: Any, x: Array, *, beta: float, threshold: float) -> Array:
    z = xp.multiply(x, beta)
    positive = xp.maximum(z, _number(xp, x, 0.0))
    soft = xp.divide(xp.add(positive, xp.log1p(xp.exp(xp.negative(xp.abs(z))))), beta)
    return xp.where(xp.greater(z, threshold), x, soft)


def _softplus_slope(xp: Any, x: Array, *, beta: float, threshold: float) -> Array:
    z = xp.multiply(x, beta)
    return xp.where(xp.greater(z, threshold), _number(xp, x, 1.0), sigmoid(z))


def _softsign(xp: Any, x: Array) -> Array:
    x = _finite(xp, x)
    return xp.divide(x, xp.add(xp.abs(x), 1.0))


def _softsign_slope(xp: Any, x: Array) -> Array:
    return xp.square(xp.divide(1.0, xp.add(xp.abs(_finite(xp, x)), 1.0)))


def _squareplus(xp: Any, x: Array, *, b: float) -> Array:
    """``(x + sqrt(x^2 + b)) / 2``; on the left, where that cancels, ``b / (2 (|x| + sqrt(x^2 + b)))``."""
    half = xp.add(xp.multiply(xp.abs(x), 0.5), xp.multiply(_root(xp, x, b), 0.5))
    return xp.where(xp.less(x, 0), xp.divide(0.25 * b, half), half)


def _squareplus_slope(xp: Any, x: Array, *, b: float) -> Array:
    x = _finite(xp, x)
    left = xp.less(x, 0)
    size = xp.where(left, xp.negative(x), x)  # not abs(x), whose slope at 0 would be lost
    root = _root(xp, x, b)
    half = xp.add(xp.multiply(size, 0.5), xp.multiply(root, 0.5))
    small = xp.divide(xp.divide(0.25 * b, half), root)
    return xp.where(left, small, xp.subtract(1.0, small))


def _root(xp: Any, x: Array, b: float) -> Array:
    return xp.hypot(x, _number(xp, x, b**0.5))


def _made(name: str, value: Formula, slope: Formula) -> Primitive:
    """``y = value(x)`` as one node, with the gradient ``g slope(x)``; each is one fused kernel."""

    def valued(x: Array, **options: float) -> Array:
        return value(array_namespace(x), x, **options)

    def sloped(g: Array, x: Array, **options: float) -> Array:
        xp = array_namespace(g, x)
        return xp.multiply(g, slope(xp, x, **options))

    fused_value, fused_slope = Fused(valued, name), Fused(sloped, f"{name}_gradient")

    def forward(xp: Any, x: Array, /, **options: float) -> tuple[Array, Any]:
        # Under an outer differentiation x is a variable: the slope given here holds there too.
        y = made(x, **options) if is_variable(x) else fused_value(x, **options)
        return y, (x, options)

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
        x, options = saved
        return (fused_slope(g, x, **options),)

    made = Primitive(forward, name)
    made.__doc__ = value.__doc__
    made.rule(backward)
    return made


_gate_of_mish = _made("tanh_of_softplus", _tanh_of_softplus, _tanh_of_softplus_slope)

_FORMULAS: dict[str, tuple[Formula, Formula]] = {
    "elu": (_elu, _elu_slope),
    "gelu": (_gelu, _gelu_slope),
    "gelu_tanh": (_gelu_tanh, _gelu_tanh_slope),
    "hard_sigmoid": (_hard_sigmoid, _hard_sigmoid_slope),
    "hard_swish": (_hard_swish, _hard_swish_slope),
    "hard_tanh": (_hard_tanh, _hard_tanh_slope),
    "hardshrink": (_hardshrink, _shrink_slope),
    "leaky_relu": (_leaky_relu, _leaky_relu_slope),
    "mish": (_mish, _mish_slope),
    "silu": (_silu, _silu_slope),
    "softplus": (_softplus, _softplus_slope),
    "softshrink": (_softshrink, _shrink_slope),
    "softsign": (_softsign, _softsign_slope),
    "squareplus": (_squareplus, _squareplus_slope),
    "threshold": (_threshold, _threshold_slope),
}

#: Activations of one array, called with all their options by name.
ACTIVATIONS: dict[str, Primitive] = {
    name: _made(name, value, slope) for name, (value, slope) in _FORMULAS.items()
}


@primitive()
def prelu(xp: Any, x: Array, weight: Array, /) -> tuple[Array, Any]:
    """``x`` where it is positive, else ``weight x``; the weight has a shape that broadcasts."""
    if is_variable(x) or is_variable(weight):
        return prelu(x, weight), (x, weight)
    negative = xp.multiply(weight, xp.minimum(x, _number(xp, x, 0.0)))
    return xp.where(xp.greater(x, 0), x, negative), (x, weight)


@prelu.rule
def _prelu_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    x, weight = saved
    positive = xp.greater(x, 0)
    dx = dw = None
    if parents[0] is not None:
        slope = xp.where(positive, _number(xp, weight, 1.0), weight)
        dx = fit(xp, xp.multiply(g, slope), (x.shape, x.dtype))
    if parents[1] is not None:
        negative = xp.where(positive, _number(xp, x, 0.0), x)
        dw = fit(xp, xp.multiply(g, negative), (weight.shape, weight.dtype))
    return dx, dw

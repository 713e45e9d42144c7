"""Elementwise functions and their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from learnkit.autodiff.primitive import Primitive
from learnkit.autodiff.tape import Node
from learnkit.backends.base import PYTHON_SCALARS, Array, kernels_of

__all__ = ["BINARY", "UNARY", "erf", "unbroadcast", "where"]

#: d f(x) / dx in terms of the argument.
_FROM_ARGUMENT: dict[str, Callable[[Any, Array], Array]] = {
    "abs": lambda xp, x: kernels_of(x).sign(x),
    "acos": lambda xp, x: xp.negative(xp.divide(1.0, xp.sqrt(xp.subtract(1.0, xp.square(x))))),
    "acosh": lambda xp, x: xp.divide(1.0, xp.sqrt(xp.subtract(xp.square(x), 1.0))),
    "asin": lambda xp, x: xp.divide(1.0, xp.sqrt(xp.subtract(1.0, xp.square(x)))),
    "asinh": lambda xp, x: xp.divide(1.0, xp.sqrt(xp.add(xp.square(x), 1.0))),
    "atan": lambda xp, x: xp.divide(1.0, xp.add(xp.square(x), 1.0)),
    "atanh": lambda xp, x: xp.divide(1.0, xp.subtract(1.0, xp.square(x))),
    "cos": lambda xp, x: xp.negative(xp.sin(x)),
    "cosh": lambda xp, x: xp.sinh(x),
    "log": lambda xp, x: xp.divide(1.0, x),
    "log10": lambda xp, x: xp.divide(1.0 / math.log(10.0), x),
    "log1p": lambda xp, x: xp.divide(1.0, xp.add(x, 1.0)),
    "log2": lambda xp, x: xp.divide(1.0 / math.log(2.0), x),
    "sin": lambda xp, x: xp.cos(x),
    "sinh": lambda xp, x: xp.cosh(x),
    "square": lambda xp, x: xp.multiply(2.0, x),
}

#: d f(x) / dx in terms of the value y = f(x), where that is cheaper or more exact.
_FROM_VALUE: dict[str, Callable[[Any, Array], Array]] = {
    "exp": lambda xp, y: y,
    "expm1": lambda xp, y: xp.add(y, 1.0),
    "reciprocal": lambda xp, y: xp.negative(xp.square(y)),
    "sqrt": lambda xp, y: xp.divide(0.5, y),
    "tan": lambda xp, y: xp.add(xp.square(y), 1.0),
    "tanh": lambda xp, y: xp.subtract(1.0, xp.square(y)),
}


def _unary(name: str, derivative: Callable[[Any, Array], Array], *, from_value: bool) -> Primitive:
    def forward(xp: Any, x: Array, /) -> tuple[Array, Array]:
        y = getattr(xp, name)(x)
        return y, (y if from_value else x)

    def backward(xp: Any, g: Array, saved: Array, parents: tuple[Node | None, ...]) -> tuple[Array]:
        return (xp.multiply(g, derivative(xp, saved)),)

    made = Primitive(forward, name)
    made.rule(backward)
    return made


def _negative() -> Primitive:
    made = Primitive(lambda xp, x, /: (xp.negative(x), None), "negative")
    made.rule(lambda xp, g, saved, parents: (xp.negative(g),))
    return made


def _positive() -> Primitive:
    made = Primitive(lambda xp, x, /: (xp.positive(x), None), "positive")
    made.rule(lambda xp, g, saved, parents: (g,))
    return made


def _erf() -> Primitive:
    made = Primitive(lambda xp, x, /: (kernels_of(x).erf(x), x), "erf")
    scale = 2.0 / math.sqrt(math.pi)
    made.rule(
        lambda xp, g, x, parents: (xp.multiply(g, xp.multiply(scale, xp.exp(xp.negative(xp.square(x))))),)
    )
    return made


#: The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.
erf = _erf()

UNARY: dict[str, Primitive] = {
    **{n: _unary(n, d, from_value=False) for n, d in _FROM_ARGUMENT.items()},
    **{n: _unary(n, d, from_value=True) for n, d in _FROM_VALUE.items()},
    "negative": _negative(),
    "positive": _positive(),
}


def unbroadcast(xp: Any, g: Array, shape: tuple[int, ...]) -> Array:
    """Sum ``g`` over the axes along which an operand of ``shape`` was broadcast."""
    if g.shape == shape:
        return g
    extra = len(g.shape) - len(shape)
    axes = tuple(range(extra)) + tuple(
        extra + i for i, n in enumerate(shape) if n == 1 and g.shape[extra + i] != 1
    )
    return xp.reshape(xp.sum(g, axis=axes), shape)


#: The two partial derivatives times g. Ties of maximum and minimum give each side half, as in PyTorch.
_PARTIALS: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {
    "add": (lambda xp, g, a, b, y: g, lambda xp, g, a, b, y: g),
    "subtract": (lambda xp, g, a, b, y: g, lambda xp, g, a, b, y: xp.negative(g)),
    "multiply": (lambda xp, g, a, b, y: xp.multiply(g, b), lambda xp, g, a, b, y: xp.multiply(g, a)),
    "divide": (
        lambda xp, g, a, b, y: xp.divide(g, b),
        lambda xp, g, a, b, y: xp.negative(xp.divide(xp.multiply(g, y), b)),
    ),
    "pow": (lambda xp, g, a, b, y: _pow_base(xp, g, a, b), lambda xp, g, a, b, y: _pow_exponent(xp, g, a, y)),
    "maximum": (
        lambda xp, g, a, b, y: xp.multiply(g, _share(xp, a, b, g)),
        lambda xp, g, a, b, y: xp.multiply(g, _share(xp, b, a, g)),
    ),
    "minimum": (
        lambda xp, g, a, b, y: xp.multiply(g, _share(xp, b, a, g)),
        lambda xp, g, a, b, y: xp.multiply(g, _share(xp, a, b, g)),
    ),
    "atan2": (
        lambda xp, g, a, b, y: xp.divide(xp.multiply(g, b), _squares(xp, a, b)),
        lambda xp, g, a, b, y: xp.negative(xp.divide(xp.multiply(g, a), _squares(xp, a, b))),
    ),
    "hypot": (
        lambda xp, g, a, b, y: xp.multiply(g, xp.divide(a, y)),
        lambda xp, g, a, b, y: xp.multiply(g, xp.divide(b, y)),
    ),
    "remainder": (
        lambda xp, g, a, b, y: g,
        lambda xp, g, a, b, y: xp.negative(xp.multiply(g, xp.floor_divide(a, b))),
    ),
    "logaddexp": (
        lambda xp, g, a, b, y: xp.multiply(g, xp.exp(xp.subtract(a, y))),
        lambda xp, g, a, b, y: xp.multiply(g, xp.exp(xp.subtract(b, y))),
    ),
}


def _share(xp: Any, a: Array, b: Array, like: Array) -> Array:
    """1 where a > b, 1/2 where they are equal, else 0."""
    over = xp.astype(xp.greater(a, b), like.dtype)
    tied = xp.astype(xp.equal(a, b), like.dtype)
    return xp.add(over, xp.multiply(0.5, tied))


def _squares(xp: Any, a: Array, b: Array) -> Array:
    """a^2 + b^2; one of them may be a Python number."""
    a2, b2 = (v * v if type(v) in PYTHON_SCALARS else xp.square(v) for v in (a, b))
    return xp.add(a2, b2)


def _pow_base(xp: Any, g: Array, a: Array, b: Array) -> Array:
    """b a^(b-1) g, and 0 where b is 0 whatever a is."""
    if type(b) in PYTHON_SCALARS:
        if b == 0:
            return xp.zeros_like(g)
        return xp.multiply(g, xp.multiply(b, xp.pow(a, b - 1)))
    safe = xp.where(xp.equal(b, 0), xp.ones_like(b), b)
    slope = xp.multiply(b, xp.pow(a, xp.subtract(safe, 1.0)))
    return xp.multiply(g, slope)


def _pow_exponent(xp: Any, g: Array, a: Array, y: Array) -> Array:
    """y log(a) g; 0 where a is 0, the limit for a positive exponent."""
    if type(a) in PYTHON_SCALARS:
        return xp.multiply(g, xp.multiply(y, math.log(a) if a > 0 else (0.0 if a == 0 else math.nan)))
    zero = xp.equal(a, 0)
    log = xp.log(xp.where(zero, xp.ones_like(a), a))
    return xp.multiply(g, xp.multiply(y, log))


def _shape(x: Any) -> tuple[int, ...]:
    return () if type(x) in PYTHON_SCALARS else x.shape


def _binary(name: str, left: Callable[..., Array], right: Callable[..., Array]) -> Primitive:
    by_value = name in ("divide", "pow", "hypot", "logaddexp")
    linear = name in ("add", "subtract")

    def forward(xp: Any, a: Any, b: Any, /) -> tuple[Array, Any]:
        y = getattr(xp, name)(a, b)
        if linear:  # the rule needs no values, so the tape keeps none
            return y, (_shape(a), _shape(b))
        return y, (a, b, y if by_value else None)

    if linear:

        def backward(xp: Any, g: Array, saved: Any, parents: tuple[Node | None, ...]) -> tuple[Any, ...]:
            pa, pb = parents
            return (
                None if pa is None else unbroadcast(xp, g, saved[0]),
                None if pb is None else unbroadcast(xp, right(xp, g, None, None, None), saved[1]),
            )
    else:

        def backward(xp: Any, g: Array, saved: Any, parents: tuple[Node | None, ...]) -> tuple[Any, ...]:
            a, b, y = saved
            pa, pb = parents
            return (
                None if pa is None else unbroadcast(xp, left(xp, g, a, b, y), a.shape),
                None if pb is None else unbroadcast(xp, right(xp, g, a, b, y), b.shape),
            )

    made = Primitive(forward, name)
    made.rule(backward)
    return made


BINARY: dict[str, Primitive] = {name: _binary(name, *partials) for name, partials in _PARTIALS.items()}


def _where() -> Primitive:
    def forward(xp: Any, condition: Array, a: Any, b: Any, /) -> tuple[Array, Any]:
        return xp.where(condition, a, b), (condition, _shape(a), _shape(b))

    def backward(xp: Any, g: Array, saved: Any, parents: tuple[Node | None, ...]) -> tuple[Any, ...]:
        condition, shape_a, shape_b = saved
        zero = xp.zeros_like(g)
        return (
            None,
            None if parents[1] is None else unbroadcast(xp, xp.where(condition, g, zero), shape_a),
            None if parents[2] is None else unbroadcast(xp, xp.where(condition, zero, g), shape_b),
        )

    made = Primitive(forward, "where")
    made.rule(backward)
    return made


#: ``where(condition, a, b)``; the branch not taken gets an exact zero.
where = _where()

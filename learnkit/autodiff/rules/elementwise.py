"""Elementwise functions and their derivatives.

A derivative that is infinite somewhere is taken at a harmless point wherever the incoming gradient is
0, so that ``where(x > 0, sqrt(x), 0)`` has the gradient 0 at 0 and not ``0 * inf``.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

from learnkit.autodiff.primitive import Primitive
from learnkit.autodiff.rules.complex import conjugate, is_complex, to_dtype
from learnkit.autodiff.tape import Node
from learnkit.backends.base import PYTHON_SCALARS, Array, kernels_of

__all__ = ["BINARY", "UNARY", "complex_sign", "fit", "unbroadcast", "where"]

Parents = tuple[Node | None, ...]
Derivative = Callable[[Any, Array], Array]

#: d f(x) / dx in terms of the argument.
_FROM_ARGUMENT: dict[str, Derivative] = {
    "acos": lambda xp, x: xp.negative(xp.divide(1.0, xp.sqrt(xp.subtract(1.0, xp.square(x))))),
    "acosh": lambda xp, x: xp.divide(1.0, xp.multiply(xp.sqrt(xp.subtract(x, 1.0)), xp.sqrt(xp.add(x, 1.0)))),
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
_FROM_VALUE: dict[str, Derivative] = {
    "exp": lambda xp, y: y,
    "expm1": lambda xp, y: xp.add(y, 1.0),
    "reciprocal": lambda xp, y: xp.negative(xp.square(y)),
    "sqrt": lambda xp, y: xp.divide(0.5, y),
    "tan": lambda xp, y: xp.add(xp.square(y), 1.0),
    "tanh": lambda xp, y: xp.subtract(1.0, xp.square(y)),
}


def _not_zero(xp: Any, x: Array) -> Array:
    return xp.greater(xp.abs(x), 0.0)  # false for NaN too


def _inside(xp: Any, x: Array) -> Array:
    return xp.not_equal(xp.square(x), 1.0) if is_complex(x) else xp.less(xp.abs(x), 1.0)


#: For functions with singular points: a point where the derivative is finite, and whether it is so at what
#: the rule saved.
_HARMLESS: dict[str, tuple[float, Derivative]] = {
    "acos": (0.0, _inside),
    "acosh": (2.0, lambda xp, x: xp.not_equal(x, 1.0) if is_complex(x) else xp.greater(x, 1.0)),
    "asin": (0.0, _inside),
    "atanh": (0.0, _inside),
    "log": (1.0, _not_zero),
    "log10": (1.0, _not_zero),
    "log1p": (1.0, lambda xp, x: _not_zero(xp, xp.add(x, 1.0))),
    "log2": (1.0, _not_zero),
    "reciprocal": (1.0, lambda xp, y: xp.isfinite(y)),
    "sqrt": (1.0, _not_zero),
}


def _harmless_where_zero(xp: Any, g: Array, x: Array, value: float, regular: Array) -> Array:
    """``x``, with ``value`` where it is not ``regular`` and the gradient ``g`` is 0.

    Only there: elsewhere a gradient of 0 may itself have a derivative, in a second pass.
    """
    idle = xp.logical_and(xp.equal(g, 0), xp.logical_not(regular))
    return xp.where(idle, xp.full_like(x, value), x)


def _unary(name: str, derivative: Derivative, *, from_value: bool) -> Primitive:
    harmless = _HARMLESS.get(name)

    def forward(xp: Any, x: Array, /) -> tuple[Array, Array]:
        y = getattr(xp, name)(x)
        return y, (y if from_value else x)

    def backward(xp: Any, g: Array, saved: Array, parents: Parents) -> tuple[Array]:
        if harmless is not None:
            value, regular = harmless
            saved = _harmless_where_zero(xp, g, saved, value, regular(xp, saved))
        return (xp.multiply(g, conjugate(xp, derivative(xp, saved))),)

    made = Primitive(forward, name)
    made.rule(backward)
    return made


def _direction(xp: Any, x: Array) -> Array:
    if not is_complex(x):
        return kernels_of(x).sign(x)
    return complex_sign(xp, x)


def complex_sign(xp: Any, x: Array) -> Array:
    """``x / |x|``, and 0 at 0, where its gradient is 0 too.

    Not ``xp.sign``, which in some versions of array-api-compat divides by 0 first.
    """
    size = xp.abs(x)
    zero = xp.equal(size, 0)
    one = xp.astype(xp.where(zero, xp.ones_like(size), size), x.dtype)
    return xp.divide(xp.where(zero, xp.zeros_like(x), x), one)


def _simple(name: str, save: Callable[[Array], Any], back: Callable[[Any, Array, Any], Array]) -> Primitive:
    """A function whose rule is not "gradient times derivative"."""

    def forward(xp: Any, x: Array, /) -> tuple[Array, Any]:
        return getattr(xp, name)(x), save(x)

    made = Primitive(forward, name)
    made.rule(lambda xp, g, saved, parents: (back(xp, g, saved),))
    return made


UNARY: dict[str, Primitive] = {
    **{n: _unary(n, d, from_value=False) for n, d in _FROM_ARGUMENT.items()},
    **{n: _unary(n, d, from_value=True) for n, d in _FROM_VALUE.items()},
    # |z| of a complex z moves along z itself, not its conjugate; the subgradient at 0 is 0.
    "abs": _simple("abs", lambda x: x, lambda xp, g, x: xp.multiply(g, _direction(xp, x))),
    "conj": _simple("conj", lambda x: None, lambda xp, g, _: conjugate(xp, g)),
    "imag": _simple("imag", lambda x: x.dtype, lambda xp, g, t: xp.multiply(1j, xp.astype(g, t))),
    "negative": _simple("negative", lambda x: None, lambda xp, g, _: xp.negative(g)),
    "positive": _simple("positive", lambda x: None, lambda xp, g, _: g),
    "real": _simple("real", lambda x: x.dtype, lambda xp, g, t: xp.astype(g, t, copy=False)),
}


def unbroadcast(xp: Any, g: Array, shape: tuple[int, ...]) -> Array:
    """Sum ``g`` over the axes along which an operand of ``shape`` was broadcast."""
    if g.shape == shape:
        return g
    if len(g.shape) == 2 and g.shape[1:] == shape:  # a row beside a matrix, such as a bias
        return kernels_of(g).column_sums_into(None, g)
    extra = len(g.shape) - len(shape)
    axes = tuple(range(extra)) + tuple(
        extra + i for i, n in enumerate(shape) if n == 1 and g.shape[extra + i] != 1
    )
    return xp.reshape(xp.sum(g, axis=axes, dtype=g.dtype), shape)


def fit(xp: Any, d: Array, operand: tuple[tuple[int, ...], Any]) -> Array:
    """A gradient in the shape and dtype of its operand: broadcasting and promotion undone."""
    shape, dtype = operand
    if d.shape != shape:
        d = unbroadcast(xp, d, shape)
    return d if d.dtype == dtype else to_dtype(xp, d, dtype)


def _kind(x: Any) -> tuple[tuple[int, ...], Any] | None:
    return None if type(x) in PYTHON_SCALARS else (x.shape, x.dtype)


#: The two partial derivatives times g. Ties of maximum and minimum give each side half, as in PyTorch.
_PARTIALS: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {
    "add": (lambda xp, g, a, b, y: g, lambda xp, g, a, b, y: g),
    "subtract": (lambda xp, g, a, b, y: g, lambda xp, g, a, b, y: xp.negative(g)),
    "multiply": (lambda xp, g, a, b, y: xp.multiply(g, b), lambda xp, g, a, b, y: xp.multiply(g, a)),
    "divide": (
        lambda xp, g, a, b, y: xp.divide(g, _divisor(xp, g, b)),
        lambda xp, g, a, b, y: xp.negative(
            xp.divide(xp.multiply(g, _harmless_where_zero(xp, g, y, 1.0, xp.isfinite(y))), _divisor(xp, g, b))
        ),
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
        lambda xp, g, a, b, y: xp.divide(xp.multiply(g, b), _squared_radius(xp, a, b)),
        lambda xp, g, a, b, y: xp.negative(xp.divide(xp.multiply(g, a), _squared_radius(xp, a, b))),
    ),
    "hypot": (
        lambda xp, g, a, b, y: xp.multiply(g, xp.divide(a, _one_where_zero(xp, y))),
        lambda xp, g, a, b, y: xp.multiply(g, xp.divide(b, _one_where_zero(xp, y))),
    ),
    "remainder": (
        lambda xp, g, a, b, y: g,
        lambda xp, g, a, b, y: xp.negative(xp.multiply(g, xp.floor_divide(a, b))),
    ),
    "logaddexp": (
        lambda xp, g, a, b, y: xp.multiply(g, _softmax_of_two(xp, a, b, y)),
        lambda xp, g, a, b, y: xp.multiply(g, _softmax_of_two(xp, b, a, y)),
    ),
}


def _divisor(xp: Any, g: Array, b: Any) -> Any:
    return b if type(b) in PYTHON_SCALARS else _harmless_where_zero(xp, g, b, 1.0, _not_zero(xp, b))


def _one_where_zero(xp: Any, x: Array) -> Array:
    return xp.where(xp.equal(x, 0), xp.ones_like(x), x)


def _squared_radius(xp: Any, a: Any, b: Any) -> Array:
    square_a = a * a if type(a) in PYTHON_SCALARS else xp.square(a)
    square_b = b * b if type(b) in PYTHON_SCALARS else xp.square(b)
    return _one_where_zero(xp, xp.add(square_a, square_b))


def _softmax_of_two(xp: Any, a: Any, b: Any, y: Array) -> Array:
    """``exp(a) / (exp(a) + exp(b))``, with ``y`` the log of the denominator, also for infinite a and b."""
    infinite = xp.isinf(y)
    gap = xp.subtract(a, xp.where(infinite, xp.zeros_like(y), y))
    whole = xp.where(xp.equal(a, y), xp.zeros_like(y), xp.full_like(y, -math.inf))
    shared = xp.where(xp.equal(a, b), xp.full_like(y, math.log(0.5)), whole)
    return xp.exp(xp.where(infinite, shared, gap))


def _share(xp: Any, a: Any, b: Any, like: Array) -> Array:
    """1 where a > b, 1/2 where they are equal, else 0; 1 for each side where one is NaN."""
    over = xp.astype(xp.logical_not(xp.less(a, b)), like.dtype)
    tied = xp.astype(xp.equal(a, b), like.dtype)
    return xp.subtract(over, xp.multiply(0.5, tied))


def _pow_base(xp: Any, g: Array, a: Any, b: Any) -> Array:
    """b a^(b-1) g, and 0 where b is 0 whatever a is."""
    if type(b) in PYTHON_SCALARS:
        if b == 0:
            return xp.zeros_like(g)
        if isinstance(b, complex) or is_complex(a) or b == math.floor(b):
            singular = isinstance(b, complex) or b < 1
            regular = _not_zero(xp, a) if singular else None
        else:  # NaN below 0
            regular = xp.greater(a, 0) if b < 1 else xp.greater_equal(a, 0)
        if regular is not None:
            a = _harmless_where_zero(xp, g, a, 1.0, regular)
        return xp.multiply(g, xp.multiply(b, xp.pow(a, b - 1)))
    regular = _not_zero(xp, a)
    if not is_complex(b):
        if not is_complex(a):  # NaN below 0, but for integers
            regular = xp.where(xp.equal(b, xp.floor(b)), regular, xp.greater(a, 0))
            at_zero = xp.logical_and(xp.equal(a, 0), xp.greater_equal(b, 1.0))
            regular = xp.logical_or(regular, at_zero)
        else:
            regular = xp.logical_or(regular, xp.greater_equal(b, 1.0))
    a = _harmless_where_zero(xp, g, a, 1.0, regular)
    nothing = xp.equal(b, 0)
    slope = xp.multiply(b, xp.pow(a, xp.where(nothing, xp.ones_like(b), xp.subtract(b, 1.0))))
    return xp.multiply(g, slope)


def _pow_exponent(xp: Any, g: Array, a: Any, y: Array) -> Array:
    """y log(a) g; 0 where a is 0, the limit for a positive exponent."""
    if type(a) in PYTHON_SCALARS:
        log = 0.0 if a == 0 else cmath.log(a) if is_complex(g) else math.log(a) if a > 0 else math.nan
        return xp.multiply(g, xp.multiply(y, log))
    zero = xp.equal(a, 0)
    if not is_complex(a):  # below 0 the power is NaN: harmless where nothing comes by
        zero = xp.logical_or(zero, xp.logical_and(xp.equal(g, 0), xp.logical_not(xp.greater(a, 0))))
    log = xp.log(xp.where(zero, xp.ones_like(a), a))
    return xp.multiply(g, xp.multiply(xp.where(zero, xp.zeros_like(y), y), log))


def _binary(name: str, left: Callable[..., Array], right: Callable[..., Array]) -> Primitive:
    by_value = name in ("divide", "pow", "hypot", "logaddexp")

    def forward(xp: Any, x1: Any, x2: Any, /) -> tuple[Array, Any]:
        y = getattr(xp, name)(x1, x2)
        return y, (x1, x2, y if by_value else None)

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Any, ...]:
        a, b, y = saved
        kinds = _kind(a), _kind(b)
        if is_complex(g):  # conj f'(a, b) is f' at the conjugates, for these functions
            a, b, y = conjugate(xp, a), conjugate(xp, b), (None if y is None else conjugate(xp, y))
        return (
            None if parents[0] is None else fit(xp, left(xp, g, a, b, y), kinds[0]),  # type: ignore[arg-type]
            None if parents[1] is None else fit(xp, right(xp, g, a, b, y), kinds[1]),  # type: ignore[arg-type]
        )

    made = Primitive(forward, name)
    made.rule(backward)
    return made


def _linear(name: str, right: Callable[..., Array]) -> Primitive:
    """``add`` and ``subtract``, whose rule needs no values, so the tape keeps none."""

    def forward(xp: Any, x1: Any, x2: Any, /) -> tuple[Array, Any]:
        return getattr(xp, name)(x1, x2), (_kind(x1), _kind(x2))

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Any, ...]:
        return (
            None if parents[0] is None else fit(xp, g, saved[0]),
            None if parents[1] is None else fit(xp, right(xp, g, None, None, None), saved[1]),
        )

    made = Primitive(forward, name)
    made.rule(backward)
    return made


BINARY: dict[str, Primitive] = {
    name: _linear(name, right) if name in ("add", "subtract") else _binary(name, left, right)
    for name, (left, right) in _PARTIALS.items()
}


def _where() -> Primitive:
    def forward(xp: Any, condition: Array, x1: Any, x2: Any, /) -> tuple[Array, Any]:
        return xp.where(condition, x1, x2), (condition, _kind(x1), _kind(x2))

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Any, ...]:
        condition, kind_a, kind_b = saved
        zero = xp.zeros_like(g)
        return (
            None,
            None if parents[1] is None else fit(xp, xp.where(condition, g, zero), kind_a),
            None if parents[2] is None else fit(xp, xp.where(condition, zero, g), kind_b),
        )

    made = Primitive(forward, "where")
    made.rule(backward)
    return made


#: ``where(condition, a, b)``; the branch not taken gets an exact zero.
where = _where()

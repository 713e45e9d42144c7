"""Operators of variables: ``a * b`` is ``xp.multiply(a, b)``.

They are put on the class here, below the rules, so that ``variable.py`` need not know them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learnkit.autodiff.primitive import Primitive
from learnkit.autodiff.rules.elementwise import BINARY, UNARY
from learnkit.autodiff.rules.indexing import read, write
from learnkit.autodiff.rules.linalg import matmul, matrix_transpose
from learnkit.autodiff.rules.structure import to_device as move
from learnkit.autodiff.variable import Variable, is_variable, plain_value
from learnkit.backends.base import PYTHON_SCALARS, array_namespace
from learnkit.backends.tree import flatten
from learnkit.errors import GradientError

__all__ = ["install"]


def _is_operand(x: Any) -> bool:
    return type(x) in PYTHON_SCALARS or hasattr(x, "shape")


def _operator(function: Primitive) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(self: Variable, other: Any) -> Any:
        return function(self, other) if _is_operand(other) else NotImplemented

    def reflected(self: Variable, other: Any) -> Any:
        return function(other, self) if _is_operand(other) else NotImplemented

    return forward, reflected


def _plain(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """An operator without gradient: its result is a constant."""

    def forward(self: Variable, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented
        return getattr(self.__array_namespace__(), name)(self, other)

    def reflected(self: Variable, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented
        return getattr(self.__array_namespace__(), name)(other, self)

    return forward, reflected


def to_device(self: Variable, device: Any, /, *, stream: Any = None) -> Any:
    """The same values on another device, still on the tape."""
    return move(self, device, stream=stream)


#: NumPy's ufuncs behind its operators. ``numpy_array * variable`` calls one of them, and so gets here.
_UFUNCS: dict[str, Callable[..., Any]] = {
    "add": BINARY["add"],
    "subtract": BINARY["subtract"],
    "multiply": BINARY["multiply"],
    "divide": BINARY["divide"],
    "power": BINARY["pow"],
    "remainder": BINARY["remainder"],
    "matmul": matmul,
}
_PLAIN_UFUNCS = frozenset(
    """
    floor_divide bitwise_and bitwise_or bitwise_xor equal not_equal less less_equal greater greater_equal
    """.split()
)
#: What a NumPy function is called in the standard, where that is something else.
_STANDARD_NAMES = {
    "absolute": "abs",
    "amax": "max",
    "amin": "min",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "concatenate": "concat",
    "conjugate": "conj",
    "cumprod": "cumulative_prod",
    "cumsum": "cumulative_sum",
    "invert": "bitwise_invert",
    "power": "pow",
    "transpose": "permute_dims",
}


def _ufunc(self: Variable, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    """What NumPy asks for its operators and ufuncs: the operators are recorded, constants are let through."""
    name = ufunc.__name__
    if method == "__call__" and not options:
        function = _UFUNCS.get(name)
        if function is not None:
            return function(*inputs)
        if name in _PLAIN_UFUNCS:
            return getattr(self.__array_namespace__(), name)(*inputs)
    if method == "__call__":
        return _of_constants(ufunc, f"numpy.{name}", inputs, options)
    return _of_constants(getattr(ufunc, method), f"numpy.{name}.{method}", inputs, options)


def _function(self: Variable, function: Any, types: Any, args: Any, options: Any) -> Any:
    """What NumPy asks for its other functions."""
    return _of_constants(function, f"{function.__module__}.{function.__name__}", args, options)


def _of_constants(function: Any, name: str, args: Any, options: Any) -> Any:
    """A NumPy function of the values of constants; of anything else it would lose the gradient."""
    leaves, rebuild = flatten([args, options])
    if any(is_variable(leaf) for leaf in leaves):
        xp: Any = array_namespace(*(leaf for leaf in leaves if type(leaf) is Variable))
        last = name.removeprefix("numpy.")
        last = _STANDARD_NAMES.get(last, last)
        if "out" in options:
            hint = "an array cannot be changed in place by a variable: write a = a + x for a += x"
        elif "." not in last and hasattr(xp, last):
            hint = f"use xp.{last} with xp = array_namespace(x), or stop_gradient(x) for a constant"
        else:
            hint = "use the functions of xp = array_namespace(x), or stop_gradient(x) for a constant"
        raise GradientError(f"{name} was called on a variable", hint=hint)
    args, options = rebuild([plain_value(leaf) for leaf in leaves])
    return function(*args, **options)


def _invert(self: Variable) -> Any:
    return self.__array_namespace__().bitwise_invert(self)


def install() -> None:
    """Give :class:`Variable` the operators and methods of the standard."""
    for symbol, function in (
        ("add", BINARY["add"]),
        ("sub", BINARY["subtract"]),
        ("mul", BINARY["multiply"]),
        ("truediv", BINARY["divide"]),
        ("pow", BINARY["pow"]),
        ("mod", BINARY["remainder"]),
        ("matmul", matmul),
    ):
        forward, reflected = _operator(function)
        setattr(Variable, f"__{symbol}__", forward)
        setattr(Variable, f"__r{symbol}__", reflected)
    for symbol, name in (
        ("floordiv", "floor_divide"),
        ("and", "bitwise_and"),
        ("or", "bitwise_or"),
        ("xor", "bitwise_xor"),
        ("lshift", "bitwise_left_shift"),
        ("rshift", "bitwise_right_shift"),
    ):
        forward, reflected = _plain(name)
        setattr(Variable, f"__{symbol}__", forward)
        setattr(Variable, f"__r{symbol}__", reflected)
    for symbol, name in (
        ("eq", "equal"),
        ("ne", "not_equal"),
        ("lt", "less"),
        ("le", "less_equal"),
        ("gt", "greater"),
        ("ge", "greater_equal"),
    ):
        setattr(Variable, f"__{symbol}__", _plain(name)[0])
    setattr(Variable, "__neg__", lambda self: UNARY["negative"](self))  # noqa: B010
    setattr(Variable, "__pos__", lambda self: UNARY["positive"](self))  # noqa: B010
    setattr(Variable, "__abs__", lambda self: UNARY["abs"](self))  # noqa: B010
    setattr(Variable, "__invert__", _invert)  # noqa: B010
    setattr(Variable, "__getitem__", read)  # noqa: B010
    setattr(Variable, "__setitem__", write)  # noqa: B010
    setattr(Variable, "to_device", to_device)  # noqa: B010
    setattr(Variable, "__array_ufunc__", _ufunc)  # noqa: B010
    setattr(Variable, "__array_function__", _function)  # noqa: B010
    setattr(Variable, "T", property(matrix_transpose))  # noqa: B010
    setattr(Variable, "mT", property(matrix_transpose))  # noqa: B010


install()

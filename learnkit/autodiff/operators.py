"""Operators of variables: ``a * b`` is ``xp.multiply(a, b)``.

They are put on the class here, below the rules, so that ``variable.py`` need not know them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learnkit.autodiff.primitive import Primitive
from learnkit.autodiff.rules.elementwise import BINARY, UNARY
from learnkit.autodiff.rules.indexing import read
from learnkit.autodiff.rules.linalg import matmul, matrix_transpose
from learnkit.autodiff.variable import Variable, plain_value
from learnkit.backends.base import PYTHON_SCALARS, array_namespace

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
    """An operator without gradient: the value, as a plain array."""

    def forward(self: Variable, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented
        value = plain_value(self)
        return getattr(array_namespace(value), name)(value, plain_value(other))

    def reflected(self: Variable, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented
        value = plain_value(self)
        return getattr(array_namespace(value), name)(plain_value(other), value)

    return forward, reflected


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
    forward, reflected = _plain("floor_divide")
    setattr(Variable, "__floordiv__", forward)  # noqa: B010
    setattr(Variable, "__rfloordiv__", reflected)  # noqa: B010
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
    setattr(Variable, "__getitem__", read)  # noqa: B010
    setattr(Variable, "T", property(matrix_transpose))  # noqa: B010
    setattr(Variable, "mT", property(matrix_transpose))  # noqa: B010


install()

"""The variable: an array of the standard that remembers how it was computed.

A :class:`Variable` wraps an array and a :class:`~learnkit.autodiff.tape.Node` of the recorded graph.
It implements the standard itself, so a function that asks an array for its namespace runs on
variables unchanged and is thereby differentiable. The wrapped array may be a variable in its turn:
that is how gradients of gradients work.
"""

from __future__ import annotations

from typing import Any, NoReturn

import array_api_compat

from learnkit.autodiff.tape import Node
from learnkit.backends.base import Array
from learnkit.errors import GradientError

__all__ = ["Variable", "is_variable", "plain_value"]

_NUMPY_HINT = (
    "use the functions of array_namespace(x), which are differentiable, or stop_gradient(x) for a constant"
)


class Variable:
    """An array on the tape; made by ``value_and_grad``, ``grad`` and ``vjp``, not by hand.

    It has the attributes and operators of an array of the standard. What has no gradient (comparisons,
    ``argmax``, ``floor``, ...) gives plain arrays.

    Attributes:
        data: the wrapped array.
        node: its place in the recorded graph.
    """

    __slots__ = ("data", "node")

    wraps_arrays = True
    __array_ufunc__ = None  # so that numpy_array * variable asks the variable
    __array_priority__ = 1000

    def __init__(self, data: Array, node: Node) -> None:
        self.data = data
        self.node = node

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        from learnkit.autodiff.namespace import namespace_over

        return namespace_over(self.data)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        """That of the wrapped array, as its library writes it."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int | None:
        """Number of elements."""
        return array_api_compat.size(self.data)  # type: ignore[no-any-return]

    @property
    def device(self) -> Any:
        """That of the wrapped array."""
        return array_api_compat.device(self.data)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a variable without axes")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Variable({self.data!r})"

    def __hash__(self) -> int:
        return id(self)

    # Ways out of the tape, closed because they would lose the gradient without a word

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise GradientError("a NumPy function was called on a variable", hint=_NUMPY_HINT)

    def _no_number(self, kind: str) -> NoReturn:
        raise GradientError(
            f"{kind}() of a variable would lose its gradient, and wait for the device",
            hint=f"for printing, {kind}(stop_gradient(x)); for a choice by value, xp.where",
        )

    def __float__(self) -> float:
        self._no_number("float")

    def __int__(self) -> int:
        self._no_number("int")

    def __complex__(self) -> complex:
        self._no_number("complex")

    def __bool__(self) -> bool:
        self._no_number("bool")

    def __index__(self) -> int:
        self._no_number("int")

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise GradientError(
            "assignment to elements of a variable: the tape holds its old values",
            hint="build the result with xp.where, xp.concat or xp.stack",
        )


def is_variable(x: Any) -> bool:
    """Whether ``x`` is on the tape."""
    return type(x) is Variable


def plain_value(x: Any) -> Any:
    """``x`` taken off every tape; what is no variable is returned as it is."""
    while type(x) is Variable:
        x = x.data
    return x

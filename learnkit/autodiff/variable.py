"""The variable: an array of the standard that remembers how it was computed.

A :class:`Variable` wraps an array and a :class:`~learnkit.autodiff.tape.Node` of the recorded graph.
It implements the standard itself, so a function that asks an array for its namespace runs on
variables unchanged and is thereby differentiable. The wrapped array may be a variable in its turn:
that is how gradients of gradients work.
"""

from __future__ import annotations

import operator
from typing import Any

import array_api_compat

from learnkit.autodiff.tape import CONSTANT, Node
from learnkit.backends.base import Array
from learnkit.backends.tree import flatten
from learnkit.errors import GradientError

__all__ = ["Variable", "arrays_in", "is_variable", "plain_value"]

_NUMPY_HINT = (
    "use the functions of xp = array_namespace(x), which are differentiable, "
    "or stop_gradient(x) for a constant"
)

#: What is meant by methods that other libraries' arrays have.
_INSTEAD = {
    **dict.fromkeys(
        ("cpu", "detach", "get", "item", "numpy", "tolist"),
        ": for its values without gradient, stop_gradient(x)",
    ),
    **dict.fromkeys(("backward", "grad", "zero_grad"), ": gradients are results, of value_and_grad(fn)(x)"),
}


class Variable:
    """An array on the tape; made by ``value_and_grad``, ``grad`` and ``vjp``, not by hand.

    It has the attributes and operators of an array of the standard. What has no gradient (comparisons,
    ``argmax``, ``floor``, new arrays, ...) gives *constants*: variables of the same namespace that are not on
    the tape, and so may be turned into numbers and NumPy arrays like any array.

    Attributes:
        data: the wrapped array.
        node: its place in the recorded graph.
    """

    __slots__ = ("data", "node")

    wraps_arrays = True
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

    def __format__(self, spec: str) -> str:
        """For printing only, so that of a variable on the tape nothing is lost: ``f"{loss:.3f}"``."""
        if not spec:
            return str(self)
        value = plain_value(self)
        if self.shape:
            raise TypeError(f"a variable of shape {tuple(self.shape)} cannot be printed as {spec!r}")
        return format(complex(value) if "complex" in str(value.dtype) else float(value), spec)

    def __getattr__(self, name: str) -> Any:
        """Only asked for what a variable has not; arrays of the standard have functions, not methods."""
        hint = _INSTEAD.get(name, "")
        if not hint and not name.startswith("_") and hasattr(self.__array_namespace__(), name):
            hint = f": use xp.{name}(x) with xp = array_namespace(x)"
        raise AttributeError(f"a variable has no attribute {name!r}{hint}", name=name)

    def __hash__(self) -> int:
        return id(self)

    # A copy is at the same place of the graph: with a graph of its own it would have no gradient

    def __copy__(self) -> Variable:
        return Variable(self.data, self.node)

    def __deepcopy__(self, memo: Any) -> Variable:
        return Variable(self.data, self.node)

    def __reduce__(self) -> Any:
        if self.node is CONSTANT:
            return _constant, (self.data,)
        raise GradientError(
            "a variable cannot be pickled: its gradient would be lost", hint="pickle stop_gradient(x)"
        )

    # Ways out of the tape, closed because they would lose the gradient without a word

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        if self.node is CONSTANT:
            return self.data.__array__(*args, **kwargs)
        raise GradientError(
            "a variable cannot become a NumPy array; NumPy was asked to read or to assign it",
            hint=_NUMPY_HINT,
        )

    def _number(self, kind: str) -> Any:
        """The value for conversion to a Python number, if that loses no gradient."""
        if self.node is CONSTANT:
            return self.data
        raise GradientError(
            f"{kind}() of a variable would lose its gradient, and wait for the device",
            hint=f"for printing, {kind}(stop_gradient(x)); for a choice by value, xp.where",
        )

    def __float__(self) -> float:
        return float(self._number("float"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def __bool__(self) -> bool:
        return bool(self._number("bool"))

    def __index__(self) -> int:
        return operator.index(self._number("int"))

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
    ) -> Any:
        """The values, for another library; what it computes is no longer on the tape."""
        given = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return self.data.__dlpack__(**{k: v for k, v in given.items() if v is not None})

    def __dlpack_device__(self) -> Any:
        return self.data.__dlpack_device__()


def _constant(data: Array) -> Variable:
    return Variable(data, CONSTANT)


def is_variable(x: Any) -> bool:
    """Whether ``x`` is on the tape, and not a constant or plain array."""
    return type(x) is Variable and x.node is not CONSTANT


def plain_value(x: Any) -> Any:
    """``x`` taken off every tape; what is no variable is returned as it is."""
    while type(x) is Variable:
        x = x.data
    return x


def arrays_in(tree: Any) -> list[Array]:
    """The plain arrays among the leaves of a tree of anything, such as what a rule saved."""
    leaves = (plain_value(leaf) for leaf in flatten(tree)[0])
    return [a for a in leaves if hasattr(a, "dtype") and hasattr(a, "shape") and not isinstance(a, type)]

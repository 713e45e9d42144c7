"""Symbols: arrays without values, which write down what is computed of them.

A :class:`Symbol` implements the elementwise part of the standard, so a function written for the standard
runs on symbols unchanged; what it returns is then an expression of its arguments. A ``Variable`` may wrap a
symbol, and that is how the gradient of a fused function comes from the same trace.

All symbols of a trace have the one shape of its arguments, or no axes. Whatever needs more than one element
at a time (indexing, a product of matrices, a sum along an axis) raises :class:`NotFusable`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from learnkit.fusion.host import HostNumber, NotFusable

if TYPE_CHECKING:
    from learnkit.fusion.graph import Graph

__all__ = ["Symbol"]


class Symbol:
    """One expression; see the module.

    Attributes:
        op, args, extra: the expression.
        dtype: of the result; ``None`` for a Python number.
        full: whether it has the shape of the arguments, and not none.
    """

    __slots__ = ("args", "changed", "dtype", "extra", "full", "graph", "index", "op")

    #: Kernels and namespaces of a symbol belong to its trace and are not kept by type.
    wraps_arrays = True
    __array_ufunc__ = None
    __array_priority__ = 500

    def __init__(
        self, graph: Graph, index: int, op: str, args: tuple[Symbol, ...], dtype: Any, full: bool, extra: Any
    ) -> None:
        self.graph = graph
        self.index = index
        self.op = op
        self.args = args
        self.dtype = dtype
        self.full = full
        self.extra = extra
        self.changed = False

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return self.graph.namespace

    @property
    def shape(self) -> tuple[Any, ...]:
        """That of the arguments, as numbers that may change, or none."""
        if self.op == "mean of each":
            return self.graph.shape[:1]
        return self.graph.shape if self.full else ()

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> Any:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def device(self) -> str:
        """A name that creation functions here ignore."""
        return "traced"

    def __repr__(self) -> str:
        return f"<symbol {self.op} {self.dtype}>"

    def __hash__(self) -> int:
        return id(self)

    def __pos__(self) -> Symbol:
        return self

    def _closed(self, *args: Any, **options: Any) -> Any:
        raise NotFusable("control flow, indexing or assignment that depends on elements")

    __bool__ = __float__ = __int__ = __index__ = __complex__ = _closed
    __getitem__ = __setitem__ = __len__ = __iter__ = __matmul__ = __rmatmul__ = _closed


def _binary(name: str, swapped: bool = False) -> Callable[[Symbol, Any], Any]:
    def method(self: Symbol, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            raise NotFusable("an operand that is an array and no argument")
        if type(other) not in _OPERANDS and not isinstance(other, (np.bool_, np.integer, np.floating)):
            return NotImplemented
        return self.graph.apply(name, other, self) if swapped else self.graph.apply(name, self, other)

    return method


def _in_place(name: str) -> Callable[[Symbol, Any], Any]:
    """``x *= 2``: a new symbol takes the name. By another name the array would be seen to change."""
    outside = _binary(name)

    def method(self: Symbol, other: Any) -> Any:
        result = outside(self, other)
        if result is NotImplemented:
            return result
        if self.op == "in" or result.dtype != self.dtype or result.full != self.full:
            raise NotFusable("an argument that is changed in place, or to another kind of array")
        self.changed = True
        return result

    return method


_OPERANDS = frozenset({bool, int, float, HostNumber, Symbol})
for _name, _op in (
    ("add", "add"),
    ("sub", "subtract"),
    ("mul", "multiply"),
    ("truediv", "divide"),
    ("pow", "pow"),
):
    setattr(Symbol, f"__{_name}__", _binary(_op))
    setattr(Symbol, f"__r{_name}__", _binary(_op, swapped=True))
    setattr(Symbol, f"__i{_name}__", _in_place(_op))
for _name, _op in (
    ("lt", "less"),
    ("le", "less_equal"),
    ("gt", "greater"),
    ("ge", "greater_equal"),
    ("eq", "equal"),
    ("ne", "not_equal"),
    ("and", "logical_and"),
    ("or", "logical_or"),
    ("xor", "logical_xor"),
):
    setattr(Symbol, f"__{_name}__", _binary(_op))
for _name, _op in (("neg", "negative"), ("abs", "abs"), ("invert", "logical_not")):
    setattr(Symbol, f"__{_name}__", lambda self, _op=_op: self.graph.apply(_op, self))
del _name, _op

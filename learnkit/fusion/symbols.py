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
from typing import Any

import array_api_compat.numpy as standard
import numpy as np

from learnkit.backends.kernels import Kernels
from learnkit.fusion.host import HostNumber, HostProgram, NotFusable
from learnkit.fusion.operations import OPERATIONS

__all__ = ["Graph", "Symbol"]

#: What ends a function: of all elements, or of each example, which only the mean over the batch may follow.
_REDUCED = ("sum", "mean", "mean of each")
_SMALL_POWERS = (2, 3, 4)
_DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


class Graph:
    """The expressions of one trace; equal ones are one symbol.

    Args:
        host: the host's part of the trace.
        shape: of the arrays with axes, as host numbers.
        retraced: whether numbers in the code become arguments of the kernel, because the function runs on
            symbols at every call.
    """

    def __init__(self, host: HostProgram, shape: tuple[Any, ...], retraced: bool = False) -> None:
        self.host = host
        self.shape = shape
        self.retraced = retraced
        self.numbers: list[float] = []
        self.namespace = SymbolNamespace(self)
        self._known: dict[Any, Symbol] = {}

    def new(self, op: str, args: tuple[Symbol, ...], dtype: Any, full: bool, extra: Any = None) -> Symbol:
        """The symbol of that expression."""
        key = (op, tuple(a.index for a in args), None if dtype is None else dtype.str, full, extra)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Symbol(self, len(self._known), op, args, dtype, full, extra)
        elif found.changed:  # computed once more, it is another array with the same index
            found = self._known[key] = Symbol(self, found.index, op, args, dtype, full, extra)
        return found

    def lift(self, x: Any) -> Symbol:
        """An operand as a symbol; numbers are weak, of no dtype of their own."""
        t = type(x)
        if t is Symbol:
            if x.graph is not self:
                raise NotFusable("an array of another trace")
            if x.changed:
                raise NotFusable("an array that was changed in place under another name")
            if x.op in _REDUCED:
                raise NotFusable("something is computed after the sum or mean at the end")
            return x  # type: ignore[no-any-return]
        if t is HostNumber:
            return self.new("host", (), None, False, x.name)
        if t in (bool, int, float):
            if self.retraced and t is not bool:
                self.numbers.append(float(x))
                return self.new("number", (), None, False, len(self.numbers) - 1)
            return self.new("const", (), None, False, (t.__name__, repr(x)))
        if isinstance(x, (np.bool_, np.integer, np.floating)):
            return self.new("const", (), x.dtype, False, (type(x.item()).__name__, repr(x.item())))
        raise NotFusable(f"an operand of type {t.__module__}.{t.__qualname__}, which is no argument")

    def cast(self, x: Symbol, dtype: Any) -> Symbol:
        """``x`` in another dtype."""
        if x.dtype is not None and x.dtype == dtype:  # NumPy holds None to be float64
            return x
        if x.op == "const":
            return self.new("const", (), dtype, False, x.extra)
        return self.new("cast", (x,), dtype, x.full)

    def apply(self, name: str, *operands: Any) -> Symbol:
        """An elementwise function of the standard."""
        operation = OPERATIONS[name]
        if name == "pow" and type(operands[1]) in (int, float) and operands[1] in _SMALL_POWERS:
            return self._power(operands[0], int(operands[1]))
        args = [self.lift(x) for x in operands]
        dtypes = [a.dtype for a in args if a.dtype is not None]
        if not dtypes:
            raise NotFusable(f"{name} of numbers only")
        dtype = np.result_type(*dtypes)
        _check(name, operation.takes, dtype, args)
        args = [self.cast(a, dtype) for a in args]
        result = np.dtype(bool) if operation.kind == "bool" else dtype
        return self.new(name, tuple(args), result, any(a.full for a in args))

    def _power(self, base: Any, exponent: int) -> Symbol:
        square = self.apply("multiply", base, base)
        if exponent == 2:
            return square
        return self.apply("multiply", square, base if exponent == 3 else square)

    def choose(self, condition: Any, yes: Any, no: Any) -> Symbol:
        """``where``."""
        condition, yes, no = self.lift(condition), self.lift(yes), self.lift(no)
        dtypes = [a.dtype for a in (yes, no) if a.dtype is not None]
        if not dtypes or condition.dtype != np.dtype(bool):
            raise NotFusable("where without a condition of booleans or without arrays to choose from")
        dtype = np.result_type(*dtypes)
        if not all(_keeps(dtype, a) for a in (yes, no)):
            raise NotFusable(f"where of {dtype} and a number that is none")
        args = (condition, self.cast(yes, dtype), self.cast(no, dtype))
        return self.new("where", args, dtype, any(a.full for a in args))

    def filled(self, shape: Any, value: Any, dtype: Any) -> Symbol:
        """``full``."""
        if value is None:
            raise NotFusable("full of no number")
        x = self.lift(value)
        if dtype is None:
            if x.dtype is None:
                raise NotFusable("a new array without a dtype")
            dtype = x.dtype
        return self.spread(self.cast(x, np.dtype(dtype)), shape)

    def spread(self, x: Symbol, shape: Any) -> Symbol:
        """``broadcast_to`` the shape of the trace."""
        if x.dtype is None:
            raise NotFusable("an array made of a number without a dtype")
        full = self.is_full(shape)
        if full and not x.full:
            return self.new("spread", (x,), x.dtype, True)
        if full == x.full:
            return x
        raise NotFusable(f"an array of shape {shape}")

    def is_full(self, shape: Any) -> bool:
        """Whether ``shape`` is the shape of the trace; else it is one over which a number can be spread.

        That is one without axes, or with axes of one element or of a length of the trace. A number spread
        over it is still one number.
        """
        if isinstance(shape, (tuple, list)) and len(shape) <= len(self.shape):
            if len(shape) == len(self.shape) and all(a is b for a, b in zip(shape, self.shape, strict=True)):
                return True
            if all((type(n) is int and n == 1) or any(n is m for m in self.shape) for n in shape):
                return False
        raise NotFusable(f"an array of shape {shape}")

    def reduced(self, name: str, x: Any, axis: Any, keepdims: Any, dtype: Any) -> Symbol:
        """``sum`` or ``mean`` of all elements, at the end of the function; also the mean of each example."""
        if type(x) is Symbol and x.op == "mean of each":
            if name == "mean" and axis in (None, 0) and not keepdims:
                return self.new("mean", x.args, x.dtype, False)
            raise NotFusable(f"{name} of a mean along an axis")
        x = self.lift(x)
        if not x.full or keepdims or dtype not in (None, x.dtype) or x.dtype.kind != "f":
            raise NotFusable(f"{name} other than of all elements of real numbers")
        count = len(self.shape)
        axes = set(range(count))
        if axis is not None:
            axes = {a % count for a in (axis if isinstance(axis, tuple) else (axis,))}
        if name == "mean" and count > 1 and axes == set(range(1, count)):
            return self.new("mean of each", (x,), x.dtype, False)
        if axes != set(range(count)):
            raise NotFusable(f"{name} along an axis")
        return self.new(name, (x,), x.dtype, False)


def _check(name: str, takes: str, dtype: Any, args: list[Symbol]) -> None:
    """Dtypes for which Numba, CUDA and NumPy agree; the rest runs unfused."""
    fits = {"float": "f", "numeric": "fiu", "bool": "b", "any": "fiub"}[takes]
    if (
        not dtype.isnative
        or dtype.kind not in fits
        or not all(_keeps(dtype, a) for a in args)
        or (dtype.itemsize < 4 and dtype.kind == "f")
    ):
        raise NotFusable(f"{name} of {dtype}")


def _keeps(dtype: Any, x: Symbol) -> bool:
    """Whether ``x``, if it is a Python number, has its value in ``dtype``, up to the rounding of floats."""
    if x.dtype is not None:
        return True
    if x.op in ("host", "number"):
        return bool(dtype.kind == "f")
    kind, text = x.extra
    if kind == "bool" or kind == "float":
        return bool(dtype.kind == "f") or (kind == "bool" and dtype.kind in "iub")
    if dtype.kind == "b":
        return False
    limits = np.iinfo(np.int64 if dtype.kind == "f" else dtype)
    return bool(limits.min <= int(text) <= limits.max)


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


class SymbolNamespace:
    """The part of the standard that can be fused, for the symbols of one trace."""

    __name__ = "learnkit.fusion.symbols"
    pi, e, inf, nan, newaxis = math.pi, math.e, math.inf, math.nan, None

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.kernels = _SymbolKernels(self)
        for name in (*_DTYPES, "float32", "float64"):
            setattr(self, name, np.dtype(name))
        for name in ("isdtype", "finfo", "iinfo"):
            setattr(self, name, getattr(standard, name))

    def __getattr__(self, name: str) -> Any:
        if name not in OPERATIONS or name == "erf":
            raise AttributeError(f"{name} is not elementwise")
        graph = self._graph

        def function(*operands: Any) -> Symbol:
            return graph.apply(name, *operands)

        setattr(self, name, function)
        return function

    def where(self, condition: Any, x1: Any, x2: Any, /) -> Symbol:
        return self._graph.choose(condition, x1, x2)

    def clip(self, x: Any, /, min: Any = None, max: Any = None) -> Symbol:
        if min is not None:
            x = self._graph.apply("maximum", x, min)
        return x if max is None else self._graph.apply("minimum", x, max)

    def positive(self, x: Any, /) -> Symbol:
        return self._graph.lift(x)

    def astype(self, x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Symbol:
        return self._graph.cast(self._graph.lift(x), np.dtype(dtype))

    def asarray(self, obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Symbol:
        x = self._graph.lift(obj)
        if dtype is None:
            if x.dtype is None:
                raise NotFusable("asarray of a number without a dtype")
            return x
        return self._graph.cast(x, np.dtype(dtype))

    def full(self, shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Symbol:
        return self._graph.filled(shape, fill_value, dtype)

    def zeros(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Symbol:
        return self._graph.filled(shape, 0.0 if dtype is None or np.dtype(dtype).kind == "f" else 0, dtype)

    def ones(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Symbol:
        return self._graph.filled(shape, 1.0 if dtype is None or np.dtype(dtype).kind == "f" else 1, dtype)

    def full_like(self, x: Symbol, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Symbol:
        return self._graph.filled(x.shape, fill_value, dtype or x.dtype)

    def zeros_like(self, x: Symbol, /, *, dtype: Any = None, device: Any = None) -> Symbol:
        return self.full_like(x, 0, dtype=dtype)

    def ones_like(self, x: Symbol, /, *, dtype: Any = None, device: Any = None) -> Symbol:
        return self.full_like(x, 1, dtype=dtype)

    def broadcast_to(self, x: Symbol, /, shape: Any) -> Symbol:
        return self._graph.spread(self._graph.lift(x), shape)

    def reshape(self, x: Symbol, /, shape: Any, *, copy: Any = None) -> Symbol:
        if self._graph.is_full(shape) != x.full:
            raise NotFusable("reshape")
        return x

    def sum(self, x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Symbol:
        return self._graph.reduced("sum", x, axis, keepdims, dtype)

    def mean(self, x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Symbol:
        return self._graph.reduced("mean", x, axis, keepdims, None)

    def result_type(self, *operands: Any) -> Any:
        return np.result_type(*(o.dtype if type(o) is Symbol else o for o in operands))


class _SymbolKernels(Kernels):
    """The kernels that are elementwise."""

    def __init__(self, xp: SymbolNamespace) -> None:
        super().__init__(xp, in_place=False)

    def erf(self, x: Any) -> Any:
        return x.graph.apply("erf", x)

    def sign(self, x: Any) -> Any:
        return x.graph.apply("sign", x)

    def copy(self, x: Any) -> Any:
        return x

    def spread(self, x: Any, shape: Any) -> Any:
        return self.xp.broadcast_to(x, shape)

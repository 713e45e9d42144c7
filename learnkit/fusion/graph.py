"""Graph: the expressions of one trace, which operations build and rules of dtypes and shapes refuse."""

from __future__ import annotations

from typing import Any

import numpy as np

from learnkit.fusion.host import HostNumber, HostProgram, NotFusable
from learnkit.fusion.namespace import SymbolNamespace
from learnkit.fusion.operations import OPERATIONS
from learnkit.fusion.symbols import Symbol

__all__ = ["Graph"]

#: What ends a function: of all elements, or of each example, which only the mean over the batch may follow.
_REDUCED = ("sum", "mean", "mean of each")
_SMALL_POWERS = (2, 3, 4)


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

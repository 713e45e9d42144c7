"""Tracing: from a function of arrays to the expressions that it computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from learnkit.fusion.graph import Graph
from learnkit.fusion.host import HostNumber, HostProgram, NotFusable
from learnkit.fusion.symbols import Symbol

__all__ = ["Argument", "Trace", "live", "trace"]


#: Those that every engine knows.
_DTYPES = frozenset({"f4", "f8", "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"})


@dataclass(frozen=True)
class Argument:
    """What is known of an array argument when a function is traced.

    Args:
        dtype: NumPy's dtype object.
        full: whether it has the common shape, and not no axes.
    """

    dtype: Any
    full: bool


@dataclass(frozen=True, eq=False)
class Trace:
    """What a function computes.

    Attributes:
        arguments: the arrays, in the order of the call.
        outputs: their expressions.
        single: whether the function returned one array and not a tuple.
        host: from the numbers of a call to those that the kernel takes, ``None`` if the trace does not hold
            for them; or ``None`` if it takes none and always holds.
        scalars: the names of the numbers that the kernel takes.
        numbers: of a trace made for one call, their values.
    """

    arguments: tuple[Argument, ...]
    outputs: tuple[Symbol, ...]
    single: bool
    host: Callable[..., tuple[Any, ...] | None] | None
    scalars: tuple[str, ...]
    numbers: tuple[float, ...]

    @property
    def reduction(self) -> str:
        """``"sum"``, ``"mean"`` or nothing."""
        op = self.outputs[0].op
        return op if op in ("sum", "mean") else ""


def trace(
    call: Callable[[list[Symbol], dict[str, Any]], Any],
    arguments: tuple[Argument, ...],
    shape: tuple[int, ...],
    numbers: Mapping[str, Any],
    *,
    retraced: bool = False,
) -> Trace:
    """What ``call(symbols, numbers)`` computes of arrays like ``arguments``.

    Args:
        call: runs the function to trace.
        arguments: of the arrays.
        shape: of those with axes.
        numbers: Python numbers by name; traced as such unless ``retraced``, and then taken as they are.
        retraced: the trace is for this one call, whose numbers become arguments of the kernel.

    Raises:
        NotFusable: the function does something that is not elementwise.
    """
    for a in arguments:
        if not a.dtype.isnative or a.dtype.kind not in "fiub" or a.dtype.str[1:] not in _DTYPES:
            raise NotFusable(f"an array of {a.dtype}")
    sizes = {f"n{i}": n for i, n in enumerate(shape)}
    host = HostProgram((*numbers, *sizes))
    graph = Graph(host, tuple(host.input(name, n) for name, n in sizes.items()), retraced)
    symbols = [graph.new("in", (), a.dtype, a.full, i) for i, a in enumerate(arguments)]
    given = dict(numbers) if retraced else {name: host.input(name, v) for name, v in numbers.items()}
    try:
        result = call(symbols, given)
    except NotFusable:
        raise
    except Exception as error:  # whatever it is, it comes again, on arrays, if it is the caller's mistake
        raise NotFusable(f"{type(error).__name__}: {error}") from error
    single = type(result) is Symbol
    outputs = (result,) if single else tuple(result) if isinstance(result, tuple) else ()
    if not outputs or not all(type(y) is Symbol for y in outputs):
        raise NotFusable("it returns something other than arrays")
    if any(y.changed for y in outputs):
        raise NotFusable("an array that was changed in place under another name")
    reduced = [y.op in ("sum", "mean") for y in outputs]
    if any(reduced) and len(outputs) > 1:
        raise NotFusable("a sum beside other results")
    if any(y.op == "mean of each" for y in outputs):
        raise NotFusable("a mean along an axis")
    if not any(reduced) and not all(y.full for y in outputs):
        raise NotFusable("a result without axes")
    used = [s for s in live(outputs) if s.op in ("host", "number")]
    if retraced:
        names = tuple(f"c{s.extra}" for s in used if s.op == "number")
        values = tuple(graph.numbers[s.extra] for s in used if s.op == "number")
        sized = [HostNumber(host, s.extra, None) for s in used if s.op == "host"]
        if sized or host.compiled([]):
            raise NotFusable("the number of elements enters the result")
        return Trace(arguments, outputs, single, None, names, values)
    scalars = [HostNumber(host, s.extra, None) for s in used]
    return Trace(arguments, outputs, single, host.compiled(scalars), tuple(s.name for s in scalars), ())


def live(outputs: tuple[Symbol, ...]) -> list[Symbol]:
    """The symbols that the outputs need, each after those that it needs."""
    seen: dict[int, Symbol] = {}
    waiting = list(outputs)
    while waiting:
        symbol = waiting.pop()
        if symbol.index not in seen:
            seen[symbol.index] = symbol
            waiting.extend(symbol.args)
    return [seen[i] for i in sorted(seen)]

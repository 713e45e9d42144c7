"""Programs: a few compiled calls with their arguments, which a team of threads works off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnkit.backends.base import Array
from learnkit.backends.native.blas import blas
from learnkit.backends.native.pace import Pace
from learnkit.backends.native.team import NOTHING, UNSET, team

__all__ = ["Call", "Given", "Phase", "Program"]


@dataclass(frozen=True)
class Given:
    """An argument that is another array at each run: which of those that :meth:`Program.run` is given."""

    which: int


@dataclass(frozen=True)
class Call:
    """A compiled call.

    Attributes:
        address: of ``f(low, high, arguments)``.
        arguments: numbers, arrays (of which the address is passed), :class:`Given`, or further calls.
    """

    address: int
    arguments: tuple[Any, ...]


#: Calls with over how many rows or columns each goes, and how many of them are a part.
Phase = list[tuple[Call, int, int]]


class Program:
    """Calls in phases: those of a phase may run at the same time, and each waits for the phases before.

    Args:
        phases: one after the other. A part is computed by one thread.
        short: whether the program takes so little time that helpers may make it slower.
    """

    def __init__(self, phases: Iterable[Phase], *, short: bool = False) -> None:
        self._pace = Pace() if short else None
        rows = [phase for phase in phases if phase]
        self._library: Any = blas()
        self._most = max(sum(-(-count // each) for _, count, each in phase) for phase in rows)
        self._kept: list[Array] = []
        numbers: list[int] = []
        places: list[tuple[int, int]] = []
        inner: list[tuple[int, int]] = []  # a place, and the place whose address belongs there

        def laid(call: Call) -> int:
            values: list[Any] = []
            for a in call.arguments:
                values += [a.address, a] if isinstance(a, Call) else [a]
            nested = [(i, laid(v)) for i, v in enumerate(values) if isinstance(v, Call)]
            start = len(numbers)
            for value in values:
                if isinstance(value, Given):
                    places.append((value.which, len(numbers)))
                elif isinstance(value, np.ndarray):
                    self._kept.append(value)
                numbers.append(_number(value))
            inner.extend((start + i, place) for i, place in nested)
            return start

        starts = [[laid(call) for call, _, _ in phase] for phase in rows]
        self._numbers = np.array(numbers, np.int64)
        base = self._numbers.ctypes.data
        for place, target in inner:
            self._numbers[place] = base + 8 * target
        self._places = np.array(places, np.int64).reshape(-1, 2)
        self._table = np.array(
            [
                [call.address, base + 8 * start, count, each, i == len(phase) - 1]
                for phase, begun in zip(rows, starts, strict=True)
                for i, ((call, count, each), start) in enumerate(zip(phase, begun, strict=True))
            ],
            np.int64,
        )

    def run(self, *given: Array, then: Array = NOTHING, unless: Array = UNSET) -> None:
        """Run all phases.

        Args:
            given: contiguous arrays for the arguments that are :class:`Given`.
            then: a table to run afterwards.
            unless: a flag (1,) of int8 that a call may set, so that nothing is run afterwards.
        """
        with self._library:
            # A short program has parts for two.
            helpers = self._most if self._pace is None else int(self._pace.helped())
            arguments = self._table, self._numbers, self._places, given
            team().run(*arguments, helpers=helpers, then=then, unless=unless)


def _number(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return int(value.ctypes.data)
    return int(value) if isinstance(value, (int, np.integer)) else 0

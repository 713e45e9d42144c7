"""One compiled call over many elements, shared by the team of threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from learnkit.backends.native.pace import Pace
from learnkit.backends.native.team import team

__all__ = ["Shared"]

#: Parts for each thread. With more than one, a thread that is late leaves its parts to the others.
_PARTS = 4
#: Elements for each helper, at least.
_ENOUGH = 50_000


class Shared:
    """A compiled call with its arguments, which threads share.

    Args:
        address: of ``f(low, high, arguments)``. The arguments are ``counts``, of which the first is the
            number of elements, the addresses of ``arrays``, and numbers that each run gives.
        n: how many elements, or groups of them, there are.
        counts, arrays: the first arguments. The arrays are kept.
        scalars: how many numbers follow.
        grain: a part is a multiple of it, but for the last.
        short: whether it takes so little time that helpers may make it slower.
    """

    def __init__(
        self,
        address: int,
        n: int,
        counts: Sequence[int],
        arrays: Sequence[Any],
        scalars: int,
        grain: int = 64,
        *,
        short: bool = False,
    ) -> None:
        self._pace = Pace() if short else None
        self._arrays = [*arrays]
        first = len(counts) + len(arrays)
        self._numbers = np.empty(first + scalars, np.int64)
        self._numbers[:first] = [*counts, *[a.ctypes.data for a in arrays]]
        self._scalars = self._numbers.view(np.float64)[first:]
        self._helpers = min(team().count - 1, max(1, counts[0] // _ENOUGH))
        each = -(-n // ((self._helpers + 1) * _PARTS * grain)) * grain
        #: As a program has one.
        self.table = np.array([[address, self._numbers.ctypes.data, n, each, 1]], np.int64)

    def set(self, scalars: Sequence[float]) -> None:
        """Put the numbers of a run in their places."""
        self._scalars[:] = scalars

    def run(self, scalars: Sequence[float]) -> None:
        """Call it for all parts."""
        self._scalars[:] = scalars
        helped = self._pace is None or self._pace.helped()
        team().run(self.table, helpers=self._helpers if helped else 0)

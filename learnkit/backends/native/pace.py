"""Whether helpers make a short program faster: found out by trying, again and again.

Sharing 50 microseconds of work pays where the processors are near each other and have nothing else to do.
Where they share no cache, or another program has one of them, it costs several times what it saves. Nothing
tells which it is but the time, and it may change while a program runs.
"""

from __future__ import annotations

from math import inf
from time import perf_counter

__all__ = ["Pace"]

#: Runs of one trial with helpers, as many without, and those until the next trial: of a hundred runs two at
#: most is made the slower way.
_TRIED = 6
_UNTIL = 512


class Pace:
    """Says for each run whether to use helpers.

    The time that counts is from one run to the next, with what the caller does in between: it works on memory
    that a helper may have written. The shortest of a few counts, as others are longer for other reasons.
    """

    def __init__(self) -> None:
        self._runs = 0
        self._begun = 0.0
        self._best = [0.0, 0.0]
        self._chosen = False

    def helped(self) -> bool:
        """Whether this run should have helpers; called once for each."""
        run = self._runs
        self._runs = run + 1 if run < _UNTIL else 0
        if run > 2 * _TRIED:
            return self._chosen
        now = perf_counter()
        if not run:
            self._best = [inf, inf]
        elif (run - 1) % _TRIED:  # the first run of a way finds memory where the other way left it
            before = (run - 1) // _TRIED
            self._best[before] = min(self._best[before], now - self._begun)
        self._begun = now
        if run == 2 * _TRIED:
            self._chosen = self._best[0] < self._best[1]
            return self._chosen
        return run < _TRIED

"""Subjects take turns, so that a disturbance of the machine hits all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Ratio", "Times", "take_turns"]

#: Runs so many times, waits for what was started, and returns the seconds that took in all.
Timed = Callable[[int], float]

#: Seconds before each turn, in which the idle threads of the last subject stop looking for work, which those
#: of OpenBLAS do for more than a tenth of a second.
PAUSE = 0.25
#: A subject is tried until it has run for so many seconds, to see how often it fits into a turn.
_TRIAL = 0.02


@dataclass(frozen=True)
class Ratio:
    """How two subjects compare: over the rounds, the median and the quartiles of their ratio.

    Attributes:
        median: below 1, the first is faster.
        low, high: the first and the third quartile.
    """

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{format_ratio(self.median)} ({format_ratio(self.low)} - {format_ratio(self.high)})"


def format_ratio(value: float) -> str:
    """Two digits behind the point, or more if it is small.

    >>> format_ratio(0.456), format_ratio(0.00382)
    ('0.46', '0.0038')
    """
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


@dataclass(frozen=True)
class Times:
    """Seconds for one run of each subject, by round.

    Attributes:
        seconds: by subject; round number i of all subjects was measured within one short while.
    """

    seconds: dict[str, tuple[float, ...]]

    def median(self, name: str) -> float:
        """Half of the rounds took longer."""
        return statistics.median(self.seconds[name])

    def quartiles(self, name: str) -> tuple[float, float]:
        """The first and the third quartile over the rounds."""
        return quartiles(self.seconds[name])

    def ratio(self, name: str, other: str) -> Ratio:
        """The time of ``name`` over that of ``other``, round by round.

        >>> Times({"a": (1.0, 2.0, 3.0), "b": (2.0, 4.0, 2.0)}).ratio("a", "b").median
        0.5
        """
        ratios = [a / b for a, b in zip(self.seconds[name], self.seconds[other], strict=True)]
        return Ratio(statistics.median(ratios), *quartiles(ratios))


def quartiles(values: tuple[float, ...] | list[float]) -> tuple[float, float]:
    """The first and the third quartile; of a single value it is both."""
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def take_turns(subjects: Mapping[str, Timed], *, rounds: int, seconds: float, pause: float = PAUSE) -> Times:
    """Time all subjects, in every round each for about ``seconds``.

    The order changes from round to round, so that nobody always comes after the same neighbour.

    Args:
        subjects: by name.
        rounds: >= 1.
        seconds: of one turn, about; a subject that takes longer runs once.
        pause: seconds of rest before each turn.
    """
    counts = {name: _how_often(timed, seconds) for name, timed in subjects.items()}
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    names = list(subjects)
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            time.sleep(pause)
            taken[name].append(subjects[name](counts[name]) / counts[name])
    return Times({name: tuple(values) for name, values in taken.items()})


def _how_often(timed: Timed, seconds: float) -> int:
    """How many runs take about ``seconds``."""
    count = 1
    if timed(count) > 5 * seconds:  # the first run may compile; one that takes so long is not tried twice
        return 1
    while True:
        taken = timed(count)
        if taken >= min(_TRIAL, seconds / 2):
            return max(1, round(seconds * count / taken))
        count *= 4

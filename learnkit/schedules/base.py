"""What a schedule is: a number as a function of the step."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from learnkit.checks import positive
from learnkit.errors import ArgumentError

__all__ = ["Schedule", "check_total", "needs_total", "positive", "value_at"]


@dataclass(frozen=True)
class Schedule:
    """Base of schedules: a frozen dataclass called with the step, which counts from 0.

    It is a closed form, so any step may be asked in any order and a resumed run continues exactly. The
    first field of a schedule is its largest value, the learning rate one would name.

    A schedule that needs the length of the run has a field ``total_steps``; ``None`` is filled in by
    the trainer.
    """

    def __call__(self, step: int) -> float:
        """The value at ``step`` >= 0."""
        raise TypeError(f"{type(self).__name__} defines no __call__(self, step)")

    def resolve(self, total_steps: int) -> Self:
        """This schedule with a missing ``total_steps`` filled in, also in schedules that it holds."""
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "total_steps" and value is None:
                changes[field.name] = total_steps
            elif isinstance(value, Schedule):
                changes[field.name] = value.resolve(total_steps)
        return dataclasses.replace(self, **changes) if changes else self


def value_at(value: float | Schedule, step: int) -> float:
    """A hyper-parameter at ``step``, whether it is a number or a schedule.

    >>> value_at(0.1, 7)
    0.1
    """
    return value(step) if isinstance(value, Schedule) else float(value)


def check_total(owner: str, total_steps: int | None) -> None:
    """Check that a number of steps is an integer >= 1, or not known yet.

    Raises:
        ArgumentError: it is neither.
    """
    if total_steps is not None and (type(total_steps) is not int or total_steps < 1):
        raise ArgumentError(f"{owner}: total_steps is {total_steps!r}, expected an integer >= 1")


def needs_total(owner: str, total_steps: int | None) -> int:
    """``total_steps``, which must be known by now.

    Raises:
        ArgumentError: it is ``None``.
    """
    if total_steps is None:
        raise ArgumentError(
            f"{owner}: total_steps is not known",
            hint=f"a Trainer fills it in; elsewhere write {owner}(..., total_steps=1000)",
        )
    return total_steps

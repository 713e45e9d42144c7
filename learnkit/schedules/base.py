"""What a schedule is: a number as a function of the step."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from learnkit.checks import positive
from learnkit.errors import ArgumentError
from learnkit.schedules.durations import Duration, as_steps, check_duration, needs_steps

__all__ = [
    "UNKNOWN",
    "Run",
    "Schedule",
    "check_total",
    "fill_in",
    "needs_total",
    "observed",
    "positive",
    "resolved",
    "value_at",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """What a schedule that looks at the training is told of the run.

    Args:
        total_steps, steps_per_epoch: the lengths, as in :meth:`Schedule.resolve`, or ``None``.
        larger_is_better: the names of values that are to grow.
    """

    total_steps: int | None = None
    steps_per_epoch: int | None = None
    larger_is_better: Collection[str] = ()

    def steps(self, owner: str, name: str, duration: Duration) -> int:
        """A duration in steps.

        Raises:
            ArgumentError: the length of the run or of an epoch would be needed, and is not known.
        """
        if self.total_steps is not None:
            duration = as_steps(duration, self.total_steps, self.steps_per_epoch)
        return needs_steps(owner, name, duration)

    def rest(self, start: int, end: int | None = None) -> Run:
        """The run of a schedule that is at work from ``start`` to ``end`` or to the end of this run."""
        if self.total_steps is None:
            return self
        end = self.total_steps if end is None else end
        return dataclasses.replace(self, total_steps=max(1, end - start))


UNKNOWN = Run()


@dataclass(frozen=True)
class Schedule:
    """Base of schedules: a frozen dataclass called with the step, which counts from 0.

    It is a closed form, so any step may be asked in any order and a resumed run continues exactly. The
    first field of a schedule is its largest value, the learning rate one would name.

    A schedule that needs the length of the run has a field ``total_steps``; ``None`` is filled in by
    the trainer. Fields that are lengths of time are named in :attr:`durations` and may be written
    as in :mod:`learnkit.schedules.durations`.

    ``schedule * 0.5`` and ``schedule * other`` are products, step by step.
    """

    #: The fields that hold durations, or tuples of them, with the least number of steps of each.
    durations: ClassVar[Mapping[str, int]] = {}

    def __call__(self, step: int) -> float:
        """The value at ``step`` >= 0."""
        raise TypeError(f"{type(self).__name__} defines no __call__(self, step)")

    def __mul__(self, other: Any) -> Schedule:
        from learnkit.schedules.compose import Product

        if not isinstance(other, (Schedule, int, float)):
            return NotImplemented
        return Product((self, other))

    __rmul__ = __mul__

    def resolve(self, total_steps: int, steps_per_epoch: int | None = None) -> Self:
        """This schedule for a run of known length, and those that it holds.

        Args:
            total_steps: taken where ``total_steps`` is missing, and for parts of the run.
            steps_per_epoch: for durations in epochs; without it they stay as they are.
        """
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least = self.durations.get(field.name)
            if field.name == "total_steps":
                new = total_steps if value is None else as_steps(value, total_steps, steps_per_epoch, 1)
            elif least is not None:
                new = _each_as_steps(value, total_steps, steps_per_epoch, least)
            else:
                new = resolved(value, total_steps, steps_per_epoch)
            if new is not value:
                changes[field.name] = new
        return dataclasses.replace(self, **changes) if changes else self

    def observe(self, values: Mapping[str, float], step: int, run: Run = UNKNOWN) -> Self:
        """This schedule after a look at how the training goes; most do not care.

        A schedule that does returns a changed copy, and so do those that hold it.

        Args:
            values: ``"loss"``, ``"val_loss"`` and metrics by name.
            step: the step from which on the change counts, the number of steps made so far.
            run: what else is known.
        """
        changes = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            new = observed(value, values, step, run)
            if new is not value:
                changes[field.name] = new
        return dataclasses.replace(self, **changes) if changes else self


def value_at(value: float | Schedule, step: int) -> float:
    """A hyper-parameter at ``step``, whether it is a number or a schedule.

    >>> value_at(0.1, 7)
    0.1
    """
    return value(step) if isinstance(value, Schedule) else float(value)


def resolved(value: T, total_steps: int, steps_per_epoch: int | None = None) -> T:
    """A schedule, or what holds one, for a run of known length; anything else as it is."""
    if isinstance(value, tuple):
        new = tuple(resolved(v, total_steps, steps_per_epoch) for v in value)
        changed = any(a is not b for a, b in zip(new, value, strict=True))
        return new if changed else value  # type: ignore[return-value]
    return fill_in(value, total_steps, steps_per_epoch) if _follows(value) else value


def fill_in(owner: Any, total_steps: int, steps_per_epoch: int | None = None) -> Any:
    """``owner.resolve(...)`` of a schedule or an optimizer; one whose ``resolve`` takes the total alone is
    given the total alone."""
    both = _takes_epochs(type(owner))  # type: ignore[arg-type]
    return owner.resolve(total_steps, steps_per_epoch) if both else owner.resolve(total_steps)


def observed(value: T, values: Mapping[str, float], step: int, run: Run = UNKNOWN) -> T:
    """A schedule, or what holds one, after a look at the training; anything else as it is."""
    if isinstance(value, tuple):
        new = tuple(observed(v, values, step, run) for v in value)
        changed = any(a is not b for a, b in zip(new, value, strict=True))
        return new if changed else value  # type: ignore[return-value]
    return value.observe(values, step, run) if _follows(value) else value  # type: ignore[attr-defined]


def _follows(value: Any) -> bool:
    """Whether a value is a schedule, or an object that passes on what its schedules are to know."""
    return hasattr(type(value), "resolve") and hasattr(type(value), "observe")


@functools.cache
def _takes_epochs(cls: Hashable) -> bool:
    parameters = inspect.signature(getattr(cls, "resolve")).parameters.values()  # noqa: B009
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 2 or any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _each_as_steps(value: Any, total_steps: int, steps_per_epoch: int | None, least: int) -> Any:
    if value is None:
        return None
    if isinstance(value, tuple):
        new = tuple(as_steps(v, total_steps, steps_per_epoch, least) for v in value)
        return value if new == value else new
    return as_steps(value, total_steps, steps_per_epoch, least)


def check_total(owner: str, total_steps: Duration | None) -> None:
    """Check that a number of steps is a duration of at least one step, or not known yet.

    Raises:
        ArgumentError: it is neither.
    """
    if total_steps is not None:
        check_duration(owner, "total_steps", total_steps, 1)


def needs_total(owner: str, total_steps: Duration | None) -> int:
    """``total_steps``, which must be known by now.

    Raises:
        ArgumentError: it is ``None``, or not in steps.
    """
    if total_steps is None:
        raise ArgumentError(
            f"{owner}: total_steps is not known",
            hint=f"a Trainer fills it in; elsewhere write {owner}(..., total_steps=1000)",
        )
    return needs_steps(owner, "total_steps", total_steps)

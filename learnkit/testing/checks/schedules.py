"""What is asked of schedules: a number for the step, and nothing remembered."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import numbers
from typing import Any

from learnkit.errors import ArgumentError
from learnkit.schedules.base import Schedule, fill_in
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.common import common_checks, plain_state
from learnkit.testing.diagnosis import returned, where_different, where_spot
from learnkit.testing.results import CheckFailure
from learnkit.testing.subject import Subject
from learnkit.testing.tracing import lines_run

__all__ = ["checks"]

_TOTAL, _EPOCH = 40, 8


def checks() -> list[Check]:
    """The checks of schedules."""
    return [
        *common_checks(),
        Check(
            "number",
            _number,
            "return a Python float for every step from 0 on; use math, not an array library",
        ),
        Check(
            "pure",
            _pure,
            "compute the value from the step alone, as a closed form: no counter, no last value, no "
            "random generator",
        ),
        Check(
            "finite", _finite, "guard divisions and powers, and hold the last value behind the end of the run"
        ),
        Check("resolves", _resolves, "let resolve() return a changed copy, dataclasses.replace(self, ...)"),
        Check("observes", _observes, "let observe() return a changed copy, dataclasses.replace(self, ...)"),
    ]


def _ready(subject: Subject) -> Any:
    """A fresh schedule for a run of known length."""
    schedule = subject.fresh()
    return fill_in(schedule, _TOTAL, _EPOCH) if isinstance(schedule, Schedule) else schedule


def _number(subject: Subject, row: str) -> None:
    schedule = _ready(subject)
    for step in (0, 1, _TOTAL // 2, _TOTAL - 1):
        value = schedule(step)
        if (
            not isinstance(value, numbers.Real)
            or isinstance(value, bool)
            or (hasattr(value, "shape") and value.shape)
        ):
            raise CheckFailure(
                f"at step {step} it is {value!r} of type {type(value).__name__}, expected a float",
                where=returned(subject.author, lambda: schedule(1), "__call__"),
            )


def _pure(subject: Subject, row: str) -> None:
    """The value at a step does not depend on what was asked before, and nothing in the object changes."""
    steps = [0, 1, 2, 5, 17, _TOTAL - 1, _TOTAL]
    schedule, untouched = _ready(subject), _ready(subject)
    before = plain_state(vars(schedule)) if hasattr(schedule, "__dict__") else None
    forward = {step: schedule(step) for step in steps}
    backward = {step: schedule(step) for step in reversed(steps)}
    fresh = {step: copy.deepcopy(untouched)(step) for step in steps}
    for step in steps:
        if not _same(forward[step], backward[step], fresh[step]):
            ask = functools.partial(_ready(subject), step)
            where, remedy = where_different(subject.author, ask, ask)
            where = where or returned(subject.author, ask, "__call__")
            raise CheckFailure(
                f"at step {step} it is {forward[step]!r} asked in order, {backward[step]!r} asked again, "
                f"and {fresh[step]!r} asked at once",
                remedy,
                where,
            )
    if before is not None and plain_state(vars(schedule)) != before:
        found = where_spot(lines_run(subject.author, lambda: _ready(subject)(3)), "state")
        raise CheckFailure(
            "asking for a value changes the schedule",
            patterns.REMEDIES["state"],
            (found[0], found[1].line) if found else subject.author.definition("__call__"),
        )


def _same(*values: Any) -> bool:
    return all(v == values[0] or (v != v and values[0] != values[0]) for v in values)


def _finite(subject: Subject, row: str) -> None:
    schedule = _ready(subject)
    for step in (*range(_TOTAL + 1), 10 * _TOTAL, 10_000_000):
        try:
            value = float(schedule(step))
        except (OverflowError, ZeroDivisionError) as error:
            raise CheckFailure(
                f"at step {step} it raises {type(error).__name__}: {error}",
                where=subject.author.place_of(error),
            ) from None
        if not math.isfinite(value):
            raise CheckFailure(
                f"at step {step} it is {value!r}",
                where=returned(subject.author, lambda: schedule(1), "__call__"),
            )


def _resolves(subject: Subject, row: str) -> None:
    schedule = subject.fresh()
    if not isinstance(schedule, Schedule):
        raise CheckFailure(
            "it is no learnkit.schedules.Schedule", "derive it from Schedule, or give a function"
        )
    before = plain_state(vars(schedule))
    first, second = fill_in(schedule, _TOTAL, _EPOCH), fill_in(schedule, _TOTAL, _EPOCH)
    if plain_state(vars(schedule)) != before:
        raise CheckFailure(
            "resolve() changes the schedule itself", where=subject.author.definition("resolve")
        )
    if not _same(first(3), second(3)):
        raise CheckFailure(
            "resolve() gives another schedule each time", where=subject.author.definition("resolve")
        )


def _observes(subject: Subject, row: str) -> None:
    schedule = _ready(subject)
    if not isinstance(schedule, Schedule):
        return
    before = plain_state(vars(schedule))
    values = {"loss": 1.0, "val_loss": 1.0, **{str(n): 0.5 for n in _monitors(schedule)}}
    value = schedule(_EPOCH)
    try:
        new = schedule.observe(values, _EPOCH)
    except ArgumentError as error:  # it watches something that no run here reports
        if subject.author.place_of(error) is None:
            raise
        return
    if plain_state(vars(schedule)) != before or not _same(schedule(_EPOCH), value):
        raise CheckFailure(
            "observe() changes the schedule itself", where=subject.author.definition("observe")
        )
    if not isinstance(new, Schedule):
        raise CheckFailure(
            f"observe() returns {type(new).__name__}, expected a schedule",
            where=subject.author.definition("observe"),
        )


def _monitors(schedule: Schedule) -> list[Any]:
    named = [getattr(schedule, f.name) for f in dataclasses.fields(schedule)]
    return [v for v in named if isinstance(v, str) and v.isidentifier()]

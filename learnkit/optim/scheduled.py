"""Hyper-parameters that may be schedules of the step."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from learnkit.schedules.base import UNKNOWN, Run, Schedule, observed, resolved

__all__ = ["Scheduled"]


@dataclass(frozen=True)
class Scheduled:
    """Base of frozen dataclasses whose fields may be schedules of the step."""

    def at(self, step: int) -> Self:
        """This object with numbers in the place of its schedules, at ``step`` (counted from 0).

        The learning rate of a rule stays as it is: it is handed over beside the rule.
        """
        if not self._scheduled:
            return self
        # A copy, not replace(): what a schedule gives is not an argument. A momentum that a schedule
        # takes down to 0 is fine, though Nesterov's form is not made with it.
        made = copy.copy(self)
        for name in self._scheduled:
            object.__setattr__(made, name, _at(getattr(self, name), step))
        return made

    @functools.cached_property
    def _scheduled(self) -> tuple[str, ...]:
        """The hyper-parameters beside lr that hold schedules; looked up once, not at every step."""
        names = (f.name for f in dataclasses.fields(self) if f.name != "lr")
        return tuple(name for name in names if _holds_schedule(getattr(self, name)))

    def resolve(self, total_steps: int, steps_per_epoch: int | None = None) -> Self:
        """This object with the length of the run filled into its schedules, and those of its parts."""
        return self._mapped(lambda value: resolved(value, total_steps, steps_per_epoch))

    def observe(self, values: Mapping[str, float], step: int, run: Run = UNKNOWN) -> Self:
        """This object after its schedules have looked at how the training goes; see ``Schedule.observe``."""
        return self._mapped(lambda value: observed(value, values, step, run))

    def _mapped(self, change: Callable[[Any], Any]) -> Self:
        """A copy with the fields that ``change`` gives anew; this object if it gives all back."""
        new = {f.name: change(getattr(self, f.name)) for f in dataclasses.fields(self)}
        changes = {name: value for name, value in new.items() if value is not getattr(self, name)}
        return dataclasses.replace(self, **changes) if changes else self


def _holds_schedule(value: Any) -> bool:
    return isinstance(value, Schedule) or (isinstance(value, tuple) and any(map(_holds_schedule, value)))


def _at(value: Any, step: int) -> Any:
    if isinstance(value, Schedule):
        return value(step)
    return tuple(_at(v, step) for v in value) if isinstance(value, tuple) else value

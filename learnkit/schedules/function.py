"""A function ``f(step, *, ...)`` as a schedule."""

from __future__ import annotations

import inspect
import numbers
from dataclasses import dataclass
from typing import Any

from learnkit.errors import ArgumentError
from learnkit.plugins.functions import FunctionComponent, dataclass_of
from learnkit.schedules.base import Schedule

__all__ = ["FunctionSchedule"]


@dataclass(frozen=True)
class FunctionSchedule(FunctionComponent, Schedule):
    """Base of the schedules that are made of functions; see :mod:`learnkit.plugins.functions`.

    The function returns the learning rate at ``step``, which counts from 0. An option ``lr`` is its
    largest value, the one that ``--lr`` of the command line sets, and an option ``total_steps`` of ``None``
    is filled in by the trainer.
    """

    @classmethod
    def of(cls, name: str, options: list[inspect.Parameter], namespace: dict[str, Any]) -> type:
        """The class of a function with these options."""
        # The first field of a schedule is its largest value.
        return dataclass_of(cls, name, sorted(options, key=lambda option: option.name != "lr"), namespace)

    def __call__(self, step: int) -> float:
        value = type(self)._function(step, **self._given_options())
        if not isinstance(value, numbers.Real):
            raise ArgumentError(
                f"{type(self).__name__}({step}) returned {value!r}, expected a number",
                hint=f"a function that makes a schedule takes its options by keyword: "
                f"def {type(self).__name__}(*, ...)",
            )
        return float(value)

"""Schedules made of schedules, and of functions."""

from __future__ import annotations

import math
import sys
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from types import FunctionType
from typing import Any, ClassVar, Self

from learnkit.checks import positive
from learnkit.errors import ArgumentError
from learnkit.schedules.base import UNKNOWN, Run, Schedule, observed, resolved, value_at
from learnkit.schedules.durations import Duration, as_steps, check_duration, needs_steps
from learnkit.schedules.named import as_schedules

__all__ = ["Join", "Lambda", "Product"]


@dataclass(frozen=True)
class Join(Schedule):
    """Schedules one after another, each from its own beginning.

    Args:
        schedules: at least one: schedules, names, or numbers to stay at.
        boundaries: the steps at which the second and each further one begins, durations from the start of
            the run that do not fall; one fewer than schedules. Each schedule takes the time to the next
            boundary, the last one the rest, for its whole run.

    Raises:
        ArgumentError: a value is out of range, or (when called) a duration is not known in steps.

    Source: as PyTorch's SequentialLR and Optax's join_schedules.

    >>> from learnkit.schedules import Linear
    >>> [Join((1.0, Linear(0.5)), boundaries=(2,)).resolve(4)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.0]
    """

    durations: ClassVar[Mapping[str, int]] = {"boundaries": 0}

    schedules: tuple[Schedule | float, ...]
    boundaries: tuple[Duration, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedules", as_schedules("Join", "schedules", self.schedules))
        if not isinstance(self.boundaries, (tuple, list)) or len(self.boundaries) != len(self.schedules) - 1:
            raise ArgumentError(
                f"Join: boundaries is {self.boundaries!r}, expected a tuple of {len(self.schedules) - 1} "
                f"durations for {len(self.schedules)} schedules"
            )
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        for i, boundary in enumerate(self.boundaries):
            check_duration("Join", f"boundaries[{i}]", boundary)
        known = [b for b in self.boundaries if type(b) is int]
        if any(b < a for a, b in pairwise(known)):
            raise ArgumentError(f"Join: boundaries is {self.boundaries!r}, expected steps that do not fall")

    def __call__(self, step: int) -> float:
        known = (needs_steps("Join", f"boundaries[{i}]", b) for i, b in enumerate(self.boundaries))
        starts = [0, *known]
        i = bisect_right(starts, step) - 1
        return value_at(self.schedules[i], step - starts[i])

    def resolve(self, total_steps: int, steps_per_epoch: int | None = None) -> Self:
        known = [as_steps(b, total_steps, steps_per_epoch) for b in self.boundaries]
        if any(type(b) is not int for b in known):
            return self
        # in a run too short for a boundary in steps, one in parts of the run does not come before it
        boundaries = list(accumulate(map(int, known), max))
        parts = tuple(
            resolved(schedule, max(1, end - start), steps_per_epoch)
            for schedule, (start, end) in zip(
                self.schedules, pairwise([0, *boundaries, total_steps]), strict=True
            )
        )
        return replace(self, schedules=parts, boundaries=tuple(boundaries))

    def observe(self, values: Mapping[str, float], step: int, run: Run = UNKNOWN) -> Self:
        """Only the schedule that is at work looks."""
        known = [run.steps("Join", f"boundaries[{i}]", b) for i, b in enumerate(self.boundaries)]
        starts = [0, *accumulate(known, max)]
        i = bisect_right(starts, step) - 1
        end = starts[i + 1] if i + 1 < len(starts) else None
        new = observed(self.schedules[i], values, step - starts[i], run.rest(starts[i], end))
        if new is self.schedules[i]:
            return self
        return replace(self, schedules=(*self.schedules[:i], new, *self.schedules[i + 1 :]))


@dataclass(frozen=True)
class Product(Schedule):
    """Schedules that run at the same time, multiplied; ``a * b`` makes one.

    Args:
        schedules: at least one: schedules, names or numbers.

    Raises:
        ArgumentError: one of them is no schedule.

    Source: as PyTorch's ChainedScheduler, whose schedules multiply the same learning rate.

    >>> from learnkit.schedules import Cosine, Warmup
    >>> schedule = Cosine(0.1, total_steps=100) * Warmup(1.0, steps=10)
    >>> schedule(4) == Cosine(0.1, total_steps=100)(4) * 0.5
    True
    """

    schedules: tuple[Schedule | float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedules", as_schedules("Product", "schedules", self.schedules))

    def __call__(self, step: int) -> float:
        return math.prod(value_at(schedule, step) for schedule in self.schedules)


@dataclass(frozen=True, repr=False)
class Lambda(Schedule):
    """A number times a function of the step: ``lr function(t)``.

    Args:
        lr: > 0.
        function: of the step, counted from 0; gives a number >= 0. Pure, as every schedule: the same step
            gives the same number. May be ``"module:name"`` if the module is imported already.

    Raises:
        ArgumentError: a value is out of range; (when called) the function gives none that is >= 0 and
            finite; (when saved) the function is not a function at the top level of a module.

    It is saved as ``"module:name"``. Loading imports nothing, since a saved run does not choose what code
    is run: import the function's module before. A schedule that others are to use by name is a plugin.

    Source: as PyTorch's LambdaLR.

    >>> Lambda(0.5, lambda t: 0.5**t)(2)
    0.125
    """

    lr: float
    function: Callable[[int], float]

    def __post_init__(self) -> None:
        positive("Lambda", "lr", self.lr)
        if isinstance(self.function, str):
            object.__setattr__(self, "function", _imported(self.function))
        if not callable(self.function):
            raise ArgumentError(f"Lambda: function is {self.function!r}, expected a function of the step")

    def __call__(self, step: int) -> float:
        value = self.lr * float(self.function(step))
        if not 0 <= value < math.inf:
            raise ArgumentError(
                f"Lambda: {_called(self.function)} gives {self.function(step)!r} at step {step}, "
                "expected a finite number >= 0"
            )
        return value

    def __repr__(self) -> str:
        try:
            return f"Lambda(lr={self.lr!r}, function={_where(self.function)!r})"
        except ArgumentError:
            return f"Lambda(lr={self.lr!r}, function={self.function!r})"

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, the function as ``"module:name"``.

        Raises:
            ArgumentError: it cannot be found again by its name.
        """
        return {"lr": self.lr, "function": _where(self.function)}


def _where(function: Any) -> str:
    """``"module:name"`` of a function at the top level of a module that can be imported."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    found = getattr(sys.modules.get(module or ""), name or "", None)
    if found is not function or module == "__main__" or not isinstance(function, FunctionType):
        raise ArgumentError(
            f"Lambda: {_called(function)} cannot be saved, because it cannot be found again by its name",
            hint="define it with def at the top level of a module that can be imported, or write "
            "a Schedule and register it as a plugin",
        )
    return f"{module}:{name}"


def _imported(text: str) -> Any:
    """The function that ``"module:name"`` names, of a module that is imported already."""
    module, colon, name = text.partition(":")
    if not colon or not name.isidentifier():
        raise ArgumentError(f"Lambda: function is {text!r}, expected a function, or 'module:name'")
    if module not in sys.modules:
        raise ArgumentError(
            f"Lambda: the function {text!r} is not there, because {module!r} is not imported",
            hint=f"import {module} before",
        )
    function = getattr(sys.modules[module], name, None)
    if not isinstance(function, FunctionType) or function.__module__ != module:
        raise ArgumentError(f"Lambda: {module!r} defines no function {name!r}")
    return function


def _called(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or repr(function))

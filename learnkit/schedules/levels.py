"""Schedules that hold a level, or drop from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from learnkit.checks import positive
from learnkit.errors import ArgumentError
from learnkit.schedules.base import Schedule
from learnkit.schedules.durations import Duration, check_duration, needs_steps
from learnkit.schedules.shapes import scaled

__all__ = ["Constant", "MultiStep", "Step"]


@dataclass(frozen=True)
class Constant(Schedule):
    """``lr`` at every step.

    >>> Constant(0.1)(1000)
    0.1
    """

    lr: float

    def __post_init__(self) -> None:
        positive("Constant", "lr", self.lr, zero=True)

    def __call__(self, step: int) -> float:
        return float(self.lr)


@dataclass(frozen=True)
class Step(Schedule):
    """Drops by a factor every ``step_size`` steps: ``lr gamma^floor(t / step_size)``.

    Args:
        lr: at step 0, > 0.
        step_size: a duration >= 1; default ``"30%"``, which drops three times in a run.
        gamma: the factor, > 0, default 0.1.

    Raises:
        ArgumentError: a value is out of range, or (when called) the duration is not known in steps.

    Source: as PyTorch's StepLR, in closed form.

    >>> [Step(1.0, step_size=2, gamma=0.5)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    durations: ClassVar[Mapping[str, int]] = {"step_size": 1}

    lr: float
    step_size: Duration = "30%"
    gamma: float = 0.1

    def __post_init__(self) -> None:
        positive("Step", "lr", self.lr)
        positive("Step", "gamma", self.gamma)
        check_duration("Step", "step_size", self.step_size, 1)

    def __call__(self, step: int) -> float:
        size = needs_steps("Step", "step_size", self.step_size)
        return scaled("Step", self.lr, self.gamma, step // size)


@dataclass(frozen=True)
class MultiStep(Schedule):
    """Drops by a factor at each milestone: piecewise constant.

    ``lr gamma^n`` with n the number of milestones that are reached; a milestone that stands there twice
    counts twice.

    Args:
        lr: at step 0, > 0.
        milestones: durations from the start of the run; default half and three quarters of it.
        gamma: the factor, > 0, default 0.1; or a tuple with one for each milestone.
        keep_at_milestone: ``False`` (default) has the new value at the milestone itself, as PyTorch and
            Optax; ``True`` only after it, as Keras's PiecewiseConstantDecay.

    Raises:
        ArgumentError: a value is out of range, or (when called) a duration is not known in steps.

    Source: as PyTorch's MultiStepLR and Optax's piecewise_constant_schedule.

    >>> [MultiStep(1.0, milestones=(2, 3), gamma=0.5)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.25]
    """

    durations: ClassVar[Mapping[str, int]] = {"milestones": 0}

    lr: float
    milestones: tuple[Duration, ...] = ("50%", "75%")
    gamma: float | tuple[float, ...] = 0.1
    keep_at_milestone: bool = False

    def __post_init__(self) -> None:
        positive("MultiStep", "lr", self.lr)
        if not isinstance(self.milestones, (tuple, list)):
            raise ArgumentError(
                f"MultiStep: milestones is {self.milestones!r}, expected a tuple of durations"
            )
        object.__setattr__(self, "milestones", tuple(self.milestones))
        for i, milestone in enumerate(self.milestones):
            check_duration("MultiStep", f"milestones[{i}]", milestone)
        if isinstance(self.gamma, (tuple, list)):
            object.__setattr__(self, "gamma", tuple(self.gamma))
            if len(self._factors) != len(self.milestones):
                raise ArgumentError(
                    f"MultiStep: {len(self.milestones)} milestones and {len(self._factors)} values of gamma; "
                    "expected equally many, or one gamma"
                )
        for factor in self._factors:
            positive("MultiStep", "gamma", factor)

    def __call__(self, step: int) -> float:
        value = float(self.lr)
        for i, (milestone, factor) in enumerate(zip(self.milestones, self._factors, strict=True)):
            at = needs_steps("MultiStep", f"milestones[{i}]", milestone)
            if step > at or (step == at and not self.keep_at_milestone):
                value *= factor
        return value

    @property
    def _factors(self) -> tuple[float, ...]:
        return self.gamma if isinstance(self.gamma, tuple) else (self.gamma,) * len(self.milestones)

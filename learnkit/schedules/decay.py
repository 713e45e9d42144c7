"""Schedules that fall along a curve."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from learnkit.checks import one_of, positive
from learnkit.errors import ArgumentError
from learnkit.schedules.base import Schedule, check_total, needs_total
from learnkit.schedules.durations import Duration, check_duration, needs_steps
from learnkit.schedules.shapes import FALLS, scaled

__all__ = ["Cosine", "Exponential", "InverseSqrt", "InverseTime", "Linear", "Polynomial"]


@dataclass(frozen=True)
class Exponential(Schedule):
    """Falls by the same factor in equal times.

    ``lr gamma^(t / decay_steps)``, or ``lr e^(-rate t / decay_steps)``

    Args:
        lr: at step 0, > 0.
        gamma: the factor for ``decay_steps`` steps, > 0; or
        rate: lambda in e^(-lambda t), >= 0. One of the two is given.
        decay_steps: a duration >= 1, default 1 step; ``"1ep"`` has gamma count epochs.
        staircase: whether ``t / decay_steps`` is rounded down; default ``False``.
        min_lr: never lower than this, >= 0, default 0.

    Raises:
        ArgumentError: a value is out of range, or (when called) the duration is not known in steps.

    Source: as PyTorch's ExponentialLR (gamma) and the exponential_decay of Optax and Keras.

    >>> Exponential(1.0, gamma=0.5)(3), round(Exponential(1.0, rate=0.1)(10), 6)
    (0.125, 0.367879)
    """

    durations: ClassVar[Mapping[str, int]] = {"decay_steps": 1}

    lr: float
    gamma: float | None = None
    rate: float | None = None
    decay_steps: Duration = 1
    staircase: bool = False
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        positive("Exponential", "lr", self.lr)
        positive("Exponential", "min_lr", self.min_lr, zero=True)
        check_duration("Exponential", "decay_steps", self.decay_steps, 1)
        if (self.gamma is None) == (self.rate is None):
            raise ArgumentError(
                f"Exponential: gamma is {self.gamma!r} and rate is {self.rate!r}, expected one of them",
                hint="gamma is the factor of a step, such as 0.999; rate the lambda of e^(-lambda t)",
            )
        if self.gamma is not None:
            positive("Exponential", "gamma", self.gamma)
        if self.rate is not None:
            positive("Exponential", "rate", self.rate, zero=True)

    def __call__(self, step: int) -> float:
        steps = needs_steps("Exponential", "decay_steps", self.decay_steps)
        time = step // steps if self.staircase else step / steps
        if self.gamma is not None:
            return max(scaled("Exponential", self.lr, self.gamma, time), float(self.min_lr))
        assert self.rate is not None
        return max(self.lr * math.exp(-self.rate * time), float(self.min_lr))


@dataclass(frozen=True)
class InverseTime(Schedule):
    """Falls as one over the time: ``lr / (1 + rate t / decay_steps)``.

    Args:
        lr: at step 0, > 0.
        rate: >= 0.
        decay_steps: a duration >= 1, default 1 step.
        staircase: whether ``t / decay_steps`` is rounded down; default ``False``.

    Raises:
        ArgumentError: a value is out of range, or (when called) the duration is not known in steps.

    Source: Robbins and Monro 1951; in the form of Keras's InverseTimeDecay.

    >>> InverseTime(1.0, rate=0.5)(2)
    0.5
    """

    durations: ClassVar[Mapping[str, int]] = {"decay_steps": 1}

    lr: float
    rate: float
    decay_steps: Duration = 1
    staircase: bool = False

    def __post_init__(self) -> None:
        positive("InverseTime", "lr", self.lr)
        positive("InverseTime", "rate", self.rate, zero=True)
        check_duration("InverseTime", "decay_steps", self.decay_steps, 1)

    def __call__(self, step: int) -> float:
        steps = needs_steps("InverseTime", "decay_steps", self.decay_steps)
        return self.lr / (1.0 + self.rate * (step // steps if self.staircase else step / steps))


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    """Falls as one over the square root of the time: ``lr / sqrt(1 + t / timescale)``.

    After a warm-up of W steps with a timescale of W it is the usual ``lr sqrt(W / t)``:
    ``Warmup(InverseSqrt(lr, timescale=W), steps=W)``. For the schedule of the Transformer see ``Noam``.

    Args:
        lr: at step 0, > 0.
        timescale: a duration >= 1, default 10 000 steps.

    Raises:
        ArgumentError: a value is out of range, or (when called) the duration is not known in steps.

    Source: Zhai et al. 2022, "Scaling vision transformers", arXiv:2106.04560; as the inverse square root
    schedule of Hugging Face's transformers.

    >>> InverseSqrt(1.0, timescale=1)(3)
    0.5
    """

    durations: ClassVar[Mapping[str, int]] = {"timescale": 1}

    lr: float
    timescale: Duration = 10_000

    def __post_init__(self) -> None:
        positive("InverseSqrt", "lr", self.lr)
        check_duration("InverseSqrt", "timescale", self.timescale, 1)

    def __call__(self, step: int) -> float:
        return self.lr / math.sqrt(1.0 + step / needs_steps("InverseSqrt", "timescale", self.timescale))


@dataclass(frozen=True)
class _Fall(Schedule):
    """From ``lr`` to ``min_lr`` over the run, along a curve that a subclass gives."""

    lr: float
    total_steps: Duration | None = None
    min_lr: float = 0.0
    end_inclusive: bool = False

    def __post_init__(self) -> None:
        name = type(self).__name__
        positive(name, "lr", self.lr)
        positive(name, "min_lr", self.min_lr, zero=True)
        check_total(name, self.total_steps)

    def __call__(self, step: int) -> float:
        total = needs_total(type(self).__name__, self.total_steps) - (1 if self.end_inclusive else 0)
        part = self._part(step, total) if total > 0 else 1.0
        return self.min_lr + (self.lr - self.min_lr) * self._left(part)

    def _part(self, step: int, total: int) -> float:
        return min(1.0, step / total)

    def _left(self, part: float) -> float:
        raise TypeError(f"{type(self).__name__} defines no _left(self, part)")


@dataclass(frozen=True)
class Polynomial(_Fall):
    """A power of what is left of the time, from ``lr`` down to ``min_lr``, which it keeps after the end.

    ``min_lr + (lr - min_lr) (1 - t / T)^power``

    Args:
        lr: at step 0, > 0.
        total_steps: the length of the run, a duration >= 1; ``None`` is filled in by the trainer.
        min_lr: >= 0, default 0; above ``lr`` the schedule rises.
        end_inclusive: ``False`` has T = total_steps, so ``min_lr`` is reached one step after the last;
            ``True`` has T = total_steps - 1, so the last step has it.
        power: > 0, default 1.

    Raises:
        ArgumentError: a value is out of range, or (when called) total_steps is not known.

    Source: as PyTorch's PolynomialLR, which has min_lr = 0, and Optax's polynomial_schedule.

    >>> [Polynomial(1.0, total_steps=2, power=2.0)(t) for t in range(3)]
    [1.0, 0.25, 0.0]
    """

    power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("Polynomial", "power", self.power)

    def _left(self, part: float) -> float:
        return float((1.0 - part) ** self.power)


@dataclass(frozen=True)
class Linear(_Fall):
    """A line from ``lr`` to ``min_lr``, which it keeps after the end.

    ``min_lr + (lr - min_lr) (1 - t / T)``

    Args:
        lr: at step 0, > 0.
        total_steps: the length of the run, a duration >= 1; ``None`` is filled in by the trainer.
        min_lr: >= 0, default 0; above ``lr`` the schedule rises.
        end_inclusive: ``False`` has T = total_steps, so ``min_lr`` is reached one step after the last;
            ``True`` has T = total_steps - 1, so the last step has it.

    Raises:
        ArgumentError: a value is out of range, or (when called) total_steps is not known.

    Source: as PyTorch's LinearLR with start_factor 1, and Optax's linear_schedule.

    >>> [Linear(1.0, total_steps=4)(t) for t in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    def _left(self, part: float) -> float:
        return FALLS["linear"](part)


@dataclass(frozen=True)
class Cosine(_Fall):
    """Half a cosine from ``lr`` down to ``min_lr``, which it keeps after the end.

    ``min_lr + (lr - min_lr) (1 + cos(pi t / T)) / 2``

    Args:
        lr: at step 0, > 0.
        total_steps: the length of the run, a duration >= 1; ``None`` is filled in by the trainer.
        min_lr: >= 0, default 0; above ``lr`` the schedule rises.
        end_inclusive: ``False`` has T = total_steps, so ``min_lr`` is reached one step after the last,
            as in PyTorch's CosineAnnealingLR; ``True`` has T = total_steps - 1, so the last step has it.
        after: ``"hold"`` (default) keeps ``min_lr`` after T, as Optax and Keras; ``"mirror"`` rises again
            and goes on with a period of 2 T, as PyTorch.

    Raises:
        ArgumentError: a value is out of range, or (when called) total_steps is not known.

    Source: Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983, without restarts, in closed form.

    >>> [round(Cosine(1.0, total_steps=4)(t), 3) for t in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """

    after: Literal["hold", "mirror"] = "hold"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("Cosine", "after", self.after, ("hold", "mirror"))

    def _part(self, step: int, total: int) -> float:
        if self.after == "mirror":
            return (total - abs(total - step % (2 * total))) / total
        return min(1.0, step / total)

    def _left(self, part: float) -> float:
        return FALLS["cosine"](part)

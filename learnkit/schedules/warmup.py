"""Schedules that begin with a rise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from learnkit.checks import positive
from learnkit.errors import ArgumentError
from learnkit.schedules.base import (
    UNKNOWN,
    Run,
    Schedule,
    check_total,
    needs_total,
    observed,
    resolved,
    value_at,
)
from learnkit.schedules.durations import Duration, as_steps, check_duration, needs_steps
from learnkit.schedules.named import as_schedule
from learnkit.schedules.shapes import FALLS, RISES, check_shape

__all__ = ["WSD", "FlatCosine", "Noam", "Warmup", "check_start", "risen"]

Shape = Literal["linear", "cosine", "1-sqrt"]


def risen(shape: str, step: float, steps: int, start: float | None) -> float:
    """The part of the peak that a warm-up of ``steps`` steps has reached at ``step``.

    With no ``start`` the first step has 1 / steps of the way already and the last has the peak.
    """
    if start is None:
        return RISES[shape](min(1.0, (step + 1.0) / steps))
    return start + (1.0 - start) * RISES[shape](step / steps)


def check_start(owner: str, start: float | None) -> None:
    """Check that a warm-up starts at a part of the peak in [0, 1], or at its default.

    Raises:
        ArgumentError: it does not.
    """
    if start is not None and (type(start) not in (int, float) or not 0 <= start <= 1):
        raise ArgumentError(f"{owner}: start is {start!r}, expected a part of the peak in [0, 1], or None")


@dataclass(frozen=True)
class Warmup(Schedule):
    """A rise to the first value of a schedule, then the schedule from its beginning.

    With W the steps of the warm-up, p the first value of the schedule and r the shape, the value at
    step t < W is ``p r((t + 1) / W)``; at t >= W it is that of the schedule at ``t - W``. So the first step
    learns already. With ``start`` it is ``p (start + (1 - start) r(t / W))``: with ``start=0`` the
    first step does nothing, as in Hugging Face's transformers and Optax, and the peak comes at t = W.

    Args:
        schedule: what follows: a schedule, its name, or a number to stay at.
        steps: a duration; default 5 % of the run. The schedule takes the rest for its whole run.
        start: where the rise starts, a part of the peak in [0, 1]; ``None`` (default) see above. PyTorch's
            LinearLR has 1/3.
        shape: ``"linear"`` (default, r(x) = x), ``"cosine"`` (r(x) = (1 - cos(pi x)) / 2) or
            ``"1-sqrt"`` (r(x) = 1 - sqrt(1 - x)).

    Raises:
        ArgumentError: a value is out of range, or (when called) the duration is not known in steps.

    Source: Goyal et al. 2017, "Accurate, large minibatch SGD", arXiv:1706.02677.

    >>> [Warmup(0.5, steps=4)(t) for t in range(6)]
    [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    >>> [Warmup(0.5, steps=4, start=0.0)(t) for t in range(6)]
    [0.0, 0.125, 0.25, 0.375, 0.5, 0.5]
    """

    durations: ClassVar[Mapping[str, int]] = {"steps": 0}

    schedule: Schedule | float
    steps: Duration = "5%"
    start: float | None = None
    shape: Shape = "linear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedule", as_schedule("Warmup", "schedule", self.schedule))
        check_duration("Warmup", "steps", self.steps)
        check_start("Warmup", self.start)
        check_shape("Warmup", "shape", self.shape)

    def __call__(self, step: int) -> float:
        steps = needs_steps("Warmup", "steps", self.steps)
        if step >= steps:
            return value_at(self.schedule, step - steps)
        return value_at(self.schedule, 0) * risen(self.shape, step, steps, self.start)

    def resolve(self, total_steps: int, steps_per_epoch: int | None = None) -> Self:
        steps = as_steps(self.steps, total_steps, steps_per_epoch)
        if type(steps) is not int:
            return self
        rest = max(1, total_steps - steps)
        return replace(self, steps=steps, schedule=resolved(self.schedule, rest, steps_per_epoch))

    def observe(self, values: Mapping[str, float], step: int, run: Run = UNKNOWN) -> Self:
        steps = run.steps("Warmup", "steps", self.steps)
        new = observed(self.schedule, values, max(0, step - steps), run.rest(steps))
        return self if new is self.schedule else replace(self, schedule=new)


@dataclass(frozen=True)
class Noam(Schedule):
    """A linear rise, then a fall as one over the square root: the schedule of the Transformer.

    ``lr min(sqrt(W / (t + 1)), (t + 1) / W)``, whose peak is ``lr`` at step W - 1. With ``d_model`` it is
    ``lr d_model^-1/2 min((t + 1)^-1/2, (t + 1) W^-3/2)``, the paper's for ``lr=1``.

    Args:
        lr: the peak, or with ``d_model`` the factor, > 0.
        warmup_steps: W, a duration >= 1, default 4000.
        d_model: the width of the model, >= 1; ``None`` (default) takes ``lr`` for the peak.

    Raises:
        ArgumentError: a value is out of range, or (when called) the duration is not known in steps.

    Source: Vaswani et al. 2017, "Attention is all you need", arXiv:1706.03762, equation 3; steps count from
    1 there.

    >>> [round(Noam(1.0, warmup_steps=2)(t), 3) for t in range(4)]
    [0.5, 1.0, 0.816, 0.707]
    """

    durations: ClassVar[Mapping[str, int]] = {"warmup_steps": 1}

    lr: float
    warmup_steps: Duration = 4000
    d_model: int | None = None

    def __post_init__(self) -> None:
        positive("Noam", "lr", self.lr)
        check_duration("Noam", "warmup_steps", self.warmup_steps, 1)
        if self.d_model is not None and (type(self.d_model) is not int or self.d_model < 1):
            raise ArgumentError(f"Noam: d_model is {self.d_model!r}, expected an integer >= 1")

    def __call__(self, step: int) -> float:
        steps = needs_steps("Noam", "warmup_steps", self.warmup_steps)
        peak = self.lr if self.d_model is None else self.lr / math.sqrt(self.d_model * steps)
        return peak * min(math.sqrt(steps / (step + 1)), (step + 1) / steps)


@dataclass(frozen=True)
class WSD(Schedule):
    """Warm-up, stable, decay: a rise to ``lr``, a long time at it, and a fall to ``min_lr`` at the end.

    Because nothing before the fall depends on the length of the run, a run can be continued from there.
    After the end ``min_lr`` is kept. In a run shorter than warm-up and decay together, decay has what
    warm-up leaves.

    Args:
        lr: the level of the stable part, > 0.
        total_steps: the length of the run, a duration >= 1; ``None`` is filled in by the trainer.
        warmup_steps, decay_steps: durations; defaults 5 % and 20 % of the run.
        min_lr: at the end, >= 0, default 0.
        start: where the rise starts, a part of ``lr`` in [0, 1]; ``None`` (default) as in ``Warmup``.
        warmup_shape, decay_shape: ``"linear"``, ``"cosine"`` or ``"1-sqrt"``; defaults linear and cosine.
        end_inclusive: ``False`` (default) reaches ``min_lr`` one step after the last; ``True`` with the last.

    Raises:
        ArgumentError: a value is out of range, or (when called) a duration is not known in steps.

    Source: Hu et al. 2024, "MiniCPM", arXiv:2404.06395; Haegele et al. 2024, arXiv:2405.18392 ("1-sqrt"); as
    get_wsd_schedule of Hugging Face's transformers, which has ``start=min_lr / lr``.

    >>> [WSD(1.0, 8, warmup_steps=2, decay_steps=2, decay_shape="linear")(t) for t in range(9)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0]
    """

    durations: ClassVar[Mapping[str, int]] = {"warmup_steps": 0, "decay_steps": 0}

    lr: float
    total_steps: Duration | None = None
    warmup_steps: Duration = "5%"
    decay_steps: Duration = "20%"
    min_lr: float = 0.0
    start: float | None = None
    warmup_shape: Shape = "linear"
    decay_shape: Shape = "cosine"
    end_inclusive: bool = False

    def __post_init__(self) -> None:
        positive("WSD", "lr", self.lr)
        positive("WSD", "min_lr", self.min_lr, zero=True)
        check_total("WSD", self.total_steps)
        for name in ("warmup_steps", "decay_steps"):
            check_duration("WSD", name, getattr(self, name))
        check_start("WSD", self.start)
        for name in ("warmup_shape", "decay_shape"):
            check_shape("WSD", name, getattr(self, name))

    def __call__(self, step: int) -> float:
        end = needs_total("WSD", self.total_steps) - (1 if self.end_inclusive else 0)
        warmup = needs_steps("WSD", "warmup_steps", self.warmup_steps)
        decay = needs_steps("WSD", "decay_steps", self.decay_steps)
        if step < warmup:
            return self.lr * risen(self.warmup_shape, step, warmup, self.start)
        return _held_then_fallen(step, max(warmup, end - decay), end, self.lr, self.min_lr, self.decay_shape)


@dataclass(frozen=True)
class FlatCosine(Schedule):
    """Constant at first, then half a cosine down to ``min_lr``, which it keeps after the end.

    Args:
        lr: > 0.
        total_steps: the length of the run, a duration >= 1; ``None`` is filled in by the trainer.
        pct_start: the part of the run that is flat, in [0, 1]; default 0.75.
        min_lr: >= 0, default 0. fastai has ``lr / 1e5``.
        end_inclusive: ``False`` (default) reaches ``min_lr`` one step after the last; ``True`` with the last.

    Raises:
        ArgumentError: a value is out of range, or (when called) total_steps is not known.

    Source: fastai's ``fit_flat_cos``.

    >>> [FlatCosine(1.0, 8, pct_start=0.5)(t) for t in (0, 4, 6, 8)]
    [1.0, 1.0, 0.5, 0.0]
    """

    lr: float
    total_steps: Duration | None = None
    pct_start: float = 0.75
    min_lr: float = 0.0
    end_inclusive: bool = False

    def __post_init__(self) -> None:
        positive("FlatCosine", "lr", self.lr)
        positive("FlatCosine", "min_lr", self.min_lr, zero=True)
        check_total("FlatCosine", self.total_steps)
        if type(self.pct_start) not in (int, float) or not 0 <= self.pct_start <= 1:
            raise ArgumentError(f"FlatCosine: pct_start is {self.pct_start!r}, expected a number in [0, 1]")

    def __call__(self, step: int) -> float:
        end = needs_total("FlatCosine", self.total_steps) - (1 if self.end_inclusive else 0)
        return _held_then_fallen(step, self.pct_start * end, end, self.lr, self.min_lr, "cosine")


def _held_then_fallen(step: int, begin: float, end: int, high: float, low: float, shape: str) -> float:
    """``high`` until step ``begin``, then a fall that reaches ``low`` at ``end``."""
    if step >= end:
        return float(low)
    if step <= begin:
        return float(high)
    return low + (high - low) * FALLS[shape]((step - begin) / (end - begin))

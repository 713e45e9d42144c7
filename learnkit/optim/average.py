"""Averages of the weights along the run: exponential (EMA) and equal (SWA)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from learnkit.backends.base import Array, array_namespace
from learnkit.optim.base import check_in
from learnkit.optim.transforms import Moment, Slots, Transform
from learnkit.schedules.base import Schedule, resolved, value_at
from learnkit.schedules.durations import Duration, as_steps, check_duration, needs_steps

__all__ = ["EMA", "SWA"]


def _copy(a: Array) -> Array:
    return array_namespace(a).asarray(a, copy=True)


@dataclass(frozen=True)
class EMA(Transform):
    """Keeps an exponential moving average of the weights, to evaluate and deploy.

    ::

        average = average + (1 - d) (theta - average)       after each update t = 1, 2, ...

    With ``warmup``, d = min(decay, (1 + t) / (10 + t)) and the average starts as the weights before the first
    update. Without, d = decay and it starts as those after the first, as in
    ``torch.optim.swa_utils.get_ema_avg_fn``.

    A ``Trainer`` evaluates, validates and predicts with the average and trains on with the weights;
    ``trainer.averaged_weights()`` puts it into the model for a while. Alone, it is
    ``optimizer.evaluation_params(params, state)``. Buffers, such as the running statistics of batch
    normalisation, are not averaged: those of the model as it is are used.

    Args:
        decay: in [0, 1), or a schedule; default 0.999.
        warmup: default ``True``.

    Raises:
        ArgumentError: an argument is out of range.

    Source: Polyak and Juditsky 1992; the warm-up is TensorFlow's (``num_updates``).

    >>> EMA(0.99)
    EMA(decay=0.99, warmup=True)
    """

    slots: ClassVar[tuple[str, ...]] = ("average",)
    averages: ClassVar[bool] = True

    decay: float | Schedule = 0.999
    warmup: bool = True

    def __post_init__(self) -> None:
        check_in("EMA", "decay", self.decay, "[0, 1)")

    def init_slots(self, params: list[Array]) -> Slots:
        return {"average": [_copy(p) for p in params]}

    def transform(self, grads: list[Array]) -> list[Array]:
        return grads

    def after(
        self, before: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        if now.step == 1 and not self.warmup:
            return params, {"average": [_copy(p) for p in params]}
        decay = float(self.decay)  # type: ignore[arg-type]  # a number: at() has been called
        if self.warmup:
            decay = min(decay, (1 + now.step) / (10 + now.step))
        # In this form a weight that does not change has itself as its average, bit for bit.
        average = [a + (1 - decay) * (p - a) for a, p in zip(slots["average"], params, strict=True)]
        return params, {"average": average}

    def average(self, params: list[Array], slots: Slots, now: Moment) -> list[Array]:
        return slots["average"]


@dataclass(frozen=True)
class SWA(Transform):
    """Stochastic weight averaging: from step ``start`` on, the mean of the weights.

    ::

        average = average + (theta - average) / (n + 1)     n: weights averaged so far

    as ``torch.optim.swa_utils.AveragedModel``. Until ``start`` nothing is averaged, and the weights
    themselves are evaluated. What else is said at ``EMA`` holds here too. Layers with batch
    normalisation need their running statistics estimated anew for the averaged weights:
    ``trainer.update_batch_norm(x)``.

    Args:
        start: updates before the first that is averaged: a number >= 0 of them, a part of the run (0.75, the
            default, or ``"75%"``), or epochs (``"10ep"``).
        every: updates from one that is averaged to the next, >= 1, default 1; ``"1ep"`` is once an epoch.
        lr: learning rate from ``start`` on, > 0; ``None`` (default) leaves the rule's own.
        anneal_steps: updates in which the learning rate goes over to ``lr`` along a cosine, from where
            the rule's own was at ``start``, as in ``SWALR``; >= 0, default 0. A duration as ``start``.

    Raises:
        ArgumentError: an argument is out of range.

    Source: Izmailov et al. 2018, arXiv:1803.05407.

    >>> SWA(100, lr=0.05)
    SWA(start=100, every=1, lr=0.05, anneal_steps=0)
    """

    slots: ClassVar[tuple[str, ...]] = ("average",)
    averages: ClassVar[bool] = True

    start: Duration = 0.75
    every: Duration = 1
    lr: float | None = None
    anneal_steps: Duration = 0

    def __post_init__(self) -> None:
        check_duration("SWA", "start", self.start)
        check_duration("SWA", "every", self.every, 1)
        check_duration("SWA", "anneal_steps", self.anneal_steps)
        if self.lr is not None:
            check_in("SWA", "lr", self.lr, "(0, inf)")

    def resolve(self, total_steps: int, steps_per_epoch: int | None = None) -> Self:
        return replace(
            self,
            start=as_steps(self.start, total_steps, steps_per_epoch),
            every=as_steps(self.every, total_steps, steps_per_epoch, 1),
            anneal_steps=as_steps(self.anneal_steps, total_steps, steps_per_epoch),
        )

    def first(self) -> int:
        """``start`` as a number of updates.

        Raises:
            ArgumentError: it is a part of a run whose length is not known.
        """
        return needs_steps("SWA", "start", self.start)

    def with_lr(self, lr: float | Schedule) -> float | Schedule:
        return lr if self.lr is None else _From(lr, self, self.lr)

    def init_slots(self, params: list[Array]) -> Slots:
        return {"average": [_copy(p) for p in params]}

    def transform(self, grads: list[Array]) -> list[Array]:
        return grads

    def after(
        self, before: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        since = now.step - self.first() - 1
        every = needs_steps("SWA", "every", self.every)
        if since < 0 or since % every:
            return params, slots
        n = since // every
        if n == 0:
            return params, {"average": [_copy(p) for p in params]}
        average = [a + (p - a) / float(n + 1) for a, p in zip(slots["average"], params, strict=True)]
        return params, {"average": average}

    def average(self, params: list[Array], slots: Slots, now: Moment) -> list[Array]:
        return slots["average"] if now.step > self.first() else params


@dataclass(frozen=True)
class _From(Schedule):
    """The learning rate of SWA: the rule's own, then its constant one."""

    before: float | Schedule
    swa: SWA
    lr: float

    def __call__(self, step: int) -> float:
        start = self.swa.first()
        if step < start:
            return value_at(self.before, step)
        anneal = needs_steps("SWA", "anneal_steps", self.swa.anneal_steps)
        part = min(1.0, (step - start + 1) / anneal) if anneal else 1.0
        old = value_at(self.before, start) if part < 1 else 0.0
        return self.lr if part >= 1 else self.lr + (old - self.lr) * (1 + math.cos(math.pi * part)) / 2

    def resolve(self, total_steps: int, steps_per_epoch: int | None = None) -> Self:
        before = resolved(self.before, total_steps, steps_per_epoch)
        return replace(self, before=before, swa=self.swa.resolve(total_steps, steps_per_epoch))

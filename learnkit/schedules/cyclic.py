"""Schedules that rise and fall: once, or in cycles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from learnkit.checks import one_of, positive
from learnkit.errors import ArgumentError
from learnkit.schedules.base import Schedule, check_total, needs_total
from learnkit.schedules.durations import Duration, check_duration, needs_steps
from learnkit.schedules.shapes import FALLS

__all__ = ["Cyclic", "OneCycle"]


@dataclass(frozen=True)
class OneCycle(Schedule):
    """One rise to ``max_lr``, then one fall far below the first value.

    The first value is ``max_lr / div_factor``, the last ``max_lr / (div_factor final_div_factor)``.
    The end points are PyTorch's: the rise ends at step ``pct_start T - 1``, the fall at ``T - 1``. With
    ``three_phase`` the fall first mirrors the rise, back to the first value at ``2 pct_start T - 2``,
    then goes to the last. A phase of no width is skipped. After the end the last value is kept.

    Args:
        max_lr: the peak, > 0.
        total_steps: T, the length of the run, a duration >= 1; ``None`` is filled in by the trainer.
        pct_start: the part of the run that the rise takes, in [0, 1]; default 0.3.
        anneal_strategy: ``"cos"`` (half cosines) or ``"linear"``.
        div_factor, final_div_factor: > 0, defaults 25 and 1e4.
        three_phase: default ``False``.
        initial_lr, final_lr: the first and the last value themselves, >= 0, instead of the factors.
        end_inclusive: ``True`` (default) has PyTorch's end points; ``False`` has Optax's: the rise ends at
            step ``floor(pct_start T)``, and the last value is reached at T, one step after the last.
        pct_final: the part of the run by which ``three_phase`` is back at the first value, in
            [pct_start, 1]; default ``2 pct_start``. Optax's linear_onecycle_schedule has 0.85.

    Raises:
        ArgumentError: a value is out of range, or (when called) total_steps is not known.

    The momentum goes the other way: ``SGD(cycle, momentum=cycle.momentum())``.

    Source: Smith and Topin 2018, "Super-convergence", arXiv:1708.07120; in the form of PyTorch's
    OneCycleLR, whose two phases go below the first value at the end. fastai's form is
    ``OneCycle(lr, pct_start=0.25, final_lr=lr / 1e5, end_inclusive=False)``. The slanted triangle of Howard
    and Ruder 2018 is ``OneCycle(lr, pct_start=0.1, anneal_strategy="linear", div_factor=32,
    final_div_factor=1, end_inclusive=False)``.

    >>> [round(OneCycle(1.0, total_steps=10)(t), 3) for t in (0, 2, 9)]
    [0.04, 1.0, 0.0]
    """

    max_lr: float
    total_steps: Duration | None = None
    pct_start: float = 0.3
    anneal_strategy: Literal["cos", "linear"] = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False
    initial_lr: float | None = None
    final_lr: float | None = None
    end_inclusive: bool = True
    pct_final: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_lr", "div_factor", "final_div_factor"):
            positive("OneCycle", name, getattr(self, name))
        for name in ("initial_lr", "final_lr"):
            if getattr(self, name) is not None:
                positive("OneCycle", name, getattr(self, name), zero=True)
        check_total("OneCycle", self.total_steps)
        if type(self.pct_start) not in (int, float) or not 0 <= self.pct_start <= 1:
            raise ArgumentError(f"OneCycle: pct_start is {self.pct_start!r}, expected a number in [0, 1]")
        one_of("OneCycle", "anneal_strategy", self.anneal_strategy, ("cos", "linear"))
        if self.pct_final is not None:
            if not self.three_phase:
                raise ArgumentError("OneCycle: pct_final is given; it belongs to three_phase=True")
            if type(self.pct_final) not in (int, float) or not self.pct_start <= self.pct_final <= 1:
                raise ArgumentError(
                    f"OneCycle: pct_final is {self.pct_final!r}, expected a number in [pct_start, 1] = "
                    f"[{self.pct_start:g}, 1]"
                )

    def momentum(self, base_momentum: float = 0.85, max_momentum: float = 0.95) -> OneCycle:
        """The momentum of the same cycle: ``max_momentum``, ``base_momentum`` at the peak, and back.

        Args:
            base_momentum, max_momentum: PyTorch's defaults, 0.85 and 0.95.

        >>> cycle = OneCycle(1.0, total_steps=10)
        >>> [round(cycle.momentum()(t), 3) for t in (0, 2, 9)]
        [0.95, 0.85, 0.95]
        """
        return OneCycle(
            base_momentum,
            self.total_steps,
            self.pct_start,
            self.anneal_strategy,
            three_phase=self.three_phase,
            initial_lr=max_momentum,
            final_lr=max_momentum,
            end_inclusive=self.end_inclusive,
            pct_final=self.pct_final,
        )

    def __call__(self, step: int) -> float:
        total = needs_total("OneCycle", self.total_steps)
        first = self.max_lr / self.div_factor if self.initial_lr is None else float(self.initial_lr)
        last = first / self.final_div_factor if self.final_lr is None else float(self.final_lr)
        peak = float(self.max_lr)
        start = 0.0
        for end, low, high in zip(
            self._ends(total),
            (first, peak, first) if self.three_phase else (first, peak),
            (peak, first, last) if self.three_phase else (peak, last),
            strict=True,
        ):
            if step <= end and end > start:
                return self._between(low, high, (step - start) / (end - start))
            start = end
        return last

    def _ends(self, total: int) -> list[float]:
        """The step at which each phase ends."""
        if not self.end_inclusive:
            parts = [self.pct_start]
            if self.three_phase:
                parts.append(2.0 * self.pct_start if self.pct_final is None else self.pct_final)
            return [*(float(math.floor(part * total)) for part in parts), float(total)]
        rise = self.pct_start * total - 1.0
        if not self.three_phase:
            return [rise, total - 1.0]
        back = 2.0 * self.pct_start * total - 2.0 if self.pct_final is None else self.pct_final * total - 1.0
        return [rise, back, total - 1.0]

    def _between(self, begin: float, end: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return begin + (end - begin) * part
        return end + (begin - end) * FALLS["cosine"](part)


@dataclass(frozen=True)
class Cyclic(Schedule):
    """Triangles between ``base_lr`` and ``max_lr``, again and again.

    With x the way within the cycle, which rises from 0 to 1 and falls back,
    ``base_lr + (max_lr - base_lr) x s``, where the scale s is

    * ``"triangular"``: 1,
    * ``"triangular2"``: 1/2 from cycle to cycle,
    * ``"exp_range"``: ``gamma^t``.

    Args:
        max_lr: the peak of the first cycle, > 0.
        base_lr: the lowest value, >= 0; default a quarter of ``max_lr``.
        step_size_up, step_size_down: durations >= 1 of the two halves; defaults 2000 steps, and the same
            as ``step_size_up``.
        mode: which scale, see above; default ``"triangular"``.
        gamma: of ``"exp_range"``, in (0, 1], default 1.
        scale_mode: what the exponent of gamma counts: ``"iterations"`` (default) or ``"cycle"``, from 1.

    Raises:
        ArgumentError: a value is out of range, or (when called) a duration is not known in steps.

    The momentum goes the other way: ``SGD(cycles, momentum=cycles.momentum())``.

    Source: Smith 2017, "Cyclical learning rates", arXiv:1506.01186; as PyTorch's CyclicLR.

    >>> [Cyclic(1.0, 0.5, step_size_up=2)(t) for t in range(6)]
    [0.5, 0.75, 1.0, 0.75, 0.5, 0.75]
    """

    durations: ClassVar[Mapping[str, int]] = {"step_size_up": 1, "step_size_down": 1}

    max_lr: float
    base_lr: float | None = None
    step_size_up: Duration = 2000
    step_size_down: Duration | None = None
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: float = 1.0
    scale_mode: Literal["iterations", "cycle"] = "iterations"

    def __post_init__(self) -> None:
        positive("Cyclic", "max_lr", self.max_lr)
        if self.base_lr is not None:
            positive("Cyclic", "base_lr", self.base_lr, zero=True)
        check_duration("Cyclic", "step_size_up", self.step_size_up, 1)
        if self.step_size_down is not None:
            check_duration("Cyclic", "step_size_down", self.step_size_down, 1)
        one_of("Cyclic", "mode", self.mode, ("triangular", "triangular2", "exp_range"))
        one_of("Cyclic", "scale_mode", self.scale_mode, ("iterations", "cycle"))
        if type(self.gamma) not in (int, float) or not 0 < self.gamma <= 1:
            raise ArgumentError(f"Cyclic: gamma is {self.gamma!r}, expected a number in (0, 1]")
        if self.mode != "exp_range" and (self.gamma != 1 or self.scale_mode != "iterations"):
            raise ArgumentError(
                f"Cyclic: gamma and scale_mode belong to mode='exp_range', and mode is {self.mode!r}"
            )

    def momentum(self, base_momentum: float = 0.8, max_momentum: float = 0.9) -> Cyclic:
        """The momentum of the same cycles: ``max_momentum``, down to ``base_momentum`` at the peaks.

        Args:
            base_momentum, max_momentum: PyTorch's defaults, 0.8 and 0.9.

        >>> [round(Cyclic(1.0, step_size_up=2).momentum()(t), 3) for t in range(5)]
        [0.9, 0.85, 0.8, 0.85, 0.9]
        """
        return Cyclic(
            base_momentum,
            max_momentum,
            self.step_size_up,
            self.step_size_down,
            self.mode,
            self.gamma,
            self.scale_mode,
        )

    def __call__(self, step: int) -> float:
        up = needs_steps("Cyclic", "step_size_up", self.step_size_up)
        down = up
        if self.step_size_down is not None:
            down = needs_steps("Cyclic", "step_size_down", self.step_size_down)
        cycle, place = divmod(step, up + down)
        way = place / up if place <= up else (up + down - place) / down
        base = self.max_lr / 4.0 if self.base_lr is None else float(self.base_lr)
        return base + (self.max_lr - base) * way * self._scale(step, cycle)

    def _scale(self, step: int, cycle: int) -> float:
        if self.mode == "triangular":
            return 1.0
        if self.mode == "triangular2":
            return 0.5**cycle
        return float(self.gamma ** (step if self.scale_mode == "iterations" else cycle + 1))

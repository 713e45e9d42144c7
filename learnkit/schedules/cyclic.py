"""Schedules that rise and fall."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from learnkit.errors import ArgumentError
from learnkit.schedules.base import Schedule, check_total, needs_total, positive

__all__ = ["OneCycle"]


@dataclass(frozen=True)
class OneCycle(Schedule):
    """One rise to ``max_lr``, then one fall far below the first value.

    The first value is ``max_lr / div_factor``, the last ``max_lr / (div_factor final_div_factor)``.
    The end points are PyTorch's: the rise ends at step ``pct_start T - 1``, the fall at ``T - 1``. With
    ``three_phase`` the fall first mirrors the rise, back to the first value at ``2 pct_start T - 2``,
    then goes to the last. A phase of no width is skipped. After the end the last value is kept.

    Args:
        max_lr: the peak, > 0.
        total_steps: T, the length of the run in steps, >= 1; ``None`` is filled in by the trainer.
        pct_start: the part of the run that the rise takes, in [0, 1]; default 0.3.
        anneal_strategy: ``"cos"`` (half cosines) or ``"linear"``.
        div_factor, final_div_factor: > 0, defaults 25 and 1e4.
        three_phase: default ``False``.

    Raises:
        ArgumentError: a value is out of range, or (when called) total_steps is not known.

    Source: Smith and Topin 2018, "Super-convergence", arXiv:1708.07120; in the form of PyTorch's
    OneCycleLR, whose two phases go below the first value at the end.

    >>> [round(OneCycle(1.0, total_steps=10)(t), 3) for t in (0, 2, 9)]
    [0.04, 1.0, 0.0]
    """

    max_lr: float
    total_steps: int | None = None
    pct_start: float = 0.3
    anneal_strategy: Literal["cos", "linear"] = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    def __post_init__(self) -> None:
        for name in ("max_lr", "div_factor", "final_div_factor"):
            positive("OneCycle", name, getattr(self, name))
        check_total("OneCycle", self.total_steps)
        if type(self.pct_start) not in (int, float) or not 0 <= self.pct_start <= 1:
            raise ArgumentError(f"OneCycle: pct_start is {self.pct_start!r}, expected a number in [0, 1]")
        if self.anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                f"OneCycle: anneal_strategy is {self.anneal_strategy!r}, expected 'cos' or 'linear'"
            )

    def __call__(self, step: int) -> float:
        total = needs_total("OneCycle", self.total_steps)
        first = self.max_lr / self.div_factor
        last = first / self.final_div_factor
        rise_end = self.pct_start * total - 1.0
        if self.three_phase:
            phases = [
                (rise_end, first, self.max_lr),
                (2.0 * self.pct_start * total - 2.0, self.max_lr, first),
                (total - 1.0, first, last),
            ]
        else:
            phases = [(rise_end, first, self.max_lr), (total - 1.0, self.max_lr, last)]
        start = 0.0
        for end, low, high in phases:
            if step <= end and end > start:
                return self._between(low, high, (step - start) / (end - start))
            start = end
        return last

    def _between(self, begin: float, end: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return begin + (end - begin) * part
        return end + (begin - end) / 2.0 * (1.0 + math.cos(math.pi * part))

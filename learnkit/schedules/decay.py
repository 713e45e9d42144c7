"""Schedules that hold or fall."""

from __future__ import annotations

import math
from dataclasses import dataclass

from learnkit.schedules.base import Schedule, check_total, needs_total, positive

__all__ = ["Constant", "Cosine"]


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
class Cosine(Schedule):
    """Half a cosine from ``lr`` down to ``min_lr``, which it keeps after the end.

    ``min_lr + (lr - min_lr) (1 + cos(pi t / T)) / 2``

    Args:
        lr: at step 0, > 0.
        total_steps: the length of the run in steps, >= 1; ``None`` is filled in by the trainer.
        min_lr: >= 0, default 0.
        end_inclusive: ``False`` has T = total_steps, so ``min_lr`` is reached one step after the last,
            as in PyTorch's CosineAnnealingLR; ``True`` has T = total_steps - 1, so the last step has it.

    Raises:
        ArgumentError: a value is out of range, or (when called) total_steps is not known.

    Source: Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983, without restarts, in closed form.

    >>> [round(Cosine(1.0, total_steps=4)(t), 3) for t in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """

    lr: float
    total_steps: int | None = None
    min_lr: float = 0.0
    end_inclusive: bool = False

    def __post_init__(self) -> None:
        positive("Cosine", "lr", self.lr)
        positive("Cosine", "min_lr", self.min_lr, zero=True)
        check_total("Cosine", self.total_steps)

    def __call__(self, step: int) -> float:
        total = needs_total("Cosine", self.total_steps) - (1 if self.end_inclusive else 0)
        part = min(1.0, step / total) if total > 0 else 1.0
        return self.min_lr + (self.lr - self.min_lr) * (1.0 + math.cos(math.pi * part)) / 2.0

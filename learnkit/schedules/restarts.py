"""Cosine annealing with warm restarts, exact at every restart."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, ClassVar

from learnkit.checks import positive
from learnkit.errors import ArgumentError
from learnkit.schedules.base import Schedule
from learnkit.schedules.durations import Duration, check_duration, needs_steps
from learnkit.schedules.shapes import FALLS
from learnkit.schedules.warmup import check_start, risen

__all__ = ["CosineWarmRestarts"]


@dataclass(frozen=True)
class CosineWarmRestarts(Schedule):
    """Half cosines from the peak down to ``min_lr``, one after another.

    Cycle i = 0, 1, ... is ``T_0 T_mult^i`` steps long and falls as

    ``min_lr + (lr - min_lr) M_mult^i (1 + cos(pi t / T)) / 2``

    with t the steps since its start. Cycles begin where exact arithmetic says: at a restart the value is
    the peak itself, and never that of the end of the cycle before. A fraction for T_mult may
    have a cycle begin between two steps.

    Args:
        lr: the first peak, > 0.
        T_0: the length of the first cycle, a duration >= 1; default a quarter of the run.
        T_mult: by what cycles grow, >= 1, default 1: an integer, a ``Fraction``, text such as ``"3/2"``, or a
            float, of which the decimal digits count.
        min_lr: the lowest value, >= 0 and at most ``lr``; default 0.
        M_mult: by what the height above ``min_lr`` changes from cycle to cycle, in (0, 1], default 1.
        warmup_steps: at the start of each cycle, a duration shorter than ``T_0``, default 0: a linear rise to
            the cycle's peak, as ``Warmup``'s. The cosine takes the rest of the cycle.
        start: where this rise starts, a part of the peak in [0, 1]; see ``Warmup``.

    Raises:
        ArgumentError: a value is out of range, or (when called) a duration is not known in steps.

    Source: Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983; as PyTorch's CosineAnnealingWarmRestarts,
    with the t_mul and m_mul of Keras's CosineDecayRestarts.

    >>> [round(CosineWarmRestarts(1.0, T_0=2, T_mult=2)(t), 3) for t in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    durations: ClassVar[Mapping[str, int]] = {"T_0": 1, "warmup_steps": 0}

    lr: float
    T_0: Duration = "25%"
    T_mult: int | Fraction | float | str = 1
    min_lr: float = 0.0
    M_mult: float = 1.0
    warmup_steps: Duration = 0
    start: float | None = None

    def __post_init__(self) -> None:
        positive("CosineWarmRestarts", "lr", self.lr)
        positive("CosineWarmRestarts", "min_lr", self.min_lr, zero=True)
        if self.min_lr > self.lr:
            raise ArgumentError(
                f"CosineWarmRestarts: min_lr is {self.min_lr!r}, expected at most lr, which is {self.lr!r}"
            )
        check_duration("CosineWarmRestarts", "T_0", self.T_0, 1)
        check_duration("CosineWarmRestarts", "warmup_steps", self.warmup_steps)
        check_start("CosineWarmRestarts", self.start)
        object.__setattr__(self, "T_mult", _exact(self.T_mult))
        if type(self.M_mult) not in (int, float) or not 0 < self.M_mult <= 1:
            raise ArgumentError(f"CosineWarmRestarts: M_mult is {self.M_mult!r}, expected a number in (0, 1]")
        if type(self.T_0) is int and type(self.warmup_steps) is int and self.warmup_steps >= self.T_0:
            raise ArgumentError(
                f"CosineWarmRestarts: warmup_steps is {self.warmup_steps}, expected less than T_0, "
                f"which is {self.T_0}"
            )

    def __call__(self, step: int) -> float:
        cycle, place, length = self._place(step)
        warmup = needs_steps("CosineWarmRestarts", "warmup_steps", self.warmup_steps)
        height = (self.lr - self.min_lr) * self.M_mult**cycle
        if place < warmup:
            return (self.min_lr + height) * risen("linear", float(place), warmup, self.start)
        return self.min_lr + height * FALLS["cosine"](float((place - warmup) / (length - warmup)))

    def config(self) -> dict[str, Any]:
        """The constructor's arguments; a fraction is text, so that it stays exact in JSON."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return values | {"T_mult": str(self.T_mult) if isinstance(self.T_mult, Fraction) else self.T_mult}

    def _place(self, step: int) -> tuple[int, Fraction, Fraction]:
        """The number of the cycle, the steps since its start, and its length."""
        first, ratio = needs_steps("CosineWarmRestarts", "T_0", self.T_0), Fraction(self.T_mult)
        if ratio == 1:
            cycle, place = divmod(step, first)
            return cycle, Fraction(place), Fraction(first)

        def begin(i: int) -> Fraction:
            return first * (ratio**i - 1) / (ratio - 1)

        # a bound from logarithms, one more than their rounding could be off; the rest is exact
        bound = math.log1p(step / first * float(ratio - 1)) / math.log(ratio) + 2
        cycle = bisect_right(range(1, int(bound) + 1), Fraction(step), key=begin)
        return cycle, step - begin(cycle), first * ratio**cycle


def _exact(value: Any) -> int | Fraction:
    """An integer or a fraction >= 1; a float is what its decimal digits say."""
    try:
        if type(value) not in (int, float, str) and not isinstance(value, Fraction):
            raise ValueError
        number = Fraction(repr(value) if type(value) is float else value)
        if number < 1:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        raise ArgumentError(
            f"CosineWarmRestarts: T_mult is {value!r}, expected an integer or a Fraction >= 1"
        ) from None
    return number.numerator if number.denominator == 1 else number

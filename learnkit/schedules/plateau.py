"""The one schedule that looks at how the training goes."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from learnkit.checks import at_least, one_of, positive
from learnkit.errors import ArgumentError, did_you_mean
from learnkit.schedules.base import UNKNOWN, Run, Schedule, observed, value_at
from learnkit.schedules.named import as_schedule

__all__ = ["ReduceOnPlateau"]


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """A number or schedule that is multiplied by ``factor`` each time a value has stopped improving.

    The value at step t is ``max(lr factor^n, min_lr)`` with n the number of cuts at or before t. Given
    its cuts it is a closed form like every schedule; :meth:`observe` looks at a value and returns the
    schedule that follows. A ``Trainer`` does that after each epoch, and what it has seen is saved with
    the run.

    Args:
        lr: a number, a schedule, or the name of one.
        factor: in (0, 1), default 0.1.
        patience: the number of bad looks that are tolerated, >= 0, default 10: the next one cuts.
        monitor: what is looked at: ``"val_loss"``, ``"loss"`` or the name of a metric; ``None`` (default)
            is the validation loss if there is one, else the training loss.
        mode: ``"min"``, ``"max"``, or ``"auto"`` (default): losses get smaller, metrics say themselves.
        threshold: what counts as better, >= 0, default 1e-4.
        threshold_mode: ``"rel"`` (default): better than the best by this part of it; ``"abs"``: by so much.
        cooldown: looks after a cut that do not count, >= 0, default 0.
        min_lr: the value never gets below this by a cut, >= 0, default 0.
        eps: a cut by no more than this is left out, >= 0, default 1e-8.
        inclusive: ``False`` (default) as PyTorch; ``True`` counts as Keras and Optax do: the look number
            ``patience`` that is bad cuts itself.
        cuts, best, bad, cooling: what it has seen: the steps from which on each cut holds, the best value,
            bad looks in a row, and looks of the cooldown that are left.

    A value that is NaN is bad.

    Raises:
        ArgumentError: a value is out of range, or (when it looks) nothing of the monitored name is given.

    Source: as PyTorch's ReduceLROnPlateau.

    >>> schedule = ReduceOnPlateau(1.0, patience=1, factor=0.5)
    >>> for step, loss in enumerate([3.0, 2.0, 2.0, 2.0], start=1):
    ...     schedule = schedule.observe({"loss": loss}, step)
    >>> schedule(3), schedule(4)
    (1.0, 0.5)
    """

    lr: Schedule | float
    factor: float = 0.1
    patience: int = 10
    monitor: str | None = None
    mode: Literal["auto", "min", "max"] = "auto"
    threshold: float = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: int = 0
    min_lr: float = 0.0
    eps: float = 1e-8
    inclusive: bool = False
    cuts: tuple[int, ...] = ()
    best: float | None = None
    bad: int = 0
    cooling: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", as_schedule("ReduceOnPlateau", "lr", self.lr))
        if type(self.factor) not in (int, float) or not 0 < self.factor < 1:
            raise ArgumentError(f"ReduceOnPlateau: factor is {self.factor!r}, expected a number in (0, 1)")
        at_least("ReduceOnPlateau", "patience", self.patience, 1 if self.inclusive else 0)
        for name in ("cooldown", "bad", "cooling"):
            at_least("ReduceOnPlateau", name, getattr(self, name), 0)
        for name in ("threshold", "min_lr", "eps"):
            positive("ReduceOnPlateau", name, getattr(self, name), zero=True)
        one_of("ReduceOnPlateau", "mode", self.mode, ("auto", "min", "max"))
        one_of("ReduceOnPlateau", "threshold_mode", self.threshold_mode, ("rel", "abs"))
        if self.monitor is not None and not isinstance(self.monitor, str):
            raise ArgumentError(f"ReduceOnPlateau: monitor is {self.monitor!r}, expected a name or None")
        object.__setattr__(self, "cuts", tuple(self.cuts))

    def __call__(self, step: int) -> float:
        return self._reduced(step, bisect_right(self.cuts, step))

    def observe(self, values: Mapping[str, float], step: int, run: Run = UNKNOWN) -> Self:
        """The schedule after a look at ``values[monitor]``; a cut holds from ``step`` on.

        Raises:
            ArgumentError: nothing of the monitored name is given.
        """
        lr = observed(self.lr, values, step, run)
        name = self._monitored(values)
        growing = name in run.larger_is_better if self.mode == "auto" else self.mode == "max"
        best, bad = self.best, self.bad + 1
        if self._is_better(values[name], growing):
            best, bad = float(values[name]), 0
        cooling, cuts = self.cooling, self.cuts
        if cooling > 0:
            cooling, bad = cooling - 1, 0
        if bad >= self.patience if self.inclusive else bad > self.patience:
            n = len(cuts)
            if self._reduced(step, n) - self._reduced(step, n + 1) > self.eps:
                cuts = (*cuts, step)
            cooling, bad = self.cooldown, 0
        return replace(self, lr=lr, cuts=cuts, best=best, bad=bad, cooling=cooling)

    def _reduced(self, step: int, cuts: int) -> float:
        whole = value_at(self.lr, step)
        # a cut never raises: a schedule that is below min_lr by itself, as in a warm-up, stays there
        return max(whole * self.factor**cuts, min(whole, self.min_lr)) if cuts else whole

    def _monitored(self, values: Mapping[str, float]) -> str:
        name: Any = self.monitor or ("val_loss" if "val_loss" in values else "loss")
        if name not in values:
            raise ArgumentError(
                f"ReduceOnPlateau: no value {name!r} is reported{did_you_mean(name, values)}; "
                f"known: {', '.join(sorted(values))}",
                hint="val_loss needs validation data" if name == "val_loss" else None,
            )
        return str(name)

    def _is_better(self, value: float, growing: bool) -> bool:
        best = self.best
        if best is None:
            best = -math.inf if growing else math.inf
        if self.threshold_mode == "rel":
            margin = 1.0 + self.threshold if growing else 1.0 - self.threshold
            return value > best * margin if growing else value < best * margin
        return value > best + self.threshold if growing else value < best - self.threshold

"""Callbacks: what else happens during a fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from learnkit.errors import ArgumentError
from learnkit.schedules.base import positive
from learnkit.training.history import EpochReport, History, StepReport

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer
    from learnkit.training.weights import Snapshot

__all__ = ["Callback", "EarlyStopping"]


class Callback:
    """Base of callbacks: override what is needed. What it raises ends the fit, with its name.

    A callback that must survive saving and loading keeps its state in plain values and gives it away
    in :meth:`state`.
    """

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Before the first epoch of a fit."""

    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        """After each step. ``float(report.loss)`` waits for the device."""

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> None:
        """After each epoch and its validation."""

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        """After the last epoch, however the fit ended."""

    def state(self) -> dict[str, Any]:
        """Plain values (JSON) to save with a run."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state` gave."""


class EarlyStopping(Callback):
    """Ends the fit when a value has not improved for a while, and brings back the best weights.

    Args:
        monitor: ``"val_loss"`` (default), ``"loss"`` or the name of a metric.
        patience: epochs without improvement that are tolerated, >= 0; the next one ends the fit.
            ``None`` never ends it, and only brings back the best weights.
        min_delta: what counts as an improvement, >= 0.
        restore_best: whether the weights of the best epoch come back at the end.
        mode: ``"min"``, ``"max"``, or ``"auto"``: losses get smaller, metrics say themselves.

    Raises:
        ArgumentError: a value is out of range, or (during the fit) nothing of that name is reported, or a
            metric of many numbers.

    A value that is NaN is no improvement.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int | None = 5,
        min_delta: float = 0.0,
        *,
        restore_best: bool = True,
        mode: Literal["auto", "min", "max"] = "auto",
    ) -> None:
        if patience is not None and (type(patience) is not int or patience < 0):
            raise ArgumentError(f"EarlyStopping: patience is {patience!r}, expected an integer >= 0 or None")
        positive("EarlyStopping", "min_delta", min_delta, zero=True)
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(f"EarlyStopping: mode is {mode!r}, expected 'auto', 'min' or 'max'")
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best = restore_best
        self.mode = mode
        self.best_value = math.nan
        self.best_epoch = 0
        self.waited = 0
        self._best: Snapshot | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.waited = 0

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> None:
        value = report.value(self.monitor)
        if isinstance(value, list):
            raise ArgumentError(
                f"EarlyStopping: {self.monitor} is a list of {len(value)}, expected a metric of one number",
                hint="choose another monitor, or an average of the metric",
            )
        sign = -1.0 if self._larger_is_better(trainer) else 1.0
        first = math.isnan(self.best_value)
        if not math.isnan(value) and (first or sign * (self.best_value - value) > self.min_delta):
            self.best_value, self.best_epoch, self.waited = value, report.epoch, 0
            if self.restore_best:
                self._best = trainer.snapshot()
            return
        self.waited += 1
        if self.patience is not None and self.waited > self.patience:
            trainer.stop(
                f"{self.monitor} has not improved for {self.waited} epochs "
                f"(best {self.best_value:.6g} in epoch {self.best_epoch})"
            )

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        if self.restore_best and self._best is not None:
            trainer.restore(self._best)

    def state(self) -> dict[str, Any]:
        best = None if math.isnan(self.best_value) else self.best_value
        return {"best_value": best, "best_epoch": self.best_epoch, "waited": self.waited}

    def load_state(self, state: dict[str, Any]) -> None:
        self.best_value = math.nan if state["best_value"] is None else float(state["best_value"])
        self.best_epoch = int(state["best_epoch"])
        self.waited = int(state["waited"])

    def _larger_is_better(self, trainer: Trainer) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        metric = trainer.metrics.get(self.monitor)
        return metric is not None and metric.larger_is_better

    def config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "monitor": self.monitor,
            "patience": self.patience,
            "min_delta": self.min_delta,
            "restore_best": self.restore_best,
            "mode": self.mode,
        }

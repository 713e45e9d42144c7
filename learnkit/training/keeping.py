"""A callback that saves the run while it goes on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from learnkit.checks import at_least
from learnkit.errors import ArgumentError
from learnkit.training.callbacks import Callback
from learnkit.training.history import EpochReport

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(Callback):
    """Saves the trainer after epochs, when it got better or always, as :meth:`~learnkit.Trainer.save` does.

    Each file is written beside its place and renamed, so an interrupted save leaves the last one whole.
    ``Trainer.resume`` goes on from any of them.

    Args:
        path: of the file. ``{epoch}`` in it is replaced by the epoch's number, which keeps one file for each.
        monitor: ``"val_loss"`` (default), ``"loss"`` or the name of a metric.
        save_best_only: whether to save only when ``monitor`` is better than ever before; default ``True``.
        every: look after every so many epochs, >= 1; default 1.
        mode: ``"min"``, ``"max"``, or ``"auto"``: losses get smaller, metrics say themselves.

    Attributes:
        best_value: of the monitored value; NaN before the first.
        last_path: the file that was written last, or ``None``.

    Raises:
        ArgumentError: a value is out of range, or (during the fit) nothing of that name is reported.
        BackendError: (during the fit) the file cannot be written.

    A value that is NaN is no improvement.

    >>> ModelCheckpoint("best.safetensors", monitor="accuracy").config()["mode"]
    'auto'
    """

    def __init__(
        self,
        path: str | Path,
        monitor: str = "val_loss",
        *,
        save_best_only: bool = True,
        every: int = 1,
        mode: Literal["auto", "min", "max"] = "auto",
    ) -> None:
        at_least("ModelCheckpoint", "every", every, 1)
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(f"ModelCheckpoint: mode is {mode!r}, expected 'auto', 'min' or 'max'")
        if not str(path):
            raise ArgumentError("ModelCheckpoint: path is empty, expected the name of a file")
        self.path = Path(path)
        self.monitor = monitor
        self.save_best_only = save_best_only
        self.every = every
        self.mode = mode
        self.best_value = math.nan
        self.last_path: Path | None = None

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> None:
        if report.epoch % self.every:
            return
        if self.save_best_only:
            value = report.value(self.monitor)
            larger = self.mode == "max"
            if self.mode == "auto":
                metric = trainer.metrics.get(self.monitor)
                larger = metric is not None and metric.larger_is_better
            better = value > self.best_value if larger else value < self.best_value
            if math.isnan(value) or not (better or math.isnan(self.best_value)):
                return
            self.best_value = value
        self.last_path = trainer.save(Path(str(self.path).replace("{epoch}", str(report.epoch))))

    def state(self) -> dict[str, Any]:
        return {"best_value": None if math.isnan(self.best_value) else self.best_value}

    def load_state(self, state: dict[str, Any]) -> None:
        self.best_value = math.nan if state["best_value"] is None else float(state["best_value"])

    def config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "path": str(self.path),
            "monitor": self.monitor,
            "save_best_only": self.save_best_only,
            "every": self.every,
            "mode": self.mode,
        }

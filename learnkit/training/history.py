"""What a run reports: one frozen record for each step that is looked at, and for each epoch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from learnkit.backends.base import Array
from learnkit.errors import ArgumentError, did_you_mean

__all__ = ["EpochReport", "History", "StepReport"]


@dataclass(frozen=True)
class StepReport:
    """One training step.

    Attributes:
        step: counts from 1 over the whole run.
        epoch: counts from 1.
        loss: a 0-d array on the device; ``float(report.loss)`` waits for it.
        lr: the learning rate of the step.
    """

    step: int
    epoch: int
    loss: Array
    lr: float


@dataclass(frozen=True)
class EpochReport:
    """One epoch.

    Attributes:
        epoch: counts from 1.
        epochs: the number at which this fit ends.
        step: steps made so far.
        loss: mean of the training loss over the epoch's examples, as each batch was met.
        val_loss: of the validation data, or ``None`` without any.
        metrics: of the validation data if there is any, else of the training data, by name: a number, or
            nested lists of numbers for a metric of many, such as a confusion matrix.
        lr: the learning rate of the epoch's last step.
        grad_norm: the norm of the gradient at the epoch's last step, before any clipping.
        seconds: what the epoch took, validation included.
        rows: training rows in the epoch.
        best: whether the monitored value, ``val_loss`` or else ``loss``, is the lowest so far.
    """

    epoch: int
    epochs: int
    step: int
    loss: float
    val_loss: float | None
    metrics: dict[str, Any]
    lr: float
    grad_norm: float
    seconds: float
    rows: int
    best: bool

    def numbers(self) -> dict[str, float]:
        """``"loss"``, ``"val_loss"`` if there is one, and the metrics that are one number."""
        known = {"loss": self.loss, "val_loss": self.val_loss, **self.metrics}
        return {name: value for name, value in known.items() if isinstance(value, (int, float))}

    def value(self, name: str) -> Any:
        """``"loss"``, ``"val_loss"`` or a metric by name: a number, or nested lists of numbers.

        Raises:
            ArgumentError: there is no value of that name.
        """
        known: dict[str, Any] = {"loss": self.loss, **self.metrics}
        if self.val_loss is not None:
            known["val_loss"] = self.val_loss
        if name not in known:
            raise ArgumentError(
                f"no value {name!r} is reported{did_you_mean(name, known)}; "
                f"known: {', '.join(sorted(known))}",
                hint="val_loss needs validation data" if name == "val_loss" else None,
            )
        return known[name]


@dataclass
class History:
    """The epochs of a run, in order.

    Attributes:
        epochs: the :class:`EpochReport` of each.
    """

    epochs: list[EpochReport] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, name: str) -> list[Any]:
        """The values of ``"loss"``, ``"val_loss"`` or a metric, epoch by epoch."""
        return [report.value(name) for report in self.epochs]

    @property
    def best(self) -> EpochReport | None:
        """The last epoch marked best, or ``None`` before the first epoch."""
        return next((r for r in reversed(self.epochs) if r.best), None)

    def records(self, *, timing: bool = True) -> list[dict[str, Any]]:
        """The epochs as plain dicts; without ``timing`` two equal runs give equal records."""
        dicts = [asdict(r) for r in self.epochs]
        if not timing:
            for d in dicts:
                del d["seconds"]
        return dicts

    @classmethod
    def from_records(cls, records: list[dict[str, Any]]) -> History:
        """The inverse of :meth:`records`; missing times are 0."""
        return cls([EpochReport(**{"seconds": 0.0, **r}) for r in records])

    def to_jsonl(self) -> str:
        """One JSON object a line."""
        return "".join(json.dumps(r) + "\n" for r in self.records())

"""What sees every training run of the process: the plugins of the entry-point group ``learnkit.runs``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["RunInfo"]


@dataclass(frozen=True)
class RunInfo:
    """What is known of a run when it starts.

    Attributes:
        name: that of the run's directory, or ``"fit"`` for a ``Trainer.fit`` outside ``learnkit train``.
        directory: where its files go, or ``None``.
        config: its settings, plain values; those that ``learnkit_configure_run`` saw, with its changes.
        rows: training rows.
        epochs: the number of the epoch at which it is to end.
        steps_per_epoch: updates in an epoch.
    """

    name: str
    directory: Path | None
    config: Mapping[str, Any]
    rows: int
    epochs: int
    steps_per_epoch: int

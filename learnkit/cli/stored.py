"""A run opened again: the model, and what was learned about the data."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learnkit.backends import Backend, get_backend
from learnkit.cli.measures import Baseline
from learnkit.cli.rundir import MODEL
from learnkit.data import Preprocessor
from learnkit.errors import CheckpointError, did_you_mean
from learnkit.plugins.provenance import PluginVersionWarning
from learnkit.training import Trainer
from learnkit.training.checkpoint import read_content

__all__ = ["Stored", "load_noting", "model_file", "open_run"]


@dataclass(frozen=True)
class Stored:
    """A trained model with its preprocessing.

    Attributes:
        path: of the model's file.
        trainer: as it was saved.
        preprocessor: as it was learned.
        baseline: what the model was compared with.
        source: what it was trained on: ``{"name": ..., "rows": ...}``.
    """

    path: Path
    trainer: Trainer
    preprocessor: Preprocessor
    baseline: Baseline
    source: dict[str, Any]


def open_run(run: str, backend: str | None, device: str | None) -> Stored:
    """Open the run in the directory ``run``, or the model's file itself.

    Raises:
        CheckpointError: nothing is there, or it is no run of ``learnkit train``.
        BackendError, MissingDependencyError, ArgumentError: the backend cannot be used.
    """
    chosen = get_backend(backend, device)  # before the file: a wrong --backend is no wrong file
    path = model_file(Path(run))
    extra = read_content(path).get("extra") or {}
    if "preprocessing" not in extra:
        raise CheckpointError(
            f"{path} holds a model without the preprocessing of its data",
            hint="this command takes a run of 'learnkit train'; Trainer.load reads any other",
        )
    try:
        preprocessor = Preprocessor.from_dict(extra["preprocessing"])
        baseline = Baseline(extra["baseline"]["prediction"], extra["baseline"]["text"])
        source = dict(extra["source"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: the saved run is incomplete ({error})") from error
    return Stored(path, load_noting(path, chosen), preprocessor, baseline, source)


def load_noting(path: Path, backend: Backend | None = None) -> Trainer:
    """The trainer in a file; a plugin of another version than at the saving is a note on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PluginVersionWarning)
        trainer = Trainer.load(path, backend=backend)
    for warning in caught:
        if issubclass(warning.category, PluginVersionWarning):
            print(f"note: {warning.message}", file=sys.stderr)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return trainer


def model_file(run: Path) -> Path:
    """The file of a run's model: in the directory ``run``, or ``run`` itself.

    Raises:
        CheckpointError: nothing is there.
    """
    if not run.is_dir():
        if run.exists():
            return run
        parent = run.parent
        siblings = [entry.name for entry in parent.iterdir()] if parent.is_dir() else []
        raise CheckpointError(
            f"there is no run {str(run)!r}{did_you_mean(run.name, siblings)}",
            hint="give the directory that 'learnkit train' printed, such as runs/digits",
        )
    if not (run / MODEL).exists():
        raise CheckpointError(
            f"{run} holds no {MODEL}", hint="its training did not end, or this is the directory of runs"
        )
    return run / MODEL

"""A run that is saved and taken up again goes on bit for bit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from learnkit.errors import MissingDependencyError
from learnkit.nn import Linear, Sequential, Tanh
from learnkit.testing import patterns
from learnkit.testing.checks.common import named
from learnkit.testing.diagnosis import fingerprint, where_spot
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Subject
from learnkit.training import Trainer

__all__ = ["data", "resumes"]


def data(shape: tuple[int, ...] = (3,), rows: int = 24) -> tuple[Any, Any]:
    """A small regression."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, *shape)).astype("float32")
    y = np.tanh(x.reshape(rows, -1).sum(axis=1, keepdims=True)).astype("float32")
    return x, y


def resumes(subject: Subject, **parts: Any) -> None:
    """Six steps are three steps, a file, and three more.

    Args:
        parts: ``model``, ``optimizer`` or ``x`` of the run, where they are not the usual.
    """
    x, y = data()
    x = parts.get("x", x)

    def trainer() -> Trainer:
        model = parts.get("model") or Sequential(Linear(3, 4), Tanh(), Linear(4, 1))
        return Trainer(model, "mse", parts.get("optimizer", "sgd:lr=0.1"), backend="numpy", seed=3)

    def steps(made: Trainer, numbers: range) -> None:
        for i in numbers:
            rows = slice(4 * i, 4 * i + 4)
            made.step(x[rows], y[rows])

    with named(subject), tempfile.TemporaryDirectory() as folder:
        import copy

        first = copy.deepcopy(parts.get("model"))
        straight = trainer()
        steps(straight, range(6))
        if first is not None:
            parts = {**parts, "model": first}
        if "optimizer" in parts:
            parts = {**parts, "optimizer": copy.deepcopy(parts["optimizer"])}
        other = trainer()
        steps(other, range(3))
        try:
            path = other.save(Path(folder) / "run.safetensors")
        except MissingDependencyError as error:
            raise NotApplicable(error.message) from None
        again = Trainer.load(path, backend="numpy")
        steps(again, range(3, 6))
    one, two = (
        {
            **t.model.arrays(),
            **{f"slot {n!r}, {i}": s for n, a in t.optimizer_state.slots.items() for i, s in enumerate(a)},
        }
        for t in (straight, again)
    )
    for name, value in one.items():
        if fingerprint(np.asarray(value)) != fingerprint(np.asarray(two[name])):
            place = subject.author.definition("update", "transform", "__call__", "after")
            found = None
            if place is not None:
                first_line, last = patterns.function_around(*place)
                found = where_spot(
                    [(place[0], n) for n in range(first_line, min(last, first_line + 400) + 1)], "state"
                )
            raise CheckFailure(
                f"after three steps, saving, loading and three more steps {name} is not what six "
                "steps make it",
                where=(found[0], found[1].line) if found else place,
            )

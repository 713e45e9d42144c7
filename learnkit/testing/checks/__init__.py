"""The checks of each kind of component, a family a file.

==================  =====================================================================================
``common``          what every component is asked: it prints, it is described and made again
``arrays``          what all array code is asked: library, dtype, device, no waits, same bits each time
``calculus``        gradients against differences, extremes, rows that stand for themselves
``losses`` ...      what the kind is asked beside that, and how it is called
==================  =====================================================================================
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from learnkit.testing.check import Check

__all__ = ["CHECKS"]


def _from(module: str, function: str = "checks") -> Callable[[], list[Check]]:
    def load() -> list[Check]:
        found = getattr(importlib.import_module(f"learnkit.testing.checks.{module}"), function)
        return list(found())

    return load


#: The checks of each kind, loaded when they are asked for.
CHECKS: dict[str, Callable[[], list[Check]]] = {
    "activation": _from("layers"),
    "layer": _from("layers"),
    "initializer": _from("initializers"),
    "loss": _from("losses"),
    "optimizer": _from("optimizers"),
    "transform": _from("optimizers", "transform_checks"),
    "constraint": _from("small", "constraint_checks"),
    "schedule": _from("schedules"),
    "metric": _from("metrics"),
    "callback": _from("callbacks"),
    "backend": _from("backends"),
    "dataset": _from("data", "dataset_checks"),
    "kernel": _from("kernels"),
    "reader": _from("data", "reader_checks"),
    "augmentation": _from("small", "augmentation_checks"),
    "exporter": _from("outside", "exporter_checks"),
    "command": _from("outside", "command_checks"),
}

"""Segmentation judged by its borders: a loss, ``boundary_cross_entropy``, and a metric, ``surface_dice``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learnkit_medical.distance import squared_distance
from learnkit_medical.loss import BoundaryCrossEntropy
from learnkit_medical.metric import SurfaceDice

__all__ = ["BoundaryCrossEntropy", "SurfaceDice", "squared_distance"]

Register = Callable[[str, Callable[..., Any]], None]


def learnkit_register_losses(register: Register) -> None:
    """Called by learnkit, which knows this package by its entry point."""
    register("boundary_cross_entropy", BoundaryCrossEntropy)


def learnkit_register_metrics(register: Register) -> None:
    """The same for the metric."""
    register("surface_dice", SurfaceDice)

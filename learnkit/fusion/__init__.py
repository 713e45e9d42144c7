"""Elementwise functions as one kernel: traced once, then compiled, or run in blocks of NumPy calls."""

from __future__ import annotations

from learnkit.backends.engine import engine
from learnkit.fusion.fused import Fused
from learnkit.fusion.update import FusedUpdate, bound_update

__all__ = ["Fused", "FusedUpdate", "bound_update", "engine"]

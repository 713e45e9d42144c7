"""Elementwise functions as one kernel: traced once, compiled by Numba or CuPy, or run in blocks of NumPy calls."""

from __future__ import annotations

from learnkit.fuse.fused import Fused
from learnkit.fuse.launch import engine
from learnkit.fuse.update import fused_update

__all__ = ["Fused", "engine", "fused_update"]

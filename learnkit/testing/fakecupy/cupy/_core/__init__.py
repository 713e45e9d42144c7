"""The part of CuPy's own core that learnkit asks for."""

from __future__ import annotations

from . import _routines_linalg

__all__ = ["_routines_linalg"]

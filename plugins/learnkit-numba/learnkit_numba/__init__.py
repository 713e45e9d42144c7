"""Kernels of learnkit's NumPy backend as machine code, made by Numba: the kernels named ``"numba"``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learnkit_numba.kernels import NumbaKernels

__all__ = ["NumbaKernels"]


def learnkit_register_kernels(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Called by learnkit, which knows this module by its entry point."""
    register("numba", NumbaKernels)

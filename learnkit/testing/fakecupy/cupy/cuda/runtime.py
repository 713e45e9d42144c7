"""The few calls of the CUDA runtime that a library makes."""

from __future__ import annotations

from typing import Any


class CUDARuntimeError(RuntimeError):
    """An error of the CUDA runtime."""


def getDeviceCount() -> int:  # noqa: N802  (CuPy's name, as are the next)
    """One."""
    return 1


def getDevice() -> int:  # noqa: N802
    """The current device is the only one."""
    return 0


def getDeviceProperties(device: int) -> dict[str, Any]:  # noqa: N802
    """Name and compute capability."""
    return {"name": b"stand-in for a GPU", "major": 9, "minor": 0}

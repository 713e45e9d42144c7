"""What runs compiled code on NumPy arrays."""

from __future__ import annotations

import functools
import importlib.util
import os

from learnkit.errors import ArgumentError

__all__ = ["engine"]


def engine() -> str:
    """What runs fused functions on NumPy arrays: ``"numba"``, ``"blocks"``, or ``"off"``.

    ``LEARNKIT_FUSE`` chooses; otherwise Numba if it is installed (the extra ``fast``), else blocks.

    Raises:
        ArgumentError: ``LEARNKIT_FUSE`` is another word, or Numba is asked for and not installed.
    """
    return _engine(os.environ.get("LEARNKIT_FUSE", ""))


@functools.cache
def _engine(asked: str) -> str:
    if asked in ("0", "off"):
        return "off"
    if asked not in ("", "numba", "blocks"):
        raise ArgumentError(f"LEARNKIT_FUSE is {asked!r}, expected 'numba', 'blocks' or 'off'")
    installed = importlib.util.find_spec("numba") is not None
    if asked == "numba" and not installed:
        raise ArgumentError(
            "LEARNKIT_FUSE is 'numba', and Numba is not installed", hint='pip install "pylearnkit[fast]"'
        )
    return asked or ("numba" if installed else "blocks")

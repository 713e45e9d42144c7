"""The stand-in for ``cupyx``: accumulating assignment."""

from __future__ import annotations

from typing import Any

__all__ = ["scatter_add"]


def scatter_add(a: Any, slices: Any, value: Any) -> None:
    """Add ``value`` into ``a[slices]`` in place; repeated indices accumulate."""
    a.scatter_add(slices, value)

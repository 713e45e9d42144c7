"""How compiled loops are called: what arrays they take, and how threads share their rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from learnkit.backends.base import Array
from learnkit.backends.threads import share

__all__ = ["SHARED", "over_rows", "plain", "suits"]

#: From so many elements on, threads share the rows; fewer are done before another thread has woken up.
SHARED = 100_000


def over_rows(loop: Any, n: int, elements: int, *arguments: Any) -> None:
    """``loop(lo, hi, *arguments)`` over ``n`` rows with so many elements in all."""
    if elements < SHARED:
        loop(0, n, *arguments)
    else:
        share(lambda lo, hi: loop(lo, hi, *arguments), n, 1)


def plain(x: Array) -> Array:
    """Contiguous, aligned and not read-only, as compiled loops take it."""
    return x if x.flags.carray else np.array(x, order="C")


def suits(*arrays: Array | None) -> bool:
    """Whether all that are given are float32, or all float64, with at least one element."""
    given = [a for a in arrays if a is not None]
    dtype = given[0].dtype
    return dtype.char in "fd" and dtype.isnative and all(a.dtype == dtype and a.size for a in given)

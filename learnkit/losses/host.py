"""What is looked at once, before training, on the host: the values of all targets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from learnkit.backends.base import Array, array_namespace, backend_of, get_backend
from learnkit.errors import DataError

__all__ = ["balanced_weights", "class_counts", "on_host", "value_range"]


def on_host(y: Any) -> Any:
    """The values of ``y``, an array of any backend or a nested list, as a NumPy array."""
    if hasattr(y, "__array_namespace__") or hasattr(y, "dtype"):
        return backend_of(y).to_numpy(y)
    return get_backend("numpy").asarray(y)


def value_range(y: Array) -> tuple[float, float]:
    """The smallest and the largest target; waits for the device."""
    xp = array_namespace(y)
    double = xp.astype(y, xp.float64)
    return float(xp.min(double)), float(xp.max(double))


def class_counts(y: Any, classes: int | None = None, ignore_index: int | None = None) -> list[int]:
    """How often each class number occurs, from 0 to ``classes - 1``, or to the largest that there is.

    Raises:
        DataError: a target is no class number.
    """
    values = on_host(y).reshape(-1).tolist()
    counts = Counter(v for v in values if v != ignore_index)
    wrong = next(
        (
            v
            for v in counts
            if not math.isfinite(v) or v != int(v) or v < 0 or (classes is not None and v >= classes)
        ),
        None,
    )
    if wrong is not None:
        expected = "integers >= 0" if classes is None else f"integers in [0, {classes})"
        raise DataError(f"class numbers hold {wrong!r}, expected {expected}")
    n = int(max(counts, default=-1)) + 1 if classes is None else classes
    return [counts.get(c, 0) for c in range(n)]


def balanced_weights(counts: Sequence[float]) -> tuple[float, ...]:
    """``n / (k n_c)`` for each class, scikit-learn's "balanced"; 1 for a class that does not occur.

    >>> balanced_weights([9, 1])
    (0.5555555555555556, 5.0)
    """
    n, k = sum(counts), sum(c > 0 for c in counts)
    return tuple(n / (k * c) if c else 1.0 for c in counts)

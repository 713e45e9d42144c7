"""Mean and standard deviation that do not lose digits, overflow, or turn rounding into a scale."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["mean_and_std"]


def mean_and_std(
    values: NDArray[Any], axis: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and population standard deviation in float64, without overflow; 1 where all values are equal.

    >>> mean_and_std(np.array([1.0, 3.0]))[1].item(), mean_and_std(np.array([0.1, 0.1, 0.1]))[1].item()
    (1.0, 1.0)
    """
    if values.dtype == np.uint8 and axis is None:
        return _byte_mean_and_std(values)
    low, high = np.min(values, axis=axis, keepdims=True), np.max(values, axis=axis, keepdims=True)
    if values.dtype.kind in "iu" or (float(np.max(high)) < 1e100 and float(np.min(low)) > -1e100):
        mean = np.mean(values, axis=axis, dtype=np.float64)
        std = np.std(values, axis=axis, dtype=np.float64)
    else:  # squares would overflow
        scale = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
        scale = np.where(scale == 0, 1.0, scale)
        size = np.squeeze(scale, axis=axis)
        mean, std = np.mean(values / scale, axis=axis) * size, np.std(values / scale, axis=axis) * size
    equal = np.squeeze(low == high, axis=axis)
    # The mean of equal values may differ from them by a rounding error.
    mean = np.where(equal, np.squeeze(low, axis=axis), mean)
    return mean, np.where(equal | (std == 0), 1.0, std)


def _byte_mean_and_std(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same from the counts of the 256 values, block by block: exact, and without a float64 copy."""
    flat = values.reshape(-1)
    counts = np.zeros(256, dtype=np.int64)
    for start in range(0, flat.size, 1 << 20):
        counts += np.bincount(flat[start : start + (1 << 20)], minlength=256)
    levels = np.arange(256, dtype=np.float64)
    mean = float(counts @ levels) / flat.size
    std = math.sqrt(float(counts @ (levels - mean) ** 2) / flat.size)
    return np.asarray(mean), np.asarray(std if np.count_nonzero(counts) > 1 else 1.0)

"""In what precision cuBLAS multiplies, kept for each dtype; products here are NumPy's all the same."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "COMPUTE_TYPE_BF16",
    "COMPUTE_TYPE_DEFAULT",
    "COMPUTE_TYPE_FP16",
    "COMPUTE_TYPE_TBD",
    "COMPUTE_TYPE_TF32",
    "get_compute_type",
    "set_compute_type",
]

COMPUTE_TYPE_TBD = 0
COMPUTE_TYPE_DEFAULT = 1
COMPUTE_TYPE_FP16 = 3
COMPUTE_TYPE_BF16 = 6
COMPUTE_TYPE_TF32 = 7

_chosen: dict[np.dtype[Any], int] = {}


def get_compute_type(dtype: Any) -> int:
    return _chosen.get(np.dtype(dtype), COMPUTE_TYPE_DEFAULT)


def set_compute_type(dtype: Any, compute_type: int) -> None:
    if not COMPUTE_TYPE_TBD <= compute_type <= COMPUTE_TYPE_TF32:
        raise ValueError(f"Unknown compute type: {compute_type}")
    _chosen[np.dtype(dtype)] = compute_type

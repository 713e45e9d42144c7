"""The stand-in for ``cupyx.scipy.special``: what learnkit calls of it."""

from __future__ import annotations

import math
from typing import Any

import cupy
import numpy as np

__all__ = ["erf"]

_values = np.vectorize(math.erf, otypes=[np.float64])


def erf(x: Any) -> Any:
    """The error function; as in CuPy, float32 stays and every other dtype gives float64."""
    if not isinstance(x, cupy.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    cupy.audit.launch("erf")
    return cupy._array.wrap(_values(x._a).astype(np.float32 if x.dtype == np.float32 else np.float64))

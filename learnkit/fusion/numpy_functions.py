"""What blocks of NumPy calls need that NumPy has not."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy
import numpy as np

from learnkit.backends import special
from learnkit.backends.numpy import erf32

__all__ = ["erf"]


def erf(x: Any, out: Any = None) -> Any:
    """The error function of a float32 or float64 array or number."""
    x = np.asarray(x)
    if out is None:
        out = np.empty_like(x)
    if x.dtype == np.float32 and x.ndim == 1:
        held = np.array(x) if out is x or np.shares_memory(x, out) else x
        erf32(held, out)
    else:
        out[...] = special.erf(array_api_compat.numpy, x)
    return out

"""``cupy.fft`` as recorded."""

from __future__ import annotations

import numpy as np

from ._functions import namespace

globals().update(namespace("cupy.fft", np.fft))
__all__ = sorted(
    n for n in globals() if not n.startswith("_") and n not in ("annotations", "namespace", "np")
)

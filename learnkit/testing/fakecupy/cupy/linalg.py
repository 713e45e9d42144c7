"""``cupy.linalg`` as recorded."""

from __future__ import annotations

import numpy as np

from ._functions import namespace

globals().update(namespace("cupy.linalg", np.linalg))
LinAlgError = np.linalg.LinAlgError
__all__ = sorted(
    n for n in globals() if not n.startswith("_") and n not in ("annotations", "namespace", "np")
)

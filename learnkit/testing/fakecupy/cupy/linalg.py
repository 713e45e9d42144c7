"""``cupy.linalg`` as recorded."""

from __future__ import annotations

import numpy as np

from ._functions import namespace
from ._surface import SURFACE

globals().update(namespace("cupy.linalg", np.linalg))
LinAlgError = np.linalg.LinAlgError
__all__ = ["LinAlgError", *sorted(set(SURFACE["cupy.linalg"]["functions"]) & set(globals()))]

"""``cupy.fft`` as recorded."""

from __future__ import annotations

import numpy as np

from ._functions import namespace
from ._surface import SURFACE

globals().update(namespace("cupy.fft", np.fft))
__all__ = sorted(set(SURFACE["cupy.fft"]["functions"]) & set(globals()))

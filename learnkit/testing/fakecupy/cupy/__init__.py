# ruff: noqa: F401  (``__all__`` is put together at the end and takes every name)
"""The stand-in for CuPy; ``learnkit.testing.fakecupy`` says what it is for."""

from __future__ import annotations

import numpy as _numpy

from . import cuda, fft, linalg
from ._array import ndarray
from ._audit import HiddenSync, audit
from ._creation import (
    array,
    asarray,
    ascontiguousarray,
    asnumpy,
    from_dlpack,
    get_array_module,
    take,
    where,
)
from ._functions import namespace as _namespace
from ._functions import ufunc
from ._kernels import ElementwiseKernel, RawKernel, RawModule
from ._surface import SURFACE as _SURFACE

__version__ = _SURFACE["version"] + "+fake"

_own = set(globals())
globals().update({name: value for name, value in _namespace("cupy", _numpy).items() if name not in _own})
asanyarray = asarray

__all__ = sorted(name for name in globals() if not name.startswith("_") and name != "annotations")

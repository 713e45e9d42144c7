"""The doors between host and device, and the functions whose CuPy version is not NumPy's."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ._array import ndarray, unwrap, wrap
from ._audit import audit


def array(
    obj: Any,
    dtype: Any = None,
    copy: bool | None = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
    *,
    blocking: bool = False,
) -> Any:
    """A new array on the device from numbers, lists, NumPy arrays or arrays of the device."""
    if isinstance(obj, ndarray) and not copy and (dtype is None or obj.dtype == np.dtype(dtype)):
        return obj
    audit.launch("array")
    return wrap(np.array(unwrap(obj, host_arrays=True), dtype=dtype, ndmin=ndmin))


def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None, blocking: bool = False
) -> Any:
    """As ``array``, copying only if it has to."""
    if copy is False and not isinstance(a, ndarray):
        raise ValueError("a copy from the host to the device cannot be avoided")
    return array(a, dtype=dtype, copy=bool(copy), blocking=blocking)


def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    """``a`` itself if it is dense, in row-major order and of the dtype; else a copy that is."""
    if isinstance(a, ndarray) and a.flags.c_contiguous and (dtype is None or a.dtype == np.dtype(dtype)):
        return a
    audit.launch("ascontiguousarray")
    return wrap(np.ascontiguousarray(unwrap(a, host_arrays=True), dtype=dtype))


def asnumpy(
    a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True
) -> np.ndarray[Any, Any]:
    """The values on the host."""
    host: np.ndarray[Any, Any] = a.get(out=out) if isinstance(a, ndarray) else np.asarray(a)
    return host


def get_array_module(*args: Any) -> Any:
    """``cupy`` if one of the arguments is its array, else ``numpy``."""
    return sys.modules[__package__] if any(isinstance(a, ndarray) for a in args) else np


def from_dlpack(x: Any, *, device: Any = None, copy: bool | None = None) -> Any:
    """An array of the device as it is; CuPy takes none of the host."""
    if isinstance(x, ndarray):
        return x
    raise TypeError(
        "CPU arrays cannot be directly imported to CuPy. Use `cupy.array(numpy.from_dlpack(input))` instead."
    )


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Elementwise choice; with one argument the host waits to learn how many elements there are."""
    audit.launch("where")
    if x is None and y is None:
        audit.sync("cupy.where(condition)")
        return wrap(np.where(unwrap(condition)))
    if x is None or y is None:
        raise ValueError("Must provide both 'x' and 'y' or neither.")
    return wrap(np.where(unwrap(condition), unwrap(x), unwrap(y)))


def take(a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: Any = None) -> Any:
    """Elements at indices; out of range is an error here, where CuPy wraps around without a word."""
    audit.launch("take")
    values, index = unwrap(a), unwrap(indices)
    length = values.size if axis is None else values.shape[axis]
    if np.size(index) and (np.min(index) < -length or np.max(index) >= length):
        raise IndexError(f"index out of range for length {length}: CuPy wraps around")
    taken = np.take(values, index, axis=axis, out=unwrap(out))
    return wrap(taken) if out is None else out

"""``cupy.ndarray``: a NumPy array that no one can look at without the audit noticing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from ._audit import audit
from ._surface import SURFACE

SCALARS = (bool, int, float, complex, np.generic)
_METHODS = frozenset(SURFACE["ndarray"])
_IMPLICIT = (
    "Implicit conversion to a NumPy array is not allowed. "
    "Please use `.get()` to construct a NumPy array explicitly."
)


def _cupy() -> Any:
    return sys.modules[__package__]


def wrap(value: Any) -> Any:
    """NumPy's results as this library's: arrays and scalars become ``ndarray``, also inside containers."""
    if isinstance(value, (np.ndarray, np.generic)):
        made = object.__new__(ndarray)
        made._a = np.asarray(value)
        return made
    if isinstance(value, tuple):
        parts = [wrap(v) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return [wrap(v) for v in value] if isinstance(value, list) else value


def unwrap(value: Any, *, host_arrays: bool = False) -> Any:
    """This library's arrays as NumPy's.

    Raises:
        TypeError: a NumPy array where CuPy takes none.
    """
    if isinstance(value, ndarray):
        return value._a
    if isinstance(value, np.ndarray) and not host_arrays:
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, (list, tuple)):
        return type(value)(unwrap(v, host_arrays=host_arrays) for v in value)
    return value


class ndarray:  # noqa: N801  (CuPy's name)
    """An array on the pretended device; ``_a`` is the NumPy array that holds its values."""

    __slots__ = ("_a",)
    __module__ = "cupy"
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, shape: Any, dtype: Any = float) -> None:
        self._a: np.ndarray[Any, Any] = np.empty(shape, dtype)

    # What is known without asking the device

    shape = property(lambda self: self._a.shape, lambda self, shape: setattr(self._a, "shape", shape))
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    strides = property(lambda self: self._a.strides)
    nbytes = property(lambda self: self._a.nbytes)
    itemsize = property(lambda self: self._a.itemsize)
    flags = property(lambda self: self._a.flags)
    T = property(lambda self: wrap(self._a.T))
    mT = property(lambda self: wrap(self._a.mT))  # noqa: N815
    real = property(lambda self: wrap(self._a.real))
    imag = property(lambda self: wrap(self._a.imag))
    base = property(lambda self: None if self._a.base is None else wrap(self._a.base))
    device = property(lambda self: _cupy().cuda.Device(0))
    data = property(lambda self: SimpleNamespace(ptr=self._a.ctypes.data))

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Iterator[Any]:
        return (wrap(np.asarray(row)) for row in self._a)

    # What makes the host wait

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> Any:
        audit.sync(".get()")
        if out is None:
            return self._a.copy()
        out[...] = self._a
        return out

    def item(self, *index: Any) -> Any:
        audit.sync(".item()")
        return self._a.item(*index)

    def tolist(self) -> Any:
        audit.sync(".tolist()")
        return self._a.tolist()

    def __float__(self) -> float:
        audit.sync("float(x)")
        return float(self._a)

    def __int__(self) -> int:
        audit.sync("int(x)")
        return int(self._a)

    def __complex__(self) -> complex:
        audit.sync("complex(x)")
        return complex(self._a)

    def __bool__(self) -> bool:
        audit.sync("bool(x)")
        return bool(self._a)

    def __repr__(self) -> str:
        audit.sync("repr(x)")
        return repr(self._a)

    def __str__(self) -> str:
        audit.sync("str(x)")
        return str(self._a)

    def __format__(self, spec: str) -> str:
        audit.sync("format(x)")
        return format(self._a[()], spec)

    def __reduce__(self) -> Any:
        return _cupy().asarray, (self.get(),)

    # Exchange with other libraries

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(_IMPLICIT)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        own = getattr(_cupy(), function.__name__, None)
        return NotImplemented if own is None else own(*args, **kwargs)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        own = getattr(_cupy(), ufunc.__name__, None)
        if own is None or method != "__call__":
            return NotImplemented
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        return own(*inputs, **kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
    ) -> Any:
        if dl_device is None or dl_device[0] != 1:
            raise BufferError("the stand-in for CuPy has no device memory to share; ask for dl_device=(1, 0)")
        return self.get().__dlpack__()

    # Elements

    def __getitem__(self, key: Any) -> Any:
        return wrap(np.asarray(self._a[self._key(key, "read")]))

    def __setitem__(self, key: Any, value: Any) -> None:
        values = unwrap(value)
        where = self._key(key, "written")
        audit.launch("setitem")
        self._a[where] = values

    def _key(self, key: Any, how: str) -> Any:
        """The key for NumPy, after the checks that CuPy does or fails to do."""
        parts = key if isinstance(key, tuple) else (key,)
        plain = []
        axis = 0
        gathers: list[Any] = []
        for part in parts:
            if isinstance(part, np.ndarray) and part.ndim:
                raise TypeError("a NumPy array as an index of a CuPy array: bring it to the device first")
            if isinstance(part, slice):
                if any(isinstance(bound, ndarray) for bound in (part.start, part.stop, part.step)):
                    raise TypeError("slice indices must be integers or None or have an __index__ method")
            elif isinstance(part, (ndarray, list)):
                part = np.asarray(part._a if isinstance(part, ndarray) else part)
                self._check_gather(part, axis, how)
                gathers.append(part)
            axis += 0 if part is None else self.ndim - len(parts) + 1 if part is Ellipsis else 1
            plain.append(part)
        if gathers and how == "read":
            audit.launch("getitem")
        repeated = len(gathers) == 1 and np.unique(gathers[0]).size < gathers[0].size
        if how == "written" and repeated and gathers[0].dtype != bool:
            raise IndexError("an index is repeated in an assignment: CuPy leaves open which value stays")
        return tuple(plain) if isinstance(key, tuple) else plain[0]

    def _check_gather(self, index: Any, axis: int, how: str) -> None:
        if index.dtype == bool:
            audit.sync(f"an array {how} through a mask")
        elif index.size:
            length = self.shape[axis]
            if index.min() < -length or index.max() >= length:
                raise IndexError(f"index out of range for axis {axis} of length {length}; CuPy wraps around")

    # Methods that are not functions of the same name

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> Any:
        if not copy and self.dtype == np.dtype(dtype):
            return self
        audit.launch("astype")
        with np.errstate(all="ignore"):
            return wrap(self._a.astype(dtype))

    def copy(self, order: Any = "C") -> Any:
        audit.launch("copy")
        return wrap(self._a.copy(order=order))

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def fill(self, value: Any) -> None:
        audit.launch("fill")
        self._a.fill(unwrap(value))

    def set(self, values: Any, stream: Any = None) -> None:
        if not isinstance(values, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if values.shape != self.shape or values.dtype != self.dtype:
            raise ValueError(f"expected {self.shape} {self.dtype}, got {values.shape} {values.dtype}")
        audit.launch("set")
        self._a[...] = values

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        return _cupy().reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes: Any) -> Any:
        return wrap(self._a.transpose(*axes))

    def view(self, dtype: Any = None) -> Any:
        return wrap(self._a.view() if dtype is None else self._a.view(dtype))

    def flatten(self, order: Any = "C") -> Any:
        audit.launch("flatten")
        return wrap(self._a.flatten(order))

    def scatter_add(self, slices: Any, value: Any) -> None:
        audit.launch("scatter_add")
        np.add.at(self._a, self._key(slices, "scattered"), unwrap(value))

    def __getattr__(self, name: str) -> Any:
        function = getattr(_cupy(), name, None) if name in _METHODS else None
        if function is None:
            raise AttributeError(f"'cupy.ndarray' object has no attribute {name!r}")
        return lambda *args, **kwargs: function(self, *args, **kwargs)


def _add_operators() -> None:
    """The operators, each in terms of the function of the same meaning."""
    binary = {
        "add": "add",
        "sub": "subtract",
        "mul": "multiply",
        "truediv": "true_divide",
        "floordiv": "floor_divide",
        "mod": "remainder",
        "pow": "power",
        "and": "bitwise_and",
        "or": "bitwise_or",
        "xor": "bitwise_xor",
        "lshift": "left_shift",
        "rshift": "right_shift",
    }
    compare = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
    compare |= {"eq": "equal", "ne": "not_equal"}
    unary = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}

    def operator(function: str, reflected: bool = False, in_place: bool = False) -> Any:
        def apply(self: Any, other: Any) -> Any:
            if not isinstance(other, (*SCALARS, ndarray, np.ndarray)):
                return NotImplemented
            args = (other, self) if reflected else (self, other)
            return getattr(_cupy(), function)(*args, **({"out": self} if in_place else {}))

        return apply

    for short, function in (binary | compare).items():
        setattr(ndarray, f"__{short}__", operator(function))
    for short, function in binary.items():
        setattr(ndarray, f"__r{short}__", operator(function, reflected=True))
        setattr(ndarray, f"__i{short}__", operator(function, in_place=True))
    for short, function in unary.items():
        setattr(ndarray, f"__{short}__", lambda self, function=function: getattr(_cupy(), function)(self))

    def matmul(self: Any, other: Any) -> Any:
        if not isinstance(other, ndarray):
            raise TypeError(
                "Argument 'b' has incorrect type "
                f"(expected cupy._core.core._ndarray_base, got {type(other).__name__})"
            )
        return _cupy().matmul(self, other)

    ndarray.__matmul__ = matmul  # type: ignore[operator]


_add_operators()

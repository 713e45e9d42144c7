"""What a backend is, and how the one in use is chosen.

A *backend* is an array library on a device. Library code calls the functions of the Python Array
API standard, found with :func:`array_namespace`; what the standard lacks is a *kernel*, found with
:func:`kernels_of`. Only this package moves data between host and device.
"""

from __future__ import annotations

import math
import os
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

import array_api_compat

from learnkit.errors import ArgumentError
from learnkit.plugins import registry

if TYPE_CHECKING:
    from learnkit.backends.kernels import Kernels

__all__ = ["Array", "Backend", "array_namespace", "backend_of", "get_backend", "kernels_of", "use_backend"]

#: Any array of the standard: NumPy, CuPy, torch, array-api-strict, or a ``Variable`` over one of them.
Array = Any

#: Python's own numbers. ``np.float64`` is a subclass of ``float`` and is *not* one of them, so code
#: asks for the exact type: a NumPy scalar takes part in type promotion, a Python number does not.
#: Not frozen: ``learnkit.fusion`` adds the type that stands for such a number while a function is traced.
PYTHON_SCALARS: set[type] = {bool, int, float, complex}

_namespaces: dict[type, Any] = {}


def array_namespace(*arrays: Array) -> Any:
    """The namespace of the standard that ``arrays`` belong to.

    Python numbers and ``None`` are ignored. A ``Variable`` wins over a plain array of the library
    that it wraps, so that ``array_namespace(variable, array)`` is the differentiable namespace.

    Raises:
        ArgumentError: arrays of two libraries are mixed, or nothing given is an array.

    >>> import numpy as np
    >>> array_namespace(np.ones(3), 2.0).__name__
    'array_api_compat.numpy'
    """
    found: Any = None
    for x in arrays:
        t = type(x)
        xp = _namespaces.get(t)
        if xp is None:
            if x is None or t in PYTHON_SCALARS:
                continue
            xp = _look_up(x)
        if found is None or found is xp:
            found = xp
        else:
            found = _wrapping(found, xp)
    if found is None:
        given = ", ".join(type(x).__name__ for x in arrays) or "nothing"
        raise ArgumentError(f"expected at least one array of the Array API standard, got {given}")
    return found


def _look_up(x: Any) -> Any:
    """The namespace of one array; remembered by type unless the type wraps other arrays."""
    if getattr(type(x), "wraps_arrays", False):
        return x.__array_namespace__()
    try:
        xp = array_api_compat.array_namespace(x)
    except TypeError:
        raise ArgumentError(
            f"expected an array of the Array API standard, got {type(x).__name__}",
            hint="convert it first, for example with numpy.asarray(...)",
        ) from None
    _namespaces[type(x)] = xp
    return xp


def _wrapping(a: Any, b: Any) -> Any:
    """Of two namespaces, the one that wraps the other."""
    for outer, inner in ((a, b), (b, a)):
        base = getattr(outer, "base_namespace", None)
        while base is not None:
            if base is inner:
                return outer
            base = getattr(base, "base_namespace", None)
    raise ArgumentError(
        f"arrays of two libraries are mixed: {_short(a)} and {_short(b)}",
        hint="bring both to one backend first, for example with get_backend('numpy').asarray(...)",
    )


def _short(xp: Any) -> str:
    return str(getattr(xp, "__name__", xp)).removeprefix("array_api_compat.")


class Backend:
    """An array library on a device: what it takes to bring data there and back.

    A subclass names the library and supplies its namespace; everything else has a version here in
    terms of the standard. Creating a backend imports its library and checks that the device works.

    Args:
        device: name of the device, such as ``"cpu"`` or ``"cuda:1"``; ``None`` is the library's default.

    Attributes:
        name: the registered name, such as ``"numpy"``.
        xp: the array namespace, from array-api-compat where it has one.
        device: the library's device object.
        kernels: the :class:`~learnkit.backends.kernels.Kernels` for arrays of this library.

    Raises:
        MissingDependencyError: the library is not installed.
        BackendError: the device is not there or cannot be used.
    """

    name: ClassVar[str]
    #: Whether reading a value is free because arrays are in the host's memory; on a GPU it waits.
    on_host: bool = True
    #: In which precisions matrices of float32 can be multiplied; see ``backends.products``.
    precisions: tuple[str, ...] = ("float32",)
    #: The one in force. It is set for the class, as it holds for all devices.
    products: str = "float32"
    #: The array types of the library, as ``module.Class``; compared without importing the module.
    array_types: ClassVar[tuple[str, ...]]

    xp: Any
    device: Any
    kernels: Kernels

    def __init__(self, device: str | None = None) -> None:
        raise TypeError("Backend is the contract; create a concrete backend with get_backend(name)")

    def asarray(self, x: Any, dtype: str | None = None) -> Array:
        """``x`` (NumPy array, nested list, number, or an array of this library) on this device.

        Args:
            dtype: name of a dtype of the standard, such as ``"float32"``; ``None`` keeps that of ``x``.
        """
        return self.xp.asarray(x, dtype=None if dtype is None else self.dtype(dtype), device=self.device)

    def to_numpy(self, x: Array) -> Any:
        """A NumPy array with the values of ``x``; waits for the device."""
        raise TypeError(f"backend {self.name!r} does not define to_numpy")

    def dtype(self, name: str) -> Any:
        """The dtype object called ``name`` (``"float32"``, ``"int64"``, ``"bool"``, ...)."""
        found = getattr(self.xp, name, None)
        if found is None:
            raise ArgumentError(
                f"backend {self.name!r} has no dtype {name!r}", hint="usual: float32, float64"
            )
        return found

    @classmethod
    def device_name(cls, device: Any) -> str:
        """The name of one of the library's device objects, as the constructor takes it."""
        return str(device)

    def activate(self) -> None:
        """Make this device the one the library computes on, where it keeps such a setting."""

    def multiply_in(self, products: str) -> None:
        """Multiply float32 matrices in that precision, one of :attr:`precisions`, from now on."""
        type(self).products = products

    def quiet(self) -> AbstractContextManager[Any]:
        """A block in which overflow and NaN give no warning; the training loop looks for them itself."""
        return nullcontext()

    def threads_for(self, multiplications: int) -> AbstractContextManager[Any]:
        """A block in which matrix products of at most so many multiplications have threads that suit them.

        See :mod:`learnkit.backends.blas`; a library that looks after its threads itself is left alone.
        """
        return nullcontext()

    def synchronize(self) -> None:
        """Wait until the device has finished what it was given; a host backend has nothing to do."""

    def describe(self) -> str:
        """One line for people: library, version, device."""
        version = getattr(self.xp, "__version__", None) or "?"
        return f"{self.name} {version} on {self.device_name(self.device)}"

    def __repr__(self) -> str:
        return f"<backend {self.name}, device {self.device_name(self.device)}>"


_instances: dict[tuple[str, str | None], Backend] = {}
_process_default: list[tuple[str, str | None]] = []
_scoped: ContextVar[tuple[str, str | None] | None] = ContextVar("learnkit_backend", default=None)


def get_backend(name: str | Backend | None = None, device: str | None = None) -> Backend:
    """The backend called ``name``, made on first use.

    ``None`` asks for the one in force: the innermost ``with use_backend(...)``, else the process default
    set by ``use_backend(...)``, else the environment variable ``LEARNKIT_BACKEND``, else ``"numpy"``.

    Args:
        name: a registered backend (``"numpy"``, ``"cupy"``, ``"torch"``, ``"strict"``); ``"cupy:1"`` is
            short for device 1; a :class:`Backend` is returned as it is.
        device: the library's name of a device; ``None`` is its default.

    Raises:
        UnknownNameError: no backend of that name is registered, or no kernels of a name in
            ``LEARNKIT_KERNELS``.
        MissingDependencyError: its library is not installed.
        BackendError: its device cannot be used. There is never a silent fall-back to another.

    >>> get_backend("numpy").name
    'numpy'
    """
    if isinstance(name, Backend):
        if device is not None and device != name.device_name(name.device):
            raise ArgumentError(f"device {device!r} was given beside {name!r}")
        return name
    if name is None:
        in_force = _scoped.get() or (_process_default[-1] if _process_default else None)
        if in_force is None:
            in_force = (os.environ.get("LEARNKIT_BACKEND") or "numpy", None)
        name = in_force[0]
        device = device if device is not None else in_force[1]
    if device is None and ":" in name:
        name, device = name.split(":", 1)
    key = (name, device)
    backend = _instances.get(key)
    if backend is None:
        factory = registry.get("backend", name)
        backend = factory(device)
        from learnkit.backends.replacement import dress  # which stands on this module

        dress(backend)
        backend = _instances.setdefault(key, backend)
    return backend


class use_backend:  # noqa: N801  (reads as a verb, like the context managers of the standard library)
    """Choose the backend: for the process when called, for a block when used with ``with``.

    >>> with use_backend("numpy") as backend:
    ...     backend.name
    'numpy'

    Raises:
        UnknownNameError, MissingDependencyError, BackendError: as :func:`get_backend`.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        self.backend = get_backend(name, device)
        self.backend.activate()
        self._before = list(_process_default)
        _process_default[:] = [(self.backend.name, device if device is not None else _device_part(name))]

    def __enter__(self) -> Backend:
        chosen = _process_default[-1]
        _process_default[:] = self._before
        self._token = _scoped.set(chosen)
        return self.backend

    def __exit__(self, *exc: object) -> None:
        _scoped.reset(self._token)


def _device_part(name: str) -> str | None:
    return name.split(":", 1)[1] if ":" in name else None


def type_path(t: type) -> str:
    """``module.Class`` of a type, the way :attr:`Backend.array_types` writes it."""
    return f"{t.__module__}.{t.__qualname__}"


_kernels: dict[type, Kernels] = {}


def kernels_of(x: Array) -> Kernels:
    """The kernels for arrays of the type of ``x``; the generic ones for a library without its own.

    >>> import numpy as np
    >>> from learnkit.backends.numpy import NumpyKernels
    >>> isinstance(kernels_of(np.ones(2)), NumpyKernels)
    True
    """
    t = type(x)
    found = _kernels.get(t)
    if found is None:
        from learnkit.backends.kernels import Kernels

        if getattr(t, "wraps_arrays", False):  # a variable: the generic kernels are differentiable code
            return x.__array_namespace__().kernels  # type: ignore[no-any-return]
        owner = _owner(t)
        if owner is None:
            found = Kernels(array_namespace(x), in_place=array_api_compat.is_writeable_array(x))
        else:
            found = get_backend(owner).kernels
        _kernels[t] = found
    return found


def _owner(t: type) -> str | None:
    """The name of the registered backend whose arrays have type ``t`` or a base of it."""
    paths = {type_path(base) for base in t.__mro__}
    for third_party in (False, True):  # plugins are loaded only if no built-in backend knows the type
        for name in registry.names("backend", third_party=third_party):
            factory = registry.get("backend", name)
            if paths & set(getattr(factory, "array_types", ())):
                return name
    return None


def backend_of(x: Array) -> Backend:
    """The backend, with its device, on which the array ``x`` lives.

    Raises:
        ArgumentError: no registered backend owns arrays of this type.
    """
    t = type(x)
    if getattr(t, "wraps_arrays", False):
        return backend_of(x.data)
    owner = _owner(t)
    if owner is None:
        raise ArgumentError(f"no registered backend owns arrays of type {type_path(t)}")
    default = get_backend(owner)
    device = array_api_compat.device(x)
    if device == default.device:
        return default
    return get_backend(owner, default.device_name(device))


def size_of(shape: tuple[int, ...]) -> int:
    """Number of elements of an array of that shape."""
    return math.prod(shape)

"""Kernels of plugins in place of a backend's own: faster versions of the same operations.

A plugin registers a class under the hook ``learnkit_register_kernels``::

    class TorchConv:
        backend: ClassVar[str] = "numpy"                  # whose kernels it replaces

        def conv(self, x, weight, ...):                   # named and called like the method of Kernels
            if x.dtype != ...:
                return NotImplemented                     # not served: the replaced kernel is called
            ...

Nothing is replaced until somebody asks for it, with :func:`use_kernels` or ``LEARNKIT_KERNELS``. The methods
then shadow those of the backend's kernels, on all its devices, and go away at the end of the block. They are
the process's: other threads see them too. An elementwise function that is fused (``LEARNKIT_FUSE``) is one
operation, so the kernels of its parts, such as ``erf`` in GELU, are not called for it.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

from learnkit.backends.base import Backend
from learnkit.backends.kernels import Kernels
from learnkit.errors import ArgumentError, LearnkitError, UnknownNameError, did_you_mean
from learnkit.plugins import registry
from learnkit.plugins.spec import split_specs

__all__ = ["VARIABLE", "dress", "kernels_in_force", "use_kernels"]

#: The environment variable that is read when the first backend is made.
VARIABLE = "LEARNKIT_KERNELS"

_KNOWN = sorted(name for name, f in inspect.getmembers(Kernels, inspect.isfunction) if name[0] != "_")
#: Public methods of a component that are about itself.
_OWN = frozenset({"config", "migrate"})

_in_force: list[Any] = []
#: Every backend that was made, so that it can be dressed again; there are few, and they live on anyway.
_backends: list[Backend] = []
_environment_read = False


class use_kernels:  # noqa: N801  (reads as a verb, like use_backend)
    """Use kernels of plugins: from now on when called, for a block when used with ``with``.

    They come on top of those in force; where two replace the same operation, the last is used. Without a
    name, none but the backends' own are in force: ``lk.use_kernels()`` takes everything back.

    Args:
        *kernels: registered names with options, ``"torch_conv"``, ``"torch_conv:threads=2"``, several with
            commas between them; classes or objects.

    Raises:
        UnknownNameError: no kernels of that name are registered.
        ArgumentError: a method replaces nothing, or cannot be called like what it replaces.
        MissingDependencyError: they need a library that is not installed.

    >>> import numpy as np, learnkit as lk
    >>> from learnkit.backends import kernels_of
    >>> class Ones:
    ...     backend = "numpy"
    ...     def erf(self, x):
    ...         return np.ones_like(x)
    >>> with lk.use_kernels(Ones()):
    ...     kernels_of(np.zeros(1)).erf(np.zeros(1)).tolist()
    [1.0]
    >>> kernels_of(np.zeros(1)).erf(np.zeros(1)).tolist()
    [0.0]
    """

    def __init__(self, *kernels: Any) -> None:
        _read_environment()
        self._before = list(_in_force)
        made = [_made(one) for given in kernels for one in _each(given)]
        _put([*_in_force, *made] if kernels else [])

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _put(self._before)


def kernels_in_force(backend: str) -> tuple[Any, ...]:
    """The objects whose methods replace kernels of the backend of that name, first to last."""
    return tuple(one for one in _in_force if one.backend == backend)


def dress(backend: Backend) -> None:
    """Give a backend that was just made the kernels in force; ``get_backend`` calls it."""
    _read_environment()
    _backends.append(backend)
    _shadow(backend)


def _read_environment() -> None:
    global _environment_read
    if _environment_read:
        return
    _environment_read = True  # at once: kernels may ask for a backend while they are made
    text = os.environ.get(VARIABLE, "").strip()
    if text:
        try:
            _put([_made(one) for one in split_specs(text)])
        except LearnkitError as error:
            _environment_read = False
            error.message = f"{VARIABLE}: {error.message}"
            raise


def _each(given: Any) -> Iterable[Any]:
    return split_specs(given) if isinstance(given, str) else (given,)


def _made(spec: Any) -> Any:
    """The object of kernels, checked."""
    kernels = registry.create("kernel", spec)
    name = _name(kernels)
    backend = getattr(kernels, "backend", None)
    if not isinstance(backend, str):
        raise ArgumentError(
            f"kernels {name!r} do not say which backend they are for",
            hint='give the class an attribute: backend: ClassVar[str] = "numpy"',
        )
    try:
        registry.get("backend", backend)
    except UnknownNameError as error:
        error.message = f"kernels {name!r}: {error.message}"
        raise
    methods = _methods(kernels)
    for method, function in methods.items():
        if method not in _KNOWN:
            raise ArgumentError(
                f"kernels {name!r}: {method!r} replaces nothing{did_you_mean(method, _KNOWN)}",
                hint=f"kernels that can be replaced: {', '.join(_KNOWN)}; begin the name of a helper with _",
            )
        _check_call(name, method, function)
    if not methods:
        raise ArgumentError(
            f"kernels {name!r} have no method", hint=f"kernels that can be replaced: {', '.join(_KNOWN)}"
        )
    return kernels


def _name(kernels: Any) -> str:
    try:
        return registry.name_of(kernels, "kernel")
    except UnknownNameError:
        return type(kernels).__qualname__


def _methods(kernels: Any) -> Mapping[str, Callable[..., Any]]:
    found = inspect.getmembers(type(kernels), inspect.isroutine)
    return {name: getattr(kernels, name) for name, _ in found if name[0] != "_" and name not in _OWN}


def _check_call(name: str, method: str, function: Callable[..., Any]) -> None:
    """Calls of the replaced kernel must be calls of this one."""
    wanted = inspect.signature(getattr(Kernels, method))
    parameters = list(wanted.parameters.values())[1:]
    by_name = {p.name: None for p in parameters if p.kind is p.KEYWORD_ONLY}
    by_place = [None for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    try:
        inspect.signature(function).bind(*by_place, **by_name)
    except TypeError as error:
        shown = wanted.replace(parameters=parameters, return_annotation=wanted.empty)
        raise ArgumentError(
            f"kernels {name!r}: {method} cannot be called as {method}{shown}: {error}",
            hint="give it the parameters of the kernel that it replaces",
        ) from None


def _put(kernels: list[Any]) -> None:
    _in_force[:] = kernels
    for backend in _backends:
        _shadow(backend)


def _shadow(backend: Backend) -> None:
    """Put the methods in force on the instance, where they hide those of its class."""
    own = vars(backend.kernels)
    for name in [name for name, value in own.items() if hasattr(value, "replaces")]:
        del own[name]
    for kernels in kernels_in_force(backend.name):
        for name, method in _methods(kernels).items():
            own[name] = _falling_back(method, getattr(backend.kernels, name))


def _falling_back(method: Callable[..., Any], replaced: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def kernel(*args: Any, **options: Any) -> Any:
        result = method(*args, **options)
        return replaced(*args, **options) if result is NotImplemented else result

    kernel.replaces = replaced  # type: ignore[attr-defined]
    return kernel

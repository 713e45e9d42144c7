"""The BLAS library that NumPy multiplies with, by the addresses of its functions."""

from __future__ import annotations

import ctypes
import functools
import platform
import sys
import threading
from types import TracebackType
from typing import Any

from learnkit.backends.blas import controller

__all__ = ["Blas", "blas"]

#: Prefix and suffix of the names of CBLAS in builds of OpenBLAS and others.
_NAMES = (("scipy_", "64_"), ("", "64_"), ("", "_64"), ("scipy_", ""), ("", ""))
#: Where an argument on the stack takes no more room than its type, so that its width must be known. Elsewhere
#: a function that takes 32 bits finds them where 64 are passed.
_PACKED = sys.platform == "darwin" and platform.machine() == "arm64"


class Blas:
    """Matrix products on the calling thread.

    As a context manager: within the block the library uses one thread.

    Attributes:
        wide: 1 if integers are passed as 64 bits, else 0.
    """

    def __init__(self, library: Any, prefix: str, suffix: str) -> None:
        self._library = library
        self.wide = int("64" in suffix or not _PACKED)
        self._functions = {
            (name, kind): getattr(library.dynlib, f"{prefix}cblas_{letter}{name}{suffix}")
            for name in ("gemm", "gemv")
            for kind, letter in (("f", "s"), ("d", "d"))
        }
        self._threads, self._limit = _setters(library, prefix, suffix)
        self._lock = threading.Lock()
        self._inside = 0
        self._before = 1

    def address(self, name: str, kind: str) -> int:
        """Of ``"gemm"`` or ``"gemv"``, for the dtype with that character."""
        return ctypes.cast(self._functions[name, kind], ctypes.c_void_p).value or 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = self._threads()
                if self._before != 1:
                    self._limit(1)
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._before != 1:
                self._limit(self._before)


def _setters(library: Any, prefix: str, suffix: str) -> tuple[Any, Any]:
    """What gives and what sets the library's number of threads."""
    names = [f"{prefix}openblas_{verb}_num_threads{suffix}" for verb in ("get", "set")]
    if all(hasattr(library.dynlib, name) for name in names):  # as threadpoolctl's, in a tenth of the time
        getter, setter = (getattr(library.dynlib, name) for name in names)
        return getter, setter
    return library.get_num_threads, library.set_num_threads


@functools.cache
def blas() -> Blas | None:
    """NumPy's library, or ``None`` where it cannot be told, or has no names that are known."""
    found = controller()
    if found is None:
        return None
    libraries = [library for library in found.lib_controllers if library.user_api == "blas"]
    # Others bring one of their own; the products of all are the same but for the last bits.
    libraries.sort(key=lambda library: "numpy" not in str(library.filepath))
    for library in libraries:
        for prefix, suffix in _NAMES:
            if all(hasattr(library.dynlib, f"{prefix}cblas_{f}{suffix}") for f in ("sgemm", "dgemv")):
                return Blas(library, prefix, suffix)
    return None

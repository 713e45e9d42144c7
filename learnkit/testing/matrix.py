"""The matrix of array libraries that every test of array code runs over.

==============  =====================================================================================
``numpy``       the host, which forgives a lot
``strict``      array-api-strict on ``device1``: the standard only, no masks, no shapes that depend on data
``torch``       another library's habits, on the CPU
``cupy``        a real GPU, where there is one
``fakecupy``    the stand-in of ``learnkit.testing.fakecupy``, in a process that was started for it
==============  =====================================================================================

A test takes a :class:`BackendUnderTest`, makes its inputs with :meth:`~BackendUnderTest.asarray` and
looks at results with :meth:`~BackendUnderTest.assert_array`, which also asserts that a result is still in the
library, on the device and of the dtype it should be.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from learnkit.backends import Array, Backend, array_namespace, get_backend
from learnkit.errors import LearnkitError
from learnkit.testing import fakecupy

__all__ = ["BackendUnderTest", "names", "open_backend", "under_fake_cupy", "unavailable"]


def under_fake_cupy() -> bool:
    """Whether this process is one for the stand-in: ``LEARNKIT_FAKE_CUPY=1``."""
    return os.environ.get("LEARNKIT_FAKE_CUPY") == "1"


def names() -> tuple[str, ...]:
    """The backends to run on in this process; the one for the stand-in runs nothing else.

    A real CuPy is among them only where it works: most machines have no GPU, and that is no news.
    """
    if under_fake_cupy():
        return ("fakecupy",)
    return ("numpy", "strict", "torch", *(("cupy",) if unavailable("cupy") is None else ()))


def unavailable(name: str) -> str | None:
    """Why that backend cannot be tested here, or ``None`` if it can."""
    if name == "fakecupy":
        return None if under_fake_cupy() else "runs where LEARNKIT_FAKE_CUPY=1"
    module = {"strict": "array_api_strict"}.get(name, name)
    if importlib.util.find_spec(module) is None:
        return f"{module} is not installed"
    if name == "cupy":
        try:
            get_backend("cupy")
        except LearnkitError as error:
            return error.message
    return None


class BackendUnderTest:
    """A backend with what a test needs around it.

    Attributes:
        name: of the row of the matrix.
        backend: the :class:`~learnkit.backends.Backend`.
        xp: its namespace.
        device: its device.
        kernels: its kernels.
    """

    def __init__(self, name: str, backend: Backend) -> None:
        self.name = name
        self.backend = backend
        self.xp = backend.xp
        self.device = backend.device
        self.kernels = backend.kernels

    def __repr__(self) -> str:
        return f"<{self.name} under test>"

    def asarray(self, x: Any, dtype: str | None = None) -> Array:
        """``x`` on the device; without ``dtype``, floating-point numbers become float32, the others stay."""
        x = np.asarray(x)
        if dtype is None and x.dtype.kind == "f":
            dtype = "float32"
        return self.backend.asarray(np.array(x), dtype)

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        """The values of ``x`` on the host."""
        host: np.ndarray[Any, Any] = self.backend.to_numpy(x)
        return host

    def assert_here(self, got: Array) -> None:
        """``got`` belongs to the library under test and lives on the device under test."""
        import array_api_compat

        xp = array_namespace(got)
        assert xp is self.xp, f"expected an array of {self.xp.__name__}, got {type(got)}"
        device = array_api_compat.device(got)
        assert device == self.device, f"expected an array on {self.device}, got one on {device}"

    def assert_array(
        self,
        got: Array,
        want: Any,
        *,
        like: Array | None = None,
        dtype: str | None = None,
        rtol: float = 1e-5,
        atol: float = 1e-6,
    ) -> None:
        """``got`` is here, has shape and values of ``want``, and the dtype asked for.

        Args:
            got: the result to check.
            want: the expected values, anything that NumPy understands.
            like: an array whose dtype ``got`` should have.
            dtype: or the name of that dtype; without either it is not checked.
            rtol, atol: of the comparison; with both 0 every bit counts, and NaN equals NaN.
        """
        self.assert_here(got)
        want = np.asarray(want)
        expected = like.dtype if like is not None else self.backend.dtype(dtype) if dtype else None
        if expected is not None:
            assert got.dtype == expected, f"expected dtype {expected}, got {got.dtype}"
        assert tuple(got.shape) == want.shape, f"expected shape {want.shape}, got {tuple(got.shape)}"
        np.testing.assert_allclose(self.to_numpy(got), want, rtol=rtol, atol=atol)

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Inside the block the host may not wait for the device; only the stand-in for CuPy notices."""
        if self.name == "fakecupy":
            import cupy

            with cupy.audit.no_sync():
                yield
        else:
            yield

    @contextlib.contextmanager
    def counting(self) -> Iterator[list[str] | None]:
        """The names of the launches inside the block, on the stand-in for CuPy; elsewhere ``None``."""
        if self.name == "fakecupy":
            import cupy

            with cupy.audit.counting() as launched:
                yield launched
        else:
            yield None


@contextlib.contextmanager
def open_backend(name: str) -> Iterator[BackendUnderTest]:
    """The backend of that row, with the settings it is tested under.

    Raises:
        LearnkitError: it is not available here; ask :func:`unavailable` first.
    """
    if name == "fakecupy":
        fakecupy.install()
        yield BackendUnderTest(name, get_backend("cupy"))
    elif name == "strict":
        backend = get_backend("strict", "device1")
        flags = backend.xp.ArrayAPIStrictFlags(
            api_version="2025.12", boolean_indexing=False, data_dependent_shapes=False
        )
        with flags:
            yield BackendUnderTest(name, backend)
    else:
        yield BackendUnderTest(name, get_backend(name))

"""Fixtures for pytest, which finds them by itself where learnkit is installed.

``backend``           runs a test on NumPy, array-api-strict, torch and, where it is installed, CuPy, each a
                      :class:`~learnkit.testing.matrix.BackendUnderTest`; with ``LEARNKIT_FAKE_CUPY=1`` on the
                      stand-in for CuPy and nothing else, as that needs a process of its own
``xp``                the array namespace of ``backend``
``isolated_plugins``  a registry that sees the built-in components only, whatever is installed; what a test
                      registers goes away with it

A test that uses none of them is not touched, and a project's own fixture of one of these names wins. Nothing
of learnkit is imported before a test asks for a fixture.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from learnkit.plugins.registry import Registry
    from learnkit.testing.matrix import BackendUnderTest

__all__ = ["backend", "isolated_plugins", "xp"]


def _rows() -> tuple[str, ...]:
    """The rows of the matrix in this process, without importing an array library."""
    if os.environ.get("LEARNKIT_FAKE_CUPY") == "1":
        return ("fakecupy",)
    real = ("cupy",) if importlib.util.find_spec("cupy") is not None else ()
    return ("numpy", "strict", "torch", *real)


@pytest.fixture(params=_rows())
def backend(request: pytest.FixtureRequest) -> Iterator[BackendUnderTest]:
    """A backend under test; see ``learnkit.testing.matrix``."""
    from learnkit.testing import matrix

    reason = matrix.unavailable(request.param)
    if reason is not None:
        pytest.skip(reason)
    with matrix.open_backend(request.param) as under_test:
        yield under_test


@pytest.fixture
def xp(backend: BackendUnderTest) -> Any:
    """The array namespace of ``backend``."""
    return backend.xp


@pytest.fixture
def isolated_plugins() -> Iterator[Registry]:
    """A registry of the built-in components alone, in force for the length of the test."""
    from learnkit.plugins import registry

    with registry.isolated() as found:
        found.plugins.disable_third_party("isolated_plugins")
        yield found

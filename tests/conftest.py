"""The fixtures that all tests share: those that plugins get, and what this repository needs beside them.

``backend`` runs a test on every array library; such a test gets the mark ``matrix``, so that
``LEARNKIT_FAKE_CUPY=1 python -m pytest -m matrix tests`` runs all of them on the stand-in for CuPy.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from learnkit.testing import fakecupy, matrix

# Installed, pytest finds them by itself; a checkout works without.
from learnkit.testing.pytest_plugin import backend, isolated_plugins, xp  # noqa: F401

# The same examples in every run: a test that fails now and then says nothing about the change at hand.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

if matrix.under_fake_cupy():
    fakecupy.install()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "matrix: runs on every array library; set on tests that use `backend`")
    config.addinivalue_line("markers", "alike: what is installed beside learnkit makes no difference to it")


def pytest_report_header() -> str:
    rows = ", ".join(matrix.names())
    reason = None if matrix.under_fake_cupy() else matrix.unavailable("cupy")
    return f"learnkit backends: {rows}" + (f" (no cupy: {reason})" if reason else "")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "backend" in getattr(item, "fixturenames", ()):
            item.add_marker("matrix")
            # Numba compiles nothing for array-api-strict, and no peer is beside it.
            if (
                getattr(item, "callspec", None) is not None
                and item.callspec.params.get("backend") == "strict"
            ):
                item.add_marker("alike")


@pytest.fixture(autouse=True)
def _default_backend_kept() -> Iterator[None]:
    """A test that sets the process's backend leaves no trace."""
    from learnkit.backends import base

    before = list(base._process_default)
    yield
    base._process_default[:] = before

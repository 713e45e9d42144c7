"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import learnkit

MODULES = [
    "learnkit",
    *(
        found.name
        for found in pkgutil.walk_packages(learnkit.__path__, "learnkit.")
        if not found.name.startswith("learnkit.testing.fakecupy.")
    ),
]


def needs_numba(name):
    """Whether a module holds what Numba compiles; it cannot be imported without."""
    return name.startswith(("learnkit.backends.compiled_", "learnkit.backends.numba_"))


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name, tmp_path, monkeypatch):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] != "learnkit":
            pytest.skip(f"{name} needs {error.name}, which is not installed")
        raise
    monkeypatch.chdir(tmp_path)
    failed = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        report: list[str] = []
        if doctest.DocTestRunner(verbose=False).run(test, out=report.append).failed:
            failed.append("".join(report))
    assert not failed, "\n".join(failed)


def test_there_are_examples():
    count = sum(
        bool(test.examples)
        for name in MODULES
        if not name.startswith(("learnkit.cli", "learnkit.interop", "learnkit.config"))
        if not needs_numba(name)
        for test in doctest.DocTestFinder().find(importlib.import_module(name), name)
    )
    assert count > 50

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


def load(name):
    """The module, or ``None`` where it needs something that is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] != "learnkit":
            return None
        raise


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name, tmp_path, monkeypatch):
    module = load(name)
    if module is None:
        pytest.skip(f"{name} needs something that is not installed")
    monkeypatch.chdir(tmp_path)
    failed = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        report: list[str] = []
        if doctest.DocTestRunner(verbose=False).run(test, out=report.append).failed:
            failed.append("".join(report))
    assert not failed, "\n".join(failed)


def test_there_are_examples():
    modules = {name: load(name) for name in MODULES}
    count = sum(
        bool(test.examples)
        for name, module in modules.items()
        if module is not None
        for test in doctest.DocTestFinder().find(module, name)
    )
    assert count > 50

"""The scripts that made the golden files, as modules: peers are computed by the very same functions."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


def _script(name):
    path = Path(__file__).parents[1] / "golden" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def made():
    """What is computed by PyTorch."""
    return _script("make_golden")


@pytest.fixture(scope="session")
def made_numpy():
    """What is computed by scikit-learn and plain NumPy."""
    return _script("make_golden_numpy")

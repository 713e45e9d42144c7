"""Every test of fused functions runs with each engine that is here."""

from __future__ import annotations

import importlib.util
import logging

import pytest

ENGINES = ["blocks", *(["numba"] if importlib.util.find_spec("numba") else [])]


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    """What runs fused functions on NumPy arrays during the test."""
    monkeypatch.setenv("LEARNKIT_FUSE", request.param)
    return request.param


@pytest.fixture
def said(caplog):
    """What the logger of fusion has said so far: why something is traced again, or not fused."""
    caplog.set_level(logging.DEBUG, "learnkit.fusion")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "learnkit.fusion"]

"""backends and plugins: what is there, and why the rest is not."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from learnkit.plugins import PluginRecord


def test_backends(learnkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are listed whatever LEARNKIT_BACKEND says."""
    monkeypatch.setenv("LEARNKIT_BACKEND", "nonsense")
    result = {b["name"]: b for b in learnkit("backends", "--json").json["backends"]}
    assert {"numpy", "cupy", "torch", "strict"} <= set(result)
    assert result["numpy"]["available"]
    if importlib.util.find_spec("cupy") is None:
        assert not result["cupy"]["available"]
        assert "pip install" in result["cupy"]["hint"]
        text = learnkit("backends").out
        assert "not available" in text
        assert 'pip install "pylearnkit[cuda' in text


def test_no_plugins(learnkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learnkit.plugins.records", lambda: ())
    assert "no plugins are installed" in learnkit("plugins", "list").out
    assert learnkit("plugins", "list", "--json").json == {"plugins": []}


def test_plugins(learnkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each, with what it registers or what went wrong."""
    found = (
        PluginRecord("lion", "learnkit-lion", "0.1.0", "ok", "", {"optimizer": ("lion",)}),
        PluginRecord("bad", "learnkit-bad", "0.2", "failed", "ModuleNotFoundError: No module named 'foo'"),
    )
    monkeypatch.setattr("learnkit.plugins.records", lambda: found)
    lines = learnkit("plugins").out.splitlines()
    assert lines == [
        "plugin         version  status  what it offers, or why it cannot be used",
        "learnkit-lion  0.1.0    ok      optimizer: lion",
        "learnkit-bad   0.2      failed  ModuleNotFoundError: No module named 'foo'",
        "more on one of them: learnkit plugins info bad",
    ]
    listed = learnkit("plugins", "list", "--json").json["plugins"]
    assert listed[0]["components"] == {"optimizer": ["lion"]}
    assert listed[1]["status"] == "failed"

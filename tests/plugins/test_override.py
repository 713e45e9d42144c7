"""A plugin in the place of what is built in: only if the user says so, and never in silence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from learnkit.errors import PluginError
from learnkit.plugins import registry

Install = Callable[..., None]

FAST = """
    from dataclasses import dataclass
    @dataclass(frozen=True)
    class Fast:
        lr: float = 1.0
    def learnkit_register_optimizers(register):
        register("adam", Fast)
        register("fast", Fast)
"""


@pytest.fixture(params=["t-fast", "T_Fast", " speed , "])
def allowed(site: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of the distribution or of the entry point."""
    monkeypatch.setenv("LEARNKIT_OVERRIDE", request.param)


def test_a_plugin_that_is_named_replaces_what_is_built_in(
    allowed: None, install: Install, fresh: registry.Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    install("t-fast", FAST, name="speed")
    made = registry.create("optimizer", "adam")
    assert type(made).__module__ == "t_fast"
    assert capsys.readouterr().err == (
        "plugin t-fast 1.0 replaces the built-in optimizer 'adam' (LEARNKIT_OVERRIDE)\n"
    )
    (record,) = registry.records()
    assert (record.status, record.detail) == ("ok", "it replaces the built-in optimizer 'adam'")
    assert record.components == {"optimizer": ("adam", "fast")}
    assert registry.describe(made) == {"kind": "optimizer", "name": "adam", "lr": 1.0}
    assert registry.names("optimizer") == ["adam", "fast", "sgd"]
    assert registry.get("optimizer", "sgd").__module__ == "t_builtin"


def test_another_plugin_may_not(
    install: Install, fresh: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNKIT_OVERRIDE", "t-fast")
    install("t-fast", FAST.replace('register("adam", Fast)', "pass"))
    install("t-bold", FAST.replace("fast", "bold"))
    assert registry.get("optimizer", "adam").__module__ == "t_builtin"
    assert {record.name: record.status for record in registry.records()} == {
        "t-bold": "conflict",
        "t-fast": "ok",
    }


def test_two_that_may_replace_the_same_are_refused_both(
    install: Install, fresh: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNKIT_OVERRIDE", "t-fast,t-bold")
    install("t-fast", FAST.replace('register("fast", Fast)', "pass"))
    install("t-bold", FAST.replace('register("fast", Fast)', "pass"))
    assert registry.get("optimizer", "adam").__module__ == "t_builtin"
    details = {record.detail for record in registry.records()}
    assert details == {"the optimizer 'adam' is offered by t-bold 1.0 and t-fast 1.0"}


def test_without_it_a_built_in_name_imports_no_plugin(install: Install, fresh: registry.Registry) -> None:
    install("t-fast", FAST)
    assert registry.get("optimizer", "adam").__module__ == "t_builtin"
    assert "t_fast" not in sys.modules


def test_switched_off_plugins_replace_nothing(
    install: Install, fresh: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNKIT_OVERRIDE", "t-fast")
    install("t-fast", FAST)
    registry.disable_third_party("--no-plugins")
    assert registry.get("optimizer", "adam").__module__ == "t_builtin"
    assert "t_fast" not in sys.modules


@pytest.mark.parametrize("variable", ["LEARNKIT_OVERRIDE", "LEARNKIT_PLUGINS"])
def test_one_that_is_named_and_not_installed_is_recorded(
    variable: str, install: Install, fresh: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "t-fats")
    install("t-fast", FAST.replace('register("adam", Fast)', "pass"))
    record = {record.name: record for record in registry.records()}["t-fats"]
    detail = f"named in {variable}, and not installed (did you mean 't-fast'?)"
    assert (record.status, record.detail) == ("failed", detail)
    monkeypatch.setenv("LEARNKIT_STRICT_PLUGINS", "1")
    with registry.isolated(("t_builtin",)), pytest.raises(PluginError, match=f"named in {variable}"):
        registry.records()

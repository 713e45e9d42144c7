"""The page of hooks says everything a plugin author needs, and every hook on it is called."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest

from learnkit.plugins import HOOKS, KINDS, LIFECYCLE, hookspecs
from learnkit.plugins.hooks import PluginHooks

SPECS = {name: value for name, value in vars(hookspecs).items() if name.startswith("learnkit_")}


def test_there_is_one_hook_for_each_kind() -> None:
    assert list(SPECS) == [*HOOKS.values(), *LIFECYCLE]
    assert tuple(HOOKS) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_each_hook_is_documented_with_an_example(kind: str) -> None:
    spec = SPECS[HOOKS[kind]]
    doc = inspect.getdoc(spec) or ""
    assert list(inspect.signature(spec).parameters) == ["register"]
    assert "Args:\n    register: takes a name and" in doc
    assert '``register("' in doc


@pytest.mark.parametrize("kind", KINDS)
def test_each_hook_is_called_for_its_kind_alone(kind: str) -> None:
    called: list[str] = []

    def hook(of: str) -> Any:
        def implementation(register: Any) -> None:
            called.append(of)
            register(name="one", factory=int)

        return implementation

    hooks = PluginHooks(SimpleNamespace(**{HOOKS[of]: hook(of) for of in KINDS}), "all")
    assert hooks.components(kind) == {"one": int}
    assert called == [kind]

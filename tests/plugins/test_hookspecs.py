"""The page of hooks says everything a plugin author needs, and every hook on it is called."""

from __future__ import annotations

import inspect
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from learnkit.plugins import HOOKS, KINDS, LIFECYCLE, hookspecs
from learnkit.plugins.hooks import PluginHooks

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "learnkit" / "docs" / "hooks.md"
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


@pytest.mark.parametrize("hook", LIFECYCLE)
def test_each_lifecycle_hook_says_when_with_what_and_what_for(hook: str) -> None:
    doc = inspect.getdoc(SPECS[hook]) or ""
    assert re.match(r".+: ``.+``\.\n\nCalled ", doc), "an example, and then when it is called"
    arguments = doc.partition("Args:\n")[2]
    for name in inspect.signature(SPECS[hook]).parameters:
        assert f"    {name}: " in arguments
    returns = inspect.signature(SPECS[hook]).return_annotation
    assert ("Returns:" in doc) == (returns != "None")


@pytest.mark.parametrize("hook", SPECS)
def test_each_hook_has_types(hook: str) -> None:
    signature = inspect.signature(SPECS[hook])
    annotations = [p.annotation for p in signature.parameters.values()] + [signature.return_annotation]
    assert inspect.Signature.empty not in annotations


@pytest.mark.parametrize("hook", SPECS)
def test_an_implementation_may_leave_out_arguments(hook: str) -> None:
    """And is called with those that it names."""
    names = list(inspect.signature(SPECS[hook]).parameters)
    seen: list[dict[str, Any]] = []
    for names_taken in (names, names[-1:], []):
        namespace: dict[str, Any] = {"seen": seen}
        arguments = ", ".join(names_taken)
        exec(
            f"def {hook}({arguments}): seen.append(dict({', '.join(f'{n}={n}' for n in names_taken)}))",
            namespace,
        )
        hooks = PluginHooks(SimpleNamespace(**{hook: namespace[hook]}), "few")
        getattr(hooks.hook, hook)(**{name: name for name in names})
        assert seen.pop() == {name: name for name in names_taken}


@pytest.mark.parametrize("hook", SPECS)
def test_each_hook_has_a_page(hook: str) -> None:
    """A chapter of ``learnkit/docs/hooks.md``, headed by its signature, with an example that has the hook."""
    text = PAGE.read_text(encoding="utf-8")
    arguments = ", ".join(inspect.signature(SPECS[hook]).parameters)
    heading = f"\n## `{hook}({arguments})`\n"
    assert heading in text
    chapter = text.partition(heading)[2].partition("\n## ")[0]
    assert re.search(rf"^ *def {hook}\(", chapter, re.MULTILINE), "no example"


@cache
def implementing() -> dict[str, set[str]]:
    """hook: the files of tests in which a plugin implements it."""
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    found: dict[str, set[str]] = {hook: set() for hook in SPECS}
    for path in files:
        text = path.read_text(encoding="utf-8")
        for hook in found:
            if f"def {hook}(" in text:
                found[hook].add(path.name)
    return found


@pytest.mark.parametrize("hook", SPECS)
def test_each_hook_has_a_test(hook: str) -> None:
    """One in which a plugin implements it."""
    assert implementing()[hook], f"no test has a plugin with {hook}"

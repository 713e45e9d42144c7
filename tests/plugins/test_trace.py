"""LEARNKIT_TRACE_PLUGINS=1: each import, call of a hook and registration, with its time, on stderr."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import learnkit as lk
from learnkit.plugins import registry

Install = Callable[..., None]

GOOD = """
    print("hello")
    class Wave: pass
    def learnkit_register_losses(register): register("wave", Wave)
"""


def traced(err: str) -> list[str]:
    return [re.sub(r"  [\d.]+ ms$", "  T", line) for line in err.splitlines()]


def test_everything_that_is_done_is_told(
    install: Install,
    fresh: registry.Registry,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LEARNKIT_TRACE_PLUGINS", "1")
    install("t-good", GOOD)
    install("t-bad", "1 / 0")
    registry.get("loss", "wave")
    out, err = capsys.readouterr()
    assert out == ""
    lines = traced(err)
    for line in (
        "plugins: t_builtin: learnkit_register_losses  T",
        "plugins: t_builtin registers the loss 'mse'",
        "plugins: found 2 in the group learnkit  T",
        "plugins: import of t_bad (t-bad 1.0) raised ZeroDivisionError  T",
        "plugins: t-bad cannot be used: ZeroDivisionError: division by zero",
        "plugins: import of t_good (t-good 1.0) ...",
        "hello",
        "plugins: import of t_good (t-good 1.0)  T",
        "plugins: t-good registers the loss 'wave'",
        "plugins: t-good: learnkit_register_losses  T",
    ):
        assert line in lines
    lk.register_loss("mine", int)
    assert traced(capsys.readouterr().err) == ["plugins: loss 'mine' is builtins.int, registered in code"]


@pytest.mark.parametrize("value", [None, "", "0"])
def test_without_it_nothing_is(
    value: str | None,
    install: Install,
    fresh: registry.Registry,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if value is not None:
        monkeypatch.setenv("LEARNKIT_TRACE_PLUGINS", value)
    install("t-good", GOOD.replace('print("hello")', "pass"))
    registry.get("loss", "wave")
    lk.register_loss("mine", int)
    assert capsys.readouterr() == ("", "")


def test_the_record_knows_how_long_it_took(install: Install, fresh: registry.Registry) -> None:
    install("t-slow", "import time; time.sleep(0.02)")
    install("t-future", "", requires="pylearnkit>=9")
    future, slow = registry.records()
    assert slow.seconds >= 0.02
    assert future.seconds == 0

"""``learnkit plugins check``: of an installed plugin and of a file, good ones and bad ones."""

from __future__ import annotations

import json
import sys
import textwrap

import pytest

from learnkit.cli import main
from learnkit.plugins import registry, runs
from learnkit.testing.plugin import check_plugin

GOOD = """
import learnkit as lk
from dataclasses import dataclass
from learnkit.losses import Loss

@dataclass(frozen=True)
class Wave(Loss):
    delta: float = 1.0

    def per_example(self, y_pred, y_true):
        xp = lk.array_namespace(y_pred)
        d = y_pred - y_true
        return self.delta * xp.mean(d * d, axis=1)

def learnkit_register_losses(register):
    register("wave", Wave)

seen = []

def learnkit_run_started(run):
    seen.append(run.name)

def learnkit_epoch_ended(trainer, report):
    seen.append(report.epoch)
"""
BAD_LOSS = """
import numpy as np
from learnkit.losses import Loss

class Wrong(Loss):
    def per_example(self, y_pred, y_true):
        return np.mean((y_pred - y_true) ** 2, axis=1)  # here

def learnkit_register_losses(register):
    register("wrong", Wrong)
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a module with an entry point; the registry sees what is installed then."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(text, name="t_wave", requires="", group="learnkit"):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        distribution = name.replace("_", "-")
        needs = f"Requires-Dist: {requires}\n" if requires else ""
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n{needs}")
        (info / "entry_points.txt").write_text(
            "".join(f"[{one}]\n{name} = {name}\n" for one in group.split(","))
        )
        return tmp_path / f"{name}.py"

    with registry.isolated():
        yield install
    for name in [name for name in sys.modules if name.startswith("t_")]:
        del sys.modules[name]


def line_of(path, mark):
    return next(i for i, text in enumerate(path.read_text().splitlines(), 1) if mark in text)


def test_a_good_plugin_passes(installed, capsys):
    installed(GOOD, group="learnkit,learnkit.runs")
    assert main(["plugins", "check", "t-wave", "--backend", "numpy,strict"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "t-wave 1.0"
    assert any(line.split()[:2] == ["loss", "wave"] for line in lines)
    assert any(line.split()[:2] == ["hook", "learnkit_epoch_ended"] for line in lines)
    assert lines[-1].endswith(" passed")
    assert sys.modules["t_wave"].seen == ["fit", 1, 2], "its lifecycle hooks were called in a run"


def test_a_mistake_is_told_once_with_its_line_and_the_remedy(installed, capsys):
    path = installed(BAD_LOSS)
    assert main(["plugins", "check", "t_wave", "--backend", "numpy", "--backend", "fakecupy"]) == 1
    text = capsys.readouterr().out
    assert text.count("FAILED  ") == 1
    assert "FAILED  loss wrong: library-numpy, library-fakecupy, gradient" in text
    assert f"{path}:{line_of(path, '# here')}" in text
    assert "return np.mean((y_pred - y_true) ** 2, axis=1)" in text
    assert "-> call the function of the array's own library" in text


def test_the_same_as_json(installed, capsys):
    path = installed(BAD_LOSS)
    assert main(["plugins", "check", "t_wave", "--backend", "numpy", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["plugin"], said["distribution"], said["ok"]) == ("t_wave", "t-wave", False)
    bad = next(r for r in said["results"] if r["check"] == "library-numpy")
    assert (bad["status"], bad["file"], bad["line"]) == ("failed", str(path), line_of(path, "# here"))
    assert {r["status"] for r in said["results"]} <= {"ok", "failed", "skipped"}


def test_a_file_is_checked_by_its_path(installed, tmp_path, monkeypatch, capsys):
    """Also what it registers in code, and without a trace in this process."""
    path = tmp_path / "learnkit_local.py"
    path.write_text(GOOD + "\nlk.register_schedule('halves', lambda step: 1.0 / (1 + step))\n")
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "check", "./learnkit_local.py", "--backend", "numpy"]) == 0
    text = capsys.readouterr().out
    assert "wave" in text
    assert "halves" in text
    assert "seen" not in text


def failures(path):
    return [r for r in check_plugin(str(path), ["numpy"]).results if not r.ok]


HOOKS = {
    "def learnkit_register_loses(register): ...": (
        "there is no hook 'learnkit_register_loses' (did you mean 'learnkit_register_losses'?)",
        "rename it",
    ),
    "def learnkit_register_losses(registers): ...": (
        "an argument 'registers' that learnkit_register_losses is not given (did you mean 'register'?)",
        "def learnkit_register_losses(register), or fewer of them",
    ),
    "def learnkit_epoch_ended(trainer, report=None): ...": (
        "its argument 'report' has a default value, so it is never given",
        "leave out the default: def learnkit_epoch_ended(trainer, report)",
    ),
    "def learnkit_step_ended(*everything): ...": (
        "it takes an argument 'everything' that learnkit_step_ended is not given",
        "def learnkit_step_ended(trainer, report), or fewer of them",
    ),
    "def learnkit_register_losses(register): register('a b', int)": (
        "learnkit_register_losses registers the name 'a b'",
        "register(name, factory) takes a name of letters",
    ),
    "def learnkit_register_losses(register): 1 / 0": ("ZeroDivisionError", "register(name, factory)"),
    "def learnkit_epoch_ended(report): raise OSError('no disk')": (
        "learnkit_epoch_ended failed: OSError: no disk",
        "a hook that raises is switched off",
    ),
    "def learnkit_register_losses(register): yield": (
        "learnkit_register_losses has a yield",
        "a hook is a plain function",
    ),
    "async def learnkit_epoch_ended(report): ...": (
        "learnkit_epoch_ended is written with async",
        "a hook is a plain function",
    ),
    "import nothing_of_that_name": (
        "ModuleNotFoundError: No module named 'nothing_of_that_name'",
        "it has to import without an error",
    ),
    "raise SystemExit(2)": ("SystemExit: 2", "it has to import without an error"),
    "def f(:": ("SyntaxError", "it has to import without an error"),
    "x = 1": ("it registers nothing and sees no run", "write one of the hooks"),
}


@pytest.mark.parametrize("line", HOOKS)
def test_what_is_wrong_with_a_hook(line, tmp_path):
    """The message, the line, and the remedy; what raised is shown whole."""
    message, remedy = HOOKS[line]
    path = tmp_path / "one.py"
    path.write_text(f"\n\n{line}\n")
    (bad,) = failures(path)
    assert message in bad.message
    assert remedy in bad.remedy
    if line != "x = 1":
        assert (bad.file, bad.line) == (str(path), 3)
    if "Error" in message or "Exit" in message:
        assert "one.py" in bad.traceback


def test_a_requirement_that_is_not_met_is_not_imported(installed):
    installed("raise RuntimeError", requires="pylearnkit>=9")
    (bad,) = [r for r in check_plugin("t_wave").results if not r.ok]
    assert (bad.name, bad.message[:22]) == ("requirement", "it needs pylearnkit>=9")


def test_a_name_that_is_taken(installed):
    installed(GOOD.replace('"wave"', '"mse"'), group="learnkit,learnkit.runs")
    (bad,) = [r for r in check_plugin("t_wave", ["numpy"]).results if not r.ok]
    assert "the loss 'mse' is built in" in bad.message


def test_a_component_that_cannot_be_made(tmp_path):
    path = tmp_path / "one.py"
    path.write_text(
        textwrap.dedent(
            """
            from learnkit.losses import Loss
            class Table(Loss):
                def __init__(self, table):
                    self.rows = table["rows"]
            def learnkit_register_losses(register):
                register("table", Table)
            """
        )
    )
    (bad,) = failures(path)
    assert (bad.name, bad.line) == ("made", 5)
    assert "for_checks()" in bad.remedy


def test_with_strict_plugins_a_failure_is_a_result_too(tmp_path, monkeypatch, capsys):
    """And what a plugin prints is not in the JSON."""
    monkeypatch.setenv("LEARNKIT_STRICT_PLUGINS", "1")
    path = tmp_path / "one.py"
    hook = "def learnkit_register_losses(register):\n    register('a', int)\n    register('a', int)\n"
    path.write_text(f"print('hello')\n{hook}")
    assert main(["plugins", "check", str(path), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    (bad,) = [r for r in said["results"] if r["status"] == "failed"]
    assert bad["message"] == "learnkit_register_losses registers 'a' twice"


def test_what_is_not_there(installed, capsys):
    installed(GOOD)
    assert main(["plugins", "check", "t_wav"]) == 2
    assert "no plugin 't_wav' is installed (did you mean 't_wave'?)" in capsys.readouterr().err
    assert main(["plugins", "check", "./none.py"]) == 2
    assert "there is no file './none.py'" in capsys.readouterr().err
    assert main(["plugins", "check", "t_wave", "--backend", "numpi"]) == 2
    assert "--backend is 'numpi'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("hook", "group", "needed"),
    [
        ("def learnkit_epoch_ended(report): ...", "learnkit", "learnkit.runs"),
        (
            "def learnkit_register_datasets(register): register('t_rows', lambda: None)",
            "learnkit.runs",
            "learnkit",
        ),
    ],
)
def test_a_hook_in_the_wrong_group_is_never_called(hook, group, needed, installed):
    path = installed(f"\n{hook}\n", group=group)
    (bad,) = [r for r in check_plugin("t_wave", ["numpy"]).results if r.name == "group"]
    assert f"the entry-point group {needed} does not name the plugin" in bad.message
    assert f'[project.entry-points."{needed}"]' in bad.remedy
    assert (bad.file, bad.line) == (str(path), 2)
    (record,) = [r for r in runs.all_records() if r.name == "t_wave"]
    assert f"is called if the entry-point group {needed} names it too" in record.detail

"""Bad plugins of every sort beside a good one, through the real command line in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import learnkit

ROOT = Path(learnkit.__file__).parents[1]

GOOD = """
    def wave(y_pred, y_true, *, rate=1.0):
        from learnkit import array_namespace
        xp = array_namespace(y_pred)
        top = xp.max(y_pred, axis=1, keepdims=True)
        log_sum = xp.log(xp.sum(xp.exp(y_pred - top), axis=1)) + top[:, 0]
        return rate * (log_sum - xp.take_along_axis(y_pred, y_true[:, None], axis=1)[:, 0])

    def learnkit_register_losses(register):
        register("wave", wave)
"""
LOSSES = "def learnkit_register_losses(register):"
NOISE = "for i in range(50): print('noise', i); print('more noise', i, file=sys.stderr)"

#: distribution: source, options of ``install``, status, beginning of the detail
BAD: dict[str, tuple[str, dict[str, str], str, str]] = {
    # the eight
    "t-import": ("raise ImportError('no such library')", {}, "failed", "ImportError: no such library"),
    "t-exit": ("import sys; print('bye'); sys.exit(3)", {}, "failed", "SystemExit: 3"),
    "t-print": (f"import sys\n{NOISE}\n{LOSSES}\n  {NOISE}", {}, "ok", "it registers nothing"),
    "t-future": (
        "raise AssertionError",
        {"requires": "learnkit>=9"},
        "incompatible",
        "needs learnkit>=9, running",
    ),
    "t-argument": (
        "def learnkit_register_losses(register, config): pass",
        {},
        "failed",
        "Plugin 't-argument' for hook 'learnkit_register_losses'",
    ),
    "t-unknown": (
        "def learnkit_register_loss(register): pass",
        {},
        "failed",
        "unknown hook 'learnkit_register_loss' (did you mean 'learnkit_register_losses'?)",
    ),
    "t-shadow": (
        f"{LOSSES} register('cross_entropy', int)",
        {},
        "conflict",
        "the loss 'cross_entropy' is built in, and t-shadow 1.0 offers it too",
    ),
    "t-hook": (
        f"{LOSSES}\n  register('half', int)\n  raise ValueError('so')",
        {},
        "failed",
        "ValueError: so",
    ),
    # two that offer the same
    "t-twin-a": (
        f"{LOSSES} register('twin', int)",
        {},
        "conflict",
        "the loss 'twin' is offered by t-twin-a 1.0 and",
    ),
    "t-twin-b": (
        f"{LOSSES} register('twin', int)",
        {},
        "conflict",
        "the loss 'twin' is offered by t-twin-a 1.0 and",
    ),
    # writing past print
    "t-write": (
        "import os; os.write(1, b'raw\\n' * 9); os.system('echo from a program')",
        {},
        "ok",
        "it registers",
    ),
    "t-warn": (
        "import warnings; [warnings.warn(f'w{i}') for i in range(9)]",
        {},
        "ok",
        "it registers nothing",
    ),
    "t-log": (
        "import logging; logging.basicConfig(level=0); logging.warning('log')",
        {},
        "ok",
        "it registers nothing; it changed the handlers or the level of the root logger, which is put back",
    ),
    "t-close": (
        "import os, sys; sys.stdout.close(); sys.__stdout__.close()",
        {},
        "ok",
        "it registers nothing; it",
    ),
    "t-atexit": ("import atexit; atexit.register(print, 'after the end')", {}, "ok", "it registers nothing"),
    # changing the process
    "t-chdir": (
        "import os; os.chdir('/')",
        {},
        "ok",
        "it registers nothing; it changed the working directory",
    ),
    "t-environ": (
        "import os; os.environ.clear(); os.environ['LEARNKIT_BACKEND'] = 'cupy'",
        {},
        "ok",
        "it registers nothing; it changed the environment",
    ),
    "t-thread": (
        "import threading; threading.Thread(target=threading.Event().wait, name='t', daemon=True).start()",
        {},
        "ok",
        "it registers nothing; it left a thread running (t)",
    ),
    # neither import nor hook
    "t-base": ("class E(BaseException): pass\nraise E('base')", {}, "failed", "E: base"),
    "t-deep": ("def f(): f()\nf()", {}, "failed", "RecursionError: "),
    "t-missing": (
        "x = 1",
        {"target": ":gone"},
        "failed",
        "AttributeError: module 't_missing' has no attribute 'gone'",
    ),
    "t-number": (
        f"{LOSSES} register(3, int)",
        {},
        "failed",
        "learnkit_register_losses registers the name 3;",
    ),
    "t-neither": (
        f"{LOSSES} register('f', lambda y_pred, y_true, delta=1.0: 0)",
        {},
        "failed",
        "the loss 'f': f(y_pred, y_true, delta=1.0) is neither a loss nor a function that makes one; write",
    ),
    "t-override": (
        "import learnkit as lk; lk.register_loss('mse', int, override=True)",
        {},
        "failed",
        "it registers the loss 'mse' with override=True; only the user can let it",
    ),
}

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(install: Callable[..., None], site: Path, tmp_path: Path) -> Run:
    """The command line in a folder of its own, with all of them installed."""
    for name, (source, options, _, _) in BAD.items():
        install(name, source, **options)
    install("t-good", GOOD)
    (site / "t_builtin.py").unlink()
    work = tmp_path / "work"
    work.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LEARNKIT_", "PYTHONWARN"))}
    environment["PYTHONPATH"] = os.pathsep.join([str(site), str(ROOT)])

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "learnkit.cli", *arguments],
            cwd=work,
            env=environment | more,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )

    return run


def about_plugins(err: str) -> list[str]:
    """The lines of stderr, each of which speaks of one of them."""
    lines = err.splitlines()
    for line in lines:
        assert sum(f"{name} " in line for name in BAD) == 1, line
    return lines


def test_training_with_what_is_built_in_imports_none_of_them(command: Run) -> None:
    done = command("train", "digits", "--epochs", "1", "--name", "one")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "noise" not in done.stdout


def test_the_good_one_trains_beside_them_and_each_costs_a_line_at_most(command: Run) -> None:
    done = command("train", "digits", "--epochs", "1", "--name", "one", "--loss", "wave:rate=2")
    assert done.returncode == 0, done.stderr
    lines = about_plugins(done.stderr)
    assert len(lines) <= len(BAD)
    for name in BAD:
        assert sum(f"{name} " in line for line in lines) <= 1
    assert "noise" not in done.stdout
    assert "loss wave:rate=2" in done.stdout
    assert command("evaluate", "runs/one", "digits").returncode == 0


def test_what_they_write_reaches_no_program_that_reads_the_output(command: Run) -> None:
    done = command("train", "digits", "--epochs", "1", "--name", "one", "--loss", "wave", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epochs"] == 1
    assert "after the end" in done.stderr  # printed when the process ended, and not to stdout
    done = command("predict", "runs/one", "digits")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert rows[0] == "prediction"
    assert all(row.isdigit() for row in rows[1:])
    done = command("train", "digits", "--loss", "wav", "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["message"].startswith("--loss: unknown loss 'wav' (did you mean 'wave'?)")
    assert "failed to load: t-argument (Plugin 't-argument'" in error["hint"]


def test_the_list_names_each_with_its_cause(command: Run) -> None:
    done = command("plugins", "list", "--json")
    assert done.returncode == 0, done.stderr
    found = {plugin["name"]: plugin for plugin in json.loads(done.stdout)["plugins"]}
    for name, (_, _, status, detail) in BAD.items():
        assert found[name]["status"] == status, found[name]
        assert found[name]["detail"].startswith(detail), found[name]
    assert found["t-good"]["status"] == "ok"
    assert found["t-good"]["components"] == {"loss": ["wave"]}
    about_plugins("\n".join(line for line in done.stderr.splitlines() if line != "after the end"))
    lines = command("plugins", "list").stdout.splitlines()
    for name, (_, _, status, detail) in BAD.items():
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        assert status in line
        assert detail in line


def test_without_plugins_none_is_there(command: Run) -> None:
    done = command("train", "digits", "--loss", "wave", "--no-plugins")
    assert done.returncode == 2
    assert "unknown loss 'wave'" in done.stderr
    assert "t-good (--no-plugins)" in done.stderr


def test_strict_mode_stops_at_the_first(command: Run) -> None:
    done = command("train", "digits", "--loss", "wave", LEARNKIT_STRICT_PLUGINS="1")
    assert done.returncode == 5
    assert done.stderr.splitlines()[-2].startswith("error: --loss: plugin 't-argument': ")


def test_one_is_enough_where_it_is_named(command: Run) -> None:
    done = command("train", "digits", "--epochs", "1", "--loss", "wave", LEARNKIT_PLUGINS="t-good")
    assert (done.returncode, done.stderr) == (0, "")

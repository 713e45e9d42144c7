"""Plugins on the command line: their commands and components, and those that see runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("click")
pytest.importorskip("safetensors")
pytest.importorskip("tomli_w")

from learnkit.cli import main
from learnkit.plugins import registry
from learnkit.training.checkpoint import read_content

Run = Callable[..., Any]


class Outcome:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def learnkit(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """``learnkit("train", "digits")`` in an empty directory, with the plugins that a test installs."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    with registry.isolated():
        yield run


SHORT = ("train", "digits", "--epochs", "1", "--hidden", "8", "--name", "first")

COMMAND = """
import json
import click
from learnkit.errors import DataError

@click.command()
@click.argument("who")
@click.option("--json", "as_json", is_flag=True)
@click.option("--no-plugins", is_flag=True)
def hello(who, as_json, no_plugins):
    "Greet WHO."
    if who == "nobody":
        raise DataError("nobody is there", hint="name somebody")
    if who == "bug":
        raise ValueError("a bug")
    if who == "three":
        return 3
    click.echo(json.dumps({"who": who}) if as_json else f"hello {who}")

def learnkit_register_commands(register):
    register("hello", hello)
"""


def test_a_command_of_a_plugin(learnkit: Run, install: Callable[..., None]) -> None:
    install("t-hello", COMMAND)
    done = learnkit("hello", "world")
    assert (done.code, done.out, done.err) == (0, "hello world\n", "")
    assert json.loads(learnkit("hello", "world", "--json").out) == {"who": "world"}
    assert learnkit("hello", "three").code == 3
    assert "Greet WHO." in learnkit("hello", "--help").out
    assert "hello  Greet WHO" in " ".join(learnkit("components", "command").out.split(" ", 40)) or (
        "Greet WHO" in learnkit("components", "command").out
    )


def test_what_a_command_raises_is_said_like_everything_else(
    learnkit: Run, install: Callable[..., None]
) -> None:
    install("t-hello", COMMAND, version="1.4")
    done = learnkit("hello", "nobody")
    assert (done.code, done.err) == (3, "error: nobody is there\n  name somebody\n")
    done = learnkit("hello", "bug")
    assert done.code == 5
    assert done.err.startswith(
        "error: the command of t-hello 1.4 failed: ValueError: a bug\n  this is a bug of"
    )
    done = learnkit("hello")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: Missing argument 'WHO'.")


def test_a_bug_of_a_plugin_is_told_from_one_of_learnkit(learnkit: Run, install: Callable[..., None]) -> None:
    source = """
    def cracked(y_pred, y_true):
        raise RuntimeError("a wheel came off")

    def learnkit_register_losses(register):
        register("cracked", cracked)
    """
    install("t-cracked", source, version="1.4")
    done = learnkit("train", "digits", "--task", "regression", "--loss", "cracked", "--epochs", "1")
    assert "error: RuntimeError: a wheel came off\n  this is a bug of t-cracked 1.4, at " in done.err
    assert "t_cracked.py:3; run with --debug for the traceback" in done.err


def test_an_unknown_command_offers_those_of_plugins(learnkit: Run, install: Callable[..., None]) -> None:
    install("t-hello", COMMAND)
    done = learnkit("hallo")
    assert (done.code, done.err) == (
        2,
        "error: no such command 'hallo' (did you mean 'hello'?)\n  see learnkit --help\n",
    )
    assert "did you mean 'train'" in learnkit("trian").err


def test_plugins_can_be_left_out(learnkit: Run, install: Callable[..., None]) -> None:
    install("t-hello", COMMAND)
    done = learnkit("hello", "world", "--no-plugins")
    assert done.code == 2
    assert "no such command 'hello'" in done.err
    assert "t_hello" not in sys.modules


def test_a_built_in_command_is_never_replaced(
    learnkit: Run, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("t-train", COMMAND.replace('register("hello"', 'register("backends"'))
    monkeypatch.setenv("LEARNKIT_OVERRIDE", "t-train")
    assert "numpy" in learnkit("backends").out
    monkeypatch.delenv("LEARNKIT_OVERRIDE")
    with registry.isolated():
        (record,) = registry.records()
        assert record.status == "conflict"
        assert "the command 'backends' is built in" in record.detail


def test_what_is_no_command_is_refused(learnkit: Run, install: Callable[..., None]) -> None:
    install("t-odd", "def learnkit_register_commands(register): register('odd', print)")
    done = learnkit("odd")
    assert done.code == 5
    assert (
        "the command 'odd' of t-odd 1.0 is a builtin_function_or_method, expected a click.Command" in done.err
    )


def test_help_and_training_import_no_plugin_that_registers_components(
    learnkit: Run, install: Callable[..., None]
) -> None:
    install("t-hello", COMMAND)
    shown = learnkit("--help").out
    assert "Plugins may add commands" in shown
    assert "hello" not in shown
    assert learnkit(*SHORT).code == 0
    assert "t_hello" not in sys.modules


def test_help_imports_no_part_of_the_library() -> None:
    code = "import sys\nfrom learnkit.cli import main\nmain(['--help'])\n"
    code += "print(*[m for m in sys.modules if m in %r])"
    heavy = ["numpy", "pluggy", "importlib.metadata", "learnkit.plugins", "learnkit.training"]
    done = subprocess.run([sys.executable, "-c", code % heavy], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "", done.stdout


# Readers, augmentations, kernels, exporters

PARTS = """
import json
import numpy as np
from learnkit.augment import Augmentation

def read(path):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {key: [row[key] for row in rows] for key in rows[0]}

def louder(x, *, seed, step, by=2.0):
    return x * by

class Counting:
    backend = "numpy"
    calls = 0
    def relu(self, x):
        Counting.calls += 1
        return np.maximum(x, 0)

def export_names(trainer, path, *, extra, sep="\\n"):
    path.write_text(sep.join([*trainer.model.arrays(), extra["task"]]))

def learnkit_register_readers(register):
    register("jsonl", read)
def learnkit_register_augmentations(register):
    register("louder", louder)
def learnkit_register_kernels(register):
    register("counting", Counting)
def learnkit_register_exporters(register):
    register("names", export_names)
"""


def test_a_file_of_a_plugins_format_is_trained_on(learnkit: Run, install: Callable[..., None]) -> None:
    install("t-parts", PARTS)
    rows = [{"a": i % 5, "b": "xyz"[i % 3], "kind": "up" if i % 5 > 2 else "down"} for i in range(60)]
    Path("data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = learnkit("train", "data.jsonl", "--target", "kind", "--epochs", "2", "--quiet")
    assert (done.code, done.out) == (0, "runs/data\n")
    assert len(learnkit("predict", "runs/data", "data.jsonl").out.splitlines()) == 61


def test_augmentations_and_kernels_are_in_the_run(
    learnkit: Run, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("t-parts", PARTS, version="0.7")
    monkeypatch.setenv("LEARNKIT_FUSE", "off")
    done = learnkit(*SHORT, "--augment", "louder:by=3", "--augment", "jitter", "--kernels", "counting")
    assert done.code == 0, done.err
    assert "augmentation: louder:by=3, jitter; of training batches only\nkernels: counting\n" in done.out
    assert sys.modules["t_parts"].Counting.calls > 10
    config = Path("runs/first/config.toml").read_text()
    assert 'kernels = "counting"' in config
    assert "louder:by=3" in config
    content = read_content("runs/first/model.safetensors")
    assert [part["name"] for part in content["augment"]["augmentations"]] == ["louder", "jitter"]
    assert content["kernels"] == [{"kind": "kernel", "name": "counting"}]
    assert content["plugins"] == [
        {
            "distribution": "t-parts",
            "version": "0.7",
            "components": [["augmentation", "louder"], ["kernel", "counting"]],
        }
    ]
    sys.modules["t_parts"].Counting.calls = 0
    again = learnkit("train", "--config", "runs/first/config.toml", "--name", "second")
    assert again.code == 0
    assert sys.modules["t_parts"].Counting.calls > 10
    first, second = (Path(f"runs/{name}/model.safetensors").read_bytes() for name in ("first", "second"))
    assert first == second
    sys.modules["t_parts"].Counting.calls = 0
    assert learnkit("evaluate", "runs/first", "digits").code == 0
    assert sys.modules["t_parts"].Counting.calls == 0  # the block of the training is over


def test_kernels_of_the_environment_are_in_the_run_file(site: Path, install: Callable[..., None]) -> None:
    """In a process of its own: the environment is read once."""
    install("t-parts", PARTS)
    code = "import sys\nfrom importlib import metadata\nfrom learnkit.cli import main\n"
    code += f"sys.exit(main({[*SHORT, '--quiet']!r}))"
    paths = os.pathsep.join([str(site), str(Path(__file__).parents[2])])
    work = site.parent / "work"
    work.mkdir()
    settings = {"PYTHONPATH": paths, "LEARNKIT_KERNELS": "counting", "LEARNKIT_PLUGINS": "t-parts"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=work, env=os.environ | settings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert 'kernels = "counting"' in (work / "runs" / "first" / "config.toml").read_text()
    content = read_content(work / "runs" / "first" / "model.safetensors")
    assert content["kernels"] == [{"kind": "kernel", "name": "counting"}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kernels", "countin"), "--kernels: unknown kernel 'countin' (did you mean 'counting'?)"),
        (("--augment", "loud"), "--augment: unknown augmentation 'loud' (did you mean 'louder'?)"),
        (("--augment", "shift"), "--augment: RandomShift: x has shape (1, 64), expected images"),
    ],
)
def test_mistakes_name_the_option_and_make_no_directory(
    learnkit: Run, install: Callable[..., None], arguments: tuple[str, ...], message: str
) -> None:
    install("t-parts", PARTS)
    done = learnkit(*SHORT, *arguments)
    assert done.code == 2
    assert message in done.err
    assert not Path("runs").exists()


def test_export(learnkit: Run, install: Callable[..., None]) -> None:
    install("t-parts", PARTS)
    assert learnkit(*SHORT).code == 0
    done = learnkit("export", "runs/first", "model.npz")
    assert (done.code, done.out) == (0, "runs/first/model.safetensors written to model.npz as npz\n")
    with np.load("model.npz") as file:
        said = json.loads(str(file["learnkit"]))
        assert file["0.weight"].shape == (64, 8)
    assert said["extra"]["task"] == "classification"
    assert len(said["extra"]["classes"]) == 10
    assert learnkit("export", "runs/first", "--to", "names:sep=' '", "names.txt").code == 0
    assert Path("names.txt").read_text().split()[-1] == "classification"
    done = learnkit("export", "runs/first/model.safetensors", "m.json", "--json")
    assert json.loads(done.out) == {
        "file": "m.json",
        "format": "json",
        "bytes": Path("m.json").stat().st_size,
    }


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("runs/first", "m.onnx"), 2, "unknown exporter 'onnx'"),
        (("runs/first", "m"), 2, "no ending that would tell the format"),
        (("runs/none", "m.npz"), 4, "there is no run 'runs/none'"),
        (("runs/first", "m.npz", "--to", "npz:x=1"), 2, "exporter 'npz' has no option 'x'"),
    ],
)
def test_export_says_what_is_wrong(
    learnkit: Run, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = learnkit("export", *arguments)
    assert done.code == code
    assert message in done.err


# What sees runs

TRACK = """
calls = []
def learnkit_configure_run(config):
    calls.append(("configure", config["source"], config["lr"]))
    return {"lr": 0.125, "seed": 7}
def learnkit_run_started(run):
    calls.append(("started", run.name, str(run.directory), run.config["lr"], run.rows > 1000))
def learnkit_epoch_ended(report):
    calls.append(("epoch", report.epoch))
def learnkit_checkpoint_saved(path):
    calls.append(("saved", path.name))
def learnkit_run_ended(error):
    calls.append(("ended", error))
    print("a line that is no JSON")
"""


def test_a_run_is_seen_from_its_settings_to_its_files(learnkit: Run, install: Callable[..., None]) -> None:
    install("t-track", TRACK, groups=("learnkit.runs",))
    done = learnkit(*SHORT, "--json")
    assert done.code == 0
    assert sys.modules["t_track"].calls == [
        ("configure", "digits", None),
        ("started", "first", "runs/first", 0.125, True),
        ("epoch", 1),
        ("saved", "model.safetensors"),
        ("ended", None),
    ]
    assert json.loads(done.out)["config"]["seed"] == 7
    assert "plugin t-track sets lr=0.125, seed=7" in done.err
    assert "lr = 0.125" in Path("runs/first/config.toml").read_text()


def test_a_setting_of_a_plugin_that_is_refused_is_named(learnkit: Run, install: Callable[..., None]) -> None:
    install("t-wrong", "def learnkit_configure_run(): return {'lr': -1.0}", groups=("learnkit.runs",))
    done = learnkit(*SHORT)
    assert done.code == 0
    assert (
        "plugin t-wrong (learnkit_configure_run failed: plugin t-wrong: lr is -1.0, expected a number > 0; "
        "switched off)\n"
    ) in done.err


def test_a_run_that_fails_is_seen_to(learnkit: Run, install: Callable[..., None]) -> None:
    install("t-track", TRACK.replace("return {", "return None  # {"), groups=("learnkit.runs",))
    done = learnkit(*SHORT, "--lr", "1e30", "--optimizer", "sgd", "--clip", "0", "--schedule", "constant")
    assert done.code == 6
    (kind, error) = sys.modules["t_track"].calls[-1]
    assert (kind, type(error).__name__) == ("ended", "DivergedError")


def test_what_sees_runs_is_listed(learnkit: Run, install: Callable[..., None]) -> None:
    install("t-track", TRACK, groups=("learnkit.runs",))
    install("t-broken", "raise ValueError('x')", groups=("learnkit.runs",))
    found = {
        record["name"]: record for record in json.loads(learnkit("plugins", "list", "--json").out)["plugins"]
    }
    assert found["t-track"]["hooks"][0] == "learnkit_configure_run"
    assert found["t-broken"]["status"] == "failed"
    assert "sees runs: configure_run, run_started" in learnkit("plugins", "list").out


def test_another_version_of_a_plugin_is_a_note(
    learnkit: Run, install: Callable[..., None], site: Path
) -> None:
    install("t-parts", PARTS, version="1.0")
    assert learnkit(*SHORT, "--augment", "louder").code == 0
    metadata = site / "t_parts-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))
    with registry.isolated():
        done = learnkit("evaluate", "runs/first", "digits")
    assert done.code == 0
    assert "note: runs/first/model.safetensors: saved with t-parts 1.0, and 1.1 is installed\n" in done.err

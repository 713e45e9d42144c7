"""``learnkit_local.py``: one more plugin, which is a file beside the run file or in the working directory."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import learnkit
from learnkit.errors import PluginError
from learnkit.plugins import registry
from learnkit.plugins.local import LocalFile

Install = Callable[..., None]

SOURCE = """
import learnkit as lk
from dataclasses import dataclass
@dataclass(frozen=True)
class Wave:
    rate: float = 1.0
def learnkit_register_losses(register): register("wave", Wave)
lk.register_metric("ripple", Wave)
"""


@pytest.fixture
def project(tmp_path: Path, site: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def put(folder: Path, source: str = SOURCE) -> Path:
    path = folder / "learnkit_local.py"
    path.write_text(source)
    return path


def test_it_is_one_more_plugin_and_is_announced(
    project: Path, install: Install, fresh: registry.Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(project)
    install("t-good", "class W: pass\ndef learnkit_register_losses(register): register('other', W)")
    assert registry.use_local(project) == path
    assert registry.get("optimizer", "adam").__module__ == "t_builtin"
    assert "learnkit_local" not in sys.modules  # it is loaded when a name is not built in
    made = registry.create("loss", "wave:rate=2")
    assert capsys.readouterr().err == f"using {path} (--no-plugins leaves it out)\n"
    assert registry.names("loss") == ["l2", "mse", "other", "wave"]
    assert [(r.name, r.distribution, r.status, r.detail) for r in registry.records()] == [
        ("learnkit_local", "", "ok", ""),
        ("t-good", "t-good", "ok", ""),
    ]
    assert registry.records()[0].components == {"loss": ("wave",), "metric": ("ripple",)}
    assert pickle.loads(pickle.dumps(made)) == made
    assert str(project) not in sys.path
    assert [p.name for p in project.iterdir()] == ["learnkit_local.py"]  # nothing is left beside it
    assert capsys.readouterr().err == ""


def test_the_first_folder_that_has_one_counts(
    project: Path, tmp_path: Path, fresh: registry.Registry
) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    path = put(project)
    assert registry.use_local(beside, project) == path
    put(beside, SOURCE.replace('"wave"', '"beside"'))
    assert registry.use_local(beside, project) == beside / "learnkit_local.py"
    assert registry.names("loss") == ["beside", "l2", "mse"]
    registry.use_local(project)
    assert registry.names("loss") == ["l2", "mse", "wave"]
    assert registry.use_local() is None
    assert registry.names("loss") == ["l2", "mse"]
    assert registry.use_local(tmp_path / "missing") is None


def test_it_is_run_once(project: Path, fresh: registry.Registry) -> None:
    put(
        project,
        SOURCE + "import pathlib\nwith open(pathlib.Path(__file__).with_name('log'), 'a') as f: f.write('x')",
    )
    registry.use_local(project)
    registry.names("loss")
    registry.use_local(project)
    registry.names("loss")
    assert (project / "log").read_text() == "x"


@pytest.mark.parametrize(
    ("source", "status", "detail"),
    [
        ("1 / 0", "failed", "ZeroDivisionError: division by zero"),
        ("def f(:", "failed", "SyntaxError: invalid syntax (learnkit_local.py, line 1)"),
        ("raise SystemExit(3)", "failed", "SystemExit: 3"),
        (SOURCE + "\n1 / 0", "failed", "ZeroDivisionError: division by zero"),
        (
            SOURCE.replace('"wave"', '"mse"'),
            "conflict",
            "the loss 'mse' is built in, and {path} offers it too",
        ),
        ("x = 1", "ok", "it registers nothing"),
    ],
)
def test_its_failure_is_a_record(
    source: str,
    status: str,
    detail: str,
    project: Path,
    install: Install,
    fresh: registry.Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = put(project, source)
    install("t-good", "class W: pass\ndef learnkit_register_losses(register): register('other', W)")
    registry.use_local(project)
    record = registry.records()[0]
    assert (record.name, record.status, record.detail) == ("learnkit_local", status, detail.format(path=path))
    assert registry.names("loss") == ["l2", "mse", "other"]
    assert ("learnkit_local" in sys.modules) == (status != "failed")
    if status != "ok":
        monkeypatch.setenv("LEARNKIT_STRICT_PLUGINS", "1")
        with registry.isolated(("t_builtin",)) as strict:
            strict.plugins.use_local(LocalFile(path))
            with pytest.raises(PluginError, match="plugin 'learnkit_local'"):
                strict.records()


def test_two_plugins_of_one_name_with_it_are_refused(
    project: Path, install: Install, fresh: registry.Registry
) -> None:
    path = put(project)
    install("t-wave", "class W: pass\ndef learnkit_register_losses(register): register('wave', W)")
    registry.use_local(project)
    assert registry.names("loss") == ["l2", "mse"]
    detail = f"the loss 'wave' is offered by {path} and t-wave 1.0"
    assert {record.detail for record in registry.records()} == {detail}


@pytest.mark.parametrize("listed", ["", "t-good", None])
def test_it_is_left_out_as_any_other(
    listed: str | None, project: Path, fresh: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(project, "raise AssertionError('imported')")
    if listed is None:
        registry.disable_third_party("--no-plugins")
    else:
        monkeypatch.setenv("LEARNKIT_PLUGINS", listed)
    registry.use_local(project)
    record = next(record for record in registry.records() if record.name == "learnkit_local")
    detail = "--no-plugins" if listed is None else "not in LEARNKIT_PLUGINS"
    assert (record.status, record.detail) == ("blocked", detail)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owners here")
def test_the_file_of_another_user_is_not_run_unless_it_is_named(
    project: Path, fresh: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(project)
    mine = path.stat().st_uid
    monkeypatch.setattr("learnkit.plugins.local.os", SimpleNamespace(getuid=lambda: mine + 1, path=os.path))
    monkeypatch.setattr(Path, "stat", lambda self: SimpleNamespace(st_uid=4711, st_mode=0o100644))
    monkeypatch.setattr(Path, "lstat", lambda self: SimpleNamespace(st_uid=mine + 1))
    fresh.plugins.use_local(LocalFile(path))
    (record,) = registry.records()
    detail = f"{path} belongs to another user; LEARNKIT_PLUGINS=learnkit_local allows it"
    assert (record.status, record.detail) == ("blocked", detail)
    assert "learnkit_local" not in sys.modules
    monkeypatch.setenv("LEARNKIT_PLUGINS", "learnkit_local")
    with registry.isolated(("t_builtin",)) as allowed:
        allowed.plugins.use_local(LocalFile(path))
        assert registry.names("loss") == ["l2", "mse", "wave"]


def test_it_may_replace_what_is_built_in_where_the_user_says_so(
    project: Path, fresh: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNKIT_OVERRIDE", "learnkit_local")
    put(project, SOURCE.replace('"wave"', '"mse"'))
    registry.use_local(project)
    assert registry.get("loss", "mse").__module__ == "learnkit_local"


PROJECT = """
import sys
def learnkit_register_losses(register):
    from learnkit.losses import CrossEntropy
    register("LOSS", type("LOSS", (CrossEntropy,), {}))
def learnkit_run_started(trainer, run):
    print("a run of", type(trainer.loss).__name__)
"""


def test_the_command_line_uses_the_one_beside_the_run_file_else_that_of_its_folder(tmp_path: Path) -> None:
    work, other = tmp_path / "work", tmp_path / "other"
    for folder, loss in ((work, "here"), (other, "there")):
        folder.mkdir()
        put(folder, PROJECT.replace("LOSS", loss))
        (folder / "run.toml").write_text(f'source = "digits"\nepochs = 1\nloss = "{loss}"\n')
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LEARNKIT_")}
    environment["PYTHONPATH"] = str(Path(learnkit.__file__).parents[1])

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "learnkit.cli", *arguments],
            cwd=work,
            env=environment,
            capture_output=True,
            encoding="utf-8",
        )

    done = command("train", "--config", "../other/run.toml", "--name", "far", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epochs"] == 1
    using = f"using {other / 'learnkit_local.py'} (--no-plugins leaves it out)"
    assert [line for line in done.stderr.splitlines() if "learnkit_local" in line] == [using]
    assert "a run of there" in done.stderr

    done = command("train", "digits", "--epochs", "1", "--loss", "here", "--name", "near", "--quiet")
    assert (done.returncode, done.stdout) == (0, "runs/near\n"), done.stderr
    assert f"using {work / 'learnkit_local.py'} (--no-plugins leaves it out)" in done.stderr.splitlines()
    assert command("evaluate", "runs/near", "digits").returncode == 0
    done = command("evaluate", "runs/near", "digits", "--no-plugins")
    assert done.returncode == 4
    assert "learnkit_local.py" in done.stderr
    listed = json.loads(command("plugins", "list", "--json").stdout)["plugins"]
    (record,) = [plugin for plugin in listed if plugin["name"] == "learnkit_local"]
    assert (record["status"], record["components"]) == ("ok", {"loss": ["here"]})

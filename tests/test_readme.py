"""The README is true: its Python runs, its plugin is found, its commands and options exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the comment ``<!-- kind: name -->`` before it, if any."""

    language: str
    text: str
    mark: tuple[str, str] | None


def blocks() -> list[Block]:
    """All fenced blocks, in order."""
    pattern = r"(?:^<!-- (\w+): (\S+) -->\n)?^```(\w*)\n(.*?)^```$"
    return [
        Block(language, text, (kind, name) if kind else None)
        for kind, name, language, text in re.findall(pattern, README, re.MULTILINE | re.DOTALL)
    ]


def marked(kind: str, name: str) -> Block:
    (found,) = (block for block in blocks() if block.mark == (kind, name))
    return found


def learnkit(*arguments: str, cwd: Path, paths: tuple[Path, ...] = ()) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LEARNKIT_")}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (*paths, ROOT)))
    return subprocess.run(
        [sys.executable, "-m", "learnkit.cli", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_the_python_blocks_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one session, each block seeing the names of those before it."""
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("safetensors")
    session: dict[str, object] = {"__name__": "readme"}
    ran = 0
    for block in blocks():
        if block.language == "python" and block.mark is None:
            exec(compile(block.text, f"README.md, block {ran + 1}", "exec"), session)
            ran += 1
    assert ran >= 3


def test_its_plugin_is_found_and_trains(tmp_path: Path) -> None:
    """The module and the entry point, as they stand there, installed the way pip would."""
    site = tmp_path / "site"
    info = site / "learnkit_logcosh-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "learnkit_logcosh.py").write_text(marked("file", "learnkit_logcosh.py").text, encoding="utf-8")
    project = tomllib.loads(marked("file", "pyproject.toml").text)["project"]
    entries = "".join(f"{key} = {value}\n" for key, value in project["entry-points"]["learnkit"].items())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: learnkit-logcosh\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[learnkit]\n{entries}")

    listed = learnkit("plugins", "list", cwd=tmp_path, paths=(site,))
    assert listed.returncode == 0, listed.stderr
    assert "logcosh" in listed.stdout

    rows = [f"{a},{b},{3 * a - b}" for a in range(10) for b in range(10)]
    (tmp_path / "data.csv").write_text("\n".join(["width,height,price", *rows]) + "\n")
    command = "train data.csv --target price --loss logcosh --epochs 2"
    trained = learnkit(*command.split(), cwd=tmp_path, paths=(site,))
    assert trained.returncode == 0, trained.stderr


def commands() -> list[list[str]]:
    """Every call of ``learnkit`` in a block for a shell or a terminal."""
    found = []
    for block in blocks():
        if block.language not in ("bash", "console"):
            continue
        for line in block.text.splitlines():
            prompt, dollar, typed = line.partition("$ ")
            if block.language == "console" and (prompt or not dollar):
                continue  # what the command printed
            call = re.search(r"(?:^|[ /])learnkit (.*)", typed if dollar and not prompt else line)
            if call:
                found.append(shlex.split(call[1], comments=True))
    return found


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_a_command_has_what_the_readme_says(arguments: list[str]) -> None:
    """The command and every option of it exist."""
    click = pytest.importorskip("click")
    from learnkit.cli.app import cli

    command: click.Command = cli
    rest = list(arguments)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"no command {rest[0]!r}"
        command = command.commands[rest.pop(0)]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        if word.startswith("--"):
            assert word.partition("=")[0] in options | {"--help"}


def test_exit_codes_are_those_of_the_errors() -> None:
    """The table in the README and the classes say the same."""
    from learnkit import errors

    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    raised = {
        value.exit_code
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.LearnkitError)
    }
    assert raised | {0} <= listed


def test_extras_are_those_of_the_package() -> None:
    """The table in the README and ``pyproject.toml`` name the same extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    table = README.split("| extra | what for |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", table.replace("`learnkit`", ""))) == set(
        project["optional-dependencies"]
    )


@pytest.mark.parametrize("name", ["main", "test"])
def test_a_marked_command_is_one_line_of_shell(name: str) -> None:
    """What ``.ci/run`` copies: one line, in a bash block after the comment."""
    block = marked("command", name)
    assert block.language == "bash"
    (line,) = block.text.splitlines()
    assert line.startswith("python3 -m venv .venv && ")


def test_paths_exist() -> None:
    """Files and folders that the text names in backquotes are there."""
    folders = ("examples/", "learnkit/", "plugins/", "tests/")
    named = [n.split()[0] for n in re.findall(r"`([^`\n]+)`", README) if n.startswith(folders)]
    assert named
    for name in named:
        assert (ROOT / name).exists(), name

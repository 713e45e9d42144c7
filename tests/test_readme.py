"""The README is true: its Python runs, its plugin is found, its commands and options exist."""

from __future__ import annotations

import os
import re
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
        [sys.executable, "-m", "learnkit", *arguments],
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

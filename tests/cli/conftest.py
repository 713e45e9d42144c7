"""The command line in this process, and small tables to give it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click")
pytest.importorskip("safetensors")
pytest.importorskip("tomli_w")

from learnkit.cli import main
from learnkit.plugins import registry


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def learnkit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """``learnkit("train", "digits")`` in an empty directory, with the built-in components alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEARNKIT_PLUGINS", "")
    monkeypatch.delenv("LEARNKIT_BACKEND", raising=False)

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err + captured.out
        return Outcome(code, captured.out, captured.err)

    with registry.isolated():
        yield run


def flowers(rows: int = 60) -> list[tuple[object, ...]]:
    """size, weight, colour, kind: the kind follows from the size."""
    return [
        (
            i % 20 + 0.5,
            (i * 7) % 13 / 4,
            ("red", "blue", "white")[i % 3],
            "rose" if i % 20 < 10 else "tulip",
        )
        for i in range(rows)
    ]


def as_csv(rows: list[tuple[object, ...]], header: str = "size,weight,colour,kind") -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """``flowers.csv``: two classes."""
    path = tmp_path / "flowers.csv"
    path.write_text(as_csv(flowers()), encoding="utf-8")
    return path


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """``prices.csv``: a number to predict, far from 0 and with a large spread."""
    path = tmp_path / "prices.csv"
    rows = [(a, b, c, f"{5000 + 300 * a - 120 * b + 0.25}") for a, b, c, _ in flowers(120)]
    path.write_text(as_csv(rows, "size,weight,colour,price"), encoding="utf-8")
    return path


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """``write(name, content)`` makes a file in the working directory."""

    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make

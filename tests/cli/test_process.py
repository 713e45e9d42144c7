"""What only a process of its own shows: what is imported, closed pipes, a missing click."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("LEARNKIT_")} | {
    "PYTHONPATH": str(ROOT),
    "LEARNKIT_PLUGINS": "",
}


def python(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


WATCH = """
import sys
from learnkit.cli import main
code = main(sys.argv[1:])
heavy = {"numpy", "rich", "msgspec", "tomli_w", "safetensors"} & set(sys.modules)
assert not heavy, heavy
sys.exit(code)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        *([c, "--help"] for c in ("train", "evaluate", "predict", "backends", "plugins")),
    ],
    ids=" ".join,
)
def test_help_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    done = python(WATCH, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "learnkit" in done.stdout


def test_without_click(tmp_path: Path) -> None:
    """One line that says what to install."""
    done = python(
        "import sys; sys.modules['click'] = None; from learnkit.cli import main; sys.exit(main(['--help']))",
        cwd=tmp_path,
    )
    assert done.returncode == 5
    assert "Traceback" not in done.stderr
    assert 'pip install "pylearnkit[cli]"' in done.stderr


def test_without_safetensors(tmp_path: Path) -> None:
    """Said at the beginning of a training and not at its end."""
    done = python(
        "import sys; sys.modules['safetensors'] = None; from learnkit.cli import main; "
        "sys.exit(main(['train', 'digits']))",
        cwd=tmp_path,
    )
    assert done.returncode == 5
    assert 'pip install "pylearnkit[cli]"' in done.stderr
    assert list(tmp_path.iterdir()) == []


def closed(*arguments: str, cwd: Path) -> tuple[int, str]:
    """Run the command with nobody at the other end of its stdout."""
    process = subprocess.Popen(
        [sys.executable, "-m", "learnkit.cli", *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as stream:
        said = stream.read().decode()
    return process.wait(), said


def test_a_closed_pipe(tmp_path: Path) -> None:
    """A training goes on and is saved; a prediction that nobody reads just ends."""
    code, said = closed("train", "digits", "--epochs", "2", "--hidden", "8", cwd=tmp_path)
    assert (code, said) == (0, "")
    assert (tmp_path / "runs" / "digits" / "model.safetensors").exists()
    code, said = closed("predict", "runs/digits", "digits", cwd=tmp_path)
    assert (code, said) == (141, "")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = python(
        "import sys; from learnkit.cli import main; sys.exit(main(sys.argv[1:]))",
        "train",
        "absent.csv",
        "--debug",
        cwd=tmp_path,
    )
    assert done.returncode == 3
    assert "Traceback" in done.stderr

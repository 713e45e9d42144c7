"""The benchmark scripts still start; what they measure is nobody's business here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from learnkit.testing import matrix

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "benchmarks"
WITH_OPTIONS = (
    "diamonds",
    "digits_seeds",
    "fashion_mnist",
    "imbalance",
    "import_time",
    "mlp_step",
    "optimizers",
    "plugin_loss",
)


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize("name", WITH_OPTIONS)
def test_a_script_says_how_it_is_called(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {name}.py")


def test_launches_are_counted_without_a_gpu() -> None:
    done = run("launches")
    assert done.returncode == 0, done.stderr
    counts = [int(count) for count in re.findall(r"^ +(\d+)  ", done.stdout, re.MULTILINE)]
    assert sum(counts[:-1]) == counts[-1] > 0


@pytest.mark.skipif(matrix.unavailable("cupy") is None, reason="there is a GPU, and the check takes minutes")
def test_the_gpu_check_refuses_a_machine_without_a_gpu() -> None:
    done = run("gpu_check")
    assert done.returncode == 5
    assert done.stderr.startswith("no GPU check")


def test_every_script_is_in_the_table() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert sorted(set(re.findall(r"^\| `(\w+)\.py` \|", readme, re.MULTILINE))) == sorted(
        path.stem for path in FOLDER.glob("*.py")
    )

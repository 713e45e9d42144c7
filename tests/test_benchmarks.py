"""The benchmark scripts still start; what they measure is nobody's business here."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from learnkit.bench import Ratio
from learnkit.testing import matrix

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "benchmarks"
WITH_OPTIONS = (
    "all",
    "autodiff",
    "convolution",
    "diamonds",
    "digits_seeds",
    "fashion_mnist",
    "imbalance",
    "import_time",
    "mlp_step",
    "optimizers",
    "plugin_startup",
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
    """A file that is not run by itself is a part of others."""
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert sorted(set(re.findall(r"^\| `(\w+)\.py` \|", readme, re.MULTILINE))) == sorted(
        path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")
    )


def test_the_figures_are_measured_written_and_drawn(tmp_path: Path) -> None:
    """The rows that are quick, in a run that only shows that everything works."""
    pytest.importorskip("torch")
    page, drawing = tmp_path / "page.md", tmp_path / "chart.svg"
    done = run("all", "--quick", "--only", "plugin,inference", "--out", str(page), "--chart", str(drawing))
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert "these numbers say nothing" in text
    assert text.count("| PyTorch |") == 4
    assert re.search(r"\*\*\d of 3 limits hold\.\*\*", text)
    titles = [e.text for e in ElementTree.parse(drawing).iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == 5  # one of the whole
    assert any("inference 64-128-64-10, batch 1 / PyTorch: " in str(title) for title in titles)


def test_a_row_that_is_not_there_is_refused() -> None:
    done = run("all", "--only", "mlp,gpu")
    assert done.returncode == 2
    assert "no row 'gpu', expected some of mlp,optimizer" in done.stderr


def test_ratios_limits_and_their_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    measure, chart = importlib.import_module("measure"), importlib.import_module("chart")
    ratio, wide = Ratio(0.39, 0.38, 0.41), Ratio(0.6, 0.5, 0.7)
    held = measure.Line("step", "PyTorch", 1e-4, 3e-4, ratio, 0.4, plain=wide, plain_limit=0.55)
    size = measure.Line("memory", "PyTorch", 3.5e6, 1e6, Ratio(3.5, 3.5, 3.5), 1.0, unit="bytes")
    free = measure.Line("import", "PyTorch", 0.1, 1.0, Ratio(0.1, 0.1, 0.1), None)
    assert (held.holds, held.plain_holds, size.holds, free.holds) == (True, False, False, None)
    assert measure.results([held, size, free]).splitlines()[2:] == [
        "| step | PyTorch | 100 us | 300 us | 0.39 (0.38 - 0.41) | 0.40 | yes "
        "| 0.60 (0.50 - 0.70) | 0.55 | **no** |",
        "| memory | PyTorch | 3.5 MB | 1 MB | 3.50 | 1.00 | **no** |  |  |  |",
        "| import | PyTorch | 100 ms | 1 s | 0.10 |  |  |  |  |  |",
    ]
    drawing = chart.draw([held, size, free])
    assert [drawing.count(f'class="{kind}" x=') for kind in ("good", "over", "none")] == [2, 2, 2]
    ElementTree.fromstring(drawing)

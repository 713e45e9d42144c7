"""The examples run, and what they print is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))
QUICK = {
    "04_optimization_algorithms": ["--epochs", "1"],
    "05_learning_rate_strategies": ["--epochs", "1"],
    "06_convolution": ["--epochs", "1"],
}


def run(stem: str, *arguments: str) -> str:
    """What an example prints; a warning is an error."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / f"{stem}.py"), *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def numbers_after(pattern: str, text: str) -> list[float]:
    """Every number that follows ``pattern``."""
    return [float(found) for found in re.findall(pattern + r"\s*(-?[\d.]+(?:e[-+]\d+)?)", text)]


def test_there_is_an_example_for_each_part_of_the_learning_process():
    assert [path.stem for path in EXAMPLES][:5] == [
        "01_forward_propagation",
        "02_backward_propagation",
        "03_loss_functions",
        "04_optimization_algorithms",
        "05_learning_rate_strategies",
    ]


@pytest.mark.parametrize("stem", [path.stem for path in EXAMPLES])
def test_an_example_runs_on_another_backend(stem: str):
    """``--backend strict`` holds an example to the standard; it prints all its sections."""
    pytest.importorskip("array_api_strict")
    printed = run(stem, "--backend", "strict", *QUICK.get(stem, []))
    assert printed.startswith("backend: strict ")
    sections = re.findall(r"^(\d)\. ", printed, re.MULTILINE)
    assert len(sections) >= 3
    assert sections == [str(n) for n in range(1, len(sections) + 1)]


def test_forward_propagation_agrees_with_its_equations():
    printed = run("01_forward_propagation")
    (difference,) = numbers_after("three equations differ by", printed)
    assert difference < 1e-6
    (softmax,) = re.findall(r"   softmax +([\d.]+) +([\d.]+) +([\d.]+)", printed)
    assert sum(map(float, softmax)) == pytest.approx(1, abs=1e-3)
    assert "nan" not in printed


def test_backward_propagation_agrees_with_the_delta_rule():
    printed = run("02_backward_propagation")
    differences = numbers_after(r"differs (?:from dL/d\w+ )?by", printed)
    assert len(differences) == 8
    assert max(differences) < 1e-15
    (falls,) = numbers_after("the loss falls by", printed)
    (promised,) = numbers_after("promises", printed)
    assert falls == pytest.approx(promised, rel=0.01)


def test_losses_fit_what_they_are_said_to_fit():
    printed = run("03_loss_functions")
    fitted = dict(re.findall(r"^   (MSE|MAE|Huber) +([\d.]+)$", printed, re.MULTILINE))
    assert float(fitted["MSE"]) == pytest.approx(20, abs=0.05)
    assert float(fitted["MAE"]) == pytest.approx(3, abs=0.05)
    assert float(fitted["Huber"]) == pytest.approx(3, abs=0.05)
    (difference,) = numbers_after(r"\(softmax - onehot\) / n differ by", printed)
    assert difference < 1e-6


def test_optimizers_agree_with_their_equations_and_learn():
    printed = run("04_optimization_algorithms", "--epochs", "3")
    (by_learnkit,) = re.findall(r"Adam after two steps +(\S+ \S+)", printed)
    (by_hand,) = re.findall(r"   by hand +(\S+ \S+)", printed)
    assert by_learnkit == by_hand
    table = re.findall(
        r"^   ([a-z+ ]+?) +(\d\.\d{4}) +(\d\.\d{4}) +(\d\.\d{4})$", printed.split("3. ")[1], re.MULTILINE
    )
    names = ["sgd", "momentum", "nesterov", "adagrad", "adam", "adamw", "clip + adamw"]
    assert [name for name, *_ in table] == names
    assert all(float(accuracy) > 0.5 for *_, accuracy in table)


def test_schedules_begin_and_end_where_they_should():
    printed = run("05_learning_rate_strategies", "--epochs", "2")
    rows = {
        name: [float(value) for value in values.split()]
        for name, values in re.findall(
            r"^   (constant|cosine|one cycle|step decay) +((?:\d\.\d{4} *){11})$", printed, re.MULTILINE
        )
    }
    assert rows["constant"] == [0.1] * 11
    assert (rows["cosine"][0], rows["cosine"][5], rows["cosine"][10]) == (0.1, 0.05, 0)
    assert (rows["one cycle"][0], rows["one cycle"][10]) == (0.004, 0)
    assert rows["step decay"][9:] == [0.0125, 0.0063]
    assert len(re.findall(r"^   (?:[a-z ]+) +\d\.\d\de[-+]\d\d ", printed, re.MULTILINE)) == 4


def test_convolution_agrees_with_its_equations_and_learns():
    printed = run("06_convolution", "--epochs", "2")
    differences = numbers_after("equation differ by", printed)
    assert len(differences) == 2
    assert max(differences) < 1e-12
    assert "++++++++" in printed.split("2. ")[0]
    table = re.findall(r"^   (convolution|dense) +(\d+) +\S+ +\S+ +(\d\.\d{4})$", printed, re.MULTILINE)
    assert [(name, int(size)) for name, size, _ in table] == [("convolution", 6090), ("dense", 4810)]
    assert all(float(accuracy) > 0.5 for *_, accuracy in table)

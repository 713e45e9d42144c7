"""learnkit schedule draws; learnkit train takes every schedule by name."""

from __future__ import annotations

import io
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from learnkit.plugins import registry

#: What a name needs beside itself.
NEEDS = {
    "exponential": ":gamma=0.9",
    "time": ":rate=0.1",
    "join": ":schedules=['cosine','linear'],boundaries=('50%',)",
    "product": ":schedules=['cosine','warmup']",
}
DRAWN = [n for n in registry.names("schedule", third_party=False) if n != "lambda"]


@pytest.mark.parametrize("name", DRAWN)
def test_every_schedule_is_drawn(learnkit: Any, name: str) -> None:
    result = learnkit("schedule", name + NEEDS.get(name, ""), "--steps", "500", "--lr", "0.25")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert "└" in result.out
    assert any("first" in line for line in lines[-7:])
    assert "499" in lines[-1]
    assert lines[-1].endswith("last")


def test_table_and_epochs(learnkit: Any) -> None:
    out = learnkit("schedule", "step:step_size=10ep", "--epochs", "30", "--steps-per-epoch", "100").out
    assert "step; an epoch has 100" in out
    assert out.splitlines()[-6:] == [
        "    0      1      1  first, highest",
        "  750      8      1  25 %",
        "1,500     16    0.1  50 %",
        "2,000     21   0.01  lowest",
        "2,249     23   0.01  75 %",
        "2,999     30   0.01  last",
    ]


def test_json_and_svg(learnkit: Any, tmp_path: Path) -> None:
    result = learnkit(
        "schedule", "warmup:schedule=cosine,steps=10%", "--steps", "100", "--lr", "0.5",
        "--json", "--svg", "lr.svg", "--log",
    )  # fmt: skip
    found = result.json
    assert found["schedule"] == "Warmup(schedule=Cosine(lr=0.5, total_steps=90), steps=10)"
    assert found["steps"] == 100
    assert found["table"][0] == {"step": 0, "epoch": None, "value": 0.05, "what": "first"}
    assert found["table"][1] == {"step": 9, "epoch": None, "value": 0.5, "what": "highest"}
    assert found["svg"] == "lr.svg"
    assert ET.parse(tmp_path / "lr.svg").getroot().tag.endswith("svg")
    assert "wrote lr.svg" in learnkit("schedule", "cosine", "--svg", "lr.svg").out


def test_a_terminal_without_the_letters(learnkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The values are still printed."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    from learnkit.cli import main

    assert main(["schedule", "cosine", "--steps", "10"]) == 0
    stream.flush()
    text = stream.buffer.getvalue().decode("ascii")
    assert "no letters for a drawing" in text
    assert "first, highest" in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nope"], "unknown schedule 'nope'"),
        (["cosin"], "unknown schedule 'cosin' (did you mean 'cosine'?)"),
        (["cosine:speed=3"], "schedule 'cosine' has no option 'speed'"),
        (["cosine:min_lr=-1"], "Cosine: min_lr is -1, expected a number >= 0"),
        (["cosine:min_lr"], "'min_lr' in 'cosine:min_lr' is not option=value"),
        (["exponential"], "gamma is None and rate is None, expected one of them"),
        (["step:step_size=10ep"], "step_size is '10ep', and the length of an epoch is not known"),
        (["warmup:schedule=nope"], "unknown schedule 'nope'"),
        (["cosine:lr=abc"], "Cosine: lr is 'abc', expected a number > 0"),
        (["onecycle:max_lr=nan"], "OneCycle: max_lr is 'nan', expected a number > 0"),
        (["cosine", "--steps", "0"], "0 is not in the range x>=1"),
        (["cosine", "--lr", "nan"], "lr is nan, expected a number > 0"),
        (["cosine", "--epochs", "3"], "--epochs needs --steps-per-epoch"),
        (["cosine", "--epochs", "3", "--steps", "9"], "--steps and --epochs are both given"),
        (["lambda:function=nothing.there:f"], "'nothing.there' is not imported"),
        ([], "Missing argument 'NAME[:OPTIONS]'"),
    ],
)
def test_what_is_wrong_is_said(learnkit: Any, arguments: list[str], text: str) -> None:
    result = learnkit("schedule", *arguments)
    assert result.code == 2
    assert text in result.err
    assert result.out == ""


def test_a_file_that_cannot_be_written(learnkit: Any) -> None:
    result = learnkit("schedule", "cosine", "--svg", "nowhere/lr.svg")
    assert result.code == 5
    assert "nowhere/lr.svg: No such file or directory" in result.err


@pytest.mark.parametrize("name", DRAWN)
def test_train_takes_every_schedule(learnkit: Any, table: Path, name: str) -> None:
    """The peak is the optimizer's learning rate, also where the schedule holds others."""
    result = learnkit(
        "train", str(table), "--target", "kind", "--epochs", "2", "--hidden", "4",
        "--optimizer", "sgd:lr=0.03", "--schedule", name + NEEDS.get(name, ""), "--clip", "0", "--json",
    )  # fmt: skip
    assert result.code == 0, result.err
    from learnkit.training import Trainer

    (saved,) = Path().glob("runs/*/model.safetensors")
    schedule = Trainer.load(saved).optimizer.lr
    made = registry.create("schedule", registry.describe(schedule))
    assert made == schedule
    run = schedule.resolve(10_000, 10)
    assert max(run(t) for t in range(10_000)) == pytest.approx(0.03, rel=0.05 if name == "product" else 1e-9)


def test_train_with_a_schedule_that_names_its_peak(learnkit: Any, table: Path) -> None:
    for spec in ("cosine:lr=0.1", "warmup:schedule='cosine:lr=0.1'"):
        result = learnkit("train", str(table), "--target", "kind", "--schedule", spec, "--lr", "0.2")
        assert result.code == 2
        assert "the learning rate is given twice" in result.err
    for spec, text in (("cosine:lr=abc", "lr is 'abc'"), ("warmup:schedule=nope", "unknown schedule 'nope'")):
        result = learnkit("train", str(table), "--target", "kind", "--schedule", spec, "--lr", "0.2")
        assert result.code == 2
        assert text in result.err
    result = learnkit("train", str(table), "--target", "kind", "--schedule", "cosine:total_steps=0.5x")
    assert result.code == 2
    assert "--schedule: cosine: Cosine: total_steps is '0.5x'" in result.err or (
        "--schedule: Cosine: total_steps is '0.5x'" in result.err
    )

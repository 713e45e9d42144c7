"""learnkit train without --loss: the loss follows from the target, and is told with its reason."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from learnkit.training.checkpoint import read_content

QUICK = ("--epochs", "1", "--hidden", "4")


def column(write: Any, name: str, values: list[object]) -> None:
    rows = "".join(f"{i % 7},{i % 11},{value}\n" for i, value in enumerate(values))
    write(name, "a,b,y\n" + rows)


def test_the_reason_is_one_line(learnkit: Any) -> None:
    outcome = learnkit("train", "digits", *QUICK)
    lines = [line for line in outcome.out.splitlines() if line.startswith("loss:")]
    assert lines == ["loss: cross_entropy: classes of similar size; --loss overrides it"]


def test_rare_classes(learnkit: Any, write: Any) -> None:
    """Weighted, with weights from the training part; the configuration repeats the run."""
    column(write, "rare.csv", ["spam" if i % 20 == 0 else "ham" for i in range(200)])
    outcome = learnkit("train", "rare.csv", "--target", "y", *QUICK, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["loss_reason"].startswith("class 'spam' has 7 of 140 rows")
    assert outcome.json["config"]["loss"] == "weighted_cross_entropy"
    loss = read_content("runs/rare/model.safetensors")["loss"]
    assert (loss["name"], loss["weight"]) == ("weighted_cross_entropy", [140 / 266, 140 / 14])
    assert tomllib.loads(Path("runs/rare/config.toml").read_text())["loss"] == "weighted_cross_entropy"
    again = learnkit("train", "--config", "runs/rare/config.toml", "--name", "again")
    assert "overrides it" not in again.out.split("plan:")[1]
    first, second = (Path("runs", name, "model.safetensors").read_bytes() for name in ("rare", "again"))
    assert first == second


def test_outliers(learnkit: Any, write: Any) -> None:
    """The delta is that of the standardised target."""
    column(write, "odd.csv", [1e6 if i in (5, 50, 120) else 10 + i % 13 + 0.5 for i in range(200)])
    outcome = learnkit("train", "odd.csv", "--target", "y", *QUICK, "--json", "--seed", "1")
    assert outcome.code == 0, outcome.err
    name, delta = outcome.json["config"]["loss"].split(":delta=")
    assert name == "huber"
    assert 0 < float(delta) < 0.01


def test_numbers(learnkit: Any, prices: Path) -> None:
    outcome = learnkit("train", "prices.csv", "--target", "price", *QUICK)
    assert "loss: mse: no outliers among the targets; --loss overrides it" in outcome.out


def test_a_loss_that_is_named_is_taken(learnkit: Any) -> None:
    outcome = learnkit("train", "digits", *QUICK, "--loss", "focal:gamma=1", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["loss_reason"] is None
    assert outcome.json["config"]["loss"] == "focal:gamma=1"
    assert "overrides it" not in outcome.err.split("plan:")[1]
    weighted = learnkit("train", "digits", *QUICK, "--loss", "weighted_cross_entropy")
    assert weighted.code == 0, weighted.err

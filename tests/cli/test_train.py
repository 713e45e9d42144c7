"""learnkit train: what it writes, what it says, and that it is repeatable."""

from __future__ import annotations

import errno
import json
import os
import signal
import tomllib
from pathlib import Path
from typing import Any

import pytest

from learnkit.training import Trainer, files
from learnkit.training.checkpoint import read_content

QUICK = ("--epochs", "2", "--hidden", "8")


def files_of(run: str) -> list[str]:
    return sorted(path.name for path in Path(run).iterdir())


def test_a_run_has_a_model_metrics_and_a_configuration(learnkit: Any) -> None:
    outcome = learnkit("train", "digits", *QUICK)
    assert outcome.code == 0, outcome.err
    assert files_of("runs/digits") == ["config.toml", "metrics.jsonl", "model.safetensors"]
    records = [json.loads(line) for line in Path("runs/digits/metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    assert {"loss", "val_loss", "metrics", "lr"} <= set(records[0])


def test_what_is_said_before_during_and_after(learnkit: Any) -> None:
    out = learnkit("train", "digits", *QUICK).out
    for part in (
        "1,797 rows",
        "64 features",
        "classification",
        "--task regression overrides it",
        "10 classes: 0 (178)",
        "training, ",
        "seed 0",
        "610 parameters",
        "numpy",
        "2 epochs of",
        "epoch 1/2",
        "baseline",
        "95 % interval",
        "Wilson",
        "most confused",
        "worst classes",
        "learnkit predict runs/digits",
        "learnkit evaluate runs/digits",
    ):
        assert part in out, part


def test_equal_commands_give_equal_bytes(learnkit: Any, table: Path) -> None:
    """Under any name, and from the configuration that the first one wrote, in any directory."""
    command = ("train", "flowers.csv", "--target", "kind", *QUICK, "--seed", "3")
    assert learnkit(*command).code == 0
    assert learnkit(*command, "--name", "other").code == 0
    again = learnkit("train", "--config", "runs/flowers/config.toml", "--name", "third", "--runs-dir", "more")
    assert again.code == 0, again.err
    models = [
        Path(run, "model.safetensors").read_bytes() for run in ("runs/flowers", "runs/other", "more/third")
    ]
    assert models[0] == models[1] == models[2]
    assert Path("runs/flowers/config.toml").read_bytes() == Path("more/third/config.toml").read_bytes()
    assert learnkit(*command[:-1], "4", "--name", "seed").code == 0
    assert Path("runs/seed/model.safetensors").read_bytes() != models[0]


def test_options_win_over_the_configuration(learnkit: Any) -> None:
    learnkit("train", "digits", *QUICK, "--optimizer", "adam:lr=0.002")
    outcome = learnkit("train", "--config", "runs/digits/config.toml", "--epochs", "1", "--lr", "0.01")
    assert outcome.code == 0, outcome.err
    config = tomllib.loads(Path("runs/digits-2/config.toml").read_text())
    assert (config["epochs"], config["lr"], config["hidden"]) == (1, 0.01, [8])
    assert config["optimizer"] == {"name": "adam"}


def test_an_optimizer_of_ones_own_keeps_its_learning_rate(learnkit: Any) -> None:
    """It becomes the peak of the schedule."""
    learnkit("train", "digits", *QUICK, "--optimizer", "sgd:lr=0.05,momentum=0.9", "--clip", "0")
    optimizer = read_content("runs/digits/model.safetensors")["optimizer"]
    assert (optimizer["name"], optimizer["momentum"]) == ("sgd", 0.9)
    assert (optimizer["lr"]["name"], optimizer["lr"]["max_lr"]) == ("onecycle", 0.05)


@pytest.mark.parametrize(
    ("spec", "transforms"),
    [
        (
            'chain:transforms=["accumulate:every=2","ema:decay=0.9"],rule="adam:lr=0.01"',
            ["accumulate", "clip_by_global_norm", "ema"],
        ),
        ('chain:transforms=["sam"],rule="sgd:lr=0.1"', ["clip_by_global_norm", "sam"]),
        (
            'groups:rule="adamw",patterns={"*.bias":{"weight_decay":0.0},"0.*":"frozen"}',
            ["clip_by_global_norm"],
        ),
        ("lbfgs:line_search_fn=strong_wolfe,max_iter=2", None),
    ],
)
def test_optimizers_of_many_parts(learnkit: Any, spec: str, transforms: list[str] | None) -> None:
    """Clipping comes after what makes the gradient, and not at all before a line search."""
    outcome = learnkit("train", "digits", *QUICK, "--optimizer", spec)
    assert outcome.code == 0, outcome.err
    optimizer = read_content("runs/digits/model.safetensors")["optimizer"]
    assert [t["name"] for t in optimizer.get("transforms", [])] == (transforms or [])
    assert learnkit("evaluate", "runs/digits", "digits").code == 0


def test_runs_get_new_names(learnkit: Any) -> None:
    for _ in range(3):
        learnkit("train", "digits", "--epochs", "1", "--hidden", "none")
    assert sorted(os.listdir("runs")) == ["digits", "digits-2", "digits-3"]


def test_a_named_run_is_replaced_only_when_asked(learnkit: Any) -> None:
    """And other files in its directory stay."""
    command = ("train", "digits", "--epochs", "1", "--hidden", "4", "--name", "best")
    learnkit(*command)
    before = Path("runs/best/model.safetensors").read_bytes()
    Path("runs/best/notes.txt").write_text("mine")
    refused = learnkit(*command, "--seed", "1")
    assert (refused.code, "--overwrite" in refused.err) == (2, True)
    assert Path("runs/best/model.safetensors").read_bytes() == before
    assert learnkit(*command, "--seed", "1", "--overwrite").code == 0
    assert Path("runs/best/model.safetensors").read_bytes() != before
    assert files_of("runs/best") == ["config.toml", "metrics.jsonl", "model.safetensors", "notes.txt"]


def test_a_replaced_run_survives_a_failure(learnkit: Any) -> None:
    command = ("train", "digits", "--epochs", "1", "--hidden", "4", "--name", "best")
    learnkit(*command)
    before = Path("runs/best/model.safetensors").read_bytes()
    diverging = ("--optimizer", "sgd", "--lr", "1e30", "--clip", "0", "--loss", "cross_entropy")
    outcome = learnkit(*command, "--overwrite", *diverging)
    assert outcome.code == 6
    assert Path("runs/best/model.safetensors.previous").read_bytes() == before


def test_divergence_keeps_what_was_written(learnkit: Any) -> None:
    outcome = learnkit("train", "digits", "--optimizer", "sgd", "--lr", "1e30", "--clip", "0")
    assert outcome.code == 6
    assert "the loss is" in outcome.err
    assert "--lr" in outcome.err
    assert files_of("runs/digits") == ["config.toml", "metrics.jsonl"]


def test_regression_speaks_in_original_units(learnkit: Any, prices: Path) -> None:
    """The target lies around 7000, and so do predictions; errors are no fractions of a spread."""
    outcome = learnkit("train", "prices.csv", "--target", "price", "--epochs", "60", "--json")
    assert outcome.code == 0, outcome.err
    result = outcome.json
    assert set(result["metrics"]) == {"rmse", "mae", "r2"}
    assert 1 < result["metrics"]["rmse"] < result["held_out"]["baseline"]["metrics"]["rmse"] / 2
    assert result["held_out"]["baseline"]["metrics"]["rmse"] > 1000
    epochs = [json.loads(line) for line in Path("runs/prices/metrics.jsonl").read_text().splitlines()]
    assert epochs[0]["metrics"]["rmse"] > 500
    predicted = learnkit("predict", "runs/prices", "prices.csv").out.splitlines()
    assert predicted[0] == "prediction"
    assert 4000 < float(predicted[1]) < 12000


def test_json_is_alone_on_stdout(learnkit: Any) -> None:
    outcome = learnkit("train", "digits", *QUICK, "--json")
    result = outcome.json
    assert result["run"] == os.path.join("runs", "digits")
    assert result["rows"] == {"training": 1258, "validation": 180, "test": 359}
    assert result["held_out"]["metrics"]["accuracy"]["method"] == "Wilson"
    assert "epoch 1/2" in outcome.err


def test_quiet_prints_the_directory(learnkit: Any) -> None:
    assert learnkit("train", "digits", *QUICK, "--quiet").out.strip() == os.path.join("runs", "digits")


def test_a_dry_run_writes_nothing(learnkit: Any) -> None:
    outcome = learnkit("train", "digits", "--dry-run", "--json")
    assert (outcome.code, outcome.json["epochs"], outcome.json["batch_size"]) == (0, 40, 32)
    assert os.listdir(".") == []


def test_early_stopping_is_told(learnkit: Any) -> None:
    out = learnkit("train", "digits", "--hidden", "8", "--epochs", "60", "--patience", "0", "--lr", "0.1").out
    assert "stopped early" in out
    assert "its weights are kept" in out


def test_without_parts_to_hold_out_the_training_part_is_named(learnkit: Any, table: Path) -> None:
    out = learnkit("train", "flowers.csv", "--target", "kind", *QUICK, "--test", "0", "--validation", "0").out
    assert "training part, 60 rows" in out


def test_ctrl_c_saves_what_there_is(learnkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The running step is finished, the model is saved and can be used, and the exit code is 130."""
    step = Trainer.step_rows

    def interrupted(self: Trainer, rows: Any) -> Any:
        if self.steps_done == 60:
            signal.raise_signal(signal.SIGINT)
        return step(self, rows)

    monkeypatch.setattr(Trainer, "step_rows", interrupted)
    outcome = learnkit("train", "digits", "--hidden", "8")
    assert outcome.code == 130
    assert "interrupted in epoch 2" in outcome.out
    assert "runs/digits" in outcome.out
    content = read_content("runs/digits/model.safetensors")
    assert (content["step"], content["extra"]["finished"]) == (61, False)


def test_a_directory_that_cannot_be_made(learnkit: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = learnkit("train", "digits", *QUICK, "--runs-dir", "file")
    assert outcome.code == 5
    assert "--runs-dir" in outcome.err


def test_a_full_disk(learnkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saving says so; what was written before stays."""
    calls = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 2:  # the configuration and its directory were written
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    outcome = learnkit("train", "digits", *QUICK)
    assert outcome.code == 5
    assert "No space left on device" in outcome.err
    assert files_of("runs/digits") == ["config.toml", "metrics.jsonl"]


def test_an_unexpected_error_is_one_line(learnkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> None:
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr("learnkit.cli.training.load_source", broken)
    outcome = learnkit("train", "digits")
    assert outcome.code == 1
    assert outcome.err.splitlines() == [
        "error: RuntimeError: a wheel came off",
        "  this is a bug; run with --debug for the traceback",
    ]


@pytest.mark.parametrize("backend", ["torch", "strict"])
def test_other_backends(learnkit: Any, backend: str) -> None:
    pytest.importorskip({"torch": "torch", "strict": "array_api_strict"}[backend])
    outcome = learnkit("train", "digits", "--epochs", "1", "--hidden", "8", "--backend", backend, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["backend"].startswith(backend)

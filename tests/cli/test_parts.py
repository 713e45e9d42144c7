"""Parts of a training by name: initializer, layer, constraint, transforms, metrics and callbacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from learnkit.nn import Linear, RMSNorm
from learnkit.optim import Centralize, Chain, WeightDecay
from learnkit.training import Trainer

QUICK = ("--epochs", "2", "--hidden", "8,4", "--dropout", "0", "--name", "a", "--overwrite")


def trained(learnkit: Any, *options: str) -> Trainer:
    outcome = learnkit("train", "digits", *QUICK, *options)
    assert outcome.code == 0, outcome.err
    return Trainer.load("runs/a/model.safetensors")


def linears(trainer: Trainer) -> list[Linear]:
    return [layer for layer in trainer.model.layers if isinstance(layer, Linear)]  # type: ignore[attr-defined]


def test_an_initializer_and_a_constraint_are_those_of_the_hidden_layers(learnkit: Any) -> None:
    options = ("--init", "constant:value=0.25", "--constraint", "max_norm:max_value=0.5")
    *hidden, last = linears(trained(learnkit, *options))
    for layer in hidden:
        norms = (layer.weight**2).sum(axis=0) ** 0.5
        assert norms.max() <= 0.5 + 1e-6
        assert norms.min() > 0.4
    assert last.parameters()["weight"].constraint is None
    assert 'init = "constant:value=0.25"' in Path("runs/a/config.toml").read_text()


@pytest.mark.parametrize(("spec", "eps"), [("rms_norm", 1e-6), ("rms_norm:eps=0.5", 0.5)])
def test_a_layer_stands_behind_each_hidden_one_with_its_width(learnkit: Any, spec: str, eps: float) -> None:
    layers = list(trained(learnkit, "--layer", spec).model.layers)  # type: ignore[attr-defined]
    assert [type(layer).__name__ for layer in layers] == [
        *("Linear", "RMSNorm", "ReLU", "Linear", "RMSNorm", "ReLU", "Linear")
    ]
    norms = [layer for layer in layers if isinstance(layer, RMSNorm)]
    assert [norm.normalized_shape for norm in norms] == [(8,), (4,)]
    assert [norm.eps for norm in norms] == [eps, eps]


def test_a_layer_may_be_given_its_width_or_need_none(learnkit: Any) -> None:
    trained(learnkit, "--layer", "dropout:p=0.1")
    outcome = learnkit("train", "digits", *QUICK, "--layer", "layer_norm:normalized_shape=5")
    assert outcome.code == 2
    assert "LayerNorm got x of shape" in outcome.err


def test_transforms_stand_in_front_of_the_optimizer_in_their_order(learnkit: Any) -> None:
    options = ("--transform", "centralize", "--transform", "weight_decay:weight_decay=0.1")
    optimizer = trained(learnkit, *options, "--optimizer", "sgd:lr=0.1", "--clip", "0").optimizer
    assert isinstance(optimizer, Chain)
    assert [type(part) for part in optimizer.transforms] == [Centralize, WeightDecay]


def test_metrics_are_reported_beside_those_of_the_task(learnkit: Any) -> None:
    trained(
        learnkit, "--metric", "balanced_accuracy", "--metric", "top_k_accuracy:k=3", "--metric", "accuracy"
    )
    last = json.loads(Path("runs/a/metrics.jsonl").read_text().splitlines()[-1])
    assert set(last["metrics"]) == {"accuracy", "balanced_accuracy", "top_k_accuracy"}
    assert last["metrics"]["top_k_accuracy"] > last["metrics"]["accuracy"]


def test_a_callback_is_called(learnkit: Any) -> None:
    options = ("--callback", "early_stopping:patience=0,min_delta=100", "--epochs", "9")
    assert len(trained(learnkit, *options).history) == 2


@pytest.mark.parametrize(
    "option", ["--init", "--layer", "--constraint", "--transform", "--metric", "--callback"]
)
def test_an_unknown_name_is_said_with_its_option(learnkit: Any, option: str) -> None:
    outcome = learnkit("train", "digits", *QUICK, option, "nothing_of_this_name")
    assert outcome.code == 2
    assert f"error: {option}: unknown " in outcome.err
    assert not Path("runs").exists()


def test_a_run_is_repeated_from_its_configuration(learnkit: Any) -> None:
    options = ("--metric", "f1:average=macro", "--transform", "centralize", "--layer", "layer_norm")
    first = trained(learnkit, *options, "--callback", "early_stopping:patience=3")
    outcome = learnkit("train", "--config", "runs/a/config.toml", "--name", "b")
    assert outcome.code == 0, outcome.err
    assert Path("runs/a/model.safetensors").read_bytes() == Path("runs/b/model.safetensors").read_bytes()
    assert first.history["loss"] == Trainer.load("runs/b/model.safetensors").history["loss"]


def test_without_a_gpu_the_stand_in_for_cupy_is_a_backend(tmp_path: Path) -> None:
    """In a process of its own: once imported, it cannot be unimported."""
    import os
    import subprocess
    import sys

    command = "train digits --epochs 1 --hidden 8 --backend cupy --json".split()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LEARNKIT_")}
    done = subprocess.run(
        [sys.executable, "-m", "learnkit.cli", *command],
        cwd=tmp_path,
        env=environment | {"LEARNKIT_FAKE_CUPY": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["backend"].startswith("cupy ")

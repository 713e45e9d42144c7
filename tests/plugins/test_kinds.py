"""An installed plugin with components of the kinds that no other test has a plugin for; all train by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import learnkit as lk
from learnkit.plugins import registry
from learnkit.training import Trainer
from learnkit.training.checkpoint import read_content

PLUGIN = """
from dataclasses import dataclass

import numpy as np
from learnkit.backends import array_namespace
from learnkit.backends.numpy import NumpyBackend
from learnkit.nn import Constraint
from learnkit.nn.init import Initializer
from learnkit.optim import Transform
from learnkit.training import Callback


@dataclass(frozen=True)
class Ramp(Initializer):
    top: float = 1.0

    def __call__(self, shape, *, seed, stream, dtype="float32"):
        return np.linspace(0, self.top, int(np.prod(shape)), dtype=dtype).reshape(shape)


@dataclass(frozen=True)
class Halve(Transform):
    def transform(self, grads):
        return [g * 0.5 for g in grads]


@dataclass(frozen=True)
class AtMost(Constraint):
    limit: float = 1.0

    def __call__(self, w):
        xp = array_namespace(w)
        return xp.minimum(w, xp.full_like(w, self.limit))


class Losses(Callback):
    def __init__(self, file="losses.txt"):
        self.file = file

    def on_epoch_end(self, trainer, report):
        with open(self.file, "a") as file:
            print(report.epoch, file=file)


class Mirror(NumpyBackend):
    name = "mirror"


def learnkit_register_initializers(register):
    register("ramp", Ramp)


def learnkit_register_transforms(register):
    register("halve", Halve)


def learnkit_register_constraints(register):
    register("at_most", AtMost)


def learnkit_register_callbacks(register):
    register("losses", Losses)


def learnkit_register_backends(register):
    register("mirror", Mirror)
"""

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)


@pytest.fixture(autouse=True)
def plugin(install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from learnkit.backends import base

    install("t-kinds", PLUGIN)
    monkeypatch.setattr(base, "_instances", dict(base._instances))
    with registry.isolated():
        yield


def weights(optimizer: str, **options: str) -> np.ndarray:
    made = Trainer(lk.nn.Linear(3, 1, bias=False, **options), "mse", optimizer)
    made.step(X, X[:, :1])
    return np.asarray(made.model.arrays()["weight"])


def test_an_initializer() -> None:
    made = Trainer(lk.nn.Linear(3, 1, weight_init="ramp:top=4"), "mse")
    assert made.model.arrays()["weight"].tolist() == [[0.0], [2.0], [4.0]]


def test_a_transform() -> None:
    start = np.asarray([[0.0], [0.5], [1.0]], dtype=np.float32)
    whole = weights("sgd:lr=0.1", weight_init="ramp") - start
    chain = {
        "name": "chain",
        "transforms": [{"kind": "transform", "name": "halve"}],
        "rule": {"kind": "optimizer", "name": "sgd", "lr": 0.1},
    }
    made = Trainer(lk.nn.Linear(3, 1, bias=False, weight_init="ramp"), "mse", chain)
    made.step(X, X[:, :1])
    np.testing.assert_allclose(made.model.arrays()["weight"] - start, whole / 2, rtol=1e-5)


def test_a_constraint() -> None:
    kept = weights("sgd:lr=0.0001", weight_init="ramp:top=4", weight_constraint="at_most:limit=0.5")
    assert kept.max() == 0.5


def test_a_callback(tmp_path: Path) -> None:
    made = registry.create("callback", f"losses:file='{tmp_path / 'seen'}'")
    trainer = Trainer(lk.nn.Linear(3, 1), "mse")
    trainer.fit(X, X[:, :1], epochs=2, callbacks=[made], verbose=False)
    assert (tmp_path / "seen").read_text() == "1\n2\n"


def test_a_backend(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    trainer = Trainer(lk.nn.Linear(3, 1), "mse", backend="mirror")
    trainer.fit(X, X[:, :1], verbose=False)
    assert type(trainer.backend).__name__ == "Mirror"
    assert read_content(trainer.save(tmp_path / "a.safetensors"))["backend"] == "mirror"


def test_all_of_them_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("click", "safetensors", "tomli_w"):
        pytest.importorskip(module)
    from learnkit.cli import main

    monkeypatch.chdir(tmp_path)
    options = ["--init", "ramp:top=0.01", "--transform", "halve", "--constraint", "at_most:limit=2"]
    options += ["--callback", "losses", "--backend", "mirror", "--epochs", "1", "--hidden", "8"]
    assert main(["train", "digits", "--name", "a", "--json", *options]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["backend"] == "mirror"
    assert Path("losses.txt").read_text() == "1\n"
    (plugin,) = read_content("runs/a/model.safetensors")["plugins"]
    assert plugin["components"] == [
        ["constraint", "at_most"],
        ["initializer", "ramp"],
        ["transform", "halve"],
    ]

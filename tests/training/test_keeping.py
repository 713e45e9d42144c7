"""ModelCheckpoint: which epochs are saved, and that a saved one goes on."""

from __future__ import annotations

import numpy as np
import pytest

import learnkit as lk
from learnkit.errors import ArgumentError
from learnkit.training import EpochReport, ModelCheckpoint

pytest.importorskip("safetensors")

X = np.random.default_rng(0).standard_normal((64, 3)).astype("float32")
Y = X[:, :1] * 2


class Told:
    """A trainer that only notes where it is asked to save."""

    def __init__(self):
        self.metrics = {"accuracy": lk.metrics.Accuracy(), "rmse": lk.metrics.RMSE()}
        self.saved = []

    def save(self, path):
        self.saved.append(str(path))
        return path


def report(epoch, value):
    values = {"accuracy": value, "rmse": value}
    return EpochReport(
        epoch=epoch,
        epochs=9,
        step=epoch,
        loss=value,
        val_loss=value,
        metrics=values,
        lr=0.1,
        grad_norm=1.0,
        seconds=1.0,
        rows=1,
        best=False,
    )


@pytest.mark.parametrize(
    ("options", "values", "epochs"),
    [
        ({}, [3.0, 2.0, 2.5, 1.0], [1, 2, 4]),
        ({"monitor": "accuracy"}, [0.3, 0.2, 0.4], [1, 3]),
        ({"monitor": "rmse"}, [0.3, 0.2, 0.4], [1, 2]),
        ({"mode": "max"}, [0.3, 0.2, 0.4], [1, 3]),
        ({"save_best_only": False}, [1.0, 2.0, 3.0], [1, 2, 3]),
        ({"save_best_only": False, "every": 2}, [1.0, 2.0, 3.0, 4.0], [2, 4]),
        ({}, [float("nan"), 2.0, float("nan"), 1.0], [2, 4]),
    ],
)
def test_which_epochs_are_saved(options, values, epochs):
    told = Told()
    callback = ModelCheckpoint("m-{epoch}.safetensors", **options)
    for i, value in enumerate(values, 1):
        callback.on_epoch_end(told, report(i, value))
    assert told.saved == [f"m-{epoch}.safetensors" for epoch in epochs]


def test_a_saved_epoch_goes_on(tmp_path):
    def trainer():
        return lk.Trainer(lk.nn.Linear(3, 1), "mse", "adam:lr=0.1", seed=1)

    callback = ModelCheckpoint(tmp_path / "{epoch}.safetensors", "loss", save_best_only=False)
    whole = trainer()
    whole.fit(X, Y, epochs=3, callbacks=[callback], verbose=False)
    assert callback.last_path == tmp_path / "3.safetensors"
    half = lk.Trainer.resume(tmp_path / "2.safetensors")
    half.fit(X, Y, epochs=1, verbose=False)
    np.testing.assert_array_equal(half.model.weight, whole.model.weight)


def test_the_best_value_survives():
    callback = ModelCheckpoint("m")
    callback.on_epoch_end(Told(), report(1, 2.0))
    again = ModelCheckpoint("m")
    again.load_state(callback.state())
    told = Told()
    again.on_epoch_end(told, report(2, 3.0))
    assert told.saved == []


@pytest.mark.parametrize(
    ("options", "text"),
    [({"every": 0}, "every is 0"), ({"mode": "best"}, "mode is 'best'"), ({"path": ""}, "path is empty")],
)
def test_arguments(options, text):
    with pytest.raises(ArgumentError, match=text):
        ModelCheckpoint(**({"path": "m"} | options))

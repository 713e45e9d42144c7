"""Metrics in a run: sums over the batches of an epoch, reports of one number and of many, files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from learnkit import nn
from learnkit.errors import ArgumentError
from learnkit.metrics import F1, ConfusionMatrix, InOriginalUnits
from learnkit.plugins import registry
from learnkit.training import EarlyStopping, History, Trainer
from learnkit.training.progress import epoch_line

CLASSES = [
    "accuracy", "top_k_accuracy:k=2", "balanced_accuracy", "precision:average=macro", "recall:average=None",
    "f1:average=weighted", "f_beta:beta=2.0,average=micro", "specificity:average=macro", "cohen_kappa", "mcc",
    "average_precision:average=None", "log_loss", "perplexity", "brier", "calibration_error", "iou", "dice",
    "roc_auc", "confusion_matrix",
]  # fmt: skip
NUMBERS = ["mae", "mse", "rmse:multioutput=raw_values", "mape", "r2", "explained_variance"]


def data(seed=0, n=50):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    return x, (x @ rng.normal(size=(4, 3)) + rng.normal(size=(n, 3))).argmax(axis=1)


def classifier(backend=None, metrics=("confusion_matrix", "accuracy"), **options):
    return Trainer(nn.Linear(4, 3), "cross_entropy", metrics=list(metrics), backend=backend, **options)


def test_an_epoch_is_the_metric_of_all_rows(backend):
    """Whatever the batches are, and with the loss beside it."""
    x, y = data()
    trainer = classifier(backend.backend, CLASSES, dtype="float64")
    whole = trainer.evaluate(x, y)
    assert next(iter(whole)) == "loss"
    out = trainer.predict(x)
    for batch_size in (1, 7, 49):
        values = trainer.evaluate(x, y, batch_size=batch_size)
        for name, metric in trainer.metrics.items():
            np.testing.assert_allclose(values[name], metric(out, y), rtol=1e-12, atol=1e-12, err_msg=name)
            np.testing.assert_allclose(whole[name], values[name], rtol=1e-12, atol=1e-12, err_msg=name)
            assert type(values[name]) in (float, list), name
    assert np.shape(whole["confusion_matrix"]) == (3, 3)
    assert np.sum(whole["confusion_matrix"]) == 50


def test_an_epoch_of_numbers(backend):
    x, _ = data()
    y = x[:, :2] * 3 + 1e6
    trainer = Trainer(nn.Linear(4, 2), "mse", metrics=NUMBERS, backend=backend.backend, dtype="float64")
    out = trainer.predict(x)
    values = trainer.evaluate(x, y, batch_size=3)
    for name, metric in trainer.metrics.items():
        np.testing.assert_allclose(values[name], metric(out, y), rtol=1e-12, err_msg=name)


def test_nothing_waits_for_the_device_within_an_epoch(backend):
    """The host looks at sums, once for each array of sums, however many batches there are."""
    if backend.name != "fakecupy":
        pytest.skip("only the stand-in for CuPy notices")
    import cupy

    x, y = data()
    ranking = ("roc_auc", "average_precision:average=None")  # they keep a few pieces
    trainer = classifier(backend.backend, [name for name in CLASSES if name not in ranking])
    waits = []
    for batch_size in (5, 25):
        cupy.audit.syncs.clear()
        trainer.evaluate(x, y, batch_size=batch_size)
        waits.append(len(cupy.audit.syncs))
    assert waits[0] == waits[1]


def test_history_and_lines_hold_many_numbers():
    x, y = data()
    trainer = classifier()
    trainer.fit(x, y, epochs=2, batch_size=16, validation_data=(x[:20], y[:20]), verbose=False)
    matrices = trainer.history["confusion_matrix"]
    assert [np.shape(m) for m in matrices] == [(3, 3), (3, 3)]
    assert [np.sum(m) for m in matrices] == [20.0, 20.0]
    line = epoch_line(trainer.history.epochs[0])
    assert "accuracy" in line
    assert "confusion" not in line
    records = [json.loads(line) for line in trainer.history.to_jsonl().splitlines()]
    assert records[1]["metrics"]["confusion_matrix"] == matrices[1]
    assert History.from_records(records)["confusion_matrix"] == matrices


def test_progress_is_printed_without_them(capsys):
    x, y = data()
    classifier().fit(x, y, epochs=1, batch_size=16)
    assert "confusion" not in capsys.readouterr().out


def test_early_stopping_watches_one_number():
    x, y = data()
    with pytest.raises(ArgumentError, match="confusion_matrix is a list of 3, expected a metric of one"):
        classifier().fit(x, y, epochs=1, verbose=False, early_stopping=EarlyStopping("confusion_matrix"))
    trainer = classifier(metrics=["log_loss"])
    trainer.fit(x, y, epochs=3, verbose=False, early_stopping=EarlyStopping("log_loss", patience=0))
    assert len(trainer.history) >= 1


def test_a_metric_that_does_not_fit_is_refused_before_training():
    x, y = data()
    with pytest.raises(ArgumentError, match="f1: average is 'binary'"):
        classifier(metrics=["f1"]).fit(x, y, epochs=1, verbose=False)


def test_runs_are_saved_with_their_metrics(tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    x, y = data()
    metrics = [ConfusionMatrix(normalize="true"), F1(average=None, zero_division=float("nan")), "roc_auc"]
    trainer = classifier(metrics=metrics)
    trainer.fit(x, y, epochs=1, verbose=False)
    again = Trainer.load(trainer.save(tmp_path / "run.safetensors"))
    assert list(again.metrics) == ["confusion_matrix", "f1", "roc_auc"]
    assert repr(again.metrics) == repr(trainer.metrics)
    assert again.history["confusion_matrix"] == trainer.history["confusion_matrix"]
    for name, value in trainer.evaluate(x, y).items():
        np.testing.assert_array_equal(again.evaluate(x, y)[name], value)


def test_metrics_in_original_units_of_a_run(backend):
    x, _ = data()
    y = x[:, :1] * 2
    inner = registry.create("metric", "mape")
    trainer = Trainer(
        nn.Linear(4, 1),
        "mse",
        metrics=[InOriginalUnits(inner, scale=3.0, shift=100.0)],
        backend=backend.backend,
        dtype="float64",
    )
    value = trainer.evaluate(x, y, batch_size=8)["mape"]
    np.testing.assert_allclose(value, inner(trainer.predict(x) * 3 + 100, y * 3 + 100), rtol=1e-12)

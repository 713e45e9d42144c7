"""The learning-rate finder: what it suggests, and that nothing remembers it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

import learnkit as lk
from learnkit.errors import ArgumentError
from learnkit.losses import Loss
from learnkit.training import LRCurve, find_lr

rng = np.random.default_rng(0)
X = rng.standard_normal((256, 4)).astype("float32")
Y = (X @ np.asarray([[1.0], [-2.0], [0.5], [3.0]], dtype="float32")).astype("float32")


def trainer(optimizer="sgd", backend="numpy", **options):
    model = lk.nn.Sequential(lk.nn.Linear(4, 8), lk.nn.ReLU(), lk.nn.Dropout(0.1), lk.nn.Linear(8, 1))
    return lk.Trainer(model, loss="mse", optimizer=optimizer, backend=backend, **options)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "sgd:momentum=0.9"])
@pytest.mark.parametrize("method", ["valley", "steepest", "minimum"])
def test_a_suggested_rate_learns(optimizer, method):
    """It lies inside the sweep, below the divergence, and training with it lowers the loss."""
    curve = find_lr(trainer(optimizer), X, Y, batch_size=32, method=method)
    assert curve.method == method
    assert curve.lrs[0] < curve.suggestion < curve.lrs[-1]
    name, _, options = optimizer.partition(":")
    spec = f"{name}:lr={curve.suggestion!r}" + (f",{options}" if options else "")
    history = trainer(spec).fit(X, Y, epochs=20, batch_size=32, verbose=False)
    assert history["loss"][-1] < 0.5 * history["loss"][0]


def test_the_trainer_is_left_as_it_was(backend):
    """After a sweep, a run is the same bits as without one, dropout and Adam's moments included."""
    runs = []
    for sweep in (False, True):
        t = trainer("adam", backend.backend)
        t.fit(X, Y, epochs=1, batch_size=64, verbose=False)
        if sweep:
            find_lr(t, X, Y, batch_size=64, num_steps=20)
            assert t.epochs_done == 1
            assert t.steps_done == 4
            assert len(t.history) == 1
        t.fit(X, Y, epochs=1, batch_size=64, verbose=False)
        runs.append([backend.to_numpy(a) for a in t.model.arrays().values()])
    for without, with_sweep in zip(*runs, strict=True):
        np.testing.assert_array_equal(without, with_sweep)


def test_the_trainer_comes_back_after_an_error_too():
    t = trainer()
    before = {path: a.copy() for path, a in t.model.arrays().items()}

    @dataclass(frozen=True)
    class Failing(Loss):
        def per_example(self, y_pred, y_true):
            if t.steps_done == 3:
                raise RuntimeError("of its own")
            return (y_pred - y_true)[:, 0] ** 2

    t.loss = Failing()
    with pytest.raises(RuntimeError, match="of its own"):
        find_lr(t, X, Y)
    assert t.steps_done == 0
    for path, a in t.model.arrays().items():
        np.testing.assert_array_equal(a, before[path])


def test_a_constant_loss_is_reported_as_a_constant():
    """The average has no bias towards 0, and nothing is suggested where nothing fell."""

    @dataclass(frozen=True)
    class One(Loss):
        def per_example(self, y_pred, y_true):
            return y_pred[:, 0] * 0.0 + 1.0

    t = trainer()
    t.loss = One()
    curve = find_lr(t, X, Y, num_steps=30)
    np.testing.assert_allclose(curve.smoothed, 1.0, rtol=1e-6)
    assert curve.suggestion is None
    assert curve.stopped == "all 30 steps were made"


def test_it_ends_where_the_loss_is_not_finite():
    """Nothing after the first NaN or infinity is kept, so no suggestion lies beyond it."""

    @dataclass(frozen=True)
    class Breaking(Loss):
        def per_example(self, y_pred, y_true):
            scale = math.nan if t.steps_done >= 40 else 0.9**t.steps_done
            return y_pred[:, 0] * 0.0 + scale

    t = trainer()
    t.loss = Breaking()
    curve = find_lr(t, X, Y, num_steps=100)
    assert len(curve.lrs) == len(curve.losses) == 40
    assert curve.stopped.startswith("the loss was nan at lr")
    assert all(lr <= curve.lrs[-1] for lr in curve.suggestions.values())


def test_it_ends_where_the_loss_diverges():
    curve = find_lr(trainer(), X, Y, end_lr=1e3)
    assert len(curve.lrs) < 100
    assert "its best" in curve.stopped or "the loss was" in curve.stopped


@pytest.mark.parametrize(("ramp", "middle"), [("exponential", 1e-2), ("linear", 0.50005)])
def test_the_ramp(ramp, middle):
    """lr_t = start (end / start)^(t / (n - 1)), or a straight line."""
    curve = find_lr(trainer(), X, Y, start_lr=1e-4, end_lr=1.0, num_steps=3, ramp=ramp, divergence=1e9)
    np.testing.assert_allclose(curve.lrs, [1e-4, middle, 1.0], rtol=1e-12)


def test_smoothing():
    """a_t = beta a_(t-1) + (1 - beta) loss_t, divided by 1 - beta^t."""
    curve = find_lr(trainer(), X, Y, smoothing=0.98, num_steps=25)
    a, expected = 0.0, []
    for t, loss in enumerate(curve.losses, 1):
        a = 0.98 * a + 0.02 * loss
        expected.append(a / (1 - 0.98**t))
    np.testing.assert_allclose(curve.smoothed, expected, rtol=1e-12)


def test_methods_on_a_known_curve():
    """Flat, then a descent over the decades from 1e-3 to 1e-1, then up."""
    lrs = tuple(10.0 ** (-5 + i / 10) for i in range(61))
    losses = tuple(
        1.0 if lr < 1e-3 else 1.0 - 0.4 * (math.log10(lr) + 3) if lr < 0.1 else 0.2 + 5 * lr for lr in lrs
    )
    suggestions = LRCurve(lrs, losses, losses, "").suggestions
    assert 5e-3 < suggestions["valley"] < 2e-2
    assert 1e-3 < suggestions["steepest"] < 1e-1
    assert 5e-3 < suggestions["minimum"] < 1.5e-2


def test_the_drawing():
    text = find_lr(trainer(), X, Y).text(width=60, height=10)
    lines = text.splitlines()
    assert len(lines) == 11
    assert "*" in text
    assert "|" in text
    assert "lr 1.0e-07" in lines[-1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"start_lr": 0.0}, "start_lr is 0.0, expected a number > 0"),
        ({"start_lr": 1.0, "end_lr": 0.1}, "start_lr 1.0 is not below end_lr 0.1"),
        ({"num_steps": 2}, "num_steps is 2, expected an integer >= 3"),
        ({"ramp": "cubic"}, "ramp is 'cubic'"),
        ({"smoothing": 1.0}, "smoothing is 1.0"),
        ({"divergence": 1.0}, "divergence is 1.0"),
        ({"method": "best"}, "method is 'best'"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_arguments(options, text):
    with pytest.raises(ArgumentError, match=text):
        find_lr(trainer(), X, Y, **options)

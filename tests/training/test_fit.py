"""Fitting: a pure function of (code, data, seed), and what it reports."""

from __future__ import annotations

import math

import numpy as np
import pytest

from learnkit import nn
from learnkit.data.batches import permutation
from learnkit.errors import DivergedError
from learnkit.losses import MSE, CrossEntropy
from learnkit.optim import SGD, AdamW, ClipByGlobalNorm, chain
from learnkit.schedules import Cosine, OneCycle
from learnkit.training import Callback, Trainer


class Seen(Callback):
    """Keeps what it is told."""

    def __init__(self):
        self.steps = []
        self.epochs = []
        self.calls = []

    def on_fit_begin(self, trainer):
        self.calls.append("fit begin")

    def on_step_end(self, trainer, report):
        self.steps.append(report)

    def on_epoch_end(self, trainer, report):
        self.epochs.append(report)
        self.calls.append("epoch end")

    def on_fit_end(self, trainer, history):
        self.calls.append("fit end")


class SeesRows(nn.Module):
    """An affine model that notes the first feature of the rows it is shown in training."""

    def __init__(self):
        self.inner = nn.Linear(2, 1)
        self.rows = []

    def __call__(self, x):
        if nn.scope.current_scope() is not None:
            self.rows.append(x[:, 0].tolist())
        return self.inner(x)


# Determinism


def test_the_same_seed_gives_the_same_bits(backend, classifier, plane):
    """Weights, history and predictions, with dropout, shuffling and a split; another seed gives others."""
    runs = {}
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        trainer = classifier(backend=backend.backend, seed=seed, metrics=["accuracy"])
        trainer.fit(*plane, epochs=3, batch_size=8, validation_split=0.25, verbose=False)
        theta = backend.to_numpy(trainer.parameters.theta)
        runs[name] = (
            theta.tobytes(),
            trainer.history.records(timing=False),
            trainer.predict(plane[0]).tobytes(),
        )
    assert runs["first"] == runs["again"]
    for a, b in zip(runs["first"], runs["other"], strict=True):
        assert a != b


def test_one_long_fit_is_two_short_ones(classifier, plane):
    """Epochs, shuffling and dropout count over the whole run."""
    long, short = classifier(seed=1), classifier(seed=1)
    long.fit(*plane, epochs=4, batch_size=10, verbose=False)
    short.fit(*plane, epochs=1, batch_size=10, verbose=False)
    history = short.fit(*plane, epochs=3, batch_size=10, verbose=False)
    assert long.parameters.theta.tobytes() == short.parameters.theta.tobytes()
    assert [r.epoch for r in history.epochs] == [1, 2, 3, 4]
    assert history["loss"] == long.history["loss"]
    assert history.epochs[0].epochs == 1
    assert history.epochs[-1].epochs == 4


def test_steps_by_hand_are_those_of_fit(classifier, plane):
    x, y = plane
    by_fit, by_hand = classifier(seed=1), classifier(seed=1)
    by_fit.fit(x, y, epochs=2, batch_size=16, verbose=False)
    for epoch in range(2):
        order = permutation(len(x), 1, epoch)
        for start in range(0, len(x), 16):
            by_hand.step(x[order[start : start + 16]], y[order[start : start + 16]])
    assert by_fit.parameters.theta.tobytes() == by_hand.parameters.theta.tobytes()


def test_batches_come_in_an_order_of_seed_and_epoch():
    """Each epoch shows every row once; the last batch holds what is left."""
    x = np.stack([np.arange(10.0), np.zeros(10)], axis=1)
    orders = {}
    for seed in (0, 1):
        model = SeesRows()
        trainer = Trainer(model, "mse", SGD(1e-3), dtype="float64", seed=seed)
        trainer.fit(x, np.zeros(10), epochs=2, batch_size=4, verbose=False)
        assert [len(rows) for rows in model.rows] == [4, 4, 2, 4, 4, 2]
        flat = [int(r) for rows in model.rows for r in rows]
        orders[seed, 0], orders[seed, 1] = flat[:10], flat[10:]
        for epoch in (0, 1):
            assert orders[seed, epoch] == permutation(10, seed, epoch).tolist()
    assert len({tuple(o) for o in orders.values()}) == 4


def test_masks_are_those_of_seed_and_step(backend):
    """Dropout in a fit draws what ``training(seed, step)`` draws: new masks at each step."""

    class SeesMask(nn.Module):
        def __init__(self):
            self.drop = nn.Dropout(0.5)
            self.inner = nn.Linear(16, 1)
            self.seen = []

        def __call__(self, x):
            y = self.drop(x)
            self.seen.append(backend.to_numpy(y) > 0)
            return self.inner(y)

    model = SeesMask()
    trainer = Trainer(model, "mse", SGD(1e-3), backend=backend.backend, seed=9)
    x = np.ones((4, 16), dtype="float32")
    trainer.fit(x, np.zeros(4), epochs=2, batch_size=2, verbose=False)
    in_training = [mask for mask in model.seen if not mask.all()]
    assert len(in_training) == 4
    for step, mask in enumerate(in_training):
        with nn.training(seed=9, step=step):
            np.testing.assert_array_equal(backend.to_numpy(model.drop(backend.asarray(x[:2]))) > 0, mask)
    assert len({mask.tobytes() for mask in in_training}) == 4


def test_without_shuffling_rows_come_as_they_are():
    model = SeesRows()
    trainer = Trainer(model, "mse", SGD(1e-3), dtype="float64")
    x = np.stack([np.arange(5.0), np.zeros(5)], axis=1)
    trainer.fit(x, np.zeros(5), epochs=2, batch_size=2, shuffle=False, verbose=False)
    assert model.rows == [[0.0, 1.0], [2.0, 3.0], [4.0]] * 2


# Validation


def test_a_split_has_each_class_in_its_share(classifier):
    """90 : 9 rows of two classes, a third of them held out: 30 : 3; none of them is trained on."""
    y = np.asarray([0] * 90 + [1] * 9)
    x = np.stack([np.arange(99.0), np.zeros(99)], axis=1).astype("float32")

    class SeesAll(SeesRows):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 2)
            self.shown = []

        def __call__(self, x):
            if nn.scope.current_scope() is None:
                self.shown.append(x[:, 0].tolist())
            return super().__call__(x)

    model = SeesAll()
    trainer = Trainer(model, "cross_entropy", SGD(1e-6))
    trainer.fit(x, y, batch_size=200, validation_split=1 / 3, verbose=False)
    trained = {int(r) for rows in model.rows for r in rows}
    held_out = {int(r) for r in model.shown[-1]}
    assert len(held_out) == 33
    assert sum(y[list(held_out)]) == 3
    assert trained | held_out == set(range(99))
    assert not trained & held_out
    assert trainer.history.epochs[0].rows == 66


def test_a_split_of_numbers_is_random(regressor, regression):
    trainer = regressor()
    trainer.fit(*regression, validation_split=0.25, verbose=False)
    report = trainer.history.epochs[0]
    assert report.rows == 30
    assert report.val_loss is not None


def test_validation_data_are_evaluated_after_each_epoch(backend, regressor, regression):
    x, y = regression
    trainer = regressor(backend=backend.backend, metrics=["mae"], dtype="float64")
    trainer.fit(x[:30], y[:30], epochs=2, validation_data=(x[30:], y[30:]), verbose=False)
    report = trainer.history.epochs[-1]
    values = trainer.evaluate(x[30:], y[30:])
    assert report.val_loss == pytest.approx(values["loss"], rel=1e-12)
    assert report.metrics == pytest.approx({"mae": values["mae"]}, rel=1e-12)


def test_without_validation_metrics_are_those_of_the_training_rows(regressor, regression):
    trainer = regressor(metrics=["mae"])
    trainer.fit(*regression, epochs=2, verbose=False)
    report = trainer.history.epochs[-1]
    assert report.val_loss is None
    assert report.metrics["mae"] == trainer.evaluate(*regression)["mae"]


# What is reported


def test_the_history_holds_every_epoch(backend, regressor, regression):
    x, y = regression
    seen = Seen()
    trainer = regressor(backend=backend.backend, optimizer=SGD(Cosine(0.1)), callbacks=[seen])
    history = trainer.fit(x, y, epochs=3, batch_size=16, verbose=False)
    assert history is trainer.history
    assert len(history) == 3
    assert history.epochs == seen.epochs
    assert [r.step for r in history.epochs] == [3, 6, 9]
    assert history.epochs[-1].lr == pytest.approx(Cosine(0.1, total_steps=9)(8))
    assert all(r.rows == 40 and r.grad_norm > 0 and r.seconds > 0 for r in history.epochs)
    assert history["loss"] == [r.loss for r in history.epochs]
    assert history["loss"][-1] < history["loss"][0]
    assert history.best is [r for r in history.epochs if r.best][-1]
    assert trainer.epochs_done == 3
    assert trainer.total_steps == 9


def test_each_step_is_reported_with_its_loss_and_rate(backend, regressor, regression):
    x, y = regression
    seen = Seen()
    trainer = regressor(backend=backend.backend, optimizer=SGD(OneCycle(0.1)))
    trainer.fit(x, y, epochs=2, batch_size=16, callbacks=[seen], verbose=False)
    assert [r.step for r in seen.steps] == [1, 2, 3, 4, 5, 6]
    assert [r.epoch for r in seen.steps] == [1, 1, 1, 2, 2, 2]
    schedule = OneCycle(0.1, total_steps=6)
    assert [r.lr for r in seen.steps] == pytest.approx([schedule(t) for t in range(6)])
    for report in seen.steps:
        backend.assert_here(report.loss)
    sizes = [16, 16, 8]
    losses = [float(backend.to_numpy(r.loss)) for r in seen.steps]
    for epoch in (0, 1):
        mean = np.average(losses[3 * epoch : 3 * epoch + 3], weights=sizes)
        assert trainer.history["loss"][epoch] == pytest.approx(mean, rel=1e-6)
    assert seen.calls == ["fit begin", "epoch end", "epoch end", "fit end"]


def test_the_gradient_norm_is_that_before_clipping(regressor, regression):
    free, clipped = (
        regressor(optimizer=SGD(1e-9)),
        regressor(optimizer=chain(ClipByGlobalNorm(1e-3), SGD(1e-9))),
    )
    for trainer in (free, clipped):
        trainer.fit(*regression, verbose=False)
    norms = [t.history.epochs[0].grad_norm for t in (free, clipped)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)
    assert norms[0] > 1e-3


def test_weights_of_zero_leave_rows_out(backend, regression):
    """A fit on ten rows and one on forty of which thirty weigh nothing give the same model."""
    x, y = regression
    weight = np.where(np.arange(40) < 10, 2.0, 0.0)
    thetas = []
    for rows, w in ((slice(0, 10), None), (slice(0, 40), weight)):
        trainer = Trainer(nn.Linear(2, 1), "mse", SGD(0.1), backend=backend.backend, dtype="float64")
        trainer.fit(x[rows], y[rows], epochs=5, batch_size=40, sample_weight=w, shuffle=False, verbose=False)
        thetas.append(backend.to_numpy(trainer.parameters.theta))
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=1e-10)


def test_weights_are_split_and_shuffled_with_their_rows(regression):
    """Rows with weight 0 may hold anything, in training and among the held out."""
    x, y = regression
    spoilt = y.copy()
    spoilt[::4] = 1e6
    weight = np.where(np.arange(40) % 4 == 0, 0.0, 1.0)
    trainer = Trainer(nn.Linear(2, 1), "mse", SGD(0.1), dtype="float64", seed=2)
    trainer.fit(x, spoilt, epochs=60, batch_size=8, sample_weight=weight, validation_split=0.3, verbose=False)
    assert trainer.history["val_loss"][-1] < 1e-2
    np.testing.assert_allclose(trainer.model.weight[:, 0], [2.0, -1.0], atol=0.02)


def test_a_line_is_learned_on_every_backend(backend, regression):
    x, y = regression
    trainer = Trainer(nn.Linear(2, 1), "mse", "adam:lr=0.1", metrics=["r2"], backend=backend.backend)
    trainer.fit(x, y, epochs=25, batch_size=8, verbose=False)
    assert trainer.history["r2"][-1] > 0.995


def test_arrays_of_the_backend_are_taken_where_they_are(backend, classifier, plane):
    x, y = backend.asarray(plane[0]), backend.asarray(plane[1])
    here, there = classifier(backend=backend.backend), classifier(backend=backend.backend)
    here.fit(x, y, epochs=1, verbose=False)
    there.fit(*plane, epochs=1, verbose=False)
    np.testing.assert_array_equal(
        backend.to_numpy(here.parameters.theta), backend.to_numpy(there.parameters.theta)
    )


# Divergence


@pytest.mark.parametrize("lr", [1e3, 1e30])
def test_divergence_ends_the_fit_at_its_step(backend, regression, lr):
    """With loss, step, epoch, rate and norm, and what to do; no warning of the array library before."""
    x, y = regression
    trainer = Trainer(nn.Linear(2, 1), "mse", SGD(lr), backend=backend.backend)
    seen = Seen()
    with pytest.raises(DivergedError) as caught:
        trainer.fit(x * 10, y, epochs=50, batch_size=40, callbacks=[seen], verbose=False)
    text = str(caught.value)
    step = trainer.steps_done
    assert text.startswith(("the loss is inf at step", "the loss is nan at step"))
    assert f"at step {step} (epoch {trainer.epochs_done + 1}, lr {lr:.3g}, gradient norm " in text
    assert "chain(ClipByGlobalNorm(1.0), optimizer)" in text
    assert math.isinf(float(trainer.step(x, y))) or math.isnan(float(trainer.step(x, y)))
    assert seen.calls[-1] == "fit end"
    assert all(math.isfinite(r.loss) for r in trainer.history.epochs)


def test_a_value_that_is_no_number_ends_the_fit_at_its_batch(regression):
    x, y = regression
    x[25, 0] = np.nan
    trainer = Trainer(nn.Linear(2, 1), "mse", SGD(0.1))
    with pytest.raises(
        DivergedError, match=r"the loss is nan at step 4 \(epoch 1, lr 0\.1, gradient norm nan\)"
    ):
        trainer.fit(x, y, epochs=3, batch_size=8, shuffle=False, verbose=False)
    assert trainer.steps_done == 4


def test_losses_and_optimizers_as_objects(plane):
    x, y = plane
    trainer = Trainer(nn.Linear(2, 3), CrossEntropy(), AdamW(0.05), metrics=["accuracy"], seed=1)
    trainer.fit(x, y, epochs=20, batch_size=16, verbose=False)
    assert trainer.history["accuracy"][-1] == 1.0
    assert trainer.loss == CrossEntropy()
    assert trainer.loss != MSE()

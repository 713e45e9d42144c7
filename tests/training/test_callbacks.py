"""Callbacks and early stopping: when they are called, what ends a fit, and what comes back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from learnkit import nn
from learnkit.errors import ArgumentError, CallbackError
from learnkit.plugins import registry
from learnkit.training import Callback, EarlyStopping, EpochReport, Trainer


def report(epoch, value, **metrics):
    return EpochReport(epoch, 99, epoch, 1.0, value, metrics, 0.1, 1.0, 1.0, 10, False)


class FakeTrainer:
    """What early stopping needs of a trainer, with weights that are the epoch's number."""

    def __init__(self, metrics=None):
        self.metrics = metrics or {}
        self.stop_reason = None
        self.epoch = 0
        self.loaded = None
        self.model = self

    def stop(self, reason):
        self.stop_reason = reason

    def snapshot(self):
        return {"w": self.epoch}

    def restore(self, snapshot):
        self.loaded = snapshot


def play(callback, values, trainer=None, name="val_loss"):
    """Feed the values epoch by epoch until the callback stops; the number of epochs it took."""
    trainer = trainer or FakeTrainer()
    callback.on_fit_begin(trainer)
    for trainer.epoch, value in enumerate(values, start=1):
        given = (
            report(trainer.epoch, value)
            if name == "val_loss"
            else report(trainer.epoch, 9.0, **{name: value})
        )
        callback.on_epoch_end(trainer, given)
        if trainer.stop_reason is not None:
            break
    callback.on_fit_end(trainer, None)
    return trainer


@pytest.mark.parametrize(
    ("options", "values", "epochs", "best"),
    [
        ({"patience": 0}, [3, 2, 2, 1], 3, 2),
        ({"patience": 1}, [3, 2, 2, 1, 5, 5, 0], 6, 4),
        ({"patience": 2}, [1, 2, 3, 4, 0], 4, 1),
        ({"patience": None}, [1, 2, 3, 0, 5], 5, 4),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.6, 2.4, 2.2, 2.0], 5, 3),
        ({"patience": 1}, [math.nan, math.nan, 1], 2, None),
        ({"patience": 1}, [2, math.nan, 1, 1.5, 1.5], 5, 3),
        ({"patience": 0, "mode": "max"}, [1, 2, 1.5], 3, 2),
    ],
)
def test_early_stopping_counts_epochs_without_improvement(options, values, epochs, best):
    """``patience`` of them are tolerated; the weights of the best epoch come back; NaN is no improvement."""
    callback = EarlyStopping(**options)
    trainer = play(callback, values)
    assert trainer.epoch == epochs
    assert trainer.loaded == (None if best is None else {"w": best})
    if best is not None:
        assert callback.best_epoch == best
        assert callback.best_value == values[best - 1]


def test_the_reason_is_given():
    trainer = play(EarlyStopping(patience=1), [0.5, 0.6, 0.7])
    assert trainer.stop_reason == "val_loss has not improved for 2 epochs (best 0.5 in epoch 1)"


def test_metrics_say_which_way_is_better():
    up = FakeTrainer({"accuracy": registry.create("metric", "accuracy")})
    assert play(EarlyStopping("accuracy", 0), [0.1, 0.2, 0.2], up, "accuracy").loaded == {"w": 2}
    down = FakeTrainer({"mae": registry.create("metric", "mae")})
    assert play(EarlyStopping("mae", 0), [0.2, 0.1, 0.2], down, "mae").loaded == {"w": 2}


def test_nothing_comes_back_unless_asked_for():
    assert play(EarlyStopping(patience=0, restore_best=False), [1, 2]).loaded is None


def test_state_survives_a_restart():
    """A new object with the old state stops in the same epoch as one that never stopped."""
    values = [3.0, 2.0, 2.5, 2.5, 2.5]
    first = EarlyStopping(patience=2)
    play(first, values[:3])
    assert first.state() == {"best_value": 2.0, "best_epoch": 2, "waited": 1}
    second = EarlyStopping(patience=2)
    second.load_state(first.state())
    trainer = FakeTrainer()
    for trainer.epoch, value in enumerate(values[3:], start=4):
        second.on_epoch_end(trainer, report(trainer.epoch, value))
    assert trainer.stop_reason is not None
    assert trainer.epoch == 5
    fresh = EarlyStopping()
    assert fresh.state() == {"best_value": None, "best_epoch": 0, "waited": 0}
    fresh.load_state(fresh.state())
    assert math.isnan(fresh.best_value)
    assert Callback().state() == {}
    Callback().load_state({})


def test_early_stopping_in_a_fit(backend, regression):
    """It ends the fit, restores theta in place, and the history keeps all epochs that were run."""
    x, y = regression
    trainer = Trainer(nn.Linear(2, 1), "mse", "sgd:lr=0.3", backend=backend.backend, dtype="float64", seed=1)
    theta = trainer.parameters.theta
    noise = np.random.default_rng(0).normal(size=20)
    thetas = []

    class Keeps(Callback):
        def on_epoch_end(self, trainer, report):
            thetas.append(np.array(backend.to_numpy(trainer.parameters.theta)))

    stopping = EarlyStopping(patience=2)
    history = trainer.fit(
        x[:20], y[:20] + noise, epochs=60, batch_size=2, validation_data=(x[20:], y[20:]),
        early_stopping=stopping, callbacks=[Keeps()], verbose=False,
    )  # fmt: skip
    assert len(history) < 60
    assert len(history) == stopping.best_epoch + 3
    assert trainer.stop_reason.startswith("val_loss has not improved for 3 epochs")
    assert history["val_loss"][stopping.best_epoch - 1] == min(history["val_loss"]) == stopping.best_value
    assert history.best.epoch == stopping.best_epoch
    assert trainer.parameters.theta is theta
    backend.assert_array(theta, thetas[stopping.best_epoch - 1], dtype="float64", rtol=0, atol=0)
    assert trainer.evaluate(x[20:], y[20:])["loss"] == pytest.approx(stopping.best_value, rel=1e-12)


def test_an_unknown_name_to_watch_is_explained(regression):
    trainer = Trainer(nn.Linear(2, 1), "mse", metrics=["mae"])
    with pytest.raises(ArgumentError) as caught:
        trainer.fit(*regression, early_stopping=EarlyStopping(), verbose=False)
    assert str(caught.value) == (
        "no value 'val_loss' is reported (did you mean 'loss'?); known: loss, mae\n"
        "  val_loss needs validation data"
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: EarlyStopping(patience=-1),
            "EarlyStopping: patience is -1, expected an integer >= 0 or None",
        ),
        (lambda: EarlyStopping(patience=1.5), "EarlyStopping: patience is 1.5"),
        (lambda: EarlyStopping(min_delta=-0.1), "EarlyStopping: min_delta is -0.1, expected a number >= 0"),
        (lambda: EarlyStopping(mode="up"), "EarlyStopping: mode is 'up', expected 'auto', 'min' or 'max'"),
    ],
)
def test_values_out_of_range_are_refused(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)


def test_components_by_name():
    specs = ["early_stopping:monitor=accuracy,patience=3", "model_checkpoint:path=best,monitor=loss"]
    assert registry.names("callback", third_party=False) == [spec.partition(":")[0] for spec in specs]
    for spec in specs:
        made = registry.create("callback", spec)
        again = registry.create("callback", registry.describe(made, "callback"))
        assert again.config() == made.config()


class Fails(Callback):
    def __init__(self, hook):
        self.hook = hook
        self.ended = False

    def fail(self, hook):
        if hook == self.hook:
            raise ZeroDivisionError("by me")

    def on_fit_begin(self, trainer):
        self.fail("on_fit_begin")

    def on_step_end(self, trainer, report):
        self.fail("on_step_end")

    def on_epoch_end(self, trainer, report):
        self.fail("on_epoch_end")

    def on_fit_end(self, trainer, history):
        self.ended = True
        self.fail("on_fit_end")


@pytest.mark.parametrize("hook", ["on_fit_begin", "on_step_end", "on_epoch_end", "on_fit_end"])
def test_what_a_callback_raises_ends_the_fit_with_its_name(regression, hook):
    """And the original is the cause; the others are told that the fit has ended."""
    failing, other = Fails(hook), Fails("never")
    trainer = Trainer(nn.Linear(2, 1), "mse")
    with pytest.raises(CallbackError) as caught:
        trainer.fit(*regression, epochs=3, callbacks=[other, failing], verbose=False)
    assert str(caught.value) == f"callback Fails failed in {hook}: ZeroDivisionError: by me"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert other.ended or hook == "on_fit_begin"


def test_an_interrupt_is_passed_on_and_the_fit_ended(regression):
    class Interrupts(Fails):
        def fail(self, hook):
            if hook == "on_step_end":
                raise KeyboardInterrupt

    interrupting = Interrupts("")
    trainer = Trainer(nn.Linear(2, 1), "mse")
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(*regression, callbacks=[interrupting], verbose=False)
    assert interrupting.ended
    trainer.fit(*regression, verbose=False)
    assert trainer.epochs_done == 1


def test_callbacks_of_the_trainer_come_before_those_of_the_fit(regression):
    order = []

    class Named(Callback):
        def __init__(self, name):
            self.name = name

        def on_epoch_end(self, trainer, report):
            order.append(self.name)

    trainer = Trainer(nn.Linear(2, 1), "mse", callbacks=[Named("trainer")])
    trainer.fit(*regression, callbacks=[Named("fit")], verbose=False)
    trainer.fit(*regression, verbose=False)
    assert order == ["trainer", "fit", "trainer"]


def test_a_callback_can_end_the_fit(regression):
    class Enough(Callback):
        def on_epoch_end(self, trainer, report):
            if report.epoch == 2:
                trainer.stop("enough")

    trainer = Trainer(nn.Linear(2, 1), "mse")
    assert len(trainer.fit(*regression, epochs=9, callbacks=[Enough()], verbose=False)) == 2
    assert trainer.stop_reason == "enough"
    assert len(trainer.fit(*regression, epochs=2, verbose=False)) == 4
    assert trainer.stop_reason is None

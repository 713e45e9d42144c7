"""Schedules at work: in a trainer, for any hyper-parameter, saved and resumed."""

from __future__ import annotations

import numpy as np
import pytest

import learnkit as lk
from learnkit.errors import ArgumentError
from learnkit.schedules import (
    Constant,
    Cosine,
    Exponential,
    Join,
    Lambda,
    Linear,
    OneCycle,
    ReduceOnPlateau,
    Step,
    Warmup,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3))
Y = X @ np.asarray([1.0, -2.0, 0.5]) + 0.1 * RNG.normal(size=24)
STEPS = 4  # an epoch


class Rates(lk.training.Callback):
    """What each step was made with."""

    def __init__(self):
        self.lr = []

    def on_step_end(self, trainer, report):
        self.lr.append(report.lr)


def new(optimizer, **options):
    return lk.Trainer(lk.nn.Linear(3, 1), "mse", optimizer, dtype="float64", **options)


def fitted(trainer, epochs, **options):
    """The learning rates of the steps."""
    rates = Rates()
    trainer.fit(X, Y, epochs=epochs, batch_size=6, callbacks=[rates], verbose=False, **options)
    return rates.lr


def weights(trainer):
    return {k: trainer.backend.to_numpy(v) for k, v in trainer.copy_arrays().items()}


def test_epochs_and_parts_of_the_run():
    schedule = Warmup(Step(0.1, "2ep", 0.5), "25%")
    assert fitted(new(lk.optim.SGD(schedule)), 4) == [
        *(0.1 * (t + 1) / 4 for t in range(4)),
        *(0.1 for _ in range(8)),
        *(0.05 for _ in range(4)),
    ]


def test_an_interrupted_run_goes_on_as_it_was_planned(tmp_path):
    """Saved in the middle, and given fewer epochs after that: the plan stays that of the first fit."""
    schedule = Join((Warmup(0.1, "1ep"), Cosine(0.1)), ("2ep",))
    whole = new(lk.optim.SGD(schedule, momentum=Linear(0.9, min_lr=0.5)))
    planned = fitted(whole, 6)
    first = new(lk.optim.SGD(schedule, momentum=Linear(0.9, min_lr=0.5)))

    class Stop(lk.training.Callback):
        def on_epoch_end(self, trainer, report):
            if report.epoch == 3:
                trainer.stop("enough")

    rates = Rates()
    first.fit(X, Y, epochs=6, batch_size=6, callbacks=[rates, Stop()], verbose=False)
    first.save(tmp_path / "run.safetensors")
    second = lk.Trainer.load(tmp_path / "run.safetensors")
    assert (second.total_steps, second.steps_per_epoch) == (24, STEPS)
    assert second.lr_at(5) == planned[5], "the plan is known before the next fit"
    assert rates.lr + fitted(second, 3) == planned
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(weights(second)[name], array)


def test_momentum_goes_against_the_learning_rate():
    """The whole run equals one by hand with the two cycles."""
    cycle = OneCycle(0.1)
    trainer = new(lk.optim.SGD(cycle, momentum=cycle.momentum()))
    fitted(trainer, 3, shuffle=False)
    theta, velocity = np.zeros(4), np.zeros(4)
    start = weights(new("sgd"))
    theta[:3], theta[3:] = start["weight"][:, 0], start["bias"]
    rates, momenta = cycle.resolve(12), cycle.momentum().resolve(12)
    for t in range(12):
        x = np.column_stack([X, np.ones(24)])[(t % 4) * 6 : (t % 4 + 1) * 6]
        y = Y[(t % 4) * 6 : (t % 4 + 1) * 6]
        gradient = 2 * x.T @ (x @ theta - y) / 6
        velocity = momenta(t) * velocity + gradient
        theta = theta - rates(t) * velocity
    ours = weights(trainer)
    np.testing.assert_allclose(np.append(ours["weight"][:, 0], ours["bias"]), theta, rtol=1e-10)


def test_betas_may_be_cycled():
    cycle = OneCycle(0.01)
    trainer = new(lk.optim.Adam(cycle, betas=(cycle.momentum(), 0.999)))
    fitted(trainer, 2)
    assert trainer.history["loss"][-1] < trainer.history["loss"][0]


def test_alone_on_anybodys_arrays():
    """No trainer: the length of the run is said by hand."""
    rule = lk.optim.SGD(Warmup(Cosine(0.1), "10%")).resolve(10)
    params, state = np.ones(2), rule.init(np.ones(2))
    for t in range(10):
        new_params, state = rule.apply(params, np.ones(2), state)
        np.testing.assert_allclose(params - new_params, 0.1 if t < 2 else Cosine(0.1, 9)(t - 1), rtol=1e-12)
        params = new_params


def test_plateau_looks_after_each_epoch():
    """On noise there is soon nothing to gain; the cuts hold from the next epoch on."""
    schedule = ReduceOnPlateau(0.2, factor=0.5, patience=1, threshold=0.05)
    trainer = new(lk.optim.SGD(schedule))
    rates = fitted(trainer, 12, validation_split=0.25)
    steps = trainer.steps_per_epoch
    assert trainer.optimizer.lr.cuts, "it was cut"
    assert len(set(rates)) == 1 + sum(cut < 12 * steps for cut in trainer.optimizer.lr.cuts)
    by_hand = schedule
    for epoch, report in enumerate(trainer.history.epochs, start=1):
        assert set(rates[(epoch - 1) * steps : epoch * steps]) == {by_hand(epoch * steps - 1)}
        assert report.lr == by_hand(epoch * steps - 1)
        by_hand = by_hand.observe({"val_loss": report.val_loss}, epoch * steps)
    assert by_hand == trainer.optimizer.lr


@pytest.mark.parametrize("clip", [False, True])
def test_plateau_resumes_exactly(tmp_path, clip):
    """Saved after each epoch in turn, also inside a chain: the same weights as in one go."""

    def optimizer():
        rule = lk.optim.SGD(
            ReduceOnPlateau(Warmup(0.2, 3), factor=0.5, patience=1, threshold=0.05, cooldown=1), momentum=0.5
        )
        return lk.optim.chain(lk.optim.ClipByGlobalNorm(10.0), rule) if clip else rule

    whole = new(optimizer())
    fitted(whole, 8)
    run = new(optimizer())
    for _ in range(8):
        fitted(run, 1)
        run.save(tmp_path / "run.safetensors")
        run = lk.Trainer.load(tmp_path / "run.safetensors")
    ours, theirs = (t.optimizer.rule if clip else t.optimizer for t in (run, whole))
    assert ours.lr == theirs.lr
    assert ours.lr.cuts
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(weights(run)[name], array)


def test_plateau_of_a_metric():
    """A metric that is to grow says so itself."""
    trainer = new(lk.optim.SGD(ReduceOnPlateau(0.05, monitor="r2", patience=0)), metrics=["r2"])
    fitted(trainer, 3)
    assert trainer.optimizer.lr.best == max(trainer.history["r2"])
    wrong = new(lk.optim.SGD(ReduceOnPlateau(0.05, monitor="r3")), metrics=["r2"])
    with pytest.raises(ArgumentError, match="no value 'r3' is reported; known: loss, r2"):
        fitted(wrong, 1)


def test_a_loop_of_ones_own_tells_the_plateau():
    trainer = new(lk.optim.SGD(ReduceOnPlateau(0.1, patience=0)))
    for value in (1.0, 1.0):
        trainer.step(X, Y)
        trainer.observe({"val_loss": value})
    assert trainer.lr_at(1) == 0.1
    assert trainer.lr_at(2) == pytest.approx(0.01)


def test_a_function_that_cannot_be_saved_still_trains(tmp_path):
    trainer = new(lk.optim.SGD(Lambda(0.1, lambda t: 0.9**t)))
    assert fitted(trainer, 1) == pytest.approx([Exponential(0.1, 0.9)(t) for t in range(4)], rel=1e-12)
    with pytest.raises(ArgumentError, match="cannot be saved, because it cannot be found again by its name"):
        trainer.save(tmp_path / "run.safetensors")


def test_a_length_that_nobody_knows_is_missed():
    with pytest.raises(ArgumentError, match="Cosine: total_steps is not known"):
        new(lk.optim.SGD(Cosine(0.1))).step(X, Y)
    assert new(lk.optim.SGD(Constant(0.1))).step(X, Y) > 0

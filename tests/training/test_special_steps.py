"""Training with transforms, groups and rules that need several gradients: steps, saving, going on."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.errors import ArgumentError, CheckpointError, DivergedError
from learnkit.optim import (
    EMA,
    LAMB,
    LBFGS,
    SAM,
    SGD,
    SWA,
    Accumulate,
    Adafactor,
    Adam,
    ClipByGlobalNorm,
    GradientNoise,
    Lookahead,
    LossScale,
    Nesterov,
    Prodigy,
    Rprop,
    ScheduleFreeAdamW,
    SkipNonFinite,
    WeightDecay,
    chain,
    groups,
    no_decay,
)
from learnkit.schedules import Cosine, ReduceOnPlateau
from learnkit.training import Callback, EarlyStopping, Trainer

rng = np.random.default_rng(0)
X = rng.normal(size=(50, 3))
Y = (X @ np.asarray([[1.0], [-2.0], [0.5]]) + 0.3) ** 2


def model(dropout=0.0, norm=False):
    middle = [nn.BatchNorm1d(5)] if norm else []
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(nn.Linear(3, 5), *middle, nn.Tanh(), *drop, nn.Linear(5, 1))


def trainer(optimizer, made=None, **options):
    options = {"dtype": "float64", "backend": "numpy"} | options
    return Trainer(model() if made is None else made, options.pop("loss", "mse"), optimizer, **options)


OPTIMIZERS = {
    "plain": Adam(0.05),
    "leaf by leaf": LAMB(0.05),
    "slots of other shapes": Adafactor(0.05),
    "numbers over all leaves": Prodigy(),
    "clipped, decayed, noisy": chain(
        ClipByGlobalNorm(1.0), GradientNoise(0.01), WeightDecay(0.1), Adam(0.05)
    ),
    "averaged": chain(EMA(0.9), SWA(3), Lookahead(2), SGD(0.05, momentum=0.9)),
    "averaged leaf by leaf": chain(EMA(0.9), LAMB(0.05)),
    "accumulated": chain(Accumulate(3), EMA(0.9), Adam(Cosine(0.05))),
    "accumulated leaf by leaf": chain(Accumulate(3), LAMB(0.05)),
    "sharpness": chain(SAM(0.05), SGD(0.05, momentum=0.9)),
    "sharpness accumulated": chain(Accumulate(2), SAM(0.05), Adam(0.05)),
    "scaled": chain(LossScale(1024.0, growth_interval=4), Adam(0.05)),
    "careful": chain(SkipNonFinite(), Adam(0.05)),
    "grouped": groups(Adam(0.05), {"0.*": {"lr": 0.01}, "*.bias": SGD(0.1, momentum=0.5)}),
    "grouped leaf by leaf": no_decay(LAMB(0.05)),
    "quasi-Newton": LBFGS(line_search_fn="strong_wolfe", max_iter=3),
    "looked ahead": Nesterov(0.05, lookahead="step"),
    "schedule-free": ScheduleFreeAdamW(0.05),
    "by signs": Rprop(0.01),
    "by signs, with the length of the run": Rprop(Cosine(0.01)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_saved_and_resumed_at_any_batch_it_goes_on_exactly(tmp_path, name):
    """With dropout, in the middle of an accumulation too: not one bit differs, of weights and slots."""
    straight = trainer(OPTIMIZERS[name], model(dropout=0.3, norm=True))
    straight.schedule(20)
    batches = [(X[i : i + 7], Y[i : i + 7]) for i in range(0, 49, 7)] * 2
    for i, (x, y) in enumerate(batches):
        if i == 5:
            resumed = Trainer.load(straight.save(tmp_path / "run.safetensors"), backend="numpy")
        straight.step(x, y)
        if i >= 5:
            resumed.step(x, y)
    assert resumed.steps_done == straight.steps_done
    assert resumed.optimizer_state.pending == straight.optimizer_state.pending
    for path, array in straight.model.arrays().items():
        np.testing.assert_array_equal(array, resumed.model.arrays()[path])
    assert list(straight.optimizer_state.slots) == list(resumed.optimizer_state.slots)
    for slot, arrays in straight.optimizer_state.slots.items():
        for a, b in zip(arrays, resumed.optimizer_state.slots[slot], strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
    np.testing.assert_array_equal(straight.predict(X), resumed.predict(X))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_trains_on_every_library(backend, name):
    t = trainer(OPTIMIZERS[name], backend=backend.backend, dtype="float32")
    first = t.evaluate(X, Y)["loss"]
    t.fit(X, Y, epochs=6, batch_size=10, verbose=False)
    assert t.evaluate(X, Y)["loss"] < first
    backend.assert_array(t.parameters.theta, backend.to_numpy(t.parameters.theta), dtype="float32")


WAITING = {"quasi-Newton"}


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - WAITING))
def test_a_step_waits_for_nothing(backend, name):
    t = trainer(OPTIMIZERS[name], backend=backend.backend, dtype="float32")
    t.schedule(20)
    x, y = (backend.asarray(a, "float32") for a in (X, Y))
    for _ in range(2):
        t.step(x, y)
    with backend.no_sync():
        for _ in range(3):
            t.step(x, y)


# Accumulation

CUTS = {"even": [10, 20, 30, 40], "uneven": [3, 25, 26, 40], "one by one": list(range(1, 50))}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cut", CUTS)
def test_pieces_of_a_batch_make_its_update(cut, weighted):
    weight = rng.uniform(size=50) * (rng.uniform(size=50) > 0.2) if weighted else None
    whole = trainer(chain(ClipByGlobalNorm(0.5), Adam(0.05)))
    pieces = np.split(np.arange(50), CUTS[cut])
    parts = trainer(chain(ClipByGlobalNorm(0.5), Adam(0.05)), accumulate=len(pieces))
    for _ in range(3):
        whole.step(X, Y, weight)
        for rows in pieces:
            parts.step(X[rows], Y[rows], None if weight is None else weight[rows])
    assert parts.steps_done == 3
    np.testing.assert_allclose(parts.parameters.theta, whole.parameters.theta, rtol=1e-11, atol=1e-13)


def test_rows_that_are_ignored_do_not_count():
    """Pieces with few labels weigh as little as their labels; the mean is that of the whole batch."""
    from learnkit.losses import CrossEntropy

    labels = rng.integers(0, 3, 40)
    labels[5:19] = -1
    loss = CrossEntropy(ignore_index=-1)
    made = [nn.Linear(3, 3) for _ in range(2)]
    whole = trainer(SGD(0.5), made[0], loss=loss)
    parts = trainer(SGD(0.5), made[1], loss=loss, accumulate=4)
    whole.step(X[:40], labels)
    for i in range(0, 40, 10):
        parts.step(X[i : i + 10], labels[i : i + 10])
    np.testing.assert_allclose(parts.parameters.theta, whole.parameters.theta, rtol=1e-12, atol=1e-14)


def test_a_sum_is_accumulated_as_a_sum():
    from learnkit.losses import MSE

    whole, parts = (trainer(SGD(1e-3), loss=MSE(reduction="sum"), accumulate=k) for k in (1, 5))
    whole.step(X, Y)
    for i in range(0, 50, 10):
        parts.step(X[i : i + 10], Y[i : i + 10])
    np.testing.assert_allclose(parts.parameters.theta, whole.parameters.theta, rtol=1e-12)


def test_the_tail_of_an_epoch_makes_an_update():
    """50 rows in batches of 8 are 7 batches; by 3 they are 3 updates, as of batches of 24, 24 and 2."""
    seen = []

    class Steps(Callback):
        def on_step_end(self, trainer, report):
            seen.append((report.step, report.lr))

    whole = trainer(Adam(Cosine(0.05)))
    whole.fit(X, Y, epochs=2, batch_size=24, verbose=False)
    parts = trainer(Adam(Cosine(0.05)), accumulate=3)
    parts.fit(X, Y, epochs=2, batch_size=8, verbose=False, callbacks=[Steps()])
    assert parts.steps_done == whole.steps_done == 6
    assert parts.optimizer_state.pending == 0
    np.testing.assert_allclose(parts.parameters.theta, whole.parameters.theta, rtol=1e-11)
    own = Cosine(0.05, total_steps=6)
    assert seen == [(i + 1, own(i)) for i in range(6)]
    assert parts.flush() is False


def test_pieces_draw_masks_of_their_own():
    """Two equal batches of one update do not see the same dropout."""
    t = trainer(SGD(0.0 + 1e-9), model(dropout=0.5), accumulate=2)
    first, second = float(t.step(X, Y)), float(t.step(X, Y))
    assert first != second


# Averages


def test_evaluation_is_of_the_average_and_training_goes_on_from_the_weights():
    t = trainer(chain(EMA(0.9), SGD(0.05)))
    t.fit(X, Y, epochs=3, batch_size=10, verbose=False)
    theta = t.parameters.theta.copy()
    average = t.optimizer_state.slots["0.average"][0]
    assert not np.allclose(theta, average)
    with t.averaged_weights():
        np.testing.assert_array_equal(t.parameters.theta, average)
        inside = t.model(X)
        with t.averaged_weights():
            np.testing.assert_array_equal(t.predict(X), inside)
    np.testing.assert_array_equal(t.parameters.theta, theta)
    np.testing.assert_array_equal(t.predict(X), inside)
    assert t.evaluate(X, Y)["loss"] == pytest.approx(float(np.mean((inside - Y) ** 2)))
    with pytest.raises(RuntimeError, match="on purpose"), t.averaged_weights():
        raise RuntimeError("on purpose")
    np.testing.assert_array_equal(t.parameters.theta, theta)


def test_validation_and_early_stopping_go_by_the_average():
    """What is restored is what was evaluated in the best epoch."""
    stop = EarlyStopping(monitor="val_loss", patience=None)
    t = trainer(chain(EMA(0.5), SGD(0.05)))
    t.fit(X[:40], Y[:40], epochs=8, batch_size=10, validation_data=(X[40:], Y[40:]), verbose=False,
          early_stopping=stop)  # fmt: skip
    assert t.evaluate(X[40:], Y[40:])["loss"] == pytest.approx(stop.best_value, rel=1e-12)


def test_batch_statistics_of_averaged_weights(backend):
    """As PyTorch's update_bn: the plain average of the batches' statistics, at the averaged weights."""
    t = trainer(chain(SWA(2), SGD(0.05)), model(norm=True), backend=backend.backend)
    t.fit(X, Y, epochs=2, batch_size=10, verbose=False)
    theta = np.array(backend.to_numpy(t.parameters.theta))
    t.update_batch_norm(X, batch_size=25)
    np.testing.assert_array_equal(backend.to_numpy(t.parameters.theta), theta)
    with t.averaged_weights():
        w, b = (np.array(backend.to_numpy(t.model.arrays()[f"0.{n}"])) for n in ("weight", "bias"))
    halves = [X[:25] @ w + b, X[25:] @ w + b]
    arrays = t.model.arrays()
    np.testing.assert_allclose(
        backend.to_numpy(arrays["1.running_mean"]), np.mean([h.mean(0) for h in halves], 0), rtol=1e-10
    )
    np.testing.assert_allclose(
        backend.to_numpy(arrays["1.running_var"]), np.mean([h.var(0, ddof=1) for h in halves], 0), rtol=1e-10
    )


def test_a_run_that_is_averaged_over_its_last_quarter_is_loaded_and_used(tmp_path):
    """The length of the run comes back with it."""
    t = trainer(chain(SWA(), SGD(0.05)))
    t.fit(X, Y, epochs=4, batch_size=10, verbose=False)
    again = Trainer.load(t.save(tmp_path / "run.safetensors"), backend="numpy")
    np.testing.assert_array_equal(t.predict(X), again.predict(X))
    assert not np.allclose(t.predict(X), t.model(X))


@pytest.mark.parametrize(
    "inner", [lambda rule: chain(ClipByGlobalNorm(1.0), rule), lambda rule: groups(rule, {})]
)
def test_a_plateau_is_seen_through_chains_and_groups(inner):

    t = trainer(inner(SGD(ReduceOnPlateau(0.05, patience=0, factor=0.5))))
    t.observe({"val_loss": 1.0})
    t.observe({"val_loss": 1.0})
    assert t.lr_at(t.steps_done) == 0.025


# Steps that are left out, and those that ask several times


def test_a_batch_that_is_not_finite_is_left_out():
    x = X.copy()
    x[7] = np.nan
    for optimizer in (chain(SkipNonFinite(), SGD(0.05)), chain(LossScale(), SGD(0.05))):
        t = trainer(optimizer)
        history = t.fit(x, Y, epochs=2, batch_size=10, verbose=False)
        assert np.isfinite(history["loss"]).all()
        assert np.isfinite(t.parameters.theta).all()
    with pytest.raises(DivergedError):
        trainer(SGD(0.05)).fit(x, Y, epochs=1, batch_size=10, verbose=False)
    with pytest.raises(DivergedError):  # nothing at all was finite
        trainer(chain(SkipNonFinite(), SGD(0.05))).fit(x * np.nan, Y, epochs=1, verbose=False)


def test_a_scaled_loss_trains_as_an_unscaled_one():
    """The loss that is reported is the unscaled one, and powers of two change no bit."""
    plain, scaled = trainer(SGD(0.05)), trainer(chain(LossScale(1024.0), SGD(0.05)))
    for _ in range(3):
        assert float(plain.step(X, Y)) == float(scaled.step(X, Y))
    np.testing.assert_array_equal(plain.parameters.theta, scaled.parameters.theta)


def test_running_statistics_are_updated_once_in_a_step():
    """Those of the point where the step starts, though SAM and L-BFGS evaluate at others."""
    found = []
    for optimizer in (SGD(0.05), chain(SAM(0.5), SGD(0.05)), LBFGS(line_search_fn="strong_wolfe")):
        t = trainer(optimizer, model(norm=True))
        t.step(X, Y)
        found.append(t.model.arrays()["1.running_mean"].copy())
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_a_regression_by_quasi_newton_on_the_whole_set():
    t = trainer(LBFGS(line_search_fn="strong_wolfe"), nn.Linear(3, 1))
    y = X @ np.asarray([[1.0], [-2.0], [0.5]]) + 0.25
    for _ in range(3):
        loss = t.step(X, y)
    assert float(loss) < 1e-10
    np.testing.assert_allclose(t.model.arrays()["bias"], [0.25], atol=1e-6)


def test_a_step_that_fails_leaves_the_weights():
    t = trainer(chain(SAM(0.5), SGD(0.05)))
    t.step(X, Y)
    before, calls = t.parameters.theta.copy(), []
    forward = t.model.__class__.__call__

    class Breaks(type(t.model)):
        def __call__(self, x):
            calls.append(1)
            if len(calls) == 2:
                raise RuntimeError("on purpose")
            return forward(self, x)

    t.model.__class__ = Breaks
    with pytest.raises(RuntimeError, match="on purpose"):
        t.step(X, Y)
    np.testing.assert_array_equal(t.parameters.theta, before)


def test_slots_that_do_not_fit_are_named(tmp_path):
    t = trainer(LAMB(0.05))
    path = t.save(tmp_path / "run.safetensors")
    from learnkit.training import checkpoint

    other = trainer(chain(EMA(), LAMB(0.05)))
    _, arrays = checkpoint._read(path)
    slots = {n: a for n, a in arrays.items() if n.startswith("optimizer/")}
    assert "optimizer/m/0" in slots or len(slots) > 4
    with pytest.raises(CheckpointError, match=r"this optimizer needs \['optimizer/0.average"):
        checkpoint._load_slots(other, slots)


def test_accumulate_is_an_integer():
    with pytest.raises(ArgumentError, match="Trainer: accumulate is 0, expected an integer >= 1"):
        trainer(SGD(0.1), accumulate=0)

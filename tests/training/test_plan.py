"""A planned step has the numbers of the tape, and is only taken where nobody could tell the difference."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import learnkit as lk
from learnkit.errors import ShapeError
from learnkit.plugins import registry

DRAW = np.random.default_rng(0)
X = DRAW.standard_normal((70, 12)).astype("float32")
LABELS = DRAW.integers(0, 4, 70)
NUMBERS = DRAW.standard_normal((70, 4)).astype("float32")


def network(**options):
    return lk.nn.Sequential(
        lk.nn.Linear(12, 16, **options), lk.nn.ReLU(), lk.nn.Linear(16, 8), lk.nn.Linear(8, 4), lk.nn.ReLU()
    )


def perceptron():
    """One whose step is a compiled program, with the extra fast: nothing follows its last layer."""
    return lk.nn.MLP((12, 16, 8, 4))


def trained(planned, model, loss, target, optimizer="adam:lr=0.01", dtype="float32", **options):
    trainer = lk.Trainer(model, loss, optimizer, dtype=dtype, seed=3)
    assert trainer._plannable
    trainer._plannable = planned
    history = trainer.fit(X, target, epochs=3, batch_size=32, verbose=False, **options)
    return trainer.parameters.theta, history["loss"], trainer


MODELS = {
    "layers": network,
    "without bias": lambda: network(bias=False),
    "mlp": lambda: lk.nn.MLP((12, 16, 8, 4)),
    "one layer": lambda: lk.nn.Sequential(lk.nn.Linear(12, 4)),
}
LOSSES = {
    "cross_entropy": LABELS,
    "cross_entropy:label_smoothing=0.1": LABELS,
    "cross_entropy:ignore_index=2": LABELS,
    "weighted_cross_entropy": LABELS,
    "huber:delta=0.5": NUMBERS,
    "mse:reduction=sum": NUMBERS,
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_numbers_are_those_of_the_tape(model, loss):
    """Bit for bit, over epochs with a shorter last batch."""
    (a, losses_a, trainer), (b, losses_b, _) = (
        trained(planned, MODELS[model](), loss, LOSSES[loss]) for planned in (True, False)
    )
    np.testing.assert_array_equal(a, b)
    assert losses_a == losses_b
    assert len(trainer._plans) == 2


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("rows", [1, 2, 70, 5000])
def test_predictions_are_those_of_the_model(model, rows):
    """Also for more rows than one block holds, and with an activation at the end."""
    made = MODELS[model]()
    trainer = lk.Trainer(made, "mse", seed=1)
    x = np.random.default_rng(rows).standard_normal((rows, 12)).astype("float32")
    assert trainer._forward_plan(x) is not None
    before = x.copy()
    for batch_size in (1024, 3 * rows):
        np.testing.assert_allclose(trainer.predict(x, batch_size=batch_size), made(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(x, before)
    trainer.step(X, NUMBERS)
    np.testing.assert_allclose(trainer.predict(x), made(x), rtol=1e-5, atol=1e-6)


def test_predictions_by_averaged_weights():
    trainer = lk.Trainer(network(), "mse", lk.optim.chain(lk.optim.EMA(0.5), lk.optim.SGD(0.1)))
    for _ in range(3):
        trainer.step(X, NUMBERS)
    with trainer.averaged_weights():
        wanted = np.array(trainer.model(X))
    np.testing.assert_allclose(trainer.predict(X), wanted, rtol=1e-5, atol=1e-6)
    assert not np.allclose(trainer.predict(X), trainer.model(X))


RULES = sorted({*registry.names("optimizer", third_party=False)} - {"chain", "groups"})


def with_lr(name):
    """An optimizer with a learning rate that changes."""
    return registry.create("optimizer", {"name": name, "lr": lk.schedules.Exponential(0.01, gamma=0.9)})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", RULES)
def test_with_every_optimizer(optimizer, dtype):
    """Also where the update is part of the compiled step."""
    a, b = (
        trained(p, perceptron(), "cross_entropy", LABELS, with_lr(optimizer), dtype)[0] for p in (True, False)
    )
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("optimizer", ["adam", "sgd:lr=0.1,momentum=0.9"])
def test_a_step_that_fails_changes_nothing(optimizer):
    trainer = lk.Trainer(perceptron(), "cross_entropy", optimizer)
    trainer.step(X, LABELS)
    theta, done = np.array(trainer.parameters.theta), trainer.steps_done
    slots = {name: np.array(a[0]) for name, a in trainer.optimizer_state.slots.items()}
    with pytest.raises(IndexError):
        trainer.step(X, LABELS + 1)
    np.testing.assert_array_equal(trainer.parameters.theta, theta)
    assert trainer.steps_done == done
    for name, slot in slots.items():
        np.testing.assert_array_equal(trainer.optimizer_state.slots[name][0], slot)
    trainer.step(X, LABELS)
    assert trainer.steps_done == done + 1


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_class_numbers_of_other_dtypes_and_arrays_that_cannot_be_written_to(dtype):
    found = []
    for planned in (True, False):
        trainer = lk.Trainer(perceptron(), "cross_entropy", seed=3)
        trainer._plannable = planned
        x, y = X.copy(), LABELS.astype(dtype)
        for a in (x, y):
            a.flags.writeable = False
        trainer.step(x, y)
        trainer.step(X[::2], y[::2])
        trainer.step(np.asfortranarray(X), y)
        found.append(np.array(trainer.parameters.theta))
    np.testing.assert_array_equal(*found)


def test_with_weights_of_the_examples():
    weights = DRAW.random(70).astype("float32")
    a, b = (trained(p, network(), "cross_entropy", LABELS, sample_weight=weights)[0] for p in (True, False))
    np.testing.assert_array_equal(a, b)


class Doubled(lk.losses.CrossEntropy):
    """A mean of its own above a loss that has its gradient in one pass."""

    def mean(self, y_pred, y_true):
        return 2.0 * super().mean(y_pred, y_true)


class Turned(lk.losses.Loss):
    """Its gradient is a transposed view, and with ``reduction`` none it has no mean."""

    def per_example(self, y_pred, y_true):
        xp = lk.array_namespace(y_pred)
        return xp.sum(
            xp.permute_dims(xp.permute_dims(y_pred, (1, 0)) * NUMBERS[: len(y_true)].T, (1, 0)), axis=1
        )


@pytest.mark.parametrize("loss", [Doubled(), Turned()])
def test_losses_of_ones_own(loss):
    target = LABELS if isinstance(loss, Doubled) else NUMBERS
    trainers = []
    for planned in (True, False):
        trainer = lk.Trainer(network(), loss, "sgd:lr=0.1", seed=3)
        assert trainer._plannable
        trainer._plannable = planned
        trainer.step(X, target)
        trainers.append(trainer)
    np.testing.assert_array_equal(trainers[0].parameters.theta, trainers[1].parameters.theta)


def test_a_loss_that_is_no_number_is_refused():
    trainer = lk.Trainer(network(), lk.losses.MSE(reduction="none"))
    with pytest.raises(lk.errors.GradientError, match="expected a 0-d array"):
        trainer.step(X, NUMBERS)


@pytest.mark.parametrize(
    "model",
    [
        lambda: lk.nn.Sequential(lk.nn.Linear(12, 4), lk.nn.GELU()),
        lambda: lk.nn.Sequential(lk.nn.Linear(12, 4), lk.nn.ReLU(), lk.nn.ReLU()),
        lambda: lk.nn.Sequential(lk.nn.ReLU(), lk.nn.Linear(12, 4)),
        lambda: lk.nn.MLP((12, 8, 4), dropout=0.5),
        lambda: lk.nn.Sequential(lk.nn.WeightNorm(lk.nn.Linear(12, 4))),
        lambda: lk.nn.Residual(lk.nn.Linear(12, 12)),
    ],
)
def test_other_models_take_the_tape(model):
    assert not lk.Trainer(model(), "mse")._plannable


def test_shared_layers_take_the_tape():
    shared = lk.nn.Linear(12, 12)
    assert not lk.Trainer(lk.nn.Sequential(shared, lk.nn.ReLU(), shared), "mse")._plannable


def test_frozen_leaves_take_the_tape_and_stay():
    model = network()
    trainer = lk.Trainer(model, "mse", "sgd:lr=0.1")
    trainer.step(X, NUMBERS)
    model.layers[0].freeze()
    before = np.array(model.layers[0].weight)
    trainer.step(X, NUMBERS)
    np.testing.assert_array_equal(model.layers[0].weight, before)
    assert not trainer._plannable
    model.layers[0].unfreeze()
    trainer.step(X, NUMBERS)
    assert not np.array_equal(model.layers[0].weight, before)


def test_a_layer_that_is_exchanged_counts_from_the_next_step():
    model = lk.nn.Sequential(lk.nn.Linear(12, 8), lk.nn.ReLU(), lk.nn.Linear(8, 4))
    trainer = lk.Trainer(model, "mse", "sgd:lr=0.1")
    trainer.step(X, NUMBERS)
    model[1] = lk.nn.Tanh()
    before = float(trainer.loss(model(X), NUMBERS))
    assert float(trainer.step(X, NUMBERS)) == pytest.approx(before, rel=1e-6)
    assert not any(known[0] is model.layers for known in trainer._plans.values())


def test_the_watchers_of_the_tape_see_it():
    trainer = lk.Trainer(network(), "mse")
    with lk.detect_anomaly(), pytest.raises(lk.errors.LearnkitError):
        trainer.step(np.full((4, 12), np.nan, "float32"), NUMBERS[:4])


def test_shapes_that_do_not_fit_are_explained_as_ever():
    trainer = lk.Trainer(network(), "mse")
    trainer.step(X, NUMBERS)
    with pytest.raises(ShapeError, match="layer 0"):
        trainer.step(X[:, :5], NUMBERS)


def test_labels_outside_the_classes_are_never_silent():
    trainer = lk.Trainer(network(), "cross_entropy")
    with pytest.raises(IndexError):
        trainer.step(X, LABELS + 4)


def test_kernels_that_are_replaced_are_asked():
    calls = []

    class Counting:
        backend = "numpy"

        @staticmethod
        def relu(x):
            calls.append(x.shape)
            return np.maximum(x, 0)

    trainer = lk.Trainer(network(), "mse")
    trainer.step(X, NUMBERS)
    assert not calls
    with lk.registered(kernel={"counting": Counting}), lk.use_kernels("counting"):
        trainer.step(X, NUMBERS)
    assert len(calls) == 2
    trainer.step(X, NUMBERS)
    assert len(calls) == 2


class Doubly(lk.losses.Loss):
    """It computes in float64, whatever the outputs are."""

    def per_example(self, y_pred, y_true):
        xp = lk.array_namespace(y_pred)
        return xp.sum((xp.astype(y_pred, xp.float64) - y_true) ** 2, axis=1)


class DoublyAtOnce(Doubly):
    """The same in one pass, which gives a gradient in float64."""

    def with_gradient(self, y_pred, y_true):
        apart = y_pred.astype("float64") - y_true
        return (apart**2).sum(axis=1).mean(), 2 * apart / len(apart)


@pytest.mark.parametrize("loss", [Doubly(), DoublyAtOnce()])
def test_a_loss_that_computes_in_another_dtype(loss):
    found = []
    for planned in (True, False):
        trainer = lk.Trainer(perceptron(), loss, "sgd:lr=0.1", seed=3)
        trainer._plannable = planned
        trainer.step(X, NUMBERS)
        found.append(np.array(trainer.parameters.theta))
    np.testing.assert_allclose(*found, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rows", [1, 5])
def test_several_threads_may_predict_at_once(rows):
    """What a program writes on the way has room for one of them."""
    trainer = lk.Trainer(lk.nn.MLP((400, 300, 200, 10)), "cross_entropy", seed=1)
    batches = [np.random.default_rng(i).standard_normal((rows, 400)).astype("float32") for i in range(4)]
    wanted = [np.array(trainer.model(x)) for x in batches]
    worst = [0.0] * 4

    def ask(i):
        for _ in range(300):
            worst[i] = max(worst[i], float(np.abs(trainer.predict(batches[i]) - wanted[i]).max()))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(worst) < 1e-4

"""Trainer: one step, prediction, evaluation, and what it says about wrong arguments."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.backends import use_backend
from learnkit.errors import ArgumentError, DataError, LearnkitError, ShapeError, UnknownNameError
from learnkit.losses import MSE
from learnkit.metrics import R2
from learnkit.optim import SGD, AdamW, ClipByGlobalNorm, chain
from learnkit.schedules import OneCycle
from learnkit.training import Trainer


def test_a_step_is_the_textbook_equation(backend, regression):
    """Loss before the update as a 0-d array on the device; theta moves by -lr times the gradient."""
    x, y = regression
    trainer = Trainer(nn.Linear(2, 1), "mse", SGD(0.1), backend=backend.backend, dtype="float64", seed=3)
    w, b = backend.to_numpy(trainer.model.weight).copy(), backend.to_numpy(trainer.model.bias).copy()
    loss = trainer.step(x, y)
    residual = (x @ w + b)[:, 0] - y
    backend.assert_array(loss, np.mean(residual**2), dtype="float64", rtol=1e-12)
    assert tuple(loss.shape) == ()
    wanted = w[:, 0] - 0.1 * 2 * (x.T @ residual) / len(x)
    backend.assert_array(trainer.model.weight, wanted[:, None], dtype="float64", rtol=1e-10)
    backend.assert_array(trainer.model.bias, b - 0.1 * 2 * residual.mean(), dtype="float64", rtol=1e-10)
    assert trainer.steps_done == 1


def test_a_step_weighs_its_examples(backend, regression):
    x, y = regression
    weight = np.where(np.arange(len(y)) < 10, 1.0, 0.0)
    few, all_rows = (
        Trainer(nn.Linear(2, 1), "mse", SGD(0.1), backend=backend.backend, dtype="float64") for _ in range(2)
    )
    loss = all_rows.step(x, y, weight)
    backend.assert_array(loss, backend.to_numpy(few.step(x[:10], y[:10])), dtype="float64", rtol=1e-12)
    wanted = backend.to_numpy(few.parameters.theta)
    backend.assert_array(all_rows.parameters.theta, wanted, dtype="float64", rtol=1e-12)


OPTIMIZERS = [
    "sgd:lr=0.1",
    "sgd:lr=0.05,momentum=0.9,nesterov=true",
    "adam:lr=0.05",
    "adamw:lr=0.05",
    chain(ClipByGlobalNorm(1.0), AdamW(0.05)),
    AdamW(OneCycle(0.1, total_steps=40)),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_training_reduces_the_loss_on_every_backend(backend, classifier, plane, optimizer):
    """Nothing in a step waits for the device; theta and slots stay there, in float32, in the same memory."""
    x, y = plane
    trainer = classifier(optimizer=optimizer, backend=backend.backend, seed=1)
    theta = trainer.parameters.theta
    x, y = backend.asarray(x), backend.asarray(y)
    losses = []
    for _ in range(40):
        with backend.no_sync():
            losses.append(trainer.step(x, y))
    first, last = (float(np.mean([backend.to_numpy(v) for v in part])) for part in (losses[:3], losses[-3:]))
    assert last < 0.5 * first
    assert trainer.parameters.theta is theta
    backend.assert_array(theta, backend.to_numpy(theta), dtype="float32")
    for arrays in trainer.optimizer_state.slots.values():
        backend.assert_array(arrays[0], backend.to_numpy(arrays[0]), like=theta)
    assert trainer.evaluate(x, y)["loss"] < 0.5 * first


def test_ten_steps_have_the_numbers_of_numpy(backend, classifier, plane):
    """Dropout masks included: the libraries differ by rounding only."""
    losses = {}
    for name in ("numpy", backend.backend):
        trainer = classifier(backend=name, dtype="float64", seed=2)
        losses[str(name)] = [float(trainer.step(*plane)) for _ in range(10)]
    first, *rest = losses.values()
    for other in rest:
        np.testing.assert_allclose(other, first, rtol=1e-9)


def test_predictions_are_of_the_kind_of_the_input(backend, classifier, plane):
    """NumPy and lists give NumPy, arrays of the backend stay there; how they are batched does not matter."""
    x, _ = plane
    trainer = classifier(backend=backend.backend)
    host = trainer.predict(x)
    assert type(host) is np.ndarray
    assert host.shape == (48, 3)
    assert host.dtype == np.float32
    assert type(trainer.predict(x.tolist())) is np.ndarray
    backend.assert_array(trainer.predict(backend.asarray(x)), host, dtype="float32")
    for batch_size in (1, 7, 48, 1000):
        np.testing.assert_allclose(trainer.predict(x, batch_size=batch_size), host, rtol=1e-5, atol=1e-6)
    assert trainer.predict(x[:0]).shape == (0, 3)
    np.testing.assert_array_equal(trainer.predict(x), host, err_msg="dropout is off in inference")


def test_predict_leaves_the_model_as_it_is(classifier, plane):
    trainer = classifier()
    before = trainer.parameters.theta.copy()
    trainer.predict(plane[0])
    trainer.evaluate(*plane)
    np.testing.assert_array_equal(trainer.parameters.theta, before)
    assert trainer.steps_done == 0


def test_evaluate_gives_loss_and_metrics_of_all_rows(backend, regressor, regression):
    x, y = regression
    trainer = regressor(backend=backend.backend, dtype="float64", metrics=["mae", R2()])
    out = trainer.predict(x)[:, 0]
    values = trainer.evaluate(x, y, batch_size=7)
    assert list(values) == ["loss", "mae", "r2"]
    assert values["loss"] == pytest.approx(np.mean((out - y) ** 2), rel=1e-12)
    assert values["mae"] == pytest.approx(np.mean(np.abs(out - y)), rel=1e-12)
    assert all(type(v) is float for v in values.values())
    assert trainer.evaluate(x, y) == pytest.approx(values, rel=1e-12)


def test_the_dtype_and_backend_of_the_trainer_are_kept(backend, regression):
    """float64 data do not make a float32 model wider."""
    x, y = regression
    trainer = Trainer(nn.Linear(2, 1), "mse", backend=backend.backend)
    loss = trainer.step(x, y)
    backend.assert_array(loss, backend.to_numpy(loss), dtype="float32")
    backend.assert_array(
        trainer.parameters.theta, backend.to_numpy(trainer.parameters.theta), dtype="float32"
    )
    assert trainer.predict(x).dtype == np.float32


def test_the_backend_in_force_is_the_default():
    pytest.importorskip("array_api_strict")
    with use_backend("strict"):
        trainer = Trainer(nn.Linear(1, 1), "mse")
    assert trainer.backend.name == "strict"
    assert repr(trainer) == "<Trainer of 2 parameters, 0 epochs done, strict>"


def test_components_are_named_or_given():
    trainer = Trainer(
        nn.Linear(2, 1),
        {"name": "mse"},
        {"name": "adamw", "lr": 0.1},
        metrics=["mae", {"name": "rmse"}, R2()],
    )
    assert trainer.loss == MSE()
    assert trainer.optimizer == AdamW(0.1)
    assert list(trainer.metrics) == ["mae", "rmse", "r2"]
    assert list(Trainer(nn.Linear(2, 1), "mse", metrics="mae").metrics) == ["mae"]
    assert list(Trainer(nn.Linear(2, 1), "mse", metrics=R2()).metrics) == ["r2"]


def test_a_model_belongs_to_the_trainer_that_got_it_last(regression):
    """A step of an earlier trainer would move a vector that the model no longer reads; it says so."""
    model = nn.Linear(2, 1)
    first = Trainer(model, "mse", "sgd:lr=0.1")
    first.step(*regression)
    weight = model.weight.copy()
    second = Trainer(model, "mse", "adam")
    np.testing.assert_array_equal(model.weight, weight, err_msg="the values go along")
    second.step(*regression)
    with pytest.raises(ArgumentError, match="now lie in another vector, so a step here would not reach it"):
        first.step(*regression)


def make(*args, **options):
    return lambda: Trainer(*args, **options)


WRONG = [
    (make(lambda x: x, "mse"), ArgumentError, "Trainer: model is function, expected a learnkit.nn.Module"),
    (make(nn.Linear(1, 1), "msee"), UnknownNameError, "unknown loss 'msee' (did you mean 'mse'?)"),
    (make(nn.Linear(1, 1), "mse", "adm"), UnknownNameError, "unknown optimizer 'adm' (did you mean 'adam'?)"),
    (make(nn.Linear(1, 1), "mse", "adam:rl=1"), ArgumentError, "rl"),
    (make(nn.Linear(1, 1), "mse", metrics=["acc"]), UnknownNameError, "unknown metric 'acc'"),
    (make(nn.Linear(1, 1), "mse", metrics=["mae", "mae"]), ArgumentError, "metric 'mae' is given twice"),
    (make(nn.Linear(1, 1), SGD(0.1)), ArgumentError, "expected a Loss or a name: "),
    (
        make(nn.Linear(1, 1), "mse", MSE()),
        ArgumentError,
        "Trainer: optimizer is MSE(reduction='mean', half=False), expected an Optimizer or a name",
    ),
    (make(nn.Linear(1, 1), "mse", seed=-1), ArgumentError, "Trainer: seed is -1, expected an integer >= 0"),
    (make(nn.Linear(1, 1), "mse", seed=0.5), ArgumentError, "Trainer: seed is 0.5, expected an integer >= 0"),
    (
        make(nn.Linear(1, 1), "mse", dtype="half"),
        ArgumentError,
        "dtype is 'half', expected 'float32' or 'float64'",
    ),
    (make(nn.Linear(1, 1), "mse", backend="nunpy"), UnknownNameError, "(did you mean 'numpy'?)"),
]


@pytest.mark.parametrize(("call", "kind", "text"), WRONG)
def test_wrong_arguments_are_explained(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert text in str(caught.value)


X, Y = np.ones((6, 2)), np.asarray([0, 1, 2, 0, 1, 2])


def three():
    return Trainer(nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 3)), "cross_entropy", metrics=["accuracy"])


DATA = [
    (lambda: three().fit(X, Y[:5]), ShapeError, "x has 6 rows but y has 5; expected one for each row of x"),
    (lambda: three().fit(X, 3), ShapeError, "x has 6 rows but y has no; expected one for each row of x"),
    (lambda: three().fit(X, Y, sample_weight=np.ones(4)), ShapeError, "x has 6 rows but sample_weight has 4"),
    (
        lambda: three().fit(np.ones((6, 5)), Y),
        ShapeError,
        "layer 0 (Linear(in_features=2, out_features=4)): linear got x",
    ),
    (
        lambda: three().fit(X, Y + 1),
        DataError,
        "class numbers range from 1 to 3, but the model has 3 outputs",
    ),
    (lambda: three().fit(X, Y - 1), DataError, "class numbers range from -1 to 1"),
    (lambda: three().fit(X, Y + 0.5), ShapeError, "cross_entropy: y_pred has shape (1, 3) and y_true (1,)"),
    (lambda: three().fit(X[:0], Y[:0]), DataError, "fit got 0 training rows, expected at least 1"),
    (lambda: three().fit(1.0, Y), ShapeError, "x is a single number, expected an array with one row"),
    (lambda: three().fit([["a", "b"]], [0]), DataError, "x has dtype <U1, expected numbers"),
    (lambda: three().fit(X, ["a"] * 6), DataError, "number the classes 0, 1, 2, ..."),
    (lambda: three().fit([[1.0], [1.0, 2.0]], [0, 1]), DataError, "x cannot be made an array of numbers"),
    (lambda: three().fit([[None, 1.0]], [0]), DataError, "x "),
    (lambda: three().fit(X, Y, epochs=0), ArgumentError, "fit: epochs is 0, expected an integer >= 1"),
    (lambda: three().fit(X, Y, epochs=1.0), ArgumentError, "fit: epochs is 1.0, expected an integer >= 1"),
    (
        lambda: three().fit(X, Y, batch_size=0),
        ArgumentError,
        "fit: batch_size is 0, expected an integer >= 1",
    ),
    (
        lambda: three().fit(X, Y, validation_split=1.0),
        ArgumentError,
        "validation_split is 1.0, expected a fraction in",
    ),
    (lambda: three().fit(X, Y, validation_split="a"), ArgumentError, "validation_split is 'a'"),
    (
        lambda: three().fit(X, Y, validation_split=0.5, validation_data=(X, Y)),
        ArgumentError,
        "validation_data and validation_split are both given",
    ),
    (lambda: three().fit(X, Y, validation_data=X), ArgumentError, "validation_data must be a pair (x, y)"),
    (lambda: three().fit(X, Y, validation_data=(X[:0], Y[:0])), DataError, "validation_data has 0 rows"),
    (lambda: three().fit(X, Y, validation_data=(X, Y + 1)), DataError, "class numbers range from 1 to 3"),
    (lambda: three().fit(X, Y, callbacks=[print]), ArgumentError, "is not a Callback"),
    (lambda: three().evaluate(X[:0], Y[:0]), DataError, "evaluate got 0 rows, expected at least 1"),
    (
        lambda: three().evaluate(X, Y, batch_size=0),
        ArgumentError,
        "evaluate: batch_size is 0, expected an integer >= 1",
    ),
    (
        lambda: three().predict(X, batch_size=-1),
        ArgumentError,
        "predict: batch_size is -1, expected an integer >= 1",
    ),
    (lambda: three().predict(np.asarray(1.0)), ShapeError, "x is a single number"),
    (
        lambda: Trainer(nn.Linear(2, 1), "mse", AdamW(OneCycle(0.1))).step(X, Y),
        ArgumentError,
        "total_steps is not known",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), DATA)
def test_data_that_do_not_fit_are_explained_before_the_first_step(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert isinstance(caught.value, LearnkitError)
    assert text in str(caught.value)


def test_targets_may_be_booleans_columns_or_integers(regression):
    """(n,) and (n, 1) beside one output, integers and booleans as numbers."""
    x, y = regression
    losses = []
    for target in (y, y[:, None], y.tolist()):
        trainer = Trainer(nn.Linear(2, 1), "mse", "sgd:lr=0.1", dtype="float64")
        losses.append(float(trainer.step(x, target)))
    assert losses[0] == losses[1] == losses[2]
    for target in (y > 0, (y > 0).astype(int), (y > 0).astype("float32")):
        trainer = Trainer(nn.Linear(2, 1), "binary_cross_entropy", metrics=["accuracy"], dtype="float64")
        trainer.fit(x, target, epochs=1, verbose=False)
        losses.append(trainer.history["loss"][0])
    assert losses[3] == losses[4] == losses[5]

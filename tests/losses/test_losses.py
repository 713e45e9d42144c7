"""Losses: one row a loss in ``LOSSES``, one row a case in the golden file, one test a property."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from learnkit.autodiff import check_grads, grad, value_and_grad
from learnkit.errors import ArgumentError, DataError, ShapeError
from learnkit.losses import MAE, MSE, BinaryCrossEntropy, CrossEntropy, Loss
from learnkit.plugins import registry

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "losses.json").read_text())["cases"]
IDS = [f"{case['loss']}: {case['label']}" for case in GOLDEN]

rng = np.random.default_rng(3)
Z, LABELS = rng.normal(size=(5, 3)), np.asarray([0, 2, 1, 1, 0])
SOFT, COLUMN = rng.dirichlet(np.ones(3), size=5), rng.uniform(0.1, 0.9, size=5)

# name: smooth points (y_pred, y_true), several shapes of them
LOSSES = {
    "mse": [(Z, SOFT), (Z[:, 0], COLUMN), (Z[:, :1], COLUMN), (Z[:, 0], COLUMN[:, None])],
    "mae": [(Z, SOFT + 4), (Z[:, 0], COLUMN + 4), (rng.normal(size=(2, 2, 2)), np.full((2, 2, 2), 9.0))],
    "cross_entropy": [(Z, LABELS), (Z, SOFT), (Z, LABELS[:, None]), (Z, LABELS.astype("int32"))],
    "binary_cross_entropy": [(Z, SOFT), (Z[:, 0], COLUMN), (Z[:, :1], LABELS > 0), (Z[:, 0], LABELS > 0)],
}
ROWS = [(name, i) for name, points in LOSSES.items() for i in range(len(points))]


def test_every_registered_loss_has_a_row():
    assert set(LOSSES) == set(registry.names("loss", third_party=False))
    assert set(LOSSES) == {case["loss"] for case in GOLDEN}


def arrays(backend, case, dtype="float64"):
    """y_pred, y_true and sample_weight of a golden case on a backend."""
    y_true = np.asarray(case["y_true"])
    weight = case["sample_weight"]
    return (
        backend.asarray(case["y_pred"], dtype),
        backend.asarray(y_true, "int64" if y_true.dtype.kind == "i" else dtype),
        None if weight is None else backend.asarray(weight, dtype),
    )


@pytest.mark.parametrize("case", GOLDEN, ids=IDS)
def test_value_and_gradient_equal_those_of_pytorch(backend, case):
    """Within 1e-12 in float64 and float32's own precision in float32."""
    loss = registry.create("loss", case["loss"])
    for dtype, rtol in (("float64", 1e-12), ("float32", 2e-6)):
        y_pred, y_true, weight = arrays(backend, case, dtype)
        value, gradient = value_and_grad(lambda p: loss(p, y_true, weight))(y_pred)  # noqa: B023
        backend.assert_array(value, case["value"], dtype=dtype, rtol=rtol, atol=rtol)
        backend.assert_array(gradient, case["gradient"], dtype=dtype, rtol=rtol, atol=rtol)
        backend.assert_array(loss(y_pred, y_true, weight), case["value"], dtype=dtype, rtol=rtol, atol=rtol)


@pytest.mark.parametrize(("name", "i"), ROWS)
def test_gradients_agree_with_differences(name, i):
    """First and second order, with respect to the predictions."""
    y_pred, y_true = LOSSES[name][i]
    loss = registry.create("loss", name)
    check_grads(lambda p: loss.per_example(p, y_true), y_pred, order=2)
    check_grads(lambda p: loss(p, y_true, np.arange(1.0, 1 + len(y_pred))), y_pred, order=2)


@pytest.mark.parametrize(("name", "i"), ROWS)
def test_gradients_with_respect_to_the_targets(name, i):
    """Targets that are numbers have a gradient too, as distillation needs."""
    y_pred, y_true = LOSSES[name][i]
    if y_true.dtype.kind == "f":
        loss = registry.create("loss", name)
        check_grads(lambda t: loss.per_example(y_pred, t), y_true, order=2)


@pytest.mark.parametrize(("name", "i"), ROWS)
def test_per_example_gives_one_number_for_each(backend, name, i):
    """``per_example`` has shape (batch,), and the loss is its mean, in the dtype of the predictions."""
    loss = registry.create("loss", name)
    plain_pred, plain_true = LOSSES[name][i]
    y_pred = backend.asarray(plain_pred, "float32")
    y_true = backend.asarray(plain_true)
    each = loss.per_example(y_pred, y_true)
    expected = loss.per_example(plain_pred, plain_true)
    backend.assert_array(each, expected, like=y_pred, rtol=1e-5, atol=1e-6)
    assert tuple(each.shape) == (len(plain_pred),)
    backend.assert_array(loss(y_pred, y_true), expected.mean(), like=y_pred)


@pytest.mark.parametrize(("name", "i"), ROWS)
def test_nothing_waits_for_the_device(backend, name, i):
    loss = registry.create("loss", name)
    y_pred, y_true = (backend.asarray(a) for a in LOSSES[name][i])
    weight = backend.asarray(np.ones(len(LOSSES[name][i][0])))
    with backend.no_sync():
        value_and_grad(lambda p: loss(p, y_true, weight))(y_pred)


@pytest.mark.parametrize(("name", "i"), ROWS)
def test_weights(name, i):
    """sum(w l) / sum(w): a scale does not matter, 0 leaves out, and all 0 gives 0 with zero gradient."""
    y_pred, y_true = LOSSES[name][i]
    loss = registry.create("loss", name)
    w = np.arange(float(len(y_pred)))
    weighted = loss(y_pred, y_true, w)
    np.testing.assert_allclose(loss(y_pred, y_true, 7 * w), weighted, rtol=1e-12)
    np.testing.assert_allclose(loss(y_pred[1:], y_true[1:], w[1:]), weighted, rtol=1e-12)
    np.testing.assert_allclose(loss(y_pred, y_true, w * 0 + 2), loss(y_pred, y_true), rtol=1e-12)
    value, gradient = value_and_grad(lambda p: loss(p, y_true, w * 0))(y_pred)
    assert value == 0.0
    assert not gradient.any()
    whole = np.asarray([1, 0, 2, 1, 0][: len(w)])
    np.testing.assert_allclose(loss(y_pred, y_true, whole), loss(y_pred, y_true, whole * 1.0), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_components_by_name(name):
    """They compare, are made from their description, and cannot be changed."""
    loss = registry.create("loss", name)
    assert registry.create("loss", registry.describe(loss, "loss")) == loss
    assert hash(loss) == hash(registry.create("loss", name))
    with pytest.raises(AttributeError):
        loss.name = "other"


def test_extreme_logits_stay_finite():
    """The logarithm of a probability that underflows is exact: the logit itself."""
    assert float(CrossEntropy()(np.asarray([[0.0, 1e4]]), np.asarray([0]))) == 1e4
    assert float(BinaryCrossEntropy()(np.asarray([1e4, -1e4]), np.asarray([0, 1]))) == 1e4
    z = np.asarray([[0.0, 200.0]], dtype="float32")
    value, gradient = value_and_grad(lambda z: CrossEntropy()(z, np.asarray([0])))(z)
    assert float(value) == 200.0
    assert gradient.tolist() == [[-1.0, 1.0]]


def test_a_loss_of_ones_own(backend):
    """Three lines of standard code are a loss, with its gradient, on every library."""

    @dataclass(frozen=True)
    class Fourth(Loss):
        scale: float = 2.0

        def per_example(self, y_pred, y_true):
            return self.scale * (y_pred - y_true) ** 4

    y_pred, y_true = backend.asarray([1.0, 2.0]), backend.asarray([0.0, 0.0])
    value, gradient = value_and_grad(lambda p: Fourth()(p, y_true))(y_pred)
    backend.assert_array(value, 17.0, like=y_pred)
    backend.assert_array(gradient, [4.0, 32.0], like=y_pred)


def test_a_loss_without_a_formula_says_so():
    with pytest.raises(TypeError, match=r"Loss defines no per_example\(self, y_pred, y_true\)"):
        Loss()(np.ones(2), np.ones(2))


WRONG = {
    "mse": (
        MSE(),
        np.ones((4, 2)),
        np.ones((4,)),
        "mse: y_pred has shape (4, 2) and y_true (4,), expected equal",
    ),
    "mse order": (
        MSE(),
        np.ones((4, 1)),
        np.ones((1, 4)),
        "the order is loss(y_pred, y_true); nothing is broadcast",
    ),
    "mse broadcast": (MSE(), np.ones((1,)), np.ones((4,)), "mse: y_pred has shape (1,) and y_true (4,)"),
    "mae": (MAE(), np.ones((4, 2)), np.ones((2, 4)), "mae: y_pred has shape (4, 2) and y_true (2, 4)"),
    "bce": (BinaryCrossEntropy(), Z, LABELS, "binary_cross_entropy: y_pred has shape (5, 3) and y_true (5,)"),
    "labels as numbers": (
        CrossEntropy(),
        Z,
        COLUMN,
        "cross_entropy: y_pred has shape (5, 3) and y_true (5,) of float64",
    ),
    "one output": (CrossEntropy(), Z[:, 0], LABELS, "for one output per example use binary_cross_entropy"),
    "other rows": (CrossEntropy(), Z, LABELS[:3], "y_pred has shape (5, 3) and y_true (3,) of int64"),
    "other classes": (CrossEntropy(), Z, SOFT[:, :2], "y_pred has shape (5, 3) and y_true (5, 2)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_shapes_that_do_not_fit_are_refused(name):
    loss, y_pred, y_true, text = WRONG[name]
    with pytest.raises(ShapeError) as caught:
        loss(y_pred, y_true)
    assert text in str(caught.value)
    with pytest.raises(ShapeError):
        grad(lambda p: loss(p, y_true))(y_pred)


def test_weights_of_another_shape_are_refused():
    with pytest.raises(
        ShapeError, match=r"sample_weight has shape \(4,\), expected \(5,\): one weight for each"
    ):
        MSE()(Z, SOFT, np.ones(4))


def test_targets_are_checked_on_request(backend):
    """Once, before training, with all targets: the text names what was found and what fits."""
    labels = backend.asarray(np.asarray([0, 3, 1]))
    CrossEntropy().check_targets((3, 4), labels)
    with pytest.raises(DataError, match=r"class numbers range from 0 to 3, but the model has 3 outputs"):
        CrossEntropy().check_targets((3, 3), labels)
    with pytest.raises(
        DataError, match=r"range from -1 to 2, but the model has 3 outputs; expected integers in \["
    ):
        CrossEntropy().check_targets((3, 3), backend.asarray(np.asarray([-1, 2, 0])))
    CrossEntropy().check_targets((5, 3), backend.asarray(SOFT))
    BinaryCrossEntropy().check_targets((3, 1), backend.asarray(np.asarray([0, 1, 1])))
    with pytest.raises(DataError, match=r"targets range from 0.* to 3.*, expected values in \[0, 1\]"):
        BinaryCrossEntropy().check_targets((3, 1), labels)
    MSE().check_targets((3, 1), labels)


def test_unknown_options_are_refused():
    with pytest.raises(ArgumentError, match="mse"):
        registry.create("loss", "mse:delta=2")

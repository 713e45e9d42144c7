"""Losses: one row a case in the table of ``conftest.py`` and in the golden file, one test a property."""

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


def test_every_registered_loss_has_a_row(rows):
    assert {row.name for row in rows} == set(registry.names("loss", third_party=False))
    assert {case["loss"] for case in GOLDEN} <= {row.name for row in rows}


def arrays(backend, case, dtype="float64"):
    """y_pred, y_true and sample_weight of a golden case on a backend."""
    y_true = None if case["y_true"] is None else np.asarray(case["y_true"])
    if y_true is not None:
        y_true = backend.asarray(y_true, "int64" if y_true.dtype.kind == "i" else dtype)
    weight = case["sample_weight"]
    return (
        backend.asarray(case["y_pred"], dtype),
        y_true,
        None if weight is None else backend.asarray(weight, dtype),
    )


def on(backend, row, dtype="float64"):
    """y_pred and y_true of a row on a backend."""
    y_true = row.y_true
    if y_true is not None:
        y_true = backend.asarray(y_true, dtype if y_true.dtype.kind == "f" else None)
    return backend.asarray(row.y_pred, dtype), y_true


def some_weights(row):
    return np.arange(float(len(row.y_pred)))


@pytest.mark.parametrize("case", GOLDEN, ids=IDS)
def test_value_and_gradient_equal_those_of_pytorch(backend, case):
    """Within 1e-12 in float64 and float32's own precision in float32."""
    loss = registry.create("loss", {"name": case["loss"], **case["options"]})
    for dtype, rtol in (("float64", 1e-12), ("float32", 5e-6)):
        y_pred, y_true, weight = arrays(backend, case, dtype)
        value, gradient = value_and_grad(lambda p: loss(p, y_true, weight))(y_pred)  # noqa: B023
        backend.assert_array(value, case["value"], dtype=dtype, rtol=rtol, atol=rtol)
        backend.assert_array(gradient, case["gradient"], dtype=dtype, rtol=rtol, atol=rtol)
        backend.assert_array(loss(y_pred, y_true, weight), case["value"], dtype=dtype, rtol=rtol, atol=rtol)


def test_value_is_that_of_the_formula(backend, row):
    """In float64, and in float32 as far as it goes; on every library, in its dtype and on its device."""
    expected = row.value(row.y_pred, row.y_true)
    for dtype, rtol in (("float64", 1e-11), ("float32", 1e-4)):
        y_pred, y_true = on(backend, row, dtype)
        backend.assert_array(row.loss(y_pred, y_true), expected, like=y_pred, rtol=rtol, atol=rtol / 10)


def test_gradients_agree_with_differences(row):
    """First and second order, with respect to the predictions, with and without weights."""
    loss, weight = row.loss, np.arange(1.0, 1 + len(row.y_pred))
    if row.name == "ctc":  # long loops: the second order of one of the two
        row.y_pred = row.y_pred[:2]
        row.y_true = row.y_true[:2]
        weight = weight[:2]
    check_grads(lambda p: loss(p, row.y_true, weight), row.y_pred, order=2)
    if row.plain and row.name != "ctc":
        check_grads(lambda p: loss.per_example(p, row.y_true), row.y_pred, order=1)


def test_gradients_with_respect_to_the_targets(row):
    """Targets that are numbers have a gradient too, as distillation needs."""
    if row.y_true is None or row.y_true.dtype.kind != "f" or not row.differentiable_targets:
        return
    check_grads(lambda t: row.loss(row.y_pred, t), row.y_true, order=2)


def test_per_example_gives_one_number_for_each(backend, row):
    """``per_example`` has shape (batch,), and the loss is its mean, in the dtype of the predictions."""
    if not row.plain:
        return
    y_pred, y_true = on(backend, row, "float32")
    each = row.loss.per_example(y_pred, y_true)
    expected = row.loss.per_example(row.y_pred, row.y_true)
    assert tuple(each.shape) == (len(row.y_pred),)
    backend.assert_array(each, expected, like=y_pred, rtol=1e-4, atol=1e-5)
    backend.assert_array(row.loss(y_pred, y_true), expected.mean(), like=y_pred, rtol=1e-4, atol=1e-5)


def test_nothing_waits_for_the_device(backend, row):
    loss = row.loss
    y_pred, y_true = on(backend, row, "float32")
    weight = backend.asarray(np.ones(len(row.y_pred)))
    mask = backend.asarray(np.ones(len(row.y_pred), dtype=bool))
    loss(y_pred, y_true)  # copies constants such as class weights
    with backend.no_sync():
        value_and_grad(lambda p: loss(p, y_true))(y_pred)
        value_and_grad(lambda p: loss(p, y_true, weight, mask))(y_pred)


def test_weights(row):
    """sum(w l) / sum(w): a scale does not matter, 0 leaves out, and all 0 gives 0 with zero gradient."""
    loss, y_pred, y_true, w = row.loss, row.y_pred, row.y_true, some_weights(row)
    weighted = loss(y_pred, y_true, w)
    np.testing.assert_allclose(loss(y_pred, y_true, w * 0 + 1), loss(y_pred, y_true), rtol=1e-12)
    if row.apart:
        rest = None if y_true is None else y_true[1:]
        np.testing.assert_allclose(loss(y_pred[1:], rest, w[1:]), weighted, rtol=1e-12)
    value, gradient = value_and_grad(lambda p: loss(p, y_true, w * 0))(y_pred)
    assert value == 0.0
    assert not gradient.any()
    whole = np.asarray([1, 0, 2, 1, 0][: len(w)])
    np.testing.assert_allclose(loss(y_pred, y_true, whole), loss(y_pred, y_true, whole * 1.0), rtol=1e-12)
    if getattr(loss, "batch", False):
        return  # a batch that is one region has a smoothing that weights do not scale
    np.testing.assert_allclose(loss(y_pred, y_true, 7 * w), weighted, rtol=1e-12)
    if row.plain and row.name != "nt_xent":
        np.testing.assert_allclose(
            weighted, (w * loss.per_example(y_pred, y_true)).sum() / w.sum(), rtol=1e-12
        )


def test_masked_examples_are_as_good_as_none(backend, row):
    """Whatever they hold: NaN in them reaches neither the value nor the gradient."""
    loss = row.loss
    plain_pred, plain_true = row.y_pred.copy(), None if row.y_true is None else row.y_true.copy()
    plain_pred[1] = np.nan
    if plain_true is not None and plain_true.dtype.kind == "f":
        plain_true[1] = np.nan
    others = [i for i in range(len(plain_pred)) if i != 1]
    kept = backend.asarray(np.arange(len(plain_pred)) != 1)
    y_pred = backend.asarray(plain_pred, "float64")
    y_true = plain_true
    if y_true is not None:
        y_true = backend.asarray(y_true, "float64" if y_true.dtype.kind == "f" else None)
    value, gradient = value_and_grad(lambda p: loss(p, y_true, None, kept))(y_pred)
    wanted, slope = value_and_grad(lambda p: loss(p, None if row.y_true is None else row.y_true[others]))(
        row.y_pred[others]
    )
    backend.assert_array(value, wanted, like=y_pred, rtol=1e-11, atol=1e-13)
    whole = np.zeros_like(plain_pred)
    whole[others] = slope
    backend.assert_array(gradient, whole, like=y_pred, rtol=1e-10, atol=1e-13)
    nothing = backend.asarray(np.zeros(len(plain_pred), dtype=bool))
    value, gradient = value_and_grad(lambda p: loss(p, y_true, None, nothing))(y_pred)
    backend.assert_array(value, 0.0, like=y_pred, rtol=0, atol=0)
    backend.assert_array(gradient, np.zeros_like(plain_pred), like=y_pred, rtol=0, atol=0)


def test_an_empty_batch_costs_nothing(backend, row):
    y_pred, y_true = on(backend, row)
    y_pred, y_true = y_pred[:0, ...], None if y_true is None else y_true[:0, ...]
    value, gradient = value_and_grad(lambda p: row.loss(p, y_true))(y_pred)
    backend.assert_array(value, 0.0, like=y_pred, rtol=0, atol=0)
    assert tuple(gradient.shape) == tuple(y_pred.shape)
    weighted = row.loss(y_pred, y_true, backend.asarray(np.zeros(0)))
    backend.assert_array(weighted, 0.0, like=y_pred, rtol=0, atol=0)


def test_reductions(row):
    """ "sum" is the sum of "none", weighted too; "mean" is the default."""
    options = {**row.options, "reduction": "none"}
    if row.options.get("batch"):
        with pytest.raises(ArgumentError, match=r"reduction is 'none' with batch=True, expected 'mean'"):
            registry.create("loss", {"name": row.name, **options})
        return
    none = registry.create("loss", {"name": row.name, **options})
    total = registry.create("loss", {"name": row.name, **row.options, "reduction": "sum"})
    w = some_weights(row)
    each, weighted = none(row.y_pred, row.y_true), none(row.y_pred, row.y_true, w)
    assert each.shape[0] == len(row.y_pred)
    np.testing.assert_allclose(total(row.y_pred, row.y_true), each.sum(), rtol=1e-12)
    np.testing.assert_allclose(total(row.y_pred, row.y_true, w), weighted.sum(), rtol=1e-12)
    np.testing.assert_allclose(weighted, each * w.reshape((-1,) + (1,) * (each.ndim - 1)), rtol=1e-12)
    if row.plain and row.name != "ctc":
        np.testing.assert_allclose(each.mean(), row.loss(row.y_pred, row.y_true), rtol=1e-12)


def test_components_by_name(row):
    """They compare, are made from their description, and cannot be changed."""
    loss = row.loss
    description = json.loads(json.dumps(registry.describe(loss, "loss")))
    assert registry.create("loss", description) == loss
    assert hash(loss) == hash(row.loss)
    with pytest.raises(AttributeError):
        loss.name = "other"


#: Their predictions are log-probabilities, mean and variance together, or go with targets of other shapes.
NOT_EXTREME = ("nll", "ctc", "gaussian_nll", "quantile")


def test_extreme_predictions(backend, row):
    """Predictions of +-1e4 in float32 have finite losses and gradients, those of float64."""
    if row.name in NOT_EXTREME or row.options.get("from_logits") is False:
        return
    signs = np.where(np.random.default_rng(1).uniform(size=row.y_pred.shape) < 0.5, -1.0, 1.0)
    y_true = row.y_true
    for y_pred in (signs * 1e4, -signs * 1e4, np.abs(signs) * 1e4, -signs * 40, signs * 0):
        p = backend.asarray(y_pred, "float32")
        t = None if y_true is None else backend.asarray(y_true)
        value, gradient = value_and_grad(lambda p: row.loss(p, t))(p)  # noqa: B023
        assert np.isfinite(backend.to_numpy(value))
        assert np.isfinite(backend.to_numpy(gradient)).all()
        if row.name in ("poisson_nll", "nt_xent") or row.options.get("swap"):
            continue  # the tangent begins earlier; cosines of equal vectors, and equal distances, round apart
        expected, slope = value_and_grad(lambda p: row.loss(p, y_true))(y_pred)
        backend.assert_array(value, expected, like=p, rtol=1e-4, atol=1e-5)
        backend.assert_array(gradient, slope, like=p, rtol=2e-3, atol=1e-5)


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

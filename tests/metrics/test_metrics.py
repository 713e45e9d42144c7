"""Metrics: one row a case in the golden file, one test a property."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from learnkit.errors import ArgumentError, ShapeError
from learnkit.metrics import MAE, R2, RMSE, Accuracy, Metric
from learnkit.plugins import registry

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "metrics.json").read_text())["cases"]
IDS = [f"{case['metric']}: {case['label']}" for case in GOLDEN]
BETTER = {"accuracy": True, "r2": True, "mae": False, "rmse": False}


def arrays(backend, case, dtype="float64"):
    y_pred, y_true = np.asarray(case["y_pred"]), np.asarray(case["y_true"])
    return backend.asarray(y_pred, dtype), backend.asarray(
        y_true, "int64" if y_true.dtype.kind == "i" else dtype
    )


def in_batches(metric, y_pred, y_true, cuts):
    """The metric of batches that end at ``cuts``, combined one after another."""
    sums = None
    for start, stop in zip([0, *cuts], [*cuts, y_pred.shape[0]], strict=True):
        new = metric.sums(y_pred[start:stop, ...], y_true[start:stop, ...])
        sums = new if sums is None else metric.combine(sums, new)
    return metric.compute(tuple(float(s) for s in sums))


def test_every_registered_metric_has_rows():
    names = set(registry.names("metric", third_party=False)) - {"in_original_units"}
    assert names == set(BETTER) == {case["metric"] for case in GOLDEN}


@pytest.mark.parametrize("case", GOLDEN, ids=IDS)
def test_values_equal_those_of_scikit_learn(backend, case):
    """Within 1e-12, on every library."""
    y_pred, y_true = arrays(backend, case)
    value = registry.create("metric", case["metric"])(y_pred, y_true)
    assert type(value) is float
    np.testing.assert_allclose(value, case["value"], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", GOLDEN, ids=IDS)
def test_values_do_not_depend_on_the_batches(backend, case):
    """Within 1e-12, whether rows come one by one, in halves, or in uneven parts."""
    y_pred, y_true = arrays(backend, case)
    metric = registry.create("metric", case["metric"])
    n = y_pred.shape[0]
    for cuts in ([], [n // 2], [1, 2], [n - 1], list(range(1, n))):
        value = in_batches(metric, y_pred, y_true, cuts)
        np.testing.assert_allclose(value, case["value"], rtol=1e-12, atol=1e-12, err_msg=f"cuts {cuts}")


@pytest.mark.parametrize("case", GOLDEN, ids=IDS)
def test_sums_are_numbers_on_the_device_in_double_precision(backend, case):
    """Nothing waits for the device, also when predictions are in float32."""
    y_pred, y_true = arrays(backend, case, "float32")
    metric = registry.create("metric", case["metric"])
    with backend.no_sync():
        sums = metric.combine(metric.sums(y_pred, y_true), metric.sums(y_pred, y_true))
    for s in sums:
        backend.assert_here(s)
        assert s.dtype == backend.xp.float64
        assert tuple(s.shape) == ()


@pytest.mark.parametrize("name", BETTER)
def test_components_by_name(name):
    metric = registry.create("metric", name)
    assert metric.larger_is_better is BETTER[name]
    assert registry.name_of(metric, "metric") == name
    assert registry.create("metric", registry.describe(metric, "metric")) == metric


def test_ties_go_to_the_first_class(backend):
    scores = backend.asarray([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]])
    assert Accuracy()(scores, backend.asarray(np.asarray([0, 1]))) == 1.0


def test_a_logit_of_zero_says_class_zero(backend):
    logits = backend.asarray([0.0, 1e-3])
    assert Accuracy()(logits, backend.asarray(np.asarray([0, 1]))) == 1.0
    assert Accuracy()(logits, backend.asarray([0.0, 1.0])) == 1.0


def test_columns_and_vectors_are_the_same():
    p, t = np.asarray([1.0, 2.0, 4.0]), np.asarray([1.0, 3.0, 5.0])
    for metric in (MAE(), RMSE(), R2()):
        values = {metric(a, b) for a in (p, p[:, None]) for b in (t, t[:, None])}
        assert len(values) == 1
    scores, labels = np.eye(3), np.asarray([0, 1, 1])
    assert Accuracy()(scores, labels) == Accuracy()(scores, labels[:, None]) == 2 / 3


def test_too_few_rows_give_nan():
    """R2 of one row is not defined; metrics of no row are not either."""
    assert np.isnan(R2()(np.ones(1), np.ones(1)))
    for metric in (MAE(), RMSE(), Accuracy()):
        assert np.isnan(metric(np.ones(0), np.ones(0)))


def test_a_large_offset_loses_no_digit():
    """R2 merges batches by their means, so an offset of 1e8 costs nothing."""
    rng = np.random.default_rng(0)
    t = rng.normal(size=1000)
    p = t + 0.1 * rng.normal(size=1000)
    plain = R2()(p, t)
    shifted = in_batches(R2(), p + 1e8, t + 1e8, list(range(50, 1000, 50)))
    assert shifted == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize(
    ("metric", "y_pred", "y_true", "text"),
    [
        (
            MAE(),
            np.ones((3, 2)),
            np.ones(3),
            "mae: y_pred has shape (3, 2) and y_true (3,), expected equal shapes",
        ),
        (RMSE(), np.ones(3), np.ones(4), "rmse: y_pred has shape (3,) and y_true (4,)"),
        (R2(), np.ones((1, 3)), np.ones((3, 1)), "r2: y_pred has shape (1, 3) and y_true (3, 1)"),
        (Accuracy(), np.ones((3, 2)), np.ones((3, 4)), "accuracy: y_pred has shape (3, 2) and y_true (3, 4)"),
        (
            Accuracy(),
            np.ones((3, 2)),
            np.ones(4),
            "expected scores (batch, classes) and class numbers (batch,)",
        ),
        (Accuracy(), np.ones(3), np.ones(4), "or one logit for each example"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(metric, y_pred, y_true, text):
    with pytest.raises(ShapeError) as caught:
        metric(y_pred, y_true)
    assert text in str(caught.value)


def test_a_metric_without_a_formula_says_so():
    with pytest.raises(TypeError, match=r"Metric defines no sums\(self, y_pred, y_true\)"):
        Metric()(np.ones(2), np.ones(2))
    with pytest.raises(TypeError, match=r"Metric defines no compute\(self, sums\)"):
        Metric().compute((1.0,))


# In the unit of the original target


@pytest.mark.parametrize("name", ["mae", "rmse", "r2"])
def test_original_units(backend, name):
    """The metric of what the model was trained on, scaled back, is that of the original target."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=31) * 40 + 300
    guess = truth + rng.normal(size=31) * 10
    mean, std = float(truth.mean()), float(truth.std())
    metric = registry.create(
        "metric", {"name": "in_original_units", "metric": name, "scale": std, "shift": mean}
    )
    wanted = registry.create("metric", name)(guess, truth)
    p = backend.asarray((guess - mean) / std, "float64")
    t = backend.asarray((truth - mean) / std, "float64")
    np.testing.assert_allclose(metric(p, t), wanted, rtol=1e-12)
    np.testing.assert_allclose(in_batches(metric, p, t, [3, 20]), wanted, rtol=1e-12)
    assert metric.reported_name == name
    assert metric.larger_is_better is BETTER[name]
    assert registry.create("metric", registry.describe(metric, "metric")) == metric


def test_original_units_refuse_a_scale_of_zero():
    with pytest.raises(ArgumentError, match=r"InOriginalUnits: scale is 0\.0, expected a number > 0"):
        registry.create("metric", {"name": "in_original_units", "metric": "mae", "scale": 0.0})

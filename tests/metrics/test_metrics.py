"""Metrics: rows of the golden file are cases, tests are properties that all metrics have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from learnkit.backends import array_namespace
from learnkit.errors import ArgumentError
from learnkit.metrics import R2, Metric
from learnkit.metrics.base import on_host, sums_of
from learnkit.plugins import registry
from learnkit.testing.epochs import in_batches

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "metrics.json").read_text())
NAMES = sorted({case["metric"] for case in GOLDEN["cases"]})
SMALLER_IS_BETTER = {
    "log_loss", "perplexity", "brier", "calibration_error", "mae", "mse", "rmse", "mape", "msle", "rmsle",
}  # fmt: skip
each_metric = pytest.mark.parametrize("name", NAMES)


def cases_of(name):
    """(metric, inputs as NumPy arrays, value, text) of each case."""
    for case in GOLDEN["cases"]:
        if case["metric"] == name:
            given = GOLDEN["inputs"][case["inputs"]]
            arrays = [None if a is None else np.asarray(a) for a in given.values()]
            metric = registry.create("metric", {"name": name, **case["options"]})
            yield metric, arrays, case["value"], f"{metric}: {case['inputs']}"


def moved(backend, arrays, dtype="float64"):
    """The arrays on the backend, numbers in ``dtype``."""
    return [
        None if a is None else backend.asarray(a, "int64" if a.dtype.kind in "iu" else dtype) for a in arrays
    ]


def test_every_registered_metric_has_rows():
    assert set(registry.names("metric", third_party=False)) - {"in_original_units"} == set(NAMES)


@each_metric
def test_values_equal_those_of_scikit_learn(backend, name):
    """Within 1e-12, on every library; the type is that of one number or of many."""
    for metric, arrays, wanted, text in cases_of(name):
        value = metric(*moved(backend, arrays))
        np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-12, err_msg=text)
        assert type(value) is (np.ndarray if isinstance(wanted, list) else float), text


@each_metric
def test_values_do_not_depend_on_the_batches(backend, name):
    """Within 1e-12, however an epoch is cut and in whatever order the batches are merged."""
    order = np.random.default_rng(2)
    for metric, arrays, wanted, text in cases_of(name):
        given, n = moved(backend, arrays), len(arrays[0])
        some = [0, 1, 1, n // 2, n - 1, n]
        on_host = [([n // 2], None), (list(range(1, n)), None), (some, order)]
        for cuts, how in on_host if backend.name == "numpy" else [(some, order)]:
            value = in_batches(metric, *given, cuts=cuts, order=how)
            np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-12, err_msg=f"{text}, cuts {cuts}")


@each_metric
def test_sums_are_on_the_device_in_double_precision(backend, name):
    """Nothing waits for the device, also when predictions are in float32."""
    for metric, arrays, _, text in cases_of(name):
        y_pred, y_true, weight = moved(backend, arrays, "float32")
        with backend.no_sync():
            a = sums_of(metric, y_pred, y_true, weight)
            b = sums_of(metric, y_pred[:3, ...], y_true[:3, ...], None if weight is None else weight[:3])
            sums = metric.combine(a, metric.combine(b, a))
        for s in (*a, *sums):
            backend.assert_here(s)
            assert s.dtype == backend.xp.float64, text


@each_metric
def test_predictions_in_single_precision(backend, name):
    """The same as in double precision, but for the rounding of what is given."""
    for metric, arrays, _, text in cases_of(name):
        y_pred, *rest = moved(backend, arrays, "float32")
        single = [a.astype(np.float32) if a is not None and a.dtype.kind == "f" else a for a in arrays]
        wide = [None if a is None else a.astype(np.float64) if a.dtype.kind == "f" else a for a in single]
        np.testing.assert_allclose(metric(y_pred, *rest), metric(*wide), rtol=1e-5, atol=1e-6, err_msg=text)


@each_metric
def test_one_row_and_no_row_give_no_warning(backend, name):
    """Warnings are errors here. A metric of no row is NaN, or as many NaN or zeros as there are classes."""
    for metric, arrays, _, text in cases_of(name):
        given = moved(backend, arrays)
        one = metric(*(None if a is None else a[:1, ...] for a in given))
        assert isinstance(one, (float, np.ndarray)), text
        none = [None if a is None else a[:0, ...] for a in given]
        empty = metric(*none)
        if isinstance(empty, float):
            assert np.isnan(empty), text
        else:
            assert np.all(np.isnan(empty) | (empty == 0)), text
        again = metric.combine(sums_of(metric, *none), sums_of(metric, *given))
        np.testing.assert_allclose(
            metric.compute(on_host(again)), metric(*given), rtol=1e-12, atol=1e-12, err_msg=text
        )


@each_metric
def test_a_weight_of_two_is_a_row_twice(backend, name):
    """And one of zero is no row."""
    rng = np.random.default_rng(3)
    for metric, arrays, _, text in cases_of(name):
        if getattr(metric, "multi_class", "") == "ovo":
            continue
        y_pred, y_true, _ = arrays
        counts = rng.integers(0, 3, size=len(y_pred))
        counts[:2] = 1, 2
        often = [np.repeat(y, counts, axis=0) for y in (y_pred, y_true)]
        weighted = metric(*moved(backend, [y_pred, y_true, counts.astype(float)]))
        repeated = metric(*moved(backend, often))
        if np.all(np.isfinite(weighted)) and "average=None" not in text and "macro" not in text:
            np.testing.assert_allclose(weighted, repeated, rtol=1e-9, atol=1e-12, err_msg=text)


@each_metric
def test_components_by_name(name):
    """Defaults, the direction, and the way through JSON and back."""
    metric = registry.create("metric", name)
    assert metric.larger_is_better is (name not in SMALLER_IS_BETTER)
    assert registry.name_of(metric, "metric") == name
    for metric, *_ in cases_of(name):
        described = registry.describe(metric, "metric")
        assert registry.create("metric", described) == metric
        assert repr(registry.create("metric", json.loads(json.dumps(described)))) == repr(metric)
        assert hash(metric) == hash(registry.create("metric", described))


def test_the_golden_file_holds_every_option():
    """An option that no row sets is an option that nobody compared; these are tested by themselves."""
    apart = {"ignore_index", "axis", "from_logits", "ties", "replace_undefined_by"}
    given = {(case["metric"], option) for case in GOLDEN["cases"] for option in case["options"]}
    lists = {}
    for name in NAMES:
        for option in registry.describe(registry.create("metric", name)):
            lists.setdefault(option, []).append(name)
    for option, names in lists.items():
        if option not in {"kind", "name", *apart}:
            assert any((name, option) in given for name in names), option


# The base


def test_a_metric_without_a_formula_says_so():
    with pytest.raises(TypeError, match=r"Metric defines no sums\(self, y_pred, y_true\)"):
        Metric()(np.ones(2), np.ones(2))
    with pytest.raises(TypeError, match=r"Metric defines no compute\(self, sums\)"):
        Metric().compute((1.0,))


@dataclass(frozen=True)
class Largest(Metric):
    """A metric as somebody writes it: two arguments, sums that are no sums, a float for each 0-d array."""

    def sums(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        return (xp.max(xp.abs(y_pred - y_true)),)

    def combine(self, a, b):
        return (array_namespace(a[0]).maximum(a[0], b[0]),)

    def compute(self, sums):
        assert type(sums[0]) is float
        return sums[0]


def test_a_metric_of_two_arguments(backend):
    y_pred, y_true = backend.asarray([1.0, 5.0, 2.0]), backend.asarray([1.0, 1.0, 1.0])
    assert Largest()(y_pred, y_true) == 4.0
    assert in_batches(Largest(), y_pred, y_true, cuts=[1]) == 4.0
    with pytest.raises(ArgumentError, match="Largest takes no sample_weight"):
        Largest()(y_pred, y_true, y_true)


def test_arrays_of_a_library_without_a_backend():
    """What compute calls is in the standard, so that the sums need not be NumPy's."""
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    with jax.enable_x64(True):
        metric, arrays, wanted, text = next(cases_of("confusion_matrix"))
        given = [None if a is None else jax.numpy.asarray(a) for a in arrays]
        np.testing.assert_allclose(metric(*given), wanted, rtol=1e-9, atol=1e-12, err_msg=text)


# In the unit of the original target


@pytest.mark.parametrize("name", ["mae", "mse", "rmse", "mape", "r2", "explained_variance"])
def test_original_units(backend, name):
    """The metric of what the model was trained on, scaled back, is that of the original target."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=31) * 40 + 300
    guess = truth + rng.normal(size=31) * 10
    weight = rng.uniform(size=31)
    mean, std = float(truth.mean()), float(truth.std())
    inner = registry.create("metric", name)
    metric = registry.create(
        "metric", {"name": "in_original_units", "metric": name, "scale": std, "shift": mean}
    )
    p, t, w = moved(backend, [(guess - mean) / std, (truth - mean) / std, weight])
    np.testing.assert_allclose(metric(p, t), inner(guess, truth), rtol=1e-12)
    np.testing.assert_allclose(metric(p, t, w), inner(guess, truth, weight), rtol=1e-12)
    np.testing.assert_allclose(in_batches(metric, p, t, cuts=[3, 20]), inner(guess, truth), rtol=1e-12)
    assert metric.reported_name == name
    assert metric.larger_is_better is inner.larger_is_better
    assert registry.create("metric", registry.describe(metric, "metric")) == metric


def test_original_units_of_several_outputs():
    metric = registry.create(
        "metric",
        {"name": "in_original_units", "metric": {"name": "mae", "multioutput": "raw_values"}, "scale": 2.0},
    )
    np.testing.assert_array_equal(metric(np.asarray([[1.0, 2.0]]), np.zeros((1, 2))), [2.0, 4.0])


def test_original_units_refuse_what_they_cannot_do():
    with pytest.raises(ArgumentError, match=r"InOriginalUnits: scale is 0\.0, expected a number > 0"):
        registry.create("metric", {"name": "in_original_units", "metric": "mae", "scale": 0.0})
    wrapped = registry.create("metric", {"name": "in_original_units", "metric": Largest()})
    with pytest.raises(ArgumentError, match="Largest takes no sample_weight"):
        wrapped(np.ones(2), np.ones(2), np.ones(2))


# Numbers


def test_columns_and_vectors_are_the_same():
    p, t = np.asarray([1.0, 2.0, 4.0]), np.asarray([1.0, 3.0, 5.0])
    for name in ("mae", "mse", "rmse", "mape", "msle", "rmsle", "r2", "explained_variance"):
        metric = registry.create("metric", name)
        assert len({metric(a, b) for a in (p, p[:, None]) for b in (t, t[:, None])}) == 1


@pytest.mark.parametrize("name", ["r2", "explained_variance"])
def test_a_large_offset_loses_no_digit(name):
    """Batches are merged by their means, so an offset costs no more than the rounding of the data."""
    rng = np.random.default_rng(0)
    t = np.round(rng.normal(size=1000) * 2**20) / 2**20
    p = t + np.round(rng.normal(size=1000) * 2**18) / 2**20
    metric = registry.create("metric", name)
    plain = metric(p, t)
    for offset in (1e6, 2.0**30):
        shifted = in_batches(metric, p + offset, t + offset, cuts=list(range(50, 1000, 50)))
        assert shifted == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize("cuts", [[], [1], [1, 2]])
def test_a_constant_target_is_constant_however_it_is_cut(cuts):
    """0.1 + 0.1 + 0.1 is not 0.3, and the mean of three is 0.1 all the same."""
    t = np.full(3, 0.1)
    assert in_batches(R2(), t, t, cuts=cuts) == 1.0
    assert in_batches(R2(), t + 1.0, t, cuts=cuts) == 0.0
    assert in_batches(R2(force_finite=False), t + 1.0, t, cuts=cuts) == -np.inf
    assert np.isnan(in_batches(R2(force_finite=False), t, t, cuts=cuts))


def test_images_are_many_outputs(backend):
    rng = np.random.default_rng(4)
    p, t = rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 2, 3))
    for name in ("mae", "r2"):
        metric = registry.create("metric", name)
        wanted = metric(p.reshape(5, 6), t.reshape(5, 6))
        np.testing.assert_allclose(metric(*moved(backend, [p, t])), wanted, rtol=1e-12)


def test_a_logarithm_of_what_has_none_is_nan(backend):
    p, t = moved(backend, [np.asarray([-1.0, 2.0]), np.asarray([1.0, 2.0])])
    assert np.isnan(registry.create("metric", "msle")(p, t))

"""Live comparisons of the metrics with scikit-learn, on random data and random cuts into batches."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from learnkit.plugins import registry


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["accuracy", "mae", "rmse", "r2"])
def test_metrics_of_random_batches(made_numpy, name, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 200))
    if name == "accuracy":
        k = int(rng.integers(2, 8))
        y_pred, y_true = rng.normal(size=(n, k)), rng.integers(0, k, n)
    else:
        scale = 10.0 ** rng.integers(-6, 6)
        y_true = scale * (rng.normal(size=n) + rng.normal() * 10)
        y_pred = y_true + scale * rng.normal(size=n)
    metric = registry.create("metric", name)
    cuts = np.sort(rng.integers(0, n, size=5))
    sums = None
    for p, t in zip(np.split(y_pred, cuts), np.split(y_true, cuts), strict=True):
        if len(p):
            new = metric.sums(p, t)
            sums = new if sums is None else metric.combine(sums, new)
    value = metric.compute(tuple(float(s) for s in sums))
    wanted = made_numpy.sklearn_metric(name, y_pred, y_true)
    np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-12)

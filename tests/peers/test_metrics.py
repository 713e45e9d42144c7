"""Live comparisons of the metrics with scikit-learn: random data, random weights, random cuts into batches.

The functions that made the golden file compute what scikit-learn says, here for many more data than are
in it: classes that do not occur, ties, a single class, one row.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from learnkit.plugins import registry
from learnkit.testing.epochs import in_batches

AVERAGED = ("precision", "recall", "specificity", "f1", "f_beta", "iou", "dice")


def grid(**options):
    """All combinations."""
    return [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]


#: metric: options of each comparison, for two classes and for more.
OPTIONS = {
    "accuracy": grid(),
    "balanced_accuracy": grid(adjusted=[False, True]),
    **{
        name: grid(average=["binary", "micro", "macro", "weighted", None], zero_division=[0.0, 1.0])
        for name in AVERAGED
    },
    "mcc": grid(),
    "cohen_kappa": grid(weights=[None, "linear", "quadratic"]),
    "confusion_matrix": grid(normalize=[None, "true", "pred", "all"]),
    "roc_auc": [
        *grid(average=["macro", "weighted", "micro", None], multi_class=["ovr"]),
        *grid(average=["macro", "weighted"], multi_class=["ovo"]),
        *grid(max_fpr=[0.1, 0.5, 1.0]),
    ],
    "average_precision": grid(average=["macro", "weighted", "micro", None]),
    "log_loss": grid(),
    "brier": grid(scale_by_half=["auto", False, True]),
    "calibration_error": grid(n_bins=[1, 7, 15], norm=["l1", "l2", "max"]),
    "top_k_accuracy": grid(k=[1, 2, 4]),
    "perplexity": grid(),
}
LOGITS = ("log_loss", "brier", "calibration_error", "roc_auc", "average_precision", "perplexity")
MANY_ONLY = ("top_k_accuracy", "perplexity")


def test_every_metric_is_compared(made_numpy):
    names = set(registry.names("metric", third_party=False)) - {"in_original_units"}
    assert names == {*OPTIONS, *made_numpy._REGRESSION}


def classes(seed):
    """(y_pred, y_true, weight, whether y_pred are probabilities): of every kind in turn."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 2, 5, 40]))
    k = int(rng.choice([1, 2, 3, 6]))
    shape = (n,) if k == 1 and rng.random() < 0.5 else (n, k)
    scores = rng.normal(size=shape) * 2
    if rng.random() < 0.4:
        scores = np.round(scores)  # ties
    labels = rng.integers(0, max(k, 2), size=n)
    if rng.random() < 0.3:
        labels = np.minimum(labels, max(k, 2) - 2)  # the last class does not occur
    weight = None
    if rng.random() < 0.5:
        weight = np.where(rng.random(n) < 0.2, 0.0, rng.uniform(size=n))
        weight[0] = 0.5
    probable = rng.random() < 0.3
    if probable:
        e = np.exp(scores)
        scores = 1 / (1 + 1 / e) if k == 1 else e / e.sum(axis=1, keepdims=True)
    return scores, labels, weight, probable


def compare(made_numpy, name, options, y_pred, y_true, weight, seed):
    metric = registry.create("metric", {"name": name, **options})
    wanted = made_numpy.sklearn_metric(name, y_pred, y_true, weight, **options)
    text = f"seed {seed}: {metric}"
    np.testing.assert_allclose(metric(y_pred, y_true, weight), wanted, rtol=1e-12, atol=1e-12, err_msg=text)
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, len(y_pred) + 1, size=5)).tolist()
    value = in_batches(metric, y_pred, y_true, weight, cuts=cuts, order=rng)
    np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-12, err_msg=f"{text}, cuts {cuts}")


@pytest.mark.parametrize("name", OPTIONS)
def test_metrics_of_classes(made_numpy, name):
    compared = 0
    for seed in range(16 if name in AVERAGED else 30):
        y_pred, y_true, weight, probable = classes(seed)
        many = y_pred.ndim == 2 and y_pred.shape[1] > 2
        for options in OPTIONS[name]:
            only_two = options.get("average") == "binary" or "max_fpr" in options
            if (only_two and many) or (name in MANY_ONLY and not many):
                continue
            if options.get("multi_class") == "ovo" and (weight is not None or len(set(y_true)) < 2):
                continue  # scikit-learn takes no weights there, and divides by no pairs
            given = dict(options)
            true = set(y_true if weight is None else y_true[weight > 0])
            if options.get("adjusted") and len(true) < 2:
                continue  # undefined: 0/0 or -1/0 there, NaN here
            if name in LOGITS:
                given["from_logits"] = not probable
            compare(made_numpy, name, given, y_pred, y_true, weight, seed)
            compared += 1
    assert compared >= 10


@pytest.mark.parametrize("name", [*AVERAGED, "roc_auc", "average_precision", "accuracy"])
def test_metrics_of_several_labels(made_numpy, name):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        n, k = int(rng.choice([2, 5, 40])), int(rng.choice([2, 3, 6]))
        y_pred, y_true = np.round(rng.normal(size=(n, k)), 1), rng.integers(0, 2, size=(n, k))
        y_true[0], y_true[1] = 0, 1
        weight = rng.uniform(size=n) if seed % 2 else None
        averages = [None] if name == "accuracy" else ["macro", "micro", "weighted", None]
        for average in averages:
            options = {"task": "multilabel"} | ({} if name == "accuracy" else {"average": average})
            compare(made_numpy, name, options, y_pred, y_true, weight, seed)


@pytest.mark.parametrize("name", ["mae", "mse", "rmse", "mape", "msle", "rmsle", "r2", "explained_variance"])
def test_metrics_of_numbers(made_numpy, name):
    """Also of targets whose mean is a million times their spread."""
    for seed in range(25):
        rng = np.random.default_rng(seed)
        n, m = int(rng.choice([2, 3, 50, 200])), int(rng.choice([1, 4]))
        scale = 10.0 ** rng.integers(-6, 6)
        mean = 1e6 if rng.random() < 0.4 else rng.normal() * 10
        y_true = scale * (rng.normal(size=(n, m)) + mean)
        y_pred = y_true + scale * rng.normal(size=(n, m))
        if name in ("msle", "rmsle"):
            y_true, y_pred = np.abs(y_true), np.abs(y_pred)
        weight = rng.uniform(size=n) if rng.random() < 0.5 else None
        if m == 1 and rng.random() < 0.5:
            y_true, y_pred = y_true[:, 0], y_pred[:, 0]
        how = ["uniform_average", "raw_values", "pooled"]
        if name in ("r2", "explained_variance"):
            how.append("variance_weighted")
        if m == 4:
            how.append((0.1, 2.0, 0.0, 1.0))
        for multioutput in how:
            compare(made_numpy, name, {"multioutput": multioutput}, y_pred, y_true, weight, seed)

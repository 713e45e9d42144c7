"""The same as ``make_golden.py`` for what scikit-learn and plain NumPy compute: metrics, start values, masks.

::

    python tests/golden/make_golden_numpy.py
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def versions(*names):
    return {"numpy": np.__version__, **{n: __import__(n).__version__ for n in names}}


# Metrics, by scikit-learn


def metric_inputs():
    """name: (y_pred, y_true, sample_weight or None) of each set of inputs."""
    rng = np.random.default_rng(17)
    scores = rng.normal(size=(23, 4))
    labels = rng.integers(0, 4, size=23)
    absent = np.where(labels == 2, 1, labels)
    weight = np.round(rng.uniform(size=23) * 4) / 2
    coarse = np.round(scores * 2) / 2
    logits = rng.normal(size=19)
    yes = (rng.normal(size=19) + logits > 0).astype(np.int64)
    truth = rng.normal(size=29) * 5 + 1000.0
    guess = truth + rng.normal(size=29)
    columns = rng.normal(size=(17, 3)) * [1.0, 10.0, 0.1] + [1e6, 0.0, 5.0]
    near = columns + rng.normal(size=(17, 3)) * [0.5, 4.0, 0.2]
    several = (rng.normal(size=(14, 3)) > 0.3).astype(np.int64)
    return {
        "classes": (scores, labels, None),
        "classes, weighted": (scores, labels, weight),
        "classes, one absent": (scores, absent, None),
        "classes, ties": (coarse, labels, None),
        "one-hot": (scores, np.eye(4)[labels], None),
        "two columns": (scores[:, :2], labels % 2, None),
        "one logit": (logits, yes, None),
        "one logit in a column": (logits[:, None], yes, None),
        "one logit, weighted": (logits, yes, weight[:19]),
        "one logit, ties": (np.round(logits), yes, None),
        "one logit, one class": (logits, np.ones(19, dtype=np.int64), None),
        "several labels": (rng.normal(size=(14, 3)) + several, several, None),
        "one output": (guess, truth, None),
        "a column": (guess[:, None], truth, None),
        "large offset": (guess + 1e6, truth + 1e6, None),
        "exact": (truth, truth, None),
        "constant target": (guess[:6], np.full(6, 2.0), None),
        "constant target, exact": (np.full(6, 2.0), np.full(6, 2.0), None),
        "several outputs": (near, columns, None),
        "several outputs, weighted": (near, columns, weight[:17]),
        "positive": (np.abs(guess), truth, weight[:1].repeat(29) + np.arange(29) % 3),
    }


_SINGLE = ("classes", "classes, weighted", "classes, one absent", "one-hot", "two columns", "one logit")
_BINARY = ("one logit", "one logit in a column", "one logit, weighted", "two columns")
_MANY = ("classes", "classes, weighted", "classes, one absent")
_RANKED = ("one logit", "one logit, weighted", "one logit, ties", "two columns")
_NUMBERS = ("one output", "a column", "large offset", "exact", "constant target", "several outputs, weighted")


def averaged(name, **options):
    """A metric that is averaged over classes, with each average."""
    return [
        (name, {**options, "average": "binary"}, _BINARY),
        (name, {**options, "average": "binary", "pos_label": 0, "threshold": 0.7}, ("one logit",)),
        (name, {**options, "average": "macro", "zero_division": 1.0}, (*_MANY, "one logit")),
        (name, {**options, "average": "weighted"}, (*_MANY, "one logit")),
        (name, {**options, "average": "micro"}, (*_MANY, "one logit")),
        (name, {**options, "average": None}, _MANY),
        (name, {**options, "average": "macro", "task": "multilabel"}, ("several labels",)),
    ]


#: (metric, options, inputs) of each group of cases.
METRICS = [
    ("accuracy", {}, (*_SINGLE, "one logit in a column", "classes, ties")),
    ("accuracy", {"task": "multilabel"}, ("several labels",)),
    ("top_k_accuracy", {}, ("classes", "classes, weighted", "classes, ties")),
    ("top_k_accuracy", {"k": 3}, ("classes", "classes, ties")),
    ("balanced_accuracy", {}, _SINGLE),
    ("balanced_accuracy", {"adjusted": True}, _SINGLE),
    *averaged("precision"),
    *averaged("recall"),
    *averaged("specificity"),
    *averaged("f1"),
    *averaged("f_beta", beta=2.0),
    ("f_beta", {"beta": 0.5, "average": "macro"}, ("classes",)),
    *averaged("iou"),
    *averaged("dice"),
    ("mcc", {}, (*_SINGLE, "one logit, one class")),
    ("cohen_kappa", {}, (*_SINGLE, "one logit, one class")),
    ("cohen_kappa", {"weights": "linear"}, _SINGLE),
    ("cohen_kappa", {"weights": "quadratic"}, _SINGLE),
    ("confusion_matrix", {}, _SINGLE),
    *(("confusion_matrix", {"normalize": by}, _MANY) for by in ("true", "pred", "all")),
    ("roc_auc", {}, (*_RANKED, *_MANY, "one logit, one class")),
    ("roc_auc", {"max_fpr": 0.3}, _RANKED),
    *(("roc_auc", {"average": by}, _MANY) for by in ("weighted", "micro", None)),
    *(("roc_auc", {"multi_class": "ovo", "average": by}, ("classes",)) for by in ("macro", "weighted")),
    ("roc_auc", {"task": "multilabel"}, ("several labels",)),
    ("average_precision", {}, (*_RANKED, *_MANY)),
    *(("average_precision", {"average": by}, _MANY) for by in ("weighted", "micro", None)),
    ("average_precision", {"task": "multilabel"}, ("several labels",)),
    ("log_loss", {}, _SINGLE),
    ("perplexity", {}, _MANY),
    ("brier", {}, _SINGLE),
    ("brier", {"scale_by_half": False}, ("one logit", "two columns")),
    ("brier", {"scale_by_half": True}, ("classes",)),
    *(("calibration_error", {"norm": norm}, (*_MANY, "one logit")) for norm in ("l1", "l2", "max")),
    ("calibration_error", {"n_bins": 4}, ("classes", "one logit, weighted")),
    *((name, {}, _NUMBERS) for name in ("mae", "mse", "rmse", "mape", "r2", "explained_variance")),
    *(
        (name, {"multioutput": how}, ("several outputs", "several outputs, weighted"))
        for name in ("mae", "mse", "rmse", "mape", "r2", "explained_variance")
        for how in ("raw_values", "pooled", (0.5, 2.0, 1.0))
    ),
    *(
        (name, {"multioutput": "variance_weighted"}, ("several outputs, weighted", "constant target"))
        for name in ("r2", "explained_variance")
    ),
    *((name, {"force_finite": False}, ("exact", "constant target")) for name in ("r2", "explained_variance")),
    ("msle", {}, ("positive",)),
    ("rmsle", {}, ("positive",)),
]


def sklearn_metric(name, y_pred, y_true, weight=None, **options):
    """By scikit-learn, from the same logits, targets, weights and options."""
    options = {"beta": 1.0, **options} if name == "f_beta" else options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name in _REGRESSION:
            value = _of_numbers(name, y_pred, y_true, weight, **options)
        elif options.pop("task", None) == "multilabel":
            value = _of_labels(name, y_pred, y_true, weight, **options)
        else:
            value = _of_classes(name, y_pred, y_true, weight, **options)
    return value.tolist() if isinstance(value, np.ndarray) else float(value)


_REGRESSION = {
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "rmse": "root_mean_squared_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_log_error",
    "rmsle": "root_mean_squared_log_error",
    "r2": "r2_score",
    "explained_variance": "explained_variance_score",
}
_AVERAGED = {
    "precision": "precision_score",
    "recall": "recall_score",
    "f1": "f1_score",
    "f_beta": "fbeta_score",
    "dice": "f1_score",
    "iou": "jaccard_score",
}


def _of_numbers(name, y_pred, y_true, weight, **options):
    from sklearn import metrics

    if options.get("multioutput") == "pooled":
        del options["multioutput"]
        weight = None if weight is None else np.repeat(weight, y_true[0].size)
        y_pred, y_true = y_pred.ravel(), y_true.ravel()
    return getattr(metrics, _REGRESSION[name])(
        y_true, y_pred.reshape(y_true.shape), sample_weight=weight, **options
    )


def _of_labels(name, y_pred, y_true, weight, average="macro", **options):
    from sklearn import metrics

    guess = (y_pred > 0).astype(int)
    if name == "accuracy":
        return metrics.accuracy_score(y_true, guess, sample_weight=weight)
    if name in ("roc_auc", "average_precision"):
        function = getattr(metrics, f"{name}_score")
        return function(y_true, y_pred, average=average, sample_weight=weight)
    if name == "specificity":
        return specificity(y_true, guess, weight, range(y_true.shape[1]), average, **options)
    return getattr(metrics, _AVERAGED[name])(y_true, guess, average=average, sample_weight=weight, **options)


def _of_classes(name, y_pred, y_true, weight, threshold=0.5, from_logits=True, **options):
    from sklearn import metrics

    single = y_pred.ndim == 1 or y_pred.shape[1] == 1
    k = 2 if single else y_pred.shape[1]
    truth = y_true.argmax(axis=1) if y_true.ndim == 2 else y_true
    if single:
        z = y_pred.ravel().astype(np.float64)
        p = 1 / (1 + np.exp(-z)) if from_logits else z
        guess = (p > threshold).astype(int) if threshold != 0.5 or not from_logits else (z > 0).astype(int)
        both, score = np.stack([1 - p, p], axis=1), z
    else:
        z = y_pred.astype(np.float64)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        both = e / e.sum(axis=1, keepdims=True) if from_logits else z
        guess = y_pred.argmax(axis=1)
        p = both if k > 2 else both[:, 1]
        score = p if k > 2 or not from_logits else z[:, 1] - z[:, 0]
    onehot = (truth[:, None] == np.arange(k)).astype(int)
    w, every = {"sample_weight": weight}, {"labels": np.arange(k)}
    if name == "accuracy":
        return metrics.accuracy_score(truth, guess, **w)
    if name == "top_k_accuracy":
        return metrics.top_k_accuracy_score(truth, y_pred, k=options.get("k", 2), **every, **w)
    if name == "balanced_accuracy":
        return metrics.balanced_accuracy_score(truth, guess, **options, **w)
    if name == "specificity":
        average = options.get("average", "binary")
        labels = np.arange(k) if average is None else np.union1d(truth, guess)
        return specificity(truth, guess, weight, labels, **options)
    if name in _AVERAGED:
        default = "macro" if name in ("iou", "dice") else "binary"
        if options.get("average", default) is None:
            options |= every
        return getattr(metrics, _AVERAGED[name])(truth, guess, **{"average": default, **options}, **w)
    if name == "mcc":
        return metrics.matthews_corrcoef(truth, guess, **w)
    if name == "cohen_kappa":
        return metrics.cohen_kappa_score(truth, guess, **every, **options, **w)
    if name == "confusion_matrix":
        return metrics.confusion_matrix(truth, guess, **every, **options, **w).astype(float)
    if name in ("roc_auc", "average_precision"):
        function = getattr(metrics, f"{name}_score")
        if k == 2:
            options.pop("average", None), options.pop("multi_class", None)
            return function(truth, score, **options, **w)
        if options.get("multi_class") == "ovo":
            return function(truth, score, **every, **options)
        options.pop("multi_class", None)
        return function(onehot, score, **options, **w)
    if name in ("log_loss", "perplexity"):
        value = metrics.log_loss(truth, both, **every, **w)
        return np.exp(value) if name == "perplexity" else value
    if name == "brier":
        return metrics.brier_score_loss(truth, both, **every, **options, **w)
    if name == "calibration_error":
        right = truth if single else (truth == guess)
        return calibration_error(p if single else both.max(axis=1), right, weight, **options)
    raise ValueError(name)


def specificity(truth, guess, weight, labels, average="binary", zero_division=0.0, pos_label=1):
    """TN / (TN + FP), from scikit-learn's matrices of one class against the others."""
    from sklearn.metrics import multilabel_confusion_matrix

    if average == "binary":
        labels = [pos_label]
    matrices = multilabel_confusion_matrix(truth, guess, sample_weight=weight, labels=list(labels))
    tn, fp, fn, tp = (matrices[:, i, j] for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)))
    if average == "micro":
        tn, fp = tn.sum(keepdims=True), fp.sum(keepdims=True)
    values = np.where(tn + fp == 0, zero_division, tn / np.where(tn + fp == 0, 1, tn + fp))
    if average is None:
        return values
    return np.average(values, weights=tp + fn if average == "weighted" and (tp + fn).any() else None)


def calibration_error(confidence, right, weight, n_bins=15, norm="l1"):
    """Bin by bin, as Guo et al. (2017) write it."""
    weight = np.ones(len(confidence)) if weight is None else weight
    gaps, shares = [], []
    for b in range(n_bins):
        low, high = b * (1 / n_bins), (b + 1) * (1 / n_bins)
        inside = (confidence > low) & ((confidence <= high) | (b == n_bins - 1)) | (
            (b == 0) & (confidence <= 0)
        )
        if weight[inside].sum() > 0:
            accuracy = np.average(right[inside], weights=weight[inside])
            gaps.append(abs(accuracy - np.average(confidence[inside], weights=weight[inside])))
            shares.append(weight[inside].sum() / weight.sum())
    gaps, shares = np.asarray(gaps), np.asarray(shares)
    if norm == "max":
        return gaps.max()
    return (shares * gaps).sum() if norm == "l1" else np.sqrt((shares * gaps**2).sum())


def make_metrics():
    inputs = metric_inputs()
    cases = []
    for name, options, used in METRICS:
        for label in used:
            y_pred, y_true, weight = inputs[label]
            cases.append(
                {
                    "metric": name,
                    "options": options,
                    "inputs": label,
                    "value": sklearn_metric(name, y_pred, y_true, weight, **options),
                }
            )
    return json.loads(
        json.dumps(
            {
                "versions": versions("sklearn"),
                "inputs": {
                    label: {
                        "y_pred": y_pred.tolist(),
                        "y_true": y_true.tolist(),
                        "sample_weight": None if weight is None else weight.tolist(),
                    }
                    for label, (y_pred, y_true, weight) in inputs.items()
                },
                "cases": cases,
            }
        )
    )


# Start values and dropout masks, by NumPy's own Philox


def philox(seed, path, step):
    stream = int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest(), "little")
    key = np.asarray([seed, stream], dtype=np.uint64)
    counter = np.asarray([0, step, 0, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def start_values(initializer, shape, seed, path, dtype):
    generator = philox(seed, path, 0)
    rows, columns = shape
    kind, _, law = initializer.partition("_")
    if kind in ("zeros", "ones"):
        return np.full(shape, {"zeros": 0.0, "ones": 1.0}[kind], dtype=dtype)
    std = math.sqrt(2.0) / math.sqrt(rows) if kind == "he" else math.sqrt(2.0 / (rows + columns))
    if law == "normal":
        return generator.standard_normal(shape, dtype=dtype) * std
    bound = math.sqrt(3.0) * std
    return generator.random(shape, dtype=dtype) * (2 * bound) - bound


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def make_start():
    weights = {
        f"{initializer} {seed} {dtype}": digest(start_values(initializer, (5, 7), seed, "1.weight", dtype))
        for initializer in ("he_normal", "he_uniform", "xavier_normal", "xavier_uniform", "zeros", "ones")
        for seed in (0, 123)
        for dtype in ("float32", "float64")
    }
    masks = {
        f"{path} {seed} {step}": digest(philox(seed, path, step).random((6, 11), dtype="float32") >= 0.3)
        for path in ("", "2", "block.drop", "2#1")
        for seed in (0, 123)
        for step in (0, 7)
    }
    return {"versions": versions(), "weights": weights, "masks": masks}


MAKERS = {"metrics": make_metrics, "start": make_start}


def main(names):
    for name in names or MAKERS:
        (HERE / f"{name}.json").write_text(json.dumps(MAKERS[name](), indent=1) + "\n")
        print(f"wrote {name}")


if __name__ == "__main__":
    main(sys.argv[1:])

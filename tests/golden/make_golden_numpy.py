"""The same as ``make_golden.py`` for what scikit-learn and plain NumPy compute: metrics, start values, masks.

::

    python tests/golden/make_golden_numpy.py
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def versions(*names):
    return {"numpy": np.__version__, **{n: __import__(n).__version__ for n in names}}


# Metrics, by scikit-learn


def metric_inputs():
    """(metric, label, y_pred, y_true) of each case."""
    rng = np.random.default_rng(17)
    scores = rng.normal(size=(23, 4))
    labels = rng.integers(0, 4, size=23)
    logits = rng.normal(size=19)
    truth = rng.normal(size=29) * 5 + 1000.0
    guess = truth + rng.normal(size=29)
    regression = [
        ("one output", guess, truth),
        ("a column", guess[:, None], truth),
        ("large offset", guess + 1e6, truth + 1e6),
        ("exact", truth, truth),
        ("constant target", guess[:6], np.full(6, 2.0)),
        ("constant target, exact", np.full(6, 2.0), np.full(6, 2.0)),
    ]
    return [
        ("accuracy", "classes", scores, labels),
        ("accuracy", "one-hot", scores, np.eye(4)[labels]),
        ("accuracy", "one logit", logits, (rng.normal(size=19) > 0).astype(np.int64)),
        ("accuracy", "one logit in a column", logits[:, None], (rng.normal(size=19) > 0).astype(np.int64)),
        *((name, *case) for name in ("mae", "rmse", "r2") for case in regression),
    ]


def sklearn_metric(name, y_pred, y_true):
    from sklearn import metrics

    if name == "accuracy":
        column = y_pred.ndim == 1 or y_pred.shape[1] == 1
        guess = (y_pred.ravel() > 0).astype(np.int64) if column else y_pred.argmax(axis=1)
        return metrics.accuracy_score(y_true if y_true.ndim == 1 else y_true.argmax(axis=1), guess)
    function = {
        "mae": metrics.mean_absolute_error,
        "rmse": metrics.root_mean_squared_error,
        "r2": metrics.r2_score,
    }[name]
    return function(y_true, y_pred.ravel())


def make_metrics():
    cases = [
        {
            "metric": name,
            "label": label,
            "y_pred": y_pred.tolist(),
            "y_true": y_true.tolist(),
            "value": float(sklearn_metric(name, y_pred, y_true)),
        }
        for name, label, y_pred, y_true in metric_inputs()
    ]
    return {"versions": versions("sklearn"), "cases": cases}


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

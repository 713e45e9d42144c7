"""How good a model is on rows it was not trained on, beside what needs no model at all.

The interval of an accuracy is Wilson's, that of an error comes from the standard error of its terms: both
are 95 % intervals, in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnkit.data import DataSet, Preprocessor, TargetCode
from learnkit.metrics import Metric
from learnkit.metrics.probability import ProbabilityMetric
from learnkit.metrics.ranking import RankingMetric

__all__ = ["Baseline", "Measure", "Report", "measure", "mean_interval", "wilson"]

Z = 1.959963984540054


@dataclass(frozen=True)
class Measure:
    """A metric.

    Attributes:
        value: of the model: a number, or nested lists for a metric of many, such as a confusion matrix.
        baseline: of the baseline on the same rows, or ``None`` where it has none: who always says the same
            has no probabilities.
        low, high: the 95 % interval of ``value``, or ``None`` where there is none.
        method: how the interval is made.
    """

    value: Any
    baseline: Any
    low: float | None = None
    high: float | None = None
    method: str | None = None


@dataclass(frozen=True)
class Baseline:
    """What is predicted without looking at the features: the mean, or the most frequent class.

    Attributes:
        prediction: a class number, or a value in original units.
        text: what it is, in words.
    """

    prediction: float
    text: str

    @classmethod
    def of(cls, code: TargetCode, y: NDArray[Any]) -> Baseline:
        """Learned from the encoded training target ``y``."""
        if code.task == "regression":
            return cls(code.mean, f"always {code.mean:.6g}, the mean of the training part")
        number = int(np.bincount(y, minlength=len(code.classes)).argmax())
        label = code.classes[number]
        return cls(number, f"always {str(label)!r}, the most frequent class of the training part")


@dataclass(frozen=True)
class Report:
    """The metrics of one part of the data.

    Attributes:
        part: ``"test"``, ``"validation"``, ...
        n: rows.
        measures: by name.
        baseline: what the model is compared with.
        details: lines on where it is wrong.
    """

    part: str
    n: int
    measures: dict[str, Measure]
    baseline: Baseline
    details: tuple[str, ...] = field(default=())

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{self.part}, {self.n:,} rows:"]
        width = max(9, *map(len, self.measures))
        for name, m in self.measures.items():
            if isinstance(m.value, list):
                lines += [f"  {name}:", *_table(m.value)]
                continue
            text = f"  {name:<{width}} {_number(m.value):>10}"
            if m.baseline is not None:
                text += f"   baseline {_number(m.baseline):>10}"
            if m.low is not None and m.high is not None:
                text += f"   95 % interval {_number(m.low)} to {_number(m.high)} ({m.method})"
            lines.append(text)
        lines.append(f"  baseline: {self.baseline.text}")
        return lines + [f"  {line}" for line in self.details]

    def to_dict(self) -> dict[str, Any]:
        """For machines, and to keep with the model."""
        return {
            "part": self.part,
            "n": self.n,
            "metrics": {
                name: {
                    "value": m.value,
                    "interval": None if m.low is None else [m.low, m.high],
                    "method": m.method,
                }
                for name, m in self.measures.items()
            },
            "baseline": {
                "text": self.baseline.text,
                "metrics": {name: m.baseline for name, m in self.measures.items()},
            },
            "details": list(self.details),
        }


def measure(
    part: str,
    outputs: NDArray[Any],
    data: DataSet,
    preprocessor: Preprocessor,
    baseline: Baseline,
    metrics: Mapping[str, Metric] | None = None,
) -> Report:
    """Compare a model's outputs with the target of ``data``.

    Args:
        part: what these rows are called.
        outputs: (n, classes) scores, or (n, 1) standardised values.
        data: the rows, with a target.
        preprocessor: knows the classes, or the unit.
        baseline: what to compare with.
        metrics: more of them, by the name they are reported under; of scores and class numbers, or of numbers
            in the unit of the target.
    """
    code = preprocessor.target
    assert data.y is not None
    if code.task == "classification":
        truth = code.encode(data.y, data.where)
        report = _classes(part, outputs.argmax(axis=1), truth, code, baseline)
        still: NDArray[Any] = np.zeros(outputs.shape)
        still[:, int(baseline.prediction)] = 1.0
    else:
        truth, outputs = data.y.astype(np.float64), code.decode(outputs)
        report = _numbers(part, outputs, data, baseline)
        still = np.full(len(truth), baseline.prediction)
    for name, metric in (metrics or {}).items():
        scored = isinstance(metric, ProbabilityMetric | RankingMetric)
        of_baseline = None if scored else _plain(metric(still, truth))
        report.measures[name] = Measure(_plain(metric(outputs, truth)), of_baseline)
    return report


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else float(value)


def _table(value: list[Any]) -> list[str]:
    """A row for each class, if there are few enough to read."""
    size = " x ".join(map(str, np.shape(value)))
    if max(np.shape(value)) > 20:
        return [f"    {size} numbers; --json prints them"]
    rows = value if isinstance(value[0], list) else [value]
    return ["    " + " ".join(f"{_number(number):>8}" for number in row) for row in rows]


def _classes(
    part: str, guess: NDArray[Any], truth: NDArray[Any], code: TargetCode, baseline: Baseline
) -> Report:
    n, hits = len(truth), int((guess == truth).sum())
    low, high = wilson(hits, n)
    accuracy = Measure(hits / n, float((truth == baseline.prediction).mean()), low, high, "Wilson")
    return Report(part, n, {"accuracy": accuracy}, baseline, tuple(_mistakes(guess, truth, code.classes)))


def _mistakes(guess: NDArray[Any], truth: NDArray[Any], labels: Sequence[object]) -> list[str]:
    """The pairs that are confused most, and the classes recognised worst; few words for many classes."""
    k = len(labels)
    pairs = np.bincount(truth * k + guess, minlength=k * k).reshape(k, k)
    totals, right = pairs.sum(axis=1), pairs.diagonal()
    wrong = pairs - np.diag(right)
    if not wrong.any():
        return ["no row is taken for another class"]
    order = np.argsort(-wrong.ravel(), kind="stable")[:5]
    worst = [
        f"{labels[i // k]} taken for {labels[i % k]} ({wrong.flat[i]})" for i in order if wrong.flat[i] > 0
    ]
    there = np.flatnonzero(totals > 0)
    share = right[there] / totals[there]
    weakest = [i for i in np.argsort(share, kind="stable")[:3] if share[i] < 1]
    listed = ", ".join(f"{labels[there[i]]} ({right[there[i]]} of {totals[there[i]]} right)" for i in weakest)
    return [f"most confused: {', '.join(worst)}", f"worst classes: {listed}"]


def _numbers(part: str, guess: NDArray[Any], data: DataSet, baseline: Baseline) -> Report:
    assert data.y is not None
    truth = data.y.astype(np.float64)
    residual = guess - truth
    still = baseline.prediction - truth
    square, absolute = residual**2, np.abs(residual)
    low, high = mean_interval(square)
    mae_low, mae_high = mean_interval(absolute)
    method = "from the standard error of the squared errors"
    measures = {
        "rmse": Measure(
            math.sqrt(square.mean()),
            math.sqrt((still**2).mean()),
            None if low is None else math.sqrt(max(0.0, low)),
            None if high is None else math.sqrt(high),
            method if low is not None else None,
        ),
        "mae": Measure(
            float(absolute.mean()),
            float(np.abs(still).mean()),
            mae_low,
            mae_high,
            method="from the standard error of the absolute errors" if low is not None else None,
        ),
        "r2": Measure(_r2(residual, truth), _r2(still, truth)),
    }
    q5, q50, q95 = (float(q) for q in np.quantile(residual, [0.05, 0.5, 0.95]))
    worst = int(absolute.argmax())
    details = (
        f"residuals (predicted - true): median {q50:.6g}, 90 % between {q5:.6g} and {q95:.6g}",
        f"largest: {residual[worst]:.6g} at {data.where(worst)} (predicted {guess[worst]:.6g}, "
        f"true {truth[worst]:.6g})",
    )
    return Report(part, len(truth), measures, baseline, details)


def _r2(residual: NDArray[Any], truth: NDArray[Any]) -> float:
    total = float(((truth - truth.mean()) ** 2).sum())
    rest = float((residual**2).sum())
    if total == 0:
        return 1.0 if rest == 0 else 0.0
    return 1.0 - rest / total


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    >>> [round(x, 4) for x in wilson(90, 100)]
    [0.8256, 0.9448]
    """
    p, z2 = hits / n, Z * Z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(values: NDArray[Any]) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of a mean, from its standard error; none for a single value."""
    n = len(values)
    if n < 2:
        return None, None
    mean, half = float(values.mean()), Z * float(values.std(ddof=1)) / math.sqrt(n)
    return max(0.0, mean - half), mean + half


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.6g}"

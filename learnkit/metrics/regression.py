"""Metrics for numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from learnkit.backends.base import Array, array_namespace
from learnkit.metrics.base import Metric, aligned, count

__all__ = ["MAE", "R2", "RMSE"]


@dataclass(frozen=True)
class MAE(Metric):
    """Mean absolute error, in the unit of the target: mean of ``|y_pred - y_true|``.

    >>> import numpy as np
    >>> MAE()(np.asarray([1.0, 2.0]), np.asarray([1.0, 4.0]))
    1.0
    """

    @property
    def larger_is_better(self) -> bool:
        return False

    def sums(self, y_pred: Array, y_true: Array) -> tuple[Array, ...]:
        p, t = aligned(y_pred, y_true, "mae")
        xp = array_namespace(p)
        return xp.sum(xp.abs(xp.subtract(p, t))), count(p, p.shape[0])

    def compute(self, sums: tuple[float, ...]) -> float:
        return sums[0] / sums[1] if sums[1] else math.nan


@dataclass(frozen=True)
class RMSE(Metric):
    """Root mean squared error, in the unit of the target: ``sqrt(mean (y_pred - y_true)^2)``.

    Of several outputs all numbers count alike; scikit-learn averages the roots of the outputs instead.

    >>> import numpy as np
    >>> RMSE()(np.asarray([0.0, 0.0]), np.asarray([3.0, 3.0]))
    3.0
    """

    @property
    def larger_is_better(self) -> bool:
        return False

    def sums(self, y_pred: Array, y_true: Array) -> tuple[Array, ...]:
        p, t = aligned(y_pred, y_true, "rmse")
        xp = array_namespace(p)
        return xp.sum(xp.square(xp.subtract(p, t))), count(p, p.shape[0])

    def compute(self, sums: tuple[float, ...]) -> float:
        return math.sqrt(sums[0] / sums[1]) if sums[1] else math.nan


@dataclass(frozen=True)
class R2(Metric):
    """Coefficient of determination: ``1 - sum (y_true - y_pred)^2 / sum (y_true - mean)^2``, at most 1.

    0 is what predicting the mean gives. A constant target gives 1 if predicted exactly, else 0, as in
    scikit-learn. Of several outputs all numbers count alike, about their common mean; scikit-learn
    averages over outputs instead. Batches are merged by their means and squared deviations, which loses
    nothing to cancellation (Chan, Golub and LeVeque 1983).

    >>> import numpy as np
    >>> R2()(np.asarray([1.0, 2.0, 3.0]), np.asarray([1.0, 2.0, 3.0]))
    1.0
    """

    def sums(self, y_pred: Array, y_true: Array) -> tuple[Array, ...]:
        p, t = aligned(y_pred, y_true, "r2")
        xp = array_namespace(p)
        mean = xp.mean(t)
        deviation = xp.sum(xp.square(xp.subtract(t, mean)))
        return xp.sum(xp.square(xp.subtract(p, t))), count(p, p.shape[0]), mean, deviation

    def combine(self, a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
        residual_a, n_a, mean_a, dev_a = a
        residual_b, n_b, mean_b, dev_b = b
        n = n_a + n_b
        shift = mean_b - mean_a
        return (
            residual_a + residual_b,
            n,
            mean_a + shift * (n_b / n),
            dev_a + dev_b + shift * shift * (n_a * n_b / n),
        )

    def compute(self, sums: tuple[float, ...]) -> float:
        residual, n, _, deviation = sums
        if n < 2:
            return math.nan
        if deviation == 0:
            return 1.0 if residual == 0 else 0.0
        return 1.0 - residual / deviation

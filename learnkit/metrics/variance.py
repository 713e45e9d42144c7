"""Metrics for numbers that compare errors with the variance of the target.

Batches are merged by their means and their sums of squared deviations, which loses nothing to cancellation
(T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample variance", 1983)::

    mean = mean_a + (mean_b - mean_a) W_b / W
    D    = D_a + D_b + (mean_b - mean_a)^2 W_a W_b / W,      W = W_a + W_b

A mean is kept as the first number and the distance from it: the distance of two means then has all its
digits however large they are, and the mean of equal numbers is that number exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import one_of
from learnkit.metrics.base import count, total
from learnkit.metrics.outputs import OutputMetric, weighted

__all__ = ["R2", "ExplainedVariance"]


@dataclass(frozen=True)
class _ShareOfVariance(OutputMetric):
    """``1 - numerator / denominator`` for each output."""

    force_finite: bool = field(default=True, kw_only=True)

    _averages: ClassVar[tuple[str, ...]] = ("uniform_average", "raw_values", "pooled", "variance_weighted")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self._name, "force_finite", self.force_finite, (True, False))

    @property
    def larger_is_better(self) -> bool:
        return True

    def _share(self, numerator: Any, denominator: Any) -> Any:
        """For each output; where the denominator is 0, 1 or 0, or NaN and -inf, as ``force_finite`` says."""
        xp = array_namespace(numerator)
        constant, exact = xp.equal(denominator, 0), xp.equal(numerator, 0)
        share = 1.0 - numerator / xp.where(constant, xp.ones_like(denominator), denominator)
        if_exact, if_not = (1.0, 0.0) if self.force_finite else (math.nan, -math.inf)
        undefined = xp.where(exact, xp.full_like(share, if_exact), xp.full_like(share, if_not))
        return self._averaged(xp.where(constant, undefined, share), denominator)


@dataclass(frozen=True)
class R2(_ShareOfVariance):
    """Coefficient of determination: ``1 - sum (y_true - y_pred)^2 / sum (y_true - mean)^2``, at most 1.

    0 is what predicting the mean gives; less than two rows give NaN. y_pred, y_true: (batch, ...) numbers of
    equal shapes; sample_weight: (batch,). Equal to scikit-learn's ``r2_score``.

    Args:
        multioutput: as for :class:`~learnkit.metrics.MAE`, or ``"variance_weighted"``, the average weighted
            by the variance of each output. ``"pooled"`` takes the variance of all numbers about their common
            mean.
        force_finite: whether a constant target gives 1 if predicted exactly and else 0 (default), or NaN and
            -inf.

    Raises:
        ArgumentError: an option is none of these.
        ShapeError: the shapes do not fit.

    >>> import numpy as np
    >>> R2()(np.asarray([1.0, 2.0, 3.0]), np.asarray([1.0, 2.0, 3.0]))
    1.0
    """

    _name: ClassVar[str] = "r2"

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        p, t, weight = self._columns(y_pred, y_true, sample_weight)
        xp = array_namespace(p)
        residual = xp.sum(weighted(xp.square(xp.subtract(p, t)), weight), axis=0)
        size = total(weight, p, p.shape[0])
        return residual, count(p, p.shape[0]), size, *_moments(t, weight, size)

    def combine(self, a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
        return a[0] + b[0], a[1] + b[1], a[2] + b[2], *_merged(a[2], a[3:], b[2], b[3:])

    def compute(self, sums: tuple[Any, ...]) -> Any:
        residual, rows, size, deviation = sums[0], sums[1], sums[2], sums[-1]
        if rows < 2 or not size:
            return math.nan
        return self._share(residual, deviation)


@dataclass(frozen=True)
class ExplainedVariance(_ShareOfVariance):
    """Explained variance: ``1 - Var(y_true - y_pred) / Var(y_true)``, at most 1.

    Unlike :class:`R2` it does not mind a constant error. No row gives NaN. Shapes, weights, options and
    errors as for :class:`R2`. Equal to scikit-learn's ``explained_variance_score``.

    >>> import numpy as np
    >>> ExplainedVariance()(np.asarray([2.0, 3.0, 4.0]), np.asarray([1.0, 2.0, 3.0]))
    1.0
    """

    _name: ClassVar[str] = "explained_variance"

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        p, t, weight = self._columns(y_pred, y_true, sample_weight)
        size = total(weight, p, p.shape[0])
        difference = array_namespace(p).subtract(t, p)
        return size, *_moments(difference, weight, size), *_moments(t, weight, size)

    def combine(self, a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
        errors, targets = (_merged(a[0], a[i : i + 3], b[0], b[i : i + 3]) for i in (1, 4))
        return a[0] + b[0], *errors, *targets

    def compute(self, sums: tuple[Any, ...]) -> Any:
        size, numerator, denominator = sums[0], sums[3], sums[6]
        return self._share(numerator, denominator) if size else math.nan


def _moments(x: Any, weight: Any | None, size: Any) -> tuple[Any, Any, Any]:
    """Of each column: its first number, how far the mean is from it, and the sum of squared deviations.

    All are 0 without rows.
    """
    xp = array_namespace(x)
    if not x.shape[0]:
        zero = xp.sum(x, axis=0)
        return zero, zero, zero
    pivot = x[0, :]
    shifted = xp.subtract(x, xp.expand_dims(pivot, axis=0))
    safe = xp.where(xp.equal(size, 0), xp.ones_like(size), size)
    offset = xp.divide(xp.sum(weighted(shifted, weight), axis=0), safe)
    centred = xp.subtract(shifted, xp.expand_dims(offset, axis=0))
    return pivot, offset, xp.sum(weighted(xp.square(centred), weight), axis=0)


def _merged(size_a: Any, a: tuple[Array, ...], size_b: Any, b: tuple[Array, ...]) -> tuple[Array, ...]:
    """What :func:`_moments` gives for two parts together; a part of weight 0 changes nothing."""
    xp = array_namespace(size_a)
    nothing = xp.equal(size_a, 0)
    (pivot_a, offset_a, deviation_a), (pivot_b, offset_b, deviation_b) = a, b
    pivot_a = xp.where(nothing, pivot_b, pivot_a)
    offset_a = xp.where(nothing, offset_b, offset_a)
    size = xp.add(size_a, size_b)
    share_b = xp.divide(size_b, xp.where(xp.equal(size, 0), xp.ones_like(size), size))
    shift = xp.add(xp.subtract(pivot_b, pivot_a), xp.subtract(offset_b, offset_a))
    offset = xp.add(offset_a, xp.multiply(shift, share_b))
    between = xp.multiply(xp.square(shift), xp.multiply(size_a, share_b))
    return pivot_a, offset, xp.add(xp.add(deviation_a, deviation_b), between)

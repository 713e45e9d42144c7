"""The confusion matrix, and how far it is from chance."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import one_of
from learnkit.metrics.base import number_or_nan, ratio
from learnkit.metrics.classification import DecisionMetric
from learnkit.metrics.counting import class_counts, confusion, decided

__all__ = ["MCC", "CohenKappa", "ConfusionMatrix"]

_SINGLE = ("auto", "binary", "multiclass")


@dataclass(frozen=True)
class ConfusionMatrix(DecisionMetric):
    """How often class i (row) is taken for class j (column): a float64 array (classes, classes).

    ``C_ij = sum of the weights of the examples of class i whose largest score is that of j``.

    y_pred: scores (batch, classes, ...), or one logit for each example, which makes two classes; y_true:
    class numbers (batch, ...), one-hot targets, or 0 and 1; sample_weight: (batch,). A ``Trainer`` reports
    nested lists, and leaves them out of the line it prints. Equal to scikit-learn's ``confusion_matrix``
    with all classes as ``labels``.

    Args:
        normalize: ``None`` (default) for counts, ``"true"`` for rows of sum 1, ``"pred"`` for columns of sum
            1, ``"all"`` for a matrix of sum 1; a row, column or matrix of zeros stays so.
        threshold, from_logits, task, ignore_index, axis: see
            :class:`~learnkit.metrics.classification.DecisionMetric`.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.
        DataError: a class number is out of range; said at the end, since looking would wait for the device.

    >>> import numpy as np
    >>> ConfusionMatrix()(np.eye(2)[[0, 1, 1]], np.asarray([0, 0, 1]))
    array([[1., 1.],
           [0., 1.]])
    """

    normalize: str | None = field(default=None, kw_only=True)

    _name: ClassVar[str] = "confusion_matrix"
    _tasks: ClassVar[tuple[str, ...]] = _SINGLE

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self._name, "normalize", self.normalize, ("true", "pred", "all", None))

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        return confusion(decided(self.read(y_pred, y_true, sample_weight), self._cut))

    def compute(self, sums: tuple[Any, ...]) -> Any:
        matrix, outside = sums
        self._refuse_outside(outside, matrix.shape[0])
        if self.normalize is None:
            return matrix
        xp = array_namespace(matrix)
        axis = {"true": 1, "pred": 0, "all": None}[self.normalize]
        return ratio(matrix, xp.broadcast_to(xp.sum(matrix, axis=axis, keepdims=True), matrix.shape), 0.0)


@dataclass(frozen=True)
class MCC(DecisionMetric):
    """Matthews correlation coefficient, in [-1, 1]; 0 is chance, and what is given where it is undefined.

    With c right of n, and t_k true and p_k predicted of class k::

        (c n - sum t_k p_k) / sqrt((n^2 - sum p_k^2) (n^2 - sum t_k^2))

    (B. W. Matthews 1975 for two classes; J. Gorodkin 2004 for more). y_pred, y_true, sample_weight: as for
    :class:`ConfusionMatrix`. No row gives NaN. Equal to scikit-learn's ``matthews_corrcoef``.

    Args:
        threshold, from_logits, task, ignore_index, axis: as for :class:`ConfusionMatrix`.

    Raises:
        ArgumentError, ShapeError, DataError: as for :class:`ConfusionMatrix`.

    >>> import numpy as np
    >>> MCC()(np.asarray([1.0, 1.0, -1.0, -1.0]), np.asarray([1, 1, 0, 0]))
    1.0
    """

    _name: ClassVar[str] = "mcc"
    _tasks: ClassVar[tuple[str, ...]] = _SINGLE

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        return class_counts(decided(self.read(y_pred, y_true, sample_weight), self._cut))

    def compute(self, sums: tuple[Any, ...]) -> float:
        counts, _, outside = sums
        xp = array_namespace(counts)
        self._refuse_outside(outside, counts.shape[1])
        right, said, true, seen = (counts[i, :] for i in range(4))
        if not bool(xp.any(xp.greater(seen, 0))):
            return math.nan

        def spread(x: Any) -> float:
            """``(sum x)^2 - sum x^2``; exactly 0 if only one class occurs."""
            return float(xp.sum(x)) ** 2 - float(xp.sum(xp.square(x)))

        product = spread(said) * spread(true)
        if product <= 0:
            return 0.0
        covariance = float(xp.sum(right)) * float(xp.sum(true)) - float(xp.sum(true * said))
        return covariance / math.sqrt(product)


@dataclass(frozen=True)
class CohenKappa(DecisionMetric):
    """Cohen's kappa, the agreement of predicted and true class beyond chance, at most 1; 0 is chance.

    ``1 - sum w_ij O_ij / sum w_ij E_ij``, with the confusion matrix O, the matrix E of the same sums of rows
    and columns if both were independent, and w 1 off the diagonal, ``|i - j|`` or ``(i - j)^2`` (J. Cohen
    1960, 1968). y_pred, y_true, sample_weight: as for :class:`ConfusionMatrix`.

    Equal to scikit-learn's ``cohen_kappa_score`` with all classes as ``labels``: the distance of two classes
    is that of their numbers. Without ``labels`` scikit-learn numbers only the classes that occur.

    Args:
        weights: ``None`` (default), ``"linear"`` or ``"quadratic"``.
        replace_undefined_by: the value if all is of one class, or there is no row: a number in [-1, 1], or
            NaN (default).
        threshold, from_logits, task, ignore_index, axis: as for :class:`ConfusionMatrix`.

    Raises:
        ArgumentError, ShapeError, DataError: as for :class:`ConfusionMatrix`.

    >>> import numpy as np
    >>> CohenKappa()(np.asarray([1.0, 1.0, -1.0, -1.0]), np.asarray([1, 0, 0, 0]))
    0.5
    """

    weights: str | None = None
    replace_undefined_by: float = field(default=math.nan, kw_only=True)

    _name: ClassVar[str] = "cohen_kappa"
    _tasks: ClassVar[tuple[str, ...]] = _SINGLE

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self._name, "weights", self.weights, (None, "linear", "quadratic"))
        value = number_or_nan(
            self._name,
            "replace_undefined_by",
            self.replace_undefined_by,
            lambda v: -1 <= v <= 1,
            "a number in [-1, 1]",
        )
        object.__setattr__(self, "replace_undefined_by", value)

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        return confusion(decided(self.read(y_pred, y_true, sample_weight), self._cut))

    def compute(self, sums: tuple[Any, ...]) -> float:
        observed, outside = sums
        xp = array_namespace(observed)
        k = observed.shape[0]
        self._refuse_outside(outside, k)
        everything = float(xp.sum(observed))
        if not everything:
            return self.replace_undefined_by
        true, said = xp.sum(observed, axis=1), xp.sum(observed, axis=0)
        expected = xp.expand_dims(true, axis=1) * xp.expand_dims(said, axis=0) / everything
        number = xp.arange(k, dtype=observed.dtype)
        distance = xp.abs(xp.expand_dims(number, axis=1) - xp.expand_dims(number, axis=0))
        if self.weights is None:
            distance = xp.astype(xp.greater(distance, 0), observed.dtype)
        elif self.weights == "quadratic":
            distance = xp.square(distance)
        by_chance = float(xp.sum(distance * expected))
        if not by_chance:
            return self.replace_undefined_by
        return 1.0 - float(xp.sum(distance * observed)) / by_chance

"""Metrics made of the counts of each class: how many are right, predicted and true."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import one_of, positive
from learnkit.errors import ArgumentError
from learnkit.metrics.base import number_or_nan, ratio
from learnkit.metrics.classification import DecisionMetric
from learnkit.metrics.counting import class_counts, decided

__all__ = ["F1", "BalancedAccuracy", "Dice", "FBeta", "IoU", "Precision", "Recall", "Specificity"]

AVERAGES = ("binary", "micro", "macro", "weighted", None)


@dataclass(frozen=True)
class AveragedMetric(DecisionMetric):
    """Base of metrics that are a ratio of counts of each class, and then averaged over classes.

    With TP right, FP wrongly predicted, FN missed and TN all other examples of a class. y_pred: scores
    (batch, classes, ...), or one logit for each example; y_true: class numbers (batch, ...), one-hot
    targets, or 0 and 1; ``learnkit.metrics.classes`` shows all shapes. sample_weight: (batch,). No row gives
    NaN.

    Args:
        average: as in scikit-learn. ``"binary"``: of class ``pos_label``, for two classes only. ``"macro"``:
            the mean over the classes that occur in y_true or y_pred. ``"weighted"``: the mean weighted by
            how often a class is true. ``"micro"``: the ratio of the sums of these classes. ``None``: an array
            with one value for each class that y_pred has a score for, whether it occurs or not.
        zero_division: 0 (default), 1 or NaN, the value of a class whose denominator is 0; NaN is left out of
            averages.
        pos_label: 0 or 1 (default), for ``average="binary"``.
        threshold, from_logits, task, ignore_index, axis: see
            :class:`~learnkit.metrics.classification.DecisionMetric`.

    Raises:
        ArgumentError: an option is out of range, or ``average="binary"`` meets more than two classes.
        ShapeError: the shapes do not fit.
        DataError: a class number is out of range; said at the end, since looking would wait for the device.
    """

    average: str | None = field(default="binary", kw_only=True)
    zero_division: float = field(default=0.0, kw_only=True)
    pos_label: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self._name, "average", self.average, AVERAGES)
        value = number_or_nan(self._name, "zero_division", self.zero_division, lambda v: v in (0, 1), "0, 1")
        object.__setattr__(self, "zero_division", value)
        one_of(self._name, "pos_label", self.pos_label, (0, 1))

    def _fraction(self, right: Any, said: Any, true: Any, everything: Any) -> tuple[Any, Any]:
        """Numerator and denominator of each class.

        Args:
            right, said, true: (classes,) weights of what is right, predicted and true of each class.
            everything: the weight of all examples, alike for each class.
        """
        raise TypeError(f"{type(self).__name__} defines no _fraction(...)")

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        examples = self.read(y_pred, y_true, sample_weight)
        if self.average == "binary" and (examples.task == "multilabel" or examples.classes != 2):
            kind = "labels" if examples.task == "multilabel" else "classes"
            raise ArgumentError(
                f"{self._name}: average is 'binary' and y_pred of shape {tuple(y_pred.shape)} has "
                f"{examples.classes} {kind}, expected two classes",
                hint="choose average='macro', 'micro', 'weighted' or None",
            )
        return class_counts(decided(examples, self._cut))

    def compute(self, sums: tuple[Any, ...]) -> Any:
        counts, everything, outside = sums
        xp = array_namespace(counts)
        self._refuse_outside(outside, counts.shape[1])
        right, said, true, seen = (counts[i, :] for i in range(4))
        occurs = xp.greater(seen, 0)
        if self.average is not None and not bool(xp.any(occurs)):
            return math.nan
        all_of_it = xp.full_like(true, everything)
        if self.average == "micro":
            there = xp.astype(occurs, xp.float64)
            right, said, true, all_of_it = (
                xp.sum(x * there, keepdims=True) for x in (right, said, true, all_of_it)
            )
        values = ratio(*self._fraction(right, said, true, all_of_it), self.zero_division)
        if self.average is None:
            return values
        if self.average == "micro":
            return float(values[0])
        if self.average == "binary":
            return float(values[self.pos_label])
        used = xp.logical_and(occurs, xp.logical_not(xp.isnan(values)))
        shares = xp.astype(used, xp.float64)
        if self.average == "weighted" and float(xp.sum(shares * true)) > 0:
            shares = shares * true
        size = float(xp.sum(shares))
        kept = xp.where(used, values, xp.zeros_like(values))
        return float(xp.sum(kept * shares)) / size if size else math.nan


@dataclass(frozen=True)
class Precision(AveragedMetric):
    """The fraction of what is predicted as a class that is of it: ``TP / (TP + FP)``, in [0, 1].

    Shapes, options (``average``, ``zero_division``, ``pos_label``, ``threshold``, ``from_logits``, ``task``,
    ``ignore_index``, ``axis``) and errors: see :class:`~learnkit.metrics.averaging.AveragedMetric`. Equal to
    scikit-learn's ``precision_score``.

    >>> import numpy as np
    >>> logits, labels = np.asarray([2.0, 1.0, -1.0]), np.asarray([1, 0, 1])
    >>> Precision()(logits, labels)
    0.5
    >>> scores = np.eye(3)
    >>> Precision(average=None)(scores, np.asarray([0, 1, 1]))
    array([1., 1., 0.])
    """

    _name: ClassVar[str] = "precision"

    def _fraction(self, right: Any, said: Any, true: Any, everything: Any) -> tuple[Any, Any]:
        return right, said


@dataclass(frozen=True)
class Recall(AveragedMetric):
    """The fraction of the examples of a class that are found: ``TP / (TP + FN)``, in [0, 1]; sensitivity.

    Shapes, options and errors as for :class:`Precision`. Equal to scikit-learn's ``recall_score``.

    >>> import numpy as np
    >>> Recall()(np.asarray([2.0, 1.0, -1.0]), np.asarray([1, 0, 1]))
    0.5
    """

    _name: ClassVar[str] = "recall"

    def _fraction(self, right: Any, said: Any, true: Any, everything: Any) -> tuple[Any, Any]:
        return right, true


@dataclass(frozen=True)
class Specificity(AveragedMetric):
    """The fraction of what is not of a class that is not taken for it: ``TN / (TN + FP)``, in [0, 1].

    Of two classes it is the recall of the other one. Shapes, options and errors as for :class:`Precision`.

    >>> import numpy as np
    >>> Specificity()(np.asarray([2.0, 1.0, -1.0, -1.0]), np.asarray([1, 0, 0, 0]))
    0.6666666666666666
    """

    _name: ClassVar[str] = "specificity"

    def _fraction(self, right: Any, said: Any, true: Any, everything: Any) -> tuple[Any, Any]:
        false = everything - true
        return false - (said - right), false


@dataclass(frozen=True)
class FBeta(AveragedMetric):
    """The weighted harmonic mean of precision P and recall R, in [0, 1].

    ``(1 + beta^2) P R / (beta^2 P + R) = (1 + beta^2) TP / (beta^2 (TP + FN) + (TP + FP))``. Shapes, other
    options and errors as for :class:`Precision`. Equal to scikit-learn's ``fbeta_score``.

    Args:
        beta: >= 0, default 1, how many times as much recall counts as precision: 0 is precision, ``inf`` is
            recall.

    >>> import numpy as np
    >>> FBeta(beta=2.0)(np.asarray([2.0, 1.0, -1.0]), np.asarray([1, 0, 1]))
    0.5
    """

    beta: float = 1.0

    _name: ClassVar[str] = "f_beta"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta != math.inf:
            positive(self._name, "beta", self.beta, zero=True)

    def _fraction(self, right: Any, said: Any, true: Any, everything: Any) -> tuple[Any, Any]:
        if self.beta == math.inf:
            return right, true
        square = float(self.beta) ** 2
        return (1.0 + square) * right, square * true + said


@dataclass(frozen=True)
class F1(AveragedMetric):
    """The harmonic mean of precision and recall: ``2 TP / (2 TP + FP + FN)``, in [0, 1].

    Shapes, options and errors as for :class:`Precision`. Equal to scikit-learn's ``f1_score``.

    >>> import numpy as np
    >>> F1()(np.asarray([2.0, 1.0, -1.0]), np.asarray([1, 0, 1]))
    0.5
    """

    _name: ClassVar[str] = "f1"

    def _fraction(self, right: Any, said: Any, true: Any, everything: Any) -> tuple[Any, Any]:
        return 2.0 * right, true + said


@dataclass(frozen=True)
class Dice(F1):
    """The Dice coefficient of two sets, ``2 |A and B| / (|A| + |B|)``, for each class, in [0, 1].

    It is :class:`F1` by another name, with ``average="macro"`` as default: the mean over the classes that
    occur. The sets are those of all examples or pixels together, not of each image. Shapes, options and
    errors as for :class:`Precision`; for masks take y_pred (batch, classes, height, width) and class numbers
    (batch, height, width), or logits and 0 and 1, both (batch, 1, height, width).

    >>> import numpy as np
    >>> Dice(average="binary")(np.asarray([2.0, 1.0, -1.0]), np.asarray([1, 0, 1]))
    0.5
    """

    average: str | None = field(default="macro", kw_only=True)

    _name: ClassVar[str] = "dice"


@dataclass(frozen=True)
class IoU(AveragedMetric):
    """Intersection over union, the Jaccard index: ``TP / (TP + FP + FN)`` for each class, in [0, 1].

    ``average="macro"`` is the default: the mean over the classes that occur, mIoU. The sets are those of all
    examples or pixels together. Shapes, options and errors as for :class:`Dice`. Equal to scikit-learn's
    ``jaccard_score``.

    >>> import numpy as np
    >>> IoU(average="binary")(np.asarray([2.0, 1.0, -1.0]), np.asarray([1, 0, 1]))
    0.3333333333333333
    """

    average: str | None = field(default="macro", kw_only=True)

    _name: ClassVar[str] = "iou"

    def _fraction(self, right: Any, said: Any, true: Any, everything: Any) -> tuple[Any, Any]:
        return right, said + true - right


@dataclass(frozen=True)
class BalancedAccuracy(DecisionMetric):
    """The mean of the recalls ``TP / (TP + FN)`` of the classes that occur in y_true, in [0, 1].

    y_pred, y_true, sample_weight: as for :class:`Precision`. No row gives NaN. Equal to scikit-learn's
    ``balanced_accuracy_score``.

    Args:
        adjusted: whether guessing gives 0 and perfection 1: ``(value - 1/c) / (1 - 1/c)`` for ``c`` classes
            that occur; NaN for a single one. Default ``False``.
        threshold, from_logits, task, ignore_index, axis: as for :class:`Precision`, without ``"multilabel"``.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.
        DataError: a class number is out of range.

    >>> import numpy as np
    >>> BalancedAccuracy()(np.asarray([-1.0, -1.0, -1.0, 1.0]), np.asarray([0, 0, 0, 0]))
    0.75
    """

    adjusted: bool = field(default=False, kw_only=True)

    _name: ClassVar[str] = "balanced_accuracy"
    _tasks: ClassVar[tuple[str, ...]] = ("auto", "binary", "multiclass")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self._name, "adjusted", self.adjusted, (True, False))

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        return class_counts(decided(self.read(y_pred, y_true, sample_weight), self._cut))

    def compute(self, sums: tuple[Any, ...]) -> float:
        counts, _, outside = sums
        xp = array_namespace(counts)
        self._refuse_outside(outside, counts.shape[1])
        recalls = ratio(counts[0, :], counts[2, :], 0.0)
        n = float(xp.sum(xp.astype(xp.greater(counts[2, :], 0), xp.float64)))
        if not n:
            return math.nan
        value = float(xp.sum(recalls)) / n
        if not self.adjusted:
            return value
        return (value - 1 / n) / (1 - 1 / n) if n > 1 else math.nan

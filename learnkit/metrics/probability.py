"""Metrics for the probabilities of classes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import array_api_compat

from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.checks import at_least, one_of
from learnkit.metrics.base import count, in_double, ratio, total
from learnkit.metrics.classes import ClassMetric, Examples
from learnkit.metrics.counting import binary_numbers, histogram, number_of, outside_of

__all__ = ["Brier", "CalibrationError", "LogLoss", "Perplexity", "ProbabilityMetric", "sigmoid", "softmax"]


@dataclass(frozen=True)
class ProbabilityMetric(ClassMetric):
    """Base of metrics for probabilities.

    Args:
        from_logits: whether y_pred holds logits (default), of which softmax or sigmoid is taken; if not,
            probabilities, which should sum to 1.
        task: ``"auto"`` (default), ``"binary"`` or ``"multiclass"``.
        ignore_index, axis: see :class:`~learnkit.metrics.classes.ClassMetric`.
    """

    from_logits: bool = field(default=True, kw_only=True)

    _tasks: ClassVar[tuple[str, ...]] = ("auto", "binary", "multiclass")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self._name, "from_logits", self.from_logits, (True, False))

    @property
    def larger_is_better(self) -> bool:
        return False

    def _probabilities(self, examples: Examples) -> Any:
        """(n,) for binary, else (n, classes), in double precision."""
        scores = in_double(examples.scores)
        if not self.from_logits:
            return scores
        return sigmoid(scores) if examples.task == "binary" else softmax(scores)


def softmax(z: Any) -> Any:
    """Softmax of the rows of a matrix; without rows, nothing."""
    return kernels_of(z).softmax(z) if z.shape[0] else z


def sigmoid(z: Any) -> Any:
    """``1 / (1 + exp(-z))``, without overflow."""
    xp = array_namespace(z)
    e = xp.exp(-xp.abs(z))
    one = xp.ones_like(e)
    return xp.divide(xp.where(xp.greater_equal(z, 0), one, e), xp.add(one, e))


@dataclass(frozen=True)
class LogLoss(ProbabilityMetric):
    """Log loss: the mean of ``-log p`` of the true class, in nats, in [0, inf); cross-entropy.

    y_pred: logits (batch, classes, ...), or one logit for each example; with ``from_logits=False``
    probabilities, which are held in [eps, 1 - eps] with the eps of their dtype. y_true: class numbers
    (batch, ...), soft targets of the shape of y_pred, or numbers in [0, 1]. sample_weight: (batch,). No row
    gives NaN. Equal to scikit-learn's ``log_loss`` of the probabilities; the log of logits is exact, where
    scikit-learn cannot give more than 36.

    Args:
        from_logits, task, ignore_index, axis: see :class:`ProbabilityMetric`.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.
        DataError: a class number is out of range; said at the end, since looking would wait for the device.

    >>> import numpy as np
    >>> round(LogLoss()(np.asarray([[0.0, 0.0], [0.0, 0.0]]), np.asarray([1, 0])), 6)
    0.693147
    """

    _name: ClassVar[str] = "log_loss"

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        examples = self.read(y_pred, y_true, sample_weight)
        z = in_double(examples.scores)
        eps = array_namespace(z).finfo(examples.scores.dtype).eps
        if examples.task == "binary":
            losses = self._of_binary(z, in_double(examples.truth), float(eps))
        else:
            losses = self._of_classes(z, examples.truth, float(eps))
        return *_mean(losses, examples), _outside(examples)

    def compute(self, sums: tuple[Any, ...]) -> float:
        loss, weight, outside = sums
        self._refuse_outside(outside)
        return loss / weight if weight else math.nan

    def _of_binary(self, z: Any, t: Any, eps: float) -> Any:
        xp = array_namespace(z, t)
        if self.from_logits:
            rest = xp.log1p(xp.exp(-xp.abs(z)))
            zero = xp.zeros_like(z)
            loss_1, loss_0 = xp.maximum(-z, zero) + rest, xp.maximum(z, zero) + rest
        else:
            loss_1, loss_0 = -xp.log(_held(z, eps)), -xp.log(_held(1.0 - z, eps))
        return _times(t, loss_1) + _times(1.0 - t, loss_0)

    def _of_classes(self, z: Any, truth: Any, eps: float) -> Any:
        xp = array_namespace(z, truth)
        if self.from_logits:
            shifted = z - xp.max(z, axis=1, keepdims=True)
            each = xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True)) - shifted
        else:
            each = -xp.log(_held(z, eps))
        if len(truth.shape) == 2:
            return xp.sum(_times(in_double(truth), each), axis=1)
        lost = outside_of(truth, z.shape[1])
        label = xp.expand_dims(xp.where(lost, xp.zeros_like(truth), truth), axis=1)
        return xp.take_along_axis(each, label, axis=1)[:, 0]


@dataclass(frozen=True)
class Perplexity(LogLoss):
    """Perplexity, ``exp(log loss) = exp(mean of -log p)``, in [1, inf).

    It is the number of equally likely classes that would be as hard to guess.

    y_pred: logits (batch, classes, ...), or for language models (batch, length, classes) with ``axis=-1``;
    y_true: class numbers, or soft targets of the shape of y_pred. What is beyond the largest number is inf.
    Other arguments, options and errors as for :class:`LogLoss`.

    >>> import numpy as np
    >>> round(Perplexity()(np.zeros((2, 5)), np.asarray([1, 4])), 6)
    5.0
    """

    _name: ClassVar[str] = "perplexity"
    _tasks: ClassVar[tuple[str, ...]] = ("auto", "multiclass")

    def compute(self, sums: tuple[Any, ...]) -> float:
        loss = super().compute(sums)
        return math.inf if loss > 709.0 else math.exp(loss)


@dataclass(frozen=True)
class Brier(ProbabilityMetric):
    """Brier score: the mean of ``sum_c (p_c - t_c)^2``, for two classes half of it, which is ``(p - t)^2``.

    In [0, 1] for two classes, in [0, 2] for more (G. W. Brier 1950). y_pred: logits (batch, classes, ...),
    or one logit for each example, or probabilities; y_true: class numbers, soft targets, or numbers in [0,
    1]; sample_weight: (batch,). No row gives NaN. Equal to scikit-learn's ``brier_score_loss`` of the
    probabilities.

    Args:
        scale_by_half: ``"auto"`` (default) halves for two classes; ``True`` and ``False`` always and never.
        from_logits, task, ignore_index, axis: see :class:`ProbabilityMetric`.

    Raises:
        ArgumentError, ShapeError, DataError: as for :class:`LogLoss`.

    >>> import numpy as np
    >>> Brier(from_logits=False)(np.asarray([0.5, 0.9]), np.asarray([1, 1]))
    0.13
    """

    scale_by_half: bool | str = field(default="auto", kw_only=True)

    _name: ClassVar[str] = "brier"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self._name, "scale_by_half", self.scale_by_half, ("auto", True, False))

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        examples = self.read(y_pred, y_true, sample_weight)
        p, truth = self._probabilities(examples), examples.truth
        xp = array_namespace(p, truth)
        if examples.task == "binary":
            each = 2.0 * xp.square(p - in_double(truth))
        else:
            if len(truth.shape) == 1:
                numbers = kernels_of(truth).class_range(p.shape[1], truth)
                truth = xp.equal(xp.expand_dims(truth, axis=1), numbers)
            each = xp.sum(xp.square(p - in_double(truth)), axis=1)
        half = examples.classes == 2 if self.scale_by_half == "auto" else self.scale_by_half
        return *_mean(0.5 * each if half else each, examples), _outside(examples)

    def compute(self, sums: tuple[Any, ...]) -> float:
        square, weight, outside = sums
        self._refuse_outside(outside)
        return square / weight if weight else math.nan


@dataclass(frozen=True)
class CalibrationError(ProbabilityMetric):
    """Expected calibration error (ECE): how far confidence is from accuracy, in [0, 1].

    Confidences are put into ``n_bins`` bins of equal width, ``((b - 1)/n, b/n]``. With the share s_b of the
    weights, the accuracy a_b and the mean confidence c_b of each bin b::

        l1:   sum s_b |a_b - c_b|
        l2:   sqrt(sum s_b (a_b - c_b)^2)
        max:  max |a_b - c_b|              of the bins that are not empty

    (M. P. Naeini, G. F. Cooper and M. Hauskrecht 2015; C. Guo et al. 2017).

    y_pred: logits (batch, classes, ...), whose confidence is the largest probability and right if that class
    is the true one; or one logit for each example, whose confidence is the probability of class 1 and right
    if that is the true one, as in scikit-learn's ``calibration_curve``. y_true, sample_weight: as for
    :class:`LogLoss`; soft targets count as the class of the largest. No row gives NaN.

    Args:
        n_bins: >= 1, default 15.
        norm: ``"l1"`` (default), ``"l2"`` or ``"max"``.
        from_logits, task, ignore_index, axis: see :class:`ProbabilityMetric`.

    Raises:
        ArgumentError, ShapeError, DataError: as for :class:`LogLoss`.

    >>> import numpy as np
    >>> CalibrationError(from_logits=False)(np.asarray([0.75, 0.75]), np.asarray([1, 0]))
    0.25
    """

    n_bins: int = 15
    norm: str = field(default="l1", kw_only=True)

    _name: ClassVar[str] = "calibration_error"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self._name, "n_bins", self.n_bins, 1)
        one_of(self._name, "norm", self.norm, ("l1", "l2", "max"))

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        examples = self.read(y_pred, y_true, sample_weight)
        p, truth = self._probabilities(examples), examples.truth
        xp = array_namespace(p, truth)
        if examples.task == "binary":
            confidence, right = p, xp.equal(binary_numbers(truth), 1)
        else:
            truth = xp.argmax(truth, axis=1) if len(truth.shape) == 2 else truth
            confidence, right = xp.max(p, axis=1), xp.equal(xp.argmax(p, axis=1), truth)
        edges = xp.arange(1, self.n_bins, dtype=xp.float64, device=array_api_compat.device(p)) * (
            1.0 / self.n_bins
        )
        above = xp.greater(xp.expand_dims(confidence, axis=1), xp.expand_dims(edges, axis=0))
        bins = xp.sum(xp.astype(above, xp.int64), axis=1)
        weight = xp.ones_like(confidence) if examples.weight is None else examples.weight
        rows = (weight, weight * in_double(right), weight * confidence)
        return xp.stack([histogram(bins, self.n_bins, row) for row in rows]), _outside(examples)

    def compute(self, sums: tuple[Any, ...]) -> float:
        table, outside = sums
        self._refuse_outside(outside)
        xp = array_namespace(table)
        weight = table[0, :]
        everything = float(xp.sum(weight))
        if not everything:
            return math.nan
        gap = xp.abs(ratio(table[1, :] - table[2, :], weight, 0.0))
        if self.norm == "max":
            return float(xp.max(gap))
        if self.norm == "l2":
            return math.sqrt(float(xp.sum(weight * xp.square(gap))) / everything)
        return float(xp.sum(weight * gap)) / everything


def _mean(each: Any, examples: Examples) -> tuple[Any, Any]:
    """The weighted sum over rows, and that of the weights. What has weight 0 does not count, even if inf."""
    xp = array_namespace(each)
    weight = examples.weight
    summed = xp.sum(each) if weight is None else xp.sum(_times(weight, each))
    return summed, total(weight, each, examples.rows)


def _times(weight: Any, x: Any) -> Any:
    """``weight * x``, and 0 where the weight is 0."""
    xp = array_namespace(weight, x)
    counts = xp.not_equal(weight, 0)
    return xp.multiply(weight, xp.where(counts, x, xp.zeros_like(x)))


def _held(p: Any, eps: float) -> Any:
    """``p`` in [eps, 1 - eps]."""
    xp = array_namespace(p)
    return xp.minimum(xp.maximum(p, xp.full_like(p, eps)), xp.full_like(p, 1.0 - eps))


def _outside(examples: Examples) -> Any:
    """How many targets are no class numbers, or for one score not in [0, 1]."""
    truth = examples.truth
    xp = array_namespace(truth)
    if examples.task == "binary":
        wide = in_double(truth)
        lost = xp.logical_or(xp.less(wide, 0), xp.greater(wide, 1))
    elif len(truth.shape) == 2:
        return count(truth, 0)
    else:
        lost = outside_of(truth, examples.classes)
    return number_of(lost if examples.kept is None else xp.logical_and(lost, examples.kept))

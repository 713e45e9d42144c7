"""Metrics for classes that count hits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import at_least, one_of
from learnkit.metrics.base import in_double, total
from learnkit.metrics.classes import ClassMetric, cutoff
from learnkit.metrics.counting import decided, number_of, outside_of

__all__ = ["Accuracy", "DecisionMetric", "TopKAccuracy"]


@dataclass(frozen=True)
class DecisionMetric(ClassMetric):
    """Base of metrics for which one class, or each label, is decided on.

    Args:
        task, ignore_index, axis: see :class:`~learnkit.metrics.classes.ClassMetric`.
        threshold: probability in (0, 1), default 0.5, above which a single score says class 1; a logit ``z``
            is compared with ``log(threshold / (1 - threshold))``.
        from_logits: whether single scores are logits (default); if not, they are compared with ``threshold``
            as they are. Between several classes the largest score wins, of equal ones the first.
    """

    threshold: float = field(default=0.5, kw_only=True)
    from_logits: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        cutoff(self._name, self.threshold, self.from_logits)

    @property
    def _cut(self) -> float:
        return cutoff(self._name, self.threshold, self.from_logits)


@dataclass(frozen=True)
class Accuracy(DecisionMetric):
    """The fraction of examples whose predicted class is the true one, ``right / all``, in [0, 1].

    y_pred: scores or logits (batch, classes), where the largest wins and of equal ones the first; or one
    logit for each example, (batch,) or (batch, 1), which says class 1 if it is > 0.
    y_true: class numbers (batch,) or (batch, 1), or one-hot or soft targets (batch, classes). A class number
    out of range is a miss. Of several labels (``task="multilabel"``) all must be right.
    sample_weight: (batch,). No row gives NaN. Equal to scikit-learn's ``accuracy_score``.

    Args:
        threshold, from_logits, task, ignore_index, axis: see :class:`DecisionMetric`; the module
            ``learnkit.metrics.classes`` shows the shapes.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.

    >>> import numpy as np
    >>> Accuracy()(np.asarray([[0.1, 0.9], [0.8, 0.2]]), np.asarray([1, 1]))
    0.5
    """

    _name: ClassVar[str] = "accuracy"

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        decisions = decided(self.read(y_pred, y_true, sample_weight), self._cut)
        xp = array_namespace(decisions.guess)
        hit = xp.equal(decisions.guess, decisions.truth)
        return _hits(xp.all(hit, axis=1) if len(hit.shape) == 2 else hit, decisions.weight)

    def compute(self, sums: tuple[Any, ...]) -> float:
        hits, n = sums
        return hits / n if n else math.nan


@dataclass(frozen=True)
class TopKAccuracy(ClassMetric):
    """The fraction ``hits / all`` of examples whose true class has one of the k largest scores, in [0, 1].

    y_pred: scores (batch, classes). y_true: class numbers (batch,), or one-hot targets (batch, classes); a
    class number out of range is a miss, and so is a score that is NaN. sample_weight: (batch,). No row gives
    NaN. Equal to scikit-learn's ``top_k_accuracy_score``, where of equal scores the last class is the
    larger; ``ties="first"`` lets the first one win, as :class:`Accuracy` does.

    Args:
        k: >= 1, default 2; with ``k >= classes`` every example is a hit.
        ties: ``"last"`` (default) or ``"first"``.
        ignore_index, axis: see :class:`~learnkit.metrics.classes.ClassMetric`.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.

    >>> import numpy as np
    >>> TopKAccuracy(k=2)(np.asarray([[0.5, 0.3, 0.2], [0.5, 0.2, 0.3]]), np.asarray([1, 1]))
    0.5
    """

    k: int = 2
    ties: str = field(default="last", kw_only=True)

    _name: ClassVar[str] = "top_k_accuracy"
    _tasks: ClassVar[tuple[str, ...]] = ("auto", "multiclass")

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self._name, "k", self.k, 1)
        one_of(self._name, "ties", self.ties, ("last", "first"))

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        examples = self.read(y_pred, y_true, sample_weight)
        scores, truth = examples.scores, examples.truth
        if examples.task == "binary":
            raise self._misfit(tuple(y_pred.shape), tuple(y_true.shape))
        xp = array_namespace(scores, truth)
        if len(truth.shape) == 2:
            truth = xp.argmax(truth, axis=1)
        outside = outside_of(truth, examples.classes)
        label = xp.expand_dims(xp.where(outside, xp.zeros_like(truth), truth), axis=1)
        picked = xp.take_along_axis(scores, label, axis=1)
        numbers = xp.expand_dims(
            xp.arange(examples.classes, dtype=label.dtype, device=array_api_compat.device(label)), axis=0
        )
        # Written so that a NaN is never behind: then the class it belongs to, or all others, are ahead.
        not_less = xp.logical_not(xp.less(scores, picked))
        greater = xp.logical_not(xp.less_equal(scores, picked))
        wins = xp.greater(numbers, label) if self.ties == "last" else xp.less(numbers, label)
        ahead = xp.logical_and(xp.where(wins, not_less, greater), xp.not_equal(numbers, label))
        place = xp.sum(xp.astype(ahead, xp.int64), axis=1)
        hit = xp.logical_and(xp.less(place, xp.full_like(place, self.k)), xp.logical_not(outside))
        return _hits(hit, examples.weight)

    def compute(self, sums: tuple[Any, ...]) -> float:
        hits, n = sums
        return hits / n if n else math.nan


def _hits(hit: Any, weight: Any | None) -> tuple[Any, Any]:
    """Weighted hits, and the sum of the weights."""
    xp = array_namespace(hit)
    hits = number_of(hit) if weight is None else xp.sum(xp.multiply(weight, in_double(hit)))
    return hits, total(weight, hit, hit.shape[0])

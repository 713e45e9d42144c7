"""Metrics for the order of scores: exact, ties included, from all scores and targets of an epoch.

No sum over batches gives them, so they keep their pieces on the device: for each example (8 bytes a number)
its scores, its target and its weight, that is 24 bytes for one score and ``8 (classes + 2)`` for more, and
24 MB for a million examples of two classes. Pieces are joined when they reach each other's size, as carries
in a binary number, so that there are few of them and each is copied a few times only. They are sorted on the
host, at the end.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import one_of
from learnkit.errors import ArgumentError
from learnkit.metrics.base import in_double, ratio
from learnkit.metrics.classes import ClassMetric
from learnkit.metrics.counting import binary_numbers, outside_of
from learnkit.metrics.probability import softmax

__all__ = ["ROCAUC", "AveragePrecision", "RankingMetric"]


@dataclass(frozen=True)
class RankingMetric(ClassMetric):
    """Base of metrics that keep all scores and targets.

    y_pred: one score for each example, (batch,) or (batch, 1), the larger the more it is class 1, of any
    scale; or logits or probabilities (batch, classes), or (batch, labels) for several labels. y_true: 0 and
    1, class numbers, one-hot targets, or 0 and 1 for each label. sample_weight: (batch,).

    Args:
        average: over the classes, each against all others, or labels: ``"macro"`` (default), the mean;
            ``"weighted"`` by how often each is true; ``"micro"``, all decisions as those of one class;
            ``None``, an array with one value for each. For two classes there is one value, and it does not
            matter.
        from_logits: whether softmax is taken of several scores (default), so that they compare between
            examples; for two classes and single scores it makes no difference.
        task, ignore_index, axis: see :class:`~learnkit.metrics.classes.ClassMetric`.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.
        DataError: a class number is out of range; said at the end, since looking would wait for the device.
    """

    average: str | None = field(default="macro", kw_only=True)
    from_logits: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self._name, "average", self.average, ("macro", "weighted", "micro", None))
        one_of(self._name, "from_logits", self.from_logits, (True, False))

    def _of_one(self, scores: Any, truth: Any, weight: Any) -> float:
        """The metric of one class on the host: scores, 0 or 1, and weights > 0, all (n,)."""
        raise TypeError(f"{type(self).__name__} defines no _of_one(self, scores, truth, weight)")

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        """One piece: scores (n,) or (n, k), targets (n,) or (n, k) and weights (n,)."""
        task, scores, truth, weight, _ = self.read(y_pred, y_true, sample_weight)
        xp = array_namespace(scores, truth)
        scores = in_double(scores)
        if task == "binary":
            truth = binary_numbers(truth)
        elif task == "multiclass":
            truth = xp.argmax(truth, axis=1) if len(truth.shape) == 2 else truth
            if scores.shape[1] == 2:
                truth = xp.where(outside_of(truth, 2), xp.full_like(truth, 2), truth)
                scores = scores[:, 1] - scores[:, 0] if self.from_logits else scores[:, 1]
            elif self.from_logits:
                scores = softmax(scores)
        if weight is None:
            weight = xp.ones_like(scores[:, 0] if len(scores.shape) == 2 else scores)
        return scores, in_double(truth), weight

    def combine(self, a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
        """The pieces of both, the last ones joined while an earlier one is not longer than a later one."""
        pieces = [(*a, *b)[i : i + 3] for i in range(0, len(a) + len(b), 3)]
        while len(pieces) > 1 and pieces[-2][0].shape[0] <= pieces[-1][0].shape[0]:
            pieces[-2:] = [_joined(pieces[-2:])]
        return tuple(itertools.chain.from_iterable(pieces))

    def compute(self, sums: tuple[Any, ...]) -> Any:
        scores, truth, weight = _joined([sums[i : i + 3] for i in range(0, len(sums), 3)])
        xp = array_namespace(scores)
        several = len(scores.shape) == 2
        kept = xp.not_equal(weight, 0)
        scores, truth = (y[kept, ...] for y in (scores, truth))
        weight = weight[kept]
        if len(truth.shape) == 1:
            classes = int(scores.shape[1]) if several else 2
            self._refuse_outside(float(xp.sum(in_double(outside_of(truth, classes)))), classes)
        if not several:
            return self._of_one(scores, truth, weight)
        return self._of_several(scores, truth, weight)

    def _of_several(self, scores: Any, truth: Any, weight: Any) -> Any:
        xp = array_namespace(scores)
        k = int(scores.shape[1])
        if len(truth.shape) == 1:
            truth = in_double(xp.equal(xp.expand_dims(truth, axis=1), xp.arange(k, dtype=truth.dtype)))
        else:
            truth = in_double(xp.greater(truth, 0.5))
        column = xp.expand_dims(weight, axis=1)
        if self.average == "micro":
            everything = xp.reshape(xp.broadcast_to(column, scores.shape), (-1,))
            return self._of_one(xp.reshape(scores, (-1,)), xp.reshape(truth, (-1,)), everything)
        shares = [float(xp.sum(column[:, 0] * truth[:, c])) for c in range(k)]
        if self.average == "weighted" and not sum(shares):
            return 0.0 if scores.shape[0] else math.nan
        values = [self._of_one(scores[:, c], truth[:, c], weight) for c in range(k)]
        if self.average is None:
            return xp.asarray(values, dtype=xp.float64)
        if self.average == "macro":
            return sum(values) / k
        return sum(s * v for s, v in zip(shares, values, strict=True) if s) / sum(shares)


def _joined(pieces: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    if len(pieces) == 1:
        return pieces[0]
    xp = array_namespace(pieces[0][0])
    return tuple(xp.concat(list(parts), axis=0) for parts in zip(*pieces, strict=True))


def _curve(scores: Any, truth: Any, weight: Any) -> tuple[Any, Any]:
    """Weights of true and false positives from each threshold on, the highest first; ties are one."""
    xp = array_namespace(scores)
    order = xp.argsort(scores, descending=True, stable=True)
    scores, truth, weight = (xp.take(x, order, axis=0) for x in (scores, truth, weight))
    last = xp.concat([xp.not_equal(scores[1:], scores[:-1]), xp.ones((1,), dtype=xp.bool)])
    return tuple(xp.cumulative_sum(weight * side)[last] for side in (truth, 1.0 - truth))


def _unusable(scores: Any) -> bool:
    """Whether there is no score, or one of them is NaN, which has no place in the order."""
    xp = array_namespace(scores)
    return not scores.shape[0] or bool(xp.any(xp.isnan(scores)))


@dataclass(frozen=True)
class ROCAUC(RankingMetric):
    """Area under the receiver operating characteristic curve.

    It is ``P(score of an example of the class > score of another) + P(equal) / 2``.

    In [0, 1], 0.5 is chance; ties count half. If only one class occurs it is NaN, for a class that does not
    occur too, and so then is their mean. Shapes and other options as for
    :class:`~learnkit.metrics.ranking.RankingMetric`. Memory: see ``learnkit.metrics.ranking``. Equal to
    scikit-learn's ``roc_auc_score``, with all classes as ``labels``.

    Args:
        average: ``"macro"`` (default), ``"weighted"``, ``"micro"`` or ``None``.
        multi_class: ``"ovr"`` (default), each class against all others; or ``"ovo"``, the mean over pairs of
            classes that occur (D. J. Hand and R. J. Till 2001), with ``average`` ``"macro"`` or
            ``"weighted"`` by the share of the pair, and without weights of examples.
        max_fpr: in (0, 1), the area up to this false positive rate for two classes, scaled to 0.5 for chance
            and 1 for perfection (D. K. McClish 1989); ``None`` (default) for all of it.
        from_logits, task, ignore_index, axis: see :class:`~learnkit.metrics.ranking.RankingMetric`.

    Raises:
        ArgumentError: an option is out of range, or options do not go together.
        ShapeError, DataError: see :class:`~learnkit.metrics.ranking.RankingMetric`.

    >>> import numpy as np
    >>> ROCAUC()(np.asarray([0.1, 0.4, 0.35, 0.8]), np.asarray([0, 0, 1, 1]))
    0.75
    """

    multi_class: str = field(default="ovr", kw_only=True)
    max_fpr: float | None = field(default=None, kw_only=True)

    _name: ClassVar[str] = "roc_auc"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self._name, "multi_class", self.multi_class, ("ovr", "ovo"))
        if self.multi_class == "ovo" and self.average not in ("macro", "weighted"):
            raise ArgumentError(
                f"{self._name}: average is {self.average!r}, expected 'macro' or 'weighted' with "
                "multi_class='ovo'"
            )
        if self.max_fpr is not None and not (type(self.max_fpr) in (int, float) and 0 < self.max_fpr <= 1):
            raise ArgumentError(
                f"{self._name}: max_fpr is {self.max_fpr!r}, expected a number in (0, 1] or None"
            )

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        piece = super().sums(y_pred, y_true, sample_weight)
        several = len(piece[0].shape) == 2
        if several and self.multi_class == "ovo" and sample_weight is not None:
            raise ArgumentError(f"{self._name}: multi_class='ovo' takes no sample_weight")
        if several and self.max_fpr not in (None, 1):
            raise ArgumentError(
                f"{self._name}: max_fpr is {self.max_fpr!r}, expected None for more than two classes"
            )
        return piece

    def _of_several(self, scores: Any, truth: Any, weight: Any) -> Any:
        if self.multi_class == "ovr" or len(truth.shape) == 2:
            return super()._of_several(scores, truth, weight)
        xp = array_namespace(scores)
        present = [c for c in range(scores.shape[1]) if bool(xp.any(xp.equal(truth, float(c))))]
        values, shares = [], []
        for a, b in itertools.combinations(present, 2):
            pair = xp.logical_or(xp.equal(truth, float(a)), xp.equal(truth, float(b)))
            labels, ones = truth[pair], weight[pair]
            areas = [
                self._of_one(scores[pair, c], in_double(xp.equal(labels, float(c))), ones) for c in (a, b)
            ]
            values.append(sum(areas) / 2)
            shares.append(1.0 if self.average == "macro" else float(ones.shape[0]))
        if not values:
            return math.nan
        return sum(s * v for s, v in zip(shares, values, strict=True)) / sum(shares)

    def _of_one(self, scores: Any, truth: Any, weight: Any) -> float:
        if _unusable(scores):
            return math.nan
        xp = array_namespace(scores)
        hits, alarms = _curve(scores, truth, weight)
        if float(hits[-1]) <= 0 or float(alarms[-1]) <= 0:
            return math.nan
        zero = xp.zeros((1,), dtype=xp.float64)
        tpr, fpr = (xp.concat([zero, x / x[-1]]) for x in (hits, alarms))
        if self.max_fpr is None or self.max_fpr == 1:
            return _area(fpr, tpr)
        return self._partial(fpr, tpr, float(self.max_fpr))

    @staticmethod
    def _partial(fpr: Any, tpr: Any, limit: float) -> float:
        xp = array_namespace(fpr)
        stop = int(xp.sum(xp.astype(xp.less_equal(fpr, limit), xp.int64)))
        x0, x1, y0, y1 = (float(v) for v in (fpr[stop - 1], fpr[stop], tpr[stop - 1], tpr[stop]))
        height = y0 + (y1 - y0) / (x1 - x0) * (limit - x0)
        ends = (xp.asarray([v], dtype=xp.float64) for v in (limit, height))
        area = _area(*(xp.concat([x[:stop], end]) for x, end in zip((fpr, tpr), ends, strict=True)))
        least = 0.5 * limit**2
        return 0.5 * (1 + (area - least) / (limit - least))


def _area(x: Any, y: Any) -> float:
    """By the trapezoidal rule."""
    xp = array_namespace(x)
    return float(xp.sum((x[1:] - x[:-1]) * (y[1:] + y[:-1]))) / 2


@dataclass(frozen=True)
class AveragePrecision(RankingMetric):
    """Average precision: ``sum (R_i - R_(i-1)) P_i`` over the thresholds, in [0, 1].

    P and R are precision and recall of what scores at least the threshold; there is no interpolation.
    Without a positive example it is 0. Shapes, options (``average``, ``from_logits``, ``task``,
    ``ignore_index``, ``axis``) and errors as for :class:`~learnkit.metrics.ranking.RankingMetric`. No row
    gives NaN. Memory: see ``learnkit.metrics.ranking``. Equal to scikit-learn's ``average_precision_score``.

    >>> import numpy as np
    >>> AveragePrecision()(np.asarray([0.1, 0.4, 0.35, 0.8]), np.asarray([0, 0, 1, 1]))
    0.8333333333333333
    """

    _name: ClassVar[str] = "average_precision"

    def _of_one(self, scores: Any, truth: Any, weight: Any) -> float:
        if _unusable(scores):
            return math.nan
        xp = array_namespace(scores)
        hits, alarms = _curve(scores, truth, weight)
        if float(hits[-1]) <= 0:
            return 0.0
        precision = ratio(hits, hits + alarms, 0.0)
        gained = xp.concat([hits[:1], hits[1:] - hits[:-1]])
        return float(xp.sum(gained * precision)) / float(hits[-1])

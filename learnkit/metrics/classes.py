"""How metrics for classes read predictions and targets.

==============  ===================================  ======================================================
task            y_pred                               y_true
==============  ===================================  ======================================================
``binary``      one score for each example, (batch,  0 and 1 (or -1 and 1), of the same shape, with or
                ...) or (batch, 1, ...)              without the axis of length 1; above 0.5 is class 1
``multiclass``  scores (batch, classes, ...)         class numbers (batch, ...) in [0, classes), or one-hot
                                                     or soft targets of the shape of y_pred
``multilabel``  scores (batch, labels, ...)          0 or 1 for each label, of the shape of y_pred
==============  ===================================  ======================================================

``task="auto"`` is multiclass where axis 1 of y_pred is longer than 1, and else binary. Further axes hold more
decisions, such as pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import one_of
from learnkit.errors import ArgumentError, DataError, ShapeError
from learnkit.metrics.base import Metric, fits, in_double, weights_for

__all__ = ["ClassMetric", "Examples", "cutoff"]

TASKS = ("auto", "binary", "multiclass", "multilabel")


class Examples(NamedTuple):
    """Predictions and targets with one row for each decision.

    Attributes:
        task: ``"binary"``, ``"multiclass"`` or ``"multilabel"``.
        scores: (n,) for binary, else (n, k).
        truth: (n,) 0 and 1, (n,) class numbers as int64, or (n, k) for soft targets and labels.
        weight: (n,) float64, 0 where the target is ignored, or ``None``.
        kept: (n,) bool, false where the target is ignored, or ``None``.
    """

    task: str
    scores: Any
    truth: Any
    weight: Any | None
    kept: Any | None

    @property
    def rows(self) -> int:
        """How many decisions there are."""
        return int(self.scores.shape[0])

    @property
    def classes(self) -> int:
        """How many classes or labels there are; 2 for binary."""
        return 2 if self.task == "binary" else int(self.scores.shape[1])


@dataclass(frozen=True)
class ClassMetric(Metric):
    """Base of metrics for classes; see the table above for shapes.

    Args:
        task: ``"auto"`` (default), ``"binary"``, ``"multiclass"`` or ``"multilabel"``.
        ignore_index: class number whose examples do not count, such as 255 for pixels of no class; for
            targets that are class numbers or 0 and 1. Default ``None``.
        axis: the axis of y_pred that holds the classes, 1 (default) as in PyTorch, or -1 for the last.
    """

    task: str = field(default="auto", kw_only=True)
    ignore_index: int | None = field(default=None, kw_only=True)
    axis: int = field(default=1, kw_only=True)

    _name: ClassVar[str]
    _tasks: ClassVar[tuple[str, ...]] = TASKS

    def __post_init__(self) -> None:
        one_of(self._name, "task", self.task, self._tasks)
        if self.ignore_index is not None and type(self.ignore_index) is not int:
            raise ArgumentError(
                f"{self._name}: ignore_index is {self.ignore_index!r}, expected an integer or None"
            )
        if type(self.axis) is not int or self.axis == 0:
            raise ArgumentError(f"{self._name}: axis is {self.axis!r}, expected an integer other than 0")

    def read(self, y_pred: Array, y_true: Array, sample_weight: Array | None) -> Examples:
        """The batch as rows.

        Raises:
            ShapeError: the shapes do not fit.
        """
        predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
        xp = array_namespace(y_pred, y_true)
        d = len(predicted)
        axis = self.axis % d if -d <= self.axis < d else None
        task = self.task
        if task == "auto":
            several = axis is not None and predicted[axis] != 1
            task = "multiclass" if several else "binary"
        rest = predicted if axis is None else predicted[:axis] + predicted[axis + 1 :]
        kept = None
        if not d:
            raise self._misfit(predicted, wanted)
        if task == "binary":
            if axis is not None and predicted[axis] == 1 and wanted == rest:
                shape = rest
            elif fits(predicted, wanted):
                shape = wanted
            else:
                raise self._misfit(predicted, wanted)
            scores, truth = xp.reshape(y_pred, (-1,)), xp.reshape(y_true, (-1,))
            if self.ignore_index is not None:
                kept = xp.not_equal(truth, xp.full_like(truth, self.ignore_index))
                truth = xp.where(kept, truth, xp.zeros_like(truth))
        elif axis is None or predicted[axis] == 0 or (task == "multiclass" and predicted[axis] < 2):
            raise self._misfit(predicted, wanted)
        else:
            shape, k = rest, predicted[axis]
            scores = _rows(xp, y_pred, axis, k)
            if wanted == predicted:
                truth = _rows(xp, y_true, axis, k)
            elif task == "multiclass" and wanted in (rest, (*predicted[:axis], 1, *predicted[axis + 1 :])):
                truth = xp.astype(xp.reshape(y_true, (-1,)), xp.int64, copy=False)
                if self.ignore_index is not None:
                    kept = xp.not_equal(truth, xp.full_like(truth, self.ignore_index))
                    truth = xp.where(kept, truth, xp.zeros_like(truth))
            else:
                raise self._misfit(predicted, wanted)
        weight = None if sample_weight is None else weights_for(sample_weight, shape, self._name)
        if kept is not None:
            weight = in_double(kept) if weight is None else xp.where(kept, weight, xp.zeros_like(weight))
        return Examples(task, scores, truth, weight, kept)

    def _misfit(self, predicted: tuple[int, ...], wanted: tuple[int, ...]) -> ShapeError:
        expected = {
            "auto": "scores (batch, classes) and class numbers (batch,), or one logit for each example",
            "binary": "one score for each example and equal shapes",
            "multiclass": "scores (batch, classes) of at least 2 classes and class numbers (batch,)",
            "multilabel": "scores (batch, labels) and 0 or 1 for each label, of equal shapes",
        }[self.task]
        axis = "" if self.axis == 1 else f", classes on axis {self.axis}"
        return ShapeError(
            f"{self._name}: y_pred has shape {predicted} and y_true {wanted}{axis}, expected {expected}"
        )

    def _refuse_outside(self, outside: float, classes: int | None = None) -> None:
        """Targets that no score belongs to were counted on the device; here they are said.

        Raises:
            DataError: there are some.
        """
        if outside:
            expected = "numbers of classes of y_pred" if classes is None else f"integers in [0, {classes})"
            raise DataError(
                f"{self._name}: {outside:.0f} targets are out of range, expected {expected}",
                hint="number the classes from 0, give the model one output for each (or one for two "
                "classes), and name a class that does not count with ignore_index",
            )


def _rows(xp: Any, x: Array, axis: int, k: int) -> Any:
    """``x`` as (n, k), with its axis of classes last."""
    last = len(x.shape) - 1
    if last > 1 and axis != last:
        x = xp.moveaxis(x, axis, -1)
    return x if last == 1 else xp.reshape(x, (-1, k))


def cutoff(name: str, threshold: float, from_logits: bool) -> float:
    """The score above which class 1 is said, for a ``threshold`` of the probability.

    Raises:
        ArgumentError: the threshold is no number, or no probability although it is compared with one.
    """
    one_of(name, "from_logits", from_logits, (True, False))
    if type(threshold) not in (int, float) or not math.isfinite(threshold):
        raise ArgumentError(f"{name}: threshold is {threshold!r}, expected a number")
    if not from_logits:
        return float(threshold)
    if not 0 < threshold < 1:
        raise ArgumentError(
            f"{name}: threshold is {threshold!r}, expected a probability in (0, 1)",
            hint="from_logits=False compares the scores with it as they are",
        )
    return math.log(threshold) - math.log1p(-threshold)

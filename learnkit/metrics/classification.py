"""Metrics for classes."""

from __future__ import annotations

from dataclasses import dataclass

from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ShapeError
from learnkit.metrics.base import Metric, count, in_double

__all__ = ["Accuracy"]


@dataclass(frozen=True)
class Accuracy(Metric):
    """The fraction of examples whose predicted class is the true one, in [0, 1].

    y_pred: scores or logits (batch, classes), where the largest wins and of equal ones the first; or one
    logit for each example, (batch,) or (batch, 1), which says class 1 if it is > 0.
    y_true: class numbers (batch,) or (batch, 1), or one-hot or soft targets (batch, classes).

    Raises:
        ShapeError: the shapes do not fit.

    >>> import numpy as np
    >>> Accuracy()(np.asarray([[0.1, 0.9], [0.8, 0.2]]), np.asarray([1, 1]))
    0.5
    """

    def sums(self, y_pred: Array, y_true: Array) -> tuple[Array, ...]:
        xp = array_namespace(y_pred, y_true)
        predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
        if len(predicted) == 2 and predicted[1] > 1:
            guess = xp.argmax(y_pred, axis=1)
            if wanted == predicted:
                truth = xp.argmax(y_true, axis=1)
            elif wanted in ((predicted[0],), (predicted[0], 1)):
                truth = xp.reshape(y_true, (-1,))
            else:
                raise self._misfit(predicted, wanted)
        elif predicted in (wanted, (*wanted, 1)) or (*predicted, 1) == wanted:
            guess = xp.reshape(xp.greater(y_pred, 0), (-1,))
            truth = xp.reshape(xp.greater(in_double(y_true), 0.5), (-1,))
            return xp.sum(in_double(xp.equal(guess, truth))), count(y_pred, guess.shape[0])
        else:
            raise self._misfit(predicted, wanted)
        hit = xp.equal(xp.astype(guess, xp.int64, copy=False), xp.astype(truth, xp.int64, copy=False))
        return xp.sum(in_double(hit)), count(y_pred, guess.shape[0])

    def compute(self, sums: tuple[float, ...]) -> float:
        hits, n = sums
        return hits / n if n else float("nan")

    @staticmethod
    def _misfit(predicted: tuple[int, ...], wanted: tuple[int, ...]) -> ShapeError:
        return ShapeError(
            f"accuracy: y_pred has shape {predicted} and y_true {wanted}, expected scores (batch, classes) "
            "and class numbers (batch,), or one logit for each example"
        )

"""Losses for classes, from logits: the model ends without softmax or sigmoid."""

from __future__ import annotations

from dataclasses import dataclass

from learnkit.autodiff.rules import layers as rules
from learnkit.backends.base import Array, array_namespace
from learnkit.errors import DataError, ShapeError
from learnkit.losses.base import Loss, mean_over_example, same_shape

__all__ = ["BinaryCrossEntropy", "CrossEntropy"]


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Softmax cross-entropy from logits: ``-sum_c t_c log softmax(z)_c``.

    Args (of the call):
        y_pred: logits z, shape (batch, classes).
        y_true: class numbers in [0, classes), an integer array of shape (batch,); or probabilities t, a
            floating-point array of shape (batch, classes), for soft or one-hot targets.

    Raises:
        ShapeError: the shapes do not fit.

    Class numbers are not checked, because that would wait for the device at every step; ``Trainer``
    checks them once, before training.

    >>> import numpy as np
    >>> round(float(CrossEntropy()(np.asarray([[0.0, 0.0]]), np.asarray([1]))), 6)
    0.693147
    """

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
        if len(predicted) == 2 and wanted in ((predicted[0],), (predicted[0], 1)):
            if array_namespace(y_true).isdtype(y_true.dtype, "integral"):
                labels = y_true if len(wanted) == 1 else array_namespace(y_true).reshape(y_true, (-1,))
                return rules.softmax_cross_entropy(y_pred, labels)
        elif len(predicted) == 2 and predicted == wanted:
            target = xp.astype(y_true, y_pred.dtype, copy=False)
            return xp.negative(xp.sum(xp.multiply(target, rules.log_softmax(y_pred)), axis=1))
        raise ShapeError(
            f"cross_entropy: y_pred has shape {predicted} and y_true {wanted} of {y_true.dtype}, expected "
            "logits (batch, classes) and integers (batch,), or probabilities of the shape of y_pred",
            hint="for one output per example use binary_cross_entropy (two classes) or mse (numbers)",
        )

    def check_targets(self, output_shape: tuple[int, ...], y_true: Array) -> None:
        if len(y_true.shape) > 1 and y_true.shape[-1] != 1:
            return
        low, high = _range(y_true)
        if low < 0 or high >= output_shape[-1]:
            raise DataError(
                f"cross_entropy: class numbers range from {low:g} to {high:g}, but the model has "
                f"{output_shape[-1]} outputs; expected integers in [0, {output_shape[-1]})",
                hint="number the classes from 0, and give the last layer one output for each",
            )


def _range(y: Array) -> tuple[float, float]:
    xp = array_namespace(y)
    return float(xp.min(xp.astype(y, xp.float64))), float(xp.max(xp.astype(y, xp.float64)))


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Sigmoid cross-entropy from logits: ``-t log s(z) - (1 - t) log(1 - s(z))``, s the sigmoid.

    Computed as ``max(z, 0) - z t + log(1 + exp(-|z|))``, finite for every z.

    Args (of the call):
        y_pred: logits z, shape (batch, ...).
        y_true: t in [0, 1], of the same shape; integers and booleans are cast.

    Raises:
        ShapeError: the shapes differ.

    >>> import numpy as np
    >>> round(float(BinaryCrossEntropy()(np.asarray([0.0]), np.asarray([1]))), 6)
    0.693147
    """

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        y_pred, y_true = same_shape(y_pred, y_true, "binary_cross_entropy")
        return mean_over_example(rules.bce_with_logits(y_pred, y_true))

    def check_targets(self, output_shape: tuple[int, ...], y_true: Array) -> None:
        low, high = _range(y_true)
        if low < 0 or high > 1:
            raise DataError(
                f"binary_cross_entropy: targets range from {low} to {high}, expected values in [0, 1]",
                hint="number two classes 0 and 1; use cross_entropy for more",
            )

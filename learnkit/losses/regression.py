"""Losses for numbers."""

from __future__ import annotations

from dataclasses import dataclass

from learnkit.backends.base import Array, array_namespace
from learnkit.losses.base import Loss, mean_over_example, same_shape

__all__ = ["MAE", "MSE"]


@dataclass(frozen=True)
class MSE(Loss):
    """Mean squared error: the mean of ``(y_pred - y_true)^2``, without a factor 1/2, as in PyTorch.

    y_pred and y_true: (batch, ...) of equal shape -> (batch,), the mean over an example's elements.
    Fits the mean of the target, so it follows outliers.

    Raises:
        ShapeError: the shapes differ.

    >>> import numpy as np
    >>> MSE()(np.asarray([1.0, 2.0]), np.asarray([1.0, 4.0]))
    np.float64(2.0)
    """

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        y_pred, y_true = same_shape(y_pred, y_true, "mse")
        xp = array_namespace(y_pred, y_true)
        return mean_over_example(xp.square(xp.subtract(y_pred, y_true)))


@dataclass(frozen=True)
class MAE(Loss):
    """Mean absolute error: the mean of ``|y_pred - y_true|``. The subgradient at 0 is 0.

    y_pred and y_true: (batch, ...) of equal shape -> (batch,). Fits the median of the target, so single
    outliers hardly move it.

    Raises:
        ShapeError: the shapes differ.

    >>> import numpy as np
    >>> MAE()(np.asarray([1.0, 2.0]), np.asarray([1.0, 4.0]))
    np.float64(1.0)
    """

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        y_pred, y_true = same_shape(y_pred, y_true, "mae")
        xp = array_namespace(y_pred, y_true)
        return mean_over_example(xp.abs(xp.subtract(y_pred, y_true)))

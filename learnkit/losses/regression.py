"""Losses for numbers: what a large error costs, and so which middle of the target is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.autodiff.rules import losses as rules
from learnkit.backends.base import Array, array_namespace
from learnkit.checks import check_flag, check_number, check_numbers
from learnkit.errors import DataError, ShapeError
from learnkit.losses.base import ElementwiseLoss, constant, same_shape
from learnkit.losses.host import value_range

__all__ = ["MAE", "MAPE", "MSE", "MSLE", "Huber", "LogCosh", "Quantile", "SmoothL1"]


@dataclass(frozen=True)
class MSE(ElementwiseLoss):
    """Mean squared error: the mean of ``(y_pred - y_true)^2``, without a factor 1/2, as in PyTorch.

    y_pred and y_true: (batch, ...) of equal shape -> (batch,), the mean over an example's elements.
    Fits the mean of the target, so it follows outliers.

    Args:
        half: with the factor 1/2, as in Optax's ``l2_loss`` and many textbooks; default ``False``.

    Raises:
        ShapeError: the shapes differ.

    >>> import numpy as np
    >>> MSE()(np.asarray([1.0, 2.0]), np.asarray([1.0, 4.0]))
    np.float64(2.0)
    """

    label: ClassVar[str] = "mse"
    half: bool = False

    def check_options(self) -> None:
        check_flag("MSE", "half", self.half)

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        square = xp.square(xp.subtract(y_pred, y_true))
        return xp.multiply(0.5, square) if self.half else square


@dataclass(frozen=True)
class MAE(ElementwiseLoss):
    """Mean absolute error (L1): the mean of ``|y_pred - y_true|``. The subgradient at 0 is 0.

    y_pred and y_true: (batch, ...) of equal shape -> (batch,). Fits the median of the target, so single
    outliers hardly move it.

    Raises:
        ShapeError: the shapes differ.

    >>> import numpy as np
    >>> MAE()(np.asarray([1.0, 2.0]), np.asarray([1.0, 4.0]))
    np.float64(1.0)
    """

    label: ClassVar[str] = "mae"

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        return xp.abs(xp.subtract(y_pred, y_true))


def _bent(xp: Any, d: Array, bend: float) -> tuple[Array, Array]:
    """``|d|`` cut at ``bend``, and the rest: half the first squared plus the second is a Huber loss."""
    a = xp.abs(d)
    inside = xp.where(xp.less(a, bend), a, xp.full_like(a, bend))
    return inside, xp.subtract(a, inside)


@dataclass(frozen=True)
class Huber(ElementwiseLoss):
    """Huber loss, with d the error: ``d^2 / 2 if |d| <= delta, else delta |d| - delta^2 / 2``.

    Its pull grows with the error up to delta and stays there, so it fits a mean that outliers do not carry
    away. For ``delta`` to infinity it is half of MSE.

    y_pred and y_true: (batch, ...) of equal shape -> (batch,).

    Args:
        delta: > 0, in the unit of the target; default 1.

    Raises:
        ArgumentError: ``delta`` is out of range.
        ShapeError: the shapes differ.

    Source: Huber 1964, "Robust estimation of a location parameter"; PyTorch's HuberLoss.

    >>> import numpy as np
    >>> Huber(delta=1.0).per_example(np.asarray([0.5, 3.0]), np.asarray([0.0, 0.0]))
    array([0.125, 2.5  ])
    """

    label: ClassVar[str] = "huber"
    delta: float = 1.0

    def check_options(self) -> None:
        check_number("Huber", "delta", self.delta, above=0)

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        # In this form neither branch squares a large error, so nothing overflows.
        inside, beyond = _bent(xp, xp.subtract(y_pred, y_true), float(self.delta))
        return xp.add(xp.multiply(0.5, xp.square(inside)), xp.multiply(float(self.delta), beyond))


@dataclass(frozen=True)
class SmoothL1(ElementwiseLoss):
    """Smooth L1 loss, with d the error: ``d^2 / (2 beta) if |d| < beta, else |d| - beta / 2``.

    It is the Huber loss of delta = beta divided by beta; its pull is 1 at most.

    y_pred and y_true: (batch, ...) of equal shape -> (batch,).

    Args:
        beta: >= 0, in the unit of the target; default 1; 0 is MAE.

    Raises:
        ArgumentError: ``beta`` is out of range.
        ShapeError: the shapes differ.

    Source: Girshick 2015, "Fast R-CNN"; PyTorch's SmoothL1Loss.

    >>> import numpy as np
    >>> SmoothL1(beta=2.0).per_example(np.asarray([1.0, 3.0]), np.asarray([0.0, 0.0]))
    array([0.25, 2.  ])
    """

    label: ClassVar[str] = "smooth_l1"
    beta: float = 1.0

    def check_options(self) -> None:
        check_number("SmoothL1", "beta", self.beta, least=0)

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        d = xp.subtract(y_pred, y_true)
        if self.beta == 0:
            return xp.abs(d)
        inside, beyond = _bent(xp, d, float(self.beta))
        return xp.add(xp.multiply(0.5 / self.beta, xp.square(inside)), beyond)


@dataclass(frozen=True)
class LogCosh(ElementwiseLoss):
    """The mean of ``log(cosh(y_pred - y_true))``: like ``d^2 / 2`` where small, ``|d| - log 2`` where large.

    Like a Huber loss of delta 1 without its corner in the second derivative. Finite for every finite error.

    y_pred and y_true: (batch, ...) of equal shape -> (batch,).

    Raises:
        ShapeError: the shapes differ.

    Source: Keras' LogCosh; the same formula.

    >>> import numpy as np
    >>> LogCosh().per_example(np.asarray([0.0, 1e4]), np.asarray([0.0, 0.0])).round(4).tolist()
    [0.0, 9999.3069]
    """

    label: ClassVar[str] = "log_cosh"

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        return rules.log_cosh(xp.subtract(y_pred, y_true))


@dataclass(frozen=True)
class MSLE(ElementwiseLoss):
    """Mean squared logarithmic error: the mean of ``(log(1 + y_pred) - log(1 + y_true))^2``.

    For targets >= 0 over several orders of magnitude, where the ratio counts and not the difference. A
    prediction below 0 is taken as 0, as in Keras, and has no gradient: start above 0.

    y_pred and y_true: (batch, ...) of equal shape -> (batch,).

    Raises:
        ShapeError: the shapes differ.

    Source: the form of scikit-learn and Keras.

    >>> import numpy as np
    >>> round(float(MSLE()(np.asarray([0.0]), np.asarray([np.e - 1]))), 6)
    1.0
    """

    label: ClassVar[str] = "msle"

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        logs = []
        for y in (y_pred, y_true):
            own = array_namespace(y)
            logs.append(own.log1p(own.where(own.less(y, 0), own.zeros_like(y), y)))
        return xp.square(xp.subtract(*logs))

    def check_targets(self, output_shape: tuple[int, ...], y_true: Array) -> None:
        low, high = value_range(y_true)
        if low < 0:
            raise DataError(
                f"msle: targets range from {low:g} to {high:g}, expected values >= 0",
                hint="use mse or huber for targets of both signs",
            )


@dataclass(frozen=True)
class MAPE(ElementwiseLoss):
    """Mean absolute percentage error: the mean of ``|y_pred - y_true| / max(|y_true|, eps)``.

    A fraction, as in scikit-learn and TorchMetrics: 0.1 is an error of a tenth.

    y_pred and y_true: (batch, ...) of equal shape -> (batch,).

    Args:
        eps: > 0, the smallest size of a target to divide by; default 1e-7, that of Keras.
        percent: times 100, as in Keras; default ``False``.

    Raises:
        ArgumentError: ``eps`` is out of range.
        ShapeError: the shapes differ.

    >>> import numpy as np
    >>> float(MAPE()(np.asarray([90.0, 220.0]), np.asarray([100.0, 200.0])))
    0.1
    """

    label: ClassVar[str] = "mape"
    eps: float = 1e-7
    percent: bool = False

    def check_options(self) -> None:
        check_number("MAPE", "eps", self.eps, above=0)
        check_flag("MAPE", "percent", self.percent)

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        size = xp.abs(y_true)
        size = xp.where(xp.less(size, self.eps), xp.full_like(size, self.eps), size)
        ratio = xp.divide(xp.abs(xp.subtract(y_pred, y_true)), size)
        return xp.multiply(100.0, ratio) if self.percent else ratio


@dataclass(frozen=True)
class Quantile(ElementwiseLoss):
    """Pinball loss, whose minimum is a quantile of the target: ``max(q d, (q - 1) d)``, d = y_true - y_pred.

    With q = 0.9 it costs nine times as much to lie below the target as above, so nine of ten targets end up
    below the prediction. q = 0.5 is half of MAE.

    Args:
        quantile: q in (0, 1), or a tuple of several, each with an output column of its own; default 0.5.

    Args (of the call):
        y_pred: the shape of y_true; with several quantiles that shape and one more axis, of their number. A
            y_true of shape (batch, 1) counts as (batch,).
        y_true: (batch, ...).

    Raises:
        ArgumentError: a quantile is out of range.
        ShapeError: the shapes do not fit.

    Source: Koenker and Bassett 1978, "Regression quantiles".

    >>> import numpy as np
    >>> loss = Quantile((0.1, 0.9))
    >>> loss.formula(np.asarray([[0.0, 0.0]]), np.asarray([[1.0]]))
    array([[0.1, 0.9]])
    """

    label: ClassVar[str] = "quantile"
    quantile: float | tuple[float, ...] = 0.5

    def check_options(self) -> None:
        if isinstance(self.quantile, (tuple, list)):
            check_numbers("Quantile", "quantile", self.quantile, above=0, below=1)
            object.__setattr__(self, "quantile", tuple(self.quantile))
        else:
            check_number("Quantile", "quantile", self.quantile, above=0, below=1)

    def aligned(self, y_pred: Array, y_true: Array) -> tuple[Array, Array]:
        if not isinstance(self.quantile, tuple):
            return same_shape(y_pred, y_true, self.label)
        xp = array_namespace(y_true)
        predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
        columns = (len(self.quantile),)
        if predicted == wanted[:-1] + columns and len(wanted) == 2 and wanted[-1] == 1:
            wanted = wanted[:-1]
        if predicted != wanted + columns:
            raise ShapeError(
                f"quantile: y_pred has shape {predicted} and y_true {wanted}, expected {wanted + columns} "
                f"and {wanted}: one output column for each of the {len(self.quantile)} quantiles"
            )
        return y_pred, xp.reshape(xp.astype(y_true, y_pred.dtype, copy=False), (*wanted, 1))

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        d = xp.subtract(y_true, y_pred)
        q = self.quantile
        below = xp.where(xp.greater(d, 0), d, xp.zeros_like(d))  # the prediction lies below the target
        if isinstance(q, tuple):
            level = constant(q, y_pred)
            return xp.subtract(below, xp.multiply(xp.subtract(1.0, level), d))
        return xp.subtract(below, xp.multiply(1.0 - q, d))

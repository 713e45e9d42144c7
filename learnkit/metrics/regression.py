"""Metrics for numbers that are means of an error."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.metrics.base import ratio, total
from learnkit.metrics.outputs import OutputMetric, weighted

__all__ = ["MAE", "MAPE", "MSE", "MSLE", "RMSE", "RMSLE"]


@dataclass(frozen=True)
class _MeanOfErrors(OutputMetric):
    """The weighted mean of an error of each number."""

    def _errors(self, p: Any, t: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no _errors(self, p, t)")

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        p, t, weight = self._columns(y_pred, y_true, sample_weight)
        errors = weighted(self._errors(p, t), weight)
        return array_namespace(p).sum(errors, axis=0), total(weight, p, p.shape[0])

    def compute(self, sums: tuple[Any, ...]) -> Any:
        return self._averaged(self._means(sums))

    def _means(self, sums: tuple[Any, ...]) -> Any:
        errors, weight = sums
        xp = array_namespace(errors)
        return ratio(errors, xp.full_like(errors, weight), math.nan)


@dataclass(frozen=True)
class MAE(_MeanOfErrors):
    """Mean absolute error, in the unit of the target: mean of ``|y_pred - y_true|``, in [0, inf).

    y_pred, y_true: (batch, ...) numbers of equal shapes; (batch,) and (batch, 1) are the same.
    sample_weight: (batch,). No row, or weights of sum 0, give NaN. Equal to scikit-learn's
    ``mean_absolute_error``.

    Args:
        multioutput: ``"uniform_average"`` (default), ``"raw_values"``, ``"pooled"`` or a tuple of weights,
            see :class:`~learnkit.metrics.outputs.OutputMetric`.

    Raises:
        ArgumentError: ``multioutput`` is none of these.
        ShapeError: the shapes do not fit.

    >>> import numpy as np
    >>> MAE()(np.asarray([1.0, 2.0]), np.asarray([1.0, 4.0]))
    1.0
    >>> MAE(multioutput="raw_values")(np.asarray([[1.0, 5.0], [2.0, 7.0]]), np.zeros((2, 2)))
    array([1.5, 6. ])
    """

    _name: ClassVar[str] = "mae"

    def _errors(self, p: Any, t: Any) -> Any:
        xp = array_namespace(p)
        return xp.abs(xp.subtract(p, t))


@dataclass(frozen=True)
class MSE(_MeanOfErrors):
    """Mean squared error, in the squared unit of the target: mean of ``(y_pred - y_true)^2``.

    Shapes, weights, options and errors as for :class:`MAE`. Equal to scikit-learn's ``mean_squared_error``.

    >>> import numpy as np
    >>> MSE()(np.asarray([0.0, 0.0]), np.asarray([1.0, 3.0]))
    5.0
    """

    _name: ClassVar[str] = "mse"

    def _errors(self, p: Any, t: Any) -> Any:
        xp = array_namespace(p)
        return xp.square(xp.subtract(p, t))


@dataclass(frozen=True)
class RMSE(MSE):
    """Root mean squared error, in the unit of the target: ``sqrt(mean (y_pred - y_true)^2)``.

    Shapes, weights, options and errors as for :class:`MAE`. Equal to scikit-learn's
    ``root_mean_squared_error``, which averages the roots of the outputs; ``multioutput="pooled"`` is the root
    of the mean over all numbers.

    >>> import numpy as np
    >>> RMSE()(np.asarray([0.0, 0.0]), np.asarray([3.0, 3.0]))
    3.0
    """

    _name: ClassVar[str] = "rmse"

    def compute(self, sums: tuple[Any, ...]) -> Any:
        means = self._means(sums)
        return self._averaged(array_namespace(means).sqrt(means))


@dataclass(frozen=True)
class MAPE(_MeanOfErrors):
    """Mean absolute percentage error, as a fraction: mean of ``|y_pred - y_true| / max(|y_true|, eps)``.

    ``eps`` is 2.2e-16, so a target of 0 gives a huge number. Shapes, weights, options and errors as for
    :class:`MAE`. Equal to scikit-learn's ``mean_absolute_percentage_error``.

    >>> import numpy as np
    >>> MAPE()(np.asarray([1.5, 8.0]), np.asarray([1.0, 16.0]))
    0.5
    """

    _name: ClassVar[str] = "mape"

    def _errors(self, p: Any, t: Any) -> Any:
        xp = array_namespace(p)
        size = xp.abs(t)
        least = xp.full_like(size, sys.float_info.epsilon)
        return xp.divide(xp.abs(xp.subtract(p, t)), xp.maximum(size, least))


@dataclass(frozen=True)
class MSLE(_MeanOfErrors):
    """Mean squared logarithmic error: mean of ``(log(1 + y_pred) - log(1 + y_true))^2``.

    Both must be > -1; anything else gives NaN, where scikit-learn raises. Shapes, weights, options and
    errors as for :class:`MAE`. Equal to scikit-learn's ``mean_squared_log_error``.

    >>> import numpy as np
    >>> MSLE()(np.asarray([0.0, 1.0]), np.asarray([0.0, 1.0]))
    0.0
    """

    _name: ClassVar[str] = "msle"

    def _errors(self, p: Any, t: Any) -> Any:
        xp = array_namespace(p)
        return xp.square(xp.subtract(_log1p(xp, p), _log1p(xp, t)))


@dataclass(frozen=True)
class RMSLE(MSLE):
    """Root mean squared logarithmic error: ``sqrt(mean (log(1 + y_pred) - log(1 + y_true))^2)``.

    Equal to scikit-learn's ``root_mean_squared_log_error``.

    >>> import numpy as np
    >>> round(RMSLE()(np.asarray([0.0]), np.asarray([1.0])), 6)
    0.693147
    """

    _name: ClassVar[str] = "rmsle"

    def compute(self, sums: tuple[Any, ...]) -> Any:
        means = self._means(sums)
        return self._averaged(array_namespace(means).sqrt(means))


def _log1p(xp: Any, x: Any) -> Any:
    """``log(1 + x)`` where ``x > -1``, else NaN, without a warning."""
    inside = xp.greater(x, -1)
    return xp.where(inside, xp.log1p(xp.where(inside, x, xp.zeros_like(x))), xp.full_like(x, math.nan))

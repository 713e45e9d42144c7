"""A function ``f(y_pred, y_true, *, ...)`` as a metric."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, field
from typing import Any

from learnkit.backends.base import Array, array_namespace, size_of
from learnkit.backends.targets import one_for_each, side_by_side
from learnkit.metrics.base import Metric, in_double, total, weights_for
from learnkit.plugins.functions import FunctionComponent, dataclass_of

__all__ = ["FunctionMetric"]


@dataclass(frozen=True)
class FunctionMetric(FunctionComponent, Metric):
    """Base of the metrics that are made of functions; see :mod:`learnkit.plugins.functions`.

    The function returns a number or truth value for each example, (batch,), or for each element, (batch,
    ...); the metric is their mean over all examples, NaN for none.

    Args:
        larger_is_better: which way early stopping looks; a function of errors has it as an option
            with the default ``False``, or is named with ``"mine:larger_is_better=false"``.
    """

    larger_is_better: bool = field(default=True, kw_only=True)

    @classmethod
    def of(cls, name: str, options: list[inspect.Parameter], namespace: dict[str, Any]) -> type:
        """The class of a function with these options."""
        return dataclass_of(cls, name, options, namespace)

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        name, n = type(self).__name__, y_pred.shape[0]
        y_pred, y_true = side_by_side(y_pred, y_true)
        values = in_double(
            one_for_each(name, type(self)._function(y_pred, y_true, **self._given_options()), n)
        )
        xp: Any = array_namespace(values)
        if len(values.shape) > 1:
            values = xp.mean(xp.reshape(values, (n, size_of(tuple(values.shape[1:])))), axis=1)
        if sample_weight is None:
            return xp.sum(values), total(None, y_pred, n)
        weight = weights_for(sample_weight, (n,), name)
        return xp.sum(xp.multiply(weight, values)), total(weight, y_pred, n)

    def compute(self, sums: tuple[Any, ...]) -> float:
        value, counted = sums
        return float(value / counted) if counted else math.nan

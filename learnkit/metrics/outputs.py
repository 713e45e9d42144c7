"""What metrics for numbers share: predictions as columns, one for each output, and averages of outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import one_of
from learnkit.errors import ArgumentError, ShapeError
from learnkit.metrics.base import Metric, fits, in_double, weights_for

__all__ = ["OutputMetric"]

_AVERAGES = ("uniform_average", "raw_values", "pooled")


@dataclass(frozen=True)
class OutputMetric(Metric):
    """Base of metrics for numbers, which are computed for each output and then averaged.

    Args:
        multioutput: what is made of several outputs, as in scikit-learn. ``"uniform_average"`` (default)
            is the mean over outputs; ``"raw_values"`` an array with one value for each; a tuple of numbers
            the average with these weights. ``"pooled"`` takes all numbers as those of one output.
    """

    multioutput: str | tuple[float, ...] = field(default="uniform_average", kw_only=True)

    _name: ClassVar[str]
    _averages: ClassVar[tuple[str, ...]] = _AVERAGES

    def __post_init__(self) -> None:
        given = self.multioutput
        if isinstance(given, (tuple, list)) and given:
            if not all(type(v) in (int, float) and math.isfinite(v) for v in given) or not sum(given):
                raise ArgumentError(
                    f"{self._name}: multioutput is {given!r}, expected finite weights of a sum other than 0"
                )
            object.__setattr__(self, "multioutput", tuple(given))
        else:
            one_of(self._name, "multioutput", given, self._averages)

    @property
    def larger_is_better(self) -> bool:
        return False

    def _columns(
        self, y_pred: Array, y_true: Array, sample_weight: Array | None
    ) -> tuple[Any, Any, Any | None]:
        """Predictions and targets (rows, outputs), and weights (rows, 1) or ``None``, in double precision."""
        predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
        if not predicted or not fits(predicted, wanted):
            raise ShapeError(
                f"{self._name}: y_pred has shape {predicted} and y_true {wanted}, expected equal shapes "
                "(batch, ...)"
            )
        xp = array_namespace(y_pred, y_true)
        n = predicted[0]
        outputs = math.prod(predicted[1:])
        if isinstance(self.multioutput, tuple) and len(self.multioutput) != outputs:
            raise ShapeError(
                f"{self._name}: multioutput has {len(self.multioutput)} weights and y_pred of shape "
                f"{predicted} {outputs} outputs"
            )
        if self.multioutput == "pooled":
            shape = (n * outputs, 1)
            weight = None if sample_weight is None else weights_for(sample_weight, predicted, self._name)
        else:
            shape = (n, outputs)
            weight = None if sample_weight is None else weights_for(sample_weight, (n,), self._name)
        p, t = (in_double(xp.reshape(y, shape)) for y in (y_pred, y_true))
        return p, t, None if weight is None else xp.reshape(weight, (-1, 1))

    def _averaged(self, values: Any, variances: Any = None) -> Any:
        """One number of those of the outputs, or all of them."""
        xp = array_namespace(values)
        if self.multioutput == "raw_values":
            return values
        if isinstance(self.multioutput, tuple):
            pairs = zip(self.multioutput, (float(values[i]) for i in range(values.shape[0])), strict=True)
            return sum(weight * value for weight, value in pairs) / sum(self.multioutput)
        if self.multioutput == "variance_weighted" and float(xp.sum(variances)) != 0:
            return float(xp.sum(xp.multiply(values, variances)) / xp.sum(variances))
        return float(xp.mean(values)) if values.shape[0] else math.nan


def weighted(x: Any, weight: Any | None) -> Any:
    """``weight * x``, or ``x`` without weights."""
    return x if weight is None else array_namespace(x).multiply(weight, x)

"""A metric in the unit of the original target, for a model trained on a standardised one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import positive
from learnkit.metrics.base import Metric, in_double, sums_of
from learnkit.plugins import registry

__all__ = ["InOriginalUnits"]


@dataclass(frozen=True)
class InOriginalUnits(Metric):
    """``metric`` of ``scale y_pred + shift`` and ``scale y_true + shift``, reported under its own name.

    Args:
        metric: a metric or a name, ``"rmse"``.
        scale: > 0, the standard deviation of the original target.
        shift: its mean.

    Raises:
        ArgumentError: ``scale`` is out of range, or the metric is unknown.

    >>> import numpy as np
    >>> InOriginalUnits("rmse", scale=10.0)(np.asarray([0.0]), np.asarray([0.5]))
    5.0
    """

    metric: Metric | str
    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        positive("InOriginalUnits", "scale", self.scale)
        object.__setattr__(self, "metric", registry.create("metric", self.metric))

    @property
    def _inner(self) -> Metric:
        assert isinstance(self.metric, Metric)
        return self.metric

    @property
    def reported_name(self) -> str:
        """The name of the metric inside."""
        return registry.name_of(self.metric)

    @property
    def larger_is_better(self) -> bool:
        return self._inner.larger_is_better

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        return sums_of(self._inner, self._restored(y_pred), self._restored(y_true), sample_weight)

    def combine(self, a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._inner.combine(a, b)

    def compute(self, sums: tuple[Any, ...]) -> Any:
        return self._inner.compute(sums)

    def _restored(self, y: Array) -> Array:
        xp = array_namespace(y)
        return xp.add(xp.multiply(in_double(y), self.scale), self.shift)

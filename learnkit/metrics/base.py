"""What a metric is: sums that add over batches, and the number made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ShapeError

__all__ = ["Metric", "aligned", "count", "in_double"]


@dataclass(frozen=True)
class Metric:
    """Base of metrics: a frozen dataclass.

    A subclass writes :meth:`sums` and :meth:`compute`. Sums are 0-d arrays on the device of the
    predictions, in double precision, so that the result does not depend on how the batches are cut, and
    nothing waits for the device before the end of an epoch.

    Attributes:
        larger_is_better: which way early stopping looks.
    """

    @property
    def larger_is_better(self) -> bool:
        """Whether a larger value is better."""
        return True

    def sums(self, y_pred: Array, y_true: Array) -> tuple[Array, ...]:
        """What a batch adds."""
        raise TypeError(f"{type(self).__name__} defines no sums(self, y_pred, y_true)")

    def combine(self, a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
        """The sums of two batches together."""
        return tuple(x + y for x, y in zip(a, b, strict=True))

    def compute(self, sums: tuple[float, ...]) -> float:
        """The metric, from the sums of all batches as host numbers."""
        raise TypeError(f"{type(self).__name__} defines no compute(self, sums)")

    def __call__(self, y_pred: Array, y_true: Array) -> float:
        """The metric of one batch; waits for the device."""
        return self.compute(tuple(float(s) for s in self.sums(y_pred, y_true)))


def count(like: Array, n: int) -> Any:
    """``n`` as a 0-d float64 array beside ``like``."""
    xp = array_namespace(like)
    return xp.full((), float(n), dtype=xp.float64, device=array_api_compat.device(like))


def in_double(x: Array) -> Any:
    """``x`` as float64."""
    xp = array_namespace(x)
    return xp.astype(x, xp.float64, copy=False)


def aligned(y_pred: Array, y_true: Array, name: str) -> tuple[Array, Array]:
    """Both flat and in double precision; (n,) and (n, 1) are the same.

    Raises:
        ShapeError: they have different numbers of elements, or shapes that do not match.
    """
    predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
    if predicted != wanted and predicted != (*wanted, 1) and (*predicted, 1) != wanted:
        raise ShapeError(f"{name}: y_pred has shape {predicted} and y_true {wanted}, expected equal shapes")
    xp = array_namespace(y_pred, y_true)
    return in_double(xp.reshape(y_pred, (-1,))), in_double(xp.reshape(y_true, (-1,)))

"""What a metric is: sums that add over batches, and the number made of them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat

from learnkit.backends.base import Array, array_namespace, backend_of
from learnkit.errors import ArgumentError, ShapeError

__all__ = [
    "Metric",
    "aligned",
    "count",
    "fits",
    "in_double",
    "number_or_nan",
    "on_host",
    "ratio",
    "sums_of",
    "total",
    "weights_for",
]


@dataclass(frozen=True)
class Metric:
    """Base of metrics: a frozen dataclass of its options.

    A subclass writes :meth:`sums` and :meth:`compute`. Sums are arrays of any shape on the device of the
    predictions, in double precision, so that the result does not depend on how the batches are cut, and
    nothing waits for the device before the end of an epoch. What does not add up by ``+`` has its own
    :meth:`combine`, in any order of the batches.

    A metric that can weigh examples takes ``sums(self, y_pred, y_true, sample_weight=None)``. A ``Trainer``
    gives no weights: what it reports counts every row alike, as scikit-learn does without weights.

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> @dataclass(frozen=True)
    ... class Bias(Metric):
    ...     def sums(self, y_pred, y_true):
    ...         xp = array_namespace(y_pred)
    ...         return xp.sum(in_double(y_pred - y_true)), count(y_pred, y_pred.shape[0])
    ...     def compute(self, sums):
    ...         return sums[0] / sums[1]
    >>> Bias()(np.asarray([1.0, 2.0]), np.asarray([0.0, 1.0]))
    1.0

    Attributes:
        larger_is_better: which way early stopping looks.
    """

    @property
    def larger_is_better(self) -> bool:
        """Whether a larger value is better."""
        return True

    def sums(self, y_pred: Array, y_true: Array) -> tuple[Array, ...]:
        """What a batch adds: arrays on the device."""
        raise TypeError(f"{type(self).__name__} defines no sums(self, y_pred, y_true)")

    def combine(self, a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
        """The sums of two batches together."""
        return tuple(x + y for x, y in zip(a, b, strict=True))

    def compute(self, sums: tuple[Any, ...]) -> Any:
        """The metric, from the sums of all batches on the host.

        Args:
            sums: a ``float`` for each 0-d array, a NumPy array for each other one.

        Returns:
            A ``float``, or a NumPy array for a metric of many numbers.
        """
        raise TypeError(f"{type(self).__name__} defines no compute(self, sums)")

    def __call__(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> Any:
        """The metric of one batch; waits for the device.

        Args:
            y_pred, y_true: as the metric describes them.
            sample_weight: (batch,), numbers >= 0, for a metric that can weigh examples.

        Raises:
            ArgumentError: the metric takes no weights.
        """
        return self.compute(on_host(sums_of(self, y_pred, y_true, sample_weight)))


def sums_of(
    metric: Metric, y_pred: Array, y_true: Array, sample_weight: Array | None = None
) -> tuple[Array, ...]:
    """``metric.sums`` with weights, for a metric that may not take any.

    Raises:
        ArgumentError: there are weights, and the metric's ``sums`` has no parameter for them.
    """
    if sample_weight is None:
        return metric.sums(y_pred, y_true)
    if "sample_weight" not in inspect.signature(metric.sums).parameters:
        raise ArgumentError(f"{type(metric).__name__} takes no sample_weight")
    weighted: Any = metric.sums
    return weighted(y_pred, y_true, sample_weight)  # type: ignore[no-any-return]


def on_host(sums: tuple[Array, ...]) -> tuple[Any, ...]:
    """Sums as :meth:`Metric.compute` takes them; waits for the device.

    Arrays of a library without a backend stay in it: what ``compute`` calls is in the standard too.
    """

    def moved(x: Array) -> Any:
        if not x.shape:
            return float(x)
        try:
            return backend_of(x).to_numpy(x)
        except ArgumentError:
            return x

    return tuple(moved(x) for x in sums)


def count(like: Array, n: int) -> Any:
    """``n`` as a 0-d float64 array beside ``like``."""
    xp = array_namespace(like)
    return xp.full((), float(n), dtype=xp.float64, device=array_api_compat.device(like))


def total(weight: Array | None, like: Array, n: int) -> Any:
    """The sum of the weights, or ``n`` without any, as a 0-d float64 array beside ``like``."""
    return count(like, n) if weight is None else array_namespace(weight).sum(weight)


def in_double(x: Array) -> Any:
    """``x`` as float64."""
    xp = array_namespace(x)
    return xp.astype(x, xp.float64, copy=False)


def ratio(numerator: Any, denominator: Any, undefined: float) -> Any:
    """``numerator / denominator`` of arrays, and ``undefined`` where the denominator is 0."""
    xp = array_namespace(numerator, denominator)
    zero = xp.equal(denominator, 0)
    quotient = xp.divide(numerator, xp.where(zero, xp.ones_like(denominator), denominator))
    return xp.where(zero, xp.full_like(quotient, undefined), quotient)


def number_or_nan(owner: str, name: str, value: Any, allowed: Callable[[float], bool], text: str) -> float:
    """The number, where ``"nan"`` stands for NaN as text formats write it.

    Raises:
        ArgumentError: it is neither NaN nor allowed.
    """
    if value == "nan":
        return math.nan
    if type(value) not in (int, float) or not (math.isnan(value) or allowed(value)):
        raise ArgumentError(f"{owner}: {name} is {value!r}, expected {text} or nan")
    return float(value)


def fits(predicted: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether two shapes are equal, or differ by a last axis of length 1."""
    return predicted in (wanted, (*wanted, 1)) or (*predicted, 1) == wanted


def aligned(y_pred: Array, y_true: Array, name: str) -> tuple[Array, Array]:
    """Both flat and in double precision; (n,) and (n, 1) are the same.

    Raises:
        ShapeError: they have different numbers of elements, or shapes that do not match.
    """
    predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
    if not fits(predicted, wanted):
        raise ShapeError(f"{name}: y_pred has shape {predicted} and y_true {wanted}, expected equal shapes")
    xp = array_namespace(y_pred, y_true)
    return in_double(xp.reshape(y_pred, (-1,))), in_double(xp.reshape(y_true, (-1,)))


def weights_for(sample_weight: Array, shape: tuple[int, ...], name: str) -> Any:
    """Weights (batch,), or one for each element of ``shape``, flat and in double precision.

    Raises:
        ShapeError: they have another shape.
    """
    given = tuple(sample_weight.shape)
    xp = array_namespace(sample_weight)
    if given == (*shape[:1], 1):
        sample_weight, given = xp.reshape(sample_weight, shape[:1]), shape[:1]
    if given != shape and given != shape[:1]:
        expected = f"{shape[:1]}" if len(shape) < 2 else f"{shape[:1]} or {shape}"
        raise ShapeError(f"{name}: sample_weight has shape {given}, expected {expected}")
    weight = in_double(sample_weight)
    if given != shape:
        weight = xp.broadcast_to(xp.reshape(weight, (shape[0],) + (1,) * (len(shape) - 1)), shape)
    return xp.reshape(weight, (-1,))

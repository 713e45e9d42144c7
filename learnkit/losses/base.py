"""What a loss is: a number for each example, and their weighted mean."""

from __future__ import annotations

from dataclasses import dataclass

from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ShapeError

__all__ = ["Loss", "mean_over_example", "same_shape"]


@dataclass(frozen=True)
class Loss:
    """Base of losses: a frozen dataclass of its hyper-parameters.

    A subclass writes :meth:`per_example` in functions of the standard; the gradient follows.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Fourth(Loss):
    ...     def per_example(self, y_pred, y_true):
    ...         return (y_pred - y_true) ** 4
    >>> import numpy as np
    >>> Fourth()(np.asarray([1.0, 2.0]), np.asarray([0.0, 0.0]))
    np.float64(8.5)
    """

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        """The loss of each example: (batch, ...) and (batch, ...) -> (batch,)."""
        raise TypeError(f"{type(self).__name__} defines no per_example(self, y_pred, y_true)")

    def check_targets(self, output_shape: tuple[int, ...], y_true: Array) -> None:
        """Refuse targets that cannot belong to outputs of ``output_shape`` (batch, ...).

        A ``Trainer`` asks once before training, with all targets on the host, so that nothing needs
        to be checked at every step.

        Raises:
            DataError: a target is out of range.
        """

    def __call__(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> Array:
        """The mean over the batch, a 0-d array; with ``sample_weight`` (batch,) sum(w l) / sum(w).

        Weights that are all 0 give 0, with zero gradient.
        """
        losses = self.per_example(y_pred, y_true)
        xp = array_namespace(losses)
        if sample_weight is None:
            return xp.mean(losses)
        if tuple(sample_weight.shape) != tuple(losses.shape):
            raise ShapeError(
                f"sample_weight has shape {tuple(sample_weight.shape)}, expected {tuple(losses.shape)}: "
                "one weight for each example"
            )
        weight = xp.astype(sample_weight, losses.dtype, copy=False)
        total = xp.sum(weight)
        safe = xp.where(xp.equal(total, 0), xp.ones_like(total), total)
        return xp.divide(xp.sum(xp.multiply(losses, weight)), safe)


def same_shape(y_pred: Array, y_true: Array, name: str) -> tuple[Array, Array]:
    """Both in the shape and dtype of ``y_pred``.

    Targets (n,) beside predictions (n, 1) are read as (n, 1), and the other way round; nothing else is
    broadcast.

    Raises:
        ShapeError: the shapes differ otherwise.
    """
    xp = array_namespace(y_true)
    if y_true.dtype != y_pred.dtype:
        y_true = xp.astype(y_true, y_pred.dtype)
    if y_pred.shape == y_true.shape:
        return y_pred, y_true
    predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
    if (predicted == (*wanted, 1) and len(wanted) == 1) or (
        wanted == (*predicted, 1) and len(predicted) == 1
    ):
        return y_pred, xp.reshape(y_true, predicted)
    raise ShapeError(
        f"{name}: y_pred has shape {predicted} and y_true {wanted}, expected equal shapes",
        hint="the order is loss(y_pred, y_true); nothing is broadcast, so that no error hides in it",
    )


def mean_over_example(values: Array) -> Array:
    """The mean over all axes but the first: (batch, ...) -> (batch,)."""
    if len(values.shape) <= 1:
        return values
    xp = array_namespace(values)
    return xp.mean(xp.reshape(values, (values.shape[0], -1)), axis=1)

"""Losses for one class of several, from logits: the model ends without a softmax."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Self

from learnkit.autodiff.rules import layers
from learnkit.autodiff.rules.losses import mean_softmax_cross_entropy
from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.checks import check_number
from learnkit.losses.classes import (
    BALANCED,
    ClassLoss,
    Rows,
    check_axis,
    check_class_weight,
    class_weight,
    pick,
)

__all__ = ["NLL", "CrossEntropy", "WeightedCrossEntropy"]


@dataclass(frozen=True)
class CrossEntropy(ClassLoss):
    """Softmax cross-entropy from logits: ``-sum_c w_c q_c log softmax(z)_c``.

    ``q`` is the target distribution: ``(1 - e) t + e / K`` with the label smoothing e and K classes, smoothed
    before it is weighted. The mean of examples with class numbers divides by the sum of ``w[label]`` over the
    rows that are not ignored, that of probabilities by the number of rows. All as in PyTorch, but for a batch
    without a row that counts, whose loss is 0 with zero gradient and not NaN.

    Args:
        weight: one number >= 0 for each class, or ``"balanced"``: n / (k n_c) of the training targets, filled
            in by ``Trainer.fit`` or :meth:`resolve`. Default ``None``, 1 for each.
        ignore_index: rows of this class number do not count; default -100; ``None`` for no such number.
        label_smoothing: e, in [0, 1]; default 0.
        axis: keyword; that of the classes, for predictions of more than two axes; default 1.

    Args (of the call):
        y_pred: logits z, shape (batch, classes), or (batch, classes, ...) with ``axis=1``, or
            (batch, ..., classes) with ``axis=-1``.
        y_true: class numbers in [0, classes), an integer array of shape (batch,) or (batch, ...); or
            probabilities t, an array of the shape of y_pred, for soft or one-hot targets.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.

    Class numbers are not checked, because that would wait for the device at every step; ``Trainer``
    checks them once, before training.

    >>> import numpy as np
    >>> round(float(CrossEntropy()(np.asarray([[0.0, 0.0]]), np.asarray([1]))), 6)
    0.693147
    >>> CrossEntropy()(np.asarray([[0.0, 0.0]]), np.asarray([-100]))
    np.float64(0.0)
    """

    label: ClassVar[str] = "cross_entropy"
    weight: tuple[float, ...] | str | None = None
    ignore_index: int | None = -100
    label_smoothing: float = 0.0
    axis: int = dataclasses.field(default=1, kw_only=True)

    def check_options(self) -> None:
        check_class_weight(self, "weight")
        check_axis(self)
        check_number(type(self).__name__, "label_smoothing", self.label_smoothing, least=0, most=1)

    def mean(self, y_pred: Array, y_true: Array) -> Array:
        # The step of every classifier: one primitive.
        if self.weight is None and not self.label_smoothing and self._are_plain(y_pred, y_true):
            return mean_softmax_cross_entropy(y_pred, y_true, self.ignore_index)
        return super().mean(y_pred, y_true)

    def with_gradient(self, y_pred: Array, y_true: Array) -> tuple[Array, Array] | None:
        return (
            kernels_of(y_pred).cross_entropy_step(y_pred, y_true) if self.is_plain(y_pred, y_true) else None
        )

    def is_plain(self, y_pred: Array, y_true: Array) -> bool:
        """Whether it is the mean over rows of ``-log softmax(z)[label]``, where every class counts."""
        if self.weight is not None or self.label_smoothing or self.reduction != "mean":
            return False
        if self.ignore_index is not None and 0 <= self.ignore_index < y_pred.shape[1]:
            return False
        return self._are_plain(y_pred, y_true)

    def _are_plain(self, y_pred: Array, y_true: Array) -> bool:
        """Whether logits are (batch, classes) and targets class numbers (batch,)."""
        shape = y_pred.shape
        if len(shape) != 2 or len(y_true.shape) != 1 or y_true.shape[0] != shape[0]:
            return False
        xp = array_namespace(y_true)
        return self.axis in (1, -1) and y_true.dtype in (xp.int32, xp.int64)

    def of_rows(self, rows: Rows) -> tuple[Array, Array | None]:
        z, e, k = rows.y_pred, float(self.label_smoothing), rows.y_pred.shape[1]
        weight = class_weight(type(self).__name__, "weight", self.weight, z)
        xp = array_namespace(z, rows.soft)
        if rows.labels is None:
            q = rows.soft
            if e:
                q = xp.add(xp.multiply(1.0 - e, q), e / k)
            if weight is not None:
                q = xp.multiply(q, weight)
            return xp.negative(xp.sum(xp.multiply(q, layers.log_softmax(z)), axis=1)), None
        values = layers.softmax_cross_entropy(z, rows.labels)
        own = None
        if weight is not None:
            own = array_namespace(weight).take(weight, rows.labels, axis=0)
            values = xp.multiply(values, own)
        if e:
            log = layers.log_softmax(z)
            spread_out = xp.sum(log if weight is None else xp.multiply(log, weight), axis=1)
            values = xp.subtract(xp.multiply(1.0 - e, values), xp.multiply(e / k, spread_out))
        return values, own

    def resolve(self, output_shape: tuple[int, ...], y_true: Array) -> Self:
        if self.weight != BALANCED:
            return self
        return dataclasses.replace(self, weight=self.balanced(output_shape, y_true))


@dataclass(frozen=True)
class WeightedCrossEntropy(CrossEntropy):
    """Cross-entropy with class weights, ``-w_c log softmax(z)_c``, balanced by default: for rare classes.

    ``weight="balanced"`` is n / (k n_c) for n examples, k classes and n_c examples of class c, counted among
    the training targets by ``Trainer.fit`` or :meth:`resolve`. Everything else is as in
    :class:`CrossEntropy`.

    >>> import numpy as np
    >>> WeightedCrossEntropy().resolve((4, 2), np.asarray([0, 0, 0, 1])).weight
    (0.6666666666666666, 2.0)
    """

    label: ClassVar[str] = "weighted_cross_entropy"
    weight: tuple[float, ...] | str | None = BALANCED


@dataclass(frozen=True)
class NLL(ClassLoss):
    """Negative log-likelihood: ``-w_c x_c`` of log-probabilities x and the class c, for a model that ends in
    log_softmax.

    The mean divides by the sum of ``w[label]`` over the rows that are not ignored, as in PyTorch.

    Args:
        weight: one number >= 0 for each class, or ``"balanced"``, as for :class:`CrossEntropy`.
        ignore_index: rows of this class number do not count; default -100; ``None`` for no such number.
        axis: keyword; that of the classes, for predictions of more than two axes; default 1.

    Args (of the call):
        y_pred: log-probabilities, (batch, classes), or as for :class:`CrossEntropy`.
        y_true: class numbers (batch,), or probabilities of the shape of y_pred.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.

    >>> import numpy as np
    >>> float(NLL()(np.asarray([[-2.0, -0.5]]), np.asarray([1])))
    0.5
    """

    label: ClassVar[str] = "nll"
    what: ClassVar[str] = "log-probabilities"
    weight: tuple[float, ...] | str | None = None
    ignore_index: int | None = -100
    axis: int = dataclasses.field(default=1, kw_only=True)

    def check_options(self) -> None:
        check_class_weight(self, "weight")
        check_axis(self)

    def of_rows(self, rows: Rows) -> tuple[Array, Array | None]:
        weight = class_weight("NLL", "weight", self.weight, rows.y_pred)
        xp = array_namespace(rows.y_pred, rows.soft)
        if rows.labels is None:
            q = rows.soft if weight is None else xp.multiply(rows.soft, weight)
            return xp.negative(xp.sum(xp.multiply(q, rows.y_pred), axis=1)), None
        values = xp.negative(pick(rows.y_pred, rows.labels))
        if weight is None:
            return values, None
        own = array_namespace(weight).take(weight, rows.labels, axis=0)
        return xp.multiply(values, own), own

    def resolve(self, output_shape: tuple[int, ...], y_true: Array) -> Self:
        if self.weight != BALANCED:
            return self
        return dataclasses.replace(self, weight=self.balanced(output_shape, y_true))

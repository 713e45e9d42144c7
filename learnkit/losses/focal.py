"""Focal loss for several classes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Self

from learnkit.autodiff.rules import layers
from learnkit.backends.base import Array, array_namespace
from learnkit.checks import check_number
from learnkit.losses.classes import (
    BALANCED,
    ClassLoss,
    Rows,
    check_axis,
    check_class_weight,
    class_weight,
)

__all__ = ["Focal"]


@dataclass(frozen=True)
class Focal(ClassLoss):
    """Focal loss from logits: ``-sum_c a_c t_c (1 - p_c)^gamma log p_c``, p the softmax.

    Rows that are predicted well already count little, so the rare and hard ones decide. ``gamma=0`` is
    cross-entropy. The mean divides by the number of rows that are not ignored, whatever alpha is.

    Args:
        alpha: a number > 0 for all classes, or one >= 0 for each, or ``"balanced"`` as for
            :class:`CrossEntropy`; default ``None``, 1.
        gamma: >= 0; default 2.
        ignore_index: rows of this class number do not count; default -100; ``None`` for no such number.
        axis: keyword; that of the classes, for predictions of more than two axes; default 1.

    Args (of the call):
        y_pred: logits, y_true: class numbers or probabilities, as for :class:`CrossEntropy`.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.

    Source: Lin et al. 2017, arXiv:1708.02002, with the softmax as in Keras' CategoricalFocalCrossentropy,
    whose alpha is 0.25 by default.

    >>> import numpy as np
    >>> round(float(Focal()(np.asarray([[0.0, 0.0]]), np.asarray([1]))), 6)  # (1 - 1/2)^2 log 2
    0.173287
    """

    label: ClassVar[str] = "focal"
    alpha: float | tuple[float, ...] | str | None = None
    gamma: float = 2.0
    ignore_index: int | None = -100
    axis: int = dataclasses.field(default=1, kw_only=True)

    def check_options(self) -> None:
        if isinstance(self.alpha, (int, float)):
            check_number("Focal", "alpha", self.alpha, above=0)
        else:
            check_class_weight(self, "alpha")
        check_number("Focal", "gamma", self.gamma, least=0)
        check_axis(self)

    def of_rows(self, rows: Rows) -> tuple[Array, Array | None]:
        alpha = self.alpha
        factor = float(alpha) if isinstance(alpha, (int, float)) else None
        weight = None if factor is not None else class_weight("Focal", "alpha", alpha, rows.y_pred)
        xp = array_namespace(rows.y_pred, rows.soft)
        if rows.labels is not None:
            values = self._focused(layers.softmax_cross_entropy(rows.y_pred, rows.labels))
            if weight is not None:
                values = xp.multiply(array_namespace(weight).take(weight, rows.labels, axis=0), values)
        else:
            each = self._focused(xp.negative(layers.log_softmax(rows.y_pred)))
            each = xp.multiply(rows.soft, each)
            if weight is not None:
                each = xp.multiply(weight, each)
            values = xp.sum(each, axis=1)
        return (values if factor is None else xp.multiply(factor, values)), None

    def _focused(self, nll: Array) -> Array:
        """``(1 - p)^gamma nll`` from ``nll = -log p``."""
        if not self.gamma:
            return nll
        xp = array_namespace(nll)
        # Rounding may leave -1e-17 of a logarithm that is 0; a broken power of it would be NaN.
        nll = xp.where(xp.less(nll, 0), xp.zeros_like(nll), nll)
        return xp.multiply(xp.pow(xp.negative(xp.expm1(xp.negative(nll))), float(self.gamma)), nll)

    def resolve(self, output_shape: tuple[int, ...], y_true: Array) -> Self:
        if self.alpha != BALANCED:
            return self
        return dataclasses.replace(self, alpha=self.balanced(output_shape, y_true))

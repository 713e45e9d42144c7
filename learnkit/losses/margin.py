"""Hinge losses: nothing to pay for a class that wins by the margin."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import check_choice, check_number
from learnkit.errors import DataError
from learnkit.losses.base import ElementwiseLoss
from learnkit.losses.classes import (
    BALANCED,
    ClassLoss,
    Rows,
    check_axis,
    check_class_weight,
    class_weight,
    pick,
)
from learnkit.losses.host import on_host

__all__ = ["CategoricalHinge", "Hinge", "MultiMargin", "SquaredHinge", "positive_part", "sign_of"]


def positive_part(x: Array) -> Array:
    """``max(x, 0)``, with the subgradient 0 at 0."""
    xp = array_namespace(x)
    return xp.where(xp.greater(x, 0), x, xp.zeros_like(x))


def sign_of(y_true: Array) -> Array:
    """1 where the target is above 0, else -1: so 0 and 1 are read as -1 and 1."""
    xp = array_namespace(y_true)
    one = xp.ones_like(y_true)
    return xp.where(xp.greater(y_true, 0), one, xp.negative(one))


@dataclass(frozen=True)
class Hinge(ElementwiseLoss):
    """Hinge loss, that of the support vector machine: ``max(0, margin - y_true y_pred)``.

    The subgradient at the corner is 0.

    Args:
        margin: > 0; default 1.

    Args (of the call):
        y_pred: scores, (batch, ...), whose sign is the answer.
        y_true: -1 and 1, or 0 and 1, of the same shape.

    Raises:
        ArgumentError: ``margin`` is out of range.
        ShapeError: the shapes differ.

    Source: scikit-learn's hinge_loss and Keras' Hinge.

    >>> import numpy as np
    >>> Hinge().per_example(np.asarray([2.0, 0.5, -1.0]), np.asarray([1, 1, 1]))
    array([0. , 0.5, 2. ])
    """

    label: ClassVar[str] = "hinge"
    margin: float = 1.0

    def check_options(self) -> None:
        check_number(type(self).__name__, "margin", self.margin, above=0)

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        return positive_part(xp.subtract(float(self.margin), xp.multiply(sign_of(y_true), y_pred)))

    def check_targets(self, output_shape: tuple[int, ...], y_true: Array) -> None:
        found = set(on_host(y_true).reshape(-1).tolist())
        if not (found <= {-1, 1} or found <= {0, 1}):
            few = ", ".join(map(str, sorted(found)[:5]))
            raise DataError(
                f"{self.label}: targets hold {few}, expected -1 and 1, or 0 and 1",
                hint="use multi_margin for more than two classes",
            )


@dataclass(frozen=True)
class SquaredHinge(Hinge):
    """Squared hinge loss: ``max(0, margin - y_true y_pred)^2``, smooth at the corner.

    Shapes and options are those of :class:`Hinge`.

    Source: Keras' SquaredHinge.

    >>> import numpy as np
    >>> SquaredHinge().per_example(np.asarray([2.0, 0.5, -1.0]), np.asarray([1, 1, 1]))
    array([0.  , 0.25, 4.  ])
    """

    label: ClassVar[str] = "squared_hinge"

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        values = super().formula(y_pred, y_true)
        return array_namespace(values).square(values)


@dataclass(frozen=True)
class MultiMargin(ClassLoss):
    """Hinge loss over classes: ``w_y sum_(j != y) max(0, margin - x_y + x_j)^p / K`` of scores x, K classes.

    The sum runs over all other classes, as in PyTorch, and the mean divides by the number of rows, whatever
    the weights are, as in PyTorch too.

    Args:
        p: 1 (default) or 2.
        margin: > 0; default 1.
        weight: one number >= 0 for each class, or ``"balanced"``; default ``None``.
        ignore_index: rows of this class number do not count; default -100; ``None`` for no such number.
        axis: keyword; that of the classes, for predictions of more than two axes; default 1.

    Args (of the call):
        y_pred: scores (batch, classes).
        y_true: class numbers (batch,), or one-hot targets of the shape of y_pred.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.

    Source: Weston and Watkins 1999; PyTorch's MultiMarginLoss.

    >>> import numpy as np
    >>> float(MultiMargin()(np.asarray([[0.5, 1.0, 0.0, -3.0]]), np.asarray([1])))
    0.125
    """

    label: ClassVar[str] = "multi_margin"
    what: ClassVar[str] = "scores"
    p: int = 1
    margin: float = 1.0
    weight: tuple[float, ...] | str | None = None
    ignore_index: int | None = -100
    axis: int = dataclasses.field(default=1, kw_only=True)

    def check_options(self) -> None:
        check_choice("MultiMargin", "p", self.p, (1, 2))
        check_number("MultiMargin", "margin", self.margin, above=0)
        check_class_weight(self, "weight")
        check_axis(self)

    def of_rows(self, rows: Rows) -> tuple[Array, Array | None]:
        x = rows.y_pred
        truth, own = _truth(rows)
        xp = array_namespace(x)
        gaps = positive_part(xp.add(xp.subtract(x, own), float(self.margin)))
        if self.p == 2:
            gaps = xp.square(gaps)
        values = xp.divide(xp.sum(xp.where(truth, xp.zeros_like(gaps), gaps), axis=1), float(x.shape[1]))
        weight = class_weight("MultiMargin", "weight", self.weight, x)
        if weight is not None:
            plain: Any = array_namespace(weight)
            row = plain.sum(plain.multiply(plain.astype(truth, weight.dtype), weight), axis=1)
            values = xp.multiply(values, row)
        return values, None

    def resolve(self, output_shape: tuple[int, ...], y_true: Array) -> Self:
        if self.weight != BALANCED:
            return self
        return dataclasses.replace(self, weight=self.balanced(output_shape, y_true))


@dataclass(frozen=True)
class CategoricalHinge(ClassLoss):
    """Hinge loss against the best of the other classes: ``max(0, margin - x_y + max_(j != y) x_j)``.

    Args:
        margin: > 0; default 1.
        ignore_index: rows of this class number do not count; default -100; ``None`` for no such number.
        axis: keyword; that of the classes, for predictions of more than two axes; default 1.

    Args (of the call):
        y_pred: scores (batch, classes).
        y_true: class numbers (batch,), or one-hot targets of the shape of y_pred.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.

    Source: Crammer and Singer 2001; scikit-learn's hinge_loss. Keras' CategoricalHinge differs where all
    other scores are negative: it takes 0 for the best of them.

    >>> import numpy as np
    >>> float(CategoricalHinge()(np.asarray([[0.5, 1.0, 0.0, -3.0]]), np.asarray([1])))
    0.5
    """

    label: ClassVar[str] = "categorical_hinge"
    what: ClassVar[str] = "scores"
    margin: float = 1.0
    ignore_index: int | None = -100
    axis: int = dataclasses.field(default=1, kw_only=True)

    def check_options(self) -> None:
        check_number("CategoricalHinge", "margin", self.margin, above=0)
        check_axis(self)

    def of_rows(self, rows: Rows) -> tuple[Array, Array | None]:
        x = rows.y_pred
        truth, own = _truth(rows)
        xp = array_namespace(x)
        floor = float(xp.finfo(x.dtype).min)
        others = xp.max(xp.where(truth, xp.full_like(x, floor), x), axis=1)
        gap = xp.subtract(others, xp.squeeze(own, axis=1))
        return positive_part(xp.add(gap, float(self.margin))), None


def _truth(rows: Rows) -> tuple[Array, Array]:
    """Where the true class is, (m, classes) booleans, and its score, (m, 1)."""
    x = rows.y_pred
    xp = array_namespace(x)
    if rows.labels is None:
        soft: Any = rows.soft
        plain = array_namespace(soft)
        truth = plain.equal(soft, plain.max(soft, axis=1, keepdims=True))
        own = xp.sum(xp.where(truth, x, xp.zeros_like(x)), axis=1, keepdims=True)
        return truth, own
    labels = rows.labels
    plain = array_namespace(labels)
    classes = plain.arange(x.shape[1], dtype=labels.dtype, device=array_api_compat.device(labels))
    truth = plain.equal(plain.expand_dims(labels, axis=1), plain.expand_dims(classes, axis=0))
    return truth, xp.expand_dims(pick(x, labels), axis=1)

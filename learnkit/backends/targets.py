"""Predictions and targets side by side, for functions of both that somebody else has written."""

from __future__ import annotations

from typing import Any

from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ArgumentError, ShapeError

__all__ = ["one_for_each", "side_by_side"]


def side_by_side(y_pred: Array, y_true: Array) -> tuple[Array, Array]:
    """Both so that ``y_pred - y_true`` means what it says.

    (n,) beside (n, 1) take the shape of ``y_pred``, and would otherwise be broadcast to (n, n). Targets
    of the shape of the predictions, and all real ones, take their dtype; class numbers, which have another
    shape than the logits, stay whole.
    """
    predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
    column = len(wanted) == 1 and predicted == (*wanted, 1)
    if column or (len(predicted) == 1 and wanted == (*predicted, 1)):
        y_true, wanted = array_namespace(y_true).reshape(y_true, predicted), predicted
    xp: Any = array_namespace(y_true)
    if y_true.dtype != y_pred.dtype and (
        predicted == wanted or xp.isdtype(y_true.dtype, ("real floating", "complex floating"))
    ):
        y_true = xp.astype(y_true, y_pred.dtype)
    return y_pred, y_true


def one_for_each(name: str, values: Any, n: int) -> Array:
    """What such a function returned, which must be numbers for ``n`` examples.

    Raises:
        ArgumentError: it is no array.
        ShapeError: it is not one value for each example or element.
    """
    shape = getattr(values, "shape", None)
    if shape is None or not hasattr(values, "dtype"):
        raise ArgumentError(
            f"{name}(y_pred, y_true) returned {values!r}, expected an array",
            hint=f"a function that makes a component takes its options by keyword: def {name}(*, ...)",
        )
    if not shape or shape[0] != n:
        got = "a single number" if not shape else f"an array of shape {tuple(shape)}"
        raise ShapeError(
            f"{name}(y_pred, y_true) returned {got}, expected one number for each of {n} examples, "
            f"({n},), or for each element, ({n}, ...)",
            hint="leave the mean out: it is taken for you, with weights and masks",
        )
    return values

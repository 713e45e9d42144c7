"""A function ``f(y_pred, y_true, *, ...)`` as a loss."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from learnkit.autodiff.tape import CONSTANT
from learnkit.autodiff.variable import Variable
from learnkit.backends.base import Array, array_namespace, size_of
from learnkit.backends.targets import one_for_each, side_by_side
from learnkit.losses.base import Loss, as_mask, hide, mean_over_example, reduced, spread
from learnkit.losses.fusing import fused_mean
from learnkit.plugins.functions import FunctionComponent, dataclass_of

__all__ = ["FunctionLoss"]


@dataclass(frozen=True)
class FunctionLoss(FunctionComponent, Loss):
    """Base of the losses that are made of functions; see :mod:`learnkit.plugins.functions`.

    The function returns a number for each example, (batch,), or for each element, (batch, ...). The mean
    over a batch, weights, masks and the gradient follow.
    """

    @classmethod
    def of(cls, name: str, options: list[inspect.Parameter], namespace: dict[str, Any]) -> type:
        """The class of a function with these options."""
        return dataclass_of(cls, name, options, namespace)

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        return mean_over_example(self._values(y_pred, y_true))

    def mean(self, y_pred: Array, y_true: Array) -> Array:
        if not size_of(y_pred.shape):
            return reduced(self._values(y_pred, y_true), None, None, "mean")
        return fused_mean(self, "_values", *side_by_side(y_pred, y_true))

    def terms(self, y_pred: Array, y_true: Array, mask: Array | None = None) -> tuple[Array, Array | None]:
        if mask is None:
            return self._values(y_pred, y_true), None
        kept = as_mask(mask)
        # Hidden before the function, and not only after it: what is masked may be NaN, and 0 NaN is NaN.
        values = self._values(hide(y_pred, kept), hide(y_true, kept))
        over = spread(kept, tuple(values.shape), "mask")
        weights: Any = array_namespace(over).astype(over, values.dtype)
        return hide(values, over), array_namespace(weights).broadcast_to(weights, tuple(values.shape))

    def _values(self, y_pred: Array, y_true: Array) -> Array:
        """What the function returns, (batch, ...)."""
        y_pred, y_true = side_by_side(y_pred, y_true)
        if isinstance(y_pred, Variable) and y_true.dtype == y_pred.dtype:
            # A constant on the left of a variable: not every library lets the variable answer.
            y_true = y_true if isinstance(y_true, Variable) else Variable(y_true, CONSTANT)
        values = type(self)._function(y_pred, y_true, **self._given_options())
        return one_for_each(type(self).__name__, values, y_pred.shape[0])

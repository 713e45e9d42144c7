"""What a loss is: a number for each example, and their weighted mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import array_api_compat

from learnkit.autodiff import plain_value
from learnkit.backends.base import Array, array_namespace, size_of
from learnkit.errors import ArgumentError, ShapeError
from learnkit.losses.fusing import fused_mean

__all__ = [
    "ElementwiseLoss",
    "Loss",
    "as_mask",
    "constant",
    "hide",
    "mean_over_example",
    "reduced",
    "same_shape",
    "spread",
]

REDUCTIONS = ("mean", "sum", "none")


@dataclass(frozen=True)
class Loss:
    """Base of losses: a frozen dataclass of its hyper-parameters.

    A subclass writes :meth:`per_example` in functions of the standard; the gradient, the weighted mean, and
    masks of examples follow. A loss that is a mean over elements derives from :class:`ElementwiseLoss`
    instead, and then masks and weights of single elements follow as well.

    Args:
        reduction: a keyword of every loss. ``"mean"`` (default) is the weighted mean, ``"sum"`` the weighted
            sum over all elements, ``"none"`` the weighted numbers themselves, as in PyTorch. Training needs
            one of the first two.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Fourth(Loss):
    ...     def per_example(self, y_pred, y_true):
    ...         return (y_pred - y_true) ** 4
    >>> import numpy as np
    >>> Fourth()(np.asarray([1.0, 2.0]), np.asarray([0.0, 0.0]))
    np.float64(8.5)
    >>> Fourth(reduction="sum")(np.asarray([1.0, 2.0]), np.asarray([0.0, 0.0]))
    np.float64(17.0)
    """

    reduction: Literal["mean", "sum", "none"] = field(default="mean", kw_only=True)

    def __post_init__(self) -> None:
        if self.reduction not in REDUCTIONS:
            raise ArgumentError(
                f"{type(self).__name__}: reduction is {self.reduction!r}, expected 'mean', 'sum' or 'none'"
            )
        self.check_options()

    def check_options(self) -> None:
        """Check the hyper-parameters; called when the loss is made.

        Raises:
            ArgumentError: one of them cannot be used.
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

    def resolve(self, output_shape: tuple[int, ...], y_true: Array) -> Self:
        """This loss with what depends on the training targets filled in, such as balanced class weights.

        ``Trainer.fit`` asks once before training. Most losses are what they are, and return themselves.
        """
        return self

    def mean(self, y_pred: Array, y_true: Array) -> Array:
        """The loss of a batch without weights or mask, a 0-d array: what a training step computes.

        To be overridden where the mean is cheaper than the numbers that it is the mean of.
        """
        if type(self).terms is Loss.terms and y_pred.shape[0]:
            return fused_mean(self, "per_example", y_pred, y_true)
        values, weights = self.terms(y_pred, y_true)
        return reduced(values, weights, None, "mean")

    def with_gradient(self, y_pred: Array, y_true: Array) -> tuple[Array, Array] | None:
        """:meth:`mean` of plain arrays and its gradient with respect to ``y_pred``, both in one pass.

        ``None``, as by default, where there is no such pass.
        """
        return None

    def terms(self, y_pred: Array, y_true: Array, mask: Array | None = None) -> tuple[Array, Array | None]:
        """The numbers that are reduced, and what each of them counts.

        Returns:
            values: (batch, ...), times their own weights, and 0 where they do not count.
            weights: of the same shape, what the mean divides by the sum of; ``None`` is 1 for each.

        Raises:
            ShapeError: the shapes do not fit.
        """
        if mask is None:
            return self.per_example(y_pred, y_true), None
        n = y_pred.shape[0]
        if tuple(mask.shape) != (n,):
            raise ShapeError(
                f"mask has shape {tuple(mask.shape)}, expected {(n,)}: "
                f"{type(self).__name__} gives one number for each example"
            )
        kept = as_mask(mask)
        values = self.per_example(hide(y_pred, kept), hide(y_true, kept))
        return hide(values, kept), _xp(kept).astype(kept, values.dtype)

    def __call__(
        self, y_pred: Array, y_true: Array, sample_weight: Array | None = None, mask: Array | None = None
    ) -> Array:
        """The mean over the batch, a 0-d array; with ``sample_weight`` s and ``mask`` m it is
        ``sum(s m l) / sum(s m)``.

        Args:
            y_pred, y_true: predictions and targets, in this order, of the shapes that the loss documents.
            sample_weight: (batch,), or the shape of the elements of an elementwise loss or its first axes.
            mask: the same; true, or not 0, for what counts. What does not count may hold anything, NaN too,
                and has gradient 0.

        Weights that are all 0, a mask that is all false, and an empty batch give 0, with zero gradient.
        With ``reduction="sum"`` the result is ``sum(s m l)``, with ``"none"`` an array of ``s m l``.

        Raises:
            ShapeError: the shapes do not fit.
        """
        if sample_weight is None and mask is None and self.reduction == "mean":
            return self.mean(y_pred, y_true)
        values, weights = self.terms(y_pred, y_true, mask)
        return reduced(values, weights, sample_weight, self.reduction)


@dataclass(frozen=True)
class ElementwiseLoss(Loss):
    """Base of losses that compare element by element and take the mean.

    A subclass writes :meth:`formula` for two arrays of one shape.
    """

    #: What messages call the loss.
    label: ClassVar[str] = "loss"

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        """The loss of each element, for two arrays of one shape and dtype."""
        raise TypeError(f"{type(self).__name__} defines no formula(self, y_pred, y_true)")

    def aligned(self, y_pred: Array, y_true: Array) -> tuple[Array, Array]:
        """Predictions and targets in the shape and dtype that :meth:`formula` takes."""
        return same_shape(y_pred, y_true, self.label)

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        return mean_over_example(self.formula(*self.aligned(y_pred, y_true)))

    def mean(self, y_pred: Array, y_true: Array) -> Array:
        y_pred, y_true = self.aligned(y_pred, y_true)
        if type(self).terms is not ElementwiseLoss.terms:
            return reduced(*self.terms(y_pred, y_true), None, "mean")
        if not size_of(y_pred.shape):
            return reduced(self.formula(y_pred, y_true), None, None, "mean")
        return fused_mean(self, "formula", y_pred, y_true)

    def terms(self, y_pred: Array, y_true: Array, mask: Array | None = None) -> tuple[Array, Array | None]:
        y_pred, y_true = self.aligned(y_pred, y_true)
        if mask is None:
            return self.formula(y_pred, y_true), None
        shape = tuple(y_true.shape)
        kept = spread(as_mask(mask), shape, "mask")
        # Hidden before the formula, and not only after it: what is masked may be NaN, and 0 NaN is NaN.
        values = self.formula(_hidden(y_pred, kept), _hidden(y_true, kept))
        values = _hidden(values, kept)
        weights = _xp(kept).astype(kept, values.dtype)
        return values, array_namespace(weights).broadcast_to(weights, tuple(values.shape))


def _xp(x: Array) -> Any:
    return array_namespace(x)


def reduced(values: Array, weights: Array | None, sample_weight: Array | None, reduction: str) -> Array:
    """What a loss makes of the numbers of its elements.

    Args:
        values: (batch, ...), times their own weights already.
        weights: of the same shape, or ``None`` for 1 each; the mean divides by the sum of them.
        sample_weight: (batch,) or more of the axes of ``values``; multiplies both.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
    """
    shape = tuple(values.shape)
    xp = array_namespace(values, weights, sample_weight)
    if sample_weight is not None:
        weight = spread(sample_weight, shape, "sample_weight")
        weight = xp.astype(weight, values.dtype, copy=False)
        values = xp.where(xp.equal(weight, 0), xp.zeros_like(values), values)  # 0 times infinity is NaN
        values = xp.multiply(values, weight)
        weights = xp.broadcast_to(weight, shape) if weights is None else xp.multiply(weights, weight)
    if reduction == "none":
        return values
    if reduction == "sum" or not size_of(shape):  # the mean of nothing is 0, with zero gradient
        return xp.sum(values)
    if weights is None:
        return xp.mean(values)
    total = xp.sum(weights)
    return xp.divide(xp.sum(values), xp.where(xp.equal(total, 0), xp.ones_like(total), total))


def spread(x: Array, shape: tuple[int, ...], name: str) -> Array:
    """Weights or a mask over the first axes of ``shape``, with axes of length 1 for the rest.

    Raises:
        ShapeError: its shape is not the beginning of ``shape``.
    """
    given = tuple(x.shape)
    if not given or given != shape[: len(given)]:
        each = {"mask": "one mark"}.get(name, "one weight")
        expected = f"{shape[:1]}: {each} for each example"
        if len(shape) > 1:
            expected += f", or {shape}: one for each element"
        raise ShapeError(f"{name} has shape {given}, expected {expected}")
    if len(given) == len(shape):
        return x
    return array_namespace(x).reshape(x, given + (1,) * (len(shape) - len(given)))


def as_mask(mask: Array) -> Array:
    """A mask of booleans: true where the given one is not 0."""
    xp = array_namespace(mask)
    return mask if xp.isdtype(mask.dtype, "bool") else xp.not_equal(mask, 0)


def hide(x: Array, kept: Array) -> Array:
    """``x`` with 0 where ``kept``, a mask over its first axes, is false."""
    if x is None:
        return x
    if len(kept.shape) < len(x.shape):
        kept = array_namespace(kept).reshape(kept, (*kept.shape, *(1,) * (len(x.shape) - len(kept.shape))))
    return _hidden(x, kept)


def _hidden(x: Array, kept: Array) -> Array:
    if len(kept.shape) > len(x.shape) or any(
        k not in (1, n) for k, n in zip(reversed(tuple(kept.shape)), reversed(tuple(x.shape)), strict=False)
    ):
        raise ShapeError(f"mask of shape {tuple(kept.shape)} does not fit an array {tuple(x.shape)}")
    return array_namespace(x).where(kept, x, array_namespace(x).zeros_like(x))


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
    shape = tuple(values.shape)
    if len(shape) <= 1:
        return values
    xp = array_namespace(values)
    return xp.mean(xp.reshape(values, (shape[0], size_of(shape[1:]))), axis=1)


_constants: dict[Any, Array] = {}


def constant(values: tuple[float, ...], like: Array) -> Array:
    """A vector of hyper-parameters of the library, dtype and device of ``like``; kept, so never written to.

    Kept, because a copy to the device at every step would wait for it.
    """
    like = plain_value(like)
    device = array_api_compat.device(like)
    key = (values, type(like), like.dtype, device)
    found = _constants.get(key)
    if found is None:
        if len(_constants) > 64:
            _constants.clear()
        found = array_namespace(like).asarray(list(values), dtype=like.dtype, device=device)
        _constants[key] = found
    return found

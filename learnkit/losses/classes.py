"""What losses over classes share: where the class axis is, class weights, and targets of either kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.backends.base import Array, array_namespace, size_of
from learnkit.checks import check_integer, check_numbers
from learnkit.errors import ArgumentError, DataError, ShapeError
from learnkit.losses.base import Loss, as_mask, constant, mean_over_example, spread
from learnkit.losses.host import balanced_weights, class_counts, value_range

__all__ = [
    "BALANCED",
    "ClassLoss",
    "Rows",
    "check_axis",
    "check_class_weight",
    "class_weight",
    "pick",
]

#: The class weight that is computed from the training targets.
BALANCED = "balanced"


@dataclass(frozen=True)
class Rows:
    """Predictions and targets with one row for each that a loss is computed of.

    Attributes:
        y_pred: (m, classes).
        labels: (m,) class numbers, or ``None``.
        soft: (m, classes) probabilities, or ``None``.
        kept: (m,) booleans, which rows count, or ``None`` for all.
        shape: the axes that the rows were, (batch, ...).
    """

    y_pred: Array
    labels: Array | None
    soft: Array | None
    kept: Array | None
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ClassLoss(Loss):
    """Base of losses over classes; a subclass writes :meth:`of_rows`.

    Args:
        axis: keyword; where the classes are in predictions of more than two axes. Default 1, PyTorch's
            (batch, classes, ...); -1 is for sequences (batch, ..., classes).
    """

    label: ClassVar[str] = "loss"
    #: What the predictions are called in messages.
    what: ClassVar[str] = "logits"

    def of_rows(self, rows: Rows) -> tuple[Array, Array | None]:
        """The loss of each row (m,), and what each counts in a mean, or ``None`` for 1."""
        raise TypeError(f"{type(self).__name__} defines no of_rows(self, rows)")

    def class_axis(self) -> int:
        """Where the classes are."""
        return int(getattr(self, "axis", 1))

    def ignored(self) -> int | None:
        """The class number whose rows do not count."""
        found: int | None = getattr(self, "ignore_index", None)
        return found

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        return mean_over_example(self.terms(y_pred, y_true)[0])

    def terms(self, y_pred: Array, y_true: Array, mask: Array | None = None) -> tuple[Array, Array | None]:
        rows = self.rows(y_pred, y_true, mask)
        values, weights = self.of_rows(rows)
        xp = array_namespace(values)
        if rows.kept is not None:
            values = xp.where(rows.kept, values, xp.zeros_like(values))
            counted = array_namespace(rows.kept).astype(rows.kept, values.dtype)
            weights = counted if weights is None else xp.multiply(weights, counted)
        if len(rows.shape) > 1:
            values = xp.reshape(values, rows.shape)
            weights = None if weights is None else xp.reshape(weights, rows.shape)
        return values, weights

    def rows(self, y_pred: Array, y_true: Array, mask: Array | None = None) -> Rows:
        """Predictions and targets as rows; those that do not count with 0 in place of their values.

        Raises:
            ShapeError: the shapes do not fit.
        """
        predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
        axis = self.class_axis()
        if len(predicted) < 2 or not -len(predicted) <= axis < len(predicted) or axis % len(predicted) == 0:
            raise self.misfit(predicted, wanted, y_true)
        axis %= len(predicted)
        shape = predicted[:axis] + predicted[axis + 1 :]
        own = array_namespace(y_true)
        labels = soft = None
        if wanted == predicted:
            soft = _as_rows(y_true, axis, array_namespace(y_true))
            soft = array_namespace(soft).astype(soft, y_pred.dtype, copy=False)
        elif wanted == shape or (len(shape) == 1 and wanted == (*shape, 1)):
            if not own.isdtype(y_true.dtype, "integral"):
                raise self.misfit(predicted, wanted, y_true)
            labels = y_true if len(wanted) == 1 else own.reshape(y_true, (size_of(shape),))
            if labels.dtype not in (own.int32, own.int64):  # uint8 holds no -100, and is no index everywhere
                labels = own.astype(labels, own.int64)
        else:
            raise self.misfit(predicted, wanted, y_true)
        z = _as_rows(y_pred, axis, array_namespace(y_pred))
        kept = None
        if mask is not None:
            kept = spread(as_mask(mask), shape, "mask")
            xp = array_namespace(kept)
            kept = xp.reshape(xp.broadcast_to(kept, shape), (size_of(shape),))
        if labels is not None and self.ignored() is not None:
            counts = own.not_equal(labels, self.ignored())
            kept = counts if kept is None else array_namespace(kept, counts).logical_and(kept, counts)
        if kept is not None:
            column = array_namespace(kept).expand_dims(kept, axis=1)
            if mask is not None:  # an ignored label says nothing of its logits: they are finite
                z = _hidden(z, column)
            labels = None if labels is None else _hidden(labels, kept)
            soft = None if soft is None else _hidden(soft, column)
        return Rows(z, labels, soft, kept, shape)

    def misfit(self, predicted: tuple[int, ...], wanted: tuple[int, ...], y_true: Array) -> ShapeError:
        """The error for shapes that do not fit."""
        many = "" if len(predicted) <= 2 else f", with the classes along axis {self.class_axis()}"
        return ShapeError(
            f"{self.label}: y_pred has shape {predicted} and y_true {wanted} of {y_true.dtype}, expected "
            f"{self.what} (batch, classes) and integers (batch,), or probabilities of the shape of "
            f"y_pred{many}",
            hint="for one output per example use binary_cross_entropy (two classes) or mse (numbers)",
        )

    def check_targets(self, output_shape: tuple[int, ...], y_true: Array) -> None:
        axis = self.class_axis()
        if len(output_shape) < 2 or not -len(output_shape) <= axis < len(output_shape):
            return
        classes = output_shape[axis]
        if tuple(y_true.shape) == tuple(output_shape):
            return
        xp = array_namespace(y_true)
        if self.ignored() is not None:
            y_true = xp.astype(y_true, xp.float64)  # in uint8 -100 would be 156
            y_true = xp.where(xp.equal(y_true, self.ignored()), xp.zeros_like(y_true), y_true)
        low, high = value_range(y_true)
        if low < 0 or high >= classes:
            raise DataError(
                f"{self.label}: class numbers range from {low:g} to {high:g}, but the model has "
                f"{classes} outputs; expected integers in [0, {classes})",
                hint="number the classes from 0, and give the last layer one output for each",
            )

    def balanced(self, output_shape: tuple[int, ...], y_true: Array) -> tuple[float, ...]:
        """Weights of the classes by their counts among the targets, as numbers or probabilities."""
        axis = self.class_axis() % max(len(output_shape), 1)
        classes = output_shape[axis]
        if tuple(y_true.shape) == tuple(output_shape):
            sums = _as_rows(y_true, axis, array_namespace(y_true))
            own = array_namespace(sums)
            total = own.sum(own.astype(sums, own.float64), axis=0)
            return balanced_weights([float(total[c]) for c in range(classes)])
        return balanced_weights(class_counts(y_true, classes, self.ignored()))


def class_weight(owner: str, name: str, weight: Any, like: Array) -> Array | None:
    """Class weights beside the predictions ``like`` (m, classes).

    Raises:
        ArgumentError: they are still to be computed from the targets.
        ShapeError: there are more or fewer than classes.
    """
    if weight is None:
        return None
    if weight == BALANCED:
        raise ArgumentError(
            f"{owner}: {name} is 'balanced', which needs the training targets",
            hint="Trainer.fit takes them; elsewhere say loss = loss.resolve(y_pred.shape, y_train)",
        )
    if len(weight) != like.shape[1]:
        raise ShapeError(f"{owner}: {name} has {len(weight)} entries, but y_pred has {like.shape[1]} classes")
    return constant(weight, like)


def check_class_weight(loss: Any, name: str, *, balanced: bool = True) -> None:
    """Check an option that is ``None``, ``"balanced"`` or one number >= 0 for each class.

    Raises:
        ArgumentError: it is something else.
    """
    value = getattr(loss, name)
    if value is None or (balanced and value == BALANCED):
        return
    owner = type(loss).__name__
    if isinstance(value, str):
        raise ArgumentError(
            f"{owner}: {name} is {value!r}, expected {'balanced, ' if balanced else ''}"
            "None or one number for each class"
        )
    check_numbers(owner, name, value, least=0)
    object.__setattr__(loss, name, tuple(float(v) for v in value))


def check_axis(loss: Any) -> None:
    """Check the options ``axis`` and ``ignore_index``.

    Raises:
        ArgumentError: one is no integer.
    """
    owner = type(loss).__name__
    check_integer(owner, "axis", loss.axis)
    if loss.axis == 0:
        raise ArgumentError(f"{owner}: axis is 0, which is that of the batch; expected 1 or -1")
    if loss.ignore_index is not None:
        check_integer(owner, "ignore_index", loss.ignore_index)


def pick(x: Array, labels: Array) -> Array:
    """The entry of each row of ``x`` (m, k) at its label (m,)."""
    xp: Any = array_namespace(x)
    own = array_namespace(labels)
    column = own.expand_dims(own.astype(labels, own.int64, copy=False), axis=1)
    return xp.squeeze(xp.take_along_axis(x, column, axis=1), axis=1)


def _as_rows(x: Array, axis: int, xp: Any) -> Array:
    """The class axis last, and all others as one."""
    ndim = len(x.shape)
    if ndim == 2:
        return x
    if axis != ndim - 1:
        x = xp.permute_dims(x, (*(i for i in range(ndim) if i != axis), axis))
    return xp.reshape(x, (size_of(tuple(x.shape)[:-1]), x.shape[-1]))


def _hidden(x: Array, kept: Array) -> Array:
    xp = array_namespace(x)
    return xp.where(kept, x, xp.zeros_like(x))

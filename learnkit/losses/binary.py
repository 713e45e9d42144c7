"""Losses for yes or no, one output for each question."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from learnkit.autodiff.rules import layers
from learnkit.autodiff.rules import losses as rules
from learnkit.backends.base import Array, array_namespace
from learnkit.checks import check_flag, check_number, check_numbers
from learnkit.errors import ArgumentError, DataError, ShapeError
from learnkit.losses.base import ElementwiseLoss, constant
from learnkit.losses.host import on_host, value_range

__all__ = ["BinaryCrossEntropy", "BinaryFocal"]


@dataclass(frozen=True)
class BinaryCrossEntropy(ElementwiseLoss):
    """Sigmoid cross-entropy from logits: ``-w t log s(z) - (1 - t) log(1 - s(z))``, s the sigmoid.

    Computed as ``max(z, 0) - z t + log(1 + exp(-|z|))``, finite for every z. With ``from_logits=False`` the
    predictions are the probabilities, and each logarithm is held at -100 or more, as in PyTorch's BCELoss.

    Args:
        from_logits: whether y_pred holds logits (default) or probabilities.
        pos_weight: w >= 0, what a positive target costs: one number, or one for each column (the last axis),
            or ``"balanced"``: negatives / positives of the training targets, filled in by ``Trainer.fit``
            or :meth:`resolve`. The mean divides by the number of elements, as in PyTorch. Default 1.
        label_smoothing: e in [0, 1]; targets become ``(1 - e) t + e/2`` before they are weighted. Default 0.

    Args (of the call):
        y_pred: logits z, shape (batch, ...).
        y_true: t in [0, 1], of the same shape; integers and booleans are cast.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes differ.

    >>> import numpy as np
    >>> round(float(BinaryCrossEntropy()(np.asarray([0.0]), np.asarray([1]))), 6)
    0.693147
    """

    label: ClassVar[str] = "binary_cross_entropy"
    from_logits: bool = True
    pos_weight: float | tuple[float, ...] | str | None = None
    label_smoothing: float = 0.0

    def check_options(self) -> None:
        check_flag("BinaryCrossEntropy", "from_logits", self.from_logits)
        check_number("BinaryCrossEntropy", "label_smoothing", self.label_smoothing, least=0, most=1)
        w = self.pos_weight
        if isinstance(w, (tuple, list)):
            check_numbers("BinaryCrossEntropy", "pos_weight", w, least=0)
            object.__setattr__(self, "pos_weight", tuple(float(v) for v in w))
        elif w is not None and w != "balanced":
            check_number("BinaryCrossEntropy", "pos_weight", w, least=0)

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        e = float(self.label_smoothing)
        if e:
            y_true = array_namespace(y_true).add(array_namespace(y_true).multiply(1.0 - e, y_true), 0.5 * e)
        cost = layers.bce_with_logits if self.from_logits else rules.binary_cross_entropy
        if self.pos_weight is None:
            return cost(y_pred, y_true)
        yes = xp.multiply(cost(y_pred, xp.ones_like(y_pred)), y_true)
        no = xp.multiply(cost(y_pred, xp.zeros_like(y_pred)), xp.subtract(1.0, y_true))
        return xp.add(xp.multiply(self._weight(y_pred), yes), no)

    def _weight(self, y_pred: Array) -> Any:
        w = self.pos_weight
        if isinstance(w, str):
            raise ArgumentError(
                "BinaryCrossEntropy: pos_weight is 'balanced', which needs the training targets",
                hint="Trainer.fit takes them; elsewhere say loss = loss.resolve(y_pred.shape, y_train)",
            )
        if not isinstance(w, tuple):
            return float(w or 0.0)
        columns = y_pred.shape[-1] if len(y_pred.shape) > 1 else 1
        if len(w) not in (1, columns):
            raise ShapeError(
                f"binary_cross_entropy: pos_weight has {len(w)} entries, but y_pred of shape "
                f"{tuple(y_pred.shape)} has {columns} columns"
            )
        return constant(w, y_pred)

    def check_targets(self, output_shape: tuple[int, ...], y_true: Array) -> None:
        _check_shares(self.label, y_true)

    def resolve(self, output_shape: tuple[int, ...], y_true: Array) -> Self:
        if self.pos_weight != "balanced":
            return self
        y = on_host(y_true)
        y = y.reshape(-1, y.shape[-1] if y.ndim > 1 else 1)
        weights = []
        for c in range(y.shape[1]):
            positive = float(y[:, c].sum())
            # Without an example of either kind there is nothing to balance.
            weights.append((len(y) - positive) / positive if 0 < positive < len(y) else 1.0)
        return dataclasses.replace(self, pos_weight=weights[0] if len(weights) == 1 else tuple(weights))


@dataclass(frozen=True)
class BinaryFocal(ElementwiseLoss):
    """Focal loss from logits: ``-a_t (1 - p_t)^gamma log p_t``, p_t the probability of the true answer.

    With p = s(z) it is ``p_t = p t + (1 - p) (1 - t)`` and ``a_t = alpha t + (1 - alpha) (1 - t)``. Examples
    that are answered well already count little, so the rare and hard ones decide. ``gamma=0, alpha=None`` is
    binary cross-entropy. The mean divides by the number of elements.

    Args:
        alpha: weight of the positives, in [0, 1], that of the negatives being 1 - alpha; default 0.25, the
            paper's (for gamma 2 the negatives need more weight); ``None`` for no weights.
        gamma: >= 0; default 2.

    Args (of the call):
        y_pred: logits z, shape (batch, ...).
        y_true: t in [0, 1], of the same shape.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes differ.

    Source: Lin et al. 2017, "Focal loss for dense object detection", arXiv:1708.02002; torchvision's
    sigmoid_focal_loss and Optax's.

    >>> import numpy as np
    >>> loss = BinaryFocal(alpha=None)
    >>> round(float(loss(np.asarray([0.0]), np.asarray([1]))), 6)  # (1 - 1/2)^2 log 2
    0.173287
    """

    label: ClassVar[str] = "binary_focal"
    alpha: float | None = 0.25
    gamma: float = 2.0

    def check_options(self) -> None:
        if self.alpha is not None:
            check_number("BinaryFocal", "alpha", self.alpha, least=0, most=1)
        check_number("BinaryFocal", "gamma", self.gamma, least=0)

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        values = layers.bce_with_logits(y_pred, y_true)
        rest = xp.subtract(1.0, y_true)
        if self.gamma:
            # 1 - p_t from the sigmoid of -z and not from 1 - s(z), which loses its digits.
            wrong = xp.add(
                xp.multiply(y_true, layers.sigmoid(xp.negative(y_pred))),
                xp.multiply(rest, layers.sigmoid(y_pred)),
            )
            values = xp.multiply(xp.pow(wrong, float(self.gamma)), values)
        if self.alpha is None:
            return values
        weight = xp.add(xp.multiply(float(self.alpha), y_true), xp.multiply(1.0 - self.alpha, rest))
        return xp.multiply(weight, values)

    def check_targets(self, output_shape: tuple[int, ...], y_true: Array) -> None:
        _check_shares(self.label, y_true)


def _check_shares(label: str, y_true: Array) -> None:
    low, high = value_range(y_true)
    if low < 0 or high > 1:
        raise DataError(
            f"{label}: targets range from {low} to {high}, expected values in [0, 1]",
            hint="number two classes 0 and 1; use cross_entropy for more",
        )

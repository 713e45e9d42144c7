"""Losses for regions: how well a predicted region and the true one cover each other.

All are ``1 - (tp + s) / (tp + a fp + b fn + s)`` of the soft counts of true positives, false positives and
false negatives, ``tp = sum p t``, ``fp = sum p (1 - t)``, ``fn = sum (1 - p) t``, with s the smoothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import array_api_compat

from learnkit.autodiff.rules import layers
from learnkit.backends.base import Array, array_namespace, size_of
from learnkit.checks import check_flag, check_number
from learnkit.errors import ArgumentError, DataError, ShapeError
from learnkit.losses.base import Loss, as_mask, spread
from learnkit.losses.host import value_range

__all__ = ["Dice", "FocalTversky", "IoU", "Tversky"]


@dataclass(frozen=True)
class RegionLoss(Loss):
    """Base of the losses over regions; a subclass says what false positives and false negatives cost.

    Args:
        smooth: s >= 0 elements, added above and below; default 1. With 0, nothing predicted where nothing is
            costs 0 too.
        from_logits: whether y_pred holds logits (default) or probabilities.
        batch: whether the counts run over the whole batch and not over each example, which is steadier where
            many examples hold no region. A batch is then one region, so ``reduction`` must be "mean".

    Args (of the call):
        y_pred: (batch, ...) with a y_true of the same shape: each element is a question of its own, answered
            by a sigmoid, and each example is one region. Or (batch, classes, ...) with class numbers
            (batch, ...), an integer array: softmax over axis 1, and the mean over the classes' regions.
            (batch, 1, ...) beside (batch, ...) is the first kind.
        y_true: in [0, 1], or class numbers.
        mask: over y_true or its first axes.
        sample_weight: (batch,); with ``batch=True`` an example's elements count so many times.
    """

    label: ClassVar[str] = "region"
    smooth: float = 1.0
    from_logits: bool = True
    batch: bool = False

    def check_options(self) -> None:
        owner = type(self).__name__
        check_number(owner, "smooth", self.smooth, least=0)
        check_flag(owner, "from_logits", self.from_logits)
        check_flag(owner, "batch", self.batch)
        if self.batch and self.reduction != "mean":
            raise ArgumentError(
                f"{owner}: reduction is {self.reduction!r} with batch=True, expected 'mean': "
                "the batch is one region"
            )

    def costs(self) -> tuple[float, float]:
        """What a false positive and a false negative weigh beside a true positive."""
        raise TypeError(f"{type(self).__name__} defines no costs(self)")

    def of_share(self, lost: Array) -> Array:
        """The loss from the lost share ``1 - (tp + s) / (...)``."""
        return lost

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        return self.terms(y_pred, y_true)[0]

    def terms(self, y_pred: Array, y_true: Array, mask: Array | None = None) -> tuple[Array, Array | None]:
        p, t, kept = self._regions(y_pred, y_true, mask)
        lost = self._lost_share(_counts(p, t, kept))
        values = array_namespace(lost).mean(self.of_share(lost), axis=1)
        if kept is None:
            return values, None
        own = array_namespace(kept)
        return values, own.astype(own.any(kept[:, 0, :], axis=1), values.dtype)

    def mean(self, y_pred: Array, y_true: Array) -> Array:
        return self._of_batch(y_pred, y_true, None, None) if self.batch else super().mean(y_pred, y_true)

    def __call__(
        self, y_pred: Array, y_true: Array, sample_weight: Array | None = None, mask: Array | None = None
    ) -> Array:
        if self.batch:
            return self._of_batch(y_pred, y_true, sample_weight, mask)
        return super().__call__(y_pred, y_true, sample_weight, mask)

    def _of_batch(
        self, y_pred: Array, y_true: Array, sample_weight: Array | None, mask: Array | None
    ) -> Array:
        p, t, kept = self._regions(y_pred, y_true, mask)
        counts = _counts(p, t, kept)
        xp = array_namespace(counts[0], sample_weight)
        if sample_weight is not None:
            weight = spread(sample_weight, (int(p.shape[0]),), "sample_weight")
            weight = xp.expand_dims(xp.astype(weight, p.dtype, copy=False), axis=1)
            counts = [xp.multiply(c, weight) for c in counts]
        return xp.mean(self.of_share(self._lost_share([xp.sum(c, axis=0) for c in counts])))

    def _lost_share(self, counts: list[Array]) -> Array:
        """``1 - (tp + s) / (tp + a fp + b fn + s)``, itself and not from 1, which would lose its digits."""
        tp, fp, fn = counts
        xp = array_namespace(tp)
        alpha, beta = self.costs()
        missed = xp.add(xp.multiply(alpha, fp), xp.multiply(beta, fn))
        whole = xp.add(xp.add(tp, missed), float(self.smooth))
        return xp.divide(missed, xp.where(xp.greater(whole, 0), whole, xp.ones_like(whole)))

    def _regions(self, y_pred: Array, y_true: Array, mask: Array | None) -> tuple[Array, Array, Array | None]:
        """Probabilities, targets and mask as (batch, classes, elements); the mask's classes are one."""
        predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
        own = array_namespace(y_true)
        if predicted == (wanted[0], 1, *wanted[1:]) if wanted else False:
            y_true, wanted = own.reshape(y_true, predicted), predicted
            if mask is not None and len(mask.shape) > 1:
                mask = array_namespace(mask).expand_dims(mask, axis=1)
        n = predicted[0] if predicted else 0
        if predicted and predicted == wanted:
            classes, size = 1, size_of(predicted[1:])
            t = own.reshape(own.astype(y_true, y_pred.dtype, copy=False), (n, 1, size))
            z = array_namespace(y_pred).reshape(y_pred, (n, 1, size))
        elif len(predicted) >= 2 and wanted == (n, *predicted[2:]) and own.isdtype(y_true.dtype, "integral"):
            classes, size = predicted[1], size_of(predicted[2:])
            labels = own.reshape(y_true, (n, 1, size))
            numbers = own.arange(classes, dtype=labels.dtype, device=array_api_compat.device(labels))
            t = own.astype(own.equal(labels, own.reshape(numbers, (1, classes, 1))), y_pred.dtype)
            z = array_namespace(y_pred).reshape(y_pred, (n, classes, size))
        else:
            raise ShapeError(
                f"{self.label}: y_pred has shape {predicted} and y_true {wanted} of {y_true.dtype}, expected "
                "equal shapes, or (batch, classes, ...) and class numbers (batch, ...)"
            )
        kept = None
        if mask is not None:
            plain = array_namespace(mask)
            kept = plain.broadcast_to(spread(as_mask(mask), wanted, "mask"), wanted)
            kept = plain.reshape(kept, (n, 1, size))
            z = array_namespace(z).where(kept, z, array_namespace(z).zeros_like(z))
            t = array_namespace(t).where(kept, t, array_namespace(t).zeros_like(t))
        if self.from_logits:
            z = layers.sigmoid(z) if classes == 1 else layers.softmax(z, axis=1)
        return z, t, kept

    def check_targets(self, output_shape: tuple[int, ...], y_true: Array) -> None:
        low, high = value_range(y_true)
        several = len(y_true.shape) == len(output_shape) - 1 and output_shape[1] > 1
        most = output_shape[1] - 1 if several else 1
        if low < 0 or high > most:
            raise DataError(
                f"{self.label}: targets range from {low:g} to {high:g}, expected values in [0, {most}]",
                hint="1 marks the region and 0 the rest; or give class numbers and one output for each class",
            )


def _counts(p: Array, t: Array, kept: Array | None) -> list[Array]:
    """Soft true positives, false positives and false negatives: (batch, classes) each."""
    xp = array_namespace(p, t)
    hit = xp.multiply(p, t)
    counts = [hit, xp.subtract(p, hit), xp.subtract(t, hit)]
    if kept is not None:
        counts = [xp.where(kept, c, xp.zeros_like(c)) for c in counts]
    return [xp.sum(c, axis=2) for c in counts]


@dataclass(frozen=True)
class Dice(RegionLoss):
    """Soft Dice loss: ``1 - (2 sum p t + s) / (sum p + sum t + s)``, p the probabilities.

    One minus twice the overlap over the sizes of both regions, so it does not care how much background there
    is. Shapes and options are those of :class:`Tversky`, without alpha and beta.

    Source: Milletari et al. 2016, "V-Net", arXiv:1606.04797, with the sums of p and t in place of those of
    their squares, as is usual since.

    >>> import numpy as np
    >>> float(Dice(smooth=0.0, from_logits=False)(np.asarray([[1.0, 1.0]]), np.asarray([[1, 0]])).round(6))
    0.333333
    """

    label: ClassVar[str] = "dice"

    def costs(self) -> tuple[float, float]:
        return 0.5, 0.5

    def _lost_share(self, counts: list[Array]) -> Array:
        # (fp + fn) / (2 tp + fp + fn + s), so the smoothing is added to twice the overlap.
        tp, fp, fn = counts
        xp = array_namespace(tp)
        missed = xp.add(fp, fn)
        whole = xp.add(xp.add(xp.multiply(2.0, tp), missed), float(self.smooth))
        return xp.divide(missed, xp.where(xp.greater(whole, 0), whole, xp.ones_like(whole)))


@dataclass(frozen=True)
class IoU(RegionLoss):
    """Soft Jaccard loss, intersection over union: ``1 - (sum p t + s) / (sum p + sum t - sum p t + s)``.

    Shapes and options are those of :class:`Tversky`, without alpha and beta.

    Source: Rahman and Wang 2016, "Optimizing intersection-over-union in deep neural networks".

    >>> import numpy as np
    >>> float(IoU(smooth=0.0, from_logits=False)(np.asarray([[1.0, 1.0]]), np.asarray([[1, 0]])))
    0.5
    """

    label: ClassVar[str] = "iou"

    def costs(self) -> tuple[float, float]:
        return 1.0, 1.0


@dataclass(frozen=True)
class Tversky(RegionLoss):
    """Tversky loss: ``1 - (tp + s) / (tp + alpha fp + beta fn + s)``, of the soft counts.

    ``tp = sum p t``, ``fp = sum p (1 - t)``, ``fn = sum (1 - p) t``. With beta > alpha what is missed costs
    more than what is too much: for small regions. alpha = beta = 1/2 is Dice with half the smoothing,
    1 and 1 is IoU.

    Args:
        smooth: s >= 0 elements, added above and below; default 1. With 0, nothing predicted where nothing is
            costs 0 too.
        from_logits: whether y_pred holds logits (default) or probabilities.
        batch: whether the counts run over the whole batch and not over each example, which is steadier where
            many examples hold no region; default ``False``.
        alpha: what a false positive costs, >= 0; default 0.3.
        beta: what a false negative costs, >= 0; default 0.7.

    Args (of the call):
        y_pred: (batch, ...) with y_true of the same shape, or (batch, 1, ...): a sigmoid for each element,
            and each example is one region. Or (batch, classes, ...) with class numbers (batch, ...), an
            integer array: softmax over axis 1, and the mean over the regions of the classes.
        y_true: in [0, 1], or class numbers.
        mask: the elements that count; over y_true or its first axes.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.

    Source: Salehi et al. 2017, arXiv:1706.05721, whose best are the defaults.

    >>> import numpy as np
    >>> loss = Tversky(smooth=0.0, from_logits=False, alpha=0.3, beta=0.7)
    >>> float(loss(np.asarray([[1.0, 1.0, 0.0]]), np.asarray([[1, 0, 1]])).round(6))
    0.5
    """

    label: ClassVar[str] = "tversky"
    alpha: float = 0.3
    beta: float = 0.7

    def check_options(self) -> None:
        super().check_options()
        check_number(type(self).__name__, "alpha", self.alpha, least=0)
        check_number(type(self).__name__, "beta", self.beta, least=0)

    def costs(self) -> tuple[float, float]:
        return float(self.alpha), float(self.beta)


@dataclass(frozen=True)
class FocalTversky(Tversky):
    """Focal Tversky loss: ``(1 - (tp + s) / (tp + alpha fp + beta fn + s))^gamma``, of each region.

    Below 1 it steepens the loss of regions that are nearly right, above 1 that of those that are not.

    Args:
        gamma: > 0; default 0.75, the paper's, which writes it as an exponent of 1 over 4/3.

    The other options and the shapes are those of :class:`Tversky`.

    Source: Abraham and Khan 2019, arXiv:1810.07842.

    >>> import numpy as np
    >>> loss = FocalTversky(smooth=0.0, from_logits=False, gamma=2.0)
    >>> float(loss(np.asarray([[1.0, 1.0, 0.0]]), np.asarray([[1, 0, 1]])).round(6))
    0.25
    """

    label: ClassVar[str] = "focal_tversky"
    gamma: float = 0.75

    def check_options(self) -> None:
        super().check_options()
        check_number("FocalTversky", "gamma", self.gamma, above=0)

    def of_share(self, lost: Array) -> Array:
        # A region that is exactly right costs 0 with gradient 0, where the slope of the power is infinite.
        xp = array_namespace(lost)
        wrong = xp.greater(lost, 0)
        power = xp.pow(xp.where(wrong, lost, xp.ones_like(lost)), float(self.gamma))
        return xp.where(wrong, power, xp.zeros_like(power))

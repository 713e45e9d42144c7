"""How much of two surfaces lies close together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import array_api_compat

from learnkit.backends import Array, array_namespace
from learnkit.checks import check_flag, check_number
from learnkit.errors import ShapeError
from learnkit.metrics import Metric
from learnkit_medical.distance import check_spacing, neighbours, spacing_for, squared_distance

__all__ = ["SurfaceDice", "surfaces"]


@dataclass(frozen=True)
class SurfaceDice(Metric):
    """Normalised surface Dice: the share of two surfaces that lies within a tolerance of the other one.

    ::

        (#{a in A: d(a, B) <= tolerance} + #{b in B: d(b, A) <= tolerance}) / (#A + #B)

    A and B are the surfaces of the predicted and of the true region: its pixels that share a side with one
    outside, or with the edge of the image. In [0, 1], and 0 where only one of them is there; the mean over
    images and regions, without those that have neither. No region at all gives NaN.

    Args:
        tolerance: the distance that is no error, >= 0, in the unit of the spacing; default 1.
        spacing: the size of a pixel along each axis of space; default 1 each.
        threshold: the probability above which a pixel belongs to the region, in (0, 1), where there is one
            score for each; default 0.5.
        from_logits: whether such scores are logits (default) or probabilities.
        include_background: whether class 0 of several is a region too; default ``False``.

    Args (of the call):
        y_pred: scores. (batch, classes, *space) with class numbers: the largest wins, of equal ones the
            first. Or (batch, *space), or (batch, 1, *space).
        y_true: class numbers (batch, *space); or the region where values are above 1/2.
        sample_weight: (batch,), how much an image counts in the mean.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.

    Source: Nikolov et al. 2018, "Deep learning to achieve clinically applicable segmentation of head and
    neck anatomy for radiotherapy", arXiv:1809.04430, with a count of pixels in place of the area of a
    surface between them, as in MONAI's SurfaceDiceMetric.

    >>> import numpy as np
    >>> truth = np.asarray([[[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]])
    >>> guess = np.asarray([[[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]])
    >>> SurfaceDice(tolerance=0.0, from_logits=False)(guess * 1.0, truth).__round__(6)  # (2 + 2) / (2 + 4)
    0.666667
    >>> SurfaceDice(tolerance=1.0, from_logits=False)(guess * 1.0, truth)
    1.0
    """

    tolerance: float = 1.0
    spacing: tuple[float, ...] | None = None
    threshold: float = 0.5
    from_logits: bool = True
    include_background: bool = False

    def __post_init__(self) -> None:
        owner = type(self).__name__
        check_number(owner, "tolerance", self.tolerance, least=0)
        check_spacing(self)
        check_number(owner, "threshold", self.threshold, above=0, below=1)
        check_flag(owner, "from_logits", self.from_logits)
        check_flag(owner, "include_background", self.include_background)

    def sums(self, y_pred: Array, y_true: Array, sample_weight: Array | None = None) -> tuple[Array, ...]:
        spacing = spacing_for("SurfaceDice", self.spacing, tuple(y_true.shape))
        guess, truth = self._regions(y_pred, y_true)
        xp = array_namespace(guess)
        n, regions, *space = guess.shape
        spacing = spacing[-len(space) :]
        flat = (n * regions, *space)
        a, b = (surfaces(xp.reshape(region, flat)) for region in (guess, truth))
        close = xp.add(self._close(a, b, spacing), self._close(b, a, spacing))
        both = xp.add(_count(a), _count(b))
        there = xp.greater(both, 0)
        share = xp.divide(close, xp.where(there, both, xp.ones_like(both)))
        counts = xp.astype(there, xp.float64)
        if sample_weight is not None:
            if tuple(sample_weight.shape) != (n,):
                raise ShapeError(
                    f"SurfaceDice: sample_weight has shape {tuple(sample_weight.shape)}, expected {(n,)}"
                )
            each = xp.expand_dims(xp.astype(sample_weight, xp.float64, copy=False), axis=1)
            counts = xp.multiply(counts, xp.reshape(xp.broadcast_to(each, (n, regions)), (n * regions,)))
        return xp.sum(xp.multiply(share, counts)), xp.sum(counts)

    def compute(self, sums: tuple[Any, ...]) -> float:
        share, n = sums
        return share / n if n else math.nan

    def _close(self, a: Array, b: Array, spacing: tuple[float, ...]) -> Array:
        """How many pixels of the surfaces a are within the tolerance of b, (images,)."""
        xp = array_namespace(a)
        near = xp.isfinite(squared_distance(b, spacing, float(self.tolerance), xp.float64))
        return _count(xp.logical_and(a, near))

    def _regions(self, y_pred: Array, y_true: Array) -> tuple[Array, Array]:
        """Predicted and true regions, (batch, regions, *space) booleans."""
        predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
        n, space = wanted[:1], wanted[1:]
        xp = array_namespace(y_pred, y_true)
        if predicted in (wanted, (*n, 1, *space)):
            if len(space) > 1 and space[0] == 1:  # an axis of channels, along which all would be at the edge
                space = space[1:]
            p = float(self.threshold)
            cut = math.log(p / (1.0 - p)) if self.from_logits else p
            truth = y_true
            if not xp.isdtype(truth.dtype, "bool"):
                truth = xp.greater(truth, 0 if xp.isdtype(truth.dtype, "integral") else 0.5)
            one = (*n, 1, *space)
            return xp.reshape(xp.greater(y_pred, cut), one), xp.reshape(truth, one)
        several = len(predicted) == len(wanted) + 1 and predicted[:1] + predicted[2:] == wanted
        if several and xp.isdtype(y_true.dtype, "integral"):
            first = 0 if self.include_background else 1
            device = array_api_compat.device(y_true)
            numbers = xp.arange(first, predicted[1], dtype=xp.int64, device=device)
            numbers = xp.reshape(numbers, (1, -1, *(1 for _ in space)))
            chosen = xp.astype(xp.argmax(y_pred, axis=1, keepdims=True), xp.int64, copy=False)
            labels = xp.astype(xp.expand_dims(y_true, axis=1), xp.int64, copy=False)
            return xp.equal(chosen, numbers), xp.equal(labels, numbers)
        raise ShapeError(
            f"SurfaceDice: y_pred has shape {predicted} and y_true {wanted} of {y_true.dtype}, expected "
            "equal shapes, or (batch, classes, ...) and class numbers (batch, ...)"
        )


def surfaces(regions: Array) -> Array:
    """The pixels of each region that share a side with one outside of it, or with the edge of the image.

    Args:
        regions: booleans (images, *space).
    """
    xp = array_namespace(regions)
    shape = tuple(regions.shape)
    inside = regions
    for axis in range(1, len(shape)):
        before, after = neighbours(regions, axis)
        edge = xp.zeros(
            (*shape[:axis], min(shape[axis], 1), *shape[axis + 1 :]),
            dtype=xp.bool,
            device=array_api_compat.device(regions),
        )
        inside = xp.logical_and(inside, xp.concat([edge, before], axis=axis))
        inside = xp.logical_and(inside, xp.concat([after, edge], axis=axis))
    return xp.logical_and(regions, xp.logical_not(inside))


def _count(x: Array) -> Any:
    """How many are true in each image, as float64."""
    xp = array_namespace(x)
    n = x.shape[0]
    size = math.prod(x.shape[1:])
    return xp.sum(xp.astype(xp.reshape(x, (n, size)), xp.float64), axis=1)

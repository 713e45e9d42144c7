"""Cross-entropy that weighs the pixels near a border of the true regions."""

from __future__ import annotations

from dataclasses import dataclass

import array_api_compat

from learnkit.autodiff import plain_value
from learnkit.backends import Array, array_namespace
from learnkit.checks import check_integer, check_number
from learnkit.losses import BinaryCrossEntropy, CrossEntropy, Loss
from learnkit.losses.base import as_mask, mean_over_example, spread
from learnkit_medical.distance import check_spacing, neighbours, spacing_for, squared_distance

__all__ = ["BoundaryCrossEntropy", "borders"]


@dataclass(frozen=True)
class BoundaryCrossEntropy(Loss):
    """Cross-entropy of each pixel, times ``w = 1 + w0 exp(-d^2 / (2 sigma^2))``.

    d is the Euclidean distance of the pixel to the nearest border pixel of the target, one that shares a
    side with a pixel of another class; on a border d = 0 and w = 1 + w0. The mean is over pixels, not
    divided by the sum of the weights, so that an image with more border counts more.

    Args:
        w0: what a border adds to the weight, >= 0; default 10.
        sigma: how far from a border it is felt, > 0, in the unit of the spacing; default 5.
        spacing: the size of a pixel along each axis of space, such as ``(2.5, 0.8, 0.8)`` mm for slices;
            default 1 each.
        truncate: beyond so many sigmas the weight is 1, > 0; default 4, where it is 1 + 0.0003 w0. The
            time for the weights grows with ``truncate * sigma``.
        ignore_index: pixels of this class number do not count and have no border; default -100; ``None``
            for no such number.

    Args (of the call):
        y_pred: logits. (batch, classes, *space) with class numbers: softmax over axis 1. Or (batch, *space),
            or (batch, 1, *space), with targets in [0, 1]: a sigmoid for each pixel.
        y_true: class numbers, an integer array (batch, *space); or values in [0, 1], with the region where
            they are above 1/2. All axes after the batch are space, one, two, three or more.
        mask: the pixels that count; those that do not have no border either.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.

    Source: Ronneberger et al. 2015, "U-Net", arXiv:1505.04597, equations 1 and 2, whose defaults these are;
    with the distance to the nearest border in place of the sum of those to the two nearest cells, which
    needs the cells one by one, and with 1 for the weight of the classes.

    >>> import numpy as np
    >>> loss = BoundaryCrossEntropy(w0=1.0, sigma=1.0)
    >>> target = np.asarray([[0, 0, 1, 1, 1]])               # an image of one row; its border is 0 1
    >>> values = BoundaryCrossEntropy(w0=1.0, sigma=1.0, reduction="none")(np.zeros((1, 5)), target)
    >>> (values / np.log(2)).round(3).tolist()
    [[1.607, 2.0, 2.0, 1.607, 1.135]]
    """

    w0: float = 10.0
    sigma: float = 5.0
    spacing: tuple[float, ...] | None = None
    truncate: float = 4.0
    ignore_index: int | None = -100

    def check_options(self) -> None:
        owner = type(self).__name__
        check_number(owner, "w0", self.w0, least=0)
        check_number(owner, "sigma", self.sigma, above=0)
        check_number(owner, "truncate", self.truncate, above=0)
        check_spacing(self)
        if self.ignore_index is not None:
            check_integer(owner, "ignore_index", self.ignore_index)

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        return mean_over_example(self.terms(y_pred, y_true)[0])

    def terms(self, y_pred: Array, y_true: Array, mask: Array | None = None) -> tuple[Array, Array | None]:
        shape = tuple(y_true.shape)
        if tuple(y_pred.shape) == (*shape[:1], 1, *shape[1:]):
            y_pred = array_namespace(y_pred).reshape(y_pred, shape)
        kept = self._kept(plain_value(y_true), mask)
        pixels: Loss = BinaryCrossEntropy()
        if tuple(y_pred.shape) != shape:
            pixels = CrossEntropy(ignore_index=None)
        values, counts = pixels.terms(y_pred, y_true, kept)
        weights = self.weights(plain_value(y_true), kept, plain_value(values).dtype)
        return array_namespace(values, weights).multiply(values, weights), counts

    def check_targets(self, output_shape: tuple[int, ...], y_true: Array) -> None:
        shape = tuple(y_true.shape)
        if tuple(output_shape) in (shape, (*shape[:1], 1, *shape[1:])):
            xp = array_namespace(y_true)
            if self.ignore_index is not None and xp.isdtype(y_true.dtype, "integral"):
                y_true = xp.where(self._kept(y_true, None), y_true, xp.zeros_like(y_true))
            BinaryCrossEntropy().check_targets(shape, y_true)
        else:
            CrossEntropy(ignore_index=self.ignore_index).check_targets(output_shape, y_true)

    def weights(self, y_true: Array, kept: Array | None, dtype: object) -> Array:
        """The weight of each pixel, (batch, *space)."""
        spacing = spacing_for("BoundaryCrossEntropy", self.spacing, tuple(y_true.shape))
        xp = array_namespace(y_true)
        classes = y_true if xp.isdtype(y_true.dtype, ("integral", "bool")) else xp.greater(y_true, 0.5)
        squares = squared_distance(borders(classes, kept), spacing, self.truncate * self.sigma, dtype)
        near = xp.exp(xp.multiply(squares, -0.5 / float(self.sigma) ** 2))
        return xp.add(xp.multiply(near, float(self.w0)), 1.0)

    def _kept(self, y_true: Array, mask: Array | None) -> Array | None:
        """The pixels that count, (batch, *space) booleans, or ``None`` for all."""
        shape = tuple(y_true.shape)
        kept = None
        if mask is not None:
            kept = spread(as_mask(mask), shape, "mask")
            kept = array_namespace(kept).broadcast_to(kept, shape)
        xp = array_namespace(y_true)
        if self.ignore_index is None or not xp.isdtype(y_true.dtype, "integral"):
            return kept
        # Small and unsigned integers cannot hold every number that may be given.
        wide = xp.astype(y_true, xp.int64, copy=False)
        counted = xp.not_equal(wide, self.ignore_index)
        return counted if kept is None else xp.logical_and(kept, counted)


def borders(classes: Array, kept: Array | None = None) -> Array:
    """The pixels that share a side with one of another class, (batch, *space) booleans.

    Args:
        classes: (batch, *space), integers or booleans.
        kept: where they are known; a side to a pixel that is not known is no border.
    """
    xp = array_namespace(classes)
    shape = tuple(classes.shape)
    found = xp.zeros(shape, dtype=xp.bool, device=array_api_compat.device(classes))
    for axis in range(1, len(shape)):
        if shape[axis] < 2:
            continue
        differ = xp.not_equal(*neighbours(classes, axis))
        if kept is not None:
            differ = xp.logical_and(differ, xp.logical_and(*neighbours(kept, axis)))
        none = xp.zeros(
            (*shape[:axis], 1, *shape[axis + 1 :]), dtype=xp.bool, device=array_api_compat.device(classes)
        )
        found = xp.logical_or(found, xp.concat([differ, none], axis=axis))
        found = xp.logical_or(found, xp.concat([none, differ], axis=axis))
    return found

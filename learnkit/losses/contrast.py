"""NT-Xent: an example against all others of its batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import check_number
from learnkit.errors import ShapeError
from learnkit.losses.base import Loss, as_mask, hide, spread

__all__ = ["NTXent"]


@dataclass(frozen=True)
class NTXent(Loss):
    """Normalised temperature-scaled cross-entropy, the loss of SimCLR, and of its kin with labels.

    An anchor i and a positive j cost ``-s_ij + log(exp(s_ij) + sum_n exp(s_in))``, with
    ``s_ij = cos(z_i, z_j) / temperature`` and n over all embeddings that are no positive of i. The mean is
    that over all pairs (i, j); anchors without a positive do not count. An embedding of 0 has the cosine 0
    with all others.

    Args:
        temperature: > 0; default 0.07, Optax's. SimCLR takes 0.1 to 0.5.

    Args (of the call):
        y_pred: (batch, 2, features): two views of each example, each the positive of the other; the loss of
            an example is the mean of both. Or (batch, features), with the class of each in y_true; its
            positives are the others of that class.
        y_true: not used for two views, and may be ``None``; else integers (batch,).
        mask: (batch,); what is masked is no negative of the others either.

    Raises:
        ArgumentError: ``temperature`` is out of range.
        ShapeError: the shapes do not fit.

    Source: Chen et al. 2020, "SimCLR", arXiv:2002.05709; for labels the form of Optax's ntxent.

    >>> import numpy as np
    >>> views = np.asarray([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
    >>> float(NTXent(temperature=1.0)(views, None).round(6))  # -1 + log(e + 1 + 1)
    0.551445
    """

    label: ClassVar[str] = "nt_xent"
    temperature: float = 0.07

    def check_options(self) -> None:
        check_number("NTXent", "temperature", self.temperature, above=0)

    def per_example(self, y_pred: Array, y_true: Array | None = None) -> Array:
        return self.terms(y_pred, y_true)[0]

    def __call__(
        self,
        y_pred: Array,
        y_true: Array | None = None,
        sample_weight: Array | None = None,
        mask: Array | None = None,
    ) -> Array:
        return super().__call__(y_pred, y_true, sample_weight, mask)

    def terms(
        self, y_pred: Array, y_true: Array | None, mask: Array | None = None
    ) -> tuple[Array, Array | None]:
        shape = tuple(y_pred.shape)
        n = shape[0] if shape else 0
        views = len(shape) == 3 and shape[1] == 2
        if not views and (len(shape) != 2 or y_true is None or tuple(y_true.shape) not in ((n,), (n, 1))):
            given = None if y_true is None else tuple(y_true.shape)
            raise ShapeError(
                f"nt_xent: y_pred has shape {shape} and y_true {given}, expected (batch, 2, features), or "
                "(batch, features) and classes (batch,)"
            )
        kept = None if mask is None else spread(as_mask(mask), (n,), "mask")
        if kept is not None:
            y_pred = hide(y_pred, kept)
        xp = array_namespace(y_pred)
        if n == 0:
            return xp.sum(y_pred, axis=tuple(range(1, len(shape)))), None
        z = xp.reshape(y_pred, (2 * n, shape[2])) if views else y_pred
        classes = self._classes(z, None if views else y_true)
        plain: Any = array_namespace(classes)
        same = plain.equal(plain.expand_dims(classes, axis=1), plain.expand_dims(classes, axis=0))
        index = plain.arange(z.shape[0], device=array_api_compat.device(classes))
        itself = plain.equal(plain.expand_dims(index, axis=1), plain.expand_dims(index, axis=0))
        positive = plain.logical_and(same, plain.logical_not(itself))
        negative = plain.logical_not(same)
        if kept is not None:
            both = plain.reshape(plain.stack([kept, kept], axis=1), (2 * n,)) if views else kept
            both = plain.logical_and(plain.expand_dims(both, axis=1), plain.expand_dims(both, axis=0))
            positive, negative = plain.logical_and(positive, both), plain.logical_and(negative, both)
        losses, count = self._of_anchors(z, positive, negative)
        if not views:
            return losses, count
        kept_weight = None if kept is None else plain.astype(kept, losses.dtype)
        return xp.mean(xp.reshape(losses, (n, 2)), axis=1), kept_weight

    @staticmethod
    def _classes(z: Array, y_true: Array | None) -> Array:
        if y_true is not None:
            return array_namespace(y_true).reshape(y_true, (z.shape[0],))
        plain = array_namespace(z)
        pair = plain.arange(z.shape[0], dtype=plain.int64, device=array_api_compat.device(z))
        return plain.floor_divide(pair, 2)

    def _of_anchors(self, z: Array, positive: Array, negative: Array) -> tuple[Array, Array]:
        """The sum over the positives of each anchor, and how many it has."""
        xp = array_namespace(z)
        plain = array_namespace(positive)
        square = xp.sum(xp.square(z), axis=1, keepdims=True)
        nothing = xp.equal(square, 0)
        unit = xp.divide(z, xp.sqrt(xp.where(nothing, xp.ones_like(square), square)))
        s = xp.divide(xp.matmul(unit, xp.permute_dims(unit, (1, 0))), float(self.temperature))
        # The logarithm of the sum over the negatives; without any, exp of the floor is 0.
        floor = xp.full_like(s, -1e30)
        masked = xp.where(negative, s, floor)
        top = xp.max(masked, axis=1, keepdims=True)
        total = xp.sum(xp.exp(xp.subtract(masked, top)), axis=1, keepdims=True)
        against = xp.add(top, xp.log(total))
        each = xp.subtract(xp.logaddexp(s, xp.broadcast_to(against, tuple(s.shape))), s)
        each = xp.where(positive, each, xp.zeros_like(each))
        return xp.sum(each, axis=1), plain.sum(plain.astype(positive, z.dtype), axis=1)

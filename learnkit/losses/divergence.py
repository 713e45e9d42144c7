"""Divergences between a predicted and a given probability distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.autodiff.rules import layers
from learnkit.autodiff.rules.special import SPECIAL
from learnkit.backends.base import Array, array_namespace, size_of
from learnkit.checks import check_flag
from learnkit.errors import ShapeError
from learnkit.losses.base import Loss, as_mask, hide, same_shape, spread

__all__ = ["JSDivergence", "KLDivergence"]

xlogy: Any = SPECIAL["xlogy"]


@dataclass(frozen=True)
class DivergenceLoss(Loss):
    """Base of losses between distributions along the last axis, summed over an example.

    The mean divides by the number of examples, PyTorch's "batchmean". A mask marks distributions: it has the
    shape of y_pred without the last axis, or its first axes. An example without a marked one does not count.
    """

    label: ClassVar[str] = "divergence"

    def of_distributions(self, y_pred: Array, y_true: Array) -> Array:
        """The divergence of each distribution: (..., classes) -> (...)."""
        raise TypeError(f"{type(self).__name__} defines no of_distributions(self, y_pred, y_true)")

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        return self.terms(y_pred, y_true)[0]

    def terms(self, y_pred: Array, y_true: Array, mask: Array | None = None) -> tuple[Array, Array | None]:
        if len(y_pred.shape) < 2 or y_pred.shape != y_true.shape:
            raise ShapeError(
                f"{self.label}: y_pred has shape {tuple(y_pred.shape)} and y_true {tuple(y_true.shape)}, "
                "expected equal shapes (batch, classes): a distribution for each example"
            )
        y_pred, y_true = same_shape(y_pred, y_true, self.label)
        kept = None
        if mask is not None:
            kept = spread(as_mask(mask), tuple(y_pred.shape)[:-1], "mask")
            y_pred, y_true = hide(y_pred, kept), hide(y_true, kept)
        values = self.of_distributions(y_pred, y_true)
        if kept is not None:
            values = hide(values, kept)
        shape = tuple(values.shape)
        if len(shape) > 1:
            xp = array_namespace(values)
            values = xp.sum(xp.reshape(values, (shape[0], size_of(shape[1:]))), axis=1)
        if kept is None:
            return values, None
        xp = array_namespace(kept)
        counted = xp.any(xp.reshape(kept, (shape[0], size_of(tuple(kept.shape)[1:]))), axis=1)
        return values, xp.astype(counted, values.dtype)


@dataclass(frozen=True)
class KLDivergence(DivergenceLoss):
    """Kullback-Leibler divergence of the predicted distribution q from the given one p:
    ``sum_c p_c (log p_c - log q_c)``, and 0 where p_c is 0.

    The mean divides by the number of examples (PyTorch's ``reduction="batchmean"``, its "mean" being 1 / K of
    it).

    Args:
        log_target: whether y_true holds log p and not p; default ``False``.
        from_logits: whether y_pred holds logits (default), of which the log-softmax is taken, or log q as in
            PyTorch. For a log q that is normalised both give the same value.

    Args (of the call):
        y_pred: (batch, ..., classes).
        y_true: of the same shape.

    Raises:
        ShapeError: the shapes differ.

    Source: PyTorch's KLDivLoss.

    >>> import numpy as np
    >>> float(KLDivergence()(np.asarray([[0.0, 0.0]]), np.asarray([[1.0, 0.0]])).round(6))  # log 2
    0.693147
    """

    label: ClassVar[str] = "kl_divergence"
    log_target: bool = False
    from_logits: bool = True

    def check_options(self) -> None:
        check_flag("KLDivergence", "log_target", self.log_target)
        check_flag("KLDivergence", "from_logits", self.from_logits)

    def of_distributions(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        log_q = layers.log_softmax(y_pred) if self.from_logits else y_pred
        if not self.log_target:
            # A class that both exclude costs 0, and not 0 times infinity.
            excluded = xp.logical_and(xp.equal(y_true, 0), xp.equal(log_q, -math.inf))
            log_q = xp.where(excluded, xp.zeros_like(log_q), log_q)
            return xp.sum(xp.subtract(xlogy(y_true, y_true), xp.multiply(y_true, log_q)), axis=-1)
        impossible = xp.equal(y_true, -math.inf)
        log_p = xp.where(impossible, xp.zeros_like(y_true), y_true)
        each = xp.multiply(xp.exp(log_p), xp.subtract(log_p, log_q))
        return xp.sum(xp.where(impossible, xp.zeros_like(each), each), axis=-1)


@dataclass(frozen=True)
class JSDivergence(DivergenceLoss):
    """Jensen-Shannon divergence: ``KL(p | m) / 2 + KL(q | m) / 2`` with ``m = (p + q) / 2``, in [0, log 2].

    Symmetric and bounded, so a target that is impossible for the model costs log 2 and not infinity. The mean
    divides by the number of examples.

    Args:
        from_logits: whether y_pred holds logits (default) or the probabilities q.

    Args (of the call):
        y_pred: (batch, ..., classes).
        y_true: the probabilities p, of the same shape.

    Raises:
        ShapeError: the shapes differ.

    Source: Lin 1991, "Divergence measures based on the Shannon entropy"; natural logarithm.

    >>> import numpy as np
    >>> float(JSDivergence()(np.asarray([[1e4, 0.0]]), np.asarray([[0.0, 1.0]])).round(6))  # log 2
    0.693147
    """

    label: ClassVar[str] = "js_divergence"
    from_logits: bool = True

    def check_options(self) -> None:
        check_flag("JSDivergence", "from_logits", self.from_logits)

    def of_distributions(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        if self.from_logits:
            q = layers.softmax(y_pred)
            entropy = xp.multiply(q, layers.log_softmax(y_pred))
        else:
            q = y_pred
            entropy = xlogy(q, q)
        m = xp.multiply(0.5, xp.add(y_true, q))
        each = xp.subtract(xp.multiply(0.5, xp.add(xlogy(y_true, y_true), entropy)), xlogy(m, m))
        return xp.sum(each, axis=-1)

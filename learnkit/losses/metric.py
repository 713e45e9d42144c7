"""Losses of distances and scores, which compare examples with each other and not with a target value.

The embeddings of the two or three inputs that belong together are stacked along axis 1 of ``y_pred``: a model
that embeds x of shape (2 n, ...) is followed by a reshape of its output to (n, 2, features). The functions
``triplet_margin``, ``contrastive``, ``cosine_embedding`` and ``margin_ranking`` take them as separate arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import check_flag, check_number
from learnkit.errors import ShapeError
from learnkit.losses.base import Loss
from learnkit.losses.margin import positive_part, sign_of

__all__ = [
    "Contrastive",
    "CosineEmbedding",
    "MarginRanking",
    "Triplet",
    "contrastive",
    "cosine_embedding",
    "margin_ranking",
    "triplet_margin",
]

#: What PyTorch's cosine_embedding_loss adds to both squared norms.
_COSINE_EPS = 1e-12


def _distance(x1: Array, x2: Array, p: float, eps: float) -> Array:
    """``(sum_k |x1_k - x2_k + eps|^p)^(1/p)``; the subgradient of no distance is 0."""
    xp = array_namespace(x1, x2)
    d = xp.add(xp.subtract(x1, x2), eps)
    if p == 1:
        return xp.sum(xp.abs(d), axis=-1)
    if p == 2:
        total = xp.sum(xp.square(d), axis=-1)
    else:
        a = xp.abs(d)
        nothing = xp.equal(a, 0)
        powers = xp.pow(xp.where(nothing, xp.ones_like(a), a), p)
        total = xp.sum(xp.where(nothing, xp.zeros_like(a), powers), axis=-1)
    apart = xp.greater(total, 0)
    safe = xp.where(apart, total, xp.ones_like(total))
    root = xp.sqrt(safe) if p == 2 else xp.pow(safe, 1.0 / p)
    return xp.where(apart, root, xp.zeros_like(root))


def triplet_margin(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
) -> Array:
    """:class:`Triplet` of three arrays (..., features): the loss of each triple, (...).

    >>> import numpy as np
    >>> triplet_margin(np.zeros((1, 2)), np.zeros((1, 2)), np.ones((1, 2)), margin=2.0).round(4)
    array([0.5858])
    """
    xp = array_namespace(anchor, positive, negative)
    near, far = _distance(anchor, positive, p, eps), _distance(anchor, negative, p, eps)
    if swap:
        far = xp.minimum(far, _distance(positive, negative, p, eps))
    return positive_part(xp.add(xp.subtract(near, far), margin))


def contrastive(x1: Array, x2: Array, similar: Array, *, margin: float = 1.0, half: bool = False) -> Array:
    """:class:`Contrastive` of two arrays (..., features): the loss of each pair, (...).

    >>> import numpy as np
    >>> contrastive(np.zeros((2, 2)), np.ones((2, 2)) * 0.3, np.asarray([1.0, 0.0])).round(4)
    array([0.18  , 0.3315])
    """
    xp: Any = array_namespace(x1, x2)
    square = xp.sum(xp.square(xp.subtract(x1, x2)), axis=-1)
    lack = xp.square(positive_part(xp.subtract(margin, _distance(x1, x2, 2.0, 0.0))))
    own = array_namespace(similar)
    alike = own.greater(similar, 0)
    loss = xp.where(alike, square, lack)
    return xp.multiply(0.5, loss) if half else loss


def cosine_embedding(x1: Array, x2: Array, y_true: Array, *, margin: float = 0.0) -> Array:
    """:class:`CosineEmbedding` of two arrays (..., features): the loss of each pair, (...).

    >>> import numpy as np
    >>> cosine_embedding(np.asarray([[1.0, 0.0]]), np.asarray([[0.0, 2.0]]), np.asarray([1]))
    array([1.])
    """
    cosine = _cosine(x1, x2)
    xp = array_namespace(cosine)
    alike = array_namespace(y_true).greater(y_true, 0)
    return xp.where(alike, xp.subtract(1.0, cosine), positive_part(xp.subtract(cosine, margin)))


def _cosine(x1: Array, x2: Array) -> Array:
    xp = array_namespace(x1, x2)
    inner = xp.sum(xp.multiply(x1, x2), axis=-1)
    # Each root by itself: the product of two squared norms overflows where the vectors do not.
    n1, n2 = (xp.sqrt(xp.add(xp.sum(xp.square(x), axis=-1), _COSINE_EPS)) for x in (x1, x2))
    return xp.divide(xp.divide(inner, n1), n2)


def margin_ranking(x1: Array, x2: Array, y_true: Array, *, margin: float = 0.0) -> Array:
    """:class:`MarginRanking` of two arrays of scores of one shape: the loss of each pair.

    >>> import numpy as np
    >>> margin_ranking(np.asarray([1.0, 1.0]), np.asarray([3.0, 3.0]), np.asarray([1, -1]))
    array([2., 0.])
    """
    xp = array_namespace(x1, x2)
    y = sign_of(array_namespace(y_true).astype(y_true, x1.dtype, copy=False))
    gap = xp.multiply(xp.negative(y), xp.subtract(x1, x2))
    return positive_part(xp.add(gap, margin))


@dataclass(frozen=True)
class Triplet(Loss):
    """Triplet margin loss: ``max(0, d(a, p) - d(a, n) + margin)`` of an anchor a, a positive p of its kind
    and a negative n of another, with ``d(x, y) = |x - y + eps|_p``.

    Args:
        margin: > 0; default 1.
        p: of the norm, >= 1; default 2.
        eps: >= 0, default 1e-6, PyTorch's, which keeps the distance of equal vectors off 0.
        swap: take the smaller of d(a, n) and d(p, n); default ``False``.

    Args (of the call):
        y_pred: (batch, 3, features): anchor, positive, negative.
        y_true: not used; ``None``, or anything with a row for each triple.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: y_pred has another shape.

    Source: Schroff et al. 2015, "FaceNet", arXiv:1503.03832, and Balntas et al. 2016 for the swap; PyTorch's
    TripletMarginLoss.

    >>> import numpy as np
    >>> float(Triplet(margin=2.0)(np.asarray([[[0.0], [0.0], [1.0]]]), None).round(5))
    1.0
    """

    label: ClassVar[str] = "triplet"
    margin: float = 1.0
    p: float = 2.0
    eps: float = 1e-6
    swap: bool = False

    def check_options(self) -> None:
        check_number("Triplet", "margin", self.margin, above=0)
        check_number("Triplet", "p", self.p, least=1)
        check_number("Triplet", "eps", self.eps, least=0)
        check_flag("Triplet", "swap", self.swap)

    def per_example(self, y_pred: Array, y_true: Array | None = None) -> Array:
        anchor, positive, negative = _stacked(self.label, y_pred, 3, "anchor, positive and negative")
        return triplet_margin(
            anchor,
            positive,
            negative,
            margin=float(self.margin),
            p=float(self.p),
            eps=float(self.eps),
            swap=self.swap,
        )

    def __call__(
        self,
        y_pred: Array,
        y_true: Array | None = None,
        sample_weight: Array | None = None,
        mask: Array | None = None,
    ) -> Array:
        return super().__call__(y_pred, y_true, sample_weight, mask)


@dataclass(frozen=True)
class Contrastive(Loss):
    """Contrastive loss of pairs at the distance D: ``y D^2 + (1 - y) max(0, margin - D)^2``, y = 1 if alike.

    Args:
        margin: > 0; default 1.
        half: with the factor 1/2 of the paper; default ``False``, as in TensorFlow Addons.

    Args (of the call):
        y_pred: (batch, 2, features): the two embeddings.
        y_true: (batch,): 1 for pairs that are alike, 0 (or -1) for others. (The paper's Y is the other way
            round.)

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.

    Source: Hadsell, Chopra and LeCun 2006, "Dimensionality reduction by learning an invariant mapping".

    >>> import numpy as np
    >>> pairs = np.asarray([[[0.0], [0.5]], [[0.0], [0.5]]])
    >>> Contrastive().per_example(pairs, np.asarray([1, 0]))
    array([0.25, 0.25])
    """

    label: ClassVar[str] = "contrastive"
    margin: float = 1.0
    half: bool = False

    def check_options(self) -> None:
        check_number("Contrastive", "margin", self.margin, above=0)
        check_flag("Contrastive", "half", self.half)

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        x1, x2 = _stacked(self.label, y_pred, 2, "two embeddings")
        similar = _one_each(self.label, y_pred, y_true)
        return contrastive(x1, x2, similar, margin=float(self.margin), half=self.half)


@dataclass(frozen=True)
class CosineEmbedding(Loss):
    """Cosine embedding loss: ``1 - cos(x1, x2) if alike, else max(0, cos(x1, x2) - margin)``.

    Args:
        margin: in [-1, 1]; default 0.

    Args (of the call):
        y_pred: (batch, 2, features) with y_true (batch,), 1 for pairs that are alike and -1 (or 0) for
            others; or the vectors (batch, features) that are to point along y_true, of the same shape.
        y_true: see there.

    Raises:
        ArgumentError: ``margin`` is out of range.
        ShapeError: the shapes do not fit.

    Source: PyTorch's CosineEmbeddingLoss, which adds 1e-12 to the squared norms; for the second form Optax's
    cosine_distance. (Keras' CosineSimilarity is -cos.)

    >>> import numpy as np
    >>> float(CosineEmbedding()(np.asarray([[1.0, 1.0]]), np.asarray([[1.0, 0.0]])).round(6))
    0.292893
    """

    label: ClassVar[str] = "cosine_embedding"
    margin: float = 0.0

    def check_options(self) -> None:
        check_number("CosineEmbedding", "margin", self.margin, least=-1, most=1)

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        if y_pred.shape == y_true.shape and len(y_pred.shape) == 2:
            xp = array_namespace(y_true)
            cosine = _cosine(y_pred, xp.astype(y_true, y_pred.dtype, copy=False))
            return array_namespace(cosine).subtract(1.0, cosine)
        x1, x2 = _stacked(self.label, y_pred, 2, "two embeddings")
        return cosine_embedding(x1, x2, _one_each(self.label, y_pred, y_true), margin=float(self.margin))


@dataclass(frozen=True)
class MarginRanking(Loss):
    """Margin ranking loss of two scores: ``max(0, -y (x1 - x2) + margin)``, y = 1 if x1 should be the larger.

    Args:
        margin: default 0.

    Args (of the call):
        y_pred: (batch, 2): the scores x1 and x2.
        y_true: (batch,): 1 where the first should be ranked higher, -1 (or 0) where the second.

    Raises:
        ArgumentError: ``margin`` is no number.
        ShapeError: the shapes do not fit.

    Source: PyTorch's MarginRankingLoss.

    >>> import numpy as np
    >>> MarginRanking(margin=0.5).per_example(np.asarray([[1.0, 3.0], [1.0, 3.0]]), np.asarray([1, -1]))
    array([2.5, 0. ])
    """

    label: ClassVar[str] = "margin_ranking"
    margin: float = 0.0

    def check_options(self) -> None:
        check_number("MarginRanking", "margin", self.margin)

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        if len(y_pred.shape) != 2 or y_pred.shape[1] != 2:
            raise ShapeError(
                f"margin_ranking: y_pred has shape {tuple(y_pred.shape)}, expected (batch, 2): two scores"
            )
        y = _one_each(self.label, y_pred, y_true)
        return margin_ranking(y_pred[:, 0], y_pred[:, 1], y, margin=float(self.margin))


def _stacked(label: str, y_pred: Array, n: int, what: str) -> list[Array]:
    """The ``n`` arrays (batch, features) that are stacked along axis 1."""
    if len(y_pred.shape) != 3 or y_pred.shape[1] != n:
        raise ShapeError(
            f"{label}: y_pred has shape {tuple(y_pred.shape)}, expected (batch, {n}, features): {what} "
            "stacked along axis 1"
        )
    return [y_pred[:, i, :] for i in range(n)]


def _one_each(label: str, y_pred: Array, y_true: Array) -> Array:
    """y_true as (batch,)."""
    n, shape = y_pred.shape[0], tuple(y_true.shape)
    if shape == (n, 1):
        return array_namespace(y_true).reshape(y_true, (n,))
    if shape != (n,):
        raise ShapeError(f"{label}: y_true has shape {shape}, expected {(n,)}: one for each pair")
    return y_true

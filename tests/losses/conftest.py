"""The table of losses: a row a case, with the formula of its mean in plain NumPy beside it.

A test that takes ``row`` runs for every row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from learnkit.plugins import registry

rng = np.random.default_rng(3)
Z, LABELS = rng.normal(size=(5, 3)), np.asarray([0, 2, 1, 1, 0])
SOFT, COLUMN = rng.dirichlet(np.full(3, 9.0), size=5), rng.uniform(0.1, 0.9, size=5)
NEAR, FAR = Z + np.asarray([0.3, -0.2, 0.4]), Z + np.asarray([3.0, -4.0, 5.0])
POSITIVE, COUNTS = (
    rng.uniform(0.5, 3.0, size=(5, 3)),
    np.asarray([[0, 1, 2], [3, 0, 1], [5, 2, 2], [1, 1, 7], [0, 0, 4]]),
)
SIGNS = np.asarray([[1, -1, 1], [1, 1, -1], [-1, -1, 1], [1, 1, 1], [-1, 1, -1]])
YES = (SIGNS > 0).astype("int64")
WITH_GAPS = np.asarray([0, -100, 1, 1, -100])
SEQUENCE, STEPS = rng.normal(size=(4, 3, 2)), np.asarray([[0, 2], [1, -100], [2, 2], [0, 1]])  # (n, k, d)
IMAGES, REGIONS = rng.normal(size=(4, 2, 3)), rng.integers(0, 2, size=(4, 2, 3))
CLASSES = rng.integers(0, 3, size=(4, 2, 2))
MANY = rng.normal(size=(4, 3, 2, 2))
PAIRS, TRIPLES = rng.normal(size=(5, 2, 4)), rng.normal(size=(5, 3, 4))
ALIKE = np.asarray([1, 0, 1, 0, 0])
W3 = (0.5, 2.0, 1.0)
FRAMES, SPELLED = rng.normal(size=(4, 6, 4)), np.asarray([[1, 2, -1], [2, 2, 3], [3, -1, -1], [1, 1, -1]])


# Formulas of a mean, literally


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z, axis=1):
    return np.exp(z) / np.exp(z).sum(axis=axis, keepdims=True)


def onehot(t, k=3):
    return np.eye(k)[t]


def picked(p, t):
    return p[np.arange(len(t)), t]


def bce(p, t, w=1.0):
    return -(w * t * np.log(p) + (1 - t) * np.log(1 - p))


def hinges(z, t, power=1, margin=1.0):
    """Sum over the wrong classes."""
    gaps = np.maximum(0, margin - picked(z, t)[:, None] + z) ** power
    return (gaps * (1 - onehot(t))).sum(axis=1)


def cross_entropy(z, t, w=(1.0, 1.0, 1.0), e=0.0, ignore=-100):
    kept = t != ignore
    z, t, w = z[kept], t[kept], np.asarray(w)
    q = (1 - e) * onehot(t) + e / 3
    return -(q * w * np.log(softmax(z))).sum() / w[t].sum()


def of_positions(function):
    """A formula of (m, k) and (m,) for (n, k, d) and (n, d)."""
    return lambda z, t: function(z.transpose(0, 2, 1).reshape(-1, z.shape[1]), t.reshape(-1))


def tversky(p, t, a, b, s=1.0, whole=False):
    axes = None if whole else tuple(range(1, p.ndim))
    tp, fp, fn = (p * t).sum(axis=axes), (p * (1 - t)).sum(axis=axes), ((1 - p) * t).sum(axis=axes)
    return 1 - (tp + s) / (tp + a * fp + b * fn + s)


def dice(p, t, s=1.0):
    axes = tuple(range(1, p.ndim))
    return 1 - (2 * (p * t).sum(axis=axes) + s) / (p.sum(axis=axes) + t.sum(axis=axes) + s)


def by_class(function, z, t):
    p = softmax(z)
    return np.mean([function(p[:, c], t == c) for c in range(3)])


def norm(x):
    return np.sqrt((x**2).sum(axis=-1))


def cosine(a, b):
    return (a * b).sum(axis=-1) / norm(a) / norm(b)


def triplets(y, margin=1.0, swap=False):
    a, p, n = y[:, 0], y[:, 1], y[:, 2]
    far = norm(a - n + 1e-6)
    if swap:
        far = np.minimum(far, norm(p - n + 1e-6))
    return np.maximum(0, norm(a - p + 1e-6) - far + margin).mean()


def nt_xent(z, classes, temperature=0.07):
    """Anchor by anchor, positive by positive."""
    s = np.asarray([[cosine(a, b) / temperature for b in z] for a in z])
    n, losses = len(z), []
    for i in range(n):
        against = sum(np.exp(s[i, j]) for j in range(n) if classes[j] != classes[i])
        own = [
            -np.log(np.exp(s[i, j]) / (np.exp(s[i, j]) + against))
            for j in range(n)
            if j != i and classes[j] == classes[i]
        ]
        losses += own
    return np.mean(losses)


def two_views(y, temperature=0.07):
    return nt_xent(y.reshape(-1, y.shape[-1]), np.repeat(np.arange(len(y)), 2), temperature)


def ctc(z, targets, blank=0):
    """By all paths there are."""
    p, losses = softmax(z, axis=2), []
    for probabilities, target in zip(p, targets, strict=True):
        wanted = [c for c in target if c >= 0]
        total = 0.0
        for path in product(range(p.shape[2]), repeat=p.shape[1]):
            merged = [path[0], *(b for a, b in pairwise(path) if a != b)]
            if [c for c in merged if c != blank] == wanted:
                total += math.prod(probabilities[t, c] for t, c in enumerate(path))
        losses.append(-math.log(total) / max(len(wanted), 1))
    return np.mean(losses)


@dataclass
class Row:
    """A loss with options at a point where it is smooth, and the formula of its mean.

    plain: whether the loss is the mean of ``per_example``, so that weights are those of examples.
    apart: whether an example of weight 0 is as good as none.
    """

    name: str
    y_pred: Any
    y_true: Any
    value: Callable[[Any, Any], Any]
    options: dict[str, Any] = field(default_factory=dict)
    plain: bool = True
    apart: bool = True
    differentiable_targets: bool = True

    @property
    def loss(self):
        return registry.create("loss", {"name": self.name, **self.options})

    def __str__(self):
        options = ",".join(f"{k}={v}" for k, v in self.options.items())
        shapes = f"{self.y_pred.shape}{getattr(self.y_true, 'shape', '')}"
        return f"{self.name}:{options} {shapes}".replace(" ", "")


def huber(d, delta):
    return np.where(np.abs(d) <= delta, d**2 / 2, delta * np.abs(d) - delta**2 / 2)


def pinball(p, t, q):
    return np.maximum(q * (t - p), (q - 1) * (t - p))


ROWS = [
    # numbers
    Row("mse", Z, SOFT, lambda p, t: ((p - t) ** 2).mean()),
    Row("mse", Z[:, 0], COLUMN, lambda p, t: ((p - t) ** 2).mean()),
    Row("mse", Z[:, :1], COLUMN, lambda p, t: ((p[:, 0] - t) ** 2).mean()),
    Row("mse", Z[:, 0], COLUMN[:, None], lambda p, t: ((p - t[:, 0]) ** 2).mean()),
    Row("mse", Z, SOFT, lambda p, t: ((p - t) ** 2).mean() / 2, {"half": True}),
    Row("mae", Z, SOFT + 4, lambda p, t: np.abs(p - t).mean()),
    Row("mae", rng.normal(size=(2, 2, 2)), np.full((2, 2, 2), 9.0), lambda p, t: np.abs(p - t).mean()),
    Row("l1", Z[:, 0], COLUMN + 4, lambda p, t: np.abs(p - t).mean()),
    Row("huber", Z, NEAR, lambda p, t: huber(p - t, 1.0).mean()),
    Row("huber", Z, FAR, lambda p, t: huber(p - t, 1.0).mean()),
    Row("huber", Z, NEAR * 2, lambda p, t: huber(p - t, 0.37).mean(), {"delta": 0.37}),
    Row("smooth_l1", Z, NEAR, lambda p, t: (huber(p - t, 1.0)).mean()),
    Row("smooth_l1", Z, FAR, lambda p, t: (huber(p - t, 2.0) / 2.0).mean(), {"beta": 2.0}),
    Row("smooth_l1", Z, FAR, lambda p, t: np.abs(p - t).mean(), {"beta": 0}),
    Row("log_cosh", Z, NEAR, lambda p, t: np.log(np.cosh(p - t)).mean()),
    Row("log_cosh", Z, FAR, lambda p, t: np.log(np.cosh(p - t)).mean()),
    Row("log_cosh", Z, Z, lambda p, t: np.log(np.cosh(p - t)).mean()),
    Row("msle", POSITIVE, SOFT, lambda p, t: ((np.log(1 + p) - np.log(1 + t)) ** 2).mean()),
    Row("mape", Z, FAR, lambda p, t: (np.abs(p - t) / np.abs(t)).mean()),
    Row("mape", Z, FAR, lambda p, t: 100 * (np.abs(p - t) / np.abs(t)).mean(), {"percent": True}),
    Row(
        "mape",
        Z[:, 0] + 3,
        COLUMN * 0,
        lambda p, t: (np.abs(p) / 0.5).mean(),
        {"eps": 0.5},
        differentiable_targets=False,
    ),
    Row("quantile", Z, FAR, lambda p, t: (np.abs(p - t) / 2).mean()),
    Row("quantile", Z[:, 0], COLUMN + 4, lambda p, t: pinball(p, t, 0.9).mean(), {"quantile": 0.9}),
    Row(
        "quantile",
        Z,
        COLUMN + 4,
        lambda p, t: np.mean([pinball(p[:, i], t, q) for i, q in enumerate((0.1, 0.5, 0.8))]),
        {"quantile": (0.1, 0.5, 0.8)},
    ),
    Row(
        "quantile",
        Z,
        COLUMN[:, None] - 4,
        lambda p, t: np.mean([pinball(p[:, [i]], t, q) for i, q in enumerate((0.1, 0.5, 0.8))]),
        {"quantile": (0.1, 0.5, 0.8)},
    ),
    Row("poisson_nll", Z, COUNTS, lambda p, t: (np.exp(p) - t * p).mean()),
    Row(
        "poisson_nll",
        POSITIVE,
        POSITIVE,
        lambda p, t: (p - t * np.log(p + 1e-8)).mean(),
        {"log_input": False},
    ),
    Row(
        "poisson_nll",
        Z,
        COUNTS + 2,
        lambda p, t: (np.exp(p) - t * p + t * np.log(t) - t + 0.5 * np.log(2 * np.pi * t)).mean(),
        {"full": True},
    ),
    Row(
        "gaussian_nll",
        np.concatenate([Z, POSITIVE], axis=1),
        SOFT,
        lambda p, t: (0.5 * (np.log(p[:, 3:]) + (p[:, :3] - t) ** 2 / p[:, 3:])).mean(),
    ),
    Row(
        "gaussian_nll",
        np.stack([Z[:, 0], POSITIVE[:, 0]], axis=1),
        COLUMN,
        lambda p, t: (0.5 * (np.log(2 * np.pi * p[:, 1]) + (p[:, 0] - t) ** 2 / p[:, 1])).mean(),
        {"full": True},
    ),
    Row(
        "gaussian_nll",
        Z[:, :2],
        COLUMN[:, None],
        lambda p, t: (0.5 * (p[:, 1] + (p[:, 0] - t[:, 0]) ** 2 / np.exp(p[:, 1]))).mean(),
        {"log_variance": True},
    ),
    # classes
    Row("cross_entropy", Z, LABELS, cross_entropy),
    Row("cross_entropy", Z, LABELS[:, None], lambda z, t: cross_entropy(z, t[:, 0])),
    Row("cross_entropy", Z, LABELS.astype("int32"), cross_entropy),
    Row("cross_entropy", Z, SOFT, lambda z, t: -(t * np.log(softmax(z))).sum(axis=1).mean()),
    Row("cross_entropy", Z, LABELS, cross_entropy, {"ignore_index": None}),
    Row("cross_entropy", Z, WITH_GAPS, cross_entropy, plain=False),
    Row(
        "cross_entropy",
        Z,
        LABELS,
        lambda z, t: cross_entropy(z, t, ignore=1),
        {"ignore_index": 1},
        plain=False,
    ),
    Row("cross_entropy", Z, WITH_GAPS, lambda z, t: cross_entropy(z, t, W3), {"weight": W3}, plain=False),
    Row("cross_entropy", Z, LABELS, lambda z, t: cross_entropy(z, t, e=0.1), {"label_smoothing": 0.1}),
    Row(
        "cross_entropy",
        Z,
        WITH_GAPS,
        lambda z, t: cross_entropy(z, t, W3, 0.3),
        {"weight": W3, "label_smoothing": 0.3},
        plain=False,
    ),
    Row(
        "cross_entropy",
        Z,
        SOFT,
        lambda z, t: -(np.asarray(W3) * (0.7 * t + 0.1) * np.log(softmax(z))).sum(axis=1).mean(),
        {"weight": W3, "label_smoothing": 0.3},
    ),
    Row(
        "cross_entropy",
        SEQUENCE,
        STEPS,
        of_positions(lambda z, t: cross_entropy(z, t, W3, 0.3)),
        {"weight": W3, "label_smoothing": 0.3},
        plain=False,
    ),
    Row(
        "cross_entropy",
        SEQUENCE.transpose(0, 2, 1),
        STEPS,
        lambda z, t: cross_entropy(z.reshape(-1, 3), t.reshape(-1)),
        {"axis": -1},
        plain=False,
    ),
    Row(
        "weighted_cross_entropy", Z, LABELS, lambda z, t: cross_entropy(z, t, W3), {"weight": W3}, plain=False
    ),
    Row("nll", np.log(SOFT), LABELS, lambda p, t: -picked(p, t).mean()),
    Row(
        "nll",
        np.log(SOFT),
        WITH_GAPS,
        lambda p, t: (
            -(np.asarray(W3)[t[t >= 0]] * picked(p[t >= 0], t[t >= 0])).sum()
            / np.asarray(W3)[t[t >= 0]].sum()
        ),
        {"weight": W3},
        plain=False,
    ),
    Row("nll", np.log(SOFT), SOFT, lambda p, t: -(t * p).sum(axis=1).mean()),
    Row(
        "focal",
        Z,
        LABELS,
        lambda z, t: -((1 - picked(softmax(z), t)) ** 2 * np.log(picked(softmax(z), t))).mean(),
    ),
    Row(
        "focal",
        Z,
        LABELS,
        lambda z, t: (
            -(np.asarray(W3)[t] * (1 - picked(softmax(z), t)) ** 1.5 * np.log(picked(softmax(z), t))).mean()
        ),
        {"alpha": W3, "gamma": 1.5},
    ),
    Row(
        "focal",
        Z,
        SOFT,
        lambda z, t: -(0.25 * t * (1 - softmax(z)) ** 2 * np.log(softmax(z))).sum(axis=1).mean(),
        {"alpha": 0.25},
    ),
    Row("focal", Z, WITH_GAPS, lambda z, t: cross_entropy(z, t), {"gamma": 0}, plain=False),
    Row("multi_margin", Z, LABELS, lambda z, t: (hinges(z, t) / 3).mean()),
    Row(
        "multi_margin",
        Z,
        LABELS,
        lambda z, t: (np.asarray(W3)[t] * hinges(z, t, 2, 0.5) / 3).mean(),
        {"p": 2, "margin": 0.5, "weight": W3},
    ),
    Row(
        "multi_margin",
        Z,
        onehot(LABELS),
        lambda z, t: (hinges(z, t.argmax(axis=1)) / 3).mean(),
        differentiable_targets=False,
    ),
    Row(
        "categorical_hinge",
        Z,
        LABELS,
        lambda z, t: np.maximum(0, 1 - picked(z, t) + np.where(onehot(t) > 0, -np.inf, z).max(axis=1)).mean(),
    ),
    Row(
        "categorical_hinge",
        Z,
        onehot(LABELS),
        lambda z, t: np.maximum(0, 2 - (z * t).sum(axis=1) + np.where(t > 0, -np.inf, z).max(axis=1)).mean(),
        {"margin": 2.0},
        differentiable_targets=False,
    ),
    # yes or no
    Row("binary_cross_entropy", Z, SOFT, lambda z, t: bce(sigmoid(z), t).mean()),
    Row("binary_cross_entropy", Z[:, 0], COLUMN, lambda z, t: bce(sigmoid(z), t).mean()),
    Row("binary_cross_entropy", Z[:, :1], LABELS > 0, lambda z, t: bce(sigmoid(z[:, 0]), t).mean()),
    Row("binary_cross_entropy", Z[:, 0], LABELS > 0, lambda z, t: bce(sigmoid(z), t * 1.0).mean()),
    Row("binary_cross_entropy", Z, YES, lambda z, t: bce(sigmoid(z), t, 3.0).mean(), {"pos_weight": 3.0}),
    Row(
        "binary_cross_entropy",
        Z,
        SOFT,
        lambda z, t: bce(sigmoid(z), t, np.asarray(W3)).mean(),
        {"pos_weight": W3},
    ),
    Row(
        "binary_cross_entropy",
        Z,
        YES,
        lambda z, t: bce(sigmoid(z), 0.8 * t + 0.1).mean(),
        {"label_smoothing": 0.2},
    ),
    Row("binary_cross_entropy", SOFT, YES, lambda p, t: bce(p, t).mean(), {"from_logits": False}),
    Row(
        "binary_cross_entropy",
        SOFT,
        SOFT[::-1].copy(),
        lambda p, t: bce(p, t, 2.0).mean(),
        {"from_logits": False, "pos_weight": 2.0},
    ),
    Row(
        "binary_focal",
        Z,
        YES,
        lambda z, t: (
            (0.25 * t + 0.75 * (1 - t))
            * (1 - np.where(t, sigmoid(z), 1 - sigmoid(z))) ** 2
            * bce(sigmoid(z), t)
        ).mean(),
    ),
    Row(
        "binary_focal",
        Z,
        SOFT,
        lambda z, t: ((1 - sigmoid(z) * t - (1 - sigmoid(z)) * (1 - t)) ** 1.5 * bce(sigmoid(z), t)).mean(),
        {"alpha": None, "gamma": 1.5},
    ),
    Row("binary_focal", Z, YES, lambda z, t: bce(sigmoid(z), t).mean(), {"alpha": None, "gamma": 0}),
    Row("hinge", Z, SIGNS, lambda z, t: np.maximum(0, 1 - t * z).mean()),
    Row("hinge", Z, YES, lambda z, t: np.maximum(0, 0.5 - (2 * t - 1) * z).mean(), {"margin": 0.5}),
    Row("squared_hinge", Z, SIGNS, lambda z, t: (np.maximum(0, 1 - t * z) ** 2).mean()),
    # distributions
    Row("kl_divergence", Z, SOFT, lambda z, t: (t * (np.log(t) - np.log(softmax(z)))).sum(axis=1).mean()),
    Row(
        "kl_divergence",
        Z,
        np.log(SOFT),
        lambda z, t: (np.exp(t) * (t - np.log(softmax(z)))).sum(axis=1).mean(),
        {"log_target": True},
    ),
    Row(
        "kl_divergence",
        np.log(SOFT),
        onehot(LABELS),
        lambda p, t: -(t * p).sum(axis=1).mean(),
        {"from_logits": False},
        differentiable_targets=False,
    ),
    Row(
        "kl_divergence",
        np.stack([Z, Z[::-1]], axis=1),
        np.stack([SOFT, SOFT], axis=1),
        lambda z, t: (t * (np.log(t) - np.log(softmax(z, 2)))).sum() / 5,
    ),
    Row(
        "js_divergence",
        Z,
        SOFT,
        lambda z, t: (
            0.5
            * (t * np.log(2 * t / (t + softmax(z))) + softmax(z) * np.log(2 * softmax(z) / (t + softmax(z))))
            .sum(axis=1)
            .mean()
        ),
    ),
    Row(
        "js_divergence",
        SOFT,
        SOFT[::-1].copy(),
        lambda p, t: 0.5 * (t * np.log(2 * t / (t + p)) + p * np.log(2 * p / (t + p))).sum(axis=1).mean(),
        {"from_logits": False},
    ),
    # regions
    Row("dice", IMAGES, REGIONS, lambda z, t: dice(sigmoid(z), t).mean()),
    Row("dice", MANY, CLASSES, lambda z, t: by_class(dice, z, t)),
    Row(
        "dice",
        sigmoid(IMAGES),
        REGIONS,
        lambda p, t: dice(p, t, 0.0).mean(),
        {"from_logits": False, "smooth": 0},
    ),
    Row("dice", IMAGES[:, None], REGIONS, lambda z, t: dice(sigmoid(z[:, 0]), t).mean()),
    Row(
        "iou",
        IMAGES,
        REGIONS,
        lambda z, t: (
            1
            - ((sigmoid(z) * t).sum(axis=(1, 2)) + 1)
            / ((sigmoid(z) + t - sigmoid(z) * t).sum(axis=(1, 2)) + 1)
        ).mean(),
    ),
    Row("jaccard", IMAGES, REGIONS, lambda z, t: tversky(sigmoid(z), t, 1, 1).mean()),
    Row("tversky", IMAGES, REGIONS, lambda z, t: tversky(sigmoid(z), t, 0.3, 0.7).mean()),
    Row(
        "tversky",
        IMAGES,
        REGIONS,
        lambda z, t: tversky(sigmoid(z), t, 0.5, 0.9, 2.0, whole=True),
        {"alpha": 0.5, "beta": 0.9, "smooth": 2.0, "batch": True},
        plain=False,
    ),
    Row("focal_tversky", IMAGES, REGIONS, lambda z, t: (tversky(sigmoid(z), t, 0.3, 0.7) ** 0.75).mean()),
    Row(
        "focal_tversky",
        MANY,
        CLASSES,
        lambda z, t: by_class(lambda p, t: tversky(p, t, 0.3, 0.7) ** 2, z, t),
        {"gamma": 2.0},
    ),
    # comparisons
    Row(
        "contrastive",
        PAIRS,
        ALIKE,
        lambda y, t: np.where(
            t, norm(y[:, 0] - y[:, 1]) ** 2, np.maximum(0, 4 - norm(y[:, 0] - y[:, 1])) ** 2
        ).mean(),
        {"margin": 4.0},
    ),
    Row(
        "contrastive",
        PAIRS,
        2 * ALIKE - 1,
        lambda y, t: (
            np.where(
                t > 0, norm(y[:, 0] - y[:, 1]) ** 2, np.maximum(0, 1 - norm(y[:, 0] - y[:, 1])) ** 2
            ).mean()
            / 2
        ),
        {"half": True},
    ),
    Row("triplet", TRIPLES, None, lambda y, t: triplets(y)),
    Row("triplet", TRIPLES, ALIKE, lambda y, t: triplets(y, 2.0, True), {"margin": 2.0, "swap": True}),
    Row(
        "triplet",
        TRIPLES,
        None,
        lambda y, t: np.maximum(
            0,
            (np.abs(y[:, 0] - y[:, 1] + 1e-6) ** 3).sum(axis=1) ** (1 / 3)
            - (np.abs(y[:, 0] - y[:, 2] + 1e-6) ** 3).sum(axis=1) ** (1 / 3)
            + 1,
        ).mean(),
        {"p": 3},
    ),
    Row(
        "margin_ranking",
        Z[:, :2],
        SIGNS[:, 0],
        lambda y, t: np.maximum(0, -t * (y[:, 0] - y[:, 1]) + 0.5).mean(),
        {"margin": 0.5},
    ),
    Row(
        "cosine_embedding",
        PAIRS,
        2 * ALIKE - 1,
        lambda y, t: np.where(
            t > 0, 1 - cosine(y[:, 0], y[:, 1]), np.maximum(0, cosine(y[:, 0], y[:, 1]) + 0.5)
        ).mean(),
        {"margin": -0.5},
    ),
    Row("cosine_embedding", Z, NEAR, lambda y, t: (1 - cosine(y, t)).mean()),
    Row("nt_xent", PAIRS, None, lambda y, t: two_views(y), apart=False),
    Row(
        "nt_xent",
        PAIRS[:, 0],
        ALIKE,
        lambda y, t: nt_xent(y, t, 0.5),
        {"temperature": 0.5},
        plain=False,
        apart=False,
    ),
    Row(
        "nt_xent",
        PAIRS[:, 0],
        np.asarray([3, 3, 1, 2, 2]),
        lambda y, t: nt_xent(y, t),
        plain=False,
        apart=False,
    ),
    # sequences
    Row("ctc", FRAMES[:, :4], SPELLED, ctc),
    Row(
        "ctc",
        FRAMES[:, :4],
        np.asarray([[1, 2, -1], [0, 2, 1], [0, -1, -1], [1, 1, -1]]),
        lambda z, t: ctc(z, t, 3),
        {"blank": 3},
    ),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" in metafunc.fixturenames:
        metafunc.parametrize("row", ROWS, ids=str)


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    """The whole table."""
    return ROWS

"""Rows mixed with other rows of their batch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import array_api_compat

from learnkit.augment.base import Augmentation, uniform
from learnkit.backends.base import Array, array_namespace
from learnkit.backends.random import philox_beta, stream_id
from learnkit.checks import positive
from learnkit.errors import ArgumentError

__all__ = ["Mixup"]

_SHARE, _PARTNER = stream_id("augment.mixup.share"), stream_id("augment.mixup.partner")


@dataclass(frozen=True)
class Mixup(Augmentation):
    """Each row mixed with another of its batch, and its target likewise::

        x' = l x + (1 - l) x[partner],  y' = l y + (1 - l) y[partner],  l ~ Beta(alpha, alpha)

    There is one ``l`` for a batch, and the partners are a permutation of it. Class numbers become shares of
    the classes, so the loss must take soft targets, as ``cross_entropy`` does. Sample weights are mixed too.

    Args:
        alpha: > 0; default 0.2. Small values leave most batches nearly as they are.
        classes: how many classes there are, for targets that are class numbers; ``None`` lets the trainer
            tell by the model's outputs. 1 takes integers as numbers.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz 2018, "mixup: Beyond empirical risk minimization", equation 1.

    >>> import numpy as np
    >>> x, y = np.eye(2), np.asarray([0, 1])
    >>> x, y, _ = Mixup(alpha=1.0, classes=2).rows(x, y, None, seed=0, step=2)
    >>> bool((x == y).all()), y.sum(axis=1).tolist()
    (True, [1.0, 1.0])
    """

    alpha: float = 0.2
    classes: int | None = None

    def __post_init__(self) -> None:
        positive("Mixup", "alpha", self.alpha)
        if self.classes is not None and (type(self.classes) is not int or self.classes < 1):
            raise ArgumentError(f"Mixup: classes is {self.classes!r}, expected an integer >= 1 or None")

    def __call__(self, x: Array, *, seed: int, step: int) -> Array:
        return self.rows(x, None, None, seed=seed, step=step)[0]

    def rows(
        self, x: Array, y: Array | None, weight: Array | None, *, seed: int, step: int
    ) -> tuple[Array, Array | None, Array | None]:
        xp = array_namespace(x)
        share = float(philox_beta(self.alpha, seed=seed, stream=_SHARE, step=step))
        order = xp.argsort(uniform(x, (x.shape[0],), seed=seed, stream=_PARTNER, step=step), stable=True)

        def mixed(values: Array) -> Array:
            partner = xp.take(values, order, axis=0)
            return xp.add(xp.multiply(values, share), xp.multiply(partner, 1.0 - share))

        soft = None if y is None else self._soft(y, x)
        return mixed(x), None if soft is None else mixed(soft), None if weight is None else mixed(weight)

    def resolve(self, outputs: tuple[int, ...], y: Array | None) -> Mixup:
        if self.classes is not None or y is None or not _integers(y):
            return self
        return dataclasses.replace(self, classes=outputs[0] if len(outputs) == 1 else 1)

    def _soft(self, y: Array, x: Array) -> Array:
        """Targets that can be averaged: numbers as they are, class numbers as shares of the classes."""
        xp = array_namespace(y)
        if not _integers(y):
            return y
        if self.classes is None:
            raise ArgumentError(
                "Mixup: the targets are class numbers, and classes is None",
                hint="say how many there are, Mixup(classes=10); Trainer.fit fills it in",
            )
        if self.classes == 1:
            return xp.astype(y, x.dtype)
        if len(y.shape) != 1:
            raise ArgumentError(
                f"Mixup: class numbers of shape {tuple(y.shape)}, expected (n,)",
                hint="give targets with a share for each class",
            )
        numbers = xp.arange(self.classes, dtype=y.dtype, device=array_api_compat.device(y))
        return xp.astype(xp.equal(xp.expand_dims(y, axis=1), numbers), x.dtype)


def _integers(y: Array) -> bool:
    return bool(array_namespace(y).isdtype(y.dtype, "integral"))

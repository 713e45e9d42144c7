"""Noise on the features."""

from __future__ import annotations

from dataclasses import dataclass

from learnkit.augment.base import Augmentation, normal
from learnkit.backends.base import Array, array_namespace
from learnkit.backends.random import stream_id
from learnkit.checks import positive

__all__ = ["Jitter"]

_STREAM = stream_id("augment.jitter")


@dataclass(frozen=True)
class Jitter(Augmentation):
    """Gaussian noise on each feature: ``x + std n``, ``n ~ N(0, 1)``.

    For tables and images alike; in a network it acts like a penalty on the curvature of the fitted function.

    Args:
        std: in the unit of ``x``, >= 0; default 0.05. ``learnkit train`` standardises the features of a
            table.

    Source: Bishop 1995, "Training with noise is equivalent to Tikhonov regularization".

    >>> import numpy as np
    >>> x = np.zeros((1000, 2), dtype=np.float32)
    >>> y = Jitter(std=0.5)(x, seed=0, step=0)
    >>> bool(abs(y.std() - 0.5) < 0.02), y.dtype.name
    (True, 'float32')
    """

    std: float = 0.05

    def __post_init__(self) -> None:
        positive("Jitter", "std", self.std, zero=True)

    def __call__(self, x: Array, *, seed: int, step: int) -> Array:
        xp = array_namespace(x)
        noise = normal(x, tuple(x.shape), seed=seed, stream=_STREAM, step=step)
        return xp.add(x, xp.multiply(noise, float(self.std)))

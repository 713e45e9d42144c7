"""Gaussian noise as a layer."""

from __future__ import annotations

import math
from typing import Any

import array_api_compat

from learnkit.autodiff import plain_value
from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.checks import positive
from learnkit.nn.dropout import Dropping
from learnkit.nn.module import Module
from learnkit.nn.scope import TrainingScope, current_scope

__all__ = ["GaussianDropout", "GaussianNoise"]


def _normal(x: Any, scope: TrainingScope, path: str) -> Array:
    """Standard normal numbers of the shape, dtype and device of ``x``, drawn on the device in float32."""
    plain = plain_value(x)
    drawn = kernels_of(plain).random_normal(
        tuple(plain.shape),
        seed=scope.seed,
        stream=scope.stream(path),
        step=scope.step,
        device=array_api_compat.device(plain),
    )
    return array_namespace(plain).astype(drawn, plain.dtype, copy=False)


class GaussianNoise(Module):
    """Adds normal noise while training: ``y = x + std n`` with n of mean 0 and variance 1. Any shape.

    The noise is a pure function of the seed, the layer's path and the step. Its uniform numbers are the
    same bits on every backend, and the noise made of them is the same to 1e-6. Outside of
    ``training(...)`` the layer returns x.

    Args:
        std: standard deviation of the noise, >= 0, in units of x.

    Raises:
        ArgumentError: ``std`` is negative.

    >>> GaussianNoise(0.1)
    GaussianNoise(std=0.1)
    """

    def __init__(self, std: float) -> None:
        positive("GaussianNoise", "std", std, zero=True)
        self.std = std

    def __call__(self, x: Any) -> Any:
        scope = current_scope()
        if scope is None or self.std == 0:
            return x
        noise = _normal(x, scope, self._path)
        return array_namespace(x).add(x, array_namespace(noise).multiply(noise, float(self.std)))


class GaussianDropout(Dropping):
    """Multiplies by normal noise of mean 1 while training: ``y = x (1 + sqrt(p / (1 - p)) n)``. Any shape.

    The noise has the variance of the mask of ``Dropout(p)``; it is drawn as for :class:`GaussianNoise`.

    Args:
        p: as of dropout, in [0, 1); default 0.5.

    Raises:
        ArgumentError: ``p`` is outside [0, 1).

    Source: Srivastava et al. 2014, "Dropout", section 10, in Keras' form.

    >>> GaussianDropout(0.1)
    GaussianDropout(p=0.1)
    """

    def __call__(self, x: Any) -> Any:
        scope = current_scope()
        if scope is None or self.p == 0:
            return x
        noise = _normal(x, scope, self._path)
        xp = array_namespace(noise)
        factor = xp.add(xp.multiply(noise, math.sqrt(self.p / (1.0 - self.p))), 1.0)
        return array_namespace(x).multiply(x, factor)

"""Dropout."""

from __future__ import annotations

from typing import Any

import array_api_compat

from learnkit.autodiff import plain_value
from learnkit.backends.base import array_namespace, kernels_of
from learnkit.errors import ArgumentError
from learnkit.nn.module import Module
from learnkit.nn.scope import current_scope

__all__ = ["Dropout"]


class Dropout(Module):
    """Sets each element to 0 with probability ``p`` while training, and scales the rest by 1 / (1 - p).

    An element is kept where its uniform number is >= p. The numbers are a pure function of the seed,
    the layer's path and the step, in float32 whatever the dtype of x, so every backend draws the same
    mask. Outside of ``training(...)`` the layer returns x.

    Args:
        p: fraction to drop, in [0, 1); default 0.5.

    Raises:
        ArgumentError: ``p`` is outside [0, 1).

    Source: Srivastava et al. 2014, "Dropout", in the "inverted" form that all libraries use.

    >>> Dropout(0.1)
    Dropout(p=0.1)
    """

    def __init__(self, p: float = 0.5) -> None:
        if type(p) not in (int, float) or not 0 <= p < 1:
            raise ArgumentError(f"Dropout: p is {p!r}, expected a number in [0, 1)")
        self.p = p

    def __call__(self, x: Any) -> Any:
        scope = current_scope()
        if scope is None or self.p == 0:
            return x
        plain = plain_value(x)
        uniform = kernels_of(plain).random_uniform(
            tuple(plain.shape),
            seed=scope.seed,
            stream=scope.stream(self._path),
            step=scope.step,
            device=array_api_compat.device(plain),
        )
        xp = array_namespace(plain)
        kept = xp.astype(xp.greater_equal(uniform, self.p), plain.dtype)
        return array_namespace(x).multiply(x, xp.multiply(kept, 1.0 / (1.0 - self.p)))

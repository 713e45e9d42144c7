"""Dropout of elements, channels and paths."""

from __future__ import annotations

import math
from typing import Any

import array_api_compat

from learnkit.autodiff import plain_value
from learnkit.autodiff.rules.layers import dropout
from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn.module import Module
from learnkit.nn.scope import TrainingScope, current_scope

__all__ = ["AlphaDropout", "DropPath", "Dropout", "SpatialDropout"]


class Dropping(Module):
    """Base of layers with a probability ``p``: nothing is dropped outside of ``training(...)`` or at 0."""

    def __init__(self, p: float = 0.5) -> None:
        if type(p) not in (int, float) or not 0 <= p < 1:
            raise ArgumentError(f"{type(self).__name__}: p is {p!r}, expected a number in [0, 1)")
        self.p = p

    def _kept(self, x: Any, scope: TrainingScope, shape: tuple[int, ...]) -> Array:
        """1 where a uniform number of float32 is >= p, else 0, in the dtype of ``x``."""
        plain = plain_value(x)
        uniform = kernels_of(plain).random_uniform(
            shape,
            seed=scope.seed,
            stream=scope.stream(self._path),
            step=scope.step,
            device=array_api_compat.device(plain),
        )
        xp = array_namespace(plain)
        return xp.astype(xp.greater_equal(uniform, self.p), plain.dtype)

    def _drop(self, x: Any, scope: TrainingScope, shape: tuple[int, ...]) -> Any:
        """``x`` times a mask of ``shape``, scaled so that the mean stays."""
        kept = self._kept(x, scope, shape)
        scaled = array_namespace(kept).multiply(kept, 1.0 / (1.0 - self.p))
        return array_namespace(x).multiply(x, scaled)


class Dropout(Dropping):
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

    def __call__(self, x: Any) -> Any:
        scope = current_scope()
        if scope is None or self.p == 0:
            return x
        stream = scope.stream(self._path)
        return dropout(x, p=float(self.p), seed=scope.seed, stream=stream, step=scope.step)


class SpatialDropout(Dropping):
    """Sets whole channels to 0 with probability ``p`` while training, and scales the rest by 1 / (1 - p).

    For maps whose neighbouring positions are alike, so that dropping single ones would take nothing away.

    x: (batch, channels, ...), with one axis of positions or more, channels in axis 1 as in PyTorch's
    ``Dropout1d`` to ``Dropout3d`` -> y: the same shape.

    Args:
        p: fraction of channels to drop, in [0, 1); default 0.5.

    Raises:
        ArgumentError: ``p`` is outside [0, 1).
        ShapeError: (when called) x has fewer than three axes.

    Source: Tompson et al. 2015, "Efficient object localization using convolutional networks",
    arXiv:1411.4280.

    >>> SpatialDropout(0.1)
    SpatialDropout(p=0.1)
    """

    def __call__(self, x: Any) -> Any:
        shape = tuple(x.shape)
        if len(shape) < 3:
            raise ShapeError(
                f"SpatialDropout got x of shape {shape}, expected (batch, channels, positions, ...)",
                hint="Dropout drops single features",
            )
        scope = current_scope()
        if scope is None or self.p == 0:
            return x
        return self._drop(x, scope, (*shape[:2], *(1 for _ in shape[2:])))


class DropPath(Dropping):
    """Stochastic depth: sets whole examples to 0 with probability ``p`` while training, and scales the rest.

    At the end of a residual branch it skips the branch for some examples:
    ``Residual(Linear(8, 8), ReLU(), DropPath(0.1))``. What is kept is scaled by 1 / (1 - p).

    x: (batch, ...) -> y: the same shape.

    Args:
        p: fraction of examples to drop, in [0, 1); default 0.5.

    Raises:
        ArgumentError: ``p`` is outside [0, 1).
        ShapeError: (when called) x has no batch axis.

    Source: Huang et al. 2016, "Deep networks with stochastic depth", arXiv:1603.09382, scaled in training
    instead of in inference, as in timm.

    >>> DropPath(0.1)
    DropPath(p=0.1)
    """

    def __call__(self, x: Any) -> Any:
        shape = tuple(x.shape)
        if not shape:
            raise ShapeError("DropPath got an array without axes, expected (batch, ...)")
        scope = current_scope()
        if scope is None or self.p == 0:
            return x
        return self._drop(x, scope, (shape[0], *(1 for _ in shape[1:])))


class AlphaDropout(Dropping):
    """Dropout that keeps mean 0 and variance 1, for networks of ``selu``.

    While training ``y = a (x if kept else alpha) + b`` with alpha = -1.7580993408473766, the value of selu
    far to the left, ``a = 1 / sqrt((1 - p)(1 + p alpha^2))`` and ``b = -a p alpha``. Any shape.

    Args:
        p: fraction to drop, in [0, 1); default 0.5.

    Raises:
        ArgumentError: ``p`` is outside [0, 1).

    Source: Klambauer et al. 2017, "Self-normalizing neural networks", arXiv:1706.02515.

    >>> AlphaDropout(0.1)
    AlphaDropout(p=0.1)
    """

    #: ``-scale * alpha`` of selu.
    ALPHA = -1.7580993408473766

    def __call__(self, x: Any) -> Any:
        scope = current_scope()
        if scope is None or self.p == 0:
            return x
        a = 1.0 / math.sqrt((1.0 - self.p) * (1.0 + self.p * self.ALPHA**2))
        kept = self._kept(x, scope, tuple(x.shape))
        xp = array_namespace(kept)
        # a alpha (1 - kept) - a p alpha: what does not depend on x
        offset = xp.add(xp.multiply(kept, -a * self.ALPHA), a * self.ALPHA * (1.0 - self.p))
        outer = array_namespace(x)
        return outer.add(outer.multiply(x, xp.multiply(kept, a)), offset)

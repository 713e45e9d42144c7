"""Functions that saturate, and the identity."""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.rules import layers
from learnkit.autodiff.rules.activations import ACTIVATIONS
from learnkit.autodiff.rules.special import log_expit
from learnkit.backends.base import Array, array_namespace
from learnkit.nn.module import Module

__all__ = [
    "Identity",
    "LogSigmoid",
    "Sigmoid",
    "Softsign",
    "Tanh",
    "identity",
    "log_sigmoid",
    "sigmoid",
    "softsign",
    "tanh",
]

_softsign = ACTIVATIONS["softsign"]


def identity(x: Array) -> Array:
    """``x`` itself: the linear activation. Any shape."""
    return x


def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``, in (0, 1). Any shape; no overflow for any x."""
    return layers.sigmoid(x)


def log_sigmoid(x: Array) -> Array:
    """``-log(1 + exp(-x))``, the logarithm of the sigmoid, exact where that underflows. Any shape."""
    return log_expit(x)


def tanh(x: Array) -> Array:
    """``(exp(x) - exp(-x)) / (exp(x) + exp(-x))``, in (-1, 1). Any shape."""
    return array_namespace(x).tanh(x)


def softsign(x: Array) -> Array:
    """``x / (1 + |x|)``, in (-1, 1). Any shape."""
    return _softsign(x)


class Identity(Module):
    """Layer of :func:`identity`: ``y = x``, any shape.

    >>> Identity()(3.0)
    3.0
    """

    def __call__(self, x: Any) -> Any:
        return identity(x)


class Sigmoid(Module):
    """Layer of :func:`sigmoid`: ``1 / (1 + exp(-x))``, any shape.

    The losses of learnkit take logits, so a classifier needs no Sigmoid at its end.

    >>> import numpy as np
    >>> Sigmoid()(np.asarray([-np.inf, 0.0, np.inf]))
    array([0. , 0.5, 1. ])
    """

    def __call__(self, x: Any) -> Any:
        return sigmoid(x)


class LogSigmoid(Module):
    """Layer of :func:`log_sigmoid`: ``-log(1 + exp(-x))``, any shape.

    >>> import numpy as np
    >>> LogSigmoid()(np.asarray([-1e4, 1e4]))
    array([-10000.,      0.])
    """

    def __call__(self, x: Any) -> Any:
        return log_sigmoid(x)


class Tanh(Module):
    """Layer of :func:`tanh`, any shape.

    >>> import numpy as np
    >>> Tanh()(np.asarray([-np.inf, 0.0]))
    array([-1.,  0.])
    """

    def __call__(self, x: Any) -> Any:
        return tanh(x)


class Softsign(Module):
    """Layer of :func:`softsign`: ``x / (1 + |x|)``, any shape. Unlike tanh it saturates slowly, as 1 / x.

    >>> import numpy as np
    >>> Softsign()(np.asarray([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """

    def __call__(self, x: Any) -> Any:
        return softsign(x)

"""Nonlinearities: each a function, and a layer that applies it."""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.rules import layers as rules
from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ArgumentError
from learnkit.nn.module import Module

__all__ = ["ReLU", "Sigmoid", "Softmax", "Tanh", "log_softmax", "relu", "sigmoid", "softmax", "tanh"]


def relu(x: Array) -> Array:
    """``max(x, 0)``. The subgradient at 0 is 0, as in PyTorch. Any shape."""
    return rules.relu(x)


def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``, in (0, 1). Any shape; no overflow for any x."""
    return rules.sigmoid(x)


def tanh(x: Array) -> Array:
    """``(exp(x) - exp(-x)) / (exp(x) + exp(-x))``, in (-1, 1). Any shape."""
    return array_namespace(x).tanh(x)


def softmax(x: Array, axis: int = -1) -> Array:
    """``exp(x_i) / sum_j exp(x_j)`` along ``axis``: positive, sums to 1. Shifted, so it never overflows."""
    return rules.softmax(x, axis=axis)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """``x_i - log sum_j exp(x_j)`` along ``axis``: the logarithm of softmax, exact where that underflows."""
    return rules.log_softmax(x, axis=axis)


class ReLU(Module):
    """Layer of :func:`relu`: ``max(x, 0)``, any shape.

    >>> import numpy as np
    >>> ReLU()(np.asarray([-1.0, 2.0]))
    array([0., 2.])
    """

    def __call__(self, x: Any) -> Any:
        return relu(x)


class Sigmoid(Module):
    """Layer of :func:`sigmoid`: ``1 / (1 + exp(-x))``, any shape.

    The losses of learnkit take logits, so a classifier needs no Sigmoid at its end.
    """

    def __call__(self, x: Any) -> Any:
        return sigmoid(x)


class Tanh(Module):
    """Layer of :func:`tanh`, any shape."""

    def __call__(self, x: Any) -> Any:
        return tanh(x)


class Softmax(Module):
    """Layer of :func:`softmax` along ``axis`` (default the last).

    The losses of learnkit take logits, so a classifier needs no Softmax at its end.

    Raises:
        ArgumentError: ``axis`` is not an integer.
    """

    def __init__(self, axis: int = -1) -> None:
        if type(axis) is not int:
            raise ArgumentError(f"Softmax: axis is {axis!r}, expected an integer")
        self.axis = axis

    def __call__(self, x: Any) -> Any:
        return softmax(x, axis=self.axis)

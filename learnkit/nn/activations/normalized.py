"""Softmax and its kin, along an axis."""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.rules import layers
from learnkit.backends.base import Array, array_namespace
from learnkit.nn.module import Module
from learnkit.nn.options import axis_length, check_axis

__all__ = ["LogSoftmax", "Softmax", "Softmin", "log_softmax", "softmax", "softmin"]


def softmax(x: Array, axis: int = -1) -> Array:
    """``exp(x_i) / sum_j exp(x_j)`` along ``axis``: positive, sums to 1. Shifted, so it never overflows.

    An entry of minus infinity gets 0, so a mask may be added to x.

    Raises:
        ShapeError: x has no such axis.
    """
    axis_length("softmax", x, axis)
    return layers.softmax(x, axis=axis)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """``x_i - log sum_j exp(x_j)`` along ``axis``: the logarithm of softmax, exact where that underflows.

    Raises:
        ShapeError: x has no such axis.
    """
    axis_length("log_softmax", x, axis)
    return layers.log_softmax(x, axis=axis)


def softmin(x: Array, axis: int = -1) -> Array:
    """``exp(-x_i) / sum_j exp(-x_j)`` along ``axis``: softmax of ``-x``.

    Raises:
        ShapeError: x has no such axis.
    """
    axis_length("softmin", x, axis)
    return layers.softmax(array_namespace(x).negative(x), axis=axis)


class Softmax(Module):
    """Layer of :func:`softmax` along ``axis`` (default the last).

    The losses of learnkit take logits, so a classifier needs no Softmax at its end.

    Raises:
        ArgumentError: ``axis`` is not an integer.

    >>> import numpy as np
    >>> Softmax()(np.asarray([0.0, -np.inf, 0.0]))
    array([0.5, 0. , 0.5])
    """

    def __init__(self, axis: int = -1) -> None:
        check_axis("Softmax", axis)
        self.axis = axis

    def __call__(self, x: Any) -> Any:
        return softmax(x, axis=self.axis)


class LogSoftmax(Module):
    """Layer of :func:`log_softmax` along ``axis`` (default the last).

    Raises:
        ArgumentError: ``axis`` is not an integer.

    >>> import numpy as np
    >>> LogSoftmax()(np.asarray([0.0, 1e4]))
    array([-10000.,      0.])
    """

    def __init__(self, axis: int = -1) -> None:
        check_axis("LogSoftmax", axis)
        self.axis = axis

    def __call__(self, x: Any) -> Any:
        return log_softmax(x, axis=self.axis)


class Softmin(Module):
    """Layer of :func:`softmin` along ``axis`` (default the last): the smallest entry gets the most.

    Raises:
        ArgumentError: ``axis`` is not an integer.

    >>> import numpy as np
    >>> Softmin()(np.asarray([0.0, np.inf, 0.0]))
    array([0.5, 0. , 0.5])
    """

    def __init__(self, axis: int = -1) -> None:
        check_axis("Softmin", axis)
        self.axis = axis

    def __call__(self, x: Any) -> Any:
        return softmin(x, axis=self.axis)

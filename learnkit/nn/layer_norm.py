"""Normalisation within each example: layer, root-mean-square and group normalisation."""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.rules.normalization import normalize
from learnkit.backends.base import array_namespace, size_of
from learnkit.checks import at_least, positive
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn.init import Ones, Zeros
from learnkit.nn.leaves import Parameter
from learnkit.nn.module import Module

__all__ = ["GroupNorm", "LayerNorm", "RMSNorm"]


def _last_axes(owner: str, value: int | tuple[int, ...]) -> tuple[int, ...]:
    shape = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if not shape or not all(type(n) is int and n >= 1 for n in shape):
        raise ArgumentError(
            f"{owner}: normalized_shape is {value!r}, expected an integer >= 1, or a tuple of them"
        )
    return shape


def _over_last_axes(
    layer: Module, x: Any, shape: tuple[int, ...], weight: Any, bias: Any, eps: float, centred: bool
) -> Any:
    given = tuple(x.shape)
    if given[len(given) - len(shape) :] != shape or len(given) < len(shape):
        raise ShapeError(
            f"{type(layer).__name__} got x of shape {given}, expected (..., {', '.join(map(str, shape))})"
        )
    width = size_of(shape)
    view = (size_of(given) // width, 1, width, 1)
    return normalize(x, weight, bias, view=view, eps=eps, centred=centred)


class LayerNorm(Module):
    """Layer normalisation: ``y = w (x - mean) / sqrt(var + eps) + b``, mean and variance over the last axes.

    x: (..., *normalized_shape) -> y: the same shape. The variance divides by n. The same in training and in
    inference.

    Args:
        normalized_shape: length of the last axis, or lengths of the last axes; integers >= 1.
        eps: > 0; added to the variance. 1e-5 as in PyTorch; Flax has 1e-6, Keras 1e-3.
        elementwise_affine: whether there is a w of shape normalized_shape, which starts at 1.
        bias: whether there is a b beside it, which starts at 0.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) the last axes of x have other lengths.

    Source: Ba, Kiros and Hinton 2016, "Layer normalization", arXiv:1607.06450, in PyTorch's form.

    >>> import numpy as np
    >>> from learnkit.nn import initialize
    >>> norm = LayerNorm(2)
    >>> _ = initialize(norm, backend="numpy")
    >>> norm(np.asarray([[1.0, 3.0], [1e6, 1e6 + 4]])).round(3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        self.normalized_shape = _last_axes("LayerNorm", normalized_shape)
        positive("LayerNorm", "eps", eps)
        self.eps = float(eps)
        self.weight = Parameter(self.normalized_shape, Ones()) if elementwise_affine else None
        self.bias = Parameter(self.normalized_shape, Zeros()) if elementwise_affine and bias else None

    def __call__(self, x: Any) -> Any:
        return _over_last_axes(self, x, self.normalized_shape, self.weight, self.bias, self.eps, True)


class RMSNorm(Module):
    """Root-mean-square normalisation: ``y = w x / sqrt(mean(x^2) + eps)``, the mean over the last axes.

    x: (..., *normalized_shape) -> y: the same shape. The same in training and in inference.

    Args:
        normalized_shape: length of the last axis, or lengths of the last axes; integers >= 1.
        eps: > 0, default 1e-6 as in Keras and Flax; ``None`` is PyTorch's default, the distance from 1 to the
            next number of x's dtype (1.2e-7 in float32).
        elementwise_affine: whether there is a w of shape normalized_shape, which starts at 1.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) the last axes of x have other lengths.

    Source: Zhang and Sennrich 2019, "Root mean square layer normalization", arXiv:1910.07467.

    >>> import numpy as np
    >>> from learnkit.nn import initialize
    >>> norm = RMSNorm(2)
    >>> _ = initialize(norm, backend="numpy")
    >>> norm(np.asarray([1.0, 7.0])).round(3).tolist()
    [0.2, 1.4]
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = 1e-6,
        elementwise_affine: bool = True,
    ) -> None:
        self.normalized_shape = _last_axes("RMSNorm", normalized_shape)
        if eps is not None:
            positive("RMSNorm", "eps", eps)
        self.eps = eps if eps is None else float(eps)
        self.weight = Parameter(self.normalized_shape, Ones()) if elementwise_affine else None

    def __call__(self, x: Any) -> Any:
        eps = float(array_namespace(x).finfo(x.dtype).eps) if self.eps is None else self.eps
        return _over_last_axes(self, x, self.normalized_shape, self.weight, None, eps, False)


class GroupNorm(Module):
    """Group normalisation: the channels of each example in groups, each group normalised by itself.

    ``y = w (x - mean) / sqrt(var + eps) + b``; mean and variance (dividing by n) over the channels of a group
    and all positions, w and b one for each channel. The same in training and in inference.

    x: (batch, num_channels, ...), channels in axis 1 as in PyTorch -> y: the same shape.

    Args:
        num_groups: divides num_channels; 1 normalises all channels together, num_channels each by itself.
        num_channels: an integer >= 1.
        eps: > 0; added to the variance. 1e-5 as in PyTorch; Keras has 1e-3.
        affine: whether there are w, which starts at 1, and b, which starts at 0.

    Raises:
        ArgumentError: an argument is out of range, or the groups do not divide the channels.
        ShapeError: (when called) x has another number of channels.

    Source: Wu and He 2018, "Group normalization", arXiv:1803.08494.

    >>> GroupNorm(4, 32)
    GroupNorm(num_groups=4, num_channels=32)
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        at_least("GroupNorm", "num_groups", num_groups, 1)
        at_least("GroupNorm", "num_channels", num_channels, 1)
        if num_channels % num_groups:
            raise ArgumentError(
                f"GroupNorm: num_groups is {num_groups}, expected a divisor of num_channels, {num_channels}"
            )
        positive("GroupNorm", "eps", eps)
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = float(eps)
        self.weight = Parameter((num_channels,), Ones()) if affine else None
        self.bias = Parameter((num_channels,), Zeros()) if affine else None

    def __call__(self, x: Any) -> Any:
        shape = tuple(x.shape)
        c, groups = self.num_channels, self.num_groups
        if len(shape) < 2 or shape[1] != c:
            raise ShapeError(
                f"GroupNorm got x of shape {shape}, expected (batch, {c}, ...) with channels in axis 1"
            )
        if 0 in shape:
            return x
        rest = size_of(shape[2:])
        view = (shape[0], groups, c // groups, rest)
        return normalize(x, self.weight, self.bias, view=view, eps=self.eps)

"""Rectifiers: x on the right of 0, and something small on the left."""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.rules import activations as rules
from learnkit.autodiff.rules import layers
from learnkit.backends.base import Array, array_namespace
from learnkit.checks import check_number
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn.init import Constant
from learnkit.nn.leaves import Parameter
from learnkit.nn.module import Module
from learnkit.nn.options import check_axis

__all__ = [
    "CELU",
    "ELU",
    "SELU",
    "LeakyReLU",
    "PReLU",
    "ReLU",
    "ReLU6",
    "celu",
    "elu",
    "leaky_relu",
    "prelu",
    "relu",
    "relu6",
    "selu",
]

_leaky = rules.ACTIVATIONS["leaky_relu"]
_elu = rules.ACTIVATIONS["elu"]
_clamped = rules.ACTIVATIONS["hard_tanh"]

#: With these, and weights of :class:`~learnkit.nn.init.LecunNormal`, mean 0 and variance 1 are a fixed point.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def relu(x: Array) -> Array:
    """``max(x, 0)``. The subgradient at 0 is 0, as in PyTorch. Any shape."""
    return layers.relu(x)


def relu6(x: Array) -> Array:
    """``min(max(x, 0), 6)``. The subgradient is 0 at 0 and at 6. Any shape."""
    return _clamped(x, min_val=0.0, max_val=6.0)


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    """``x if x > 0 else negative_slope x``. The slope at 0 is that of the left. Any shape."""
    check_number("leaky_relu", "negative_slope", negative_slope)
    return _leaky(x, negative_slope=float(negative_slope))


def elu(x: Array, alpha: float = 1.0) -> Array:
    """``x if x > 0 else alpha (exp(x) - 1)``. The slope at 0 is ``alpha``. Any shape."""
    check_number("elu", "alpha", alpha)
    return _elu(x, alpha=float(alpha), scale=1.0, rate=1.0)


def celu(x: Array, alpha: float = 1.0) -> Array:
    """``x if x > 0 else alpha (exp(x / alpha) - 1)``: smooth for every alpha. Any shape."""
    check_number("celu", "alpha", alpha, above=0)
    return _elu(x, alpha=float(alpha), scale=1.0, rate=1.0 / alpha)


def selu(x: Array) -> Array:
    """``s x if x > 0 else s a (exp(x) - 1)``, with s = 1.0507... and a = 1.6732....

    The constants keep mean 0 and variance 1 from layer to layer. The slope at 0 is ``s a``. Any shape.
    """
    return _elu(x, alpha=_SELU_ALPHA, scale=_SELU_SCALE, rate=1.0)


def prelu(x: Array, weight: Array, axis: int = 1) -> Array:
    """``x if x > 0 else weight x``, with a weight for each channel or one for all.

    Args:
        x: any shape.
        weight: shape (1,), or (n,) with n the length of ``axis`` of x.
        axis: of the channels. PyTorch has them on axis 1.

    Raises:
        ShapeError: the weight is not a vector, or fits neither 1 nor the channels.
    """
    shape = tuple(weight.shape)
    ndim = len(x.shape)
    if shape == (1,):
        spread: tuple[int, ...] = (1,) * ndim
    elif len(shape) == 1 and -ndim <= axis < ndim and x.shape[axis] == shape[0]:
        spread = tuple(shape[0] if i == axis % ndim else 1 for i in range(ndim))
    else:
        raise ShapeError(
            f"prelu got x of shape {tuple(x.shape)} and a weight of shape {shape}, expected a vector with "
            f"one entry, or with one for each channel on axis {axis}"
        )
    return rules.prelu(x, array_namespace(weight).reshape(weight, spread))


class ReLU(Module):
    """Layer of :func:`relu`: ``max(x, 0)``, any shape.

    >>> import numpy as np
    >>> ReLU()(np.asarray([-1.0, 2.0]))
    array([0., 2.])
    """

    def __call__(self, x: Any) -> Any:
        return relu(x)


class ReLU6(Module):
    """Layer of :func:`relu6`: ``min(max(x, 0), 6)``, any shape.

    Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10".

    >>> import numpy as np
    >>> ReLU6()(np.asarray([-1.0, 2.0, 9.0]))
    array([0., 2., 6.])
    """

    def __call__(self, x: Any) -> Any:
        return relu6(x)


class LeakyReLU(Module):
    """Layer of :func:`leaky_relu`: ``x if x > 0 else negative_slope x``, any shape.

    Args:
        negative_slope: default 0.01, as in PyTorch; Keras has 0.3, Chainer 0.2.

    Raises:
        ArgumentError: ``negative_slope`` is not a finite number.

    Source: Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models".

    >>> import numpy as np
    >>> LeakyReLU(0.5)(np.asarray([-1.0, 2.0]))
    array([-0.5,  2. ])
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        check_number("LeakyReLU", "negative_slope", negative_slope)
        self.negative_slope = negative_slope

    def __call__(self, x: Any) -> Any:
        return leaky_relu(x, self.negative_slope)


class PReLU(Module):
    """Layer of :func:`prelu`: ``x if x > 0 else a x``, with a slope a that is learned.

    Args:
        num_parameters: 1, a slope for all, or the number of channels, one for each.
        init: start value of the slopes, default 0.25.
        axis: of the channels, default 1 as in PyTorch; it counts with more than one parameter.

    Raises:
        ArgumentError: ``num_parameters`` is not an integer >= 1, or ``init`` not a finite number.
        ShapeError: (when called) ``axis`` of x has another length than ``num_parameters``.

    Source: He et al. 2015, "Delving deep into rectifiers", arXiv:1502.01852. Weight decay pulls the slopes
    towards relu, so leave them out of it.

    >>> list(PReLU(8).parameters())
    ['weight']
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, axis: int = 1) -> None:
        if type(num_parameters) is not int or num_parameters < 1:
            raise ArgumentError(f"PReLU: num_parameters is {num_parameters!r}, expected an integer >= 1")
        check_number("PReLU", "init", init)
        check_axis("PReLU", axis)
        self.axis = axis
        self.weight = Parameter((num_parameters,), Constant(float(init)))

    def __call__(self, x: Any) -> Any:
        return prelu(x, self.weight, self.axis)


class ELU(Module):
    """Layer of :func:`elu`: ``x if x > 0 else alpha (exp(x) - 1)``, any shape.

    Args:
        alpha: default 1, with which the function is smooth.

    Raises:
        ArgumentError: ``alpha`` is not a finite number.

    Source: Clevert et al. 2016, "Fast and accurate deep network learning by exponential linear units",
    arXiv:1511.07289.

    >>> import numpy as np
    >>> ELU()(np.asarray([-np.inf, 2.0]))
    array([-1.,  2.])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        check_number("ELU", "alpha", alpha)
        self.alpha = alpha

    def __call__(self, x: Any) -> Any:
        return elu(x, self.alpha)


class CELU(Module):
    """Layer of :func:`celu`: ``x if x > 0 else alpha (exp(x / alpha) - 1)``, any shape.

    Args:
        alpha: > 0, default 1.

    Raises:
        ArgumentError: ``alpha`` is not a finite number > 0.

    Source: Barron 2017, "Continuously differentiable exponential linear units", arXiv:1704.07483.

    >>> import numpy as np
    >>> CELU(2.0)(np.asarray([-np.inf, 2.0]))
    array([-2.,  2.])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        check_number("CELU", "alpha", alpha, above=0)
        self.alpha = alpha

    def __call__(self, x: Any) -> Any:
        return celu(x, self.alpha)


class SELU(Module):
    """Layer of :func:`selu`: ``s x if x > 0 else s a (exp(x) - 1)``, any shape.

    The constants s = 1.0507... and a = 1.6732... keep mean 0 and variance 1 from layer to layer.

    It needs weights of :class:`~learnkit.nn.init.LecunNormal` before it, and AlphaDropout for dropout.

    Source: Klambauer et al. 2017, "Self-normalizing neural networks", arXiv:1706.02515.

    >>> import numpy as np
    >>> SELU()(np.asarray([-np.inf, 1.0]))
    array([-1.75809934,  1.05070099])
    """

    def __call__(self, x: Any) -> Any:
        return selu(x)

"""Piecewise linear functions: the hard forms of smooth ones, the shrinks and the threshold.

At each corner the subgradient is that of PyTorch, which is the slope of the flat side.
"""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.rules.activations import ACTIVATIONS
from learnkit.backends.base import Array
from learnkit.checks import check_number
from learnkit.errors import ArgumentError
from learnkit.nn.module import Module

__all__ = [
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Hardshrink",
    "Softshrink",
    "Threshold",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "hardshrink",
    "softshrink",
    "threshold",
]

_hard_sigmoid = ACTIVATIONS["hard_sigmoid"]
_hard_swish = ACTIVATIONS["hard_swish"]
_hard_tanh = ACTIVATIONS["hard_tanh"]
_hardshrink = ACTIVATIONS["hardshrink"]
_softshrink = ACTIVATIONS["softshrink"]
_threshold = ACTIVATIONS["threshold"]


def hard_tanh(x: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """``min(max(x, min_val), max_val)``. The subgradient is 0 at both bounds. Any shape."""
    _check_bounds("hard_tanh", min_val, max_val)
    return _hard_tanh(x, min_val=float(min_val), max_val=float(max_val))


def hard_sigmoid(x: Array, slope: float = 1 / 6, offset: float = 0.5) -> Array:
    """``min(max(slope x + offset, 0), 1)``: with the defaults ``relu6(x + 3) / 6``. Any shape."""
    check_number("hard_sigmoid", "slope", slope, above=0)
    check_number("hard_sigmoid", "offset", offset)
    return _hard_sigmoid(x, slope=float(slope), offset=float(offset))


def hard_swish(x: Array) -> Array:
    """``x relu6(x + 3) / 6``, the product with the hard sigmoid. Any shape.

    At the corners the slope is 0 (x = -3) and 1 (x = 3).
    """
    return _hard_swish(x)


def hardshrink(x: Array, lambd: float = 0.5) -> Array:
    """``x if |x| > lambd else 0``. Any shape."""
    check_number("hardshrink", "lambd", lambd, least=0)
    return _hardshrink(x, lambd=float(lambd))


def softshrink(x: Array, lambd: float = 0.5) -> Array:
    """``sign(x) max(|x| - lambd, 0)``. Any shape."""
    check_number("softshrink", "lambd", lambd, least=0)
    return _softshrink(x, lambd=float(lambd))


def threshold(x: Array, threshold: float = 0.0, value: float = 0.0) -> Array:
    """``x if x > threshold else value``. The subgradient at the threshold is 0. Any shape."""
    check_number("threshold", "threshold", threshold)
    check_number("threshold", "value", value)
    return _threshold(x, threshold=float(threshold), value=float(value))


def _check_bounds(owner: str, min_val: Any, max_val: Any) -> None:
    check_number(owner, "min_val", min_val)
    check_number(owner, "max_val", max_val)
    if not min_val < max_val:
        raise ArgumentError(
            f"{owner}: min_val is {min_val!r} and max_val {max_val!r}, expected a smaller min_val"
        )


class HardTanh(Module):
    """Layer of :func:`hard_tanh`: ``min(max(x, min_val), max_val)``, any shape.

    Args:
        min_val, max_val: default -1 and 1.

    Raises:
        ArgumentError: they are not finite numbers, or ``min_val`` is not the smaller.

    >>> import numpy as np
    >>> HardTanh()(np.asarray([-3.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        _check_bounds("HardTanh", min_val, max_val)
        self.min_val = min_val
        self.max_val = max_val

    def __call__(self, x: Any) -> Any:
        return hard_tanh(x, self.min_val, self.max_val)


class HardSigmoid(Module):
    """Layer of :func:`hard_sigmoid`: ``min(max(slope x + offset, 0), 1)``, any shape.

    Args:
        slope: > 0, default 1/6 as in PyTorch and Keras 3; older Keras, Chainer and ONNX have 0.2.
        offset: default 0.5.

    Raises:
        ArgumentError: ``slope`` is not a finite number > 0, or ``offset`` not a finite number.

    >>> import numpy as np
    >>> HardSigmoid()(np.asarray([-4.0, 0.0, 3.0]))
    array([0. , 0.5, 1. ])
    """

    def __init__(self, slope: float = 1 / 6, offset: float = 0.5) -> None:
        check_number("HardSigmoid", "slope", slope, above=0)
        check_number("HardSigmoid", "offset", offset)
        self.slope = slope
        self.offset = offset

    def __call__(self, x: Any) -> Any:
        return hard_sigmoid(x, self.slope, self.offset)


class HardSwish(Module):
    """Layer of :func:`hard_swish`: ``x relu6(x + 3) / 6``, any shape.

    Source: Howard et al. 2019, "Searching for MobileNetV3", arXiv:1905.02244.

    >>> import numpy as np
    >>> HardSwish()(np.asarray([-4.0, 0.0, 4.0]))
    array([-0.,  0.,  4.])
    """

    def __call__(self, x: Any) -> Any:
        return hard_swish(x)


class Hardshrink(Module):
    """Layer of :func:`hardshrink`: ``x if |x| > lambd else 0``, any shape.

    Args:
        lambd: >= 0, default 0.5.

    Raises:
        ArgumentError: ``lambd`` is not a finite number >= 0.

    >>> import numpy as np
    >>> Hardshrink()(np.asarray([-1.0, 0.5, 2.0]))
    array([-1.,  0.,  2.])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        check_number("Hardshrink", "lambd", lambd, least=0)
        self.lambd = lambd

    def __call__(self, x: Any) -> Any:
        return hardshrink(x, self.lambd)


class Softshrink(Module):
    """Layer of :func:`softshrink`: ``sign(x) max(|x| - lambd, 0)``, any shape.

    Args:
        lambd: >= 0, default 0.5.

    Raises:
        ArgumentError: ``lambd`` is not a finite number >= 0.

    >>> import numpy as np
    >>> Softshrink()(np.asarray([-1.0, 0.25, 2.0]))
    array([-0.5,  0. ,  1.5])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        check_number("Softshrink", "lambd", lambd, least=0)
        self.lambd = lambd

    def __call__(self, x: Any) -> Any:
        return softshrink(x, self.lambd)


class Threshold(Module):
    """Layer of :func:`threshold`: ``x if x > threshold else value``, any shape.

    Args:
        threshold, value: default 0 and 0, which is relu; PyTorch has no defaults.

    Raises:
        ArgumentError: they are not finite numbers.

    >>> import numpy as np
    >>> Threshold(1.0, -5.0)(np.asarray([0.5, 1.0, 2.0]))
    array([-5., -5.,  2.])
    """

    def __init__(self, threshold: float = 0.0, value: float = 0.0) -> None:
        check_number("Threshold", "threshold", threshold)
        check_number("Threshold", "value", value)
        self.threshold = threshold
        self.value = value

    def __call__(self, x: Any) -> Any:
        return threshold(x, self.threshold, self.value)

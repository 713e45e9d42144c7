"""Smooth relatives of relu."""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.rules.activations import ACTIVATIONS
from learnkit.backends.base import Array
from learnkit.checks import check_number
from learnkit.nn.module import Module
from learnkit.nn.options import check_choice

__all__ = [
    "GELU",
    "Mish",
    "SiLU",
    "Softplus",
    "Squareplus",
    "gelu",
    "mish",
    "silu",
    "softplus",
    "squareplus",
]

_APPROXIMATIONS = ("none", "tanh")
_gelu, _gelu_tanh = ACTIVATIONS["gelu"], ACTIVATIONS["gelu_tanh"]
_mish = ACTIVATIONS["mish"]
_silu = ACTIVATIONS["silu"]
_softplus = ACTIVATIONS["softplus"]
_squareplus = ACTIVATIONS["squareplus"]


def gelu(x: Array, approximate: str = "none") -> Array:
    """``x (1 + erf(x / sqrt(2))) / 2``: x times the distribution function of the standard normal.

    Args:
        x: any shape.
        approximate: ``"none"``, or ``"tanh"`` for
            ``x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2``.
    """
    check_choice("gelu", "approximate", approximate, _APPROXIMATIONS)
    return _gelu(x) if approximate == "none" else _gelu_tanh(x)


def silu(x: Array) -> Array:
    """``x sigmoid(x)``, also called swish. Any shape."""
    return _silu(x)


def mish(x: Array) -> Array:
    """``x tanh(log(1 + exp(x)))``. Any shape."""
    return _mish(x)


def softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """``log(1 + exp(beta x)) / beta``, and ``x`` itself where ``beta x > threshold``. Any shape."""
    check_number("softplus", "beta", beta, above=0)
    check_number("softplus", "threshold", threshold)
    return _softplus(x, beta=float(beta), threshold=float(threshold))


def squareplus(x: Array, b: float = 4.0) -> Array:
    """``(x + sqrt(x^2 + b)) / 2``: softplus without exponentials, 1 at 0 for b = 4. Any shape."""
    check_number("squareplus", "b", b, above=0)
    return _squareplus(x, b=float(b))


class GELU(Module):
    """Layer of :func:`gelu`: ``x (1 + erf(x / sqrt(2))) / 2``, any shape.

    Args:
        approximate: ``"none"`` (default) is exact, ``"tanh"`` the approximation by tanh, which is JAX's
            default; they differ by up to 5e-4.

    Raises:
        ArgumentError: ``approximate`` is another word.

    Source: Hendrycks and Gimpel 2016, "Gaussian error linear units", arXiv:1606.08415.

    >>> import numpy as np
    >>> GELU()(np.asarray([-np.inf, 0.0, 1.0])).round(5)
    array([-0.     ,  0.     ,  0.84134])
    >>> GELU(approximate="tanh")(np.asarray([1.0])).round(5)
    array([0.84119])
    """

    def __init__(self, approximate: str = "none") -> None:
        check_choice("GELU", "approximate", approximate, _APPROXIMATIONS)
        self.approximate = approximate

    def __call__(self, x: Any) -> Any:
        return gelu(x, self.approximate)


class SiLU(Module):
    """Layer of :func:`silu`: ``x sigmoid(x)``, any shape.

    Source: Elfwing et al. 2017, arXiv:1702.03118; as swish, Ramachandran et al. 2017, arXiv:1710.05941,
    here with its beta at 1.

    >>> import numpy as np
    >>> SiLU()(np.asarray([0.0, 1.0])).round(5)
    array([0.     , 0.73106])
    """

    def __call__(self, x: Any) -> Any:
        return silu(x)


class Mish(Module):
    """Layer of :func:`mish`: ``x tanh(softplus(x))``, any shape.

    Source: Misra 2019, "Mish: a self regularized non-monotonic activation function", arXiv:1908.08681.

    >>> import numpy as np
    >>> Mish()(np.asarray([0.0, 1.0])).round(5)
    array([0.    , 0.8651])
    """

    def __call__(self, x: Any) -> Any:
        return mish(x)


class Softplus(Module):
    """Layer of :func:`softplus`: ``log(1 + exp(beta x)) / beta``, any shape.

    Args:
        beta: > 0, default 1; the larger, the nearer to relu.
        threshold: where ``beta x`` exceeds it, the value is x and the slope 1; default 20. There is no
            overflow to guard against here: it is kept for equality with PyTorch.

    Raises:
        ArgumentError: ``beta`` is not a finite number > 0, or ``threshold`` not a finite number.

    >>> import numpy as np
    >>> Softplus()(np.asarray([-1e4, 0.0, 100.0])).round(5)
    array([  0.     ,   0.69315, 100.     ])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        check_number("Softplus", "beta", beta, above=0)
        check_number("Softplus", "threshold", threshold)
        self.beta = beta
        self.threshold = threshold

    def __call__(self, x: Any) -> Any:
        return softplus(x, self.beta, self.threshold)


class Squareplus(Module):
    """Layer of :func:`squareplus`: ``(x + sqrt(x^2 + b)) / 2``, any shape.

    Args:
        b: > 0, default 4 as in JAX; the smaller, the nearer to relu.

    Raises:
        ArgumentError: ``b`` is not a finite number > 0.

    Source: Barron 2021, "Squareplus: a softplus-like algebraic rectifier", arXiv:2112.11687.

    >>> import numpy as np
    >>> Squareplus()(np.asarray([-1.5, 0.0, 1.5]))
    array([0.5, 1. , 2. ])
    """

    def __init__(self, b: float = 4.0) -> None:
        check_number("Squareplus", "b", b, above=0)
        self.b = b

    def __call__(self, x: Any) -> Any:
        return squareplus(x, self.b)

"""What an initializer is, and what the scaled ones are made of: fans and gains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from learnkit.checks import check_number
from learnkit.errors import ArgumentError, did_you_mean

__all__ = ["Initializer", "calculate_gain", "fans"]


@dataclass(frozen=True)
class Initializer:
    """Base of initializers: ``__call__(shape, *, seed, stream, dtype)`` returns a NumPy array."""

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        raise TypeError(f"{type(self).__name__} defines no __call__")


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """``(fan_in, fan_out)``: how many inputs an output is made of, and how many outputs an input goes to.

    Args:
        shape: of a weight, ``(fan_in, fan_out)``, or of a kernel, ``(*window, in, out)``, whose fans are
            in and out times the size of the window.

    Raises:
        ArgumentError: the shape has fewer than two axes, so it has no fans.

    >>> fans((64, 10)), fans((3, 3, 16, 32))
    ((64, 10), (144, 288))
    """
    if len(shape) < 2:
        raise ArgumentError(f"shape {shape} has no fan-in and fan-out; expected a weight with two axes")
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


#: Those of PyTorch; leaky_relu has its own formula.
_GAINS = {
    "identity": 1.0,
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights must be larger because of the nonlinearity after them.

    ==============================  ================================
    linear, identity, sigmoid       1
    tanh                            5/3
    relu                            sqrt(2)
    leaky_relu                      sqrt(2 / (1 + negative_slope^2))
    selu                            3/4
    ==============================  ================================

    Args:
        nonlinearity: a name of the table.
        param: the negative slope of leaky_relu; default 0.01.

    Raises:
        ArgumentError: another name, or a ``param`` that is no finite number or has no meaning.

    Source: PyTorch's ``torch.nn.init.calculate_gain``.

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        check_number("calculate_gain", "param", slope)
        return math.sqrt(2.0 / (1.0 + slope**2))
    if nonlinearity not in _GAINS:
        known = (*_GAINS, "leaky_relu")
        close = did_you_mean(nonlinearity, known) if isinstance(nonlinearity, str) else ""
        raise ArgumentError(
            f"nonlinearity is {nonlinearity!r}, expected one with a known gain{close}",
            hint=f"known: {', '.join(known)}; for another give the gain itself",
        )
    if param is not None:
        raise ArgumentError(f"calculate_gain: param is {param!r}, but {nonlinearity} has no parameter")
    return _GAINS[nonlinearity]

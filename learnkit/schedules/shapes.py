"""How a value goes from one level to another: curves over a part of the way, and factors."""

from __future__ import annotations

import math
from collections.abc import Callable

from learnkit.checks import one_of
from learnkit.errors import ArgumentError

__all__ = ["FALLS", "RISES", "check_shape", "scaled"]

#: What is reached of a rise when ``part`` of its way, in [0, 1], is done.
RISES: dict[str, Callable[[float], float]] = {
    "linear": lambda part: part,
    "cosine": lambda part: (1.0 - math.cos(math.pi * part)) / 2.0,
    "1-sqrt": lambda part: 1.0 - math.sqrt(1.0 - part),
}

#: What is left of a fall when ``part`` of its way, in [0, 1], is done.
FALLS: dict[str, Callable[[float], float]] = {
    "linear": lambda part: 1.0 - part,
    "cosine": lambda part: (1.0 + math.cos(math.pi * part)) / 2.0,
    "1-sqrt": lambda part: 1.0 - math.sqrt(part),
}


def check_shape(owner: str, name: str, shape: str) -> None:
    """Check that a shape is known.

    Raises:
        ArgumentError: it is not.
    """
    one_of(owner, name, shape, tuple(RISES))


def scaled(owner: str, lr: float, gamma: float, exponent: float) -> float:
    """``lr gamma^exponent``.

    Raises:
        ArgumentError: that is too large for a float.
    """
    try:
        value = float(lr * gamma**exponent)
    except OverflowError:
        value = math.inf
    if value == math.inf:
        raise ArgumentError(f"{owner}: {lr!r} times {gamma!r} to the power of {exponent:g} is infinite")
    return value

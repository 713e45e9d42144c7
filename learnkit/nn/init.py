"""Initial values of parameters.

An initializer is a frozen dataclass called as ``init(shape, seed=..., stream=...)``; it returns a host
array drawn from the counter-based stream of the leaf's path, so a model starts with the same numbers
on every backend. Weights have shape ``(fan_in, fan_out)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from learnkit.backends.base import get_backend
from learnkit.backends.random import philox_normal, philox_uniform
from learnkit.errors import ArgumentError

__all__ = [
    "Constant",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "Ones",
    "XavierNormal",
    "XavierUniform",
    "Zeros",
]


@dataclass(frozen=True)
class Initializer:
    """Base of initializers: ``__call__(shape, *, seed, stream, dtype)`` returns a NumPy array."""

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        raise TypeError(f"{type(self).__name__} defines no __call__")


@dataclass(frozen=True)
class Constant(Initializer):
    """Every element is ``value`` (default 0)."""

    value: float = 0.0

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        xp = get_backend("numpy").xp
        return xp.full(shape, self.value, dtype=getattr(xp, dtype))


@dataclass(frozen=True)
class Zeros(Constant):
    """Every element is 0, the usual start of a bias."""

    value: float = 0.0


@dataclass(frozen=True)
class Ones(Constant):
    """Every element is 1, the usual start of a scale."""

    value: float = 1.0


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """``(fan_in, fan_out)`` of a weight of shape ``(fan_in, fan_out)``.

    Raises:
        ArgumentError: the shape has fewer than two axes, so it has no fans.
    """
    if len(shape) < 2:
        raise ArgumentError(f"shape {shape} has no fan-in and fan-out; expected a weight with two axes")
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


@dataclass(frozen=True)
class _He(Initializer):
    mode: Literal["fan_in", "fan_out"] = "fan_in"
    gain: float = math.sqrt(2.0)

    def __post_init__(self) -> None:
        if self.mode not in ("fan_in", "fan_out"):
            raise ArgumentError(f"mode is {self.mode!r}, expected 'fan_in' or 'fan_out'")
        if not self.gain > 0:
            raise ArgumentError(f"gain is {self.gain!r}, expected a number > 0")

    def std(self, shape: tuple[int, ...]) -> float:
        """``gain / sqrt(fan)``."""
        fan = fans(shape)[0 if self.mode == "fan_in" else 1]
        return self.gain / math.sqrt(max(1, fan))


@dataclass(frozen=True)
class HeNormal(_He):
    """Normal with mean 0 and standard deviation ``gain / sqrt(fan)``.

    Args:
        mode: ``"fan_in"`` keeps the size of activations from layer to layer, ``"fan_out"`` of gradients.
        gain: sqrt(2) for relu.

    Source: He et al. 2015, "Delving deep into rectifiers", arXiv:1502.01852.
    """

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        return philox_normal(shape, seed=seed, stream=stream, dtype=dtype) * self.std(shape)


@dataclass(frozen=True)
class HeUniform(_He):
    """Uniform in ``[-a, a)`` with ``a = gain sqrt(3 / fan)``, the same variance as :class:`HeNormal`.

    Source: He et al. 2015, arXiv:1502.01852.
    """

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        bound = math.sqrt(3.0) * self.std(shape)
        return philox_uniform(shape, seed=seed, stream=stream, step=0, dtype=dtype) * (2 * bound) - bound


@dataclass(frozen=True)
class _Xavier(Initializer):
    gain: float = 1.0

    def __post_init__(self) -> None:
        if not self.gain > 0:
            raise ArgumentError(f"gain is {self.gain!r}, expected a number > 0")

    def std(self, shape: tuple[int, ...]) -> float:
        """``gain sqrt(2 / (fan_in + fan_out))``."""
        return self.gain * math.sqrt(2.0 / max(1, sum(fans(shape))))


@dataclass(frozen=True)
class XavierNormal(_Xavier):
    """Normal with mean 0 and standard deviation ``gain sqrt(2 / (fan_in + fan_out))``.

    Args:
        gain: 1 for linear and sigmoid units, 5/3 for tanh.

    Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward networks".
    """

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        return philox_normal(shape, seed=seed, stream=stream, dtype=dtype) * self.std(shape)


@dataclass(frozen=True)
class XavierUniform(_Xavier):
    """Uniform in ``[-a, a)`` with ``a = gain sqrt(6 / (fan_in + fan_out))``.

    Source: Glorot and Bengio 2010.
    """

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        bound = math.sqrt(3.0) * self.std(shape)
        return philox_uniform(shape, seed=seed, stream=stream, step=0, dtype=dtype) * (2 * bound) - bound

"""Start values of a fixed law, whatever the shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from learnkit.backends.base import get_backend
from learnkit.backends.random import philox_normal, philox_truncated_normal, philox_uniform
from learnkit.checks import check_number
from learnkit.errors import ArgumentError
from learnkit.nn.init.base import Initializer

__all__ = ["Constant", "Normal", "Ones", "TruncatedNormal", "Uniform", "Zeros"]


@dataclass(frozen=True)
class Constant(Initializer):
    """``W = value``, the same for every element (default 0).

    >>> Constant(2.0)((3,), seed=0, stream=0)
    array([2., 2., 2.], dtype=float32)
    """

    value: float = 0.0

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        xp = get_backend("numpy").xp
        return xp.full(shape, self.value, dtype=getattr(xp, dtype))


@dataclass(frozen=True)
class Zeros(Constant):
    """``W = 0``, the usual start of a bias."""

    value: float = 0.0


@dataclass(frozen=True)
class Ones(Constant):
    """``W = 1``, the usual start of a scale."""

    value: float = 1.0


@dataclass(frozen=True)
class Normal(Initializer):
    """``W ~ N(mean, std^2)``: normal numbers.

    Args:
        mean: default 0.
        std: >= 0, default 1.

    Raises:
        ArgumentError: they are not finite numbers, or ``std`` is negative.

    >>> Normal(std=0.02)((100, 100), seed=0, stream=0).std().round(3)
    np.float32(0.02)
    """

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        check_number("Normal", "mean", self.mean)
        check_number("Normal", "std", self.std, least=0)

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        return philox_normal(shape, seed=seed, stream=stream, dtype=dtype) * self.std + self.mean


@dataclass(frozen=True)
class Uniform(Initializer):
    """``W ~ U(low, high)``: uniform numbers.

    Args:
        low, high: default 0 and 1.

    Raises:
        ArgumentError: they are not finite numbers, or ``low`` is the larger.

    >>> bool(abs(Uniform(-0.1, 0.1)((100,), seed=0, stream=0)).max() <= 0.1)
    True
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        _check_order("Uniform", "low", self.low, "high", self.high)

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        values = philox_uniform(shape, seed=seed, stream=stream, step=0, dtype=dtype)
        return values * (self.high - self.low) + self.low


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """``W ~ N(mean, std^2) given a <= W <= b``: normal numbers, redrawn where they leave the bounds.

    The standard deviation of the result is below ``std``: 0.8796 ``std`` for bounds at two of them. To
    have it divided by that, as Keras and JAX do, take :class:`~learnkit.nn.init.VarianceScaling`.

    Args:
        mean, std: of the normal before it is cut; default 0 and 1.
        a, b: bounds of the values, default -2 and 2. As in PyTorch they are not multiples of ``std``.

    Raises:
        ArgumentError: they are not finite numbers, ``std`` is not positive, or ``a`` is not below ``b``.

    >>> bool(abs(TruncatedNormal(std=0.02, a=-0.04, b=0.04)((100,), seed=0, stream=0)).max() <= 0.04)
    True
    """

    mean: float = 0.0
    std: float = 1.0
    a: float = -2.0
    b: float = 2.0

    def __post_init__(self) -> None:
        check_number("TruncatedNormal", "mean", self.mean)
        check_number("TruncatedNormal", "std", self.std, above=0)
        _check_order("TruncatedNormal", "a", self.a, "b", self.b, strict=True)

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        xp = get_backend("numpy").xp
        low, high = (self.a - self.mean) / self.std, (self.b - self.mean) / self.std
        values = philox_truncated_normal(shape, low, high, seed=seed, stream=stream, dtype="float64")
        values = xp.astype(values * self.std + self.mean, getattr(xp, dtype), copy=False)
        return xp.minimum(xp.maximum(values, xp.full_like(values, self.a)), xp.full_like(values, self.b))


def _check_order(
    owner: str, low_name: str, low: Any, high_name: str, high: Any, *, strict: bool = False
) -> None:
    check_number(owner, low_name, low)
    check_number(owner, high_name, high)
    if low > high or (strict and low == high):
        raise ArgumentError(
            f"{owner}: {low_name} is {low!r} and {high_name} {high!r}, expected a smaller {low_name}"
        )

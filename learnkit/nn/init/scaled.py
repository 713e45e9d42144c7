"""Start values scaled by the shape, so that signals or gradients keep their size from layer to layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from learnkit.backends.random import philox_normal, philox_truncated_normal, philox_uniform
from learnkit.checks import check_number
from learnkit.errors import ArgumentError
from learnkit.nn.init.base import Initializer, calculate_gain, fans
from learnkit.nn.options import check_choice

__all__ = [
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
]

_MODES = ("fan_in", "fan_out")
_DISTRIBUTIONS = ("normal", "truncated_normal", "uniform")

#: Standard deviation of the standard normal cut at -2 and 2.
_CUT_STD = 0.87962566103423978


@dataclass(frozen=True)
class _Scaled(Initializer):
    """A standard deviation for each shape; how the numbers are drawn is the subclass's."""

    def std(self, shape: tuple[int, ...]) -> float:
        """The standard deviation of a weight of that shape."""
        raise TypeError(f"{type(self).__name__} defines no std")


@dataclass(frozen=True)
class _Normal(_Scaled):
    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        return philox_normal(shape, seed=seed, stream=stream, dtype=dtype) * self.std(shape)


@dataclass(frozen=True)
class _Uniform(_Scaled):
    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        bound = math.sqrt(3.0) * self.std(shape)
        return philox_uniform(shape, seed=seed, stream=stream, step=0, dtype=dtype) * (2 * bound) - bound


def _root_of_fan(shape: tuple[int, ...], mode: str) -> float:
    """``sqrt(fan)``, and 1 where there is nothing to scale."""
    return math.sqrt(max(1, fans(shape)[_MODES.index(mode)]))


@dataclass(frozen=True)
class _He(_Scaled):
    mode: Literal["fan_in", "fan_out"] = "fan_in"
    gain: float | None = None
    nonlinearity: str = "leaky_relu"
    a: float = 0.0

    def __post_init__(self) -> None:
        owner = type(self).__name__
        check_choice(owner, "mode", self.mode, _MODES)
        check_number(owner, "a", self.a)
        if self.gain is not None:
            check_number(owner, "gain", self.gain, above=0)
            if (self.nonlinearity, self.a) != ("leaky_relu", 0.0):
                raise ArgumentError(
                    f"{owner}: gain is {self.gain!r}, but {self.nonlinearity!r} with a={self.a!r} has one",
                    hint="give either a gain or a nonlinearity",
                )
        elif self.nonlinearity != "leaky_relu" and self.a != 0.0:
            raise ArgumentError(
                f"{owner}: a is {self.a!r}, but only nonlinearity 'leaky_relu' has a negative slope, "
                f"and not {self.nonlinearity!r}"
            )
        self._gain()

    def _gain(self) -> float:
        if self.gain is not None:
            return self.gain
        return calculate_gain(self.nonlinearity, self.a if self.nonlinearity == "leaky_relu" else None)

    def std(self, shape: tuple[int, ...]) -> float:
        """``gain / sqrt(fan)``."""
        return self._gain() / _root_of_fan(shape, self.mode)


@dataclass(frozen=True)
class HeNormal(_Normal, _He):
    """``W ~ N(0, gain^2 / fan)``: normal numbers, also called Kaiming.

    Args:
        mode: ``"fan_in"`` keeps the size of activations from layer to layer, ``"fan_out"`` of gradients.
        gain: > 0; default that of the nonlinearity, see :func:`~learnkit.nn.init.calculate_gain`.
        nonlinearity: name of what follows the layer, default ``"leaky_relu"``.
        a: the negative slope of leaky_relu; the default, 0, makes it relu, with gain sqrt(2).

    Raises:
        ArgumentError: an unknown mode or nonlinearity, a gain that is not a number > 0, or both a gain
            and a nonlinearity.

    Source: He et al. 2015, "Delving deep into rectifiers", arXiv:1502.01852.

    >>> round(HeNormal().std((50, 10)), 3), round(HeNormal(nonlinearity="linear").std((100, 10)), 3)
    (0.2, 0.1)
    """


@dataclass(frozen=True)
class HeUniform(_Uniform, _He):
    """``W ~ U(-s, s), s = gain sqrt(3 / fan)``: the same variance as :class:`HeNormal`.

    With ``a=sqrt(5)`` it is uniform in +-1/sqrt(fan_in), as the weights of PyTorch's Linear.

    Args:
        mode, gain, nonlinearity, a: as for :class:`HeNormal`.

    Raises:
        ArgumentError: as for :class:`HeNormal`.

    Source: He et al. 2015, arXiv:1502.01852.
    """


@dataclass(frozen=True)
class _Lecun(_Scaled):
    mode: Literal["fan_in", "fan_out"] = "fan_in"
    gain: float = 1.0

    def __post_init__(self) -> None:
        check_choice(type(self).__name__, "mode", self.mode, _MODES)
        check_number(type(self).__name__, "gain", self.gain, above=0)

    def std(self, shape: tuple[int, ...]) -> float:
        """``gain / sqrt(fan)``."""
        return self.gain / _root_of_fan(shape, self.mode)


@dataclass(frozen=True)
class LecunNormal(_Normal, _Lecun):
    """``W ~ N(0, gain^2 / fan)``: normal numbers, what selu needs.

    Args:
        mode: ``"fan_in"`` (default) or ``"fan_out"``.
        gain: > 0, default 1.

    Raises:
        ArgumentError: another mode, or a gain that is not a number > 0.

    Source: LeCun et al. 1998, "Efficient backprop". As in Chainer; the one of Keras and JAX is cut at two
    standard deviations: ``VarianceScaling()``.
    """


@dataclass(frozen=True)
class LecunUniform(_Uniform, _Lecun):
    """``W ~ U(-s, s), s = gain sqrt(3 / fan)``: the same variance as :class:`LecunNormal`.

    Args:
        mode, gain: as for :class:`LecunNormal`.

    Raises:
        ArgumentError: as for :class:`LecunNormal`.

    Source: LeCun et al. 1998.
    """


@dataclass(frozen=True)
class _Xavier(_Scaled):
    gain: float = 1.0

    def __post_init__(self) -> None:
        check_number(type(self).__name__, "gain", self.gain, above=0)

    def std(self, shape: tuple[int, ...]) -> float:
        """``gain sqrt(2 / (fan_in + fan_out))``."""
        return self.gain * math.sqrt(2.0 / max(1, sum(fans(shape))))


@dataclass(frozen=True)
class XavierNormal(_Normal, _Xavier):
    """``W ~ N(0, 2 gain^2 / (fan_in + fan_out))``: normal numbers, also called Glorot.

    Args:
        gain: > 0, default 1 for linear and sigmoid units; 5/3 for tanh, see
            :func:`~learnkit.nn.init.calculate_gain`.

    Raises:
        ArgumentError: the gain is not a number > 0.

    Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward networks".
    """


@dataclass(frozen=True)
class XavierUniform(_Uniform, _Xavier):
    """``W ~ U(-s, s), s = gain sqrt(6 / (fan_in + fan_out))``: the variance of :class:`XavierNormal`.

    Args:
        gain: as for :class:`XavierNormal`.

    Raises:
        ArgumentError: the gain is not a number > 0.

    Source: Glorot and Bengio 2010.
    """


@dataclass(frozen=True)
class VarianceScaling(_Scaled):
    """``Var W = scale / n``, with mean 0 and n a fan: the family of Keras and JAX.

    Args:
        scale: > 0, default 1.
        mode: n is ``"fan_in"`` (default), ``"fan_out"``, or ``"fan_avg"``, the mean of both.
        distribution: ``"truncated_normal"`` (default), cut at two standard deviations of the normal, which
            is that much wider (1 / 0.8796) to have this variance after the cut; ``"normal"``; or
            ``"uniform"``.

    Raises:
        ArgumentError: ``scale`` is not a number > 0, or another mode or distribution.

    >>> VarianceScaling(2.0, "fan_avg", "uniform").std((100, 300))
    0.1
    """

    scale: float = 1.0
    mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in"
    distribution: Literal["normal", "truncated_normal", "uniform"] = "truncated_normal"

    def __post_init__(self) -> None:
        check_number("VarianceScaling", "scale", self.scale, above=0)
        check_choice("VarianceScaling", "mode", self.mode, (*_MODES, "fan_avg"))
        check_choice("VarianceScaling", "distribution", self.distribution, _DISTRIBUTIONS)

    def std(self, shape: tuple[int, ...]) -> float:
        """``sqrt(scale / n)``."""
        fan_in, fan_out = fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        return math.sqrt(self.scale / max(1.0, n))

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        if self.distribution == "truncated_normal":
            values = philox_truncated_normal(shape, -2.0, 2.0, seed=seed, stream=stream, dtype=dtype)
            return values * (self.std(shape) / _CUT_STD)
        law = _Normal.__call__ if self.distribution == "normal" else _Uniform.__call__
        return law(self, shape, seed=seed, stream=stream, dtype=dtype)  # type: ignore[arg-type]

"""Initial values of parameters.

An initializer is a frozen dataclass called as ``init(shape, seed=..., stream=...)``; it returns a host
array drawn from the counter-based stream of the leaf's path, so a model starts with the same numbers
on every backend. Weights have shape ``(fan_in, fan_out)``, the transpose of PyTorch's, and kernels of
convolutions ``(*window, in, out)``.
"""

from learnkit.nn.init.base import Initializer, calculate_gain, fans
from learnkit.nn.init.plain import Constant, Normal, Ones, TruncatedNormal, Uniform, Zeros
from learnkit.nn.init.scaled import (
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
    XavierNormal,
    XavierUniform,
)
from learnkit.nn.init.structured import Dirac, Identity, Orthogonal, Sparse

__all__ = [
    "Constant",
    "Dirac",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Normal",
    "Ones",
    "Orthogonal",
    "Sparse",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
    "Zeros",
    "calculate_gain",
    "fans",
]

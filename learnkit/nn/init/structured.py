"""Start values with a structure: orthogonal, identity, sparse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from learnkit.backends.base import get_backend
from learnkit.backends.random import philox_normal, philox_uniform
from learnkit.checks import check_number
from learnkit.errors import ArgumentError
from learnkit.nn.init.base import Initializer

__all__ = ["Dirac", "Identity", "Orthogonal", "Sparse"]


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """``W^T W = gain^2 I``: orthonormal columns times ``gain``, or rows if there are fewer of those.

    All such matrices are equally likely. A kernel ``(*window, in, out)`` is one matrix with a column for
    each output.

    Args:
        gain: > 0, default 1; see :func:`~learnkit.nn.init.calculate_gain`.

    Raises:
        ArgumentError: the gain is not a number > 0; (when called) the shape has fewer than two axes.

    Source: Saxe et al. 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", arXiv:1312.6120; by QR with the signs of Mezzadri 2007, as in PyTorch.

    >>> q = Orthogonal()((6, 3), seed=0, stream=0, dtype="float64")
    >>> bool(abs(q.T @ q - [[1, 0, 0], [0, 1, 0], [0, 0, 1]]).max() < 1e-14)
    True
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_number("Orthogonal", "gain", self.gain, above=0)

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        xp = get_backend("numpy").xp
        _check_axes("Orthogonal", shape, 2, "a weight of two or more axes")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        # In float64 whatever the dtype, so that float32 is orthogonal to its own last digit.
        normal = philox_normal(tall, seed=seed, stream=stream, dtype="float64")
        q, r = xp.linalg.qr(normal, mode="reduced")
        negative = xp.linalg.diagonal(r) < 0
        q = xp.where(negative, -q, q)  # without the signs of r, matrices would not be equally likely
        q = q if rows >= columns else q.T
        return xp.astype(xp.reshape(q * self.gain, shape), getattr(xp, dtype))


@dataclass(frozen=True)
class Identity(Initializer):
    """``W = gain I``: a linear layer that starts by handing x on.

    Args:
        gain: default 1.

    Raises:
        ArgumentError: the gain is not a finite number; (when called) the shape has not two axes.

    >>> Identity()((2, 3), seed=0, stream=0)
    array([[1., 0., 0.],
           [0., 1., 0.]], dtype=float32)
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_number("Identity", "gain", self.gain)

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        xp = get_backend("numpy").xp
        if len(shape) != 2:
            raise ArgumentError(f"Identity got shape {shape}, expected a weight of two axes")
        return xp.eye(shape[0], shape[1], dtype=getattr(xp, dtype)) * self.gain


@dataclass(frozen=True)
class Sparse(Initializer):
    """``W ~ N(0, std^2)``, but for a fraction of each column, chosen at random, that is 0.

    A weight is ``(fan_in, fan_out)`` here, so each unit listens to the same number of inputs.

    Args:
        sparsity: fraction of zeros in each column, in [0, 1], default 0.1; ``ceil(sparsity rows)`` entries
            are 0. PyTorch has no default.
        std: standard deviation of the others, >= 0, default 0.01.

    Raises:
        ArgumentError: one of them is out of range; (when called) the shape has not two axes.

    Source: Martens 2010, "Deep learning via Hessian-free optimization".

    >>> (Sparse(0.75)((8, 3), seed=0, stream=0) == 0).sum(axis=0)
    array([6, 6, 6])
    """

    sparsity: float = 0.1
    std: float = 0.01

    def __post_init__(self) -> None:
        check_number("Sparse", "sparsity", self.sparsity, least=0)
        if self.sparsity > 1:
            raise ArgumentError(f"Sparse: sparsity is {self.sparsity!r}, expected a number in [0, 1]")
        check_number("Sparse", "std", self.std, least=0)

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        xp = get_backend("numpy").xp
        if len(shape) != 2:
            raise ArgumentError(f"Sparse got shape {shape}, expected a weight of two axes")
        values = philox_normal(shape, seed=seed, stream=stream, dtype=dtype) * self.std
        order = philox_uniform(shape, seed=seed, stream=stream, step=1, dtype="float64")
        rank = xp.argsort(xp.argsort(order, axis=0), axis=0)
        kept = rank >= math.ceil(self.sparsity * shape[0])
        return xp.where(kept, values, xp.zeros_like(values))


@dataclass(frozen=True)
class Dirac(Initializer):
    """``W[centre, i, o] = 1 if i = o else 0``: a convolution that starts by handing its channels on.

    All of the window but its centre is 0.

    Args:
        groups: into how many groups the channels are split, an integer >= 1; each hands on its own.

    Raises:
        ArgumentError: ``groups`` is not an integer >= 1; (when called) the shape is not that of a kernel,
            ``(*window, in, out)``, or out is not a multiple of ``groups``.

    >>> Dirac()((3, 1, 2), seed=0, stream=0)[1]
    array([[1., 0.]], dtype=float32)
    """

    groups: int = 1

    def __post_init__(self) -> None:
        if type(self.groups) is not int or self.groups < 1:
            raise ArgumentError(f"Dirac: groups is {self.groups!r}, expected an integer >= 1")

    def __call__(self, shape: tuple[int, ...], *, seed: int, stream: int, dtype: str = "float32") -> Any:
        xp = get_backend("numpy").xp
        _check_axes("Dirac", shape, 3, "a kernel (*window, in, out)")
        window, (inputs, outputs) = shape[:-2], shape[-2:]
        if outputs % self.groups:
            raise ArgumentError(
                f"Dirac got shape {shape}, expected a number of outputs that is a multiple of "
                f"{self.groups} groups"
            )
        each = outputs // self.groups
        # Each group is the identity of its inputs and outputs; the groups stand side by side.
        one = xp.eye(inputs, each, dtype=getattr(xp, dtype))
        kernel = xp.zeros(shape, dtype=getattr(xp, dtype))
        kernel[tuple(n // 2 for n in window)] = xp.tile(one, (1, self.groups))
        return kernel


def _check_axes(owner: str, shape: tuple[int, ...], least: int, wanted: str) -> None:
    if len(shape) < least:
        raise ArgumentError(f"{owner} got shape {shape}, expected {wanted}")

"""Noise on the gradient, and gradients without their mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import array_api_compat

from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.backends.random import stream_id
from learnkit.checks import at_least, one_of
from learnkit.optim.base import check_in
from learnkit.optim.transforms import Moment, Slots, Transform
from learnkit.schedules.base import Schedule

__all__ = ["Centralize", "GradientNoise"]


@dataclass(frozen=True)
class Centralize(Transform):
    """Gradient centralisation: subtracts from the gradient of each unit its mean.

    The mean is over all axes of a leaf but its ``unit_axis``; leaves with fewer than two axes stay.

    Args:
        unit_axis: the axis of output units: the last in learnkit and JAX (default), 0 in PyTorch's layout
            and in ``optax.centralize``.

    Raises:
        ArgumentError: ``unit_axis`` is neither -1 nor 0.

    Source: Yong et al. 2020, arXiv:2004.01461.

    >>> import numpy as np
    >>> Centralize().transform([np.asarray([[1.0, 2.0], [3.0, 6.0]])])
    [array([[-1., -2.],
           [ 1.,  2.]])]
    """

    needs_leaves: ClassVar[bool] = True

    unit_axis: Literal[-1, 0] = -1

    def __post_init__(self) -> None:
        one_of("Centralize", "unit_axis", self.unit_axis, (-1, 0))

    def transform(self, grads: list[Array]) -> list[Array]:
        return [self._centred(g) for g in grads]

    def _centred(self, g: Array) -> Array:
        ndim = len(g.shape)
        if ndim < 2 or 0 in g.shape:
            return g
        axes = tuple(i for i in range(ndim) if i != self.unit_axis % ndim)
        return g - array_namespace(g).mean(g, axis=axes, keepdims=True)


@dataclass(frozen=True)
class GradientNoise(Transform):
    """Adds normal noise of variance ``eta / (1 + t)^gamma`` to the gradient, with t from 0.

    The noise is a pure function of (seed, path of the leaf, step): a resumed run draws the same.

    Args:
        eta: >= 0, or a schedule; default 0.3. The paper takes 0.01, 0.3 or 1.
        gamma: >= 0, or a schedule; default 0.55.
        seed: an integer >= 0.

    Raises:
        ArgumentError: an argument is out of range.

    Source: Neelakantan et al. 2015, arXiv:1511.06807; the same variances as ``optax.add_noise``.

    >>> GradientNoise(0.01)
    GradientNoise(eta=0.01, gamma=0.55, seed=0)
    """

    needs_leaves: ClassVar[bool] = True

    eta: float | Schedule = 0.3
    gamma: float | Schedule = 0.55
    seed: int = 0

    def __post_init__(self) -> None:
        check_in("GradientNoise", "eta", self.eta, "[0, inf)")
        check_in("GradientNoise", "gamma", self.gamma, "[0, inf)")
        at_least("GradientNoise", "seed", self.seed, 0)

    def update(
        self, grads: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        deviation = math.sqrt(self.eta / now.step**self.gamma)  # type: ignore[operator]
        return [
            g + deviation * self._normal(g, path, now.step - 1)
            for g, path in zip(grads, now.layout.paths, strict=True)
        ], slots

    def _normal(self, g: Array, path: str, step: int) -> Array:
        xp = array_namespace(g)
        numbers = kernels_of(g).random_normal(
            tuple(g.shape),
            seed=self.seed,
            stream=stream_id(f"gradient noise {path}"),
            step=step,
            device=array_api_compat.device(g),
            dtype="float64" if g.dtype == xp.float64 else "float32",
        )
        return xp.astype(numbers, g.dtype, copy=False)

"""Clipping of gradients: by their norm, all together or each leaf, by value, or against the parameters."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import array_api_compat

from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.checks import one_of
from learnkit.errors import GradientError
from learnkit.optim.base import check_in
from learnkit.optim.transforms import Moment, Slots, Transform
from learnkit.schedules.base import Schedule

__all__ = ["AdaptiveClip", "ClipByGlobalNorm", "ClipByNorm", "ClipByValue", "global_norm", "unit_norm"]


def global_norm(grads: list[Array]) -> Array:
    """The Euclidean norm of all gradients together, a 0-d array on their device.

    Summed in double precision on NumPy and CuPy, so float32 gradients of 1e20 have a norm too.
    """
    return kernels_of(grads[0]).global_norm(grads)


@dataclass(frozen=True)
class ClipByGlobalNorm(Transform):
    """Scales all gradients by ``min(1, max_norm / norm)``, with the norm over all of them together.

    Exactly so, without the 1e-6 that PyTorch adds to the norm.

    Args:
        max_norm: > 0, or a schedule.
        on_nonfinite: what becomes of a gradient whose norm is not finite. ``"keep"`` (default): it stays
            not finite, and the loss will show it. ``"zero"``: all gradients are 0 in this step; the rule
            takes it as such, so that momentum goes on and weight decay acts. ``"skip"``: the whole
            update is called off, see ``SkipNonFinite``. ``"raise"``: GradientError; the only one that
            waits for the device.

    Raises:
        ArgumentError: an argument is out of range.

    Source: Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063.

    >>> import numpy as np
    >>> ClipByGlobalNorm(1.0).transform([np.asarray([3.0]), np.asarray([4.0])])
    [array([0.6]), array([0.8])]
    """

    slots: ClassVar[tuple[str, ...]] = ()

    max_norm: float | Schedule = 1.0
    on_nonfinite: Literal["keep", "zero", "skip", "raise"] = "keep"

    def __post_init__(self) -> None:
        check_in("ClipByGlobalNorm", "max_norm", self.max_norm, "(0, inf)")
        one_of("ClipByGlobalNorm", "on_nonfinite", self.on_nonfinite, ("keep", "zero", "skip", "raise"))
        if self.on_nonfinite == "skip":
            object.__setattr__(self, "slots", ("finite",))

    def init_slots(self, params: list[Array]) -> Slots:
        if not self.slots or not params:
            return {name: [] for name in self.slots}
        xp = array_namespace(*params)
        return {"finite": [xp.ones((), dtype=xp.bool, device=array_api_compat.device(params[0]))]}

    @functools.cached_property
    def simple(self) -> bool:
        """Whether ``transform(grads)`` is all that it does: not if it calls steps off."""
        return self.on_nonfinite != "skip"

    def transform(self, grads: list[Array]) -> list[Array]:
        if not grads:
            return grads
        xp = array_namespace(*grads)
        norm = global_norm(grads)
        if self.on_nonfinite == "raise" and not bool(xp.isfinite(norm)):
            raise GradientError(f"ClipByGlobalNorm: the norm of the gradient is {float(norm)}")
        if self.on_nonfinite in ("zero", "skip"):  # before the product: 0 times infinity is NaN
            finite = xp.isfinite(norm)
            grads = [xp.where(finite, g, xp.zeros_like(g)) for g in grads]
            norm = xp.where(finite, norm, xp.zeros_like(norm))
        factor = self.max_norm / xp.maximum(norm, xp.full_like(norm, self.max_norm))
        return [g * xp.astype(factor, g.dtype, copy=False) for g in grads]  # leaves may differ in dtype

    def update(
        self, grads: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        if self.on_nonfinite != "skip" or not grads:
            return self.transform(grads), slots
        return self.transform(grads), {"finite": [array_namespace(*grads).isfinite(global_norm(grads))]}

    def go(self, slots: Slots) -> Array | None:
        return slots["finite"][0] if slots.get("finite") else None


@dataclass(frozen=True)
class ClipByValue(Transform):
    """Brings each element of the gradient into [-max_value, max_value].

    As ``torch.nn.utils.clip_grad_value_`` and ``optax.clip``; NaN stays NaN.

    Args:
        max_value: > 0, or a schedule.

    Raises:
        ArgumentError: ``max_value`` is out of range.

    >>> import numpy as np
    >>> ClipByValue(1.0).transform([np.asarray([-3.0, 0.5])])
    [array([-1. ,  0.5])]
    """

    max_value: float | Schedule = 1.0

    def __post_init__(self) -> None:
        check_in("ClipByValue", "max_value", self.max_value, "(0, inf)")

    def transform(self, grads: list[Array]) -> list[Array]:
        return [self._clipped(g) for g in grads]

    def _clipped(self, g: Array) -> Array:
        xp: Any = array_namespace(g)
        most = xp.full_like(g, self.max_value)
        return xp.minimum(xp.maximum(g, -most), most)


@dataclass(frozen=True)
class ClipByNorm(Transform):
    """Scales the gradient of each leaf by ``min(1, max_norm / norm)``, with the norm of that leaf.

    As ``clipnorm`` of Keras. :class:`ClipByGlobalNorm` keeps the direction of the whole step, this does not.

    Args:
        max_norm: > 0, or a schedule.

    Raises:
        ArgumentError: ``max_norm`` is out of range.

    >>> import numpy as np
    >>> ClipByNorm(1.0).transform([np.asarray([3.0, 4.0]), np.asarray([0.5])])
    [array([0.6, 0.8]), array([0.5])]
    """

    needs_leaves: ClassVar[bool] = True

    max_norm: float | Schedule = 1.0

    def __post_init__(self) -> None:
        check_in("ClipByNorm", "max_norm", self.max_norm, "(0, inf)")

    def transform(self, grads: list[Array]) -> list[Array]:
        return [self._clipped(g) for g in grads]

    def _clipped(self, g: Array) -> Array:
        norm = global_norm([g])
        xp = array_namespace(g)
        return g * (self.max_norm / xp.maximum(norm, xp.full_like(norm, self.max_norm)))


def unit_norm(x: Array, unit_axis: int) -> Array:
    """The norm of the weights of each unit, with axes of length 1: over all axes but ``unit_axis``.

    For an array with fewer than two axes longer than 1, such as a bias, it is the norm of all.
    """
    xp = array_namespace(x)
    ndim = len(x.shape)
    few = sum(n > 1 for n in x.shape) <= 1
    axes = tuple(range(ndim)) if few else tuple(i for i in range(ndim) if i != unit_axis % ndim)
    return xp.sqrt(xp.sum(x * x, axis=axes, keepdims=True))


@dataclass(frozen=True)
class AdaptiveClip(Transform):
    """Adaptive gradient clipping (AGC): bounds the gradient of each unit by the norm of its weights.

    ::

        g = g * bound / |g|   where |g| > bound = clipping max(|w|, eps)

    with norms over the weights of a unit: all axes of a leaf but its ``unit_axis``. A vector is one unit.

    Args:
        clipping: > 0, or a schedule; default 0.01.
        eps: > 0, least norm of weights, default 1e-3, so that weights that start at zero can move.
        unit_axis: the axis of output units: the last in learnkit and JAX (default), 0 in PyTorch's layout.

    Raises:
        ArgumentError: an argument is out of range.

    Source: Brock et al. 2021, arXiv:2102.06171; ``optax.adaptive_grad_clip``.

    >>> AdaptiveClip()
    AdaptiveClip(clipping=0.01, eps=0.001, unit_axis=-1)
    """

    needs_leaves: ClassVar[bool] = True

    clipping: float | Schedule = 0.01
    eps: float | Schedule = 1e-3
    unit_axis: Literal[-1, 0] = -1

    def __post_init__(self) -> None:
        check_in("AdaptiveClip", "clipping", self.clipping, "(0, inf)")
        check_in("AdaptiveClip", "eps", self.eps, "(0, inf)")
        one_of("AdaptiveClip", "unit_axis", self.unit_axis, (-1, 0))

    def update(
        self, grads: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        return [self._clipped(g, p) for g, p in zip(grads, params, strict=True)], slots

    def _clipped(self, g: Array, p: Array) -> Array:
        xp = array_namespace(g, p)
        weight, norm = unit_norm(p, self.unit_axis), unit_norm(g, self.unit_axis)
        bound = self.clipping * xp.maximum(weight, xp.full_like(weight, self.eps))
        bound = xp.astype(bound, g.dtype, copy=False)
        least = xp.maximum(norm, xp.full_like(norm, 1e-6))
        return xp.where(norm < bound, g, g * (bound / least))

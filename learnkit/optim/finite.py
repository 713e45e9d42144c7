"""Steps whose gradient is not finite: left out, with a scale of the loss or without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import at_least
from learnkit.errors import ArgumentError
from learnkit.optim.base import check_in
from learnkit.optim.transforms import Moment, Slots, Transform

__all__ = ["LossScale", "SkipNonFinite", "all_finite"]


def all_finite(arrays: list[Array]) -> Array:
    """Whether no element of any array is NaN or infinite: a 0-d boolean on their device."""
    xp = array_namespace(*arrays)
    found: Any = None
    for a in arrays:
        finite = xp.all(xp.isfinite(a))
        found = finite if found is None else xp.logical_and(found, finite)
    return found


def _number(like: Array, value: float, dtype: str) -> Array:
    xp = array_namespace(like)
    number = int(value) if dtype.startswith("int") else float(value)
    return xp.full((), number, dtype=getattr(xp, dtype), device=array_api_compat.device(like))


@dataclass(frozen=True)
class SkipNonFinite(Transform):
    """Leaves out an update whose gradient holds NaN or infinity: parameters and all slots stay as they are.

    The decision is made on the device and nothing waits for it, so the host's count of steps,
    which schedules and bias corrections go by, counts a step that was left out too.

    It sees the gradient at its place in the chain and calls off all parts of the step, whatever their place.

    Args:
        max_consecutive: after more than so many in a row the update is made nevertheless, so that the trouble
            shows; an integer >= 0. ``None`` (default): never.

    Raises:
        ArgumentError: ``max_consecutive`` is out of range.

    Slots: ``skipped``, how many were left out in all, and ``consecutive``, in a row, as 0-d int32.

    Source: ``optax.apply_if_finite``, whose inner step count stays too, as here only the slots do.

    >>> import numpy as np
    >>> from learnkit.optim import SGD, chain
    >>> optimizer = chain(SkipNonFinite(), SGD(0.5))
    >>> w = np.asarray([1.0, 2.0])
    >>> w, state = optimizer.apply(w, np.asarray([np.nan, 1.0]), optimizer.init(w))
    >>> w, int(state.slots["0.skipped"][0])
    (array([1., 2.]), 1)
    """

    slots: ClassVar[tuple[str, ...]] = ("skipped", "consecutive", "go")

    max_consecutive: int | None = None

    def __post_init__(self) -> None:
        if self.max_consecutive is not None:
            at_least("SkipNonFinite", "max_consecutive", self.max_consecutive, 0)

    def init_slots(self, params: list[Array]) -> Slots:
        if not params:
            return {name: [] for name in self.slots}
        zero = [_number(params[0], 0, "int32") for _ in range(3)]
        return {"skipped": [zero[0]], "consecutive": [zero[1]], "go": [_number(params[0], 1, "int32")]}

    def update(
        self, grads: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        if not grads:
            return grads, slots
        xp = array_namespace(*grads)
        finite = all_finite(grads)
        (skipped,), (row,) = slots["skipped"], slots["consecutive"]
        row = xp.where(finite, xp.zeros_like(row), row + 1)
        go = finite
        if self.max_consecutive is not None:
            go = xp.logical_or(finite, row > self.max_consecutive)
        skipped = skipped + xp.astype(xp.logical_not(go), xp.int32)
        # What is called off is computed all the same: of zeros, which give no warnings.
        grads = [xp.where(go, g, xp.zeros_like(g)) for g in grads]
        return grads, {"skipped": [skipped], "consecutive": [row], "go": [xp.astype(go, xp.int32)]}

    def go(self, slots: Slots) -> Array | None:
        return slots["go"][0] != 0 if slots["go"] else None


@dataclass(frozen=True)
class LossScale(Transform):
    """Divides gradients by the factor that the loss was multiplied by, so that small float16 ones survive.

    ::

        grad = grad(scale loss) / scale
        not finite:                             scale = scale backoff_factor; the update is left out
        growth_interval good ones in a row:     scale = scale growth_factor

    A ``Trainer`` multiplies the loss itself. Alone, differentiate ``optimizer.loss_scale(state) * loss``.
    The quotient is computed in float32 and has the dtype of the parameter, so that float16 gradients of
    float32 master weights lose nothing. Everything stays on the device; see ``SkipNonFinite`` for steps that
    are left out.

    Args:
        scale: > 0, at the start; default 65536.
        dynamic: default ``True``; otherwise the scale stays, and gradients that are not finite pass.
        growth_factor: > 1, default 2.
        backoff_factor: in (0, 1), default 0.5.
        growth_interval: >= 1, default 2000.

    Raises:
        ArgumentError: an argument is out of range.

    Slots: ``scale`` (0-d float32), ``good``, good updates since the last change (0-d int32).

    Source: Micikevicius et al. 2018, arXiv:1710.03740; ``torch.amp.GradScaler``.

    >>> LossScale(1024.0, dynamic=False).dynamic
    False
    """

    slots: ClassVar[tuple[str, ...]] = ("scale", "good", "go")

    scale: float = 65536.0
    dynamic: bool = True
    growth_factor: float = 2.0
    backoff_factor: float = 0.5
    growth_interval: int = 2000

    def __post_init__(self) -> None:
        check_in("LossScale", "scale", self.scale, "(0, inf)")
        check_in("LossScale", "growth_factor", self.growth_factor, "(0, inf)")
        if not self.growth_factor > 1:
            raise ArgumentError(f"LossScale: growth_factor is {self.growth_factor!r}, expected a number > 1")
        check_in("LossScale", "backoff_factor", self.backoff_factor, "(0, 1)")
        at_least("LossScale", "growth_interval", self.growth_interval, 1)

    def init_slots(self, params: list[Array]) -> Slots:
        if not params:
            return {name: [] for name in self.slots}
        like = params[0]
        return {
            "scale": [_number(like, self.scale, "float32")],
            "good": [_number(like, 0, "int32")],
            "go": [_number(like, 1, "int32")],
        }

    def update(
        self, grads: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        if not grads:
            return grads, slots
        xp = array_namespace(*grads)
        (scale,), (good,) = slots["scale"], slots["good"]
        finite = all_finite(grads) if self.dynamic else None
        new = [self._unscaled(g, p, scale, finite) for g, p in zip(grads, params, strict=True)]
        if finite is None:
            return new, slots
        good = xp.where(finite, good + 1, xp.zeros_like(good))
        grown = good == self.growth_interval
        # A scale that would be infinite stays.
        larger = scale * self.growth_factor
        larger = xp.where(xp.isfinite(larger), larger, scale)
        scale = xp.where(finite, xp.where(grown, larger, scale), scale * self.backoff_factor)
        good = xp.where(grown, xp.zeros_like(good), good)
        return new, {"scale": [scale], "good": [good], "go": [xp.astype(finite, xp.int32)]}

    def go(self, slots: Slots) -> Array | None:
        return slots["go"][0] != 0 if self.dynamic and slots["go"] else None

    def loss_scale(self, slots: Slots) -> Array | None:
        return slots["scale"][0] if slots["scale"] else None

    def _unscaled(self, g: Array, p: Array, scale: Array, finite: Array | None) -> Array:
        xp = array_namespace(g)
        if finite is not None:
            g = xp.where(finite, g, xp.zeros_like(g))
        wide = xp.float64 if g.dtype == xp.float64 else xp.float32
        return xp.astype(
            xp.astype(g, wide, copy=False) / xp.astype(scale, wide, copy=False), p.dtype, copy=False
        )

"""Sharpness-aware minimisation: the gradient where the loss is worst nearby."""

from __future__ import annotations

from dataclasses import dataclass

from learnkit.backends.base import Array, array_namespace
from learnkit.optim.base import LeafGradient, check_in
from learnkit.optim.clip import global_norm
from learnkit.optim.transforms import Moment, Slots, Transform
from learnkit.schedules.base import Schedule

__all__ = ["SAM"]


@dataclass(frozen=True)
class SAM(Transform):
    """Takes the gradient at the worst point nearby, in first order, and applies it at theta.

    ::

        e = rho g / (|g| + 1e-12)                       g: the gradient at theta
        adaptive: e = rho theta^2 g / (|theta g| + 1e-12)
        the gradient at theta + e goes to the rule

    with norms over all parameters. A step costs two gradients and needs ``step_with``.
    There, both are taken with the same dropout masks, and running statistics are updated by the first only.

    Args:
        rho: > 0, or a schedule; default 0.05. With ``adaptive`` ten times as much is usual.
        adaptive: ASAM, whose neighbourhood scales with each weight; default ``False``.

    Raises:
        ArgumentError: ``rho`` is out of range.

    Source: Foret et al. 2021, arXiv:2010.01412; adaptive: Kwon et al. 2021, arXiv:2102.11600.

    >>> SAM(0.1)
    SAM(rho=0.1, adaptive=False)
    """

    rho: float | Schedule = 0.05
    adaptive: bool = False

    def __post_init__(self) -> None:
        check_in("SAM", "rho", self.rho, "(0, inf)")

    def transform(self, grads: list[Array]) -> list[Array]:
        return grads

    def gradient(
        self, value_and_grad: LeafGradient, params: list[Array], slots: Slots, now: Moment
    ) -> tuple[Array, list[Array]]:
        value, grads = value_and_grad(params)
        if not grads:
            return value, grads
        xp = array_namespace(*grads)
        directions = grads
        if self.adaptive:
            grads = [p * g for p, g in zip(params, grads, strict=True)]
            directions = [p * g for p, g in zip(params, grads, strict=True)]
        scale = self.rho / (global_norm(grads) + 1e-12)
        points = [
            p + d * xp.astype(scale, d.dtype, copy=False) for p, d in zip(params, directions, strict=True)
        ]
        return value, value_and_grad(points)[1]

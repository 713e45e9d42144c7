"""Lookahead: slow weights that follow the fast ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import at_least
from learnkit.optim.base import check_in
from learnkit.optim.transforms import Moment, Slots, Transform
from learnkit.schedules.base import Schedule

__all__ = ["Lookahead"]


@dataclass(frozen=True)
class Lookahead(Transform):
    """k steps forward, one step back: every k-th update the slow weights move towards the fast ones.

    ::

        slow = slow + alpha (theta - slow)      theta = slow        after updates k, 2k, ...

    The state of the rule goes on. Evaluated and deployed are the slow weights, as in the paper.

    Args:
        k: >= 1, default 5.
        alpha: in (0, 1], or a schedule; default 0.5.

    Raises:
        ArgumentError: an argument is out of range.

    Source: Zhang et al. 2019, arXiv:1907.08610; ``optax.lookahead(sync_period=k, slow_step_size=alpha)``.

    >>> Lookahead()
    Lookahead(k=5, alpha=0.5)
    """

    slots: ClassVar[tuple[str, ...]] = ("slow",)
    averages: ClassVar[bool] = True

    k: int = 5
    alpha: float | Schedule = 0.5

    def __post_init__(self) -> None:
        at_least("Lookahead", "k", self.k, 1)
        check_in("Lookahead", "alpha", self.alpha, "(0, 1]")

    def init_slots(self, params: list[Array]) -> Slots:
        return {"slow": [array_namespace(p).asarray(p, copy=True) for p in params]}

    def transform(self, grads: list[Array]) -> list[Array]:
        return grads

    def after(
        self, before: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        if now.step % self.k:
            return params, slots
        slow = [s + self.alpha * (p - s) for s, p in zip(slots["slow"], params, strict=True)]
        return slow, {"slow": slow}

    def average(self, params: list[Array], slots: Slots, now: Moment) -> list[Array]:
        return slots["slow"]

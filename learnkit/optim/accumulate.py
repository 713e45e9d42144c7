"""Accumulation: one update for several batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import at_least, one_of
from learnkit.optim.base import zeros_like
from learnkit.optim.transforms import Slots, Transform

__all__ = ["Accumulate"]


@dataclass(frozen=True)
class Accumulate(Transform):
    """Gathers the gradients of ``every`` batches and makes one update with their mean.

    ::

        grad = sum_i n_i grad_i / sum_i n_i

    with n_i the number of samples of batch i (what the mean of its loss was divided by), so that the update
    is that of the batch they were cut from, also if the last is short. Everything that counts
    steps, schedules, bias corrections, averages, counts updates. It stands first in a chain.

    In a ``Trainer``, where ``Trainer(accumulate=4)`` puts it in front of any optimizer, the n_i are filled
    in, and what is left over at the end of an epoch makes an update. Alone, :meth:`Chain.apply
    <learnkit.optim.Chain.apply>` takes n_i as ``weight``, and ``flush(params, state)`` makes the update of
    what is left over.

    Args:
        every: batches in an update, >= 1; default 4.
        reduce: ``"mean"``, or ``"sum"`` for a loss that is a sum and not a mean.

    Raises:
        ArgumentError: an argument is out of range.

    >>> import numpy as np
    >>> from learnkit.optim import SGD, chain
    >>> optimizer = chain(Accumulate(2), SGD(1.0))
    >>> w, state = np.asarray([0.0]), optimizer.init(np.asarray([0.0]))
    >>> w, state = optimizer.apply(w, np.asarray([1.0]), state, weight=3.0)
    >>> w, state = optimizer.apply(w, np.asarray([5.0]), state, weight=1.0)
    >>> w, state.step
    (array([-2.]), 1)
    """

    slots: ClassVar[tuple[str, ...]] = ("sum", "weight")

    every: int = 4
    reduce: Literal["mean", "sum"] = "mean"

    def __post_init__(self) -> None:
        at_least("Accumulate", "every", self.every, 1)
        one_of("Accumulate", "reduce", self.reduce, ("mean", "sum"))

    def init_slots(self, params: list[Array]) -> Slots:
        return {"sum": [zeros_like(p) for p in params], "weight": [_zero(params[0])] if params else []}

    def transform(self, grads: list[Array]) -> list[Array]:
        return grads  # the mean, by the time that this is called

    def added(self, slots: Slots, grads: list[Array], weight: Array | float) -> Slots:
        """The slots with one more gradient."""
        total = [s + _scaled(g, weight) for s, g in zip(slots["sum"], grads, strict=True)]
        return {"sum": total, "weight": [_plus(w, weight) for w in slots["weight"]]}

    def taken(self, slots: Slots) -> tuple[list[Array], Slots]:
        """What has been gathered, reduced, and empty slots."""
        grads = slots["sum"]
        if self.reduce == "mean" and grads:
            (weight,) = slots["weight"]
            xp = array_namespace(weight)
            weight = xp.where(weight > 0, weight, xp.ones_like(weight))
            grads = [g / xp.astype(weight, g.dtype, copy=False) for g in grads]
        return grads, self.init_slots(slots["sum"])


def _zero(like: Array) -> Array:
    xp = array_namespace(like)
    dtype = xp.float64 if like.dtype == xp.float64 else xp.float32
    return xp.zeros((), dtype=dtype, device=array_api_compat.device(like))


def _scaled(g: Array, weight: Array | float) -> Array:
    if isinstance(weight, (int, float)):
        return g if weight == 1 else g * float(weight)
    return g * array_namespace(g).astype(weight, g.dtype, copy=False)


def _plus(total: Array, weight: Array | float) -> Array:
    if isinstance(weight, (int, float)):
        return total + float(weight)
    return total + array_namespace(total).astype(weight, total.dtype, copy=False)

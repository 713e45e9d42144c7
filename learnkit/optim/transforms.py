"""What a transform is: a change of the gradient before a rule, or of the parameters after it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.backends.layout import Layout
from learnkit.optim.base import LeafGradient, zeros_like
from learnkit.optim.paths import runs
from learnkit.optim.scheduled import Scheduled
from learnkit.schedules.base import Schedule

__all__ = ["Moment", "Slots", "Transform", "on_selected"]

#: The slots of one transform by name: lists of arrays.
Slots = dict[str, list[Array]]


@dataclass(frozen=True)
class Moment:
    """The step under way, as a transform sees it.

    Attributes:
        step: counts from 1.
        lr: the learning rate at this step.
        layout: paths and shapes of the leaves.
        flat: whether the lists hold one vector of that layout, and not an array for each leaf.
    """

    step: int
    lr: float
    layout: Layout
    flat: bool


@dataclass(frozen=True)
class Transform(Scheduled):
    """Base of transforms: a frozen dataclass of hyper-parameters, each a number or a schedule.

    The simple kind defines :meth:`transform` and nothing else. One that needs more overrides, of
    :meth:`update` (sees parameters, keeps state), :meth:`after` (changes what the rule made),
    :meth:`gradient` (takes the gradient elsewhere) and :meth:`go` (calls the whole step off), what it
    needs. All lists are of equal length, and arrays that are given are never changed.

    In a ``Trainer`` the lists hold one vector, theta or its gradient, unless the transform needs leaves.
    Whatever depends on values of arrays is a ``where``: nothing waits for the device.
    """

    #: Names of the lists of arrays that it keeps; see :meth:`init_slots`.
    slots: ClassVar[tuple[str, ...]] = ()
    #: Whether it needs each leaf in its shape; otherwise it may be given all leaves as one vector.
    needs_leaves: ClassVar[bool] = False
    #: Whether :meth:`after` looks at the parameters as they were before the step.
    needs_before: ClassVar[bool] = False
    #: Whether :meth:`average` is what to evaluate and deploy.
    averages: ClassVar[bool] = False

    def init_slots(self, params: list[Array]) -> Slots:
        """The slots before the first step: new arrays, by default zeros like each parameter.

        A list may be of another length: one 0-d array for a count, for instance.
        """
        return {name: [zeros_like(p) for p in params] for name in self.slots}

    def transform(self, grads: list[Array]) -> list[Array]:
        """New gradients for all leaves; the given ones are left as they are."""
        raise TypeError(f"{type(self).__name__} defines no transform(self, grads)")

    def update(
        self, grads: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        """New gradients and slots."""
        return self.transform(grads), slots

    def after(
        self, before: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        """New parameters and slots, from the parameters before the step and those that the rule made."""
        return params, slots

    def gradient(
        self, value_and_grad: LeafGradient, params: list[Array], slots: Slots, now: Moment
    ) -> tuple[Array, list[Array]]:
        """Value and gradient for this step; by default both at ``params``."""
        return value_and_grad(params)

    def go(self, slots: Slots) -> Array | None:
        """After :meth:`update`: a 0-d boolean, false to leave everything as it was; or ``None``."""
        return None

    def average(self, params: list[Array], slots: Slots, now: Moment) -> list[Array]:
        """What to evaluate in the place of ``params``, after ``now.step`` updates."""
        return params

    def loss_scale(self, slots: Slots) -> Array | None:
        """What the loss is to be multiplied by before it is differentiated, a 0-d array; or ``None``."""
        return None

    def with_lr(self, lr: float | Schedule) -> float | Schedule:
        """The learning rate that the rule is to have, given its own."""
        return lr

    def check_slots(self, layout: Layout) -> None:
        """Called when the leaves are known: refuse patterns that fit no leaf, and the like.

        Raises:
            ArgumentError: this transform does not fit the leaves.
        """

    @functools.cached_property
    def simple(self) -> bool:
        """Whether ``transform(grads)`` is all that it does."""
        names = ("init_slots", "update", "after", "gradient", "go", "average", "loss_scale", "with_lr")
        own = any(getattr(type(self), n) is not getattr(Transform, n) for n in names)
        return not own and not self.slots and not self.needs_leaves


def on_selected(
    function: Callable[..., Array], selected: tuple[bool, ...] | None, now: Moment, *lists: list[Array]
) -> list[Array]:
    """``function(a, b, ...)`` of the selected leaves, and the first list's array for the others.

    Args:
        function: elementwise, of one array from each list.
        selected: for each leaf of ``now.layout``; ``None`` is all.
    """
    if selected is None or all(selected):
        return [function(*arrays) for arrays in zip(*lists, strict=True)]
    if not now.flat:
        return [
            function(*arrays) if chosen else arrays[0]
            for chosen, arrays in zip(selected, zip(*lists, strict=True), strict=True)
        ]
    (first, *others) = (only for (only,) in lists)
    xp: Any = array_namespace(first)
    out = xp.asarray(first, copy=True)
    for chosen, start, stop in runs(selected, now.layout):
        if chosen:
            out[start:stop] = function(first[start:stop], *(a[start:stop] for a in others))
    return [out]

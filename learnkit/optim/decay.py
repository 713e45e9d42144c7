"""Penalties on the size of the parameters: weight decay and L1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from learnkit.backends.base import Array, kernels_of
from learnkit.backends.layout import Layout
from learnkit.errors import ArgumentError
from learnkit.optim.base import check_in
from learnkit.optim.paths import check_pattern, selection
from learnkit.optim.transforms import Moment, Slots, Transform, on_selected
from learnkit.schedules.base import Schedule

__all__ = ["L1", "WeightDecay"]


@dataclass(frozen=True)
class _Masked(Transform):
    """A transform of some leaves: those that ``mask`` names."""

    def check_mask(self, mask: object) -> tuple[str, ...] | str | None:
        """The mask as a hashable value.

        Raises:
            ArgumentError: it is no pattern and no list of patterns.
        """
        if mask is None:
            return None
        patterns = [mask] if isinstance(mask, str) else mask
        if not isinstance(patterns, (list, tuple)) or not patterns:
            raise ArgumentError(
                f"{type(self).__name__}: mask is {mask!r}, expected a pattern or a list of them"
            )
        for pattern in patterns:
            check_pattern(type(self).__name__, pattern)
        return mask if isinstance(mask, str) else tuple(patterns)

    def selected(self, mask: tuple[str, ...] | str | None, layout: Layout) -> tuple[bool, ...] | None:
        """For each leaf whether the mask names it; ``None`` for all."""
        if mask is None:
            return None
        return selection(type(self).__name__, (mask,) if isinstance(mask, str) else mask, layout)


@dataclass(frozen=True)
class WeightDecay(_Masked):
    """Weight decay, for any rule and for some leaves only.

    ::

        decoupled:    theta_new = rule(theta) - lr weight_decay theta       (as AdamW)
        otherwise:    grad = grad + weight_decay theta                      (L2, as SGD's weight_decay)

    Args:
        weight_decay: >= 0, or a schedule; default 1e-2.
        decoupled: default ``True``.
        mask: the leaves that decay: ``"matrix"`` for those with two or more axes, so neither biases nor the
            scales of normalisation; a pattern of paths, ``"*.weight"``; a list of them; ``None``
            (default) for all, as PyTorch does.

    Raises:
        ArgumentError: an argument is out of range, or a pattern fits no parameter.

    Source: Loshchilov and Hutter 2019, arXiv:1711.05101.

    >>> WeightDecay(0.1, mask="matrix")
    WeightDecay(weight_decay=0.1, decoupled=True, mask='matrix')
    """

    needs_before: ClassVar[bool] = True

    weight_decay: float | Schedule = 1e-2
    decoupled: bool = True
    mask: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_in("WeightDecay", "weight_decay", self.weight_decay, "[0, inf)")
        object.__setattr__(self, "mask", self.check_mask(self.mask))
        object.__setattr__(self, "needs_before", self.decoupled)

    def check_slots(self, layout: Layout) -> None:
        self.selected(self.mask, layout)

    def update(
        self, grads: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        if self.decoupled or self.weight_decay == 0:
            return grads, slots
        chosen = self.selected(self.mask, now.layout)
        return on_selected(lambda g, p: g + self.weight_decay * p, chosen, now, grads, params), slots

    def after(
        self, before: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        if not self.decoupled or self.weight_decay == 0:
            return params, slots
        rate = now.lr * self.weight_decay
        chosen = self.selected(self.mask, now.layout)
        return on_selected(lambda new, old: new - rate * old, chosen, now, params, before), slots


@dataclass(frozen=True)
class L1(_Masked):
    """Lasso penalty ``l1 sum |theta|``: its subgradient ``l1 sign(theta)`` is added to the gradient.

    Args:
        l1: >= 0, or a schedule; default 1e-5.
        mask: as of :class:`WeightDecay`; default all.

    Raises:
        ArgumentError: an argument is out of range, or a pattern fits no parameter.

    Source: Tibshirani 1996.

    >>> L1(1e-4, mask="*.weight")
    L1(l1=0.0001, mask='*.weight')
    """

    l1: float | Schedule = 1e-5
    mask: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_in("L1", "l1", self.l1, "[0, inf)")
        object.__setattr__(self, "mask", self.check_mask(self.mask))

    def check_slots(self, layout: Layout) -> None:
        self.selected(self.mask, layout)

    def update(
        self, grads: list[Array], params: list[Array], slots: Slots, now: Moment
    ) -> tuple[list[Array], Slots]:
        chosen = self.selected(self.mask, now.layout)
        return on_selected(
            lambda g, p: g + self.l1 * kernels_of(p).sign(p), chosen, now, grads, params
        ), slots

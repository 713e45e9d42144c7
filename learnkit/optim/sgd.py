"""Stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from learnkit.backends.base import Array
from learnkit.errors import ArgumentError
from learnkit.optim.base import Optimizer
from learnkit.schedules.base import Schedule, positive

__all__ = ["SGD"]


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum, PyTorch's form.

    ::

        g = grad + weight_decay theta
        v = momentum v + (1 - dampening) g          (v = g at the first step)
        theta = theta - lr v                        or, nesterov: theta - lr (g + momentum v)

    The velocity does not hold the learning rate, so a change of lr acts at once.

    Args:
        lr: > 0, or a schedule; default 1e-3.
        momentum: in [0, 1), default 0.
        dampening: in [0, 1], default 0.
        weight_decay: L2 penalty, >= 0, default 0: it enters the gradient.
        nesterov: Nesterov's look-ahead in the form above; needs momentum > 0 and dampening 0.

    Raises:
        ArgumentError: a value is out of range.

    Source: Polyak 1964; Sutskever et al. 2013, "On the importance of initialization and momentum",
    with lr outside the velocity as in PyTorch.

    >>> SGD(lr=0.1, momentum=0.9)
    SGD(lr=0.1, momentum=0.9, dampening=0.0, weight_decay=0.0, nesterov=False)
    """

    slots: ClassVar[tuple[str, ...]] = ("v",)

    lr: float | Schedule = 1e-3
    momentum: float | Schedule = 0.0
    dampening: float = 0.0
    weight_decay: float | Schedule = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        self.check_lr()
        if not isinstance(self.momentum, Schedule) and not (
            type(self.momentum) in (int, float) and 0 <= self.momentum < 1
        ):
            raise ArgumentError(f"SGD: momentum is {self.momentum!r}, expected a number in [0, 1)")
        if not (type(self.dampening) in (int, float) and 0 <= self.dampening <= 1):
            raise ArgumentError(f"SGD: dampening is {self.dampening!r}, expected a number in [0, 1]")
        if not isinstance(self.weight_decay, Schedule):
            positive("SGD", "weight_decay", self.weight_decay, zero=True)
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ArgumentError("SGD: nesterov=True needs momentum > 0 and dampening 0")

    def slot_names(self) -> tuple[str, ...]:
        return self.slots if self.momentum != 0 else ()

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        g = grad if self.weight_decay == 0 else grad + self.weight_decay * theta
        if not slots:
            return (theta - lr * g,)
        fresh = 1.0 if step == 1 else 1.0 - self.dampening  # the velocity starts as g, not damped
        v = self.momentum * slots[0] + fresh * g
        move = g + self.momentum * v if self.nesterov else v
        return theta - lr * move, v

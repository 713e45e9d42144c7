"""Adam and AdamW."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.optim.base import Optimizer, check_betas
from learnkit.schedules.base import Schedule, positive, value_at

__all__ = ["Adam", "AdamW"]


def _adam_step(
    grad: Array, slots: tuple[Array, ...], betas: tuple[float, float], eps: float, lr: float, step: int
) -> tuple[Array, Array, Array]:
    """``lr m_hat / (sqrt(v_hat) + eps)`` and the new moments; the corrections are host numbers."""
    xp = array_namespace(grad)
    m, v = slots
    b1, b2 = betas
    # In place on arrays that are new here: the same numbers as in one formula, from half the memory.
    m = b1 * m
    m += (1 - b1) * grad
    square = grad * grad
    square *= 1 - b2
    v = b2 * v
    v += square
    root = xp.sqrt(v)
    root /= math.sqrt(1 - b2**step)
    root += eps
    move = (lr / (1 - b1**step)) * m
    move /= root
    return move, m, v


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam, with epsilon outside the root, as in PyTorch and in the paper's algorithm 1.

    ::

        g = grad + l2 theta
        m = b1 m + (1 - b1) g                m_hat = m / (1 - b1^t)
        v = b2 v + (1 - b2) g^2              v_hat = v / (1 - b2^t)
        theta = theta - lr m_hat / (sqrt(v_hat) + eps)

    Args:
        lr: > 0, or a schedule; default 1e-3.
        betas: decay rates of the two moments, in [0, 1); default (0.9, 0.999).
        eps: > 0, default 1e-8.
        l2: penalty that enters the gradient, >= 0, default 0. PyTorch calls it ``weight_decay``; the
            decay that deserves the name is that of :class:`AdamW`.

    Raises:
        ArgumentError: a value is out of range.

    Source: Kingma and Ba 2015, arXiv:1412.6980.

    >>> Adam()
    Adam(lr=0.001, betas=(0.9, 0.999), eps=1e-08, l2=0.0)
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    lr: float | Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    l2: float | Schedule = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas) if isinstance(self.betas, list) else self.betas)
        self.check_lr()
        check_betas("Adam", self.betas)
        positive("Adam", "eps", self.eps)
        if not isinstance(self.l2, Schedule):
            positive("Adam", "l2", self.l2, zero=True)

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        g = grad if self.l2 == 0 else grad + self.l2 * theta
        move, m, v = _adam_step(g, slots, self.betas, self.eps, lr, step)
        return theta - move, m, v


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay, PyTorch's form: the decay is multiplied by lr.

    ::

        theta = theta (1 - lr weight_decay)
        then as Adam

    Args:
        lr: > 0, or a schedule; default 1e-3.
        betas: in [0, 1); default (0.9, 0.999).
        eps: > 0, default 1e-8.
        weight_decay: >= 0, default 1e-2; acts on all parameters, biases too, as in PyTorch.

    Raises:
        ArgumentError: a value is out of range.

    Source: Loshchilov and Hutter 2019, "Decoupled weight decay regularization", arXiv:1711.05101,
    whose own form multiplies the decay by the schedule only and not by the base learning rate.

    >>> AdamW(3e-4)
    AdamW(lr=0.0003, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01)
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    lr: float | Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float | Schedule = 1e-2

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas) if isinstance(self.betas, list) else self.betas)
        self.check_lr()
        check_betas("AdamW", self.betas)
        positive("AdamW", "eps", self.eps)
        if not isinstance(self.weight_decay, Schedule):
            positive("AdamW", "weight_decay", self.weight_decay, zero=True)

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        decay = value_at(self.weight_decay, step - 1)
        if decay != 0:
            theta = theta * (1 - lr * decay)
        move, m, v = _adam_step(grad, slots, self.betas, self.eps, lr, step)
        return theta - move, m, v

"""A cautious Lion for learnkit: after installation it is the name ``"cautious_lion"``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.backends import array_namespace
from learnkit.errors import ArgumentError
from learnkit.optim import Optimizer
from learnkit.schedules import Schedule

__all__ = ["CautiousLion"]


@dataclass(frozen=True)
class CautiousLion(Optimizer):
    """Lion that holds still where its momentum and the gradient disagree.

    ::

        c = b1 m + (1 - b1) g
        theta = theta - lr (sign(c) [sign(c) = sign(g)] + weight_decay theta)
        m = b2 m + (1 - b2) g

    The sign of 0 is 0. One slot, half the memory of Adam. As each step is as long as the sign is,
    lr wants to be 3 to 10 times smaller than for AdamW, and weight_decay that much larger.

    Args:
        lr: > 0, or a schedule; default 1e-4.
        betas: b1 of the direction and b2 of the momentum, in [0, 1); default (0.9, 0.99).
        weight_decay: >= 0, or a schedule; default 0. Decoupled, and multiplied by lr.

    Raises:
        ArgumentError: a value is out of range.

    Source: Chen et al. 2023, "Symbolic discovery of optimization algorithms", arXiv:2302.06675,
    algorithm 2; with the mask of Liang et al. 2024, "Cautious optimizers", arXiv:2411.16085, without its
    rescaling by the share of elements that move.

    >>> import numpy as np
    >>> lion = CautiousLion(lr=0.5)
    >>> theta = np.asarray([1.0, 2.0])
    >>> theta, state = lion.apply(theta, np.asarray([100.0, -0.01]), lion.init(theta))
    >>> theta
    array([0.5, 2.5])
    """

    slots: ClassVar[tuple[str, ...]] = ("m",)

    lr: float | Schedule = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float | Schedule = 0.0

    def __post_init__(self) -> None:
        self.check_lr()
        betas = self.betas
        if not isinstance(betas, tuple | list) or len(betas) != 2 or not all(map(_is_rate, betas)):
            raise ArgumentError(f"CautiousLion: betas is {betas!r}, expected two numbers in [0, 1)")
        object.__setattr__(self, "betas", tuple(betas))
        decay = self.weight_decay
        if not isinstance(decay, Schedule) and not (_is_number(decay) and 0 <= decay < float("inf")):
            raise ArgumentError(f"CautiousLion: weight_decay is {decay!r}, expected a number >= 0")

    def update(self, theta: Any, grad: Any, *slots: Any, lr: float, step: int) -> tuple[Any, ...]:
        xp = array_namespace(theta)
        (m,) = slots
        b1, b2 = self.betas
        direction = xp.sign(b1 * m + (1 - b1) * grad)
        agrees = xp.equal(direction, xp.sign(grad))
        move = xp.where(agrees, direction, xp.zeros_like(direction))
        if self.weight_decay != 0:
            move = move + self.weight_decay * theta
        return theta - lr * move, b2 * m + (1 - b2) * grad


def learnkit_register_optimizers(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Called by learnkit, which knows this module by its entry point."""
    register("cautious_lion", CautiousLion)


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _is_rate(value: Any) -> bool:
    return _is_number(value) and 0 <= value < 1

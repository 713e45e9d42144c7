"""A cautious Lion for learnkit: after installation it is the name ``"cautious_lion"``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from learnkit.backends import array_namespace, kernels_of
from learnkit.optim import Lion

__all__ = ["CautiousLion"]


@dataclass(frozen=True)
class CautiousLion(Lion):
    """Lion that holds still where its momentum and the gradient disagree.

    ::

        c = b1 m + (1 - b1) g
        theta = theta - lr (sign(c) [sign(c) = sign(g)] + weight_decay theta)
        m = b2 m + (1 - b2) g

    The sign of 0 is 0. The options, and what they may be, are those of Lion.

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

    def update(self, theta: Any, grad: Any, *slots: Any, lr: float, step: int) -> tuple[Any, ...]:
        xp = array_namespace(theta)
        (m,) = slots
        b1, b2 = self.betas
        sign = kernels_of(grad).sign  # on CuPy the standard's own waits for the device
        c = sign(b1 * m + (1 - b1) * grad)
        move = xp.where(c == sign(grad), c, xp.zeros_like(c))
        return theta - lr * (move + self.weight_decay * theta), b2 * m + (1 - b2) * grad


def learnkit_register_optimizers(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Called by learnkit, which knows this module by its entry point."""
    register("cautious_lion", CautiousLion)

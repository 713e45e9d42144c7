"""Rules that look at the sign of the gradient only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.checks import positive
from learnkit.errors import ArgumentError
from learnkit.optim.base import Optimizer
from learnkit.optim.parts import Hyper, at_least, check_betas, check_fields, decayed, scalar_like
from learnkit.schedules.base import Schedule

__all__ = ["Lion", "Rprop"]


@dataclass(frozen=True)
class Lion(Optimizer):
    """Lion: steps of equal size in the direction of the sign of a momentum.

    ::

        theta = theta (1 - lr weight_decay)
        theta = theta - lr sign(b1 m + (1 - b1) grad)
        m = b2 m + (1 - b2) grad

    Args:
        lr: > 0, or a schedule; default 1e-4. Since each step is lr long in every parameter, it is 3 to 10
            times smaller than for AdamW.
        betas: in [0, 1); default (0.9, 0.99).
        weight_decay: decoupled, >= 0, default 0; 3 to 10 times larger than for AdamW.

    Raises:
        ArgumentError: a value is out of range.

    Source: Chen et al. 2023, arXiv:2302.06675.

    >>> Lion(1e-4, weight_decay=0.1)
    Lion(lr=0.0001, betas=(0.9, 0.99), weight_decay=0.1)
    """

    slots: ClassVar[tuple[str, ...]] = ("m",)

    lr: float | Schedule = 1e-4
    betas: tuple[Hyper, Hyper] = (0.9, 0.99)
    weight_decay: Hyper = 0.0

    def __post_init__(self) -> None:
        self.check_lr()
        check_betas(self)
        check_fields(self, "[0, inf)", "weight_decay")

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        (m,) = slots
        b1, b2 = self.betas
        direction = kernels_of(grad).sign(b1 * m + (1 - b1) * grad)
        return decayed(theta, lr, self.weight_decay) - lr * direction, b2 * m + (1 - b2) * grad


@dataclass(frozen=True)
class Rprop(Optimizer):
    """Resilient propagation: each parameter has a step size, which grows while its sign is kept.

    ::

        s = sign(grad) sign(previous)
        size = min(max(size eta, smallest), largest)    eta = etas[1] if s > 0, etas[0] if s < 0, else 1
        g = 0 if s < 0, else grad
        theta = theta - sign(g) size                    previous = g

    For gradients of the full batch; those of small batches change their sign by chance.

    Args:
        lr: the size of the first steps, > 0, default 1e-2. Of a schedule only the start counts.
        etas: factors by which a size shrinks and grows, 0 < etas[0] < 1 < etas[1]; default (0.5, 1.2).
        step_sizes: the smallest and the largest size, default (1e-6, 50).

    Raises:
        ArgumentError: a value is out of range.

    Source: Riedmiller and Braun 1993, in the form without back-tracking (iRprop-, Igel and Hüsken 2000).

    >>> Rprop()
    Rprop(lr=0.01, etas=(0.5, 1.2), step_sizes=(1e-06, 50.0))
    """

    slots: ClassVar[tuple[str, ...]] = ("previous", "size")

    lr: float | Schedule = 1e-2
    etas: tuple[float, float] = (0.5, 1.2)
    step_sizes: tuple[float, float] = (1e-6, 50.0)

    def __post_init__(self) -> None:
        self.check_lr()
        low, high = self._pair("etas")
        if not 0 < low < 1 < high:
            raise ArgumentError(f"Rprop: etas is {self.etas!r}, expected 0 < etas[0] < 1 < etas[1]")
        low, high = self._pair("step_sizes")
        if not 0 < low <= high:
            raise ArgumentError(
                f"Rprop: step_sizes is {self.step_sizes!r}, expected 0 < step_sizes[0] <= step_sizes[1]"
            )

    def _pair(self, name: str) -> tuple[float, float]:
        pair = getattr(self, name)
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
            raise ArgumentError(f"Rprop: {name} is {pair!r}, expected two numbers")
        for i, value in enumerate(pair):
            positive("Rprop", f"{name}[{i}]", value)
        object.__setattr__(self, name, tuple(pair))
        return pair[0], pair[1]

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        xp = array_namespace(grad)
        previous, size = slots
        # A size of 0 is one that has not begun: only at the first step is the length of a schedule known.
        size = xp.where(size > 0, size, scalar_like(size, lr * 1.0))
        sign = kernels_of(grad).sign
        s = sign(grad) * sign(previous)
        shrink, grow = (scalar_like(size, eta * 1.0) for eta in self.etas)
        size = xp.where(s > 0, size * grow, xp.where(s < 0, size * shrink, size))
        smallest, largest = self.step_sizes
        size = xp.minimum(at_least(size, smallest * 1.0), scalar_like(size, largest * 1.0))
        g = xp.where(s < 0, xp.zeros_like(grad), grad)
        return theta - sign(g) * size, g, size

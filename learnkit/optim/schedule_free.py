"""Schedule-free learning: an average of the iterates takes the place of a falling learning rate."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import at_least, positive
from learnkit.optim.base import Optimizer
from learnkit.optim.parts import Hyper, Recurrence, check_betas, check_fields, penalised
from learnkit.schedules.base import Schedule, value_at

__all__ = ["ScheduleFreeAdamW", "ScheduleFreeSGD"]


def _warm(warmup_steps: int, step: int) -> float:
    """The factor of the warm-up at a step, which counts from 1."""
    return min(1.0, step / warmup_steps) if warmup_steps else 1.0


@functools.lru_cache(maxsize=64)
def _weights(
    lr: float | Schedule, warmup_steps: int, r: float, power: float
) -> Recurrence[tuple[float, float, float]]:
    """Largest learning rate so far, weight of step t, and the sum of all weights up to it."""

    def advance(before: tuple[float, float, float], t: int) -> tuple[float, float, float]:
        largest = max(before[0], value_at(lr, t - 1) * _warm(warmup_steps, t))
        weight = t**r * largest**power
        return largest, weight, before[2] + weight

    return Recurrence((0.0, 0.0, 0.0), advance)


@dataclass(frozen=True)
class _ScheduleFree(Optimizer):
    """What the two rules share: the average x, and the parameters of evaluation."""

    def _check(self) -> None:
        self.check_lr()
        check_fields(self, "[0, inf)", "weight_decay")
        rule: Any = self
        for name in ("r", "weight_lr_power"):
            positive(type(self).__name__, name, getattr(self, name), zero=True)
        at_least(type(self).__name__, "warmup_steps", rule.warmup_steps, 0)

    def _averaged(self, x: Array, z: Array, step: int) -> Array:
        """``(1 - c) x + c z``, with c the share of this step among the weights so far."""
        rule: Any = self
        _, weight, total = _weights(rule.lr, rule.warmup_steps, rule.r, rule.weight_lr_power)(step)
        c = weight / total if total else 0.0
        return (1 - c) * x + c * z

    def evaluation_point(self, theta: Array, *slots: Array, lr: float, step: int) -> Array:
        return slots[self.slots.index("x")]


@dataclass(frozen=True)
class ScheduleFreeSGD(_ScheduleFree):
    """Schedule-free gradient descent: no schedule to choose, and no number of steps to know beforehand.

    ::

        eta = lr min(1, t / warmup_steps)
        z = z - eta (grad(y) + weight_decay y)                  z, x and y start as theta
        x = (1 - c) x + c z                                     c = w_t / (w_1 + ... + w_t)
        y = momentum x + (1 - momentum) z                       w_t = t^r max(eta_1 ... eta_t)^weight_lr_power

    The parameters of training are y: gradients are taken there, and :meth:`apply` returns it. Those to
    evaluate and to keep are x, the average; :meth:`evaluation_params` gives them, and a trainer evaluates
    and predicts with them.

    Args:
        lr: > 0, default 0.1 (1.0 in the authors' code, which is too much for many networks); a schedule is
            possible, such as a warm-up, and its values make the weights.
        momentum: in [0, 1), default 0.9.
        weight_decay: >= 0, default 0.
        warmup_steps: steps of linear warm-up, >= 0, default 0.
        r: power of the step in the weights, >= 0, default 0.
        weight_lr_power: power of the learning rate in the weights, >= 0, default 2.

    Raises:
        ArgumentError: a value is out of range.

    Source: Defazio et al. 2024, "The road less scheduled", arXiv:2405.15682, and its authors' code.

    >>> import numpy as np
    >>> rule = ScheduleFreeSGD(0.5)
    >>> y, state = np.asarray([1.0]), rule.init(np.asarray([1.0]))
    >>> for _ in range(50):
    ...     y, state = rule.apply(y, 2 * y, state)
    >>> bool(abs(rule.evaluation_params(y, state))[0] < 0.05)
    True
    """

    slots: ClassVar[tuple[str, ...]] = ("z", "x")

    lr: float | Schedule = 0.1
    momentum: Hyper = 0.9
    weight_decay: Hyper = 0.0
    warmup_steps: int = 0
    r: float = 0.0
    weight_lr_power: float = 2.0

    def __post_init__(self) -> None:
        self._check()
        check_fields(self, "[0, 1)", "momentum")

    def init_slots(self, theta: Array) -> tuple[Array, ...]:
        xp = array_namespace(theta)
        return xp.asarray(theta, copy=True), xp.asarray(theta, copy=True)

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        z, x = slots
        z = z - lr * _warm(self.warmup_steps, step) * penalised(grad, theta, self.weight_decay)
        x = self._averaged(x, z, step)
        return self.momentum * x + (1 - self.momentum) * z, z, x


@dataclass(frozen=True)
class ScheduleFreeAdamW(_ScheduleFree):
    """Schedule-free AdamW: as :class:`ScheduleFreeSGD`, with Adam's second moment under the gradient.

    ::

        eta = lr min(1, t / warmup_steps)
        v = b2 v + (1 - b2) grad(y)^2                           v_hat = v / (1 - b2^t)
        z = z - eta (grad(y) / (sqrt(v_hat) + eps) + weight_decay y)
        x = (1 - c) x + c z                                     c as there
        y = b1 x + (1 - b1) z

    The parameters of training are y; those to evaluate and to keep are x, from
    :meth:`evaluation_params`.

    Args:
        lr: > 0, default 0.0025; a schedule is possible, such as a warm-up.
        betas: in [0, 1); default (0.9, 0.999).
        eps: > 0, default 1e-8.
        weight_decay: >= 0, default 0.
        warmup_steps, r, weight_lr_power: as in :class:`ScheduleFreeSGD`.

    Raises:
        ArgumentError: a value is out of range.

    Source: Defazio et al. 2024, "The road less scheduled", arXiv:2405.15682, and its authors' code.

    >>> ScheduleFreeAdamW(warmup_steps=100).lr
    0.0025
    """

    slots: ClassVar[tuple[str, ...]] = ("z", "x", "v")

    lr: float | Schedule = 0.0025
    betas: tuple[Hyper, Hyper] = (0.9, 0.999)
    eps: Hyper = 1e-8
    weight_decay: Hyper = 0.0
    warmup_steps: int = 0
    r: float = 0.0
    weight_lr_power: float = 2.0

    def __post_init__(self) -> None:
        self._check()
        check_betas(self)
        check_fields(self, "(0, inf)", "eps")

    def init_slots(self, theta: Array) -> tuple[Array, ...]:
        xp = array_namespace(theta)
        return xp.asarray(theta, copy=True), xp.asarray(theta, copy=True), xp.zeros_like(theta)

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        z, x, v = slots
        b1, b2 = self.betas
        v = b2 * v + (1 - b2) * (grad * grad)
        root = array_namespace(v).sqrt(v / (1 - b2**step)) + self.eps
        z = z - lr * _warm(self.warmup_steps, step) * penalised(grad / root, theta, self.weight_decay)
        x = self._averaged(x, z, step)
        return b1 * x + (1 - b1) * z, z, x, v

"""Adam with another second moment: AdaBelief, Yogi, Adan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.checks import positive
from learnkit.optim.base import Optimizer
from learnkit.optim.parts import Hyper, at_least, check_betas, check_fields, check_flags, decayed
from learnkit.schedules.base import Schedule

__all__ = ["AdaBelief", "Adan", "Yogi"]


@dataclass(frozen=True)
class AdaBelief(Optimizer):
    """Adam that divides by how far gradients are from their average: large steps where it was right.

    ::

        theta = theta (1 - lr weight_decay)
        m = b1 m + (1 - b1) grad                        m_hat = m / (1 - b1^t)
        s = b2 s + (1 - b2) (grad - m)^2 + eps          s_hat = s / (1 - b2^t)
        theta = theta - lr m_hat / (sqrt(s_hat) + eps)

    Args:
        lr: > 0, or a schedule; default 1e-3.
        betas: in [0, 1); default (0.9, 0.999).
        eps: > 0, default 1e-16; in both places, as in the paper, its authors' code, and Optax.
        weight_decay: decoupled, >= 0, default 0.

    Raises:
        ArgumentError: a value is out of range.

    Source: Zhuang et al. 2020, arXiv:2010.07468, algorithm 2.

    >>> AdaBelief()
    AdaBelief(lr=0.001, betas=(0.9, 0.999), eps=1e-16, weight_decay=0.0)
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "s")

    lr: float | Schedule = 1e-3
    betas: tuple[Hyper, Hyper] = (0.9, 0.999)
    eps: Hyper = 1e-16
    weight_decay: Hyper = 0.0

    def __post_init__(self) -> None:
        self.check_lr()
        check_betas(self)
        check_fields(self, "(0, inf)", "eps")
        check_fields(self, "[0, inf)", "weight_decay")

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        m, s = slots
        b1, b2 = self.betas
        theta = decayed(theta, lr, self.weight_decay)
        m = b1 * m + (1 - b1) * grad
        error = grad - m
        s = b2 * s + (1 - b2) * (error * error) + self.eps
        root = array_namespace(s).sqrt(s / (1 - b2**step)) + self.eps
        return theta - lr / (1 - b1**step) * m / root, m, s


@dataclass(frozen=True)
class Yogi(Optimizer):
    """Adam whose second moment moves by additions, so that it does not forget fast when gradients vanish.

    ::

        theta = theta (1 - lr weight_decay)
        m = b1 m + (1 - b1) grad                                m_hat = m / (1 - b1^t)
        v = v - (1 - b2) sign(v - grad^2) grad^2                v_hat = v / (1 - b2^t)
        theta = theta - lr m_hat / (sqrt(v_hat) + eps)

    Args:
        lr: > 0, or a schedule; default 1e-2, as in the paper.
        betas: in [0, 1); default (0.9, 0.999).
        eps: > 0, default 1e-3, as in the paper.
        weight_decay: decoupled, >= 0, default 0.
        initial_accumulator_value: start of both m and v, >= 0, default 1e-6, as in Optax.

    Raises:
        ArgumentError: a value is out of range.

    Source: Zaheer et al. 2018, "Adaptive methods for nonconvex optimization"; with the corrections
    1 - b^t of Adam, as in Optax.

    >>> Yogi().eps
    0.001
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    lr: float | Schedule = 1e-2
    betas: tuple[Hyper, Hyper] = (0.9, 0.999)
    eps: Hyper = 1e-3
    weight_decay: Hyper = 0.0
    initial_accumulator_value: float = 1e-6

    def __post_init__(self) -> None:
        self.check_lr()
        check_betas(self)
        check_fields(self, "(0, inf)", "eps")
        check_fields(self, "[0, inf)", "weight_decay")
        positive("Yogi", "initial_accumulator_value", self.initial_accumulator_value, zero=True)

    def init_slots(self, theta: Array) -> tuple[Array, ...]:
        xp, start = array_namespace(theta), float(self.initial_accumulator_value)
        return xp.full_like(theta, start), xp.full_like(theta, start)

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        xp = array_namespace(grad)
        m, v = slots
        b1, b2 = self.betas
        theta = decayed(theta, lr, self.weight_decay)
        m = b1 * m + (1 - b1) * grad
        square = grad * grad
        v = v - (1 - b2) * kernels_of(v).sign(v - square) * square
        # v stays >= 0 in exact arithmetic; from 0 rounding may take it below.
        root = xp.sqrt(at_least(v, 0.0) / (1 - b2**step)) + self.eps
        return theta - lr / (1 - b1**step) * m / root, m, v


@dataclass(frozen=True)
class Adan(Optimizer):
    """Adan: Nesterov's momentum in Adam, by the differences of successive gradients.

    ::

        d = grad - previous grad                                (0 at the first step)
        m = b1 m + (1 - b1) grad                                m_hat = m / (1 - b1^t)
        v = b2 v + (1 - b2) d                                   v_hat = v / (1 - b2^t)
        n = b3 n + (1 - b3) (grad + b2 d)^2                     n_hat = n / (1 - b3^t)
        theta = (theta - lr (m_hat + b2 v_hat) / (sqrt(n_hat) + eps)) / (1 + lr weight_decay)

    Args:
        lr: > 0, or a schedule; default 1e-3.
        betas: three decay rates in [0, 1); default (0.98, 0.92, 0.99). The paper writes 1 - b for them.
        eps: > 0, default 1e-8.
        weight_decay: >= 0, default 0.
        no_prox: decay by ``theta (1 - lr weight_decay)`` before the step instead of the paper's division
            after it.

    Raises:
        ArgumentError: a value is out of range.

    Source: Xie et al. 2022, arXiv:2208.06677, and its authors' code. (Optax has 1 - b2 where the paper's
    1 - beta2 is b2.)

    >>> Adan().betas
    (0.98, 0.92, 0.99)
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v", "n", "previous")

    lr: float | Schedule = 1e-3
    betas: tuple[Hyper, Hyper, Hyper] = (0.98, 0.92, 0.99)
    eps: Hyper = 1e-8
    weight_decay: Hyper = 0.0
    no_prox: bool = False

    def __post_init__(self) -> None:
        self.check_lr()
        check_betas(self, 3)
        check_fields(self, "(0, inf)", "eps")
        check_fields(self, "[0, inf)", "weight_decay")
        check_flags(self, "no_prox")

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        xp = array_namespace(grad)
        m, v, n, previous = slots
        b1, b2, b3 = self.betas
        d = grad - previous if step > 1 else xp.zeros_like(grad)
        ahead = grad + b2 * d
        m = b1 * m + (1 - b1) * grad
        v = b2 * v + (1 - b2) * d
        n = b3 * n + (1 - b3) * (ahead * ahead)
        root = xp.sqrt(n / (1 - b3**step)) + self.eps
        move = lr * (m / (1 - b1**step) + b2 / (1 - b2**step) * v) / root
        if self.no_prox:
            theta = decayed(theta, lr, self.weight_decay) - move
        else:
            theta = (theta - move) / (1 + lr * self.weight_decay)
        return theta, m, v, n, xp.asarray(grad, copy=True)

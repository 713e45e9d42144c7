"""Adam with another norm, Nesterov's momentum, or a rectified rate: Adamax, NAdam, RAdam."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import positive
from learnkit.optim.base import Optimizer
from learnkit.optim.parts import (
    Hyper,
    Recurrence,
    check_betas,
    check_choice,
    check_fields,
    check_flags,
    decayed,
    penalised,
)
from learnkit.schedules.base import Schedule

__all__ = ["Adamax", "NAdam", "RAdam"]


def _moments(m: Array, v: Array, g: Array, betas: tuple[float, float]) -> tuple[Array, Array]:
    """The two running averages, of g and of g^2."""
    b1, b2 = betas
    return b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * (g * g)


@dataclass(frozen=True)
class Adamax(Optimizer):
    """Adamax: Adam with the largest recent gradient in place of the root mean square. PyTorch's form.

    ::

        g = grad + weight_decay theta
        m = b1 m + (1 - b1) g
        u = max(b2 u, |g| + eps)                    eps_outside: max(b2 u, |g|)
        theta = theta - lr / (1 - b1^t) m / u       eps_outside: m / (u + eps)

    Args:
        lr: > 0, or a schedule; default 2e-3.
        betas: in [0, 1); default (0.9, 0.999).
        eps: > 0, default 1e-8.
        weight_decay: L2 penalty, >= 0, default 0: it enters the gradient.
        eps_outside: Keras's place of epsilon, as above.

    Raises:
        ArgumentError: a value is out of range.

    Source: Kingma and Ba 2015, arXiv:1412.6980, section 7.1.

    >>> Adamax().lr
    0.002
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "u")

    lr: float | Schedule = 2e-3
    betas: tuple[Hyper, Hyper] = (0.9, 0.999)
    eps: Hyper = 1e-8
    weight_decay: Hyper = 0.0
    eps_outside: bool = False

    def __post_init__(self) -> None:
        self.check_lr()
        check_betas(self)
        check_fields(self, "(0, inf)", "eps")
        check_fields(self, "[0, inf)", "weight_decay")
        check_flags(self, "eps_outside")

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        xp = array_namespace(grad)
        m, u = slots
        b1, b2 = self.betas
        g = penalised(grad, theta, self.weight_decay)
        m = b1 * m + (1 - b1) * g
        size = xp.abs(g)
        u = xp.maximum(b2 * u, size if self.eps_outside else size + self.eps)
        return theta - lr / (1 - b1**step) * m / (u + self.eps if self.eps_outside else u), m, u


def _warm(momentum_decay: float, t: int) -> float:
    """``mu_t / b1``."""
    return 1 - 0.5 * float(0.96 ** (t * momentum_decay))


@functools.lru_cache(maxsize=64)
def _warm_product(momentum_decay: float) -> Recurrence[float]:
    """The product of ``mu_1 / b1`` ... ``mu_t / b1`` as a function of t."""
    return Recurrence(1.0, lambda before, t: before * _warm(momentum_decay, t))


@dataclass(frozen=True)
class NAdam(Optimizer):
    """Adam with Nesterov's momentum, PyTorch's form.

    ::

        g = grad + weight_decay theta
        m = b1 m + (1 - b1) g
        v = b2 v + (1 - b2) g^2                                v_hat = v / (1 - b2^t)
        mu_t = b1 (1 - 0.5 0.96^(t momentum_decay))            P_t = mu_1 mu_2 ... mu_t
        m_hat = (1 - mu_t) / (1 - P_t) g + mu_(t+1) / (1 - P_(t+1)) m
        theta = theta - lr m_hat / (sqrt(v_hat) + eps)

    Args:
        lr: > 0, or a schedule; default 2e-3.
        betas: in [0, 1); default (0.9, 0.999). For a scheduled b1, P_t is that of its present value.
        eps: > 0, default 1e-8.
        weight_decay: >= 0, default 0: L2 penalty, or as the next argument says.
        decoupled_weight_decay: ``theta = theta (1 - lr weight_decay)`` instead, as in AdamW.
        momentum_decay: >= 0, default 4e-3; 1.0 is Keras's warm-up of the momentum, and ``None`` has none:
            ``mu_t = b1``, as in Optax.

    Raises:
        ArgumentError: a value is out of range.

    Source: Dozat 2016, "Incorporating Nesterov momentum into Adam", without its factor b2 in v_hat.

    >>> NAdam(momentum_decay=None).betas
    (0.9, 0.999)
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    lr: float | Schedule = 2e-3
    betas: tuple[Hyper, Hyper] = (0.9, 0.999)
    eps: Hyper = 1e-8
    weight_decay: Hyper = 0.0
    decoupled_weight_decay: bool = False
    momentum_decay: float | None = 4e-3

    def __post_init__(self) -> None:
        self.check_lr()
        check_betas(self)
        check_fields(self, "(0, inf)", "eps")
        check_fields(self, "[0, inf)", "weight_decay")
        if self.momentum_decay is not None:
            positive("NAdam", "momentum_decay", self.momentum_decay, zero=True)
        check_flags(self, "decoupled_weight_decay")

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        b1, b2 = self.betas
        theta, g = _decay(theta, grad, lr, self.weight_decay, self.decoupled_weight_decay)
        m, v = _moments(slots[0], slots[1], g, (b1, b2))
        root = array_namespace(v).sqrt(v / (1 - b2**step)) + self.eps
        if self.momentum_decay is None:
            mu = next_mu = b1
            product = b1**step
        else:
            mu, next_mu = (b1 * _warm(self.momentum_decay, t) for t in (step, step + 1))
            product = b1**step * _warm_product(self.momentum_decay)(step)
        m_hat = (1 - mu) / (1 - product) * g + next_mu / (1 - product * next_mu) * m
        return theta - lr * m_hat / root, m, v


@dataclass(frozen=True)
class RAdam(Optimizer):
    """Adam with a rectified learning rate: plain momentum until the second moment can be trusted.

    ::

        m, v, m_hat, v_hat as in Adam
        rho_inf = 2 / (1 - b2) - 1
        rho = rho_inf - 2 t b2^t / (1 - b2^t)
        rho > 5:  r = sqrt((rho - 4)(rho - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho))
                  theta = theta - lr r m_hat / (sqrt(v_hat) + eps)
        else:     theta = theta - lr m_hat

    Args:
        lr: > 0, or a schedule; default 1e-3.
        betas: in [0, 1); default (0.9, 0.999).
        eps: > 0, default 1e-8.
        weight_decay: >= 0, default 0: L2 penalty, or as the next argument says.
        decoupled_weight_decay: ``theta = theta (1 - lr weight_decay)`` instead, as in AdamW.
        eps_placement: ``"outside"``, as above, in Adam and in Optax; or ``"hat"``, PyTorch's for this
            rule, unlike its own Adam: ``sqrt(1 - b2^t) m_hat / (sqrt(v) + eps)``. They differ where
            gradients are as small as eps.

    Raises:
        ArgumentError: a value is out of range.

    Source: Liu et al. 2020, arXiv:1908.03265, with the threshold 5 of the authors' code and of PyTorch
    (the paper writes 4).

    >>> RAdam(eps_placement="hat").eps
    1e-08
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    lr: float | Schedule = 1e-3
    betas: tuple[Hyper, Hyper] = (0.9, 0.999)
    eps: Hyper = 1e-8
    weight_decay: Hyper = 0.0
    decoupled_weight_decay: bool = False
    eps_placement: str = "outside"

    def __post_init__(self) -> None:
        self.check_lr()
        check_betas(self)
        check_fields(self, "(0, inf)", "eps")
        check_fields(self, "[0, inf)", "weight_decay")
        check_flags(self, "decoupled_weight_decay")
        check_choice(self, "eps_placement", "outside", "hat")

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        xp = array_namespace(grad)
        b1, b2 = self.betas
        theta, g = _decay(theta, grad, lr, self.weight_decay, self.decoupled_weight_decay)
        m, v = _moments(slots[0], slots[1], g, (b1, b2))
        rate, correction = lr / (1 - b1**step), 1 - b2**step
        rho_inf = 2 / (1 - b2) - 1
        rho = rho_inf - 2 * step * b2**step / correction
        if rho <= 5:
            return theta - rate * m, m, v
        r = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
        if self.eps_placement == "hat":
            return theta - rate * r * correction**0.5 * m / (xp.sqrt(v) + self.eps), m, v
        return theta - rate * r * m / (xp.sqrt(v / correction) + self.eps), m, v


def _decay(theta: Array, grad: Array, lr: float, weight_decay: float, decoupled: bool) -> tuple[Array, Array]:
    """theta and the gradient with weight decay in one of them."""
    if decoupled:
        return decayed(theta, lr, weight_decay), grad
    return theta, penalised(grad, theta, weight_decay)

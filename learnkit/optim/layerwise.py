"""Rules that scale the step of each leaf by its norm: LAMB, LARS, NovoGrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.optim.base import Optimizer
from learnkit.optim.parts import (
    Hyper,
    check_betas,
    check_fields,
    check_flags,
    norm,
    penalised,
    scalar_like,
)
from learnkit.schedules.base import Schedule

__all__ = ["LAMB", "LARS", "NovoGrad"]


def _ratio(above: Array, below: Array, zero: Array) -> Array:
    """``above / below``, and 1 where ``zero`` or ``above`` is 0; all 0-d."""
    xp = array_namespace(above)
    fine = xp.logical_and(above > 0, zero > 0)
    one = xp.ones_like(above)
    return xp.where(fine, above / xp.where(fine, below, one), one)


@dataclass(frozen=True)
class LAMB(Optimizer):
    """LAMB: Adam's step of each leaf, scaled to the norm of the leaf. For large batches.

    ::

        m, v, m_hat, v_hat as in Adam
        u = m_hat / (sqrt(v_hat) + eps) + weight_decay theta
        theta = theta - lr |theta| / |u| u                      (factor 1 if |theta| or |u| is 0)

    Args:
        lr: > 0, or a schedule; default 1e-3.
        betas: in [0, 1); default (0.9, 0.999).
        eps: > 0, default 1e-6.
        weight_decay: >= 0, default 0.
        scale_vectors: whether leaves with fewer than two dimensions (biases, norms) are scaled too;
            default true, as in the paper and in Optax.

    Raises:
        ArgumentError: a value is out of range.

    Source: You et al. 2020, arXiv:1904.00962, with phi the identity.

    >>> LAMB(2e-3, weight_decay=0.01).eps
    1e-06
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")
    elementwise: ClassVar[bool] = False

    lr: float | Schedule = 1e-3
    betas: tuple[Hyper, Hyper] = (0.9, 0.999)
    eps: Hyper = 1e-6
    weight_decay: Hyper = 0.0
    scale_vectors: bool = True

    def __post_init__(self) -> None:
        self.check_lr()
        check_betas(self)
        check_fields(self, "(0, inf)", "eps")
        check_fields(self, "[0, inf)", "weight_decay")
        check_flags(self, "scale_vectors")

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        m, v = slots
        b1, b2 = self.betas
        m = b1 * m + (1 - b1) * grad
        v = b2 * v + (1 - b2) * (grad * grad)
        root = array_namespace(v).sqrt(v / (1 - b2**step)) + self.eps
        u = penalised(m / (1 - b1**step) / root, theta, self.weight_decay)
        if self.scale_vectors or len(theta.shape) > 1:
            size = norm(u)
            u = _ratio(norm(theta), size, size) * u
        return theta - lr * u, m, v


@dataclass(frozen=True)
class LARS(Optimizer):
    """LARS: gradient descent with momentum, with the rate of each leaf scaled to its norm.

    ::

        rate = trust_coefficient |theta| / (|grad| + weight_decay |theta| + eps)
        v = momentum v + lr rate (grad + weight_decay theta)    (rate 1 if |theta| or |grad| is 0)
        theta = theta - v                                       nesterov: theta - (the step + momentum v)

    Args:
        lr: > 0, or a schedule; default 0.1. Biases that start at 0 have rate 1 at first, so this is theirs.
        momentum: in [0, 1), default 0.9.
        weight_decay: >= 0, default 0.
        trust_coefficient: > 0, default 1e-3.
        eps: >= 0, default 0.
        nesterov: Nesterov's momentum, as above.
        norm_of_sum: ``|grad + weight_decay theta|`` in place of the sum of norms, as in Optax.
        scale_vectors: whether leaves with fewer than two dimensions (biases, norms) are scaled too;
            default true.

    Raises:
        ArgumentError: a value is out of range.

    Source: You, Gitman and Ginsburg 2017, arXiv:1708.03888, algorithm 1.

    >>> LARS(0.5).momentum
    0.9
    """

    slots: ClassVar[tuple[str, ...]] = ("v",)
    elementwise: ClassVar[bool] = False

    lr: float | Schedule = 0.1
    momentum: Hyper = 0.9
    weight_decay: Hyper = 0.0
    trust_coefficient: Hyper = 1e-3
    eps: Hyper = 0.0
    nesterov: bool = False
    norm_of_sum: bool = False
    scale_vectors: bool = True

    def __post_init__(self) -> None:
        self.check_lr()
        check_fields(self, "(0, inf)", "trust_coefficient")
        check_fields(self, "[0, 1)", "momentum")
        check_fields(self, "[0, inf)", "weight_decay", "eps")
        check_flags(self, "nesterov", "norm_of_sum", "scale_vectors")

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        g = penalised(grad, theta, self.weight_decay)
        push = lr * g
        if self.scale_vectors or len(theta.shape) > 1:
            size, of_grad = norm(theta), norm(g if self.norm_of_sum else grad)
            below = of_grad if self.norm_of_sum else of_grad + self.weight_decay * size
            push = push * _ratio(self.trust_coefficient * size, below + self.eps, of_grad)
        v = self.momentum * slots[0] + push
        return theta - (push + self.momentum * v if self.nesterov else v), v


@dataclass(frozen=True)
class NovoGrad(Optimizer):
    """NovoGrad: momentum of gradients that are divided by a running norm of their leaf.

    ::

        v = b2 v + (1 - b2) |grad|^2                            (v = |grad|^2 at the first step)
        m = b1 m + grad / (sqrt(v) + eps) + weight_decay theta
        theta = theta - lr m

    Args:
        lr: > 0, or a schedule; default 1e-2.
        betas: in [0, 1); default (0.95, 0.98), the paper's. Optax takes (0.9, 0.25).
        eps: > 0, default 1e-8.
        weight_decay: >= 0, default 0; it enters the momentum.
        grad_averaging: what enters the momentum is multiplied by 1 - b1, but for the first step.

    Raises:
        ArgumentError: a value is out of range.

    Source: Ginsburg et al. 2019, arXiv:1905.11286.

    >>> NovoGrad().betas
    (0.95, 0.98)
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")
    elementwise: ClassVar[bool] = False

    lr: float | Schedule = 1e-2
    betas: tuple[Hyper, Hyper] = (0.95, 0.98)
    eps: Hyper = 1e-8
    weight_decay: Hyper = 0.0
    grad_averaging: bool = False

    def __post_init__(self) -> None:
        self.check_lr()
        check_betas(self)
        check_fields(self, "(0, inf)", "eps")
        check_fields(self, "[0, inf)", "weight_decay")
        check_flags(self, "grad_averaging")

    def init_slots(self, theta: Array) -> tuple[Array, ...]:
        return array_namespace(theta).zeros_like(theta), scalar_like(theta, 0.0)

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        xp = array_namespace(grad)
        m, v = slots
        b1, b2 = self.betas
        square = xp.sum(grad * grad)
        v = square if step == 1 else b2 * v + (1 - b2) * square
        g = penalised(grad / (xp.sqrt(v) + self.eps), theta, self.weight_decay)
        m = b1 * m + ((1 - b1) * g if self.grad_averaging and step > 1 else g)
        return theta - lr * m, m, v

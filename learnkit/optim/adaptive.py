"""Rules that divide by the size of past gradients, without a first moment: AdaGrad and its kin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import positive
from learnkit.optim.base import Optimizer
from learnkit.optim.parts import Hyper, at_least, check_fields, check_flags, penalised
from learnkit.schedules.base import Schedule

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


def _root(x: Array, eps: float, inside: bool) -> Array:
    """``sqrt(x + eps)`` or ``sqrt(x) + eps``."""
    xp = array_namespace(x)
    return xp.sqrt(x + eps) if inside else xp.sqrt(x) + eps


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """AdaGrad: each parameter's rate falls with the sum of its squared gradients. PyTorch's form.

    ::

        g = grad + weight_decay theta
        G = G + g^2
        theta = theta - lr / (1 + (t - 1) lr_decay) g / (sqrt(G) + eps)

    Args:
        lr: > 0, or a schedule; default 1e-2.
        lr_decay: >= 0, default 0.
        weight_decay: L2 penalty, >= 0, default 0.
        initial_accumulator_value: start of G, >= 0, default 0. Keras and Optax start at 0.1.
        eps: > 0, default 1e-10.
        eps_inside_root: divide by ``sqrt(G + eps)``, as in Keras and Optax (both with eps 1e-7).

    Raises:
        ArgumentError: a value is out of range.

    Source: Duchi, Hazan and Singer 2011, "Adaptive subgradient methods", JMLR 12.

    >>> Adagrad(0.1, eps=1e-8, eps_inside_root=True).lr
    0.1
    """

    slots: ClassVar[tuple[str, ...]] = ("G",)

    lr: float | Schedule = 1e-2
    lr_decay: Hyper = 0.0
    weight_decay: Hyper = 0.0
    initial_accumulator_value: float = 0.0
    eps: Hyper = 1e-10
    eps_inside_root: bool = False

    def __post_init__(self) -> None:
        self.check_lr()
        check_fields(self, "(0, inf)", "eps")
        check_fields(self, "[0, inf)", "lr_decay", "weight_decay")
        positive("Adagrad", "initial_accumulator_value", self.initial_accumulator_value, zero=True)
        check_flags(self, "eps_inside_root")

    def init_slots(self, theta: Array) -> tuple[Array, ...]:
        return (array_namespace(theta).full_like(theta, float(self.initial_accumulator_value)),)

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        g = penalised(grad, theta, self.weight_decay)
        total = slots[0] + g * g
        rate = lr / (1 + (step - 1) * self.lr_decay)
        return theta - rate * g / _root(total, self.eps, self.eps_inside_root), total


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Adadelta: the rate is the ratio of two running sizes, of past moves and of past gradients.

    ::

        g = grad + weight_decay theta
        v = rho v + (1 - rho) g^2
        d = sqrt(u + eps) / sqrt(v + eps) g
        u = rho u + (1 - rho) d^2
        theta = theta - lr d

    Args:
        lr: > 0, or a schedule; default 1.0, the paper's rule. (Keras's default of 1e-3 makes it a
            thousand times slower.)
        rho: decay rate of both averages, in [0, 1), default 0.9.
        eps: > 0, default 1e-6.
        weight_decay: L2 penalty, >= 0, default 0.

    Raises:
        ArgumentError: a value is out of range.

    Source: Zeiler 2012, arXiv:1212.5701.

    >>> Adadelta()
    Adadelta(lr=1.0, rho=0.9, eps=1e-06, weight_decay=0.0)
    """

    slots: ClassVar[tuple[str, ...]] = ("v", "u")

    lr: float | Schedule = 1.0
    rho: Hyper = 0.9
    eps: Hyper = 1e-6
    weight_decay: Hyper = 0.0

    def __post_init__(self) -> None:
        self.check_lr()
        check_fields(self, "(0, inf)", "eps")
        check_fields(self, "[0, inf)", "weight_decay")
        check_fields(self, "[0, 1)", "rho")

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        v, u = slots
        g = penalised(grad, theta, self.weight_decay)
        v = self.rho * v + (1 - self.rho) * g * g
        d = _root(u, self.eps, True) / _root(v, self.eps, True) * g
        u = self.rho * u + (1 - self.rho) * d * d
        return theta - lr * d, v, u


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop, PyTorch's form: epsilon outside the root, the learning rate outside the momentum.

    ::

        g = grad + weight_decay theta
        v = alpha v + (1 - alpha) g^2
        r = g / (sqrt(v) + eps)                     centered: v - mean^2 in place of v, with
                                                    mean = alpha mean + (1 - alpha) g
        theta = theta - lr r                        with momentum: b = momentum b + r,
                                                    theta = theta - lr b

    Args:
        lr: > 0, or a schedule; default 1e-2.
        alpha: decay rate of the averages, in [0, 1), default 0.99. Keras and Optax take 0.9.
        eps: > 0, default 1e-8.
        weight_decay: L2 penalty, >= 0, default 0.
        momentum: in [0, 1), default 0.
        centered: divide by the standard deviation of the gradient. What rounding takes below zero counts
            as zero; PyTorch gives NaN there.
        eps_inside_root: divide by ``sqrt(v + eps)``, as in Keras (eps 1e-7) and Optax.
        lr_in_momentum: ``b = momentum b + lr r``, as in Keras and Optax. The same while lr is constant.

    Raises:
        ArgumentError: a value is out of range.

    Source: Tieleman and Hinton 2012, lecture 6.5 of "Neural networks for machine learning"; centered:
    Graves 2013, arXiv:1308.0850, with epsilon as above.

    >>> RMSprop(alpha=0.9, eps_inside_root=True).alpha
    0.9
    """

    slots: ClassVar[tuple[str, ...]] = ("v",)

    lr: float | Schedule = 1e-2
    alpha: Hyper = 0.99
    eps: Hyper = 1e-8
    weight_decay: Hyper = 0.0
    momentum: Hyper = 0.0
    centered: bool = False
    eps_inside_root: bool = False
    lr_in_momentum: bool = False

    def __post_init__(self) -> None:
        self.check_lr()
        check_fields(self, "(0, inf)", "eps")
        check_fields(self, "[0, inf)", "weight_decay")
        check_fields(self, "[0, 1)", "alpha", "momentum")
        check_flags(self, "centered", "eps_inside_root", "lr_in_momentum")

    def slot_names(self) -> tuple[str, ...]:
        mean = ("mean",) if self.centered else ()
        return (*self.slots, *mean, *(("b",) if self.momentum != 0 else ()))

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        v, *rest = slots
        g = penalised(grad, theta, self.weight_decay)
        v = self.alpha * v + (1 - self.alpha) * g * g
        new, spread = [v], v
        if self.centered:
            mean = self.alpha * rest.pop(0) + (1 - self.alpha) * g
            new.append(mean)
            spread = at_least(v - mean * mean, 0.0)
        r = g / _root(spread, self.eps, self.eps_inside_root)
        if not rest:
            return theta - lr * r, *new
        b = self.momentum * rest[0] + (lr * r if self.lr_in_momentum else r)
        return (theta - b if self.lr_in_momentum else theta - lr * b), *new, b

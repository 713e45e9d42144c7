"""Stochastic gradient descent: plain, with momentum, Nesterov's, and averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ArgumentError
from learnkit.optim.base import Optimizer
from learnkit.optim.parts import Hyper, check_choice, check_fields, check_flags, penalised
from learnkit.schedules.base import Schedule

__all__ = ["ASGD", "SGD", "Momentum", "Nesterov"]


def _momentum_step(
    theta: Array,
    g: Array,
    v: Array,
    momentum: float,
    lr: float,
    *,
    fresh: float,
    nesterov: bool,
    inside: bool,
) -> tuple[Array, Array]:
    """New theta and velocity; the velocity holds lr if ``inside``."""
    push = lr * g if inside else g
    v = momentum * v + fresh * push
    move = push + momentum * v if nesterov else v
    return (theta - move if inside else theta - lr * move), v


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
        nesterov: Nesterov's look-ahead in the form above; needs momentum > 0 and dampening 0. Its
            original form is :class:`Nesterov` with ``lookahead``.
        lr_in_velocity: the velocity holds the learning rate, as in Keras and in Sutskever's paper:
            ``v = momentum v + lr g``, ``theta = theta - v``. The same while lr is constant; after a drop
            of lr the old velocity goes on at the old rate.

    Raises:
        ArgumentError: a value is out of range.

    Source: Polyak 1964; Sutskever et al. 2013, "On the importance of initialization and momentum",
    with lr outside the velocity as in PyTorch.

    >>> SGD(lr=0.1, momentum=0.9).momentum
    0.9
    """

    slots: ClassVar[tuple[str, ...]] = ("v",)

    lr: float | Schedule = 1e-3
    momentum: Hyper = 0.0
    dampening: Hyper = 0.0
    weight_decay: Hyper = 0.0
    nesterov: bool = False
    lr_in_velocity: bool = False

    def __post_init__(self) -> None:
        self.check_lr()
        check_fields(self, "[0, 1)", "momentum")
        check_fields(self, "[0, inf)", "weight_decay")
        check_fields(self, "[0, 1]", "dampening")
        check_flags(self, "nesterov", "lr_in_velocity")
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ArgumentError("SGD: nesterov=True needs momentum > 0 and dampening 0")

    def slot_names(self) -> tuple[str, ...]:
        return self.slots if self.momentum != 0 else ()

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        g = penalised(grad, theta, self.weight_decay)
        if not slots:
            return (theta - lr * g,)
        fresh = 1.0 if step == 1 else 1.0 - self.dampening  # the velocity starts as g, not damped
        return _momentum_step(
            theta,
            g,
            slots[0],
            self.momentum,
            lr,
            fresh=fresh,
            nesterov=self.nesterov,
            inside=self.lr_in_velocity,
        )


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Gradient descent with momentum: :class:`SGD` with momentum 0.9 and nothing else.

    ::

        g = grad + weight_decay theta
        v = momentum v + g
        theta = theta - lr v

    Args:
        lr: > 0, or a schedule; default 1e-3.
        momentum: in [0, 1), default 0.9.
        weight_decay: L2 penalty, >= 0, default 0.
        lr_in_velocity: ``v = momentum v + lr g``, ``theta = theta - v``, as in Keras; see :class:`SGD`.

    Raises:
        ArgumentError: a value is out of range.

    Source: Polyak 1964, "Some methods of speeding up the convergence of iteration methods".

    >>> Momentum(0.1)
    Momentum(lr=0.1, momentum=0.9, weight_decay=0.0, lr_in_velocity=False)
    """

    slots: ClassVar[tuple[str, ...]] = ("v",)

    lr: float | Schedule = 1e-3
    momentum: Hyper = 0.9
    weight_decay: Hyper = 0.0
    lr_in_velocity: bool = False

    def __post_init__(self) -> None:
        self.check_lr()
        check_fields(self, "[0, 1)", "momentum")
        check_fields(self, "[0, inf)", "weight_decay")
        check_flags(self, "lr_in_velocity")

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        g = penalised(grad, theta, self.weight_decay)
        return _momentum_step(
            theta, g, slots[0], self.momentum, lr, fresh=1.0, nesterov=False, inside=self.lr_in_velocity
        )


@dataclass(frozen=True)
class Nesterov(Optimizer):
    """Gradient descent with Nesterov's momentum.

    By default in PyTorch's form, which needs no gradient but that at theta, because its theta stands for
    the looked-ahead point::

        g = grad(theta) + weight_decay theta
        v = momentum v + g
        theta = theta - lr (g + momentum v)

    With ``lookahead`` in the original form, with the gradient at a point ahead of theta::

        point = theta - lr momentum v      for "step"
        point = theta - momentum v         for "velocity"
        v = momentum v + grad(point) + weight_decay point
        theta = theta - lr v

    A trainer evaluates the gradient there by itself; one's own loop calls ``step_with``. With
    ``"step"`` the points are exactly the thetas of the default form while lr is constant. With
    ``"velocity"`` the look-ahead does not shrink with lr, as the equation is often printed.

    Args:
        lr: > 0, or a schedule; default 1e-3.
        momentum: in [0, 1), default 0.9.
        weight_decay: L2 penalty, >= 0, default 0.
        lookahead: ``"none"`` (the default form), ``"step"`` or ``"velocity"``.
        lr_in_velocity: ``v = momentum v + lr g``, as in Keras; see :class:`SGD`. Not with ``"velocity"``.

    Raises:
        ArgumentError: a value is out of range.

    Source: Nesterov 1983; Sutskever et al. 2013, "On the importance of initialization and momentum".

    >>> Nesterov(0.1).lookahead
    'none'
    """

    slots: ClassVar[tuple[str, ...]] = ("v",)

    lr: float | Schedule = 1e-3
    momentum: Hyper = 0.9
    weight_decay: Hyper = 0.0
    lookahead: str = "none"
    lr_in_velocity: bool = False

    def __post_init__(self) -> None:
        self.check_lr()
        check_fields(self, "[0, 1)", "momentum")
        check_fields(self, "[0, inf)", "weight_decay")
        check_choice(self, "lookahead", "none", "step", "velocity")
        check_flags(self, "lr_in_velocity")
        if self.lookahead == "velocity" and self.lr_in_velocity:
            raise ArgumentError(
                "Nesterov: lookahead='velocity' with lr_in_velocity=True",
                hint="a velocity that holds lr looks ahead by itself: write lookahead='step'",
            )
        object.__setattr__(self, "plain", self.lookahead == "none")

    def lookahead_point(self, theta: Array, *slots: Array, lr: float, step: int) -> Array:
        if self.lookahead == "none":
            return theta
        in_velocity = self.lr_in_velocity or self.lookahead == "velocity"
        return theta - (self.momentum if in_velocity else lr * self.momentum) * slots[0]

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        g = grad
        if self.weight_decay != 0:
            g = penalised(g, self.lookahead_point(theta, *slots, lr=lr, step=step), self.weight_decay)
        return _momentum_step(
            theta,
            g,
            slots[0],
            self.momentum,
            lr,
            fresh=1.0,
            nesterov=self.lookahead == "none",
            inside=self.lr_in_velocity,
        )


@dataclass(frozen=True)
class ASGD(Optimizer):
    """Averaged stochastic gradient descent, PyTorch's form.

    ::

        eta = lr / (1 + lambd lr (t - 1))^alpha
        theta = theta (1 - lambd eta) - eta (grad + weight_decay theta)
        average = average + (theta - average) / max(1, t - 1 - t0)

    :meth:`evaluation_params` gives the average, which is theta until step t0. The learning rate is that
    of the step; PyTorch computes eta one step ahead, so there a change of lr acts one step late.

    Args:
        lr: > 0, or a schedule; default 1e-2.
        lambd: decay, >= 0, default 1e-4.
        alpha: power with which eta falls, >= 0, default 0.75.
        t0: step from which on to average, >= 0, default 1e6.
        weight_decay: L2 penalty, >= 0, default 0.

    Raises:
        ArgumentError: a value is out of range.

    Source: Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging".

    >>> ASGD(t0=100)
    ASGD(lr=0.01, lambd=0.0001, alpha=0.75, t0=100, weight_decay=0.0)
    """

    slots: ClassVar[tuple[str, ...]] = ("average",)

    lr: float | Schedule = 1e-2
    lambd: Hyper = 1e-4
    alpha: Hyper = 0.75
    t0: Hyper = 1e6
    weight_decay: Hyper = 0.0

    def __post_init__(self) -> None:
        self.check_lr()
        check_fields(self, "[0, inf)", "lambd", "alpha", "t0", "weight_decay")

    def init_slots(self, theta: Array) -> tuple[Array, ...]:
        return (array_namespace(theta).asarray(theta, copy=True),)

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        (average,) = slots
        eta = lr / (1 + self.lambd * lr * (step - 1)) ** self.alpha
        g = penalised(grad, theta, self.weight_decay)
        theta = theta * (1 - self.lambd * eta) - eta * g
        mu = 1 / max(1.0, step - 1 - self.t0)
        average = (
            average + mu * (theta - average) if mu != 1 else array_namespace(theta).asarray(theta, copy=True)
        )
        return theta, average

    def evaluation_point(self, theta: Array, *slots: Array, lr: float, step: int) -> Array:
        return slots[0]

"""Optimizers, transforms and schedules with one mistake each, at the line that says so."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from learnkit.backends import array_namespace
from learnkit.optim import Optimizer, Transform
from learnkit.schedules import Schedule


@dataclass(frozen=True)
class StateOutsideSlots(Optimizer):
    lr: float = 0.1
    memory: ClassVar[dict] = {}

    def update(self, theta, grad, *, lr, step):
        m = 0.9 * self.memory.get(theta.shape, 0.0) + grad
        self.memory[theta.shape] = m  # mistake
        return (theta - lr * m,)


class StateInObject(Optimizer):
    """A counter in the object: frozen only in name."""

    slots: ClassVar[tuple[str, ...]] = ()

    def __init__(self, lr=0.1):
        object.__setattr__(self, "lr", lr)
        object.__setattr__(self, "count", 0)

    def config(self):
        return {"lr": self.lr}

    def update(self, theta, grad, *, lr, step):
        object.__setattr__(self, "count", self.count + 1)  # mistake
        return (theta - lr * grad / self.count,)


@dataclass(frozen=True)
class ForgetsASlot(Optimizer):
    lr: float = 0.1
    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    def update(self, theta, grad, m, v, *, lr, step):
        m = 0.9 * m + grad
        v = 0.99 * v + grad * grad
        return theta - lr * m, m  # mistake


@dataclass(frozen=True)
class KeepsOldSlot(Optimizer):
    lr: float = 0.1
    slots: ClassVar[tuple[str, ...]] = ("m",)

    def update(self, theta, grad, m, *, lr, step):
        new = 0.9 * m + grad
        return theta - lr * new, m  # mistake


@dataclass(frozen=True)
class ChangesInPlace(Optimizer):
    lr: float = 0.1

    def update(self, theta, grad, *, lr, step):
        theta -= lr * grad  # mistake
        return (theta,)


@dataclass(frozen=True)
class DividesByZero(Optimizer):
    lr: float = 0.1
    slots: ClassVar[tuple[str, ...]] = ("v",)

    def update(self, theta, grad, v, *, lr, step):
        xp = array_namespace(theta)
        v = 0.9 * v + 0.1 * grad * grad
        return theta - lr * grad / xp.sqrt(v), v  # mistake


@dataclass(frozen=True)
class WholeNorm(Optimizer):
    lr: float = 0.1

    def update(self, theta, grad, *, lr, step):
        xp = array_namespace(theta)
        norm = xp.sqrt(xp.sum(grad * grad)) + 1e-8
        return (theta - lr * grad / norm,)  # mistake


@dataclass(frozen=True)
class Uphill(Optimizer):
    lr: float = 0.1

    def update(self, theta, grad, *, lr, step):
        return (theta + lr * grad,)  # mistake


@dataclass(frozen=True)
class BranchesOnGradient(Optimizer):
    lr: float = 0.1

    def update(self, theta, grad, *, lr, step):
        xp = array_namespace(theta)
        lr = lr * 0.5 if xp.max(xp.abs(grad)) > 1.0 else lr  # mistake
        return (theta - lr * grad,)


@dataclass(frozen=True)
class WideSlots(Optimizer):
    lr: float = 0.1
    slots: ClassVar[tuple[str, ...]] = ("m",)

    def init_slots(self, theta):
        return (np.zeros(theta.shape),)  # mistake

    def update(self, theta, grad, m, *, lr, step):
        m = 0.9 * m + grad
        return theta - lr * m, m


@dataclass(frozen=True)
class RandomSign(Transform):
    def transform(self, grads):
        return [g * random.choice([0.5, 1.0, 1.5]) for g in grads]  # mistake


@dataclass(frozen=True)
class ClipByMethod(Transform):
    bound: float = 1.0

    def transform(self, grads):
        return [array_namespace(g).clip(g, -self.bound, self.bound) for g in grads]  # mistake


@dataclass(frozen=True)
class NormalizesZero(Transform):
    def transform(self, grads):
        out = []
        for g in grads:
            xp = array_namespace(g)
            norm = xp.sqrt(xp.sum(g * g))
            out.append(g / norm)  # mistake
        return out


@dataclass(frozen=True)
class HiddenState(Schedule):
    lr: float = 0.1
    seen: list = field(default_factory=list, compare=False, repr=False, init=False)

    def __call__(self, step):
        self.seen.append(step)  # mistake
        return self.lr / len(self.seen)


_counter = itertools.count(1)


@dataclass(frozen=True)
class Counts(Schedule):
    lr: float = 0.1

    def __call__(self, step):
        return self.lr / next(_counter)  # mistake


@dataclass(frozen=True)
class ZeroStep(Schedule):
    lr: float = 0.1

    def __call__(self, step):
        return self.lr / step  # mistake


@dataclass(frozen=True)
class ArrayValue(Schedule):
    lr: float = 0.1

    def __call__(self, step):
        return self.lr * np.ones(1)  # mistake


def forgetful(theta, grad, m, v, *, lr=0.1, step):
    m = 0.9 * m + grad
    return theta - lr * m, m  # mistake

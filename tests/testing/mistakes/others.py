"""Constraints, augmentations, kernels, data and functions with one mistake each, at the line that says so."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from learnkit.augment import Augmentation
from learnkit.autodiff import custom_vjp, plain_value
from learnkit.backends import array_namespace
from learnkit.losses import Loss
from learnkit.nn import Buffer, Module
from learnkit.nn.constraints import Constraint
from learnkit.nn.init import Zeros
from learnkit.optim import Optimizer


@dataclass(frozen=True)
class DividesByNorm(Constraint):
    def __call__(self, w):
        xp = array_namespace(w)
        return w / xp.sqrt(xp.sum(w * w))  # mistake


@dataclass(frozen=True)
class WritesWeights(Constraint):
    def __call__(self, w):
        w[w < 0] = 0.0  # mistake
        return w


@dataclass(frozen=True)
class Shrinks(Constraint):
    def __call__(self, w):
        return w * 0.9  # mistake


@dataclass(frozen=True)
class DrawsGlobally(Augmentation):
    def __call__(self, x, *, seed, step):
        if random.random() < 0.5:  # mistake
            return x
        return x * 0.5


@dataclass(frozen=True)
class HostNoise(Augmentation):
    def __call__(self, x, *, seed, step):
        rng = np.random.default_rng([seed, step])
        return x + rng.normal(size=x.shape)  # mistake


@dataclass(frozen=True)
class ChangesBatch(Augmentation):
    def __call__(self, x, *, seed, step):
        x += 1.0  # mistake
        return x


class OverflowingSoftmax:
    backend: ClassVar[str] = "numpy"

    def softmax(self, z):
        e = np.exp(z)
        return e / e.sum(axis=-1, keepdims=True)  # mistake


class ChangesGradient:
    backend: ClassVar[str] = "numpy"

    def relu_backward(self, g, y):
        g *= y > 0  # mistake
        return g


class ReplacesNothing:
    backend: ClassVar[str] = "numpy"

    def relux(self, x):  # mistake
        return x


class ChangesBuffer(Module):
    def __init__(self, features: int = 3):
        self.mean = Buffer((features,), Zeros())

    def __call__(self, x):
        m = array_namespace(x).mean(plain_value(x), axis=0)
        self.mean = 0.9 * self.mean + 0.1 * m  # mistake
        return x - 1.0


@dataclass(frozen=True)
class ChangesSlot(Optimizer):
    lr: float = 0.1
    slots: ClassVar[tuple[str, ...]] = ("m",)

    def update(self, theta, grad, m, *, lr, step):
        m *= 0.9  # mistake
        m = m + grad
        return theta - lr * m, m


@custom_vjp
def _square(x):
    return x * x


@_square.rule
def _square_rule(g, value, x):
    return (g * 2.0 * plain_value(x),)  # mistake


@dataclass(frozen=True)
class NoSecondOrder(Loss):
    def per_example(self, y_pred, y_true):
        d = _square(y_pred - y_true)
        return array_namespace(d).mean(d, axis=1)


@dataclass(frozen=True)
class NarrowNumbers(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        d = xp.astype(y_pred - y_true, xp.float32)  # mistake
        return xp.mean(d * d, axis=1)


@dataclass(frozen=True)
class NumpyScalar(Loss):
    delta: float = 1.0

    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        scale = np.float64(self.delta)  # mistake
        return xp.mean(scale * (y_pred - y_true) ** 2, axis=1)


@dataclass(frozen=True)
class LooksAtClock(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        k = 1.0 + time.perf_counter() % 1.0  # mistake
        return k * xp.mean((y_pred - y_true) ** 2, axis=1)


@dataclass(frozen=True)
class SortsRows(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        d = y_pred - y_true
        order = xp.argsort(d[:, 0])  # mistake
        d = xp.take(d, order, axis=0)
        return xp.mean(d * d, axis=1)


def noisy_schedule(step, *, lr=0.1):
    return lr * random.random()  # mistake


def clipping_activation(x):
    return x.clip(0, 6)  # mistake


def waiting_metric(y_pred, y_true):
    return float((y_pred - y_true)[0])  # mistake


def random_data():
    return np.random.rand(10, 3), np.zeros(10)  # mistake


def uneven_data():
    return np.zeros((10, 3)), np.zeros(9)  # mistake

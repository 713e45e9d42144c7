"""Components that are right, and unusual, raise no alarm."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import ClassVar

import array_api_compat
import numpy as np
import pytest

import learnkit as lk
from learnkit import array_namespace
from learnkit.autodiff import plain_value
from learnkit.backends import kernels_of
from learnkit.losses import ElementwiseLoss, Loss
from learnkit.metrics import Metric
from learnkit.metrics.base import in_double
from learnkit.nn import Buffer, Linear, Module, Parameter, Sequential
from learnkit.nn.init import Initializer, Ones, Zeros
from learnkit.nn.scope import current_scope
from learnkit.optim import Optimizer, Transform
from learnkit.schedules import Schedule
from learnkit.testing import run_checks
from learnkit.training import Callback


@dataclass(frozen=True)
class CE(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        shifted = y_pred - xp.max(y_pred, axis=1, keepdims=True)
        logp = shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
        picked = xp.take_along_axis(logp, xp.expand_dims(xp.astype(y_true, xp.int64), axis=1), axis=1)
        return -xp.squeeze(picked, axis=1)


@dataclass(frozen=True)
class RMSE(Loss):
    eps: float = 1e-8

    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        return xp.sqrt(xp.mean((y_pred - y_true) ** 2, axis=1) + self.eps)


@dataclass(frozen=True)
class BCE(Loss):
    eps: float = 1e-6

    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        p = y_pred * (1.0 - 2.0 * self.eps) + self.eps
        return -xp.mean(xp.log(p) * y_true + xp.log(1.0 - p) * (1.0 - y_true), axis=1)


@dataclass(frozen=True)
class Pinball(ElementwiseLoss):
    q: float = 0.3
    weights: tuple[float, ...] = (1.0, 2.0)

    def formula(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        d = xp.subtract(y_true, y_pred)
        return xp.where(d > 0, self.q * d, (self.q - 1.0) * d)


@dataclass(frozen=True)
class TVImages(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        if len(y_pred.shape) != 4:
            raise lk.errors.ShapeError("images are needed")
        d = (y_pred - y_true) ** 2
        v = (y_pred[:, :, 1:, :] - y_pred[:, :, :-1, :]) ** 2
        return xp.mean(d, axis=(1, 2, 3)) + 0.1 * xp.mean(v, axis=(1, 2, 3))


@dataclass(frozen=True)
class LAMBish(Optimizer):
    lr: float = 0.01
    slots: ClassVar[tuple[str, ...]] = ("m",)
    elementwise: ClassVar[bool] = False

    def update(self, theta, grad, m, *, lr, step):
        xp = array_namespace(theta)
        m = 0.9 * m + 0.1 * grad
        n = xp.sqrt(xp.sum(m * m)) + 1e-8
        return theta - lr * m / n, m


@dataclass(frozen=True)
class Norm(Transform):
    slots: ClassVar[tuple[str, ...]] = ("mean",)

    def update(self, grads, params, slots, now):
        mean = [0.9 * m + 0.1 * g for m, g in zip(slots["mean"], grads, strict=True)]
        return [g - m for g, m in zip(grads, mean, strict=True)], {"mean": mean}


@dataclass(frozen=True)
class Warm(Schedule):
    lr: float = 0.1
    total_steps: int | None = None

    def __call__(self, step):
        n = self.total_steps or 10
        return self.lr * min(1.0, (step + 1) / n)


class Drop(Module):
    def __init__(self, rate: float = 0.3):
        self.rate = rate

    def __call__(self, x):
        scope = current_scope()
        if scope is None:
            return x
        xp = array_namespace(x)
        u = kernels_of(x).random_uniform(
            tuple(x.shape),
            seed=scope.seed,
            stream=scope.stream(self._path),
            step=scope.step,
            device=array_api_compat.device(x),
            dtype=str(x.dtype).rsplit(".", 1)[-1],
        )
        keep = xp.astype(u >= self.rate, x.dtype)
        return xp.multiply(x, keep) / (1.0 - self.rate)


class Run(Module):
    def __init__(self, features: int):
        self.mean = Buffer((features,), Zeros())
        self.w = Parameter((features,), Ones())

    def __call__(self, x):
        xp = array_namespace(x, self.w)
        scope = current_scope()
        if scope is not None and scope.first_time(self):
            leaf = self._leaves["mean"]
            p = plain_value(x)
            scope.write(leaf, 0.9 * scope.read(leaf) + 0.1 * array_namespace(p).mean(p, axis=0))
        return xp.multiply(x - self.mean, self.w)


class Block(Module):
    def __init__(self, features: int, depth: int = 2):
        self.body = Sequential(*[Linear(features, features) for _ in range(depth)])
        self.gain = Parameter((1,), Ones())

    def __call__(self, x):
        xp = array_namespace(x, self.gain)
        return xp.add(x, xp.multiply(self.gain, self.body(x)))


@dataclass(frozen=True)
class MaxErr(Metric):
    @property
    def larger_is_better(self):
        return False

    def sums(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        if not y_pred.shape[0]:
            return (xp.zeros((), dtype=xp.float64, device=array_api_compat.device(y_pred)),)
        return (xp.max(in_double(xp.abs(y_pred - y_true))),)

    def combine(self, a, b):
        xp = array_namespace(a[0])
        return (xp.maximum(a[0], b[0]),)

    def compute(self, sums):
        return float(sums[0])


class Timer(Callback):
    def __init__(self):
        self.started = 0.0
        self.seconds = 0.0
        self.losses = []

    def config(self):
        return {}

    def on_fit_begin(self, trainer):
        self.started = time.perf_counter()

    def on_epoch_end(self, trainer, report):
        self.losses.append(report.loss)
        self.seconds = time.perf_counter() - self.started

    def state(self):
        return {"losses": self.losses}

    def load_state(self, state):
        self.losses = list(state["losses"])


def pseudo(y_pred, y_true, *, delta=1.0):
    d = (y_pred - y_true) / delta
    return delta**2 * ((1 + d * d) ** 0.5 - 1)


def nest(theta, grad, v, *, lr=0.1, beta=0.9, step):
    v = beta * v + grad
    return theta - lr * (grad + beta * v), v


def turns(x, *, seed, step):
    """Mirrored in every other step; nothing is drawn."""
    return array_namespace(x).flip(x, axis=-1) if step % 2 else x


@dataclass(frozen=True)
class Sines(Initializer):
    """A table, whatever the seed."""

    def __call__(self, shape, *, seed, stream, dtype="float32"):
        return np.sin(np.arange(math.prod(shape))).reshape(shape).astype(dtype)


COMPONENTS = [Sines, CE, RMSE, BCE, Pinball, TVImages, LAMBish, Norm, Warm, Drop, Run, Block, MaxErr, Timer]
KINDS = {pseudo: "loss", nest: "optimizer", turns: "augmentation"}


@pytest.mark.parametrize("component", [*COMPONENTS, *KINDS], ids=lambda c: c.__name__)
def test_no_false_alarm(component):
    results = run_checks(component, kind=KINDS.get(component), libraries=["numpy", "strict", "fakecupy"])
    assert [str(result) for result in results if not result.ok] == []

"""Mistakes that take another form, or hide behind a component that otherwise works."""

from __future__ import annotations

from dataclasses import dataclass

import array_api_compat
import numpy as np

from learnkit import array_namespace
from learnkit.augment import Augmentation
from learnkit.nn.init import Initializer
from learnkit.optim import Transform
from learnkit.training import Callback


@dataclass(frozen=True)
class IgnoresSeedAndStream(Initializer):
    def __call__(self, shape, *, seed, stream, dtype="float32"):
        return np.random.default_rng(7).normal(size=shape).astype(dtype)  # mistake


@dataclass(frozen=True)
class SameInEachStep(Augmentation):
    def __call__(self, x, *, seed, step):
        xp = array_namespace(x)
        keep = np.random.default_rng(7).random(x.shape) > 0.5  # mistake
        return x * xp.asarray(keep, dtype=x.dtype, device=array_api_compat.device(x))


class ForgetsToWait(Callback):
    def __init__(self):
        self.best = None
        self.waited = 0

    def config(self):
        return {}

    def on_epoch_end(self, trainer, report):
        if self.best is None or report.loss < self.best:
            self.best = report.loss
        else:
            self.waited += 1  # mistake

    def state(self):
        return {"best": self.best}

    def load_state(self, state):
        self.best = state["best"]


class ForgetsAnOption(Callback):
    def __init__(self, patience=2):
        self.patience = patience

    def config(self):  # mistake
        return {}


@dataclass(frozen=True)
class NormOfNumpy(Transform):
    def transform(self, grads):
        return [g / (1e-8 + np.linalg.norm(g)) for g in grads]  # mistake


def numpy_number(theta, grad, m, *, lr=0.01, beta=0.9):
    m = beta * m + np.float64(1.0 - beta) * grad  # mistake
    return theta - lr * m, m


def swapped_slots(theta, grad, m, v, *, lr=0.01):
    xp = array_namespace(theta)
    m = 0.9 * m + 0.1 * grad
    v = 0.99 * v + 0.01 * grad * grad
    return theta - lr * m / (xp.sqrt(v) + 1e-8), v, m  # mistake


def relative(y_pred, y_true):
    xp = array_namespace(y_pred, y_true)
    d = xp.abs(y_pred - y_true)
    return d / (xp.abs(y_pred) + xp.abs(y_true))  # mistake


def mask_times_number(y_pred, y_true):
    d = y_pred - y_true
    return d * d * (d > 0)  # mistake


def ramp(y_pred, y_true):
    xp = array_namespace(y_pred, y_true)
    d = y_pred - y_true
    w = xp.linspace(0.0, 1.0, d.shape[-1])  # mistake
    return d * d * w

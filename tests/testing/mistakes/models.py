"""Layers, initializers, metrics and callbacks with one mistake each, at the line that says so."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from learnkit.autodiff import plain_value
from learnkit.backends import array_namespace
from learnkit.metrics import Metric
from learnkit.metrics.base import count, in_double
from learnkit.nn import Linear, Module, Parameter
from learnkit.nn.init import Initializer, Normal, Ones
from learnkit.training import Callback


class UnregisteredArray(Module):
    def __init__(self, features: int = 3):
        self.features = features
        self.scale = np.ones(features, dtype="float32")  # mistake

    def __call__(self, x):
        return x * self.scale


class ParametersInList(Module):
    def __init__(self, features: int = 3):
        self.features = features
        self.scales = [Parameter((features,), Ones()) for _ in range(2)]  # mistake

    def __call__(self, x):
        return array_namespace(x).tanh(x)


class LayersInDict(Module):
    def __init__(self, features: int = 3):
        self.heads = {"a": Linear(features, 2), "b": Linear(features, 2)}  # mistake

    def __call__(self, x):
        return array_namespace(x).tanh(x)


class KeepsOutput(Module):
    def __init__(self, features: int = 3):
        self.weight = Parameter((features,), Ones())

    def __call__(self, x):
        y = x * self.weight
        self.last = y  # mistake
        return y


class BranchesOnValues(Module):
    def __init__(self, features: int = 3):
        self.weight = Parameter((features,), Ones())

    def __call__(self, x):
        xp = array_namespace(x, self.weight)
        if xp.mean(x) > 0.0:  # mistake
            return xp.multiply(x, self.weight)
        return x


class LosesGradient(Module):
    def __init__(self, features: int = 3):
        self.weight = Parameter((features,), Ones())

    def __call__(self, x):
        w = plain_value(self.weight)  # mistake
        return array_namespace(x).multiply(x, w)


class CountsCalls(Module):
    def __init__(self, features: int = 3):
        self.weight = Parameter((features,), Normal())
        self.calls = 0

    def __call__(self, x):
        self.calls += 1  # mistake
        return array_namespace(x, self.weight).multiply(x, self.weight) * float(self.calls)


class OverflowingActivation(Module):
    def __call__(self, x):
        xp = array_namespace(x)
        e = xp.exp(x)  # mistake
        return e / (1.0 + e)


class NoDtype(Module):
    def __call__(self, x):
        xp = array_namespace(x)
        half = xp.asarray(0.5)  # mistake
        return xp.maximum(x, half)


@dataclass(frozen=True)
class Unseeded(Initializer):
    def __call__(self, shape, *, seed, stream, dtype="float32"):
        return np.random.normal(size=shape).astype(dtype)  # mistake


@dataclass(frozen=True)
class UnseededGenerator(Initializer):
    def __call__(self, shape, *, seed, stream, dtype="float32"):
        rng = np.random.default_rng()  # mistake
        return rng.normal(size=shape).astype(dtype)


@dataclass(frozen=True)
class IgnoresDtype(Initializer):
    def __call__(self, shape, *, seed, stream, dtype="float32"):
        rng = np.random.default_rng([seed, stream])
        return np.asarray(rng.normal(size=shape))  # mistake


@dataclass(frozen=True)
class IgnoresStream(Initializer):
    def __call__(self, shape, *, seed, stream, dtype="float32"):
        return np.random.default_rng(seed).normal(size=shape).astype(dtype)  # mistake


@dataclass(frozen=True)
class AveragesBatchMeans(Metric):
    def sums(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        error = in_double(xp.abs(y_pred - y_true))
        return xp.mean(error), count(y_pred, 1)  # mistake

    def compute(self, sums):
        return sums[0] / sums[1]


@dataclass(frozen=True)
class RootTooEarly(Metric):
    def sums(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        total = xp.sum(in_double(y_pred - y_true) ** 2)
        return xp.sqrt(total), count(y_pred, y_pred.shape[0])  # mistake

    def compute(self, sums):
        return sums[0] / sums[1] ** 0.5


@dataclass(frozen=True)
class SinglePrecision(Metric):
    def sums(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        return xp.sum(xp.abs(y_pred - y_true)), count(y_pred, y_pred.shape[0])  # mistake

    def compute(self, sums):
        return sums[0] / sums[1]


@dataclass(frozen=True)
class WaitsInSums(Metric):
    def sums(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        total = float(xp.sum(xp.abs(y_pred - y_true)))  # mistake
        return count(y_pred, total), count(y_pred, y_pred.shape[0])

    def compute(self, sums):
        return sums[0] / sums[1]


@dataclass(frozen=True)
class DividesByNoRows(Metric):
    def sums(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        return xp.sum(in_double(xp.abs(y_pred - y_true))), count(y_pred, y_pred.shape[0])

    def compute(self, sums):
        return sums[0] / sums[1]  # mistake


class LosesState(Callback):
    def __init__(self):
        self.epochs_seen = 0

    def config(self):
        return {}

    def on_epoch_end(self, trainer, report):
        self.epochs_seen += 1  # mistake


class HalfState(Callback):
    def __init__(self):
        self.best = None
        self.waited = 0

    def config(self):
        return {}

    def on_epoch_end(self, trainer, report):
        if self.best is None or report.loss < self.best:
            self.best = report.loss
        self.waited += 1  # mistake

    def state(self):
        return {"best": self.best}

    def load_state(self, state):
        self.best = state["best"]


class WrongHook(Callback):
    def config(self):
        return {}

    def on_epoch_ended(self, trainer, report):  # mistake
        pass


class StateWithArray(Callback):
    def __init__(self):
        self.losses = np.zeros(3)

    def config(self):
        return {}

    def state(self):  # mistake
        return {"losses": self.losses}


@dataclass
class Options:
    """Not registered."""

    names: dict = field(default_factory=dict)

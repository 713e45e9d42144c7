"""Losses with one mistake each, at the line that says so."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import array_api_compat
import numpy as np

from learnkit.autodiff import custom_vjp, stop_gradient
from learnkit.backends import array_namespace
from learnkit.losses import ElementwiseLoss, Loss


@dataclass(frozen=True)
class CallsNumpy(Loss):
    def per_example(self, y_pred, y_true):
        d = y_pred - y_true
        return array_namespace(d).mean(np.abs(d), axis=1)  # mistake


@dataclass(frozen=True)
class MissingDevice(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        zero = xp.zeros(y_pred.shape, dtype=y_pred.dtype)  # mistake
        d = xp.maximum(y_true - y_pred, zero)
        return xp.mean(d, axis=1)


@dataclass(frozen=True)
class FloatOfArray(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        d = y_pred - y_true
        largest = float(xp.max(xp.abs(y_true)))  # mistake
        return xp.mean(d * d, axis=1) / (1.0 + largest)


@dataclass(frozen=True)
class BoolInIf(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        d = y_pred - y_true
        if xp.any(xp.abs(y_true) > 2.0):  # mistake
            d = d * 0.5
        return xp.mean(d * d, axis=1)


@dataclass(frozen=True)
class MaskAssignment(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        weight = xp.ones_like(y_true)
        weight[y_true > 0.5] = 2.0  # mistake
        return xp.mean(weight * (y_pred - y_true) ** 2, axis=1)


@dataclass(frozen=True)
class MaskedElements(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        d = (y_pred - y_true) ** 2
        above = d[y_true > 0.0]  # mistake
        return xp.mean(d, axis=1) + 0.1 * xp.sum(above)


@custom_vjp
def _cube(x):
    return x**3


@_cube.rule
def _cube_rule(g, value, x):
    xp = array_namespace(x)
    slope = xp.multiply(2.0, xp.multiply(x, x))
    return (xp.multiply(g, slope),)  # mistake


@dataclass(frozen=True)
class WrongGradient(Loss):
    def per_example(self, y_pred, y_true):
        d = _cube(y_pred - y_true)
        return array_namespace(d).mean(array_namespace(d).abs(d), axis=1)


@dataclass(frozen=True)
class WideNumbers(Loss):
    def per_example(self, y_pred, y_true):
        xp, device = array_namespace(y_pred), array_api_compat.device(y_true)
        scale = xp.asarray([1.0, 2.0, 3.0], dtype=xp.float64, device=device)  # mistake
        return xp.mean(scale * (y_pred - y_true) ** 2, axis=1)


@dataclass(frozen=True)
class WideByDefault(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_true)
        base = xp.full((1, 3), 0.5, device=array_api_compat.device(y_true))  # mistake
        d = y_pred - y_true
        return array_namespace(d).mean(base * d * d, axis=1)


@dataclass(frozen=True)
class Integers(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        wrong = xp.not_equal(y_pred > 0.0, y_true > 0.0)
        return xp.sum(xp.astype(wrong, xp.int64), axis=1)  # mistake


@dataclass(frozen=True)
class ChangesTarget(Loss):
    def per_example(self, y_pred, y_true):
        y_true += 0.0 * y_true + 1e-3  # mistake
        d = y_pred - y_true
        return array_namespace(d).mean(d * d, axis=1)


@dataclass(frozen=True)
class ArrayMethod(Loss):
    def per_example(self, y_pred, y_true):
        d = y_pred - y_true
        return (d * d).mean(axis=1)  # mistake


@dataclass(frozen=True)
class Clips(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        bounded = array_namespace(y_true).clip(y_true, -1.0, 1.0)  # mistake
        return xp.mean((y_pred - bounded) ** 2, axis=1)


@dataclass(frozen=True)
class ClipsPredictions(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        d = xp.clip(y_pred - y_true, -5.0, 5.0)  # mistake
        return xp.mean(d**2, axis=1)


@dataclass(frozen=True)
class BatchAveraged(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        return xp.mean((y_pred - y_true) ** 2)  # mistake


@dataclass(frozen=True)
class BatchMixed(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        d = (y_pred - y_true) ** 2
        typical = xp.mean(d)  # mistake
        return xp.mean(d, axis=1) / (typical + 1.0)


@dataclass(frozen=True)
class LogOfZero(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        likelihood = xp.log(y_pred)  # mistake
        return -xp.mean(y_true * likelihood, axis=1)


@dataclass(frozen=True)
class RootOfZero(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        total = xp.sum((y_pred - y_true) ** 2, axis=1)
        return xp.sqrt(total)  # mistake


@dataclass(frozen=True)
class Overflows(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        grown = xp.exp((y_pred - y_true) ** 2)  # mistake
        return xp.mean(xp.log(grown), axis=1)


@dataclass(frozen=True)
class MutableDefault(Loss):
    weights: list = field(default_factory=lambda: [1.0, 2.0, 3.0])  # mistake

    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        return xp.mean((y_pred - y_true) ** 2, axis=1) * self.weights[0]


@dataclass(frozen=True)
class ArrayOption(Loss):
    weights: object = field(default_factory=lambda: np.ones(3))  # mistake

    def per_example(self, y_pred, y_true):
        return array_namespace(y_pred).mean((y_pred - y_true) ** 2, axis=1)


_calls = []


@dataclass(frozen=True)
class RemembersInModule(Loss):
    def per_example(self, y_pred, y_true):
        _calls.append(1)  # mistake
        d = y_pred - y_true
        return array_namespace(d).mean(d * d, axis=1) * (1.0 + 0.01 * len(_calls))


@dataclass(frozen=True)
class GlobalRandomness(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        shift = 0.1 * np.random.normal()  # mistake
        return xp.mean((y_pred - y_true + shift) ** 2, axis=1)


@dataclass(frozen=True)
class StopsGradient(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_true)
        d = stop_gradient(y_pred) - y_true  # mistake
        return xp.mean(d * d, axis=1) + 0.0 * array_namespace(y_pred).sum(y_pred, axis=1)


@dataclass(frozen=True)
class MathFunction(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        total = xp.sum(y_true * y_true)
        scale = math.sqrt(total)  # mistake
        return xp.mean((y_pred - y_true) ** 2, axis=1) / (1.0 + scale)


@dataclass(frozen=True)
class PythonMaximum(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        d = xp.mean((y_pred - y_true) ** 2, axis=1)
        return functools.reduce(max, [d, d * 0.5])  # mistake


@dataclass(frozen=True)
class ChainedComparison(Loss):
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        d = (y_pred - y_true) ** 2
        scale = 2.0 if 0.0 < xp.mean(y_true) < 1.0 else 1.0  # mistake
        return xp.mean(d, axis=1) * scale


@dataclass(frozen=True)
class ElementwiseClip(ElementwiseLoss):
    def formula(self, y_pred, y_true):
        xp = array_namespace(y_pred)
        d = y_pred - y_true
        return xp.where(xp.abs(d) < 1.0, d * d, xp.asarray(1.0))  # mistake


def three_lines(y_pred, y_true, *, delta=1.0):
    d = y_pred - y_true
    return np.where(d > delta, d, d * d)  # mistake


@dataclass(frozen=True)
class VariableOnTheRight(Loss):
    def per_example(self, y_pred, y_true):
        d = y_true - y_pred  # mistake
        return array_namespace(d).mean(d * d, axis=1)

"""What several rules share: checks of hyper-parameters, weight decay, norms, and host recurrences."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import one_of
from learnkit.errors import ArgumentError
from learnkit.optim import base
from learnkit.optim.base import check_in
from learnkit.schedules.base import Schedule
from learnkit.schedules.compose import Product

__all__ = [
    "Hyper",
    "Recurrence",
    "at_least",
    "check_betas",
    "check_choice",
    "check_fields",
    "check_flags",
    "decayed",
    "norm",
    "peak_of",
    "penalised",
    "rms",
    "scalar_like",
]

#: A hyper-parameter: a number, or a :class:`~learnkit.schedules.Schedule` of the step, in whose place
#: ``update`` finds the number.
Hyper: TypeAlias = Any

_T = TypeVar("_T")


def check_fields(rule: Any, interval: str, *names: str) -> None:
    """Check that fields of a rule are numbers in an interval, or schedules; see ``check_in``.

    Raises:
        ArgumentError: one is not.
    """
    for name in names:
        check_in(type(rule).__name__, name, getattr(rule, name), interval)


def check_betas(rule: Any, count: int = 2) -> None:
    """Check that the field ``betas`` holds numbers in [0, 1) or schedules, and make it a tuple.

    Raises:
        ArgumentError: it does not.
    """
    base.check_betas(type(rule).__name__, rule.betas, count)
    object.__setattr__(rule, "betas", tuple(rule.betas))


def check_choice(rule: Any, name: str, *choices: Any) -> None:
    """Check that a field is one of a few values.

    Raises:
        ArgumentError: it is not.
    """
    one_of(type(rule).__name__, name, getattr(rule, name), choices)


def check_flags(rule: Any, *names: str) -> None:
    """Check that fields are ``True`` or ``False``.

    Raises:
        ArgumentError: one is not.
    """
    for name in names:
        check_choice(rule, name, True, False)


def peak_of(lr: Any) -> float:
    """The base learning rate: a number itself, or the first field of a schedule, its largest value.

    Of a schedule that is made of several, it is the largest of theirs, and of a product their product.

    Raises:
        ArgumentError: the schedule's first field holds no number.

    >>> from learnkit.schedules import Cosine
    >>> peak_of(0.1), peak_of(Cosine(0.3))
    (0.1, 0.3)
    """
    if isinstance(lr, Product):
        return math.prod(peak_of(part) for part in lr.schedules)
    if isinstance(lr, Schedule):
        return peak_of(getattr(lr, dataclasses.fields(lr)[0].name))
    if isinstance(lr, tuple) and lr:
        return max(peak_of(part) for part in lr if isinstance(part, (Schedule, int, float)))
    if type(lr) not in (int, float) or not lr > 0:
        raise ArgumentError(f"no base learning rate to be read from {lr!r}, expected a number > 0")
    return float(lr)


def penalised(grad: Array, theta: Array, weight_decay: Hyper) -> Array:
    """``grad + weight_decay theta``: the gradient with that of the L2 penalty."""
    return grad if weight_decay == 0 else grad + weight_decay * theta


def decayed(theta: Array, lr: float, weight_decay: Hyper) -> Array:
    """``theta (1 - lr weight_decay)``: decoupled weight decay."""
    return theta if weight_decay == 0 else theta * (1 - lr * weight_decay)


def scalar_like(x: Array, value: float) -> Array:
    """A number as a 0-d array of the dtype and on the device of ``x``."""
    xp = array_namespace(x)
    return xp.full((), value, dtype=x.dtype, device=array_api_compat.device(x))


def at_least(x: Array, low: float) -> Array:
    """``max(x, low)``; NaN stays NaN."""
    return array_namespace(x).maximum(x, scalar_like(x, low))


def norm(x: Array) -> Array:
    """The Euclidean norm of all elements, a 0-d array."""
    xp = array_namespace(x)
    return xp.sqrt(xp.sum(x * x))


def rms(x: Array) -> Array:
    """The root of the mean square of all elements, a 0-d array."""
    xp = array_namespace(x)
    return xp.sqrt(xp.mean(x * x))


class Recurrence(Generic[_T]):
    """A sequence ``s_t = advance(s_(t-1), t)`` of host numbers, for any t in any order.

    A rule whose coefficients are sums or products over the steps asks it for step t: in the usual order
    that costs one advance, and after a resume or a jump at most :attr:`STRIDE` more than once.

    >>> factorial = Recurrence(1, lambda before, t: before * t)
    >>> factorial(5), factorial(3), factorial(0)
    (120, 6, 1)
    """

    STRIDE = 256

    def __init__(self, start: _T, advance: Callable[[_T, int], _T]) -> None:
        self._advance = advance
        self._marks = [start]  # the values at t = 0, STRIDE, 2 STRIDE, ...
        self._latest = (0, start)
        self._lock = threading.Lock()

    def __call__(self, t: int) -> _T:
        """The value at ``t`` >= 0."""
        with self._lock:
            mark = min(t // self.STRIDE, len(self._marks) - 1)
            now, value = mark * self.STRIDE, self._marks[mark]
            if now <= self._latest[0] <= t:
                now, value = self._latest
            while now < t:
                now += 1
                value = self._advance(value, now)
                if now == len(self._marks) * self.STRIDE:
                    self._marks.append(value)
            self._latest = (now, value)
            return value

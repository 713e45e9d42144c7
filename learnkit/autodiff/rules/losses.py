"""Losses as primitives, where the plain formula is slow or loses its digits.

The rules hold for gradients of gradients too: they are functions of the standard, and a primitive that
meets a variable of an outer differentiation calls itself.
"""

from __future__ import annotations

import math
from typing import Any

from learnkit.autodiff.primitive import primitive
from learnkit.autodiff.tape import Node
from learnkit.autodiff.variable import Variable, is_variable
from learnkit.backends.base import Array, array_namespace, kernels_of

__all__ = ["binary_cross_entropy", "log_cosh", "mean_softmax_cross_entropy"]

Parents = tuple[Node | None, ...]

#: PyTorch's bounds of binary cross-entropy: the least logarithm, and the least p (1 - p) to divide by.
_LEAST_LOG = -100.0
_LEAST_VARIANCE = 9.999999960041972e-13  # 1e-12 in float32, which it is there in float64 too


@primitive()
def log_cosh(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """``log(cosh(x))``: near 0 ``log(1 + 2 sinh(x/2)^2)``, beyond ``|x| + log(1 + exp(-2|x|)) - log 2``."""
    if is_variable(x):  # |x| has a corner at 0, and log cosh has none
        return log_cosh(x), x
    a = xp.abs(x)
    small = xp.less(a, 1.0)
    near = xp.log1p(
        xp.multiply(2.0, xp.square(xp.sinh(xp.where(small, xp.multiply(0.5, a), xp.zeros_like(a)))))
    )
    far = xp.subtract(xp.add(a, xp.log1p(xp.exp(xp.multiply(-2.0, a)))), math.log(2.0))
    return xp.where(small, near, far), x


@log_cosh.rule
def _log_cosh_rule(xp: Any, g: Array, x: Array, parents: Parents) -> tuple[Array]:
    return (xp.multiply(g, xp.tanh(x)),)


@primitive()
def binary_cross_entropy(xp: Any, p: Array, t: Array, /) -> tuple[Array, Any]:
    """``-t log p - (1 - t) log(1 - p)`` of probabilities, each logarithm held at -100 or more.

    The gradient is ``(p - t) / max(p (1 - p), 1e-12)``, so it points the right way at p = 0 and 1 too, where
    the value is held. Both as in PyTorch.
    """
    if is_variable(p) or is_variable(t):
        return binary_cross_entropy(p, t), (p, t)
    yes, no = _held_logs(xp, p)
    total = xp.add(xp.multiply(t, yes), xp.multiply(xp.subtract(1.0, t), no))
    return xp.negative(total), (p, t)


@binary_cross_entropy.rule
def _binary_cross_entropy_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    p, t = saved
    dp = dt = None
    if parents[0] is not None:
        variance = xp.multiply(p, xp.subtract(1.0, p))
        held = xp.where(
            xp.greater(variance, _LEAST_VARIANCE), variance, xp.full_like(variance, _LEAST_VARIANCE)
        )
        dp = xp.multiply(g, xp.divide(xp.subtract(p, t), held))
    if parents[1] is not None:
        yes, no = _held_logs(xp, p)
        dt = xp.multiply(g, xp.subtract(no, yes))
    return dp, dt


def _held_logs(xp: Any, p: Array) -> tuple[Array, Array]:
    """``max(log p, -100)`` and ``max(log(1 - p), -100)``; p outside [0, 1] counts as the nearer end."""
    logs = []
    for inside, log, argument in (
        (xp.greater(p, 0), xp.log, p),
        (xp.less(p, 1), xp.log1p, xp.negative(p)),
    ):
        harmless = xp.full_like(p, 1.0 if log is xp.log else 0.0)
        value = log(xp.where(inside, argument, harmless))
        kept = xp.logical_and(inside, xp.greater(value, _LEAST_LOG))
        logs.append(xp.where(kept, value, xp.full_like(p, _LEAST_LOG)))
    yes, no = logs
    return (
        xp.where(xp.less(yes, 0), yes, xp.zeros_like(yes)),
        xp.where(xp.less(no, 0), no, xp.zeros_like(no)),
    )


@primitive(arrays=2)
def mean_softmax_cross_entropy(
    xp: Any, logits: Array, labels: Array, ignore_index: int | None = None, /
) -> tuple[Array, Any]:
    """The mean of ``-log softmax(logits)[label]`` over the rows whose label is not ``ignore_index``.

    Logits (n, k), integer labels (n,) -> a 0-d array, which is 0, with zero gradient, if no row counts.
    """
    kernels = kernels_of(logits)
    all_count = ignore_index is None or kernels_of(labels).surely_without(labels, ignore_index)
    if all_count and logits.shape[0]:
        loss, p = kernels.mean_softmax_cross_entropy(logits, labels)
        return loss, (p, labels, None)
    plain = array_namespace(labels)
    kept = plain.not_equal(labels, -1 if ignore_index is None else ignore_index)
    # Constants come from the kernels' store, because on a GPU each one made is a launch.
    labels = plain.where(kept, labels, kernels_of(labels).class_range(1, labels))
    losses, p = kernels.softmax_cross_entropy(logits, labels)
    weight = plain.astype(kept, losses.dtype)
    count = plain.maximum(plain.sum(weight, axis=0, keepdims=True), kernels_of(weight).ones(1, weight))
    share = plain.divide(weight, count)
    return xp.matmul(losses, share), (p, labels, share)


@mean_softmax_cross_entropy.rule
def _mean_softmax_cross_entropy_rule(
    xp: Any, g: Array, saved: Any, parents: Parents
) -> tuple[Array | None, ...]:
    p, labels, share = saved
    kernels = kernels_of(g if type(g) is Variable else p)
    if share is None:
        return kernels.mean_softmax_cross_entropy_backward(g, p, labels), None
    return kernels.softmax_cross_entropy_backward(xp.multiply(g, share), p, labels), None

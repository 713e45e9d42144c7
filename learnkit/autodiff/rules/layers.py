"""Coarse primitives: whole layers and losses as one node each, with the delta rule by hand.

They record one node where the plain formula records ten, and go to the backend's kernels. The rules
hold for gradients of gradients too: over variables the kernels are standard code.
"""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.primitive import primitive
from learnkit.autodiff.tape import Node
from learnkit.autodiff.variable import Variable, is_variable
from learnkit.backends.base import Array, kernels_of

__all__ = [
    "bce_with_logits",
    "dropout",
    "linear",
    "log_softmax",
    "relu",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
]

Parents = tuple[Node | None, ...]


def _kernels(*arrays: Array) -> Any:
    """The kernels for arrays of which some may be variables of an outer differentiation."""
    for a in arrays:
        if type(a) is Variable:
            return kernels_of(a)
    return kernels_of(arrays[0])


@primitive()
def linear(xp: Any, x: Array, weight: Array, bias: Array | None = None, /) -> tuple[Array, Any]:
    """``x W + b`` for x of shape (n, i), W of shape (i, o) and b of shape (o,)."""
    k = kernels_of(weight) if type(x) is not Variable else _kernels(x, weight)
    return k.linear(x, weight, bias), (x, weight)


@linear.rule
def _linear_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    x, weight = saved
    k = _kernels(g, x, weight)
    to_x, to_weight = parents[:2]
    dx = None if to_x is None else k.product_with_transpose(g, weight)
    dw = None if to_weight is None else _into(to_weight, k.matmul_into, x.T, g)
    if len(parents) == 2:
        return dx, dw
    to_bias = parents[2]
    return dx, dw, None if to_bias is None else _into(to_bias, k.column_sums_into, g)


def _into(parent: Node, kernel: Any, *operands: Array) -> Array | None:
    """What the kernel gives, or ``None`` if it could be written straight into the parent's buffer."""
    buffer = parent.claim()
    gradient: Array = kernel(buffer, *operands)
    return gradient if buffer is None else None


@primitive()
def relu(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """``max(x, 0)``; the subgradient at 0 is 0."""
    # Under an outer differentiation x is a variable: this same rule, and its choice at 0, holds there too.
    y = relu(x) if is_variable(x) else kernels_of(x).relu(x)
    return y, y


@relu.rule
def _relu_rule(xp: Any, g: Array, y: Array, parents: Parents) -> tuple[Array]:
    return (_kernels(g, y).relu_backward(g, y),)


@primitive()
def dropout(xp: Any, x: Array, /, *, p: float, seed: int, stream: int, step: int) -> tuple[Array, Any]:
    """``x / (1 - p)`` or 0 for each element; the reverse pass draws the same numbers, so no mask is kept."""
    key: dict[str, Any] = {"p": p, "seed": seed, "stream": stream, "step": step}
    if is_variable(x):
        return dropout(x, **key), key
    return kernels_of(x).dropout(x, **key), key


@dropout.rule
def _dropout_rule(xp: Any, g: Array, key: Any, parents: Parents) -> tuple[Array]:
    return (dropout(g, **key),)


@primitive()
def sigmoid(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """``1 / (1 + exp(-x))``, in the form that neither overflows nor loses small values."""
    if is_variable(x):  # as for relu: |x| below has a corner at 0
        y = sigmoid(x)
        return y, y
    e = xp.exp(xp.negative(xp.abs(x)))
    y = xp.divide(xp.where(xp.greater_equal(x, 0), xp.ones_like(e), e), xp.add(e, 1.0))
    return y, y


@sigmoid.rule
def _sigmoid_rule(xp: Any, g: Array, y: Array, parents: Parents) -> tuple[Array]:
    return (xp.multiply(g, xp.multiply(y, xp.subtract(1.0, y))),)


@primitive()
def softmax(xp: Any, x: Array, /, *, axis: int = -1) -> tuple[Array, Any]:
    """``exp(x) / sum(exp(x))`` along ``axis``, shifted by the maximum."""
    y = _along(xp, axis, kernels_of(x).softmax, x)
    return y, (y, axis)


@softmax.rule
def _softmax_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    y, axis = saved
    return (_along(xp, axis, _kernels(g, y).softmax_backward, g, y),)


@primitive()
def log_softmax(xp: Any, x: Array, /, *, axis: int = -1) -> tuple[Array, Any]:
    """The logarithm of softmax along ``axis``, without forming the softmax."""
    y = _along(xp, axis, kernels_of(x).log_softmax, x)
    return y, (y, axis)


@log_softmax.rule
def _log_softmax_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    y, axis = saved
    return (_along(xp, axis, _kernels(g, y).log_softmax_backward, g, y),)


def _along(xp: Any, axis: int, kernel: Any, *arrays: Array) -> Array:
    """What a kernel over the last axis gives for another."""
    if axis in (-1, len(arrays[0].shape) - 1):
        return kernel(*arrays)
    return xp.moveaxis(kernel(*(xp.moveaxis(a, axis, -1) for a in arrays)), -1, axis)


@primitive()
def softmax_cross_entropy(xp: Any, logits: Array, labels: Array, /) -> tuple[Array, Any]:
    """``-log softmax(logits)[label]`` of each row: logits (n, k), integer labels (n,) -> (n,)."""
    losses, p = kernels_of(logits).softmax_cross_entropy(logits, labels)
    return losses, (p, labels)


@softmax_cross_entropy.rule
def _softmax_cross_entropy_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    p, labels = saved
    return _kernels(p, g).softmax_cross_entropy_backward(g, p, labels), None


@primitive()
def bce_with_logits(xp: Any, z: Array, t: Array, /) -> tuple[Array, Any]:
    """``-t log s(z) - (1 - t) log(1 - s(z))`` with s the sigmoid, as max(z, 0) - z t + log(1 + exp(-|z|))."""
    if is_variable(z) or is_variable(t):  # as for relu: the formula below has a corner at 0
        return bce_with_logits(z, t), (z, t)
    e = xp.exp(xp.negative(xp.abs(z)))
    loss = xp.add(xp.subtract(xp.maximum(z, xp.zeros_like(z)), xp.multiply(z, t)), xp.log1p(e))
    return loss, (z, t)


@bce_with_logits.rule
def _bce_with_logits_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    z, t = saved
    return (
        None if parents[0] is None else xp.multiply(g, xp.subtract(sigmoid(z), t)),
        None if parents[1] is None else xp.negative(xp.multiply(g, z)),
    )

"""Convolution and pooling as one node each.

A convolution is linear in the image and in the kernel. With ``T(x, w, g) = sum(g * conv(x, w))`` there are
three maps, one for each argument left open: :func:`conv2d`, :func:`conv2d_input` and :func:`conv2d_weight`.
The gradient of each is made of the two others, so gradients of any order stay among the three. Sums over
windows and their transposes likewise come in pairs.

``window`` is a :class:`learnkit.backends.windows.Window`.
"""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.primitive import primitive
from learnkit.autodiff.rules.layers import _into, _kernels
from learnkit.autodiff.tape import Node
from learnkit.autodiff.variable import is_variable
from learnkit.backends.base import Array, kernels_of
from learnkit.backends.windows import Window

__all__ = ["conv2d", "conv2d_input", "max_pool2d", "window_sum"]

Parents = tuple[Node | None, ...]
Pair = tuple[int, int]

# Under an outer differentiation some arguments are variables: then each primitive calls itself, one level
# further out, so that the kernels see plain arrays only.


@primitive()
def conv2d(
    xp: Any, x: Array, weight: Array, bias: Array | None = None, /, *, window: Window, groups: int = 1
) -> tuple[Array, Any]:
    """The convolution of x (n, c, h, w) with weight (kh, kw, c / groups, o), plus a bias (o,)."""
    saved = (x, weight, window, groups)
    if is_variable(x) or is_variable(weight) or is_variable(bias):
        arguments = (x, weight) if bias is None else (x, weight, bias)
        return conv2d(*arguments, window=window, groups=groups), saved
    return kernels_of(x).conv2d(x, weight, bias, window, groups), saved


@conv2d.rule
def _conv2d_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    x, weight, window, groups = saved
    to_x, to_weight = parents[:2]
    dx = dw = db = None
    if to_x is not None:
        dx = conv2d_input(g, weight, window=window, groups=groups, size=tuple(x.shape[2:]))
    if to_weight is not None:
        dw = _into(to_weight, _weight_into, x, g, window, groups)
    if len(parents) == 2:
        return dx, dw
    if parents[2] is not None:
        k = _kernels(g)
        n, o, h, w = g.shape
        sums = xp.reshape(k.row_sums(xp.reshape(g, (n * o, h * w))), (n, o))
        db = _into(parents[2], k.column_sums_into, sums)
    return dx, dw, db


def _weight_into(out: Array | None, x: Array, g: Array, window: Window, groups: int) -> Array:
    """The gradient with respect to the weight, in the leaf's buffer if it has one."""
    if is_variable(x) or is_variable(g):  # then there is no buffer
        return conv2d_weight(x, g, window=window, groups=groups)
    return kernels_of(x).conv2d_weight_into(out, x, g, window, groups)


@primitive()
def conv2d_input(
    xp: Any, g: Array, weight: Array, /, *, window: Window, groups: int = 1, size: Pair
) -> tuple[Array, Any]:
    """The transpose of :func:`conv2d` in x: from shape (n, o, ...) to images (n, c, *size)."""
    saved = (g, weight, window, groups)
    if is_variable(g) or is_variable(weight):
        return conv2d_input(g, weight, window=window, groups=groups, size=size), saved
    return kernels_of(g).conv2d_input(g, weight, window, groups, size), saved


@conv2d_input.rule
def _conv2d_input_rule(xp: Any, v: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    g, weight, window, groups = saved
    to_g, to_weight = parents
    return (
        None if to_g is None else conv2d(v, weight, window=window, groups=groups),
        None if to_weight is None else _into(to_weight, _weight_into, v, g, window, groups),
    )


@primitive()
def conv2d_weight(xp: Any, x: Array, g: Array, /, *, window: Window, groups: int = 1) -> tuple[Array, Any]:
    """The transpose of :func:`conv2d` in the weight."""
    saved = (x, g, window, groups)
    if is_variable(x) or is_variable(g):
        return conv2d_weight(x, g, window=window, groups=groups), saved
    return kernels_of(x).conv2d_weight_into(None, x, g, window, groups), saved


@conv2d_weight.rule
def _conv2d_weight_rule(xp: Any, v: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    x, g, window, groups = saved
    to_x, to_g = parents
    size = tuple(x.shape[2:])
    return (
        None if to_x is None else conv2d_input(g, v, window=window, groups=groups, size=size),
        None if to_g is None else conv2d(x, v, window=window, groups=groups),
    )


@primitive()
def max_pool2d(xp: Any, x: Array, /, *, window: Window) -> tuple[Array, Any]:
    """The largest pixel under the window at each position; of equal ones the first has the gradient."""
    if is_variable(x):
        y = max_pool2d(x, window=window)
    else:
        y = kernels_of(x).max_pool2d(x, window)
    return y, (x, y, window)


@max_pool2d.rule
def _max_pool2d_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    x, y, window = saved
    return (_max_pool2d_backward(g, x, y, window=window),)


@primitive()
def _max_pool2d_backward(xp: Any, g: Array, x: Array, y: Array, /, *, window: Window) -> tuple[Array, Any]:
    """``g`` added at the largest pixels. Which they are does not change with small changes of x."""
    saved = (x, y, window)
    if any(map(is_variable, (g, x, y))):
        return _max_pool2d_backward(g, x, y, window=window), saved
    return kernels_of(g).max_pool2d_backward(g, x, y, window), saved


@_max_pool2d_backward.rule
def _max_pool2d_backward_rule(xp: Any, v: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    x, y, window = saved
    return (None if parents[0] is None else _max_pool2d_select(v, x, y, window=window)), None, None


@primitive()
def _max_pool2d_select(xp: Any, v: Array, x: Array, y: Array, /, *, window: Window) -> tuple[Array, Any]:
    """Of ``v``, shaped as x, what stands at the largest pixels."""
    saved = (x, y, window)
    if any(map(is_variable, (v, x, y))):
        return _max_pool2d_select(v, x, y, window=window), saved
    return kernels_of(v).max_pool2d_select(v, x, y, window), saved


@_max_pool2d_select.rule
def _max_pool2d_select_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    x, y, window = saved
    return (None if parents[0] is None else _max_pool2d_backward(g, x, y, window=window)), None, None


@primitive()
def window_sum(xp: Any, x: Array, /, *, window: Window) -> tuple[Array, Any]:
    """The sum of the pixels under the window at each position."""
    saved = (window, tuple(x.shape[2:]))
    if is_variable(x):
        return window_sum(x, window=window), saved
    return kernels_of(x).window_sum(x, window), saved


@window_sum.rule
def _window_sum_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    window, size = saved
    return (_window_spread(g, window=window, size=size),)


@primitive()
def _window_spread(xp: Any, g: Array, /, *, window: Window, size: Pair) -> tuple[Array, Any]:
    """The transpose of :func:`window_sum`."""
    if is_variable(g):
        return _window_spread(g, window=window, size=size), window
    return kernels_of(g).window_spread(g, window, size), window


@_window_spread.rule
def _window_spread_rule(xp: Any, v: Array, window: Window, parents: Parents) -> tuple[Array]:
    return (window_sum(v, window=window),)

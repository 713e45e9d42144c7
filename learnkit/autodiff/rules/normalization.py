"""Normalisation as one node: batch, layer, group, instance and root-mean-square norms.

The formulas are in ``learnkit.backends.norms``. What is kept for the reverse pass is x itself and the
statistics, so beside the result a norm takes next to no memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learnkit.autodiff.primitive import primitive
from learnkit.autodiff.rules.layers import _kernels
from learnkit.autodiff.tape import Node
from learnkit.autodiff.variable import plain_value
from learnkit.backends.base import Array, array_namespace
from learnkit.backends.norms import scale_of

__all__ = ["affine_channels", "normalize"]

Parents = tuple[Node | None, ...]


@primitive()
def normalize(
    xp: Any,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    /,
    *,
    view: tuple[int, ...],
    eps: float,
    centred: bool = True,
    observe: Callable[[Array, Array], None] | None = None,
) -> tuple[Array, Any]:
    """``w (x - mean) / sqrt(var + eps) + b``, the variance in a second pass over what the first has centred.

    Args:
        x: of any shape.
        weight, bias: or ``None``.
        view: the shape in which x is looked at: (n, groups, segments, rest) takes means over the last two
            axes, with weight and bias for each group and segment; (n, channels, rest) takes them over all
            but the channels.
        centred: whether the mean is subtracted; over rows only.
        observe: called with mean and variance (dividing by n), plain arrays, of shape (n, groups) or
            (channels,).
    """
    k = _kernels(x) if weight is None else _kernels(x, weight) if bias is None else _kernels(x, weight, bias)
    wide = xp.reshape(x, view)
    shape = view[1:-1]
    w, b = (a if a is None or len(shape) == 1 else xp.reshape(a, shape) for a in (weight, bias))
    if len(view) == 4:
        y, statistics = k.norm_rows(wide, w, b, eps=eps, centred=centred)
    else:
        y, statistics = k.norm_channels(wide, w, b, eps=eps)
    if observe is not None:
        _report(statistics, observe)
    shapes = tuple(a if a is None else a.shape for a in (x, weight, bias))
    return xp.reshape(y, x.shape), (wide, w, statistics, eps, shapes)


def _report(statistics: Any, observe: Callable[[Array, Array], None]) -> None:
    mean, left, power = (plain_value(a) for a in statistics)
    xp = array_namespace(power)
    scale = scale_of(xp, power.dtype)
    # The variance of what is near the end of the range lies beyond it: held at the end, not infinite.
    most = xp.full_like(power, 0.5 * float(xp.finfo(power.dtype).max) * scale * scale)
    variance = xp.divide(xp.divide(xp.minimum(power, most), scale), scale)
    observe(xp.divide(xp.add(mean, left), scale), variance)


@normalize.rule
def _normalize_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    x, weight, statistics, eps, shapes = saved
    operands = [a for a in (g, x, weight, statistics[2]) if a is not None]
    k = _kernels(*operands)
    needs = (parents[0] is not None, parents[1] is not None, parents[2] is not None)
    backward = k.norm_rows_backward if len(x.shape) == 4 else k.norm_channels_backward
    found = backward(xp.reshape(g, x.shape), x, weight, statistics, eps=eps, needs=needs)
    return tuple(a if a is None else xp.reshape(a, n) for a, n in zip(found, shapes, strict=True))


@primitive()
def affine_channels(
    xp: Any, x: Array, shift: Array, factor: Array, bias: Array | None, /
) -> tuple[Array, Any]:
    """``(x - shift) factor + bias`` for x of shape (n, channels, rest): a norm with given statistics."""
    operands = [a for a in (x, shift, factor, bias) if a is not None]
    return _kernels(*operands).affine_channels(x, shift, factor, bias), (x, shift, factor)


@affine_channels.rule
def _affine_channels_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    x, shift, factor = saved
    dx = to_shift = to_factor = to_bias = None
    if parents[0] is not None:
        dx = _kernels(g, factor).affine_channels(g, xp.zeros_like(factor), factor, None)
    if parents[1] is not None or parents[3] is not None:
        to_bias = xp.sum(g, axis=(0, 2))
        to_shift = xp.negative(xp.multiply(to_bias, factor))
    if parents[2] is not None:
        centred = xp.subtract(x, xp.reshape(shift, (1, x.shape[1], 1)))
        to_factor = xp.sum(xp.multiply(g, centred), axis=(0, 2))
    return dx, to_shift, to_factor, to_bias

"""Normalisation as one node: batch, layer, group, instance and root-mean-square norms.

They differ in the axes that a mean is taken over, and in whether there is a mean at all::

    d = x - mean(x)        (root-mean-square: d = x)
    r = 1 / sqrt(mean(d^2) + eps)
    h = d r                                    y = w h + b

With ``g`` the gradient of ``h`` that of ``x`` is, eps and all, ::

    dx = r (g - mean(g) - h mean(g h))         (root-mean-square: without mean(g))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learnkit.autodiff.primitive import primitive
from learnkit.autodiff.rules.layers import _into, _kernels
from learnkit.autodiff.tape import Node
from learnkit.autodiff.variable import plain_value
from learnkit.backends.base import Array, array_namespace

__all__ = ["normalize"]

Parents = tuple[Node | None, ...]


def _scale(xp: Any, dtype: Any) -> float:
    """A power of two that keeps squares within range: it costs no digits.

    In float32 the squares of 1e20 are infinite; after this the sum of those of a million numbers of 1e30 is not,
    while what counts beside an eps of 1e-12 is still far above the smallest number.
    """
    return 2.0**-256 if dtype == xp.float64 else 2.0**-46


def _mean(xp: Any, x: Array, axes: tuple[int, ...]) -> Array:
    """The mean over ``axes``, which are kept with length 1."""
    if axes == (0,) and len(x.shape) == 2:
        sums = _kernels(x).column_sums_into(None, x)
        return xp.multiply(xp.reshape(sums, (1, x.shape[1])), 1.0 / max(1, x.shape[0]))
    return xp.mean(x, axis=axes, keepdims=True)


@primitive()
def normalize(
    xp: Any,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    /,
    *,
    view: tuple[int, ...],
    axes: tuple[int, ...],
    channels: tuple[int, ...],
    spread: tuple[int, ...],
    eps: float,
    centred: bool = True,
    observe: Callable[[Array, Array], None] | None = None,
) -> tuple[Array, Any]:
    """``w (x - mean) / sqrt(var + eps) + b``, the variance in a second pass over what the first has centred.

    The first mean of large numbers is rounded, so the centred values are centred once more: in float32 a
    mean of 1e6 times the deviation does not spoil the result.

    Args:
        x: of any shape.
        weight, bias: or ``None``.
        view: the shape in which x is looked at for means.
        axes: to take them over, in that shape.
        channels: the shape in which x is looked at for weight and bias.
        spread: the shape of weight and bias beside that one, with 1 where they are repeated.
        centred: whether the mean is subtracted.
        observe: called with mean and variance (dividing by n), plain arrays of the shape of ``view``
            with 1 for ``axes``.
    """
    scale = _scale(xp, x.dtype)
    d = xp.multiply(xp.reshape(x, view), scale)
    mean = None
    if centred:
        mean = _mean(xp, d, axes)
        d = xp.subtract(d, mean)
        left = _mean(xp, d, axes)
        d = xp.subtract(d, left)
        mean = xp.add(mean, left)
    power = _mean(xp, xp.multiply(d, d), axes)
    inverse = xp.divide(1.0, xp.sqrt(xp.add(power, eps * scale * scale)))
    h = xp.reshape(xp.multiply(d, inverse), channels)
    if observe is not None:
        _report(plain_value(mean), plain_value(power), scale, observe)
    y = h if weight is None else xp.multiply(h, xp.reshape(weight, spread))
    if bias is not None:
        y = xp.add(y, xp.reshape(bias, spread))
    shape = None if bias is None else bias.shape
    return xp.reshape(y, x.shape), (h, inverse, weight, shape, view, axes, spread, centred, scale)


def _report(mean: Array, power: Array, scale: float, observe: Callable[[Array, Array], None]) -> None:
    xp = array_namespace(power)
    # The variance of what is near the end of the range lies beyond it: held at the end, not infinite.
    most = xp.full_like(power, 0.5 * float(xp.finfo(power.dtype).max) * scale * scale)
    observe(xp.divide(mean, scale), xp.divide(xp.minimum(power, most), scale * scale))


@normalize.rule
def _normalize_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    h, inverse, weight, bias_shape, view, axes, spread, centred, scale = saved
    shape = g.shape
    g = xp.reshape(g, h.shape)
    gradients: list[Array | None] = [None, None, None]
    if parents[1] is not None:
        gradients[1] = _sums(xp, xp.multiply(g, h), spread, parents[1], weight.shape)
    if parents[2] is not None:
        gradients[2] = _sums(xp, g, spread, parents[2], bias_shape)
    if parents[0] is not None:
        if weight is not None:
            g = xp.multiply(g, xp.reshape(weight, spread))
        g, h = xp.reshape(g, view), xp.reshape(h, view)
        along = xp.multiply(h, _mean(xp, xp.multiply(g, h), axes))
        if centred:
            along = xp.add(along, _mean(xp, g, axes))
        dx = xp.multiply(xp.subtract(g, along), xp.multiply(inverse, scale))
        gradients[0] = xp.reshape(dx, shape)
    return tuple(gradients)


def _sums(xp: Any, g: Array, spread: tuple[int, ...], parent: Node, shape: tuple[int, ...]) -> Array | None:
    """The gradient of what was repeated from ``spread``: written into the leaf's buffer, or returned."""
    repeated = tuple(i for i, n in enumerate(spread) if n == 1)
    if len(spread) == 2 and repeated[:1] == (0,) and len(shape) == 1:
        return _into(parent, _kernels(g).column_sums_into, g)
    return xp.reshape(xp.sum(g, axis=repeated), shape)

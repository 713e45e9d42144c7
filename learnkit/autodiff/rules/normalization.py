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
from learnkit.autodiff.variable import Variable, plain_value
from learnkit.backends.base import Array, array_namespace, size_of

__all__ = ["normalize"]

Parents = tuple[Node | None, ...]


def _scale(xp: Any, dtype: Any) -> float:
    """A power of two that keeps squares within range: it costs no digits.

    In float32 the squares of 1e20 are infinite; after this the sum of those of a million numbers of 1e30 is
    not, while what counts beside an eps of 1e-12 is still far above the smallest number.
    """
    return 2.0**-256 if dtype == xp.float64 else 2.0**-46


def _mean(xp: Any, x: Array, axes: tuple[int, ...], y: Array | None = None) -> Array:
    """The mean of ``x``, or of ``x y``, over ``axes``, which are kept with length 1.

    ``axes`` are the first, the last or both of a matrix or a stack of matrices.
    """
    k = _kernels(x) if y is None else _kernels(x, y)
    shape = x.shape
    n = 1
    if len(shape) - 1 in axes:
        n = shape[-1]
        rows = (size_of(shape[:-1]), n)
        sums = k.row_sums(xp.reshape(x, rows), None if y is None else xp.reshape(y, rows))
        shape = (*shape[:-1], 1)
    else:
        sums = x if y is None else xp.multiply(x, y)
    if 0 in axes:
        n *= shape[0]
        columns = size_of(shape[1:])
        sums = k.column_sums_into(None, xp.reshape(sums, (shape[0], columns)))
        shape = (1, *shape[1:])
    return xp.multiply(xp.reshape(sums, shape), 1.0 / n)


# The following change their first argument, which is a temporary of the caller's, where it is a plain array:
# on the host, fresh memory costs more than the arithmetic.


def _plus(xp: Any, x: Array, y: Array) -> Array:
    if type(x) is Variable or type(y) is Variable:
        return xp.add(x, y)
    x += y
    return x


def _minus(xp: Any, x: Array, y: Array) -> Array:
    if type(x) is Variable or type(y) is Variable:
        return xp.subtract(x, y)
    x -= y
    return x


def _times(xp: Any, x: Array, y: Array) -> Array:
    if type(x) is Variable or type(y) is Variable:
        return xp.multiply(x, y)
    x *= y
    return x


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
        d = _minus(xp, d, mean)
        left = _mean(xp, d, axes)
        d = _minus(xp, d, left)
        mean = xp.add(mean, left)
    power = _mean(xp, d, axes, d)
    inverse = xp.divide(1.0, xp.sqrt(xp.add(power, eps * scale * scale)))
    h = xp.reshape(_times(xp, d, inverse), channels)
    if observe is not None:
        _report(plain_value(mean), plain_value(power), scale, observe)
    y = xp.multiply(h, 1.0) if weight is None else xp.multiply(h, xp.reshape(weight, spread))
    if bias is not None:
        y = _plus(xp, y, xp.reshape(bias, spread))
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
        dx = xp.multiply(h, xp.negative(_mean(xp, g, axes, h)))
        dx = _plus(xp, dx, g)
        if centred:
            dx = _minus(xp, dx, _mean(xp, g, axes))
        gradients[0] = xp.reshape(_times(xp, dx, xp.multiply(inverse, scale)), shape)
    return tuple(gradients)


def _sums(xp: Any, g: Array, spread: tuple[int, ...], parent: Node, shape: tuple[int, ...]) -> Array | None:
    """The gradient of what was repeated from ``spread``: written into the leaf's buffer, or returned."""
    repeated = tuple(i for i, n in enumerate(spread) if n == 1)
    if len(spread) == 2 and repeated[:1] == (0,) and len(shape) == 1:
        return _into(parent, _kernels(g).column_sums_into, g)
    return xp.reshape(xp.sum(g, axis=repeated), shape)

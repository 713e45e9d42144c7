"""Normalisation: batch, layer, group, instance and root-mean-square norms, in standard code.

They differ in what a mean is taken over, and in whether there is a mean at all::

    d = x - mean(x)        (root-mean-square: d = x)
    r = 1 / sqrt(mean(d^2) + eps)
    h = d r                                    y = w h + b

With ``g`` the gradient of ``h`` that of ``x`` is, eps and all, ::

    dx = r (g - mean(g) - h mean(g h))         (root-mean-square: without mean(g))

Two kernels do all of them. *Rows* are normalised each by itself: x has shape (n, groups, segments, rest), a
row is what has the same place in the first two axes, and weight and bias have shape (groups, segments).
*Channels* are normalised over the batch: x has shape (n, channels, rest), weight and bias have shape
(channels,).

Statistics are of ``s x``, with s the power of two of :func:`scale_of`, and in the dtype of x: ``(mean, left,
power)``, where ``mean + left`` is the mean to twice the digits, or both are ``None``, and ``power`` is the
mean of ``d^2``. With a mean of 1e6 times the deviation ``(s x - mean) - left`` still has all digits in
float32.
"""

from __future__ import annotations

from typing import Any

from learnkit.backends.base import Array

__all__ = ["NormKernels", "Statistics", "scale_of"]

#: ``(mean, left, power)``; what they are is said above.
Statistics = tuple[Any, Any, Any]
Needs = tuple[bool, bool, bool]
Gradients = tuple[Any, Any, Any]


def scale_of(xp: Any, dtype: Any) -> float:
    """A power of two that keeps squares within range: it costs no digits.

    In float32 the squares of 1e20 are infinite; after this the sum of those of a million numbers of 1e30 is
    not, while what counts beside an eps of 1e-12 is still far above the smallest number.
    """
    return 2.0**-256 if dtype == xp.float64 else 2.0**-46


class NormKernels:
    """Forward and backward of the two, for plain arrays and for variables."""

    xp: Any

    def norm_rows(
        self, x: Array, weight: Array | None, bias: Array | None, *, eps: float, centred: bool = True
    ) -> tuple[Array, Statistics]:
        """Each row normalised by itself, and the statistics, of shape (n, groups)."""
        return self._norm(x, weight, bias, (2, 3), (1, *x.shape[1:3], 1), eps, centred)

    def norm_rows_backward(
        self,
        g: Array,
        x: Array,
        weight: Array | None,
        statistics: Statistics,
        *,
        eps: float,
        needs: Needs = (True, True, True),
    ) -> Gradients:
        """Gradients of x, weight and bias, as far as needed, from that of the result."""
        return self._norm_backward(g, x, weight, statistics, (2, 3), (1, *x.shape[1:3], 1), eps, needs)

    def norm_channels(
        self, x: Array, weight: Array | None, bias: Array | None, *, eps: float
    ) -> tuple[Array, Statistics]:
        """Each channel normalised over the batch, and the statistics, of shape (channels,)."""
        return self._norm(x, weight, bias, (0, 2), (1, x.shape[1], 1), eps, True)

    def norm_channels_backward(
        self,
        g: Array,
        x: Array,
        weight: Array | None,
        statistics: Statistics,
        *,
        eps: float,
        needs: Needs = (True, True, True),
    ) -> Gradients:
        """Gradients of x, weight and bias, as far as needed, from that of the result."""
        return self._norm_backward(g, x, weight, statistics, (0, 2), (1, x.shape[1], 1), eps, needs)

    def affine_channels(self, x: Array, shift: Array, factor: Array, bias: Array | None) -> Array:
        """``(x - shift) factor + bias`` for x of shape (n, channels, rest), the others of shape (channels,).

        Shifted first: in one product and one sum, large means would cost digits.
        """
        xp = self.xp
        spread = (1, x.shape[1], 1)
        y = xp.multiply(xp.subtract(x, xp.reshape(shift, spread)), xp.reshape(factor, spread))
        return y if bias is None else xp.add(y, xp.reshape(bias, spread))

    def _norm(
        self,
        x: Array,
        weight: Array | None,
        bias: Array | None,
        axes: tuple[int, ...],
        spread: tuple[int, ...],
        eps: float,
        centred: bool,
    ) -> tuple[Array, Statistics]:
        xp = self.xp
        scale = scale_of(xp, x.dtype)
        d = xp.multiply(x, scale)
        mean = left = None
        if centred:
            mean = self._mean(d, axes)
            d = xp.subtract(d, mean)
            left = self._mean(d, axes)
            d = xp.subtract(d, left)
        power = self._mean(xp.multiply(d, d), axes)
        y = xp.multiply(d, xp.divide(1.0, xp.sqrt(xp.add(power, eps * scale * scale))))
        if weight is not None:
            y = xp.multiply(y, xp.reshape(weight, spread))
        if bias is not None:
            y = xp.add(y, xp.reshape(bias, spread))
        shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        mean, left, power = (a if a is None else xp.reshape(a, shape) for a in (mean, left, power))
        return y, (mean, left, power)

    def _norm_backward(
        self,
        g: Array,
        x: Array,
        weight: Array | None,
        statistics: Statistics,
        axes: tuple[int, ...],
        spread: tuple[int, ...],
        eps: float,
        needs: Needs,
    ) -> Gradients:
        xp = self.xp
        scale = scale_of(xp, x.dtype)
        shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        mean, left, power = (a if a is None else xp.reshape(a, shape) for a in statistics)
        inverse = xp.divide(1.0, xp.sqrt(xp.add(power, eps * scale * scale)))
        d = xp.multiply(x, scale)
        if mean is not None:
            d = xp.subtract(xp.subtract(d, mean), left)
        h = xp.multiply(d, inverse)
        repeated = (0, len(spread) - 1)  # of weight and bias: the first axis and the last
        dx = dw = db = None
        if needs[1]:
            dw = xp.sum(xp.multiply(g, h), axis=repeated)
        if needs[2]:
            db = xp.sum(g, axis=repeated)
        if needs[0]:
            if weight is not None:
                g = xp.multiply(g, xp.reshape(weight, spread))
            dx = xp.subtract(g, xp.multiply(h, self._mean(xp.multiply(g, h), axes)))
            if mean is not None:
                dx = xp.subtract(dx, self._mean(g, axes))
            dx = xp.multiply(dx, xp.multiply(inverse, scale))
        return dx, dw, db

    def _mean(self, x: Array, axes: tuple[int, ...]) -> Array:
        """Over the last two axes or over all but the middle one, which stay with length 1."""
        xp = self.xp
        if axes == (2, 3):
            rows = xp.mean(xp.reshape(x, (*x.shape[:2], x.shape[2] * x.shape[3])), axis=2)
            return xp.reshape(rows, (*x.shape[:2], 1, 1))
        return xp.mean(x, axis=axes, keepdims=True)

"""Pooling, and the way back: images made smaller and larger, channel by channel."""

from __future__ import annotations

from typing import Any, ClassVar

import array_api_compat

from learnkit.autodiff.rules import convolution as rules
from learnkit.autodiff.variable import plain_value
from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.backends.windows import Window
from learnkit.checks import at_least, check_flag
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn.module import Module
from learnkit.nn.windows import Sizes, as_images, channels_of, from_images, pair, positions, sizes, window_of

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "MaxPool1d",
    "MaxPool2d",
    "UpsamplingNearest2d",
]


class _Pool(Module):
    """The options that pooling layers share."""

    _axes: ClassVar[int]

    def _describe(
        self, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes, ceil_mode: bool
    ) -> None:
        owner, axes = type(self).__name__, self._axes
        self.kernel_size = sizes(owner, "kernel_size", kernel_size, axes, 1)
        self.stride = self.kernel_size if stride is None else sizes(owner, "stride", stride, axes, 1)
        self.padding = sizes(owner, "padding", padding, axes, 0)
        self.dilation = sizes(owner, "dilation", dilation, axes, 1)
        check_flag(owner, "ceil_mode", ceil_mode)
        self.ceil_mode = ceil_mode
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ArgumentError(
                f"{owner}: padding is {padding!r}, expected at most half of kernel_size, {kernel_size!r}"
            )
        self._window = window_of(self.kernel_size, self.stride, self.padding, self.dilation)

    def _over(self, x: Any) -> Window:
        """The window on images of the size of ``x``: with ``ceil_mode`` it may end beyond the padding."""
        owner = type(self).__name__
        channels_of(owner, x, self._axes)
        window = self._window
        if self.ceil_mode:
            size = pair(tuple(x.shape[2:]), 1)
            above, left = (
                (before, _behind(n, before, behind, reach, stride))
                for n, (before, behind), reach, stride in zip(
                    size, window.padding, window.reach, window.stride, strict=True
                )
            )
            window = window._replace(padding=(above, left))
        positions(owner, window, x)
        return window


def _behind(n: int, before: int, behind: int, reach: int, stride: int) -> int:
    """The padding behind that a last window needs which begins within the image or the padding before it."""
    count = -(-(n + before + behind - reach) // stride)  # positions less one, rounded up
    if count * stride >= n + before:
        count -= 1
    return max(behind, count * stride + reach - n - before)


class _MaxPool(_Pool):
    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        self._describe(kernel_size, stride, padding, dilation, ceil_mode)

    def __call__(self, x: Any) -> Any:
        window = self._over(x)
        return from_images(rules.max_pool2d(as_images(x), window=window), self._axes)


class MaxPool1d(_MaxPool):
    """The largest of the numbers under a window: (batch, channels, length) -> the same, shorter.

    Args:
        kernel_size: length of the window, an integer >= 1.
        stride: from one window to the next, >= 1; ``None`` is kernel_size.
        padding: places at both ends that are never the largest; at most half of kernel_size.
        dilation: from one place in the window to the next, >= 1.
        ceil_mode: whether a last window that ends beyond the sequence counts.

    The gradient goes to the first of equal numbers, as in PyTorch.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) x has another number of axes, or is smaller than the window.

    >>> import numpy as np
    >>> MaxPool1d(2)(np.asarray([[[1.0, 3.0, 2.0, 0.0, 5.0]]])).tolist()
    [[[3.0, 2.0]]]
    """

    _axes = 1


class MaxPool2d(_MaxPool):
    """The largest of the pixels under a window: (batch, channels, height, width) -> the same, smaller.

    Args:
        kernel_size: of the window, an integer >= 1, or one each for height and width; so are the next three.
        stride: from one window to the next, >= 1; ``None`` is kernel_size.
        padding: rows and columns around that are never the largest; at most half of kernel_size.
        dilation: from one pixel of the window to the next, >= 1.
        ceil_mode: whether a last window that ends beyond the image counts.

    The gradient goes to the first of equal pixels, row by row, as in PyTorch.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) x has another number of axes, or is smaller than the window.

    >>> import numpy as np
    >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """

    _axes = 2


class _AvgPool(_Pool):
    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        *,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self._describe(kernel_size, stride, padding, 1, ceil_mode)
        check_flag(type(self).__name__, "count_include_pad", count_include_pad)
        self.count_include_pad = count_include_pad

    def __call__(self, x: Any) -> Any:
        window = self._over(x)
        images = as_images(x)
        total = rules.window_sum(images, window=window)
        xp = array_namespace(total)
        return from_images(xp.divide(total, self._counts(images, window)), self._axes)

    def _counts(self, x: Any, window: Window) -> Any:
        """How many pixels each sum is shared by: a number, or an array where that differs."""
        kh, kw = window.kernel
        padding = self._window.padding
        if window.padding == padding and (self.count_include_pad or not any(map(any, padding))):
            return float(kh * kw)
        size = tuple(x.shape[2:])
        counted = window
        if self.count_include_pad:  # the padding is part of the image, what lies beyond it is not
            size = tuple(n + sum(p) for n, p in zip(size, padding, strict=True))
            above, left = (
                (0, behind - given) for (_, behind), (_, given) in zip(window.padding, padding, strict=True)
            )
            counted = window._replace(padding=(above, left))
        plain = plain_value(x)
        xp = array_namespace(plain)
        ones = xp.ones((1, 1, *size), dtype=plain.dtype, device=array_api_compat.device(plain))
        return kernels_of(ones).window_sum(ones, counted)


class AvgPool1d(_AvgPool):
    """The mean of the numbers under a window: (batch, channels, length) -> the same, shorter.

    Args:
        kernel_size: length of the window, an integer >= 1.
        stride: from one window to the next, >= 1; ``None`` is kernel_size.
        padding: zeros at both ends; at most half of kernel_size.
        ceil_mode: whether a last window that ends beyond the sequence counts.
        count_include_pad: whether the zeros of the padding are counted when the sum is divided.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) x has another number of axes, or is smaller than the window.

    >>> import numpy as np
    >>> AvgPool1d(2)(np.asarray([[[1.0, 3.0, 2.0, 0.0, 5.0]]])).tolist()
    [[[2.0, 1.0]]]
    """

    _axes = 1


class AvgPool2d(_AvgPool):
    """The mean of the pixels under a window: (batch, channels, height, width) -> the same, smaller.

    Args:
        kernel_size: of the window, an integer >= 1, or one each for height and width; so are the next two.
        stride: from one window to the next, >= 1; ``None`` is kernel_size.
        padding: rows and columns of zeros around; at most half of kernel_size.
        ceil_mode: whether a last window that ends beyond the image counts.
        count_include_pad: whether the zeros of the padding are counted when the sum is divided.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) x has another number of axes, or is smaller than the window.

    >>> import numpy as np
    >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """

    _axes = 2


class _AdaptiveAvgPool(Module):
    _axes: ClassVar[int]

    def __init__(self, output_size: int | tuple[int | None, ...] | None) -> None:
        owner, axes = type(self).__name__, self._axes
        given = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * axes
        if len(given) != axes or not all(n is None or (type(n) is int and n >= 1) for n in given):
            several = f", or {axes} of them" if axes > 1 else ""
            raise ArgumentError(
                f"{owner}: output_size is {output_size!r}, expected an integer >= 1 or None{several}"
            )
        self.output_size = given

    def __call__(self, x: Any) -> Any:
        channels_of(type(self).__name__, x, self._axes)
        if 0 in x.shape[2:]:
            raise ShapeError(f"{type(self).__name__} got x of shape {tuple(x.shape)}, without pixels")
        xp = array_namespace(x)
        images = as_images(x)
        size = tuple(images.shape[2:])
        wanted = [*(None,) * (2 - self._axes), *self.output_size]
        to = tuple(n if m is None else m for n, m in zip(size, wanted, strict=True))
        if to == size:
            return x
        if to == (1, 1):
            y = xp.mean(images, axis=(2, 3), keepdims=True)
        elif all(n % m == 0 for n, m in zip(size, to, strict=True)):
            kernel = (size[0] // to[0], size[1] // to[1])
            y = xp.divide(
                rules.window_sum(images, window=Window(kernel, kernel)), float(kernel[0] * kernel[1])
            )
        else:
            plain = plain_value(x)
            y = xp.matmul(images, xp.matrix_transpose(_bins(plain, size[1], to[1])))
            y = xp.matmul(_bins(plain, size[0], to[0]), y)
        return from_images(y, self._axes)


def _bins(like: Array, n: int, m: int) -> Array:
    """Means of n numbers in m bins, as a matrix (m, n): i from floor(i n / m) up to ceil((i + 1) n / m)."""
    xp = array_namespace(like)
    device = array_api_compat.device(like)
    i = xp.expand_dims(xp.arange(m, dtype=xp.int64, device=device), axis=1)
    begin = xp.floor_divide(xp.multiply(i, n), m)
    end = xp.floor_divide(xp.add(xp.multiply(xp.add(i, 1), n), m - 1), m)
    places = xp.expand_dims(xp.arange(n, dtype=xp.int64, device=device), axis=0)
    inside = xp.logical_and(xp.greater_equal(places, begin), xp.less(places, end))
    return xp.divide(xp.astype(inside, like.dtype), xp.astype(xp.subtract(end, begin), like.dtype))


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means of as many windows as asked for: (batch, channels, length) -> (batch, channels, output_size).

    Window i of m is from floor(i n / m) up to ceil((i + 1) n / m), so windows may overlap.

    Args:
        output_size: m, an integer >= 1; ``None`` is the length of x.

    Raises:
        ArgumentError: it is no such number.
        ShapeError: (when called) x has another number of axes, or no length.

    >>> import numpy as np
    >>> AdaptiveAvgPool1d(2)(np.asarray([[[1.0, 3.0, 5.0]]])).tolist()
    [[[2.0, 4.0]]]
    """

    _axes = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means of as many windows as asked for: (batch, channels, h, w) -> (batch, channels, *output_size).

    Along each axis window i of m is from floor(i n / m) up to ceil((i + 1) n / m), so windows may overlap.
    With 1 it is the mean over the whole image, global average pooling.

    Args:
        output_size: an integer >= 1, or one each for height and width; ``None`` is the size of x.

    Raises:
        ArgumentError: it is no such number.
        ShapeError: (when called) x has another number of axes, or no pixels.

    >>> import numpy as np
    >>> AdaptiveAvgPool2d(1)(np.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[[[1.5]], [[5.5]]]]
    """

    _axes = 2


class UpsamplingNearest2d(Module):
    """Each pixel as a block of equal ones: (batch, channels, h, w) -> (batch, channels, h f, w f).

    Args:
        scale_factor: f, an integer >= 1, or one each for height and width.

    Raises:
        ArgumentError: it is no such number.
        ShapeError: (when called) x has another number of axes.

    >>> import numpy as np
    >>> UpsamplingNearest2d(2)(np.asarray([[[[1.0, 2.0]]]])).tolist()
    [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    """

    def __init__(self, scale_factor: Sizes) -> None:
        if not isinstance(scale_factor, (tuple, list)):
            at_least("UpsamplingNearest2d", "scale_factor", scale_factor, 1)
        self.scale_factor = sizes("UpsamplingNearest2d", "scale_factor", scale_factor, 2, 1)

    def __call__(self, x: Any) -> Any:
        channels_of("UpsamplingNearest2d", x, 2)
        xp = array_namespace(x)
        n, c, h, w = x.shape
        down, across = self.scale_factor
        blocks = xp.broadcast_to(xp.reshape(x, (n, c, h, 1, w, 1)), (n, c, h, down, w, across))
        return xp.reshape(blocks, (n, c, h * down, w * across))

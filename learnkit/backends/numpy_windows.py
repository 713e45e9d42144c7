"""Convolution and pooling in NumPy: few passes over memory, in pieces that stay in the cache."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import numpy as np

from learnkit.backends import threads
from learnkit.backends.base import Array
from learnkit.backends.windows import Window, WindowKernels, overlaps

__all__ = ["NumpyWindowKernels"]

#: Bytes of pixels that are rearranged and multiplied at once.
_PIECE = 1 << 21
#: Pixels of pooling worked on at once, so that temporaries stay in the cache.
_BLOCK = 1 << 17
#: From so many pixels on, threads share the images.
_SHARED = 1 << 17
#: Up to this many pixels in a column, laying out columns costs less than several products.
_SHORT = 32


class NumpyWindowKernels(WindowKernels):
    """NumPy's own ways for windows.

    A convolution is bound by the memory that its columns take: kernel height times kernel width times that
    of the image. Here only the shifts across are laid out. A shift down is then a part of the same array,
    so the product with each row of the kernel reads it where it lies.
    """

    columns_at_once = _PIECE

    def im2col(self, x: Array, window: Window, groups: int = 1) -> Array:
        n, c, h, w = x.shape
        (kh, kw), (rows, across) = window.kernel, window.outputs((h, w))
        make = np.zeros if any(map(any, window.padding)) else np.empty
        columns = make((n, groups, kh, kw, c // groups, rows, across), dtype=x.dtype)
        images = x.reshape(n, groups, c // groups, h, w)
        for i, j, there, here in overlaps(window, (h, w)):
            columns[:, :, i, j][there] = images[here]
        return columns.reshape(n, groups, kh * kw * (c // groups), rows * across)

    def col2im(self, columns: Array, window: Window, size: tuple[int, int]) -> Array:
        n, groups, k, _ = columns.shape
        kh, kw = window.kernel
        c = k // (kh * kw)
        columns = columns.reshape(n, groups, kh, kw, c, *window.outputs(size))
        images = np.zeros((n, groups, c, *size), dtype=columns.dtype)
        for i, j, there, here in overlaps(window, tuple(size)):
            images[here] += columns[:, :, i, j][there]
        return images.reshape(n, groups * c, *size)

    def conv2d(self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int = 1) -> Array:
        n, c = x.shape[:2]
        rows, across = window.outputs(x.shape[2:])
        kh, kw, _, o = weight.shape
        if groups > 1 or kh * kw * c <= _SHORT or window.stride[0] > 1 or n == 0:
            y = self._by_columns(x, weight, window, groups, (rows, across))
        else:
            dtype = np.result_type(x, weight)
            y = np.empty((n, o, rows, across), dtype=dtype)
            parts = np.ascontiguousarray(weight.reshape(kh, kw * c, o).transpose(0, 2, 1))
            for piece, shifted in _shifted(x, window):
                b = shifted.shape[3]
                lines = shifted.reshape(kw * c, -1)
                product = parts[0] @ lines[:, : rows * b * across]
                for i in range(1, kh):
                    start = i * window.dilation[0] * b * across
                    product += parts[i] @ lines[:, start : start + rows * b * across]
                y[piece] = product.reshape(o, rows, b, across).transpose(2, 0, 1, 3)
        if bias is not None:
            return np.add(y, bias[:, None, None], out=y if bias.dtype == y.dtype else None)
        return y

    def _by_columns(
        self, x: Array, weight: Array, window: Window, groups: int, outputs: tuple[int, int]
    ) -> Array:
        n, (kh, kw, c, o) = x.shape[0], weight.shape
        w = weight.reshape(kh * kw * c, groups, o // groups).transpose(1, 2, 0)
        y = np.empty((n, groups, o // groups, outputs[0] * outputs[1]), dtype=np.result_type(x, weight))
        for piece in self._chunks(n, window, x.shape[1], outputs, x.dtype):
            np.matmul(w, self.im2col(x[piece], window, groups), out=y[piece])
        return y.reshape(n, o, *outputs)

    def conv2d_input(
        self, g: Array, weight: Array, window: Window, groups: int, size: tuple[int, int]
    ) -> Array:
        back = window.transposed()
        few = window.kernel[0] * weight.shape[2] <= weight.shape[3]  # columns then take less than shifts of g
        if back is None or groups > 1 or few or back.outputs(g.shape[2:]) != tuple(size):
            return super().conv2d_input(g, weight, window, groups, size)
        turned = np.ascontiguousarray(weight[::-1, ::-1].transpose(0, 1, 3, 2))
        return self.conv2d(g, turned, None, back)

    def conv2d_weight_into(
        self, out: Array | None, x: Array, g: Array, window: Window, groups: int = 1
    ) -> Array:
        few = window.kernel[0] * window.kernel[1] * x.shape[1] <= _SHORT
        if groups > 1 or few or window.stride[0] > 1 or x.shape[0] == 0:
            return super().conv2d_weight_into(out, x, g, window, groups)
        (kh, kw), c, (o, rows, across) = window.kernel, x.shape[1], g.shape[1:]
        total = np.zeros((kh, kw * c, o), dtype=np.result_type(x, g))
        for piece, shifted in _shifted(x, window):
            b = shifted.shape[3]
            lines = shifted.reshape(kw * c, -1)
            given = np.ascontiguousarray(g[piece].transpose(1, 2, 0, 3)).reshape(o, -1).T
            for i in range(kh):
                start = i * window.dilation[0] * b * across
                total[i] += lines[:, start : start + rows * b * across] @ given
        total = total.reshape(kh, kw, c, o)
        if out is None:
            return total
        out[...] = total
        return out

    def max_pool2d(self, x: Array, window: Window) -> Array:
        size = x.shape[2:]
        outputs = window.outputs(size)
        y = np.empty((*x.shape[:2], *outputs), dtype=x.dtype)
        places = overlaps(window, size)
        _, _, there, here = places[0]
        covered = all(s.stop - s.start == n for s, n in zip(there[1:], outputs, strict=True))

        def largest(x: Array, y: Array) -> None:
            if covered:  # all of the result: a copy, and not a comparison
                y[...] = x[here]
            else:
                y[...] = -np.inf
            for _, _, out, pixels in places[covered:]:
                np.maximum(y[out], x[pixels], out=y[out])

        _by_planes(largest, x, y)
        return y

    def max_pool2d_backward(self, g: Array, x: Array, y: Array, window: Window) -> Array:
        dx = np.zeros(x.shape, dtype=g.dtype)
        apart = all(s >= r for s, r in zip(window.stride, window.reach, strict=True))

        def spread(dx: Array, g: Array, x: Array, y: Array) -> None:
            for there, here, hit in _hits(x, y, window):
                if apart:
                    np.multiply(_bits(g[there]), hit, out=_bits(dx[here]))
                else:
                    dx[here] += _kept(g[there], hit)

        _by_planes(spread, dx, g, x, y)
        return dx

    def max_pool2d_select(self, v: Array, x: Array, y: Array, window: Window) -> Array:
        total = np.zeros(y.shape, dtype=v.dtype)

        def gather(total: Array, v: Array, x: Array, y: Array) -> None:
            for there, here, hit in _hits(x, y, window):
                total[there] += _kept(v[here], hit)

        _by_planes(gather, total, v, x, y)
        return total

    def window_sum(self, x: Array, window: Window) -> Array:
        for one, outputs in self._one_axis_each(window, x.shape[2:]):
            y = np.zeros((*x.shape[:2], *outputs), dtype=x.dtype)
            places = overlaps(one, x.shape[2:])

            def add(x: Array, y: Array, places: Any = places) -> None:
                for _, _, there, here in places:
                    y[there] += x[here]

            _by_planes(add, x, y)
            x = y
        return x

    def window_spread(self, g: Array, window: Window, size: tuple[int, int]) -> Array:
        steps = self._one_axis_each(window, size)
        sizes = [(size[0], g.shape[3]), tuple(size)]
        for (one, _), shape in zip(reversed(steps), sizes, strict=True):
            dx = np.zeros((*g.shape[:2], *shape), dtype=g.dtype)
            places = overlaps(one, shape)

            def add(dx: Array, g: Array, places: Any = places) -> None:
                for _, _, there, here in places:
                    dx[here] += g[there]

            _by_planes(add, dx, g)
            g = dx
        return g


def _hits(x: Array, y: Array, window: Window) -> Any:
    """For each place of the window: where it lies, and whether it is the first with the largest pixel."""
    left = np.ones(y.shape, dtype=bool)
    for _, _, there, here in overlaps(window, x.shape[-2:]):
        hit = x[here] == y[there]
        hit &= left[there]
        left[there] ^= hit
        yield there, here, hit


def _bits(x: Array) -> Array:
    """The numbers as integers of the same bits."""
    return x.view(np.dtype(f"i{x.itemsize}"))


def _kept(x: Array, hit: Array) -> Array:
    """``x`` where ``hit``, else 0. As a product of bits: infinity times 0 would be NaN."""
    return np.multiply(_bits(x), hit).view(x.dtype)


def _by_planes(function: Callable[..., None], *arrays: Array) -> None:
    """``function`` on arrays of images, channel by channel: as many at once as the cache holds.

    Threads share them if there is much to do. Arrays that are written must be dense: this would write to a
    copy of others.
    """
    planes = [a.reshape(-1, *a.shape[2:]) for a in arrays]
    count = planes[0].shape[0]
    step = max(1, _BLOCK * count // max(1, planes[0].size))

    def some(start: int, stop: int) -> None:
        for low in range(start, stop, step):
            function(*(a[low : min(low + step, stop)] for a in planes))

    _share(some, count, planes[0].size)


def _share(function: Callable[[int, int], None], count: int, size: int) -> None:
    """``function(start, stop)`` over ``range(count)``, by threads if there is much to do."""
    if count > 1 and size >= _SHARED:
        here = copy_context()  # with what the caller has said of overflow and NaN
        threads.share(lambda start, stop: here.copy().run(function, start, stop), count, 1)
    else:
        function(0, count)


def _shifted(x: Array, window: Window) -> Any:
    """Pieces of the batch, and for each its pixels under every column of the window.

    Of shape (kernel width, c, padded height, piece, positions across): the height in front of the batch, so
    that a shift down is one stretch of each line. The array is the same for all pieces.
    """
    n, c, h, w = x.shape
    across = window.outputs((h, w))[1]
    kw = window.kernel[1]
    above, below = window.padding[0]
    high = above + h + below
    step = min(n, max(1, _PIECE // (kw * c * high * across * x.itemsize)))
    columns = [(j, window.overlap(1, j, w, across)) for j in range(kw)]
    held: Array = None
    for start in range(0, n, step):
        b = min(step, n - start)
        if held is None or held.shape[3] != b:
            held = np.zeros((kw, c, high, b, across), dtype=x.dtype)
        piece = slice(start, start + b)
        images = x[piece].transpose(1, 2, 0, 3)

        def lay_out(first: int, last: int, held: Array = held, images: Array = images) -> None:
            for j, found in columns:
                if found is not None:
                    out = held[j, first:last, above : above + h, :, found[0]]
                    out[...] = images[first:last, ..., found[1]]

        _share(lay_out, c, held.size)
        yield piece, held

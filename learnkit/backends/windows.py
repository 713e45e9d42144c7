"""Windows that slide over images: convolution and pooling, in standard code.

An image has shape (batch, channels, height, width), a kernel (height, width, channels in a group, channels
out). Sequences are images of height 1. Convolution is, as everywhere in deep learning, the product sum
without turning the kernel round::

    y[n, o, r, q] = sum over i, j, c of  w[i, j, c, o]  x[n, c, r s + i d - p, q s + j d - p]

with stride s, dilation d and padding p, for each axis its own. :meth:`WindowKernels.im2col` lays the pixels
under each position of the window into a column; then it is one matrix product an image.

Everything here is linear in each argument, and each method has its transpose beside it, from which
``learnkit.autodiff`` makes gradients of any order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import array_api_compat

from learnkit.backends.base import Array, array_namespace

__all__ = ["Window", "WindowKernels"]

Pair = tuple[int, int]


class Window(NamedTuple):
    """Where a window lies: for height and width its size, step, padding before and behind, and spacing."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)

    @property
    def reach(self) -> Pair:
        """Pixels from the first to the last that the window touches: ``d (k - 1) + 1``."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    def outputs(self, size: Pair) -> Pair:
        """How many positions it has on an image of height and width ``size``; below 1 if it does not fit."""
        return _outputs(self, tuple(size))

    def offsets(self) -> Iterator[Pair]:
        """The places ``(i, j)`` within the window, row by row."""
        kh, kw = self.kernel
        return ((i, j) for i in range(kh) for j in range(kw))

    def transposed(self) -> Window | None:
        """The window of which the convolution, with the kernel turned round, goes from outputs to inputs.

        ``None`` where there is none: with a stride other than 1, or more padding than the window reaches.
        """
        (above, below), (left, right) = (
            (reach - 1 - before, reach - 1 - behind)
            for reach, (before, behind) in zip(self.reach, self.padding, strict=True)
        )
        if self.stride != (1, 1) or min(above, below, left, right) < 0:
            return None
        return self._replace(padding=((above, below), (left, right)))

    def overlap(self, axis: int, offset: int, size: int, outputs: int) -> tuple[slice, slice] | None:
        """The positions at which place ``offset`` of the window lies on the image, and the pixels there.

        ``None`` if it lies on the padding only. As slices: of the outputs, and of the inputs.
        """
        s = self.stride[axis]
        first = offset * self.dilation[axis] - self.padding[axis][0]
        low = max(0, -(first // s))
        high = min(outputs, (size - 1 - first) // s + 1)
        if high <= low:
            return None
        return slice(low, high), slice(low * s + first, (high - 1) * s + first + 1, s)


@functools.lru_cache(256)
def _outputs(window: Window, size: Pair) -> Pair:
    h, w = (
        (n + sum(p) - r) // s + 1
        for n, p, r, s in zip(size, window.padding, window.reach, window.stride, strict=True)
    )
    return h, w


@functools.lru_cache(256)
def overlaps(window: Window, size: Pair) -> tuple[tuple[int, int, Any, Any], ...]:
    """For each place of the window that meets the image: i, j, and index tuples of outputs and inputs."""
    found = []
    outputs = window.outputs(size)
    for i, j in window.offsets():
        rows = window.overlap(0, i, size[0], outputs[0])
        columns = window.overlap(1, j, size[1], outputs[1])
        if rows is not None and columns is not None:
            found.append((i, j, (..., rows[0], columns[0]), (..., rows[1], columns[1])))
    return tuple(found)


def pad(xp: Any, x: Array, padding: tuple[Pair, Pair], value: float = 0.0) -> Array:
    """``x`` with ``value`` around the last two axes."""
    for axis, (before, behind) in zip((-2, -1), padding, strict=True):
        if before or behind:
            x = xp.concat(
                [_filled(xp, x, axis, before, value), x, _filled(xp, x, axis, behind, value)], axis=axis
            )
    return x


def _filled(xp: Any, x: Array, axis: int, length: int, value: float) -> Array:
    shape = list(x.shape)
    shape[axis] = length
    return xp.full(tuple(shape), value, dtype=x.dtype, device=array_api_compat.device(x))


def picked(window: Window, padded: Array, i: int, j: int, outputs: Pair) -> Array:
    """The pixels under place ``(i, j)`` of the window at each position, of an image with its padding."""
    rows, columns = (
        slice(o * d, o * d + (count - 1) * s + 1, s)
        for o, d, count, s in zip((i, j), window.dilation, outputs, window.stride, strict=True)
    )
    return padded[..., rows, columns]


def placed(xp: Any, window: Window, part: Array, i: int, j: int, size: Pair) -> Array:
    """The transpose of padding and :func:`picked`: ``part`` where it was read from, on an image of zeros."""
    for axis, offset in ((-2, i), (-1, j)):
        s, n = window.stride[axis], size[axis]
        if s > 1:  # zeros between: as a further axis behind this one, then both as one
            spaced = xp.expand_dims(part, axis=axis)
            spaced = xp.concat([spaced, _filled(xp, spaced, axis, s - 1, 0.0)], axis=axis)
            shape = list(part.shape)
            shape[axis] *= s
            part = xp.reshape(spaced, tuple(shape))
        first = offset * window.dilation[axis] - window.padding[axis][0]
        low, high = max(0, -first), max(0, min(part.shape[axis], n - first))
        low = min(low, high)
        part = part[..., low:high, :] if axis == -2 else part[..., low:high]
        before = min(max(0, first), n)
        padding = (before, n - before - part.shape[axis])
        part = pad(xp, part, (padding, (0, 0)) if axis == -2 else ((0, 0), padding))
    return part


def flat(x: Array) -> Array:
    """Height and width as one axis."""
    xp = array_namespace(x)
    return xp.reshape(x, (*x.shape[:-2], x.shape[-2] * x.shape[-1]))


class WindowKernels:
    """The generic versions. ``window`` is a :class:`Window`; sizes are (height, width)."""

    xp: Any
    in_place: bool

    #: How many bytes of columns are held at once; a backend may choose better.
    columns_at_once = 1 << 25

    # Convolution

    def im2col(self, x: Array, window: Window, groups: int = 1) -> Array:
        """The pixels under the window, one column a position.

        Args:
            x: shape (n, c, h, w).
            groups: a divisor of c; the channels of each have columns of their own.

        Returns:
            Shape (n, groups, k, p) for p positions, row by row, of k = kernel height * kernel width *
            c / groups pixels, in this order.
        """
        xp = self.xp
        n, c = x.shape[:2]
        outputs = window.outputs(x.shape[2:])
        padded = pad(xp, x, window.padding)
        places = [picked(window, padded, i, j, outputs) for i, j in window.offsets()]
        shape = (n, groups, c // groups, outputs[0] * outputs[1])
        columns = xp.stack([xp.reshape(place, shape) for place in places], axis=2)
        return xp.reshape(columns, (n, groups, len(places) * shape[2], shape[3]))

    def col2im(self, columns: Array, window: Window, size: Pair) -> Array:
        """The transpose of :meth:`im2col`: columns added up on images, (n, groups, k, p) -> (n, c, h, w)."""
        xp = self.xp
        n, groups, k, _ = columns.shape
        kh, kw = window.kernel
        c = k // (kh * kw)
        outputs = window.outputs(size)
        columns = xp.reshape(columns, (n, groups, kh, kw, c, *outputs))
        total = None
        for i, j in window.offsets():
            part = xp.reshape(columns[:, :, i, j, ...], (n, groups * c, *outputs))
            part = placed(xp, window, part, i, j, size)
            total = part if total is None else xp.add(total, part)
        return total

    def conv2d(self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int = 1) -> Array:
        """The convolution of images.

        Args:
            x: shape (n, c, h, w).
            weight: shape (kernel height, kernel width, c / groups, o).
            bias: shape (o,), or ``None``.
            groups: a divisor of c and of o.

        Returns:
            Shape (n, o, positions down, positions across).
        """
        xp = self.xp
        outputs = window.outputs(x.shape[2:])
        w = xp.matrix_transpose(_by_group(xp, weight, groups))
        found = []
        for part in self._chunks(x.shape[0], window, x.shape[1], outputs, x.dtype):
            y = xp.matmul(w, self.im2col(x[part, ...], window, groups))
            found.append(xp.reshape(y, (y.shape[0], weight.shape[3], *outputs)))
        y = found[0] if len(found) == 1 else xp.concat(found, axis=0)
        return y if bias is None else xp.add(y, xp.reshape(bias, (bias.shape[0], 1, 1)))

    def conv2d_input(self, g: Array, weight: Array, window: Window, groups: int, size: Pair) -> Array:
        """The transpose of :meth:`conv2d` as a function of x: (n, o, ...) -> (n, c, *size).

        It is the gradient with respect to x, and the transposed convolution.
        """
        xp = self.xp
        w = _by_group(xp, weight, groups)
        c = weight.shape[2] * groups
        shape = (groups, g.shape[1] // groups, g.shape[2] * g.shape[3])
        found = []
        for part in self._chunks(g.shape[0], window, c, g.shape[2:], g.dtype):
            some = g[part, ...]
            columns = xp.matmul(w, xp.reshape(some, (some.shape[0], *shape)))
            found.append(self.col2im(columns, window, size))
        return found[0] if len(found) == 1 else xp.concat(found, axis=0)

    def conv2d_weight_into(
        self, out: Array | None, x: Array, g: Array, window: Window, groups: int = 1
    ) -> Array:
        """The gradient of :meth:`conv2d` with respect to the weight, in ``out`` if given."""
        xp = self.xp
        shape = (groups, g.shape[1] // groups, g.shape[2] * g.shape[3])
        total = None
        for part in self._chunks(x.shape[0], window, x.shape[1], g.shape[2:], x.dtype):
            some = g[part, ...]
            rows = xp.matrix_transpose(xp.reshape(some, (some.shape[0], *shape)))
            product = xp.sum(xp.matmul(self.im2col(x[part, ...], window, groups), rows), axis=0)
            total = product if total is None else xp.add(total, product)
        kernel = (*window.kernel, x.shape[1] // groups, g.shape[1])
        total = xp.reshape(xp.permute_dims(total, (1, 0, 2)), kernel)
        if out is None or not self.in_place:
            return total
        out[...] = total
        return out

    def _chunks(self, n: int, window: Window, channels: int, outputs: Pair, dtype: Any) -> list[slice]:
        """Parts of the batch whose columns are not too many bytes; one, empty, if the batch is empty."""
        kh, kw = window.kernel
        bytes_each = kh * kw * channels * outputs[0] * outputs[1] * (8 if dtype == self.xp.float64 else 4)
        step = max(1, self.columns_at_once // max(1, bytes_each))
        return [slice(start, min(start + step, n)) for start in range(0, max(n, 1), step)]

    # Pooling

    def max_pool2d(self, x: Array, window: Window) -> Array:
        """The largest pixel under the window at each position; padding is never the largest.

        x: (n, c, h, w) -> (n, c, positions down, positions across). NaN stays NaN.
        """
        xp = self.xp
        outputs = window.outputs(x.shape[2:])
        padded = pad(xp, x, window.padding, float("-inf"))
        y = None
        for i, j in window.offsets():
            place = picked(window, padded, i, j, outputs)
            y = place if y is None else xp.maximum(y, place)
        return xp.asarray(y, copy=True) if window.kernel == (1, 1) else y

    def max_pool2d_backward(self, g: Array, x: Array, y: Array, window: Window) -> Array:
        """The gradient of :meth:`max_pool2d`: ``g`` added at the first of the largest pixels, row by row.

        Args:
            g: shape of y.  x: what was pooled.  y: the result.
        """
        xp = self.xp
        total = None
        for (i, j), hit in zip(window.offsets(), self._hits(x, y, window), strict=True):
            part = placed(xp, window, xp.where(hit, g, xp.zeros_like(g)), i, j, x.shape[2:])
            total = part if total is None else xp.add(total, part)
        return total

    def max_pool2d_select(self, v: Array, x: Array, y: Array, window: Window) -> Array:
        """The transpose of :meth:`max_pool2d_backward`: of ``v``, shaped as x, what stands at the largest."""
        xp = self.xp
        outputs = y.shape[2:]
        padded = pad(xp, v, window.padding)
        total = None
        for (i, j), hit in zip(window.offsets(), self._hits(x, y, window), strict=True):
            place = picked(window, padded, i, j, outputs)
            part = xp.where(hit, place, xp.zeros_like(place))
            total = part if total is None else xp.add(total, part)
        return total

    def _hits(self, x: Array, y: Array, window: Window) -> Iterator[Array]:
        """For each place of the window, the positions at which it is the first with the largest pixel."""
        xp = self.xp
        padded = pad(xp, x, window.padding, float("nan"))  # equal to nothing
        found = None
        for i, j in window.offsets():
            equal = xp.equal(picked(window, padded, i, j, y.shape[2:]), y)
            if found is None:
                hit = found = equal
            else:
                hit = xp.logical_and(equal, xp.logical_not(found))
                found = xp.logical_or(found, equal)
            yield hit

    def window_sum(self, x: Array, window: Window) -> Array:
        """The sum of the pixels under the window at each position, padding as 0."""
        xp = self.xp
        # A window is a column of rows, so first the sums along rows, then those of these.
        for one, outputs in self._one_axis_each(window, x.shape[2:]):
            padded = pad(xp, x, one.padding)
            x = functools.reduce(xp.add, [picked(one, padded, i, j, outputs) for i, j in one.offsets()])
        return x

    def window_spread(self, g: Array, window: Window, size: Pair) -> Array:
        """The transpose of :meth:`window_sum`: each number added to all pixels under its position."""
        xp = self.xp
        steps = self._one_axis_each(window, size)
        sizes = [(size[0], g.shape[3]), size]
        for (one, _), shape in zip(reversed(steps), sizes, strict=True):
            g = functools.reduce(xp.add, [placed(xp, one, g, i, j, shape) for i, j in one.offsets()])
        return g

    @staticmethod
    def _one_axis_each(window: Window, size: Pair) -> list[tuple[Window, Pair]]:
        """The window along rows, then along columns, and the sizes after each."""
        still = (0, 0)
        (kh, kw), (sh, sw), (ph, pw), (dh, dw) = window
        rows, columns = window.outputs(size)
        return [
            (Window((1, kw), (1, sw), (still, pw), (1, dw)), (size[0], columns)),
            (Window((kh, 1), (sh, 1), (ph, still), (dh, 1)), (rows, columns)),
        ]


def _by_group(xp: Any, weight: Array, groups: int) -> Array:
    """(kh, kw, c, o) as matrices (groups, kh kw c, o / groups)."""
    kh, kw, c, o = weight.shape
    k = kh * kw * c
    if groups == 1:
        return xp.reshape(weight, (1, k, o))
    return xp.permute_dims(xp.reshape(weight, (k, groups, o // groups)), (1, 0, 2))

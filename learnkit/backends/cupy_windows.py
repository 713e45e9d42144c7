"""Convolution and pooling in CuPy: a launch that lays out columns, a product of matrices, a launch back."""

from __future__ import annotations

import functools
from typing import Any

from learnkit.backends import cuda
from learnkit.backends.base import Array, size_of
from learnkit.backends.cuda_windows import WINDOWS
from learnkit.backends.windows import Pair, Window, WindowKernels

__all__ = ["CupyWindowKernels"]

_REALS = ("float32", "float64")
_THREADS = 256


@functools.cache
def _kernel(name: str, real: str) -> Any:
    import cupy

    return cupy.RawKernel(cuda.source(WINDOWS, real), name)


def _fits(*arrays: Array) -> bool:
    """Whether the sources know the dtype, which is the same for all, and there is something to do."""
    real = arrays[0].dtype.name
    return real in _REALS and all(a.dtype.name == real and a.size for a in arrays)


class CupyWindowKernels(WindowKernels):
    """CuPy's own ways for windows.

    Columns of the whole batch stand beside each other, so that a convolution is one product of two matrices
    and not one for each image. Other dtypes take the generic way.
    """

    columns_at_once = 1 << 29
    _cupy: Any
    matmul_into: Any

    def _launch(
        self,
        name: str,
        arrays: tuple[Array, ...],
        total: int,
        channels: int,
        size: Pair,
        window: Window,
        *more: Any,
    ) -> None:
        import numpy as np

        (ph, _), (pw, _) = window.padding
        numbers = (
            channels,
            *size,
            *window.outputs(size),
            *window.kernel,
            *window.stride,
            ph,
            pw,
            *window.dilation,
        )
        arguments = (*arrays, np.int64(total), *map(np.int32, numbers), *more)
        _kernel(name, arrays[0].dtype.name)((-(-total // _THREADS),), (_THREADS,), arguments)

    def _dense(self, *arrays: Array) -> tuple[Array, ...]:
        return tuple(map(self._cupy.ascontiguousarray, arrays))

    def _columns(self, x: Array, window: Window, groups: int, merged: bool) -> Array:
        """``(n, groups, k, p)``; merged ``(groups, k, n p)``."""
        import numpy as np

        (x,) = self._dense(x)
        n, c, h, w = x.shape
        rows, across = window.outputs((h, w))
        k, p = size_of(window.kernel) * (c // groups), rows * across
        shape = (groups, k, n * p) if merged else (n, groups, k, p)
        columns = self._cupy.empty(shape, dtype=x.dtype)
        step_n, step_k = (p, n * p) if merged else (groups * k * p, p)
        more = (np.int32(c // groups), np.int64(step_n), np.int64(step_k))
        self._launch("im2col", (x, columns), n * c * p, c, (h, w), window, *more)
        return columns

    def _images(self, columns: Array, window: Window, n: int, size: Pair) -> Array:
        """The transpose of :meth:`_columns`."""
        import numpy as np

        merged = columns.ndim == 3
        groups, k = columns.shape[:2] if merged else columns.shape[1:3]
        per_group = k // size_of(window.kernel)
        p = size_of(window.outputs(size))
        x = self._cupy.empty((n, groups * per_group, *size), dtype=columns.dtype)
        step_n, step_k = (p, n * p) if merged else (groups * k * p, p)
        more = (np.int32(per_group), np.int64(step_n), np.int64(step_k))
        self._launch("col2im", (columns, x), x.size, x.shape[1], size, window, *more)
        return x

    def im2col(self, x: Array, window: Window, groups: int = 1) -> Array:
        return self._columns(x, window, groups, False) if _fits(x) else super().im2col(x, window, groups)

    def col2im(self, columns: Array, window: Window, size: Pair) -> Array:
        if not _fits(columns):
            return super().col2im(columns, window, size)
        return self._images(self._dense(columns)[0], window, columns.shape[0], size)

    def conv2d(self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int = 1) -> Array:
        if not _fits(x, weight, *(() if bias is None else (bias,))):
            return super().conv2d(x, weight, bias, window, groups)
        n, o = x.shape[0], weight.shape[3]
        outputs = window.outputs(x.shape[2:])
        w = self._matrices(weight, groups)
        y = self._cupy.empty((n, o, size_of(outputs)), dtype=x.dtype)
        for piece in self._chunks(n, window, x.shape[1], outputs, x.dtype):
            columns = self._columns(x[piece], window, groups, True)
            product = w.T @ columns[0] if groups == 1 else w.transpose(0, 2, 1) @ columns
            product = product.reshape(o, -1, size_of(outputs)).transpose(1, 0, 2)
            if bias is None:
                y[piece] = product
            else:
                self._cupy.add(product, bias[:, None], out=y[piece])
        return y.reshape(n, o, *outputs)

    def conv2d_input(self, g: Array, weight: Array, window: Window, groups: int, size: Pair) -> Array:
        if not _fits(g, weight):
            return super().conv2d_input(g, weight, window, groups, size)
        w = self._matrices(weight, groups)
        found = []
        for piece in self._chunks(g.shape[0], window, weight.shape[2] * groups, g.shape[2:], g.dtype):
            lines = self._lines(g[piece], groups)
            columns = (w @ lines[0])[None] if groups == 1 else w @ lines
            found.append(self._images(columns, window, g[piece].shape[0], size))
        return found[0] if len(found) == 1 else self._cupy.concatenate(found)

    def conv2d_weight_into(
        self, out: Array | None, x: Array, g: Array, window: Window, groups: int = 1
    ) -> Array:
        if not _fits(x, g):
            return super().conv2d_weight_into(out, x, g, window, groups)
        shape = (*window.kernel, x.shape[1] // groups, g.shape[1])
        total: Array = None
        pieces = self._chunks(x.shape[0], window, x.shape[1], g.shape[2:], x.dtype)
        straight = len(pieces) == groups == 1 and out is not None and out.flags.c_contiguous
        for piece in pieces:
            columns = self._columns(x[piece], window, groups, True)
            lines = self._lines(g[piece], groups)
            if straight:
                self.matmul_into(out.reshape(-1, shape[3]), columns[0], lines[0].T)  # type: ignore[union-attr]
                return out
            if groups == 1:
                product = columns[0] @ lines[0].T
            else:
                product = (columns @ lines.transpose(0, 2, 1)).transpose(1, 0, 2)
            if total is None:
                total = product
            else:
                total += product
        total = total.reshape(shape)
        if out is None:
            return total
        out[...] = total
        return out

    def _matrices(self, weight: Array, groups: int) -> Array:
        """The kernel as a matrix (k, o), or one for each group."""
        o = weight.shape[3]
        matrix = weight.reshape(-1, o)
        return matrix if groups == 1 else matrix.reshape(-1, groups, o // groups).transpose(1, 0, 2)

    def _lines(self, g: Array, groups: int) -> Array:
        """(n, o, rows, across) as (groups, o / groups, n rows across)."""
        n, o, rows, across = g.shape
        lines = self._cupy.ascontiguousarray(g.transpose(1, 0, 2, 3))
        return lines.reshape(groups, o // groups, n * rows * across)

    def max_pool2d(self, x: Array, window: Window) -> Array:
        return self._over_positions("max_pool", (x,), window) if _fits(x) else super().max_pool2d(x, window)

    def max_pool2d_backward(self, g: Array, x: Array, y: Array, window: Window) -> Array:
        if not _fits(g, x, y):
            return super().max_pool2d_backward(g, x, y, window)
        return self._over_pixels("max_pool_backward", (g, x, y), window, x.shape[2:])

    def max_pool2d_select(self, v: Array, x: Array, y: Array, window: Window) -> Array:
        if not _fits(v, x, y):
            return super().max_pool2d_select(v, x, y, window)
        return self._over_positions("max_pool_select", (v, x, y), window)

    def window_sum(self, x: Array, window: Window) -> Array:
        return self._over_positions("window_sum", (x,), window) if _fits(x) else super().window_sum(x, window)

    def window_spread(self, g: Array, window: Window, size: Pair) -> Array:
        if not _fits(g):
            return super().window_spread(g, window, size)
        return self._over_pixels("window_spread", (g,), window, size)

    def _over_positions(self, name: str, arrays: tuple[Array, ...], window: Window) -> Array:
        """The result of a kernel with one thread for each position of the window."""
        arrays = self._dense(*arrays)
        n, c, h, w = arrays[0].shape
        out = self._cupy.empty((n, c, *window.outputs((h, w))), dtype=arrays[0].dtype)
        self._launch(name, (*arrays, out), out.size, c, (h, w), window)
        return out

    def _over_pixels(self, name: str, arrays: tuple[Array, ...], window: Window, size: Pair) -> Array:
        """The result of a kernel with one thread for each pixel."""
        arrays = self._dense(*arrays)
        out = self._cupy.empty((*arrays[0].shape[:2], *size), dtype=arrays[0].dtype)
        self._launch(name, (*arrays, out), out.size, out.shape[1], size, window)
        return out

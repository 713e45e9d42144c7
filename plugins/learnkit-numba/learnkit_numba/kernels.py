"""What learnkit sees: methods that bring arrays into shape, and share planes among threads."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from learnkit.backends import threads
from learnkit.backends.scatter import check_index_add, refuse_outside

__all__ = ["NumbaKernels"]

#: From how many numbers on work is shared among threads: handing it over takes some 30 microseconds.
_SHARED = 1 << 16


@dataclass(frozen=True)
class NumbaKernels:
    """Max-pooling, sums over windows, columns of convolutions and ``index_add``, for float32 and float64.

    Each is one pass over memory, where NumPy makes one for every place of the window or more. Images are
    shared among threads plane by plane, so results do not depend on their number: ``LEARNKIT_THREADS`` or
    ``OMP_NUM_THREADS`` if set, else that of the processors of this process. What NumPy does as fast is left
    to it: to take every second pixel, as maxima and columns do where the window steps across.

    >>> import numpy as np
    >>> import learnkit as lk
    >>> with lk.use_kernels(NumbaKernels()):
    ...     lk.nn.MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """

    backend: ClassVar[str] = "numpy"

    def im2col(self, x: Any, window: Any, groups: int = 1) -> Any:
        """The pixels under the window, one column a position."""
        if not _serves(x) or window.stride[1] > 1:
            return NotImplemented
        n, c, h, w = x.shape
        (rows, across), (kh, kw) = window.outputs((h, w)), window.kernel
        columns = np.empty((n, groups, kh * kw, c // groups, rows, across), dtype=x.dtype)
        shape = (n * c, h, w)
        _share("im2col", n * c, columns.size, _dense(x).reshape(shape), columns, *_numbers(window))
        return columns.reshape(n, groups, kh * kw * (c // groups), rows * across)

    def col2im(self, columns: Any, window: Any, size: Any) -> Any:
        """The transpose of ``im2col``."""
        if not _serves(columns):
            return NotImplemented
        n, groups, k, _ = columns.shape
        places = window.kernel[0] * window.kernel[1]
        c = k // places
        x = np.empty((n * groups * c, *size), dtype=columns.dtype)
        given = _dense(columns).reshape(n, groups, places, c, *window.outputs(size))
        _share("col2im", len(x), columns.size, given, x, *_numbers(window))
        return x.reshape(n, groups * c, *size)

    def max_pool2d(self, x: Any, window: Any) -> Any:
        """The largest pixel under the window."""
        if window.stride[1] > 1:
            return NotImplemented
        return self._to_positions("max_pool", (x,), window)

    def max_pool2d_backward(self, g: Any, x: Any, y: Any, window: Any) -> Any:
        """Its gradient, at the first of equal pixels."""
        return self._to_pixels("max_pool_backward", (g, x, y), window, x.shape[2:])

    def max_pool2d_select(self, v: Any, x: Any, y: Any, window: Any) -> Any:
        """Of ``v`` what stands at the largest pixels."""
        return self._to_positions("max_pool_select", (v, x, y), window)

    def window_sum(self, x: Any, window: Any) -> Any:
        """The sum of the pixels under the window."""
        return self._to_positions("window_sum", (x,), window)

    def window_spread(self, g: Any, window: Any, size: Any) -> Any:
        """Its transpose."""
        return self._to_pixels("window_spread", (g,), window, size)

    def index_add(self, x: Any, indices: Any, values: Any) -> Any:
        """A copy of ``x`` with ``values[i]`` added to row ``indices[i]``."""
        check_index_add(x, indices, values)
        if not _serves(x, values) or type(indices) is not np.ndarray:
            return NotImplemented
        refuse_outside(int(indices.min()), int(indices.max()), x.shape[0])
        out = np.array(x, order="C")
        table, rows = out.reshape(x.shape[0], -1), _dense(values).reshape(len(indices), -1)
        # Shared by columns: each thread goes through all rows, so their order is that of the indices.
        _share("index_add", table.shape[1], rows.size, table, _dense(indices), rows)
        return out

    def _to_positions(self, name: str, arrays: tuple[Any, ...], window: Any) -> Any:
        if not _serves(*arrays):
            return NotImplemented
        n, c, h, w = arrays[0].shape
        out = np.empty((n * c, *window.outputs((h, w))), dtype=arrays[0].dtype)
        given = [_dense(a).reshape(n * c, *a.shape[2:]) for a in arrays]
        _share(name, n * c, given[0].size, *given, out, *_numbers(window))
        return out.reshape(n, c, *out.shape[1:])

    def _to_pixels(self, name: str, arrays: tuple[Any, ...], window: Any, size: Any) -> Any:
        if not _serves(*arrays):
            return NotImplemented
        n, c = arrays[0].shape[:2]
        out = np.empty((n * c, *size), dtype=arrays[0].dtype)
        given = [_dense(a).reshape(n * c, *a.shape[2:]) for a in arrays]
        _share(name, n * c, out.size, *given, out, *_numbers(window))
        return out.reshape(n, c, *size)


def _share(name: str, planes: int, numbers: int, *arguments: Any) -> None:
    """Call a kernel with parts of ``range(planes)``, or with all of it where threads would not pay."""
    kernel = _kernel(name)
    if numbers < _SHARED:
        kernel(0, planes, *arguments)
    else:
        threads.share(lambda start, stop: kernel(start, stop, *arguments), planes, 1)


def _serves(*arrays: Any) -> bool:
    dtype = arrays[0].dtype
    return dtype in (np.float32, np.float64) and all(
        type(a) is np.ndarray and a.dtype == dtype and a.size for a in arrays
    )


def _dense(a: Any) -> Any:
    return np.ascontiguousarray(a)


def _numbers(window: Any) -> tuple[int, ...]:
    (ph, _), (pw, _) = window.padding
    return (*window.kernel, *window.stride, ph, pw, *window.dilation)


@functools.cache
def _kernel(name: str) -> Callable[..., None]:
    from learnkit_numba import loops  # imports Numba, which takes longer than learnkit

    return getattr(loops, name)  # type: ignore[no-any-return]

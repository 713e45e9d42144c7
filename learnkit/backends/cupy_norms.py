"""Normalisation, sums of squares and dropout in CuPy: few launches, and none that waits."""

from __future__ import annotations

import functools
from typing import Any

from learnkit.backends import cuda, random
from learnkit.backends.base import Array
from learnkit.backends.cuda_norms import NORMS, SQUARES
from learnkit.backends.norms import Gradients, Needs, NormKernels, Statistics, scale_of

__all__ = ["CupyNormKernels"]

_REALS = ("float32", "float64")
_THREADS = 256
#: Blocks that share the sum of squares of one array.
_BLOCKS = 256


@functools.cache
def _kernel(text: str, name: str, real: str) -> Any:
    import cupy

    return cupy.RawKernel(cuda.source(text, real), name)


def _fits(*arrays: Array | None) -> bool:
    """Whether the sources know the dtype, which is the same for all, and there is something to do."""
    given = [a for a in arrays if a is not None]
    real = given[0].dtype.name
    return real in _REALS and all(a.dtype.name == real and a.size for a in given)


def _numbers(*numbers: int) -> Any:
    import numpy as np

    return tuple(map(np.int32, numbers))


def _doubles(*numbers: float) -> Any:
    import numpy as np

    return tuple(map(np.float64, numbers))


def _group(m: int) -> int:
    """Threads that share a row of ``m`` numbers: a power of two from 32 to 256."""
    return min(_THREADS, max(32, 1 << (m - 1).bit_length()))


class CupyNormKernels(NormKernels):
    """Rows in one launch forward, channels in three; backward one for x and two for weight and bias."""

    _cupy: Any

    def dropout(self, x: Array, p: float, *, seed: int, stream: int, step: int) -> Array:
        import numpy as np

        if not _fits(x):
            found: Array = super().dropout(x, p, seed=seed, stream=stream, step=step)  # type: ignore[misc]
            return found
        (k0, k1), (_, c1, _, _) = random.key_and_counter(seed, stream, step)
        x = self._cupy.ascontiguousarray(x)
        out = self._cupy.empty(x.shape, dtype=x.dtype)
        words = (np.uint64(k0), np.uint64(k1), np.uint64(c1))
        numbers = (np.int64(x.size), *words, *_numbers(random.keeps_from(p)), *_doubles(1.0 / (1.0 - p)))
        blocks = -(-x.size // (8 * _THREADS))
        _kernel(cuda.PHILOX_UNIFORM, "dropout", x.dtype.name)((blocks,), (_THREADS,), (x, out, *numbers))
        return out

    def global_norm(self, arrays: list[Array]) -> Array:
        import numpy as np

        if not _fits(*arrays):
            found: Array = super().global_norm(arrays)  # type: ignore[misc]
            return found
        real = arrays[0].dtype.name
        # A small array is soon summed by one block; more of them would only be more to launch.
        blocks = [min(_BLOCKS, -(-x.size // (8 * _THREADS))) for x in arrays]
        partial = self._cupy.empty(sum(blocks), dtype="float64")
        first = 0
        for x, count in zip(arrays, blocks, strict=True):
            part = partial[first : first + count]
            first += count
            arguments = (self._cupy.ascontiguousarray(x), np.int64(x.size), part)
            _kernel(SQUARES, "sum_of_squares", real)((count,), (_THREADS,), arguments)
        norm = self._cupy.empty((), dtype=real)
        arguments = (partial, *_numbers(partial.size), norm)
        _kernel(SQUARES, "root_of_sum", real)((1,), (_THREADS,), arguments)
        return norm

    def norm_rows(
        self, x: Array, weight: Array | None, bias: Array | None, *, eps: float, centred: bool = True
    ) -> tuple[Array, Statistics]:
        import numpy as np

        if not _fits(x, weight, bias):
            return super().norm_rows(x, weight, bias, eps=eps, centred=centred)
        n, groups, segments, rest = x.shape
        x, w, b = self._pointers(x, weight, bias)
        y = self._cupy.empty(x.shape, dtype=x.dtype)
        high, low, power = self._cupy.empty((3, n, groups), dtype=x.dtype)
        m, scale = segments * rest, scale_of(self.xp, x.dtype)
        flags = _numbers(centred, weight is not None, bias is not None)
        shape = (*_numbers(groups), np.int64(m), *_numbers(rest), *_doubles(scale, eps * scale * scale))
        arguments = (x, w, b, y, high, low, power, *shape, *flags)
        _kernel(NORMS, "row_norm", x.dtype.name)((n * groups,), (_group(m),), arguments)
        return y, (high, low, power) if centred else (None, None, power)

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
        import numpy as np

        if not _fits(g, x, weight):
            return super().norm_rows_backward(g, x, weight, statistics, eps=eps, needs=needs)
        n, groups, segments, rest = x.shape
        g, x, w = self._pointers(g, x, weight)
        high, low, power = statistics
        centred = high is not None
        if not centred:
            high = low = self._cupy.zeros(power.shape, dtype=power.dtype)
        dx = dw = db = None
        scale = scale_of(self.xp, x.dtype)
        if needs[0]:
            dx, m = self._cupy.empty(x.shape, dtype=x.dtype), segments * rest
            shape = (*_numbers(groups), np.int64(m), *_numbers(rest), *_doubles(scale, eps * scale * scale))
            arguments = (g, x, w, high, low, power, dx, *shape, *_numbers(centred, weight is not None))
            _kernel(NORMS, "row_norm_backward", x.dtype.name)((n * groups,), (_group(m),), arguments)
        if needs[1] or needs[2]:
            statistics = (high, low, power)
            dw, db = self._sums(g, x, statistics, (n, groups * segments, rest), groups, eps)
            dw, db = (a.reshape(groups, segments) for a in (dw, db))
        return dx, dw if needs[1] else None, db if needs[2] else None

    def norm_channels(
        self, x: Array, weight: Array | None, bias: Array | None, *, eps: float
    ) -> tuple[Array, Statistics]:
        import numpy as np

        if not _fits(x, weight, bias):
            return super().norm_channels(x, weight, bias, eps=eps)
        cupy, real = self._cupy, x.dtype.name
        n, channels, rest = x.shape
        x, w, b = self._pointers(x, weight, bias)
        scale = scale_of(self.xp, x.dtype)
        columns, chunk, chunks = _tiles(n, channels, rest)
        partial = cupy.empty((chunks, 2, channels), dtype="float64")
        arguments = (x, partial, *_numbers(n, channels, rest, columns, chunk), *_doubles(scale))
        grid = (-(-channels // columns), chunks)
        _kernel(NORMS, "channel_moments", real)(grid, (_THREADS,), arguments)
        high, low, power, factor = cupy.empty((4, channels), dtype=x.dtype)
        numbers = (*_numbers(chunks, channels, n, chunk), *_doubles(rest), *_numbers(weight is not None))
        arguments = (partial, w, *numbers, *_doubles(eps * scale * scale), high, low, power, factor)
        _kernel(NORMS, "merge_moments", real)((-(-channels // _THREADS),), (_THREADS,), arguments)
        y = cupy.empty(x.shape, dtype=x.dtype)
        numbers = (np.int64(x.size), *_numbers(channels, rest, bias is not None), *_doubles(scale))
        arguments = (x, high, low, factor, b, y, *numbers)
        _kernel(NORMS, "channels_apply", real)((-(-x.size // _THREADS),), (_THREADS,), arguments)
        return y, (high, low, power)

    def affine_channels(self, x: Array, shift: Array, factor: Array, bias: Array | None) -> Array:
        import numpy as np

        if not _fits(x, shift, factor, bias):
            return super().affine_channels(x, shift, factor, bias)
        x, shift, factor, b = self._pointers(x, shift, factor, bias)
        y = self._cupy.empty(x.shape, dtype=x.dtype)
        nothing = _zeros(x.shape[1], x.dtype.name, x.device.id)
        numbers = (np.int64(x.size), *_numbers(*x.shape[1:], bias is not None), *_doubles(1.0))
        arguments = (x, shift, nothing, factor, b, y, *numbers)
        kernel = _kernel(NORMS, "channels_apply", x.dtype.name)
        kernel((-(-x.size // _THREADS),), (_THREADS,), arguments)
        return y

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
        import numpy as np

        if not _fits(g, x, weight):
            return super().norm_channels_backward(g, x, weight, statistics, eps=eps, needs=needs)
        n, channels, rest = x.shape
        g, x, w = self._pointers(g, x, weight)
        dw, db = self._sums(g, x, statistics, (n, channels, rest), 0, eps)
        dx = None
        if needs[0]:
            scale = scale_of(self.xp, x.dtype)
            dx = self._cupy.empty(x.shape, dtype=x.dtype)
            numbers = (np.int64(x.size), *_numbers(channels, rest), *_doubles(n * rest))
            numbers = (*numbers, *_numbers(weight is not None), *_doubles(scale, eps * scale * scale))
            arguments = (g, x, w, *statistics, dw, db, dx, *numbers)
            blocks = (-(-x.size // _THREADS),)
            _kernel(NORMS, "channels_backward", x.dtype.name)(blocks, (_THREADS,), arguments)
        return dx, dw if needs[1] else None, db if needs[2] else None

    def _sums(
        self, g: Array, x: Array, statistics: Statistics, shape: tuple[int, int, int], groups: int, eps: float
    ) -> tuple[Array, Array]:
        """Of ``g h`` and of ``g`` over all but the channels."""
        n, channels, rest = shape
        scale, real = scale_of(self.xp, x.dtype), x.dtype.name
        columns, chunk, chunks = _tiles(n, channels, rest)
        partial = self._cupy.empty((chunks, 2, channels), dtype="float64")
        numbers = (
            *_numbers(n, channels, rest, groups, columns, chunk),
            *_doubles(scale, eps * scale * scale),
        )
        arguments = (g, x, *statistics, partial, *numbers)
        grid = (-(-channels // columns), chunks)
        _kernel(NORMS, "norm_sums", real)(grid, (_THREADS,), arguments)
        dw, db = self._cupy.empty((2, channels), dtype=x.dtype)
        arguments = (partial, *_numbers(chunks, channels), dw, db)
        _kernel(NORMS, "merge_sums", real)((-(-channels // _THREADS),), (_THREADS,), arguments)
        return dw, db

    def _pointers(self, like: Array, *others: Array | None) -> tuple[Array, ...]:
        """All of them contiguous, and for what is not there the first, as a pointer that is not used."""
        like = self._cupy.ascontiguousarray(like)
        return like, *(like if a is None else self._cupy.ascontiguousarray(a) for a in others)


@functools.lru_cache(64)
def _zeros(n: int, real: str, device: int) -> Array:
    """Never written to; each device has its own."""
    import cupy

    return cupy.zeros(n, dtype=real)


def _tiles(n: int, channels: int, rest: int) -> tuple[int, int, int]:
    """Channels of a block, examples of a chunk, and how many chunks there are: at most 64."""
    chunk = max(-(-n // 64), -(-_THREADS // rest))
    return 32 if rest == 1 else 1, chunk, -(-n // chunk)

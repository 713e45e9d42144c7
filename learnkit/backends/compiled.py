"""NumPy's kernels with loops compiled by Numba, where one pass over memory does what took ten calls.

In use when Numba is installed (``pip install "pylearnkit[fast]"``) and ``LEARNKIT_FUSE`` does not say
otherwise. The first call ever compiles, which takes a second or two; later ones, in other processes too, load
the machine code from Numba's cache.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from learnkit.backends import random
from learnkit.backends.base import Array, size_of
from learnkit.backends.compiled_norms import CompiledNormKernels
from learnkit.backends.compiled_rows import SHARED, over_rows, plain, suits
from learnkit.backends.numpy import NumpyKernels

__all__ = ["CompiledKernels"]

#: Up to so many elements a few NumPy calls take no longer than it takes to call a compiled loop.
_SMALL = 16384
_LABELS = (np.dtype("int64"), np.dtype("int32"))


def _loops() -> Any:
    """The compiled loops; importing them imports Numba."""
    global _loaded
    if _loaded is None:
        from learnkit.backends import compiled_loops

        _loaded = compiled_loops
    return _loaded


_loaded: Any = None


@functools.cache
def _random_loops() -> Any:
    from learnkit.backends import compiled_random

    return compiled_random


def _words(seed: int, stream: int, step: int) -> tuple[Any, Any, Any]:
    """The step, then the two words of the key, as the compiled generator takes them."""
    (k0, k1), (_, c1, _, _) = random.key_and_counter(seed, stream, step)
    return np.uint64(c1), np.uint64(k0), np.uint64(k1)


class CompiledKernels(CompiledNormKernels, NumpyKernels):
    """NumPy's kernels with compiled loops in the hot places."""

    def random_uniform(
        self,
        shape: tuple[int, ...],
        *,
        seed: int,
        stream: int,
        step: int,
        device: Any,
        dtype: str = "float32",
    ) -> Array:
        n = size_of(shape)
        if n <= _SMALL:
            return random.philox_uniform(shape, seed=seed, stream=stream, step=step, dtype=dtype)
        loops, words = _random_loops(), _words(seed, stream, step)
        loop, each = loops.uniform_32, loops.NUMBERS
        if random.check_dtype(dtype) is np.float64:
            loop, each = loops.uniform_64, each // 2
        out = np.empty(n, dtype)
        over_rows(loop, -(-n // each), n, n, *words, out)
        return out.reshape(shape)

    def dropout(self, x: Array, p: float, *, seed: int, stream: int, step: int) -> Array:
        if x.size <= _SMALL or not suits(x):
            return super().dropout(x, p, seed=seed, stream=stream, step=step)
        out = np.empty(x.shape, x.dtype)
        loops, words, kept = _random_loops(), _words(seed, stream, step), x.dtype.type(1.0 / (1.0 - p))
        numbers = random.keeps_from(p), kept
        flat = plain(x).reshape(-1), out.reshape(-1)
        over_rows(loops.drop, -(-x.size // loops.NUMBERS), x.size, x.size, *words, *numbers, *flat)
        return out

    def relu_backward(self, g: Array, y: Array) -> Array:
        if g.size <= _SMALL or not suits(g, y) or g.shape != y.shape:
            return super().relu_backward(g, y)
        out = np.empty(g.shape, g.dtype)
        arguments = plain(g).reshape(-1), plain(y).reshape(-1), out.reshape(-1)
        over_rows(_loops().relu_backward, g.size, g.size, *arguments)
        return out

    def bias_relu_in_place(self, y: Array, bias: Array) -> None:
        over_rows(_loops().bias_relu_in_place, y.shape[0], y.size, y, bias)

    def mask_in_place(self, g: Array, y: Array) -> None:
        over_rows(_loops().mask_in_place, g.size, g.size, g.reshape(-1), y.reshape(-1))

    def cross_entropy_step(self, z: Array, labels: Array) -> tuple[Array, Array] | None:
        if z.size > SHARED or labels.dtype not in _LABELS:
            return super().cross_entropy_step(z, labels)
        n, dtype = z.shape[0], z.dtype
        losses, dz, outside = np.empty(n, dtype), np.empty(z.shape, dtype), np.zeros(1, np.int8)
        loss = _loops().cross_entropy_step(z, labels, losses, dz, outside)
        return None if outside[0] else (dtype.type(loss), dz)

    def mean_softmax_cross_entropy(self, z: Array, labels: Array) -> tuple[Array, Array]:
        losses, p = self.softmax_cross_entropy(z, labels)
        return losses.dtype.type(_loops().row_sum(losses)) / losses.dtype.type(losses.shape[0]), p

    def softmax_cross_entropy(self, z: Array, labels: Array) -> tuple[Array, Array]:
        if not suits(z) or labels.dtype not in _LABELS:
            return super().softmax_cross_entropy(z, labels)
        losses, p = np.empty(z.shape[0], z.dtype), np.empty(z.shape, z.dtype)
        outside, loop = np.zeros(1, np.int8), _loops().softmax_cross_entropy
        over_rows(loop, z.shape[0], z.size, plain(z), plain(labels), losses, p, outside)
        if outside[0]:
            raise IndexError(f"a label is outside 0 .. {z.shape[1] - 1}, the classes of the logits")
        return losses, p

    def softmax_cross_entropy_backward(self, g: Array, p: Array, labels: Array) -> Array:
        if not suits(g, p) or labels.dtype not in _LABELS or g.shape[0] != p.shape[0]:
            return super().softmax_cross_entropy_backward(g, p, labels)
        return _cross_entropy_backward(g, p, labels)

    def mean_softmax_cross_entropy_backward(self, g: Array, p: Array, labels: Array) -> Array:
        if not suits(g, p) or labels.dtype not in _LABELS:
            return super().mean_softmax_cross_entropy_backward(g, p, labels)
        return _cross_entropy_backward(np.reshape(g / g.dtype.type(p.shape[0]), (1,)), p, labels)

    def softmax(self, z: Array) -> Array:
        if z.size <= _SMALL or not suits(z):
            return super().softmax(z)
        return _by_rows("softmax", z)

    def softmax_backward(self, g: Array, y: Array) -> Array:
        if g.size <= _SMALL or not suits(g, y):
            return super().softmax_backward(g, y)
        out = np.empty(y.shape, y.dtype)
        rows = (a.reshape(-1, y.shape[-1]) for a in (plain(g), plain(y), out))
        over_rows(_softmax_loops().softmax_backward, y.size // y.shape[-1], y.size, *rows)
        return out

    def log_softmax(self, z: Array) -> Array:
        if z.size <= _SMALL or not suits(z):
            return super().log_softmax(z)
        return _by_rows("log_softmax", z)

    def log_softmax_backward(self, g: Array, y: Array) -> Array:
        if g.size <= _SMALL or not suits(g, y):
            return super().log_softmax_backward(g, y)
        return _by_rows("log_softmax_backward", g, y)


@functools.cache
def _softmax_loops() -> Any:
    from learnkit.backends import compiled_softmax_loops

    return compiled_softmax_loops


def _by_rows(name: str, *arrays: Array) -> Array:
    """The loop of that name over the rows of arrays of one shape."""
    like = arrays[0]
    loop = getattr(_softmax_loops(), name)
    out = np.empty(like.shape, like.dtype)
    rows = (a.reshape(-1, like.shape[-1]) for a in (*map(plain, arrays), out))
    over_rows(loop, like.size // like.shape[-1], like.size, *rows)
    return out


def _cross_entropy_backward(g: Array, p: Array, labels: Array) -> Array:
    dz = np.empty(p.shape, p.dtype)
    arguments = plain(g), plain(p), plain(labels), dz
    over_rows(_softmax_loops().cross_entropy_backward, p.shape[0], p.size, *arguments)
    return dz

"""NumPy's kernels with loops compiled by Numba, where one pass over memory does what took ten calls.

In use when Numba is installed (``pip install "pylearnkit[fast]"``) and ``LEARNKIT_FUSE`` does not say otherwise. The
first call ever compiles, which takes a second or two; later ones, in other processes too, load the machine
code from Numba's cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from learnkit.backends.base import Array
from learnkit.backends.numpy import NumpyKernels
from learnkit.backends.threads import share

__all__ = ["CompiledKernels", "over_rows"]

#: From so many elements on, threads share the rows; fewer are done before another thread has woken up.
_SHARED = 100_000
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


def over_rows(loop: Any, n: int, elements: int, *arguments: Any) -> None:
    """``loop(lo, hi, *arguments)`` over ``n`` rows with so many elements in all."""
    if elements < _SHARED:
        loop(0, n, *arguments)
    else:
        share(lambda lo, hi: loop(lo, hi, *arguments), n, 1)


def _plain(x: Array) -> Array:
    """Contiguous, aligned and not read-only, as compiled loops take it."""
    return x if x.flags.carray else np.array(x, order="C")


def _suits(*arrays: Array) -> bool:
    """Whether all are float32, or all float64, with at least one element."""
    dtype = arrays[0].dtype
    return dtype.char in "fd" and dtype.isnative and all(a.dtype == dtype and a.size for a in arrays)


class CompiledKernels(NumpyKernels):
    """NumPy's kernels with compiled loops in the hot places."""

    def relu_backward(self, g: Array, y: Array) -> Array:
        if g.size <= _SMALL or not _suits(g, y) or g.shape != y.shape:
            return super().relu_backward(g, y)
        out = np.empty(g.shape, g.dtype)
        arguments = _plain(g).reshape(-1), _plain(y).reshape(-1), out.reshape(-1)
        over_rows(_loops().relu_backward, g.size, g.size, *arguments)
        return out

    def softmax_cross_entropy(self, z: Array, labels: Array) -> tuple[Array, Array]:
        if not _suits(z) or labels.dtype not in _LABELS:
            return super().softmax_cross_entropy(z, labels)
        losses, p = np.empty(z.shape[0], z.dtype), np.empty(z.shape, z.dtype)
        loops = _loops()
        loop = loops.softmax_cross_entropy_32 if z.dtype.char == "f" else loops.softmax_cross_entropy_64
        outside = np.zeros(1, np.int8)
        over_rows(loop, z.shape[0], z.size, _plain(z), _plain(labels), losses, p, outside)
        if outside[0]:
            raise IndexError(f"a label is outside 0 .. {z.shape[1] - 1}, the classes of the logits")
        return losses, p

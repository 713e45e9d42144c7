"""NumPy's kernels with loops compiled by Numba, where one pass over memory does what took ten calls.

In use when Numba is installed (``pip install "pylearnkit[fast]"``) and ``LEARNKIT_FUSE`` does not say otherwise. The
first call ever compiles, which takes a second or two; later ones, in other processes too, load the machine
code from Numba's cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from learnkit.backends.base import Array
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


class CompiledKernels(CompiledNormKernels, NumpyKernels):
    """NumPy's kernels with compiled loops in the hot places."""

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
        loops = _loops()
        step = loops.cross_entropy_step_32 if dtype.char == "f" else loops.cross_entropy_step_64
        loss = step(z, labels, losses, dz, outside)
        return None if outside[0] else (dtype.type(loss), dz)

    def mean_softmax_cross_entropy(self, z: Array, labels: Array) -> tuple[Array, Array]:
        losses, p = self.softmax_cross_entropy(z, labels)
        return losses.dtype.type(_loops().row_sum(losses)) / losses.dtype.type(losses.shape[0]), p

    def softmax_cross_entropy(self, z: Array, labels: Array) -> tuple[Array, Array]:
        if not suits(z) or labels.dtype not in _LABELS:
            return super().softmax_cross_entropy(z, labels)
        losses, p = np.empty(z.shape[0], z.dtype), np.empty(z.shape, z.dtype)
        loops = _loops()
        loop = loops.softmax_cross_entropy_32 if z.dtype.char == "f" else loops.softmax_cross_entropy_64
        outside = np.zeros(1, np.int8)
        over_rows(loop, z.shape[0], z.size, plain(z), plain(labels), losses, p, outside)
        if outside[0]:
            raise IndexError(f"a label is outside 0 .. {z.shape[1] - 1}, the classes of the logits")
        return losses, p

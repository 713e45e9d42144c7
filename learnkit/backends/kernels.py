"""Kernels: the operations that the standard lacks, or that are worth one call instead of ten.

:class:`Kernels` holds the generic versions, in standard code only, so they run on any array library
and on variables. A backend overrides the ones that its library can do better; the two are tested
against each other. Kernels see plain arrays: gradients are the business of ``learnkit.autodiff``.
"""

from __future__ import annotations

import math
from typing import Any

import array_api_compat

from learnkit.backends import random, scatter, special
from learnkit.backends.base import Array
from learnkit.backends.norms import NormKernels
from learnkit.backends.windows import WindowKernels

__all__ = ["Kernels"]


class Kernels(WindowKernels, NormKernels):
    """Generic kernels over the namespace ``xp``.

    Methods ending in ``_into`` write into a given array where the library can and return it; a caller
    uses the returned array and forgets the one it passed. No other method changes its inputs.

    Attributes:
        xp: the namespace of the standard.
        in_place: whether arrays can be written to, as in ``x[...] = y``.
    """

    def __init__(self, xp: Any, in_place: bool = True) -> None:
        self.xp = xp
        self.in_place = in_place
        self._cache: dict[Any, Array] = {}

    # What the standard lacks

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
        """Uniform numbers in [0, 1): a pure function of ``(seed, stream, step)``, see ``backends.random``."""
        values = random.philox_uniform(shape, seed=seed, stream=stream, step=step, dtype=dtype)
        return self.xp.asarray(values, device=device)

    def random_normal(
        self,
        shape: tuple[int, ...],
        *,
        seed: int,
        stream: int,
        step: int,
        device: Any,
        dtype: str = "float32",
    ) -> Array:
        """Standard normal numbers on the device: ``sqrt(-2 log u) cos(2 pi v)`` of two uniform numbers.

        (Box and Muller 1958, "A note on the generation of random normal deviates".) The uniform numbers are
        the same bits on every backend; logarithm and cosine are the library's own, so the result is the
        same to 1e-6 in float32. Its size is at most 5.8 in float32 and 8.6 in float64.
        """
        xp = self.xp
        uniform = self.random_uniform(
            (2, *shape), seed=seed, stream=stream, step=step, device=device, dtype=dtype
        )
        radius = xp.sqrt(xp.multiply(xp.log(xp.subtract(1.0, uniform[0, ...])), -2.0))
        return xp.multiply(radius, xp.cos(xp.multiply(uniform[1, ...], 2.0 * math.pi)))

    def dropout(self, x: Array, p: float, *, seed: int, stream: int, step: int) -> Array:
        """``x / (1 - p)`` where a uniform number of float32 is >= p, else ``0 x``: its own gradient too.

        No mask is kept, as it can be drawn again: number i in row-major order belongs to element i.
        """
        xp, device = self.xp, array_api_compat.device(x)
        uniform = self.random_uniform(x.shape, seed=seed, stream=stream, step=step, device=device)
        kept = xp.astype(xp.greater_equal(uniform, p), x.dtype)
        return xp.multiply(x, xp.multiply(kept, 1.0 / (1.0 - p)))

    def erf(self, x: Array) -> Array:
        """The error function, elementwise, for real floating-point ``x``."""
        return special.erf(self.xp, x)

    def sign(self, x: Array) -> Array:
        """-1, 0 or 1, elementwise, for real floating-point ``x``, and 0 or NaN for NaN.

        Not ``xp.sign``, which assigns through a mask in array-api-compat's version for CuPy.
        """
        xp = self.xp
        above, below = xp.greater(x, 0), xp.less(x, 0)
        return xp.subtract(xp.astype(above, x.dtype), xp.astype(below, x.dtype))

    def index_add(self, x: Array, indices: Array, values: Array) -> Array:
        """A copy of ``x`` with ``values[i]`` added to row ``indices[i]``; repeated indices accumulate."""
        return scatter.index_add(self.xp, x, indices, values)

    def owns(self, x: Array) -> bool:
        """Whether it is known that ``x`` is no view: its memory is nobody else's."""
        return False

    def copy(self, x: Array) -> Array:
        """The values of ``x`` in an array that nothing else refers to."""
        return self.xp.asarray(x, copy=True)

    def spread(self, x: Array, shape: tuple[int, ...]) -> Array:
        """``x`` repeated along its axes of length 1, up to ``shape``, which has as many axes."""
        return self.xp.broadcast_to(x, shape)

    # Products

    def matmul_into(self, out: Array | None, a: Array, b: Array) -> Array:
        """``a @ b`` for matrices, in ``out`` if given."""
        product = self.xp.matmul(a, b)
        if out is None or not self.in_place:
            return product
        out[...] = product
        return out

    def product_with_transpose(self, a: Array, b: Array) -> Array:
        """``a @ b.T`` for matrices."""
        return self.xp.matmul(a, self.xp.matrix_transpose(b))

    def column_sums_into(self, out: Array | None, g: Array) -> Array:
        """Sums of the columns of a matrix ``g``, as a product with ones: faster and, because BLAS sums
        in blocks, more exact than ``sum(axis=0)``."""
        ones = self.ones(g.shape[0], g)
        sums = self.xp.matmul(ones, g)
        if out is None or not self.in_place:
            return sums
        out[...] = sums
        return out

    def sum_of_squares(self, x: Array) -> Array:
        """Of all elements of float32 or float64, a 0-d array; a library that can sums in double precision."""
        return self.xp.sum(self.xp.multiply(x, x))

    def global_norm(self, arrays: list[Array]) -> Array:
        """The Euclidean norm of all elements of all arrays, a 0-d array of their common dtype."""
        xp = self.xp
        total: Any = None
        for x in arrays:
            wide = x if x.dtype == xp.float64 else xp.astype(x, xp.float32, copy=False)
            square = self.sum_of_squares(wide)
            total = square if total is None else xp.add(total, square)
        return xp.astype(xp.sqrt(total), xp.result_type(*arrays), copy=False)

    def row_sums(self, a: Array, b: Array | None = None) -> Array:
        """Sums of the rows of a matrix ``a``, or of ``a b`` of two matrices: shape (n, k) -> (n,)."""
        return self.xp.sum(a if b is None else self.xp.multiply(a, b), axis=1)

    def ones(self, n: int, like: Array) -> Array:
        """A vector of ``n`` ones of the dtype and device of ``like``; kept, so never written to."""
        device = array_api_compat.device(like)
        key = ("ones", n, like.dtype, device)
        found = self._cache.get(key)
        if found is None:
            found = self.xp.ones(n, dtype=like.dtype, device=device)
            self._remember(key, found)
        return found

    def one(self, like: Array) -> Array:
        """1 as a 0-d array of the dtype and device of ``like``; kept, so never written to."""
        device = array_api_compat.device(like)
        key = ("one", like.dtype, device)
        found = self._cache.get(key)
        if found is None:
            found = self.xp.ones((), dtype=like.dtype, device=device)
            self._remember(key, found)
        return found

    def class_range(self, n: int, labels: Array) -> Array:
        """``0 .. n - 1`` in the dtype and on the device of ``labels``; kept, so never written to."""
        device = array_api_compat.device(labels)
        key = ("range", n, labels.dtype, device)
        found = self._cache.get(key)
        if found is None:
            found = self.xp.arange(n, dtype=labels.dtype, device=device)
            self._remember(key, found)
        return found

    def _remember(self, key: Any, value: Array) -> None:
        if len(self._cache) > 64:  # batch sizes are few; a program that varies them does not grow us
            self._cache.clear()
        self._cache[key] = value

    def surely_without(self, x: Array, value: int) -> bool:
        """Whether it is known, without waiting for a device, that no element of ``x`` equals ``value``."""
        return False

    # The delta rule of the hot layers

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """``x W + b`` for a matrix ``x``."""
        y = self.xp.matmul(x, weight)
        return y if bias is None else self.xp.add(y, bias)

    def relu(self, x: Array) -> Array:
        """``max(x, 0)``; NaN stays NaN."""
        return self.xp.maximum(x, self.xp.zeros_like(x))

    def relu_backward(self, g: Array, y: Array) -> Array:
        """Gradient of relu from its output: ``g`` where ``y > 0``, else 0."""
        xp = self.xp
        return xp.multiply(g, xp.astype(xp.greater(y, 0), g.dtype))

    def softmax(self, z: Array) -> Array:
        """Softmax along the last axis, shifted by the maximum."""
        xp = self.xp
        e = xp.exp(xp.subtract(z, xp.max(z, axis=-1, keepdims=True)))
        return xp.divide(e, xp.sum(e, axis=-1, keepdims=True))

    def softmax_backward(self, g: Array, y: Array) -> Array:
        """Gradient of softmax along the last axis from its output: ``y (g - sum(g y))``."""
        xp = self.xp
        return xp.multiply(y, xp.subtract(g, xp.sum(xp.multiply(g, y), axis=-1, keepdims=True)))

    def log_softmax(self, z: Array) -> Array:
        """The logarithm of softmax along the last axis, without forming the softmax."""
        xp = self.xp
        shifted = xp.subtract(z, xp.max(z, axis=-1, keepdims=True))
        return xp.subtract(shifted, xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True)))

    def log_softmax_backward(self, g: Array, y: Array) -> Array:
        """Gradient of the logarithm of softmax from its output: ``g - exp(y) sum(g)``."""
        xp = self.xp
        return xp.subtract(g, xp.multiply(xp.exp(y), xp.sum(g, axis=-1, keepdims=True)))

    def softmax_cross_entropy(self, z: Array, labels: Array) -> tuple[Array, Array]:
        """``(losses, p)``: ``-log p[label]`` of each row, and the softmax ``p`` that the gradient needs.

        Args:
            z: logits, shape (n, k).  labels: integers in [0, k), shape (n,).
        """
        xp = self.xp
        shifted = xp.subtract(z, xp.max(z, axis=1, keepdims=True))
        e = xp.exp(shifted)
        total = xp.sum(e, axis=1, keepdims=True)
        column = xp.expand_dims(xp.astype(labels, xp.int64, copy=False), axis=1)
        picked = xp.take_along_axis(shifted, column, axis=1)
        losses = xp.subtract(xp.log(total), picked)
        return xp.squeeze(losses, axis=1), xp.divide(e, total)

    def softmax_cross_entropy_backward(self, g: Array, p: Array, labels: Array) -> Array:
        """``(p - onehot(labels)) * g`` row by row."""
        xp = self.xp
        classes = self.class_range(p.shape[1], labels)
        onehot = xp.astype(xp.equal(xp.expand_dims(labels, axis=1), classes), p.dtype)
        return xp.multiply(xp.subtract(p, onehot), xp.expand_dims(g, axis=1))

    def mean_softmax_cross_entropy(self, z: Array, labels: Array) -> tuple[Array, Array]:
        """The mean of the losses of :meth:`softmax_cross_entropy`, a 0-d array, and ``p``."""
        losses, p = self.softmax_cross_entropy(z, labels)
        return self.xp.mean(losses), p

    def cross_entropy_step(self, z: Array, labels: Array) -> tuple[Array, Array] | None:
        """:meth:`mean_softmax_cross_entropy` and its gradient with respect to ``z``, in one pass.

        ``None`` where there is no such pass, or a label is outside the classes: it may be one to leave out.
        """
        return None

    def mean_softmax_cross_entropy_backward(self, g: Array, p: Array, labels: Array) -> Array:
        """``(p - onehot(labels)) * g / n`` for a 0-d ``g``."""
        n = p.shape[0]
        each = self.xp.broadcast_to(self.xp.divide(g, float(max(n, 1))), (n,))
        return self.softmax_cross_entropy_backward(each, p, labels)

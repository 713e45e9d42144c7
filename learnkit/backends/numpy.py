"""NumPy: arrays in the memory of the host, the backend that is always there."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

import array_api_compat.numpy
import numpy as np

from learnkit.backends import random, scatter, special
from learnkit.backends.base import Array, Backend, size_of
from learnkit.backends.blas import threads_for
from learnkit.backends.engine import engine
from learnkit.backends.kernels import Kernels
from learnkit.backends.numpy_norms import NumpyNormKernels
from learnkit.backends.numpy_windows import NumpyWindowKernels
from learnkit.errors import ArgumentError

__all__ = ["NumpyBackend", "NumpyKernels", "refuse_foreign"]

#: Elements worked on at once by functions of many steps, so that all temporaries stay in the cache.
_BLOCK = 16384
#: Up to this many columns NumPy finds the maxima of the rows faster in a transposed copy.
_FEW = 48
#: Up to this many elements BLAS is faster with a copy of a transposed matrix than with the view, by far so
#: when it would share such a product among threads.
COPIED = 16384
#: Bytes in a cache line.
_LINE = 64
#: Rows whose sum in float32 is still exact to 1e-6.
TALL = 16384
#: Up to this many elements NumPy's maximum is faster of two arrays than of an array and a number.
_SMALL = 65536

# erf(x) = x P(x^2) / Q(x^2) for |x| <= 3.92, where it becomes 1 in float32. Coefficients, highest power
# first, of a least-squares fit reweighted until its relative error was level, at 2e-8.
ERF_END = 3.92
ERF_P = (2.05008109e-06, 0.000284883718, 0.00376565778, 0.0527488515, 0.19040741, 1.12837911)
ERF_Q = (3.80917008e-05, 0.00116254552, 0.0149692986, 0.114109501, 0.502076924, 1.0)


def _of_a_view() -> int:
    """How many references there are to an array that a view and one variable of a function refer to."""
    base = np.empty(2)
    view = base[:]
    return sys.getrefcount(base) if view.base is base else 0


_OF_A_VIEW = _of_a_view()


class NumpyBackend(Backend):
    """NumPy on the CPU.

    Args:
        device: ``"cpu"`` or ``None``; there is no other.

    Raises:
        ArgumentError: another device is asked for.
    """

    name = "numpy"
    array_types = ("numpy.ndarray", "numpy.generic")

    def __init__(self, device: str | None = None) -> None:
        if device not in (None, "cpu"):
            raise ArgumentError(
                f"backend 'numpy' has no device {device!r}: expected 'cpu'",
                hint="for a GPU choose the backend 'cupy' or 'torch'",
            )
        self.xp = array_api_compat.numpy
        self.device = "cpu"
        self.kernels = _kernels()(self.xp)

    def asarray(self, x: Any, dtype: str | None = None) -> Array:
        if dtype is None and type(x) is np.ndarray:
            return x
        refuse_foreign(x, self)
        return np.asarray(x, dtype=None if dtype is None else self.dtype(dtype))

    def to_numpy(self, x: Array) -> Any:
        return np.asarray(x)

    def quiet(self) -> AbstractContextManager[Any]:
        return np.errstate(all="ignore")

    def threads_for(self, multiplications: int) -> AbstractContextManager[Any]:
        return threads_for(multiplications)

    def describe(self) -> str:
        return f"numpy {np.__version__} on cpu"


def _kernels() -> type[NumpyKernels]:
    """The class of kernels in use: with compiled loops where Numba is."""
    if engine() == "numba":
        from learnkit.backends.compiled import CompiledKernels

        return CompiledKernels
    return NumpyKernels


def refuse_foreign(x: Any, backend: Backend) -> None:
    """Refuse an array of another library: bringing it over is a decision, not a detail.

    Raises:
        ArgumentError: ``x`` is an array, and neither NumPy's nor one of ``backend``'s library.
    """
    module = type(x).__module__.partition(".")[0]
    if module in ("builtins", "numpy", backend.array_types[0].partition(".")[0]):
        return
    if hasattr(x, "__array_namespace__") or hasattr(x, "__dlpack__"):
        raise ArgumentError(
            f"backend {backend.name!r} got an array of type {type(x).__module__}.{type(x).__qualname__}",
            hint="bring it to the host first: learnkit.backends.backend_of(x).to_numpy(x)",
        )


def _row_max(z: Array) -> Array:
    """Maxima of the rows of a matrix, as a column. Along short rows NumPy's reduction is ten times slower."""
    if z.shape[1] <= _FEW:
        return np.maximum.reduce(np.ascontiguousarray(z.T), axis=0)[:, None]
    return np.maximum.reduce(z, axis=1, keepdims=True)


def erf32(x: Array, out: Array) -> None:
    """The error function of a float32 vector, with an absolute error below 4e-7."""
    x = np.minimum(np.maximum(x, -ERF_END), ERF_END)
    t = x * x
    q = t * ERF_Q[0]
    np.multiply(t, ERF_P[0], out=out)
    for total, coefficients in ((out, ERF_P), (q, ERF_Q)):
        total += coefficients[1]
        for c in coefficients[2:]:
            total *= t
            total += c
    out /= q
    out *= x
    np.minimum(out, 1.0, out=out)
    np.maximum(out, -1.0, out=out)


class NumpyKernels(NumpyWindowKernels, NumpyNormKernels, Kernels):
    """NumPy's own ways: results written in place, fancy indexing, few Python steps a call.

    A training step of a small network takes some 150 microseconds in all, so what counts here is the
    number of calls. None of these methods changes its inputs.
    """

    def dropout(self, x: Array, p: float, *, seed: int, stream: int, step: int) -> Array:
        if x.dtype.char not in "efd":
            return super().dropout(x, p, seed=seed, stream=stream, step=step)
        flat = np.ascontiguousarray(x).reshape(-1)
        out = np.empty(flat.shape, x.dtype)
        drawn = random.generator(seed, stream, step)
        uniform = np.empty(min(_BLOCK, flat.size), np.float32)
        kept = x.dtype.type(1.0 / (1.0 - p))
        for start in range(0, flat.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            u = uniform[: flat.size - start]
            drawn.random(out=u, dtype=np.float32)
            np.multiply(np.greater_equal(u, p), kept, out=out[part])
            out[part] *= flat[part]
        return out.reshape(x.shape)

    def erf(self, x: Array) -> Array:
        flat = np.ascontiguousarray(x).reshape(-1)
        out = np.empty_like(flat)
        for start in range(0, flat.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            if flat.dtype == np.float32:
                erf32(flat[part], out[part])
            else:
                out[part] = special.erf(self.xp, flat[part])
        return out.reshape(np.shape(x))

    def sign(self, x: Array) -> Array:
        return np.sign(x)

    def index_add(self, x: Array, indices: Array, values: Array) -> Array:
        scatter.check_index_add(x, indices, values)
        if indices.size:
            scatter.refuse_outside(int(indices.min()), int(indices.max()), x.shape[0])
        out = np.array(x, order="C")
        if x.ndim > 1:  # element by element, NumPy has a loop that is three times faster than row by row
            width = size_of(x.shape[1:])
            indices = (indices.astype(np.int64)[:, None] * width + np.arange(width)).reshape(-1)
        np.add.at(out.reshape(-1), indices, values.reshape(-1))
        return out

    def owns(self, x: Array) -> bool:
        base = x.base
        if base is None:
            return type(x) is np.ndarray and x.flags.owndata
        # Another shape of an array that nobody else knows: of those who refer to it one is x, one is here.
        whole = type(base) is np.ndarray and base.flags.owndata and base.size == x.size
        return whole and sys.getrefcount(base) == _OF_A_VIEW

    def copy(self, x: Array) -> Array:
        return np.array(x)

    def spread(self, x: Array, shape: tuple[int, ...]) -> Array:
        out = np.empty(shape, dtype=x.dtype)  # a quarter of the time of broadcast_to, up to the cache's size
        out[...] = x
        return out

    def matmul_into(self, out: Array | None, a: Array, b: Array) -> Array:
        return np.matmul(a, b, out=out)

    def column_sums_into(self, out: Array | None, g: Array) -> Array:
        n = g.shape[0]
        if n > TALL and g.dtype.char == "f":  # so long a sum would lose digits
            parts = (g[i : i + TALL] for i in range(0, n, TALL))
            sums = np.stack([np.matmul(self.ones(part.shape[0], g), part) for part in parts])
            total = sums.sum(axis=0, dtype=np.float64).astype(g.dtype)
            if out is None:
                return total
            out[...] = total
            return out
        return np.matmul(self.ones(n, g), g, out=out)

    def row_sums(self, a: Array, b: Array | None = None) -> Array:
        # As products: without an array of the products, and BLAS sums in blocks.
        if b is None:
            return np.matmul(a, self.ones(a.shape[1], a))
        return np.einsum("ij,ij->i", a, b)

    def ones(self, n: int, like: Array) -> Array:
        found = self._cache.get((n, like.dtype))
        if found is None:
            found = np.ones(n, dtype=like.dtype)
            self._remember((n, like.dtype), found)
        return found

    def one(self, like: Array) -> Array:
        return like.dtype.type(1)

    def class_range(self, n: int, labels: Array) -> Array:
        key = ("range", n, labels.dtype)
        found = self._cache.get(key)
        if found is None:
            found = np.arange(n, dtype=labels.dtype)
            self._remember(key, found)
        return found

    def surely_without(self, x: Array, value: int) -> bool:
        return not np.equal(x, value).any()

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        y = x @ weight
        if bias is None:
            return y
        if bias.dtype is y.dtype:
            y += bias
            return y
        return np.add(y, bias)

    def product_with_transpose(self, a: Array, b: Array) -> Array:
        transposed = b.T
        return a @ (np.ascontiguousarray(transposed) if b.size <= COPIED else transposed)

    def relu(self, x: Array) -> Array:
        return np.maximum(x, 0 if x.size > _SMALL or x.ndim != 2 else self._zeros(x))

    def relu_backward(self, g: Array, y: Array) -> Array:
        kept = np.greater(y, 0).astype(g.dtype)
        kept *= g
        return kept

    # For a step that is planned (training/plan.py): contiguous arrays of one dtype, some written over.

    def room(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array without values that begins with a cache line: no two threads write to the same one."""
        size = size_of(shape)
        each = np.dtype(dtype).itemsize
        made = np.empty(size + _LINE // each, dtype)
        start = -made.ctypes.data // each % (_LINE // each)
        return made[start : start + size].reshape(shape)

    def bias_relu_in_place(self, y: Array, bias: Array) -> None:
        """``max(y + bias, 0)`` for the rows of ``y``."""
        y += bias
        np.maximum(y, self._zeros(y) if y.size <= _SMALL else 0, out=y)

    def mask_in_place(self, g: Array, y: Array) -> None:
        """:meth:`relu_backward`, in the place of ``g``."""
        g *= np.greater(y, 0).astype(g.dtype)

    def cross_entropy_step(self, z: Array, labels: Array) -> tuple[Array, Array] | None:
        if labels.min() < 0 or labels.max() >= z.shape[1]:
            return None
        loss, p = self.mean_softmax_cross_entropy(z, labels)
        return loss, self.mean_softmax_cross_entropy_backward(self.one(loss), p, labels)

    def _zeros(self, x: Array) -> Array:
        key = (x.shape, x.dtype)
        zeros = self._cache.get(key)
        if zeros is None:
            zeros = np.zeros(x.shape, dtype=x.dtype)
            self._remember(key, zeros)
        return zeros

    def softmax(self, z: Array) -> Array:
        e = np.subtract(z, np.maximum.reduce(z, axis=-1, keepdims=True))
        np.exp(e, out=e)
        e /= np.add.reduce(e, axis=-1, keepdims=True)
        return e

    def softmax_cross_entropy(self, z: Array, labels: Array) -> tuple[Array, Array]:
        p = np.subtract(z, _row_max(z))
        picked = p[self.class_range(p.shape[0], labels), labels]
        np.exp(p, out=p)
        total = p @ self.ones(p.shape[1], p)
        p /= total[:, None]
        losses = np.log(total, out=total)
        losses -= picked
        return losses, p

    def mean_softmax_cross_entropy(self, z: Array, labels: Array) -> tuple[Array, Array]:
        losses, p = self.softmax_cross_entropy(z, labels)
        n = losses.shape[0]
        return (losses @ self.ones(n, losses)) / losses.dtype.type(n), p

    def mean_softmax_cross_entropy_backward(self, g: Array, p: Array, labels: Array) -> Array:
        n = p.shape[0]
        share = g / g.dtype.type(n)
        dz = p * share
        dz[self.class_range(n, labels), labels] -= share
        return dz

    def softmax_cross_entropy_backward(self, g: Array, p: Array, labels: Array) -> Array:
        dz = p * g[:, None]
        dz[self.class_range(p.shape[0], labels), labels] -= g
        return dz

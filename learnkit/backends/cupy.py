"""CuPy: arrays on an NVIDIA GPU.

The kernels here follow three rules. They issue few launches, since a small network on a fast device
waits for the host most of the time. They never wait for the device: no value is looked at, so no index
or label is checked, no mask selects. And a number drawn here has the bits that NumPy would have drawn.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from learnkit.backends import cuda, random, scatter
from learnkit.backends.base import Array, Backend, size_of
from learnkit.backends.cupy_norms import CupyNormKernels
from learnkit.backends.cupy_windows import CupyWindowKernels
from learnkit.backends.kernels import Kernels
from learnkit.backends.numpy import refuse_foreign
from learnkit.errors import ArgumentError, BackendError, MissingDependencyError

__all__ = ["CupyBackend", "CupyKernels"]

# The dtypes that the raw kernels are compiled for; others take the generic way.
_REALS = ("float32", "float64")
_LABELS = ("int32", "int64")
#: What CuPy calls the precisions of products.
_COMPUTE_TYPES = {"float32": "DEFAULT", "tf32": "TF32", "bfloat16": "BF16", "float16": "FP16"}


class CupyBackend(Backend):
    """CuPy on one CUDA device.

    CuPy computes on the *current* device of the thread. :meth:`activate` makes this backend's device the
    current one; ``use_backend`` does so, and so does the trainer.

    Args:
        device: number of the device as a string, such as ``"1"`` (``"cuda:1"`` is understood too);
            ``None`` is the current one.

    Raises:
        MissingDependencyError: CuPy is not installed.
        BackendError: CuPy cannot be imported, or there is no driver, no device, or not that one.
        ArgumentError: ``device`` is not a number.
    """

    name = "cupy"
    on_host = False
    array_types = ("cupy.ndarray",)
    precisions = ("float32", "tf32", "bfloat16", "float16")

    def __init__(self, device: str | None = None) -> None:
        self._cupy = cupy = _import_cupy()
        count = _device_count(cupy)
        index = cupy.cuda.runtime.getDevice() if device is None else _index(device)
        if index >= count:
            there = "only device 0 is" if count == 1 else f"devices 0 to {count - 1} are"
            raise BackendError(
                f"backend 'cupy' has no device {index}: {there} there",
                hint="see `nvidia-smi -L`, and CUDA_VISIBLE_DEVICES, which hides devices",
            )
        import array_api_compat.cupy

        self.xp = array_api_compat.cupy
        self.device = cupy.cuda.Device(index)
        self.kernels = CupyKernels(self.xp)

    @classmethod
    def device_name(cls, device: Any) -> str:
        return str(device.id)

    def activate(self) -> None:
        self.device.use()

    def asarray(self, x: Any, dtype: str | None = None) -> Array:
        refuse_foreign(x, self)
        with self.device:
            return self._cupy.asarray(x, dtype=None if dtype is None else self.dtype(dtype))

    def to_numpy(self, x: Array) -> Any:
        return x.get()

    def multiply_in(self, products: str) -> None:
        super().multiply_in(products)
        from cupy._core import _routines_linalg as cublas

        compute_type = f"COMPUTE_TYPE_{_COMPUTE_TYPES[products]}"
        cublas.set_compute_type("float32", getattr(cublas, compute_type))

    def synchronize(self) -> None:
        self.device.synchronize()

    def describe(self) -> str:
        properties = self._cupy.cuda.runtime.getDeviceProperties(self.device.id)
        name = properties["name"]
        name = name.decode() if isinstance(name, bytes) else name
        return f"cupy {self._cupy.__version__} on device {self.device.id} ({name})"


def _import_cupy() -> Any:
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise BackendError(f"CuPy is installed but cannot be imported: {error}") from error
        raise MissingDependencyError(
            "backend 'cupy' needs CuPy, which is not installed",
            hint='pip install "pylearnkit[cuda13]"   (or "pylearnkit[cuda12]" for a CUDA 12 driver)',
        ) from error
    except ImportError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise BackendError(
            f"CuPy is installed but cannot be imported: {reason}",
            hint="reinstall it for your CUDA version, and only one of its packages: `pip list | grep cupy`",
        ) from error
    return cupy


def _device_count(cupy: Any) -> int:
    """How many devices there are; CuPy imports well on a machine without any."""
    count = 0
    with contextlib.suppress(Exception):  # cudaErrorInsufficientDriver and its like: there is no device
        if cupy.cuda.is_available():
            count = int(cupy.cuda.runtime.getDeviceCount())
    if count == 0:
        raise BackendError(
            f"CuPy {cupy.__version__} is installed, but found no CUDA device or driver; "
            "nothing was computed, and nothing fell back to NumPy",
            hint="check the driver with `nvidia-smi`, or choose the backend 'numpy'",
        )
    return count


def _index(device: str) -> int:
    number = device.removeprefix("cuda:")
    if not (number.isascii() and number.isdigit()):
        raise ArgumentError(f"backend 'cupy' has no device {device!r}: expected a number such as '0' or '1'")
    return int(number)


@functools.cache
def _raw_kernel(text: str, name: str, real: str, label: str = "int64") -> Any:
    """The compiled kernel; CuPy compiles on the first call and keeps the result on disk."""
    import cupy

    return cupy.RawKernel(cuda.source(text, real, label), name)


@functools.cache
def _relu_backward() -> Any:
    import cupy

    return cupy.ElementwiseKernel("T g, T y", "T dx", "dx = y <= 0 ? (T)0 : g", "learnkit_relu_backward")


def _group(k: int) -> int:
    """Threads that share a row of ``k`` numbers: a power of two from 32 to 256."""
    return min(256, max(32, 1 << (k - 1).bit_length()))


class CupyKernels(CupyWindowKernels, CupyNormKernels, Kernels):
    """CuPy's own ways; the number of launches of each is kept by a test.

    Matrices are multiplied with ``a @ b`` and ``a.dot(b)``, which go straight to cuBLAS; ``cupy.matmul``
    first passes through the machinery of generalised ufuncs, in Python.
    """

    def __init__(self, xp: Any, in_place: bool = True) -> None:
        super().__init__(xp, in_place)
        import cupy

        self._cupy = cupy

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
        (k0, k1), (_, c1, _, _) = random.key_and_counter(seed, stream, step)
        random.check_dtype(dtype)
        import numpy as np

        n = size_of(shape)
        with device or contextlib.nullcontext():
            out = self._cupy.empty(shape, dtype=dtype)
            if n:
                threads = -(-n // (8 if dtype == "float32" else 4))
                kernel = _raw_kernel(cuda.PHILOX_UNIFORM, "philox_uniform", dtype)
                words = (np.uint64(k0), np.uint64(k1), np.uint64(c1))
                kernel((-(-threads // 256),), (256,), (out, np.int64(n), *words))
        return out

    def erf(self, x: Array) -> Array:
        from cupyx.scipy.special import erf

        if x.dtype == "float16":  # CuPy's gives float64 there
            return erf(x.astype("float32")).astype("float16")
        return erf(x)

    def sign(self, x: Array) -> Array:
        return self._cupy.sign(x)

    def index_add(self, x: Array, indices: Array, values: Array) -> Array:
        import cupyx

        scatter.check_index_add(x, indices, values)
        out = x.copy()
        cupyx.scatter_add(out, indices, values)
        return out

    def matmul_into(self, out: Array | None, a: Array, b: Array) -> Array:
        if out is None:
            return a @ b
        if out.flags.c_contiguous and out.dtype == a.dtype == b.dtype:
            return a.dot(b, out=out)
        out[...] = a @ b
        return out

    def product_with_transpose(self, a: Array, b: Array) -> Array:
        return a @ b.T

    def column_sums_into(self, out: Array | None, g: Array) -> Array:
        if CupyBackend.products != "float32" and g.dtype == "float32":  # these sums are not to be rounded
            return g.sum(axis=0, out=out)
        return self.matmul_into(out, self.ones(g.shape[0], g), g)

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        y = x @ weight
        if bias is None:
            return y
        if bias.dtype == y.dtype:
            y += bias
            return y
        return y + bias

    def relu(self, x: Array) -> Array:
        return self._cupy.maximum(x, 0)

    def relu_backward(self, g: Array, y: Array) -> Array:
        if g.dtype != y.dtype:
            return super().relu_backward(g, y)
        return _relu_backward()(g, y)

    def softmax(self, z: Array) -> Array:
        if z.dtype.name not in _REALS or z.size == 0:
            return super().softmax(z)
        return self._rows("softmax", z)

    def softmax_backward(self, g: Array, y: Array) -> Array:
        if y.dtype.name not in _REALS or g.dtype != y.dtype or y.size == 0:
            return super().softmax_backward(g, y)
        return self._rows("softmax_backward", g, y)

    def log_softmax(self, z: Array) -> Array:
        if z.dtype.name not in _REALS or z.size == 0:
            return super().log_softmax(z)
        return self._rows("log_softmax", z)

    def log_softmax_backward(self, g: Array, y: Array) -> Array:
        if y.dtype.name not in _REALS or g.dtype != y.dtype or y.size == 0:
            return super().log_softmax_backward(g, y)
        return self._rows("log_softmax_backward", g, y)

    def _rows(self, name: str, *arrays: Array) -> Array:
        """The kernel of that name over the rows of arrays of one shape and dtype."""
        import numpy as np

        arrays = tuple(map(self._cupy.ascontiguousarray, arrays))
        like, k = arrays[0], arrays[0].shape[-1]
        out = self._cupy.empty(like.shape, dtype=like.dtype)
        kernel = _raw_kernel(cuda.SOFTMAX, name, like.dtype.name)
        kernel((like.size // k,), (_group(k),), (*arrays, out, np.int64(k)))
        return out

    def softmax_cross_entropy(self, z: Array, labels: Array) -> tuple[Array, Array]:
        real, label = z.dtype.name, labels.dtype.name
        if real not in _REALS or label not in _LABELS or z.size == 0:
            return super().softmax_cross_entropy(z, labels)
        import numpy as np

        cupy = self._cupy
        n, k = z.shape
        z, labels = cupy.ascontiguousarray(z), cupy.ascontiguousarray(labels)
        losses, p = cupy.empty(n, dtype=z.dtype), cupy.empty((n, k), dtype=z.dtype)
        kernel = _raw_kernel(cuda.SOFTMAX, "softmax_cross_entropy", real, label)
        kernel((n,), (_group(k),), (z, labels, losses, p, np.int64(k)))
        return losses, p

    def softmax_cross_entropy_backward(self, g: Array, p: Array, labels: Array) -> Array:
        real, label = p.dtype.name, labels.dtype.name
        if real not in _REALS or label not in _LABELS or g.dtype != p.dtype or p.size == 0:
            return super().softmax_cross_entropy_backward(g, p, labels)
        import numpy as np

        cupy = self._cupy
        n, k = p.shape
        g, p, labels = (cupy.ascontiguousarray(a) for a in (g, p, labels))
        dz = cupy.empty((n, k), dtype=p.dtype)
        kernel = _raw_kernel(cuda.SOFTMAX, "softmax_cross_entropy_backward", real, label)
        kernel((-(-n * k // 256),), (256,), (g, p, labels, dz, np.int64(n), np.int64(k)))
        return dz

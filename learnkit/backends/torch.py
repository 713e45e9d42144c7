"""torch: its tensors on CPU or CUDA, used as arrays of the standard.

learnkit computes gradients itself, so tensors must not ask torch for theirs: several kernels write in
place, which torch refuses for a tensor with ``requires_grad``, and the others would make torch record a
graph that nobody reads. :meth:`TorchBackend.asarray` detaches what it is given; tensors from elsewhere are
detached by their owner, or used under ``torch.no_grad()``.
"""

from __future__ import annotations

from typing import Any

from learnkit.backends import scatter
from learnkit.backends.base import Array, Backend
from learnkit.backends.kernels import Kernels
from learnkit.backends.numpy import refuse_foreign
from learnkit.backends.torch_windows import TorchWindowKernels
from learnkit.backends.windows import Pair, Window
from learnkit.errors import ArgumentError, BackendError, MissingDependencyError

__all__ = ["TorchBackend", "TorchKernels"]

_EXPECTED = "expected 'cpu', 'cuda' or 'cuda:1'"


class TorchBackend(Backend):
    """torch on a device.

    Args:
        device: as torch writes it, ``"cpu"``, ``"cuda"`` or ``"cuda:1"``; ``None`` is ``"cpu"``.

    Raises:
        MissingDependencyError: torch is not installed.
        BackendError: a CUDA device is asked for that torch does not find.
        ArgumentError: ``device`` is not the name of a device.
    """

    name = "torch"
    array_types = ("torch.Tensor",)

    def __init__(self, device: str | None = None) -> None:
        try:
            import torch
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise BackendError(f"torch is installed but cannot be imported: {error}") from error
            raise MissingDependencyError(
                "backend 'torch' needs torch, which is not installed", hint='pip install "pylearnkit[torch]"'
            ) from error
        try:
            self.device = torch.device("cpu" if device is None else device)
        except RuntimeError:
            raise ArgumentError(f"backend 'torch' has no device {device!r}: {_EXPECTED}") from None
        self.on_host = self.device.type == "cpu"
        if self.device.type == "cuda":
            count = torch.cuda.device_count() if torch.cuda.is_available() else 0
            if count == 0:
                raise BackendError(
                    f"torch {torch.__version__} found no CUDA device; nothing fell back to the CPU",
                    hint="check the driver with `nvidia-smi`, and that this torch is built with CUDA",
                )
            index = torch.cuda.current_device() if self.device.index is None else self.device.index
            if index >= count:
                raise BackendError(f"backend 'torch' has no device 'cuda:{index}': torch sees {count}")
            self.device = torch.device("cuda", index)
        tf32 = () if self.on_host else ("tf32",)
        self.precisions = ("float32", *tf32, "bfloat16", "float16")
        import array_api_compat.torch

        self._torch = torch
        self.xp = array_api_compat.torch
        self.kernels = TorchKernels(self.xp)

    def asarray(self, x: Any, dtype: str | None = None) -> Array:
        refuse_foreign(x, self)
        wanted = None if dtype is None else self.dtype(dtype)
        if isinstance(x, self._torch.Tensor):
            return x.detach().to(device=self.device, dtype=wanted)
        if hasattr(x, "flags") and not x.flags.writeable:  # torch warns that it cannot honour this
            x = x.copy()
        return self._torch.asarray(x, dtype=wanted, device=self.device)

    def to_numpy(self, x: Array) -> Any:
        # Conjugates and imaginary parts may be views that only torch knows how to read.
        return x.detach().cpu().resolve_conj().resolve_neg().numpy()

    def multiply_in(self, products: str) -> None:
        super().multiply_in(products)
        rounded = products in ("bfloat16", "float16")
        TorchKernels.factors = getattr(self._torch, products) if rounded else None
        if not self.on_host:
            self._torch.backends.cuda.matmul.allow_tf32 = products == "tf32"

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            self._torch.cuda.synchronize(self.device)

    def describe(self) -> str:
        where = str(self.device)
        if self.device.type == "cuda":
            where += f" ({self._torch.cuda.get_device_name(self.device)})"
        return f"torch {self._torch.__version__} on {where}"


class TorchKernels(TorchWindowKernels, Kernels):
    """torch's own fused functions, one call each."""

    def __init__(self, xp: Any, in_place: bool = True) -> None:
        super().__init__(xp, in_place)
        import torch

        self._torch = torch

    #: The dtype to which factors of float32 products are rounded, if not float32.
    factors: Any = None

    def _product(self, a: Array, b: Array) -> Array:
        """``a @ b`` in the precision in force."""
        a, b = self._rounded(a, b)
        return self._as_before(self._torch.matmul(a, b))

    def _rounded(self, *arrays: Array) -> tuple[Array, ...]:
        wanted, single = self.factors, self._torch.float32
        if wanted is None or not all(a.dtype == single for a in arrays):
            return arrays
        return tuple(a.to(wanted) for a in arrays)

    def _as_before(self, y: Array) -> Array:
        return y.to(self._torch.float32) if y.dtype == self.factors else y

    def erf(self, x: Array) -> Array:
        return self._torch.special.erf(x)

    def sign(self, x: Array) -> Array:
        return self._torch.sign(x)

    def index_add(self, x: Array, indices: Array, values: Array) -> Array:
        scatter.check_index_add(x, indices, values)
        if x.device.type == "cpu" and indices.numel():
            scatter.refuse_outside(int(indices.min()), int(indices.max()), x.shape[0])
        return self._torch.index_add(x, 0, indices, values)

    def matmul_into(self, out: Array | None, a: Array, b: Array) -> Array:
        if self.factors is None:
            return self._torch.matmul(a, b) if out is None else self._torch.matmul(a, b, out=out)
        product = self._product(a, b)
        return product if out is None else out.copy_(product)

    def product_with_transpose(self, a: Array, b: Array) -> Array:
        return self._product(a, b.T)

    def conv2d(self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int = 1) -> Array:
        if self.factors is None:
            return super().conv2d(x, weight, bias, window, groups)
        x, weight = self._rounded(x, weight)
        y = self._as_before(super().conv2d(x, weight, None, window, groups))
        return y if bias is None else y + bias[:, None, None]

    def conv2d_input(self, g: Array, weight: Array, window: Window, groups: int, size: Pair) -> Array:
        g, weight = self._rounded(g, weight)
        return self._as_before(super().conv2d_input(g, weight, window, groups, size))

    def conv2d_weight_into(
        self, out: Array | None, x: Array, g: Array, window: Window, groups: int = 1
    ) -> Array:
        if self.factors is None:
            return super().conv2d_weight_into(out, x, g, window, groups)
        x, g = self._rounded(x, g)
        dw = self._as_before(super().conv2d_weight_into(None, x, g, window, groups))
        return dw if out is None else out.copy_(dw)

    def column_sums_into(self, out: Array | None, g: Array) -> Array:
        return self._torch.sum(g, dim=0) if out is None else self._torch.sum(g, dim=0, out=out)

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        if self.factors is not None or bias is None or not x.dtype == weight.dtype == bias.dtype:
            y = self._product(x, weight)
            return y if bias is None else y + bias
        return self._torch.addmm(bias, x, weight)

    def relu(self, x: Array) -> Array:
        return self._torch.relu(x)

    def softmax(self, z: Array) -> Array:
        return self._torch.softmax(z, dim=-1)

    def softmax_cross_entropy(self, z: Array, labels: Array) -> tuple[Array, Array]:
        log_p = self._torch.log_softmax(z, dim=1)
        losses = self._torch.gather(log_p, 1, labels.to(self._torch.int64)[:, None])[:, 0]
        return self._torch.neg(losses), self._torch.exp(log_p)

    def softmax_cross_entropy_backward(self, g: Array, p: Array, labels: Array) -> Array:
        dz = p * g[:, None]
        return dz.scatter_add_(1, labels.to(self._torch.int64)[:, None], self._torch.neg(g)[:, None])

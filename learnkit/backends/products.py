"""The precision in which float32 matrices are multiplied: tensor cores, with everything else in float32."""

from __future__ import annotations

from types import TracebackType

from learnkit.backends.base import Backend, get_backend
from learnkit.errors import ArgumentError, did_you_mean

__all__ = ["precision"]

_NAMES = ("float32", "tf32", "bfloat16", "float16")


class precision:  # noqa: N801  (reads as a verb, like use_backend)
    """Multiply float32 matrices in that precision: from now on when called, for a block with ``with``.

    Only the factors of matrix products and convolutions are rounded, on their way into the product; sums,
    activations, normalisation, losses, gradients, the parameters and the optimizer's slots stay in float32.
    So the weights are the master weights. What is float64 is not touched.

    ============  ========  ==========  ===========================================================
    name          digits    range       where
    ============  ========  ==========  ===========================================================
    ``float32``   24 bits   1e38        everywhere; the default
    ``tf32``      11 bits   1e38        CuPy and torch on a GPU from compute capability 8.0 on
    ``bfloat16``  8 bits    1e38        CuPy and torch
    ``float16``   11 bits   6e-8..65504 CuPy and torch; scale the loss, see below
    ============  ========  ==========  ===========================================================

    On CuPy it is the compute type of cuBLAS for float32, so it holds for all products, and what rounds is
    the product itself; **not yet run on a GPU**. On torch the factors are rounded for linear layers and
    convolutions, and other products (``xp.matmul`` in a model of your own) stay in float32.

    In float16 small gradients become 0 and large ones infinite. ``chain(LossScale(), Adam())`` multiplies the
    loss by a factor that it finds for itself, and leaves out a step that was too large.

    It is the process's, for all devices of the library; other threads see it too.

    Args:
        products: a name of the table.
        backend: name of the backend it is meant for, or one; default the one in force.

    Raises:
        ArgumentError: there is no such precision, or the backend has no such products.

    Source: Micikevicius et al. 2018, "Mixed precision training", arXiv:1710.03740.

    >>> import learnkit as lk
    >>> with lk.precision("float32", backend="numpy"):
    ...     pass
    >>> lk.precision("bfloat16", backend="numpy")
    Traceback (most recent call last):
    learnkit.errors.ArgumentError: backend 'numpy' multiplies matrices in float32, and not in 'bfloat16'
      the backends 'cupy' and 'torch' do: lk.precision('bfloat16', backend='torch')
    """

    def __init__(self, products: str, backend: str | Backend | None = None) -> None:
        if products not in _NAMES:
            raise ArgumentError(
                f"precision is {products!r}, expected one of {', '.join(map(repr, _NAMES))}"
                + did_you_mean(products, _NAMES)
            )
        self._backend = get_backend(backend)
        if products not in self._backend.precisions:
            raise ArgumentError(
                f"backend {self._backend.name!r} multiplies matrices in "
                f"{' or '.join(self._backend.precisions)}, and not in {products!r}",
                hint=f"the backends 'cupy' and 'torch' do: lk.precision({products!r}, backend='torch')"
                if products != "tf32"
                else "a GPU does: lk.precision('tf32', backend='cupy')",
            )
        self._before = self._backend.products
        self._backend.multiply_in(products)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backend.multiply_in(self._before)

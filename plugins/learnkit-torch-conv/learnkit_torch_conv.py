"""Convolutions of learnkit's NumPy backend computed by PyTorch: the kernels named ``"torch_conv"``.

Arrays change hands by DLPack: both libraries look at the same memory, and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from learnkit.checks import at_least

__all__ = ["TorchConv"]


@dataclass(frozen=True)
class TorchConv:
    """The three maps of a convolution, by PyTorch's CPU library (oneDNN).

    They serve float32 and float64, with all arrays of one dtype; anything else is left to NumPy. So are
    convolutions of so few numbers that handing them over would take longer than computing them, and those
    with few numbers under the window, such as the first layer on grey images, at which NumPy is faster.

    Args:
        threads: of PyTorch, for all that this process does with it; ``None`` leaves them as they are.
        least: products of numbers from which on PyTorch is asked; default 200,000.
        least_window: numbers under the window from which on it is; default 33.

    Raises:
        ArgumentError: threads is no integer >= 1, or least or least_window none >= 0.

    >>> import learnkit as lk
    >>> with lk.use_kernels(TorchConv(least=0, least_window=0)):
    ...     layer = lk.nn.Conv2d(1, 2, 3)
    ...     _ = lk.nn.initialize(layer)
    ...     layer(np.ones((5, 1, 8, 8), dtype="float32")).shape
    (5, 2, 6, 6)
    """

    backend: ClassVar[str] = "numpy"

    threads: int | None = None
    least: int = 200_000
    least_window: int = 33

    def __post_init__(self) -> None:
        at_least("TorchConv", "least", self.least, 0)
        at_least("TorchConv", "least_window", self.least_window, 0)
        if self.threads is not None:
            at_least("TorchConv", "threads", self.threads, 1)
            import torch

            torch.set_num_threads(self.threads)

    def conv2d(self, x: Any, weight: Any, bias: Any, window: Any, groups: int = 1) -> Any:
        """The convolution of x (n, c, h, w) with weight (kh, kw, c / groups, o)."""
        rows, across = window.outputs(x.shape[2:])
        under = weight.size // weight.shape[3]
        if not self._serves(under, x.shape[0] * rows * across * weight.size, x, weight, bias):
            return NotImplemented
        import torch

        images, padding = _padded(_tensor(x), window)
        filters = _tensor(weight).permute(3, 2, 0, 1)
        offset = None if bias is None else _tensor(bias)
        with torch.inference_mode():
            y = torch.conv2d(images, filters, offset, window.stride, padding, window.dilation, groups)
        return _array(y)

    def conv2d_input(self, g: Any, weight: Any, window: Any, groups: int, size: Any) -> Any:
        """Its transpose as a function of x: the gradient."""
        under = weight.size // weight.shape[3]
        if not self._serves(under, g.shape[0] * g.shape[2] * g.shape[3] * weight.size, g, weight):
            return NotImplemented
        ((above, below), (left, right)), (h, w) = window.padding, size
        filters = _tensor(weight).permute(3, 2, 0, 1)
        gradient = _tensor(g)
        # Of the images only the shape counts: one number stands for all of them.
        images = gradient.new_empty(1).expand(g.shape[0], weight.shape[2] * groups, h, w)
        padding, crop = (above, left), above != below or left != right
        if crop:
            images = images[:, :, :1, :1].expand(-1, -1, above + h + below, left + w + right)
            padding = (0, 0)
        dx = _backward(gradient, images, filters, window, padding, groups, (True, False, False))[0]
        return _array(dx[:, :, above : above + h, left : left + w] if crop else dx)

    def conv2d_weight_into(self, out: Any, x: Any, g: Any, window: Any, groups: int = 1) -> Any:
        """Its transpose as a function of the weight: the gradient, in ``out`` if given."""
        (kh, kw), c, o = window.kernel, x.shape[1] // groups, g.shape[1]
        if not self._serves(kh * kw * c, g.size * kh * kw * c, x, g):
            return NotImplemented
        images, padding = _padded(_tensor(x), window)
        filters = images.new_empty(1).expand(o, c, kh, kw)
        dw = _backward(_tensor(g), images, filters, window, padding, groups, (False, True, False))[1]
        gradient = _array(dw.permute(2, 3, 1, 0))
        if out is None:
            return gradient
        out[...] = gradient
        return out

    def _serves(self, under: int, products: int, *arrays: Any) -> bool:
        given = [a for a in arrays if a is not None]
        dtype = given[0].dtype
        return (
            products >= max(self.least, 1)
            and under >= self.least_window
            and dtype in (np.float32, np.float64)
            and all(type(a) is np.ndarray and a.dtype == dtype and a.size for a in given)
        )


def _tensor(a: Any) -> Any:
    """The array as a tensor over the same memory; one that runs backwards is copied, tensors cannot."""
    import torch

    if min(a.strides) < 0 or any(s % a.itemsize for s in a.strides):
        a = np.ascontiguousarray(a)
    return torch.from_dlpack(a)


def _array(t: Any) -> Any:
    """The tensor as an array over the same memory, in row-major order."""
    return np.from_dlpack(t.contiguous())


def _padded(images: Any, window: Any) -> tuple[Any, Any]:
    """Images with what padding PyTorch does not do itself, and what is left for it to do."""
    import torch

    (above, below), (left, right) = window.padding
    if above == below and left == right:
        return images, (above, left)
    return torch.nn.functional.pad(images, (left, right, above, below)), (0, 0)


def _backward(
    g: Any, images: Any, filters: Any, window: Any, padding: Any, groups: int, wanted: tuple[bool, bool, bool]
) -> Any:
    import torch

    with torch.inference_mode():
        return torch.ops.aten.convolution_backward(
            g, images, filters, None, window.stride, padding, window.dilation, False, (0, 0), groups, wanted
        )


def learnkit_register_kernels(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Called by learnkit, which knows this module by its entry point."""
    register("torch_conv", TorchConv)

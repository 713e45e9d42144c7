"""Convolution and pooling by torch's own functions: oneDNN on the CPU, cuDNN on CUDA."""

from __future__ import annotations

from typing import Any

from learnkit.backends.base import Array
from learnkit.backends.windows import Pair, Window, WindowKernels

__all__ = ["TorchWindowKernels"]


class TorchWindowKernels(WindowKernels):
    """torch's own ways for windows; mixed dtypes and what its functions do not know take the generic way."""

    _torch: Any

    def conv2d(self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int = 1) -> Array:
        if not self._fits(x, weight, bias):
            return super().conv2d(x, weight, bias, window, groups)
        images, padding = self._padded(x, window)
        filters = weight.permute(3, 2, 0, 1)
        return self._torch.conv2d(images, filters, bias, window.stride, padding, window.dilation, groups)

    def conv2d_input(self, g: Array, weight: Array, window: Window, groups: int, size: Pair) -> Array:
        if not self._fits(g, weight):
            return super().conv2d_input(g, weight, window, groups, size)
        ((above, below), (left, right)), (h, w) = window.padding, size
        aside = above != below or left != right
        shape = (above + h + below, left + w + right) if aside else size
        # Of the images only the shape counts: one number stands for all of them.
        images = g.new_empty(1).expand(g.shape[0], weight.shape[2] * groups, *shape)
        padding = (0, 0) if aside else (above, left)
        dx = self._backward(g, images, weight.permute(3, 2, 0, 1), window, padding, groups, 0)
        return dx[:, :, above : above + h, left : left + w] if aside else dx

    def conv2d_weight_into(
        self, out: Array | None, x: Array, g: Array, window: Window, groups: int = 1
    ) -> Array:
        if not self._fits(x, g):
            return super().conv2d_weight_into(out, x, g, window, groups)
        images, padding = self._padded(x, window)
        filters = g.new_empty(1).expand(g.shape[1], x.shape[1] // groups, *window.kernel)
        dw = self._backward(g, images, filters, window, padding, groups, 1).permute(2, 3, 1, 0)
        if out is None:
            return dw.contiguous()
        out[...] = dw
        return out

    def _fits(self, x: Array, *others: Array | None) -> bool:
        return (
            bool(x.dtype.is_floating_point)
            and x.numel() > 0
            and all(a is None or (a.dtype == x.dtype and a.numel() > 0) for a in others)
        )

    def _padded(self, x: Array, window: Window) -> tuple[Array, Pair]:
        """Images with what padding torch does not do itself, and what is left for it to do."""
        (above, below), (left, right) = window.padding
        if above == below and left == right:
            return x, (above, left)
        return self._torch.nn.functional.pad(x, (left, right, above, below)), (0, 0)

    def _backward(
        self, g: Array, images: Array, filters: Array, window: Window, padding: Pair, groups: int, which: int
    ) -> Array:
        wanted = [which == 0, which == 1, False]
        options = (window.stride, padding, window.dilation, False, (0, 0), groups, wanted)
        return self._torch.ops.aten.convolution_backward(g, images, filters, None, *options)[which]

    # Pooling

    def max_pool2d(self, x: Array, window: Window) -> Array:
        options = self._options(x, window)
        if options is None:
            return super().max_pool2d(x, window)
        return self._torch.nn.functional.max_pool2d(x, *options)

    def max_pool2d_backward(self, g: Array, x: Array, y: Array, window: Window) -> Array:
        options = self._options(x, window)
        if options is None or g.dtype != x.dtype:
            return super().max_pool2d_backward(g, x, y, window)
        aten = self._torch.ops.aten
        # Where the largest are is found once more: kept, it would take twice the memory of y or more.
        places = aten.max_pool2d_with_indices(x, *options, False)[1]
        return aten.max_pool2d_with_indices_backward(g, x, *options, False, places)

    def _options(self, x: Array, window: Window) -> tuple[Any, ...] | None:
        """Kernel, stride, padding and dilation, if torch has such a window."""
        (above, below), (left, right) = window.padding
        known = (
            above == below
            and left == right
            and 2 * above <= window.kernel[0]
            and 2 * left <= window.kernel[1]
        )
        if not known or not self._fits(x):
            return None
        return list(window.kernel), list(window.stride), [above, left], list(window.dilation)

"""Convolutional layers."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from learnkit.autodiff.rules import convolution as rules
from learnkit.backends.base import array_namespace
from learnkit.backends.windows import Window
from learnkit.checks import at_least, check_flag, one_of
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn.constraints import Constraint, constraint_of
from learnkit.nn.init import HeUniform, Initializer, Uniform
from learnkit.nn.leaves import UNKNOWN, Parameter, finding_sizes
from learnkit.nn.module import Module
from learnkit.nn.windows import (
    PADDING_MODES,
    Sizes,
    as_images,
    channels_of,
    extended,
    from_images,
    positions,
    sizes,
    window_of,
)
from learnkit.plugins import registry

__all__ = ["Conv1d", "Conv2d", "ConvTranspose2d"]

#: PyTorch's start of a kernel: uniform in +-1/sqrt(fan_in).
_TORCH = HeUniform(a=math.sqrt(5.0))


class _Convolution(Module):
    """The leaves and options that all convolutions share."""

    _axes: ClassVar[int]
    #: Whether the channels of x are those that the kernel's last axis counts, and not the one before it.
    _turned: ClassVar[bool] = False

    def _describe(
        self,
        in_channels: int | None,
        out_channels: int,
        kernel_size: Sizes,
        groups: int,
        bias: bool,
        weight_init: Initializer | str,
        bias_init: Initializer | str | None,
        weight_constraint: Constraint | str | None,
    ) -> None:
        owner = type(self).__name__
        if in_channels is not None:
            at_least(owner, "in_channels", in_channels, 1)
        at_least(owner, "out_channels", out_channels, 1)
        at_least(owner, "groups", groups, 1)
        check_flag(owner, "bias", bias)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.groups = groups
        self.kernel_size = sizes(owner, "kernel_size", kernel_size, self._axes, 1)
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            self._check_groups(name, channels)
        self._bias_init = None if bias_init is None else registry.create("initializer", bias_init)
        shape = (*self.kernel_size, *self._channels(in_channels))
        initial = registry.create("initializer", weight_init)
        self.weight = Parameter(shape, initial, constraint_of(weight_constraint))
        self.bias = Parameter((out_channels,), self._start_of_bias(shape)) if bias else None

    def _check_groups(self, name: str, channels: int | None) -> None:
        if channels is not None and channels % self.groups:
            raise ArgumentError(
                f"{type(self).__name__}: groups is {self.groups}, expected a divisor of {name}, {channels}"
            )

    def _channels(self, in_channels: int | None) -> tuple[Any, Any]:
        """The last two axes of the weight."""
        if self._turned:
            return self.out_channels // self.groups, UNKNOWN if in_channels is None else in_channels
        return UNKNOWN if in_channels is None else in_channels // self.groups, self.out_channels

    def _start_of_bias(self, shape: tuple[Any, ...]) -> Initializer:
        if self._bias_init is not None:
            return self._bias_init  # type: ignore[no-any-return]
        if UNKNOWN in shape[:-1]:
            return Uniform()  # until the first batch tells the fan
        bound = 1.0 / math.sqrt(math.prod(shape[:-1]))
        return Uniform(-bound, bound)

    def _see(self, x: Any) -> None:
        """Check the shape of the input, and take the number of channels from it if it is not known."""
        channels = channels_of(type(self).__name__, x, self._axes, self.in_channels)
        if self.in_channels is None and finding_sizes():
            self._check_groups("in_channels", channels)
            self._settle("weight", (*self.kernel_size, *self._channels(channels)))

    def _settle(self, name: str, shape: tuple[int, ...]) -> None:
        super()._settle(name, shape)
        if name == "weight":
            self.in_channels = shape[-1] if self._turned else shape[-2] * self.groups
            if "bias" in self._leaves:
                self._leaves["bias"].init = self._start_of_bias(shape)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments; ``in_channels`` as a number as soon as it is known."""
        return {**super().config(), "in_channels": self.in_channels}


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        weight_init: Initializer | str = _TORCH,
        bias_init: Initializer | str | None = None,
        weight_constraint: Constraint | str | None = None,
    ) -> None:
        self._describe(
            in_channels,
            out_channels,
            kernel_size,
            groups,
            bias,
            weight_init,
            bias_init,
            weight_constraint,
        )
        owner, axes = type(self).__name__, self._axes
        one_of(owner, "padding_mode", padding_mode, ("zeros", *PADDING_MODES))
        self.padding_mode = padding_mode
        self.stride = sizes(owner, "stride", stride, axes, 1)
        self.dilation = sizes(owner, "dilation", dilation, axes, 1)
        self.padding = padding if isinstance(padding, str) else sizes(owner, "padding", padding, axes, 0)
        window = window_of(self.kernel_size, self.stride, self._around(), self.dilation)
        self._extended = ((0, 0), (0, 0)) if padding_mode == "zeros" else window.padding
        self._window = window if padding_mode == "zeros" else window._replace(padding=((0, 0), (0, 0)))

    def _around(self) -> Any:
        owner = type(self).__name__
        if not isinstance(self.padding, str):
            return self.padding
        if self.padding == "valid":
            return (0,) * self._axes
        if self.padding != "same":
            raise ArgumentError(
                f"{owner}: padding is {self.padding!r}, expected an integer >= 0, 'same' or 'valid'"
            )
        if any(s != 1 for s in self.stride):
            raise ArgumentError(
                f"{owner}: padding is 'same' with stride {self.stride}, expected stride 1",
                hint="a step of 2 halves the size; give the padding as a number",
            )
        total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        return [(n // 2, n - n // 2) for n in total]

    def __call__(self, x: Any) -> Any:
        owner = type(self).__name__
        self._see(x)
        images = as_images(x)
        if self.padding_mode != "zeros":
            images = extended(owner, images, self._extended, self.padding_mode)
        positions(owner, self._window, x, images)
        weight = self.weight
        if self._axes == 1:
            weight = array_namespace(weight).reshape(weight, (1, *weight.shape))
        arguments = (weight,) if self.bias is None else (weight, self.bias)
        y = rules.conv2d(images, *arguments, window=self._window, groups=self.groups)
        return from_images(y, self._axes)


class Conv1d(_Conv):
    """Convolution of sequences: ``y[n, o, r] = b[o] + sum_(i,c) w[i, c, o] x[n, c, r s + i d - p]``.

    x: (batch, in_channels, length) -> y: (batch, out_channels, (length + 2 p - d (k - 1) - 1) // s + 1).
    As everywhere in deep learning the kernel is not turned round.

    Args:
        in_channels: channels of x, or ``None`` to take them from the first batch, as for
            :class:`~learnkit.nn.Linear`.
        out_channels: an integer >= 1.
        kernel_size: k, an integer >= 1.
        stride: s, positions from one window to the next; an integer >= 1.
        padding: p zeros at both ends; an integer >= 0, ``"valid"``, which is 0, or ``"same"``, with which y
            is as long as x (then the stride is 1; of an odd number of zeros one more is behind).
        dilation: d, from one pixel of the window to the next; an integer >= 1.
        groups: a divisor of both numbers of channels: channels are convolved with those of their group.
        bias: whether there is a b, shape (out_channels,).
        padding_mode: what stands in the padding instead of ``"zeros"``: the sequence turned back at its ends
            (``"reflect"``), its ends (``"replicate"``), or the sequence again (``"circular"``).
        weight_init: initializer of w, shape (k, in_channels / groups, out_channels), an object or a name
            with options. Default PyTorch's, uniform in +-1/sqrt(k in_channels / groups); ``"he_normal"``
            suits relu. (PyTorch's w has its axes in the opposite order.)
        bias_init: of b; default PyTorch's, uniform within the same bounds.
        weight_constraint: of w after each update; default none.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) x has another shape, or is smaller than the window.

    >>> Conv1d(2, 4, 3, padding="same")
    Conv1d(in_channels=2, out_channels=4, kernel_size=3, padding='same')
    """

    _axes = 1


class Conv2d(_Conv):
    """Convolution of images, each output a weighted sum of the pixels under a window::

        y[n, o, r, q] = b[o] + sum over i, j, c of w[i, j, c, o] x[n, c, r s + i d - p, q s + j d - p]

    x: (batch, in_channels, height, width), channels in axis 1 as in PyTorch -> y: (batch, out_channels, ...)
    with ``(n + 2 p - d (k - 1) - 1) // s + 1`` positions along an axis of length n.
    As everywhere in deep learning the kernel is not turned round.

    Args:
        in_channels: channels of x, or ``None`` to take them from the first batch, as for
            :class:`~learnkit.nn.Linear`.
        out_channels: an integer >= 1.
        kernel_size: k, an integer >= 1, or one each for height and width; so are the next three.
        stride: s, pixels from one window to the next; >= 1.
        padding: p zeros on all sides; >= 0, or ``"valid"``, which is 0, or ``"same"``, with which y has the
            size of x (then the stride is 1; of an odd number of zeros one more is behind).
        dilation: d, from one pixel of the window to the next; >= 1.
        groups: a divisor of both numbers of channels: channels are convolved with those of their group.
            As many as channels is a depthwise convolution.
        bias: whether there is a b, shape (out_channels,).
        padding_mode: what stands in the padding instead of ``"zeros"``: the image turned back at its edges
            (``"reflect"``), the pixels at its edges (``"replicate"``), or the image again (``"circular"``).
        weight_init: initializer of w, shape (k, k, in_channels / groups, out_channels), an object or a name
            with options. Default PyTorch's, uniform in +-1/sqrt(k^2 in_channels / groups); ``"he_normal"``
            suits relu. (PyTorch's w is (out, in / groups, k, k).)
        bias_init: of b; default PyTorch's, uniform within the same bounds.
        weight_constraint: of w after each update; default none.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) x has another shape, or is smaller than the window.

    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition".

    >>> import numpy as np
    >>> from learnkit.nn import initialize
    >>> layer = Conv2d(1, 16, 3, stride=2, padding=1)
    >>> _ = initialize(layer, backend="numpy")
    >>> layer(np.zeros((5, 1, 8, 8), dtype="float32")).shape
    (5, 16, 4, 4)
    """

    _axes = 2


class ConvTranspose2d(_Convolution):
    """Transposed convolution of images: each pixel of x adds a kernel, times itself, to y.

    It is the gradient of :class:`Conv2d` with respect to its input, as a layer: from small images to large.
    x: (batch, in_channels, height, width) -> y: (batch, out_channels, ...) with
    ``(n - 1) s - 2 p + d (k - 1) + output_padding + 1`` pixels along an axis of length n.

    Args:
        in_channels: channels of x, or ``None`` to take them from the first batch.
        out_channels: an integer >= 1.
        kernel_size: k, an integer >= 1, or one each for height and width; so are stride s >= 1, padding
            p >= 0 and dilation d >= 1.
        padding: how many rows and columns are cut from each side of y.
        output_padding: further rows and columns at the end; >= 0 and smaller than the stride. (A convolution
            with a stride gives the same size for several; this says which.)
        groups: a divisor of both numbers of channels.
        bias: whether there is a b, shape (out_channels,).
        weight_init: initializer of w, shape (k, k, out_channels / groups, in_channels), that of the
            convolution from y to x. Default PyTorch's, uniform in +-1/sqrt(k^2 out_channels / groups).
        bias_init: of b; default PyTorch's, uniform within the same bounds.
        weight_constraint: of w after each update; default none.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) x has another shape, or nothing is left of y.

    Source: Zeiler et al. 2010, "Deconvolutional networks", in PyTorch's form.

    >>> import numpy as np
    >>> from learnkit.nn import initialize
    >>> layer = ConvTranspose2d(4, 2, 2, stride=2)
    >>> _ = initialize(layer, backend="numpy")
    >>> layer(np.zeros((5, 4, 8, 8), dtype="float32")).shape
    (5, 2, 16, 16)
    """

    _axes = 2
    _turned = True

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        *,
        weight_init: Initializer | str = _TORCH,
        bias_init: Initializer | str | None = None,
        weight_constraint: Constraint | str | None = None,
    ) -> None:
        self._describe(
            in_channels,
            out_channels,
            kernel_size,
            groups,
            bias,
            weight_init,
            bias_init,
            weight_constraint,
        )
        owner = type(self).__name__
        self.stride = sizes(owner, "stride", stride, 2, 1)
        self.padding = sizes(owner, "padding", padding, 2, 0)
        self.output_padding = sizes(owner, "output_padding", output_padding, 2, 0)
        self.dilation = sizes(owner, "dilation", dilation, 2, 1)
        if any(o >= s for o, s in zip(self.output_padding, self.stride, strict=True)):
            raise ArgumentError(
                f"{owner}: output_padding is {output_padding!r}, expected less than stride, {stride!r}"
            )
        self._window: Window = window_of(self.kernel_size, self.stride, self.padding, self.dilation)

    def __call__(self, x: Any) -> Any:
        self._see(x)
        h, w = (
            (n - 1) * s - 2 * p + reach + more
            for n, s, p, reach, more in zip(
                x.shape[2:], self.stride, self.padding, self._window.reach, self.output_padding, strict=True
            )
        )
        if h < 1 or w < 1:
            raise ShapeError(
                f"{type(self).__name__} got x of shape {tuple(x.shape)}, of which its padding leaves nothing"
            )
        y = rules.conv2d_input(x, self.weight, window=self._window, groups=self.groups, size=(h, w))
        bias = self.bias
        if bias is None:
            return y
        xp = array_namespace(y, bias)
        return xp.add(y, xp.reshape(bias, (self.out_channels, 1, 1)))

"""What layers with a window share: their options, and the shapes that they take."""

from __future__ import annotations

from typing import Any

import array_api_compat

from learnkit.autodiff.variable import plain_value
from learnkit.backends.base import Array, array_namespace
from learnkit.backends.windows import Window
from learnkit.errors import ArgumentError, ShapeError

__all__ = [
    "PADDING_MODES",
    "Sizes",
    "as_images",
    "channels_of",
    "extended",
    "from_images",
    "pair",
    "positions",
    "sizes",
    "window_of",
]

#: One number for all axes, or one for each.
Sizes = int | tuple[int, ...]

_SHAPES = {1: "(batch, channels, length)", 2: "(batch, channels, height, width)"}


def sizes(owner: str, name: str, value: Any, axes: int, least: int) -> tuple[int, ...]:
    """One integer for each of the axes, of one for all or a tuple.

    Raises:
        ArgumentError: they are not integers >= ``least``, or not as many.
    """
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    if len(given) != axes or not all(type(n) is int and n >= least for n in given):
        several = f", or {axes} of them" if axes > 1 else ""
        raise ArgumentError(f"{owner}: {name} is {value!r}, expected an integer >= {least}{several}")
    return given


def pair(values: tuple[int, ...], first: int) -> tuple[int, int]:
    """Numbers for height and width: a sequence is an image of height 1, for which ``first`` stands."""
    return (first, values[0]) if len(values) == 1 else (values[0], values[1])


def window_of(
    kernel: tuple[int, ...], stride: tuple[int, ...], padding: Any, dilation: tuple[int, ...]
) -> Window:
    """The window over images; ``padding`` holds a number for each axis, or one before and one behind."""
    around = [p if isinstance(p, tuple) else (p, p) for p in padding]
    if len(kernel) == 1:
        around.insert(0, (0, 0))
    return Window(pair(kernel, 1), pair(stride, 1), (around[0], around[1]), pair(dilation, 1))


def channels_of(owner: str, x: Array, axes: int, channels: int | None = None) -> int:
    """The number of channels of ``x``, in axis 1.

    Raises:
        ShapeError: ``x`` has another number of axes, or of channels.
    """
    shape: tuple[int, ...] = tuple(x.shape)
    if len(shape) != axes + 2 or (channels is not None and shape[1] != channels):
        wanted = "" if channels is None else f" with {channels} channels in axis 1"
        hint = None
        if len(shape) == axes + 1:
            hint = (
                "one example is a batch of 1; images without an axis of channels need one: Reshape((1, ...))"
            )
        raise ShapeError(f"{owner} got x of shape {shape}, expected {_SHAPES[axes]}{wanted}", hint=hint)
    return shape[1]


def positions(owner: str, window: Window, x: Array, images: Array = None) -> tuple[int, int]:
    """How many positions the window has on images of the size of ``x``, down and across.

    ``images`` is what was made of ``x``, if it has another size.

    Raises:
        ShapeError: there is none, the window is larger than the padded image.
    """
    size = pair(tuple(x.shape[2:]), 1) if images is None else tuple(images.shape[2:])
    down, across = window.outputs((size[0], size[1]))
    if down < 1 or across < 1:
        reach = " x ".join(map(str, window.reach[4 - len(x.shape) :]))
        raise ShapeError(
            f"{owner} got x of shape {tuple(x.shape)}, which is smaller, with its padding, than the window "
            f"of {reach}"
        )
    return down, across


#: How a pixel beyond the image is one on it; each has one more or less to ask of the size.
PADDING_MODES = ("reflect", "replicate", "circular")


def extended(owner: str, x: Array, padding: tuple[tuple[int, int], tuple[int, int]], mode: str) -> Array:
    """Images with pixels of their own around them.

    Raises:
        ShapeError: an image has not enough of them.
    """
    for axis, (before, behind) in zip((2, 3), padding, strict=True):
        if not before and not behind:
            continue
        n, most = x.shape[axis], max(before, behind)
        if n < {"reflect": most + 1, "replicate": 1, "circular": most}[mode]:
            raise ShapeError(
                f"{owner} got x of shape {tuple(x.shape)}, which has too few pixels for a padding of {most} "
                f"with padding_mode {mode!r}"
            )
        x = array_namespace(x).take(x, _places(x, n, before, behind, mode), axis=axis)
    return x


def _places(x: Array, n: int, before: int, behind: int, mode: str) -> Array:
    """For -before to n + behind - 1 the pixel that stands there."""
    plain = plain_value(x)
    xp = array_namespace(plain)
    i = xp.arange(-before, n + behind, dtype=xp.int64, device=array_api_compat.device(plain))
    if mode == "circular":
        return xp.remainder(i, n)
    last = xp.full_like(i, n - 1)
    if mode == "reflect":
        return xp.subtract(last, xp.abs(xp.subtract(last, xp.abs(i))))
    return xp.minimum(xp.maximum(i, xp.zeros_like(i)), last)


def as_images(x: Array) -> Array:
    """(batch, channels, length) as images of height 1; images as they are."""
    if len(x.shape) == 4:
        return x
    return array_namespace(x).reshape(x, (x.shape[0], x.shape[1], 1, x.shape[2]))


def from_images(y: Array, axes: int) -> Array:
    """The inverse of :func:`as_images`."""
    if axes == 2:
        return y
    return array_namespace(y).reshape(y, (y.shape[0], y.shape[1], y.shape[3]))

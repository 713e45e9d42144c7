"""Augmentations of images: mirrored, and moved by a few pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import array_api_compat

from learnkit.augment.base import Augmentation, uniform
from learnkit.backends.base import Array, array_namespace
from learnkit.backends.random import stream_id
from learnkit.checks import at_least
from learnkit.errors import ArgumentError, ShapeError

__all__ = ["RandomFlip", "RandomShift"]

_FLIP, _SHIFT = stream_id("augment.flip"), stream_id("augment.shift")


@dataclass(frozen=True)
class RandomFlip(Augmentation):
    """Mirrors each image with probability ``p``: ``y[i, j] = x[i, w - 1 - j]``.

    Args:
        p: probability for an image, in [0, 1]; default 0.5.
        direction: ``"horizontal"`` (default) swaps left and right, ``"vertical"`` top and bottom.
        shape: ``(h, w)`` or ``(channels, h, w)`` of the images in rows (n, h w) that were flattened; ``None``
            for images as they are, (n, ..., h, w).

    Use it where the mirror image means the same: for photographs, and not for digits.

    >>> import numpy as np
    >>> RandomFlip(p=1.0)(np.asarray([[[1.0, 2.0, 3.0]]]), seed=0, step=0).tolist()
    [[[3.0, 2.0, 1.0]]]
    """

    p: float = 0.5
    direction: Literal["horizontal", "vertical"] = "horizontal"
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if type(self.p) not in (int, float) or not 0 <= self.p <= 1:
            raise ArgumentError(f"RandomFlip: p is {self.p!r}, expected a probability in [0, 1]")
        if self.direction not in ("horizontal", "vertical"):
            raise ArgumentError(
                f"RandomFlip: direction is {self.direction!r}, expected 'horizontal' or 'vertical'"
            )
        _check_shape("RandomFlip", self.shape)

    def __call__(self, x: Array, *, seed: int, step: int) -> Array:
        xp = array_namespace(x)
        images = _as_images("RandomFlip", x, self.shape)
        drawn = uniform(x, (images.shape[0], 1, 1, 1), seed=seed, stream=_FLIP, step=step)
        flipped = xp.flip(images, axis=3 if self.direction == "horizontal" else 2)
        limit = xp.full_like(drawn, float(self.p))
        return xp.reshape(xp.where(xp.less(drawn, limit), flipped, images), tuple(x.shape))


@dataclass(frozen=True)
class RandomShift(Augmentation):
    """Moves each image by whole pixels, up to ``pixels`` each way along both axes.

    ``y[i, j] = x[i + a, j + b]`` with ``a, b`` uniform in ``-pixels ... pixels``; beyond the border stands
    ``fill``.

    Args:
        pixels: >= 0; default 1.
        fill: ``"edge"`` (default) repeats the border; a number is put there instead.
        shape: as for :class:`RandomFlip`.

    >>> import numpy as np
    >>> x = np.asarray([[[1.0, 2.0], [3.0, 4.0]]])
    >>> RandomShift(1, fill=0.0)(x, seed=0, step=2).tolist()
    [[[0.0, 0.0], [0.0, 1.0]]]
    """

    pixels: int = 1
    fill: float | Literal["edge"] = "edge"
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        at_least("RandomShift", "pixels", self.pixels, 0)
        number = type(self.fill) in (int, float) and math.isfinite(self.fill)  # type: ignore[arg-type]
        if self.fill != "edge" and not number:
            raise ArgumentError(f"RandomShift: fill is {self.fill!r}, expected a number or 'edge'")
        _check_shape("RandomShift", self.shape)

    def __call__(self, x: Array, *, seed: int, step: int) -> Array:
        xp = array_namespace(x)
        images = _as_images("RandomShift", x, self.shape)
        n, c, h, w = images.shape
        device = array_api_compat.device(x)
        drawn = uniform(x, (2, n, 1, 1, 1), seed=seed, stream=_SHIFT, step=step)
        # floor(u (2 k + 1)) is below 2 k + 1 in float32 too: u is at most 1 - 2**-24.
        moves = xp.floor(xp.multiply(drawn, float(2 * self.pixels + 1)))
        moves = xp.subtract(xp.astype(moves, xp.int64), self.pixels)

        def grid(size: int, shape: tuple[int, ...]) -> Array:
            return xp.reshape(xp.arange(size, dtype=xp.int64, device=device), shape)

        row, row_inside = _moved(xp, grid(h, (1, 1, h, 1)), moves[0, ...], h)
        column, column_inside = _moved(xp, grid(w, (1, 1, 1, w)), moves[1, ...], w)
        plane = xp.add(xp.multiply(grid(n, (n, 1, 1, 1)), c), grid(c, (1, c, 1, 1)))
        index = xp.add(xp.multiply(xp.add(xp.multiply(plane, h), row), w), column)
        taken = xp.take(xp.reshape(images, (-1,)), xp.reshape(index, (-1,)), axis=0)
        moved = xp.reshape(taken, (n, c, h, w))
        if self.fill != "edge":
            inside = xp.logical_and(row_inside, column_inside)
            moved = xp.where(inside, moved, xp.full_like(moved, float(self.fill)))
        return xp.reshape(moved, tuple(x.shape))


def _moved(xp: Any, place: Array, move: Array, size: int) -> tuple[Array, Array]:
    """Where each pixel comes from along an axis, within the image, and whether it was within of itself."""
    source = xp.add(place, move)
    last = xp.full_like(source, max(size - 1, 0))
    inside = xp.logical_and(xp.greater_equal(source, 0), xp.less_equal(source, last))
    return xp.minimum(xp.maximum(source, xp.zeros_like(source)), last), inside


def _check_shape(owner: str, shape: Any) -> None:
    if shape is None:
        return
    fits = isinstance(shape, tuple) and len(shape) in (2, 3) and all(type(n) is int and n > 0 for n in shape)
    if not fits:
        raise ArgumentError(f"{owner}: shape is {shape!r}, expected (h, w) or (channels, h, w)")


def _as_images(owner: str, x: Array, shape: tuple[int, ...] | None) -> Array:
    """``x`` as (n, channels, h, w)."""
    xp = array_namespace(x)
    size = tuple(x.shape)
    if shape is not None:
        if len(size) != 2 or size[1] != math.prod(shape):
            raise ShapeError(
                f"{owner}: x has shape {size}, expected (n, {math.prod(shape)}) for images of shape {shape}"
            )
    elif len(size) < 3:
        raise ShapeError(
            f"{owner}: x has shape {size}, expected images (n, h, w) or (n, channels, h, w)",
            hint="for flattened images give their shape, such as shape=(28, 28)",
        )
    else:
        shape = size[1:]
    return xp.reshape(x, (size[0], math.prod(shape[:-2]), *shape[-2:]))

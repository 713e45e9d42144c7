"""Modules that change only the shape."""

from __future__ import annotations

from typing import Any

from learnkit.backends.base import array_namespace, size_of
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn.module import Module

__all__ = ["Flatten", "Permute", "Reshape"]


class Flatten(Module):
    """One axis of several: (batch, a, b, ...) -> (batch, a * b * ...), in row-major order.

    Args:
        start_dim, end_dim: the first and the last axis that become one; default all but the first, the
            batch.

    Raises:
        ArgumentError: an axis is no integer.
        ShapeError: (when called) x has no batch axis, or not the axes asked for.

    >>> import numpy as np
    >>> Flatten()(np.zeros((5, 2, 3))).shape
    (5, 6)
    >>> Flatten(start_dim=2)(np.zeros((5, 2, 3, 4))).shape
    (5, 2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        for name, value in (("start_dim", start_dim), ("end_dim", end_dim)):
            if type(value) is not int:
                raise ArgumentError(f"Flatten: {name} is {value!r}, expected an integer")
        self.start_dim = start_dim
        self.end_dim = end_dim

    def __call__(self, x: Any) -> Any:
        shape = tuple(x.shape)
        ndim = len(shape)
        if not shape:
            raise ShapeError("Flatten got an array without axes, expected (batch, ...)")
        if ndim == 1 and (self.start_dim, self.end_dim) == (1, -1):
            return array_namespace(x).reshape(x, (shape[0], 1))
        first, last = (a + ndim if a < 0 else a for a in (self.start_dim, self.end_dim))
        if not 0 <= first <= last < ndim:
            raise ShapeError(
                f"Flatten from axis {self.start_dim} to {self.end_dim} got x of shape {shape}, "
                "which has not these axes in this order"
            )
        if first == last:
            return x
        size = size_of(shape[first : last + 1])
        return array_namespace(x).reshape(x, (*shape[:first], size, *shape[last + 1 :]))


class Reshape(Module):
    """Each example in another shape: (batch, ...) -> (batch, *shape), in row-major order.

    Args:
        shape: of an example, without the batch; an integer or a tuple of them. One may be -1: what is left.

    Raises:
        ArgumentError: a length is below 1 and not -1, or more than one is -1.
        ShapeError: (when called) an example of x has another number of elements.

    >>> import numpy as np
    >>> Reshape((1, 8, -1))(np.zeros((5, 64))).shape
    (5, 1, 8, 8)
    """

    def __init__(self, shape: int | tuple[int, ...]) -> None:
        lengths = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
        if not all(type(n) is int and (n >= 1 or n == -1) for n in lengths) or lengths.count(-1) > 1:
            raise ArgumentError(
                f"Reshape: shape is {shape!r}, expected integers >= 1, of which one may be -1",
                hint="the batch axis stays and is not given",
            )
        self.shape = lengths

    def __call__(self, x: Any) -> Any:
        given = tuple(x.shape)
        if not given:
            raise ShapeError("Reshape got an array without axes, expected (batch, ...)")
        size = size_of(given[1:])
        known = size_of(tuple(n for n in self.shape if n != -1))
        if size % known if -1 in self.shape else size != known:
            raise ShapeError(
                f"Reshape got x of shape {given}: {size} elements an example do not make {self.shape}"
            )
        lengths = tuple(size // known if n == -1 else n for n in self.shape)
        return array_namespace(x).reshape(x, (given[0], *lengths))


class Permute(Module):
    """Axes in another order: axis i of the result is axis ``axes[i]`` of x.

    Args:
        axes: each axis of x once, the batch, 0, among them: ``(0, 2, 3, 1)`` takes channels from axis 1 to
            the end, as in PyTorch's ``permute``.

    Raises:
        ArgumentError: axes are not 0 to n - 1 in some order.
        ShapeError: (when called) x has another number of axes.

    >>> import numpy as np
    >>> Permute((0, 2, 1))(np.zeros((5, 2, 3))).shape
    (5, 3, 2)
    """

    def __init__(self, axes: tuple[int, ...]) -> None:
        fine = isinstance(axes, (tuple, list)) and all(type(a) is int for a in axes)
        if not fine or sorted(axes) != list(range(len(axes))):
            raise ArgumentError(f"Permute: axes is {axes!r}, expected 0 to n - 1, each once")
        self.axes = tuple(axes)

    def __call__(self, x: Any) -> Any:
        if len(x.shape) != len(self.axes):
            raise ShapeError(f"Permute of {len(self.axes)} axes got x of shape {tuple(x.shape)}")
        return array_namespace(x).permute_dims(x, self.axes)

"""Where the leaves of a model lie in one vector."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from learnkit.backends.base import Array, array_namespace, size_of
from learnkit.errors import ArgumentError

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """Names and shapes of leaves, and where each lies in the vector.

    Attributes:
        paths: dotted paths in order.
        shapes: of the leaves.

    >>> Layout(("weight", "bias"), ((2, 3), (3,))).bounds
    ((0, 6), (6, 9))
    """

    paths: tuple[str, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()

    @property
    def size(self) -> int:
        """Number of elements of the vector."""
        return sum(size_of(s) for s in self.shapes)

    @functools.cached_property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Where each leaf starts and stops."""
        found, start = [], 0
        for shape in self.shapes:
            found.append((start, start + size_of(shape)))
            start += size_of(shape)
        return tuple(found)

    def views(self, vector: Array) -> dict[str, Array]:
        """The leaves of ``vector`` by path: views, so writing into one writes into the vector.

        Raises:
            ArgumentError: the vector has another size.
        """
        if tuple(vector.shape) != (self.size,):
            raise ArgumentError(f"vector has shape {tuple(vector.shape)}, the layout needs ({self.size},)")
        xp = array_namespace(vector)
        return {
            path: xp.reshape(vector[start:stop], shape)
            for path, shape, (start, stop) in zip(self.paths, self.shapes, self.bounds, strict=True)
        }

"""All parameters of a model in one vector.

Theta is contiguous, and the arrays of the leaves are views of it. The gradient and every slot of an
optimizer are vectors of the same layout, so an optimizer is its textbook equation on theta.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from learnkit.backends.base import Array, Backend, array_namespace, backend_of, get_backend, size_of
from learnkit.backends.random import stream_id
from learnkit.errors import ArgumentError
from learnkit.nn.module import Leaf, Module

__all__ = ["Layout", "ParameterVector", "initialize"]


@dataclass(frozen=True)
class Layout:
    """Where each leaf lies in the vector.

    Attributes:
        paths: dotted paths in order.
        shapes: of the leaves.
    """

    paths: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """Number of elements of the vector."""
        return sum(size_of(s) for s in self.shapes)

    def views(self, vector: Array) -> dict[str, Array]:
        """The leaves of ``vector`` by path: views, so writing into one writes into the vector.

        Raises:
            ArgumentError: the vector has another size.
        """
        if tuple(vector.shape) != (self.size,):
            raise ArgumentError(f"vector has shape {tuple(vector.shape)}, the layout needs ({self.size},)")
        xp = array_namespace(vector)
        found = {}
        start = 0
        for path, shape in zip(self.paths, self.shapes, strict=True):
            stop = start + size_of(shape)
            found[path] = xp.reshape(vector[start:stop], shape)
            start = stop
        return found


class ParameterVector:
    """Theta: the parameters of ``model`` as one vector on a backend.

    Attributes:
        layout: the :class:`Layout`.
        theta: the vector; the model's parameters are views of it.
        backend: where it lives.
        dtype: name of its dtype.
    """

    def __init__(self, model: Module, backend: Backend, *, seed: int, dtype: str) -> None:
        if dtype not in ("float32", "float64"):
            raise ArgumentError(f"dtype is {dtype!r}, expected 'float32' or 'float64'")
        self.backend = backend
        self.dtype = dtype
        for path, module in model.modules().items():
            module.__dict__["_path"] = path
        parameters = model.parameters()
        self.layout = Layout(tuple(parameters), tuple(leaf.shape for leaf in parameters.values()))
        host = get_backend("numpy")
        start = host.xp.empty(self.layout.size, dtype=host.dtype(dtype))
        for path, view in self.layout.views(start).items():
            view[...] = _start_values(path, parameters[path], seed, dtype)
        self.theta = backend.asarray(start, dtype)
        for path, view in self.layout.views(self.theta).items():
            parameters[path].array = view
        for path, buffer in model.buffers().items():
            buffer.array = backend.asarray(_start_values(path, buffer, seed, dtype))

    def zeros(self) -> Array:
        """A vector of zeros of the same layout: a gradient or an optimizer slot."""
        return self.backend.xp.zeros(
            self.layout.size, dtype=self.backend.dtype(self.dtype), device=self.backend.device
        )

    def __repr__(self) -> str:
        return f"<ParameterVector of {self.layout.size} {self.dtype} on {self.backend.name}>"


def _start_values(path: str, leaf: Leaf, seed: int, dtype: str) -> Any:
    """The leaf's own values as a host array, or, if it has none yet, those of its initializer."""
    if leaf.array is not None:
        return backend_of(leaf.array).to_numpy(leaf.array)
    return leaf.init(leaf.shape, seed=seed, stream=stream_id(path), dtype=dtype)


def initialize(
    model: Module,
    seed: int = 0,
    *,
    backend: str | Backend | None = None,
    device: str | None = None,
    dtype: str = "float32",
) -> ParameterVector:
    """Lay out the parameters of ``model`` in one vector and give the new ones their start values.

    Start values are drawn on the host from the stream of each leaf's path, then brought to the
    device: the same seed gives the same bits on every backend. Leaves that have arrays keep their values.

    Args:
        seed: an integer >= 0.
        backend, device: where; default the backend in force, see ``use_backend``.
        dtype: ``"float32"`` or ``"float64"``.

    Returns:
        The :class:`ParameterVector`.

    >>> from learnkit.nn import Linear
    >>> layer = Linear(2, 3)
    >>> initialize(layer, seed=0, backend="numpy")
    <ParameterVector of 9 float32 on numpy>
    >>> layer.weight.shape
    (2, 3)
    """
    return ParameterVector(model, get_backend(backend, device), seed=seed, dtype=dtype)

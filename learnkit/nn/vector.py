"""All parameters of a model in one vector.

Theta is contiguous, and the arrays of the leaves are views of it. The gradient and every slot of an
optimizer are vectors of the same layout, so an optimizer is its textbook equation on theta.
"""

from __future__ import annotations

from typing import Any

import array_api_compat

from learnkit.backends.base import Array, Backend, array_namespace, backend_of, get_backend
from learnkit.backends.layout import Layout
from learnkit.backends.random import stream_id
from learnkit.errors import ArgumentError
from learnkit.nn.leaves import Leaf, standing_in
from learnkit.nn.module import Module

__all__ = ["Layout", "ParameterVector", "initialize"]


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
        unknown = model.unknown_sizes()
        if unknown:
            raise ArgumentError(
                f"the size of leaf {unknown[0]!r} is not known before the first batch",
                hint="pass the batch, initialize(model, x=batch), or give the model to a Trainer, "
                "which lays it out when it sees one",
            )
        for path, module in model.modules().items():
            module.__dict__["_path"] = path
        parameters = model.parameters()
        self.layout = Layout(tuple(parameters), tuple(leaf.shape for leaf in parameters.values()))
        host = get_backend("numpy")
        start = host.xp.empty(self.layout.size, dtype=host.dtype(dtype))
        known: dict[Leaf, Any] = {}
        for path, view in self.layout.views(start).items():
            leaf = parameters[path]
            view[...] = _start_values(path, leaf, seed, dtype, known)
            known[leaf] = view
        self.theta = backend.asarray(start, dtype)
        for path, view in self.layout.views(self.theta).items():
            parameters[path].array = view
        for path, buffer in model.buffers().items():
            values = _start_values(path, buffer, seed, dtype, known)
            # A copy: training writes into it, and the values may be somebody else's array.
            buffer.array = backend.asarray(host.xp.asarray(values, copy=True), dtype)

    def zeros(self) -> Array:
        """A vector of zeros of the same layout: a gradient or an optimizer slot."""
        return self.backend.xp.zeros(
            self.layout.size, dtype=self.backend.dtype(self.dtype), device=self.backend.device
        )

    def __repr__(self) -> str:
        return f"<ParameterVector of {self.layout.size} {self.dtype} on {self.backend.name}>"


def _start_values(path: str, leaf: Leaf, seed: int, dtype: str, known: dict[Leaf, Any]) -> Any:
    """The leaf's own values as a host array, or, if it has none yet, those of its initializer.

    An initializer with an attribute ``after``, another leaf, starts from that one's start values.
    """
    if leaf.array is not None:
        return backend_of(leaf.array).to_numpy(leaf.array)
    after = getattr(leaf.init, "after", None)
    if after is not None:
        return leaf.init(known[after])
    return leaf.init(leaf.shape, seed=seed, stream=stream_id(path), dtype=dtype)


def find_sizes(model: Module, backend: Backend, x: Any, dtype: str) -> None:
    """Run ``model`` on the first row of ``x``, with zeros for the leaves, so that layers see their sizes.

    Args:
        x: a batch, or a tuple of them for a model of several arguments.

    Raises:
        ArgumentError: a leaf of unknown size was not reached.
    """
    given = [backend.asarray(part, dtype) for part in (x if isinstance(x, tuple) else (x,))]
    (xp,) = {array_namespace(part) for part in given}
    device = array_api_compat.device(given[0])

    def zeros(leaf: Leaf) -> Array:
        return xp.zeros(leaf.shape, dtype=backend.dtype(dtype), device=device)

    with standing_in(zeros):
        model(*(part[:1, ...] if part.shape else part for part in given))
    unknown = model.unknown_sizes()
    if unknown:
        raise ArgumentError(
            f"the size of leaf {unknown[0]!r} is still not known: the forward pass does not come to it",
            hint="give its layer the size as a number",
        )


def initialize(
    model: Module,
    seed: int = 0,
    *,
    x: Any = None,
    backend: str | Backend | None = None,
    device: str | None = None,
    dtype: str = "float32",
) -> ParameterVector:
    """Lay out the parameters of ``model`` in one vector and give the new ones their start values.

    Start values are drawn on the host from the stream of each leaf's path, then brought to the
    device: the same seed gives the same bits on every backend. Leaves that have arrays keep their values.

    Args:
        seed: an integer >= 0.
        x: a batch (or a tuple of them, for a model of several arguments), if there are layers that take their
            size from it, such as ``Linear(None, 10)``; only its first row is used.
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
    >>> initialize(Linear(None, 3), x=[[1.0, 2.0, 3.0]], backend="numpy")
    <ParameterVector of 12 float32 on numpy>

    Raises:
        ArgumentError: a size is not known and there is no ``x``; another dtype.
    """
    found = get_backend(backend, device)
    if x is not None and model.unknown_sizes():
        find_sizes(model, found, x, dtype)
    return ParameterVector(model, found, seed=seed, dtype=dtype)

"""Modules made of modules, and modules that change only the shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from learnkit.backends.base import array_namespace, size_of
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn.module import Module

__all__ = ["Flatten", "Sequential"]


class Sequential(Module):
    """Applies its layers one after another. Leaf paths begin with the position: ``"0.weight"``.

    Args:
        layers: modules.

    Raises:
        ArgumentError: something that is not a module is given.

    >>> from learnkit.nn import Linear, ReLU
    >>> model = Sequential(Linear(4, 8), ReLU(), Linear(8, 2))
    >>> list(model.parameters())
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *layers: Module) -> None:
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                hint = None
                if isinstance(layer, type) and issubclass(layer, Module):
                    hint = f"write {layer.__name__}(...) with parentheses"
                raise ArgumentError(f"Sequential: layer {i} is {layer!r}, expected a Module", hint=hint)
            setattr(self, str(i), layer)
        self.layers = layers

    def __call__(self, x: Any) -> Any:
        for i, layer in enumerate(self.layers):
            try:
                x = layer(x)
            except ShapeError as error:
                # Every container on the way out puts its own position in front: "layer 1.0 (...)".
                where, culprit, said = getattr(error, "layer", ("", layer, error.message))
                where = f"{i}.{where}" if where else str(i)
                error.layer = (where, culprit, said)  # type: ignore[attr-defined]
                error.message = f"layer {where} ({culprit!r}): {said}"
                raise
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, i: int) -> Module:
        return self.layers[i]

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)


class Flatten(Module):
    """One axis of several: (batch, a, b, ...) -> (batch, a * b * ...), in row-major order.

    Raises:
        ShapeError: (when called) x has no batch axis.

    >>> import numpy as np
    >>> Flatten()(np.zeros((5, 2, 3))).shape
    (5, 6)
    """

    def __call__(self, x: Any) -> Any:
        shape = x.shape
        if not shape:
            raise ShapeError("Flatten got an array without axes, expected (batch, ...)")
        if len(shape) == 2:
            return x
        return array_namespace(x).reshape(x, (shape[0], size_of(tuple(shape[1:]))))

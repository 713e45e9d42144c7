"""The multi-layer perceptron."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping
from typing import Any

from learnkit.errors import ArgumentError
from learnkit.nn.containers import Sequential
from learnkit.nn.dropout import Dropout
from learnkit.nn.init import HeNormal, Initializer
from learnkit.nn.linear import Linear
from learnkit.nn.module import Module
from learnkit.plugins import registry
from learnkit.plugins.spec import parse_spec

__all__ = ["MLP"]

#: What norms call the number of features.
_SIZES = ("num_features", "normalized_shape", "num_channels")


class MLP(Sequential):
    """A multi-layer perceptron: affine layers with an activation between each two.

    Behind every affine layer but the last come the norm, the activation and dropout, as far as asked for.
    x: (batch, sizes[0]) -> y: (batch, sizes[-1]).

    Args:
        sizes: numbers of features from the input to the output, at least two; the first may be ``None``, to
            take it from the first batch.
        activation: name with options, ``"relu"``, ``"leaky_relu:negative_slope=0.1"``.
        norm: name with options, ``"batch_norm1d"``, ``"layer_norm"``, ``"group_norm:num_groups=4"``;
            default none.
        dropout: fraction to drop, in [0, 1); default 0.
        weight_init: initializer of the weights, as for :class:`Linear`.

    Raises:
        ArgumentError: there are fewer than two sizes, one is no integer >= 1, or a name is not known.

    >>> MLP((4, 8, 2), norm="layer_norm", dropout=0.1)
    MLP(sizes=(4, 8, 2), norm='layer_norm', dropout=0.1)
    >>> [type(layer).__name__ for layer in MLP((4, 8, 2), norm="layer_norm", dropout=0.1)]
    ['Linear', 'LayerNorm', 'ReLU', 'Dropout', 'Linear']
    """

    def __init__(
        self,
        sizes: tuple[int | None, ...],
        activation: str | Mapping[str, Any] = "relu",
        norm: str | Mapping[str, Any] | None = None,
        dropout: float = 0.0,
        *,
        weight_init: Initializer | str = HeNormal(),  # noqa: B008  (frozen)
    ) -> None:
        if not isinstance(sizes, (tuple, list)) or len(sizes) < 2:
            raise ArgumentError(
                f"MLP: sizes is {sizes!r}, expected the numbers of features from the input to the output"
            )
        for i, n in enumerate(sizes):
            if not (type(n) is int and n >= 1) and not (n is None and i == 0):
                raise ArgumentError(f"MLP: sizes[{i}] is {n!r}, expected an integer >= 1")
        if not isinstance(activation, (str, Mapping)):
            raise ArgumentError(
                f"MLP: activation is {activation!r}, expected a name",
                hint="each layer gets an activation of its own; build other networks with Sequential(...)",
            )
        layers: list[Module] = []
        for i, (before, after) in enumerate(itertools.pairwise(sizes)):
            assert after is not None
            layers.append(Linear(before, after, weight_init=weight_init))
            if i < len(sizes) - 2:
                if norm is not None:
                    layers.append(_norm(norm, after))
                layers.append(registry.create("activation", activation))
                if dropout:
                    layers.append(Dropout(dropout))
        Dropout(dropout)  # refuses a value out of range where there is no hidden layer
        super().__init__(*layers)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments; the first size as a number as soon as it is known."""
        found = Module.config(self)
        first = self.layers[0]
        assert isinstance(first, Linear)
        return {**found, "sizes": (first.in_features, *found["sizes"][1:])}


def _norm(spec: str | Mapping[str, Any], size: int) -> Module:
    """The norm of that name for ``size`` features."""
    if not isinstance(spec, (str, Mapping)):
        raise ArgumentError(f"MLP: norm is {spec!r}, expected a name or None")
    name = parse_spec(spec)[0] if isinstance(spec, str) else spec.get("name", "")
    takes = inspect.signature(registry.get("layer", name).__init__).parameters
    option = next((s for s in _SIZES if s in takes), None)
    if option is None:
        raise ArgumentError(f"MLP: norm is {name!r}, which does not take a number of features")
    made: Module = registry.create("layer", spec, **{option: size})
    return made

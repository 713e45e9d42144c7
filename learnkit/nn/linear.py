"""The affine and the bilinear layer."""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.rules import layers as rules
from learnkit.backends.base import Array, array_namespace
from learnkit.checks import at_least
from learnkit.errors import ShapeError
from learnkit.nn.constraints import Constraint, constraint_of
from learnkit.nn.init import HeNormal, Initializer, Zeros
from learnkit.nn.leaves import UNKNOWN, Parameter, finding_sizes
from learnkit.nn.module import Module
from learnkit.plugins import registry

__all__ = ["Bilinear", "Linear", "linear"]


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """``y = x W + b`` over the last axis, as one matrix product whatever the number of axes.

    Args:
        x: shape (..., i).
        weight: W, shape (i, o).
        bias: b, shape (o,), or ``None``.

    Returns:
        Shape (..., o).

    Raises:
        ShapeError: the last axis of ``x`` is not i.
    """
    arguments = (weight,) if bias is None else (weight, bias)
    if len(x.shape) == 2 and x.shape[1] == weight.shape[0]:
        return rules.linear(x, *arguments)
    if not x.shape or x.shape[-1] != weight.shape[0]:
        raise ShapeError(
            f"linear got x of shape {tuple(x.shape)}, expected (..., {weight.shape[0]})",
            hint="the last axis of x must have in_features entries; Flatten() makes one axis of several",
        )
    xp = array_namespace(x)
    y = rules.linear(xp.reshape(x, (-1, x.shape[-1])), *arguments)
    return array_namespace(y).reshape(y, (*x.shape[:-1], weight.shape[1]))


class Linear(Module):
    """The affine layer ``y = x W + b``.  x: (..., in_features) -> y: (..., out_features).

    Args:
        in_features: an integer >= 1, or ``None`` to take it from the first batch: a ``Trainer`` lays the
            model out when it sees one, otherwise ``initialize(model, x=batch)`` does.
        out_features: an integer >= 1.
        weight_init: initializer of W, shape (in_features, out_features); an object or a name with
            options, ``"xavier_uniform:gain=1.5"``. Default He normal, which suits relu; PyTorch's is
            uniform in +-1/sqrt(in_features).
        bias: whether there is a b, shape (out_features,); it starts at 0.
        weight_constraint: of W after each update, ``"max_norm:max_value=3"``; default none.

    Raises:
        ArgumentError: a size is below 1, or the initializer is unknown.
        ShapeError: (when called) the last axis of x has another length.

    >>> Linear(64, 10)
    Linear(in_features=64, out_features=10)
    """

    def __init__(
        self,
        in_features: int | None,
        out_features: int,
        *,
        weight_init: Initializer | str = HeNormal(),  # noqa: B008  (frozen)
        bias: bool = True,
        weight_constraint: Constraint | str | None = None,
    ) -> None:
        if in_features is not None:
            at_least("Linear", "in_features", in_features, 1)
        at_least("Linear", "out_features", out_features, 1)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(
            (UNKNOWN if in_features is None else in_features, out_features),
            registry.create("initializer", weight_init),
            constraint_of(weight_constraint),
        )
        self.bias = Parameter((out_features,), Zeros()) if bias else None

    def __call__(self, x: Any) -> Any:
        if self.in_features is None and finding_sizes() and x.shape:
            self._settle("weight", (x.shape[-1], self.out_features))
        return linear(x, self.weight, self.bias)

    def _settle(self, name: str, shape: tuple[int, ...]) -> None:
        super()._settle(name, shape)
        if name == "weight":
            self.in_features = shape[0]

    def config(self) -> dict[str, Any]:
        """The constructor's arguments; ``in_features`` as a number as soon as it is known."""
        return {**super().config(), "in_features": self.in_features}


class Bilinear(Module):
    """``y_o = sum_ij x1_i W_ijo x2_j + b_o``, a product of two inputs.

    x1: (..., in1_features), x2: (..., in2_features) -> y: (..., out_features); called as ``layer(x1, x2)``
    or, behind a layer with two results, as ``layer((x1, x2))``.

    Args:
        in1_features, in2_features, out_features: integers >= 1.
        weight_init: initializer of W, shape (in1_features, in2_features, out_features), as for
            :class:`Linear`. Default He normal; PyTorch's is uniform in +-1/sqrt(in1_features), and its W
            has the axis of outputs first.
        bias: whether there is a b, shape (out_features,); it starts at 0.
        weight_constraint: of W after each update; default none.

    Raises:
        ArgumentError: a size is below 1, or the initializer is unknown.
        ShapeError: (when called) the inputs have other shapes.

    >>> Bilinear(3, 2, 4)
    Bilinear(in1_features=3, in2_features=2, out_features=4)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        *,
        weight_init: Initializer | str = HeNormal(),  # noqa: B008  (frozen)
        bias: bool = True,
        weight_constraint: Constraint | str | None = None,
    ) -> None:
        shape = (in1_features, in2_features, out_features)
        for name, value in zip(("in1_features", "in2_features", "out_features"), shape, strict=True):
            at_least("Bilinear", name, value, 1)
        self.in1_features, self.in2_features, self.out_features = shape
        self.weight = Parameter(
            shape, registry.create("initializer", weight_init), constraint_of(weight_constraint)
        )
        self.bias = Parameter((out_features,), Zeros()) if bias else None

    def __call__(self, x1: Any, x2: Any = None) -> Any:
        if x2 is None:
            if not (isinstance(x1, (tuple, list)) and len(x1) == 2):
                raise ShapeError("Bilinear got one input, expected two: layer(x1, x2) or layer((x1, x2))")
            x1, x2 = x1
        first, second = self.in1_features, self.in2_features
        rows = tuple(x1.shape[:-1])
        if not x1.shape or (*rows, first, *rows, second) != (*x1.shape, *x2.shape):
            raise ShapeError(
                f"Bilinear got inputs of shapes {tuple(x1.shape)} and {tuple(x2.shape)}, expected "
                f"(..., {first}) and (..., {second}) with equal axes in front"
            )
        xp = array_namespace(x1, x2)
        products = xp.multiply(xp.expand_dims(x1, axis=-1), xp.expand_dims(x2, axis=-2))
        weight = self.weight
        flat = array_namespace(weight).reshape(weight, (first * second, self.out_features))
        return linear(xp.reshape(products, (*rows, first * second)), flat, self.bias)

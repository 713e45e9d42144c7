"""The affine layer."""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.rules import layers as rules
from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn.init import HeNormal, Initializer, Zeros
from learnkit.nn.module import Module, Parameter
from learnkit.plugins import registry

__all__ = ["Linear", "linear"]


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
        in_features, out_features: integers >= 1.
        weight_init: initializer of W, shape (in_features, out_features); an object or a name with
            options, ``"xavier_uniform:gain=1.5"``. Default He normal, which suits relu; PyTorch's is
            uniform in +-1/sqrt(in_features).
        bias: whether there is a b, shape (out_features,); it starts at 0.

    Raises:
        ArgumentError: a size is below 1, or the initializer is unknown.
        ShapeError: (when called) the last axis of x has another length.

    >>> Linear(64, 10)
    Linear(in_features=64, out_features=10)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        weight_init: Initializer | str = HeNormal(),  # noqa: B008  (frozen)
        bias: bool = True,
    ) -> None:
        for name, value in (("in_features", in_features), ("out_features", out_features)):
            if type(value) is not int or value < 1:
                raise ArgumentError(f"Linear: {name} is {value!r}, expected an integer >= 1")
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter((in_features, out_features), registry.create("initializer", weight_init))
        self.bias = Parameter((out_features,), Zeros()) if bias else None

    def __call__(self, x: Any) -> Any:
        return linear(x, self.weight, self.bias)

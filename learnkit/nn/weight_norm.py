"""Weight normalisation: direction and length of each weight vector, learned apart."""

from __future__ import annotations

from typing import Any

from learnkit.autodiff import plain_value
from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ArgumentError
from learnkit.nn.leaves import UNKNOWN, Derived, Parameter
from learnkit.nn.module import Module

__all__ = ["WeightNorm"]


class WeightNorm(Module):
    """Wraps a layer so that its weight is ``w = g v / |v|``, with g and v learned instead of w.

    ``|v|`` is the Euclidean norm over all axes but ``axis``: the length of the weights into one unit. At the
    start v is drawn as the weight would be and g = |v|, so that w = v. The leaves are ``v``, ``g`` and,
    under ``layer.``, what else the layer has.

    Args:
        layer: a module with a parameter of that name, whose shape is known.
        name: of the parameter; default ``"weight"``.
        axis: each position along it has a length of its own. -1, the default, is the units of a ``Linear``,
            whose weight is (in, out); PyTorch's ``dim=0`` means the same of its (out, in). ``None`` has one
            length for the whole array.

    Raises:
        ArgumentError: the layer has no such parameter, it has a constraint, or the axis is none of its.

    Source: Salimans and Kingma 2016, "Weight normalization", arXiv:1602.07868.

    >>> from learnkit.nn import Linear, initialize
    >>> layer = WeightNorm(Linear(3, 2))
    >>> _ = initialize(layer, backend="numpy")
    >>> list(layer.parameters())
    ['v', 'g', 'layer.bias']
    >>> list(layer.remove().parameters())
    ['weight', 'bias']
    """

    def __init__(self, layer: Module, name: str = "weight", axis: int | None = -1) -> None:
        if not isinstance(layer, Module):
            raise ArgumentError(f"WeightNorm: layer is {layer!r}, expected a Module")
        leaf = layer._leaves.get(name)
        if not isinstance(leaf, Parameter):
            has = [n for n, found in layer._leaves.items() if isinstance(found, Parameter)]
            raise ArgumentError(
                f"WeightNorm: {layer!r} has no parameter {name!r}; it has {', '.join(has) or 'none'}"
            )
        if UNKNOWN in leaf.shape:
            raise ArgumentError(
                f"WeightNorm: the size of {name!r} of {layer!r} is not known yet",
                hint="give the layer its input size as a number",
            )
        if leaf.constraint is not None:
            raise ArgumentError(
                f"WeightNorm: {name!r} of {layer!r} has a constraint, which could not be kept: "
                "the weight is computed from v and g"
            )
        ndim = len(leaf.shape)
        if axis is not None and (type(axis) is not int or not -ndim <= axis < ndim):
            raise ArgumentError(f"WeightNorm: axis is {axis!r}, expected an axis of the shape {leaf.shape}")
        kept = None if axis is None else axis % ndim
        self._name = name
        self._axes = tuple(i for i in range(ndim) if i != kept)
        self.v = Parameter(leaf.shape, leaf.init)
        lengths = tuple(1 if i in self._axes else n for i, n in enumerate(leaf.shape))
        self.g = Parameter(lengths, _Lengths(self._leaves["v"], self._axes))
        if leaf.array is not None:
            self._leaves["v"].array = leaf.array
            self._leaves["g"].array = _lengths(leaf.array, self._axes)
        self.layer = layer
        layer._leaves[name] = Derived(leaf.shape, self._weight)

    def _weight(self) -> Array:
        v, g = self.v, self.g
        xp = array_namespace(v, g)
        lengths = _lengths(v, self._axes)
        safe = xp.where(xp.equal(lengths, 0), xp.ones_like(lengths), lengths)
        return xp.multiply(v, xp.divide(g, safe))

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.layer(*args, **options)

    def remove(self) -> Module:
        """The wrapped layer with an ordinary parameter again, of the value that it has now.

        This wrapper is of no use afterwards. A model whose leaves have changed is given to a new
        ``Trainer``, or to ``initialize``, which keep the values: ``model[0] = model[0].remove()``.
        """
        v = self._leaves["v"]
        leaf = Parameter(v.shape, v.init)
        if v.array is not None:
            leaf.array = plain_value(self._weight())
        self.layer._leaves[self._name] = leaf
        return self.layer


class _Lengths:
    """The initializer of g: the lengths of v's start values."""

    def __init__(self, after: Any, axes: tuple[int, ...]) -> None:
        self.after = after
        self.axes = axes

    def __call__(self, values: Array) -> Array:
        return _lengths(values, self.axes)


def _lengths(v: Array, axes: tuple[int, ...]) -> Array:
    """Euclidean norms over ``axes``, which are kept; the subgradient at 0 is 0."""
    xp = array_namespace(v)
    total = xp.sum(xp.multiply(v, v), axis=axes, keepdims=True)
    zero = xp.equal(total, 0)
    return xp.where(zero, total, xp.sqrt(xp.where(zero, xp.ones_like(total), total)))

"""Modules made of modules: one after another, or side by side on the same input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from learnkit.backends.base import array_namespace
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn.module import Module

__all__ = ["Add", "Concat", "Parallel", "Residual", "Sequential"]


class Container(Module):
    """Base of modules that hold a list of modules. Leaf paths begin with the position: ``"0.weight"``."""

    def __init__(self, *layers: Module) -> None:
        for i, layer in enumerate(layers):
            setattr(self, str(i), self._module(i, layer))
        self.layers = layers

    def _module(self, i: int, layer: Any) -> Module:
        if not isinstance(layer, Module):
            hint = None
            if isinstance(layer, type) and issubclass(layer, Module):
                hint = f"write {layer.__name__}(...) with parentheses"
            elif callable(layer):
                hint = "write Lambda(function) for a function"
            raise ArgumentError(
                f"{type(self).__name__}: layer {i} is {layer!r}, expected a Module", hint=hint
            )
        return layer

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, i: int) -> Module:
        return self.layers[i]

    def __setitem__(self, i: int, layer: Module) -> None:
        place = range(len(self.layers))[i]
        setattr(self, str(place), self._module(place, layer))
        self.layers = (*self.layers[:place], layer, *self.layers[place + 1 :])

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, with the layers as they are now."""
        found = super().config()
        return {**found, "layers": list(self.layers)} if "layers" in found or self.layers else found

    def _each(self, x: Any) -> list[Any]:
        """What each layer makes of ``x``; of a tuple as long as the layers, each of its own part."""
        if isinstance(x, (tuple, list)):
            if len(x) != len(self.layers):
                raise ShapeError(
                    f"{type(self).__name__} of {len(self.layers)} layers got {len(x)} inputs, "
                    "expected one for all of them or one for each"
                )
            return [_called(str(i), layer, part) for i, (layer, part) in enumerate(zip(self, x, strict=True))]
        return [_called(str(i), layer, x) for i, layer in enumerate(self.layers)]

    def _parts(self, x: Any) -> list[Any]:
        """:meth:`_each`, or, without layers, the arrays of a tuple."""
        if self.layers:
            return self._each(x)
        if not isinstance(x, (tuple, list)) or not x:
            raise ShapeError(
                f"{type(self).__name__} without layers got {type(x).__name__}, expected a tuple of arrays",
                hint="Parallel(...) gives one",
            )
        return list(x)


def _called(name: str, layer: Module, x: Any) -> Any:
    """``layer(x)``; an error of shapes says which layer it was."""
    try:
        return layer(x)
    except ShapeError as error:
        _locate(error, name, layer)
        raise


def _locate(error: ShapeError, name: str, layer: Module) -> None:
    # Every container on the way out puts its own position in front: "layer 1.0 (...)".
    where, culprit, said = getattr(error, "layer", ("", layer, error.message))
    where = f"{name}.{where}" if where else name
    error.layer = (where, culprit, said)  # type: ignore[attr-defined]
    error.message = f"layer {where} ({culprit!r}): {said}"


class Sequential(Container):
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

    def __call__(self, x: Any) -> Any:
        i, layer = 0, None
        try:
            for i, layer in enumerate(self.layers):  # noqa: B007  (named in the error)
                x = layer(x)
        except ShapeError as error:
            _locate(error, str(i), layer)  # type: ignore[arg-type]
            raise
        return x


class Residual(Sequential):
    """``y = x + f(x)`` with f the layers one after another: what they learn is a correction of their input.

    Args:
        layers: modules that together keep the shape of x, or bring it to that of ``shortcut(x)``.
        shortcut: a module to apply to x beside them, such as ``Linear(8, 16)`` where the shape changes;
            default none: x as it is.

    Raises:
        ArgumentError: something that is not a module is given.
        ShapeError: (when called) the two parts have different shapes.

    Source: He et al. 2016, "Deep residual learning for image recognition", arXiv:1512.03385.

    >>> from learnkit.nn import Linear, ReLU
    >>> block = Residual(Linear(4, 8), ReLU(), Linear(8, 4))
    >>> list(block.parameters())
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *layers: Module, shortcut: Module | None = None) -> None:
        super().__init__(*layers)
        if shortcut is not None and not isinstance(shortcut, Module):
            raise ArgumentError(f"Residual: shortcut is {shortcut!r}, expected a Module or None")
        self.shortcut = shortcut

    def __call__(self, x: Any) -> Any:
        around = x if self.shortcut is None else _called("shortcut", self.shortcut, x)
        return _sum("Residual", [around, super().__call__(x)])


class Parallel(Container):
    """The results of its layers side by side: ``(f(x), g(x), ...)``, a tuple.

    Given a tuple as long as its layers, each takes its own part. A layer of several inputs, such as
    :class:`Bilinear`, :class:`Concat` or :class:`Add`, can follow.

    Args:
        layers: modules.

    Raises:
        ArgumentError: something that is not a module is given.

    >>> import numpy as np
    >>> from learnkit.nn import ReLU, Sigmoid
    >>> Parallel(ReLU(), Sigmoid())(np.asarray([0.0]))
    (array([0.]), array([0.5]))
    """

    def __call__(self, x: Any) -> tuple[Any, ...]:
        return tuple(self._each(x))


class Concat(Container):
    """The results of its layers joined along an axis; without layers, the arrays of a tuple.

    Args:
        layers: modules, all given the same x, or each its part of a tuple.
        axis: to join along; default 1: features of (batch, features), channels of (batch, channels, ...).

    Raises:
        ArgumentError: something that is not a module is given, or axis is no integer.
        ShapeError: (when called) the parts differ in another axis.

    >>> import numpy as np
    >>> from learnkit.nn import ReLU, Sigmoid
    >>> Concat(ReLU(), Sigmoid())(np.asarray([[0.0, 0.0]]))
    array([[0. , 0. , 0.5, 0.5]])
    """

    def __init__(self, *layers: Module, axis: int = 1) -> None:
        super().__init__(*layers)
        if type(axis) is not int:
            raise ArgumentError(f"Concat: axis is {axis!r}, expected an integer")
        self.axis = axis

    def __call__(self, x: Any) -> Any:
        parts = self._parts(x)
        ndim = len(parts[0].shape)
        fits = -ndim <= self.axis < ndim
        rest = {_without(tuple(p.shape), self.axis % ndim) if fits else None for p in parts}
        if not fits or len(rest) > 1 or any(len(p.shape) != ndim for p in parts):
            shapes = ", ".join(str(tuple(p.shape)) for p in parts)
            raise ShapeError(
                f"Concat along axis {self.axis} got arrays of shapes {shapes}, "
                "expected the same lengths in all other axes"
            )
        return array_namespace(*parts).concat(parts, axis=self.axis)


class Add(Container):
    """The sum of the results of its layers; without layers, of the arrays of a tuple.

    Args:
        layers: modules, all given the same x, or each its part of a tuple.

    Raises:
        ArgumentError: something that is not a module is given.
        ShapeError: (when called) the parts have different shapes.

    >>> import numpy as np
    >>> from learnkit.nn import ReLU, Sigmoid
    >>> Add(ReLU(), Sigmoid())(np.asarray([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """

    def __call__(self, x: Any) -> Any:
        return _sum("Add", self._parts(x))


def _sum(owner: str, parts: list[Any]) -> Any:
    shapes = [tuple(p.shape) for p in parts]
    if len(set(shapes)) > 1:
        raise ShapeError(
            f"{owner} got arrays of shapes {', '.join(map(str, shapes))}, expected equal shapes",
            hint="Residual(..., shortcut=Linear(...)) changes the shape of x"
            if owner == "Residual"
            else None,
        )
    total = parts[0]
    for part in parts[1:]:
        total = array_namespace(total, part).add(total, part)
    return total


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])

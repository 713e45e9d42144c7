"""A function ``f(theta, grad, m, v, *, lr=0.1, beta=0.9, step)`` as an optimizer."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.backends.base import Array
from learnkit.errors import ArgumentError, ShapeError
from learnkit.optim.base import Optimizer
from learnkit.plugins.functions import FunctionComponent, dataclass_of

__all__ = ["FunctionOptimizer"]


@dataclass(frozen=True)
class FunctionOptimizer(FunctionComponent, Optimizer):
    """Base of the optimizers that are made of functions; see :mod:`learnkit.plugins.functions`.

    The function returns the new theta, or a tuple of it and the new slots. It is given one leaf at a time, in
    its shape, since a function does not say whether it treats each element by itself; a subclass
    of :class:`~learnkit.optim.Optimizer` that does runs over all parameters at once.
    """

    elementwise: ClassVar[bool] = False

    @classmethod
    def of(cls, name: str, options: list[inspect.Parameter], namespace: dict[str, Any]) -> type:
        """The class of a function with these options."""
        slots = namespace["_arguments_of_function"][2:]
        return dataclass_of(cls, name, options, {**namespace, "slots": slots})

    def __post_init__(self) -> None:
        self.check_lr()

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        options = self._given_options() | {"lr": lr}
        if self._handed:
            options["step"] = step
        returned = type(self)._function(theta, grad, *slots, **options)
        new = (returned,) if not slots and not isinstance(returned, tuple) else returned
        self._check(new, theta, slots)
        return tuple(new)

    def _check(self, new: Any, theta: Array, slots: tuple[Array, ...]) -> None:
        """Refuse what cannot be the new theta and slots; looks at shapes and dtypes only."""
        name, wanted = type(self).__name__, ("theta", *self.slots)
        if not isinstance(new, (tuple, list)) or len(new) != len(wanted):
            got = f"{len(new)} values" if isinstance(new, (tuple, list)) else f"{type(new).__name__}"
            raise ArgumentError(
                f"{name} returned {got}, expected {len(wanted)}: {', '.join(wanted)}",
                hint="what stands between grad and * are slots, and each is returned with its new value",
            )
        for label, value, old in zip(wanted, new, (theta, *slots), strict=True):
            if getattr(value, "dtype", None) is None or getattr(value, "shape", None) is None:
                raise ArgumentError(f"{name} returned {value!r} for {label}, expected an array")
            if tuple(value.shape) != tuple(old.shape):
                raise ShapeError(
                    f"{name} returned {label} of shape {tuple(value.shape)}, expected {tuple(old.shape)}"
                )
            if value.dtype != old.dtype:
                raise ArgumentError(
                    f"{name} returned {label} of {value.dtype}, expected {old.dtype}",
                    hint="hyper-parameters are Python floats; an array or NumPy number among them widens it",
                )

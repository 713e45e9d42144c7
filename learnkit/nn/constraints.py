"""Constraints: what the values of a parameter are brought back to after each update.

A constraint belongs to a parameter: ``Linear(3, 2, weight_constraint="non_negative")``. A ``Trainer``
applies it to the parameter's part of theta after each step; a loop of one's own calls
:func:`apply_constraints`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import positive
from learnkit.errors import ArgumentError
from learnkit.nn.leaves import Parameter
from learnkit.nn.module import Module
from learnkit.plugins import registry

__all__ = ["Constraint", "MaxNorm", "NonNegative", "UnitNorm", "apply_constraints", "constrained"]


@dataclass(frozen=True)
class Constraint:
    """Base of constraints: ``__call__(w)`` returns an array that is allowed, near ``w``, in standard code."""

    def __call__(self, w: Array) -> Array:
        raise TypeError(f"{type(self).__name__} defines no __call__(self, w)")


@dataclass(frozen=True)
class NonNegative(Constraint):
    """``max(w, 0)``: no element below 0.

    >>> import numpy as np
    >>> NonNegative()(np.asarray([-1.0, 2.0]))
    array([0., 2.])
    """

    def __call__(self, w: Array) -> Array:
        xp = array_namespace(w)
        return xp.maximum(w, xp.zeros_like(w))


@dataclass(frozen=True)
class _OfNorms(Constraint):
    axis: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        if not axes or not all(type(a) is int for a in axes):
            raise ArgumentError(
                f"{type(self).__name__}: axis is {self.axis!r}, expected an integer or a tuple of them"
            )

    def _norms(self, xp: Any, w: Array) -> Array:
        """Euclidean norms along ``axis``, which is kept; squares of large elements do not overflow."""
        largest = xp.max(xp.abs(w), axis=self.axis, keepdims=True)
        safe = xp.where(xp.equal(largest, 0), xp.ones_like(largest), largest)
        part = xp.divide(w, safe)
        return xp.multiply(safe, xp.sqrt(xp.sum(xp.multiply(part, part), axis=self.axis, keepdims=True)))


@dataclass(frozen=True)
class MaxNorm(_OfNorms):
    """``w min(1, m / |w|)``: no vector of weights longer than ``m``; a shorter one stays as it is.

    Args:
        axis: what a vector runs along. 0, the default, is all weights into one unit of a ``Linear``, whose
            weight is (in, out); 1 is a row of an ``Embedding``. Or a tuple of axes.
        max_value: m, > 0; default 2, as in Keras.

    Raises:
        ArgumentError: an argument is out of range.

    Source: Srivastava et al. 2014, "Dropout", section 5.1.

    >>> import numpy as np
    >>> MaxNorm(max_value=1.0)(np.asarray([[3.0, 0.1], [4.0, 0.2]]))
    array([[0.6, 0.1],
           [0.8, 0.2]])
    """

    max_value: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("MaxNorm", "max_value", self.max_value)

    def __call__(self, w: Array) -> Array:
        xp = array_namespace(w)
        norms = self._norms(xp, w)
        most = xp.full_like(norms, float(self.max_value))
        return xp.multiply(w, xp.divide(most, xp.maximum(norms, most)))


@dataclass(frozen=True)
class UnitNorm(_OfNorms):
    """``w / |w|``: every vector of weights has length 1; one of zeros stays as it is.

    Args:
        axis: what a vector runs along, as for :class:`MaxNorm`.

    Raises:
        ArgumentError: ``axis`` is neither an integer nor a tuple of them.

    >>> import numpy as np
    >>> UnitNorm()(np.asarray([[3.0, 0.0], [4.0, 0.0]]))
    array([[0.6, 0. ],
           [0.8, 0. ]])
    """

    def __call__(self, w: Array) -> Array:
        xp = array_namespace(w)
        norms = self._norms(xp, w)
        return xp.divide(w, xp.where(xp.equal(norms, 0), xp.ones_like(norms), norms))


def constraint_of(spec: Constraint | str | None) -> Constraint | None:
    """The constraint that an option of a layer names.

    Raises:
        ArgumentError: it is none.
    """
    if spec is None:
        return None
    made = registry.create("constraint", spec)
    if not isinstance(made, Constraint):
        raise ArgumentError(f"a constraint is {made!r}, expected a learnkit.nn.Constraint or its name")
    return made


def constrained(model: Module) -> list[Parameter]:
    """The parameters of ``model`` that have a constraint."""
    return [leaf for leaf in model.parameters().values() if leaf.constraint is not None]


def apply_constraints(model: Module) -> None:
    """Bring every constrained parameter of ``model`` back, in place; for a training loop of one's own.

    >>> from learnkit.nn import Linear, initialize
    >>> layer = Linear(1, 2, weight_constraint="non_negative")
    >>> parameters = initialize(layer, backend="numpy")
    >>> parameters.theta[...] = -1.0
    >>> apply_constraints(layer)
    >>> parameters.theta.tolist()
    [0.0, 0.0, -1.0, -1.0]
    """
    for leaf in constrained(model):
        apply_to(leaf)


def apply_to(leaf: Parameter) -> None:
    """Bring one parameter back, in place."""
    if leaf.constraint is not None and leaf.array is not None:
        leaf.array[...] = leaf.constraint(leaf.array)

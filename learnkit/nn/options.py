"""Checks of the options of activations and initializers, beside those that all parts share."""

from __future__ import annotations

from typing import Any

from learnkit.backends.base import Array
from learnkit.errors import ArgumentError, ShapeError

__all__ = ["axis_length", "check_axis", "check_choice"]


def check_choice(owner: str, name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Check that an option is one of a few words.

    Raises:
        ArgumentError: it is not.
    """
    if value not in choices:
        head = ", ".join(map(repr, choices[:-1]))
        raise ArgumentError(f"{owner}: {name} is {value!r}, expected {head} or {choices[-1]!r}")


def check_axis(owner: str, axis: Any) -> None:
    """Check that an axis is an integer.

    Raises:
        ArgumentError: it is not.
    """
    if type(axis) is not int:
        raise ArgumentError(f"{owner}: axis is {axis!r}, expected an integer")


def axis_length(owner: str, x: Array, axis: int) -> int:
    """The length of an axis of ``x``, which may count from the end.

    Raises:
        ShapeError: ``x`` has no such axis.
    """
    shape: tuple[int, ...] = tuple(x.shape)
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"{owner} got x of shape {shape}, which has no axis {axis}")
    return shape[axis]

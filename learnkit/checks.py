"""Checks of arguments that all parts share, worded alike: what was given, where, and what was expected."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from learnkit.errors import ArgumentError, did_you_mean

__all__ = ["at_least", "one_of", "positive"]


def positive(owner: str, name: str, value: Any, *, zero: bool = False) -> None:
    """Check that a number is > 0 (or >= 0) and finite.

    Raises:
        ArgumentError: it is not.
    """
    number = type(value) in (int, float) and value == value and value not in (float("inf"), float("-inf"))
    if not number or (value < 0 if zero else value <= 0):
        foreign = isinstance(value, numbers.Real) and type(value).__module__ != "builtins"
        raise ArgumentError(
            f"{owner}: {name} is {value!r}, expected a number {'>= 0' if zero else '> 0'}",
            hint="write float(...): numbers of array libraries would change the dtype of arrays"
            if foreign
            else None,
        )


def at_least(owner: str, name: str, value: Any, least: int) -> None:
    """Check that a number is an integer >= ``least``.

    Raises:
        ArgumentError: it is not.
    """
    if type(value) is not int or value < least:
        raise ArgumentError(f"{owner}: {name} is {value!r}, expected an integer >= {least}")


def one_of(owner: str, name: str, value: Any, choices: Sequence[Any]) -> None:
    """Check that a value is one of a few, of the same type.

    Raises:
        ArgumentError: it is not; a word that is nearly right is named.
    """
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        near = (
            did_you_mean(value, [c for c in choices if isinstance(c, str)]) if isinstance(value, str) else ""
        )
        expected = " or ".join([", ".join(map(repr, choices[:-1])), repr(choices[-1])])
        raise ArgumentError(f"{owner}: {name} is {value!r}{near}, expected {expected}")

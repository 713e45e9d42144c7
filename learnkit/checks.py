"""Checks of arguments that all parts share, worded alike: what was given, where, and what was expected."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

from learnkit.errors import ArgumentError, did_you_mean

__all__ = [
    "at_least",
    "check_choice",
    "check_flag",
    "check_integer",
    "check_number",
    "check_numbers",
    "one_of",
    "positive",
]


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


def check_number(
    owner: str,
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> None:
    """Check that a hyper-parameter is a finite number within the given bounds.

    Raises:
        ArgumentError: it is not.
    """
    if not _within(value, above, least, most, below):
        raise ArgumentError(
            f"{owner}: {name} is {value!r}, expected {_range_text(above, least, most, below)}"
        )


def check_numbers(owner: str, name: str, values: Any, **bounds: float | None) -> None:
    """Check that a hyper-parameter is a tuple of at least one finite number within the given bounds.

    Raises:
        ArgumentError: it is not.
    """
    known: dict[str, float | None] = {"above": None, "least": None, "most": None, "below": None, **bounds}
    if (
        not isinstance(values, Sequence)
        or isinstance(values, str)
        or not values
        or not all(_within(v, **known) for v in values)
    ):
        text = _range_text(**known).replace("a number", "numbers")
        raise ArgumentError(f"{owner}: {name} is {values!r}, expected a tuple of {text}")


def check_integer(owner: str, name: str, value: Any, *, least: int | None = None) -> None:
    """Check that a hyper-parameter is an integer, not below ``least``.

    Raises:
        ArgumentError: it is not.
    """
    if type(value) is not int or (least is not None and value < least):
        wanted = "an integer" if least is None else f"an integer >= {least}"
        raise ArgumentError(f"{owner}: {name} is {value!r}, expected {wanted}")


def check_flag(owner: str, name: str, value: Any) -> None:
    """Check that a hyper-parameter is ``True`` or ``False``.

    Raises:
        ArgumentError: it is not.
    """
    if type(value) is not bool:
        raise ArgumentError(f"{owner}: {name} is {value!r}, expected True or False")


def check_choice(owner: str, name: str, value: Any, known: Sequence[Any]) -> None:
    """Check that a hyper-parameter is one of the known values.

    Raises:
        ArgumentError: it is not.
    """
    if isinstance(value, bool) or value not in known:
        raise ArgumentError(f"{owner}: {name} is {value!r}, expected one of {', '.join(map(repr, known))}")


def _within(
    value: Any,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    return not (
        (above is not None and value <= above)
        or (least is not None and value < least)
        or (most is not None and value > most)
        or (below is not None and value >= below)
    )


def _range_text(
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> str:
    low = f"({above:g}" if above is not None else f"[{least:g}" if least is not None else None
    high = f"{below:g})" if below is not None else f"{most:g}]" if most is not None else None
    if low and high:
        return f"a number in {low}, {high}"
    if low:
        return f"a number > {above:g}" if above is not None else f"a number >= {least:g}"
    if high:
        return f"a number < {below:g}" if below is not None else f"a number <= {most:g}"
    return "a number"

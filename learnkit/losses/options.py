"""Checks of the hyper-parameters of losses, made when a loss is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from learnkit.errors import ArgumentError

__all__ = ["check_choice", "check_flag", "check_integer", "check_number", "check_numbers"]


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

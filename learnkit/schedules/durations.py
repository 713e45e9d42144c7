"""Lengths of time: as steps, as epochs, or as a part of the run.

==========================  =========================================================================
``500``                     an integer counts steps
``"10ep"``, ``"0.5ep"``     text that ends in ``ep`` counts epochs
``0.3``, ``"30%"``,         a float in (0, 1), or text that ends in ``%`` or ``dur``, is that part of
``"0.3dur"``                the run
==========================  =========================================================================

Epochs and parts become steps when the length of the run is known, rounded to the nearest one, half a step
upwards. A schedule that stands inside another one (after a warm-up, in a join) takes for the run the
part of it that it is given.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from learnkit.errors import ArgumentError

__all__ = ["Duration", "as_steps", "check_duration", "needs_steps"]

#: Steps (an integer), or what becomes steps when the length of the run is known: see the module's table.
Duration = int | float | str

_FORMS = "a number of epochs such as '10ep', or a part of the run such as 0.3, '30%' or '0.3dur'"


def check_duration(owner: str, name: str, value: Any, least: int = 0) -> None:
    """Check that a value is a duration.

    Args:
        least: the smallest number of steps, 0 or 1.

    Raises:
        ArgumentError: it is not; the forms that there are, are named.

    >>> check_duration("Warmup", "steps", "5%")
    """
    if type(value) is int and value >= least:
        return
    if type(value) is float and 0 < value < 1:
        return
    if isinstance(value, str):
        amount, _ = _parsed(value)
        if amount is not None and (amount > 0 or (amount == 0 and least == 0)):
            return
    hint = None
    if type(value) is float and value >= 1 and value == int(value):
        hint = f"write {int(value)} for {int(value)} steps, or '{value:.0%}' for that part of the run"
    raise ArgumentError(f"{owner}: {name} is {value!r}, expected an integer >= {least}, {_FORMS}", hint=hint)


def as_steps(value: Duration, total_steps: int, steps_per_epoch: int | None, least: int = 0) -> Duration:
    """A duration in steps, at least ``least``; epochs stay as they are while their length is not known.

    >>> as_steps("30%", 1000, None), as_steps("10ep", 1000, 25), as_steps("10ep", 1000, None)
    (300, 250, '10ep')
    """
    if type(value) is int:
        return value
    amount, unit = _parsed(str(value) if isinstance(value, str) else f"{value!r}dur")
    assert amount is not None, "checked when the schedule was made"
    if unit == "ep" and steps_per_epoch is None:
        return value
    whole = steps_per_epoch if unit == "ep" else total_steps
    assert whole is not None
    return max(least, math.floor(amount * whole + Fraction(1, 2)))


def needs_steps(owner: str, name: str, value: Duration) -> int:
    """The steps of a duration that must be known by now.

    Raises:
        ArgumentError: it is still in epochs, or a part of a run whose length is not known.
    """
    if type(value) is not int:
        whole = "an epoch" if isinstance(value, str) and _parsed(value)[1] == "ep" else "the run"
        raise ArgumentError(
            f"{owner}: {name} is {value!r}, and the length of {whole} is not known",
            hint="a Trainer fills it in; elsewhere take schedule.resolve(total_steps=1000, "
            "steps_per_epoch=100), or write it in steps",
        )
    return value


def _parsed(text: str) -> tuple[Fraction | None, str]:
    """Amount (a part, not per cent) and unit, ``"ep"`` or ``"dur"``; no amount if it is no duration."""
    word = text.strip()
    for ending, unit, scale in (("ep", "ep", 1), ("%", "dur", 100), ("dur", "dur", 1)):
        if word.endswith(ending):
            try:
                amount = Fraction(word.removesuffix(ending).strip()) / scale
            except (ValueError, ZeroDivisionError):
                return None, ""
            return amount, unit
    return None, ""

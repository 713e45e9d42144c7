"""Schedules inside schedules, and schedules by name whose largest value is given beside."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeGuard

from learnkit.checks import positive
from learnkit.errors import ArgumentError
from learnkit.plugins import registry
from learnkit.plugins.spec import parse_spec
from learnkit.schedules.base import Schedule
from learnkit.schedules.function import FunctionSchedule

__all__ = ["as_schedule", "as_schedules", "gives_peak", "peak_field", "with_peak"]


def as_schedule(owner: str, name: str, value: Any) -> Schedule | float:
    """What may stand for a schedule inside another one: itself, a name with options, or a number >= 0.

    Raises:
        ArgumentError: it is none of them; UnknownNameError for an unknown name.
    """
    if isinstance(value, (str, Mapping)):
        value = registry.create("schedule", value)
    if isinstance(value, Schedule):
        return value
    if type(value) not in (int, float):
        raise ArgumentError(
            f"{owner}: {name} is {value!r}, expected a Schedule, the name of one, or a number"
        )
    positive(owner, name, value, zero=True)
    return float(value)


def as_schedules(owner: str, name: str, values: Any) -> tuple[Schedule | float, ...]:
    """:func:`as_schedule` of each of several.

    Raises:
        ArgumentError: they are no tuple or list, or none, or one of them is no schedule.
    """
    if not isinstance(values, (tuple, list)) or not values:
        raise ArgumentError(f"{owner}: {name} is {values!r}, expected a tuple of at least one schedule")
    return tuple(as_schedule(owner, f"{name}[{i}]", value) for i, value in enumerate(values))


def with_peak(spec: str | Mapping[str, Any], peak: Any) -> Any:
    """The schedule of a name, with ``peak`` for its largest value where ``spec`` leaves that out.

    The largest value is the first field. Where that holds other schedules, as a warm-up's does, they are
    given the peak; of a product only the first one is, and the others peak at 1.

    Raises:
        ArgumentError: an option is wrong; UnknownNameError for an unknown name.

    >>> with_peak("warmup:schedule=cosine,steps=10", 0.1).schedule.lr
    0.1
    """
    first, options = peak_field(spec), dict(_options(spec))
    if first is None:
        return registry.create("schedule", spec)
    inner = options.get(first)
    if first not in options:
        options[first] = peak
    elif _names_schedule(inner):
        options[first] = with_peak(inner, peak)
    elif isinstance(inner, (tuple, list)):
        peaks = [peak, *((1.0 if _name(spec) == "product" else peak) for _ in inner[1:])]
        options[first] = [
            with_peak(part, p) if _names_schedule(part) else part
            for part, p in zip(inner, peaks, strict=True)
        ]
    return registry.create("schedule", {**options, "name": _name(spec)})


def gives_peak(spec: Any) -> bool:
    """Whether a name with options says its largest value itself, or the schedules that it holds do."""
    first = peak_field(spec) if isinstance(spec, (str, Mapping)) else None
    if first is None:  # made already, or without anything that could be said
        return True
    inner = _options(spec).get(first)
    parts = inner if isinstance(inner, (tuple, list)) else [] if inner is None else [inner]
    # Text that names no schedule gives nothing: the class says what is wrong with it when it is made.
    return any(gives_peak(part) for part in parts if not isinstance(part, str) or _names_schedule(part))


def peak_field(spec: str | Mapping[str, Any]) -> str | None:
    """The name of the first field of a schedule, which is its largest value; ``None`` for one without.

    Of a function that is a schedule it is the option ``lr``, if it has one.

    >>> peak_field("onecycle")
    'max_lr'
    """
    factory = registry.get("schedule", _name(spec))
    first = next(iter(inspect.signature(factory).parameters), None)
    of_function = inspect.isclass(factory) and issubclass(factory, FunctionSchedule)
    return None if of_function and first != "lr" else first


def _names_schedule(value: Any) -> TypeGuard[str | Mapping[str, Any]]:
    """Whether ``value`` stands for a schedule; other text, such as ``lr=abc``, is what the class refuses."""
    if isinstance(value, str):
        return parse_spec(value)[0] in registry.names("schedule")
    return isinstance(value, Mapping)


def _name(spec: str | Mapping[str, Any]) -> str:
    return parse_spec(spec)[0] if isinstance(spec, str) else str(spec.get("name"))


def _options(spec: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(spec, str):
        return parse_spec(spec)[1]
    return {key: value for key, value in spec.items() if key not in ("name", "kind")}

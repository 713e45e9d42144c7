"""The parts of a trainer by name, and the names that its metrics are reported under."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from learnkit.errors import ArgumentError
from learnkit.metrics.base import Metric
from learnkit.plugins import registry

__all__ = ["component", "named_metrics"]


def component(kind: str, spec: Any, base: type) -> Any:
    """The component that a trainer was given as an object, a class or a name.

    Raises:
        ArgumentError: it is of another kind; UnknownNameError for an unknown name.
    """
    made = registry.create(kind, spec)
    if not isinstance(made, base):
        raise ArgumentError(
            f"Trainer: {kind} is {made!r}, expected {'an' if kind == 'optimizer' else 'a'} {base.__name__} "
            f"or a name: {', '.join(registry.names(kind))}"
        )
    return made


def named_metrics(metrics: Sequence[Any]) -> dict[str, Metric]:
    """Metrics by the name they are reported under: that of the registry, else of the class."""
    named: dict[str, Metric] = {}
    for spec in metrics:
        metric = component("metric", spec, Metric)
        name = spec.split(":")[0] if isinstance(spec, str) else _reported_name(metric)
        if name in named:
            raise ArgumentError(f"Trainer: metric {name!r} is given twice")
        named[name] = metric
    return named


def _reported_name(metric: Metric) -> str:
    reported = getattr(metric, "reported_name", None)
    if reported is not None:
        return str(reported)
    try:
        return registry.name_of(metric)
    except ArgumentError:
        return type(metric).__name__.lower()

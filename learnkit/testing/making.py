"""A component from what the author gives: an object as it is, a class or a function made into one."""

from __future__ import annotations

import inspect
from typing import Any

from learnkit.errors import ArgumentError, LearnkitError
from learnkit.plugins.construct import signature_of
from learnkit.plugins.functions import component_of

__all__ = ["made", "sample_options"]

#: What stands for a required option, by its name or by words in it.
_GUESSES: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("num_embeddings",), 6),
    (("path", "file"), "checked.safetensors"),
    (("in_", "out_", "kernel", "features", "channels", "size", "dim", "units", "num", "hidden", "width"), 4),
    (("steps", "total", "period", "epochs", "patience"), 10),
    (("rate", "fraction", "prob", "alpha", "beta", "gamma", "weight", "decay", "eps"), 0.1),
)


def made(component: Any, kind: str) -> tuple[Any, dict[str, Any]]:
    """The object to check, and what its class says it needs.

    A class may say it itself, by a class method ``for_checks()`` that returns an object, or an object and a
    dict of what :func:`~learnkit.testing.checks_for` takes by name.

    Raises:
        ArgumentError: an object cannot be made without options.
    """
    if kind in ("kernel", "backend", "reader", "exporter", "command", "dataset"):
        return component, {}
    cls = component if inspect.isclass(component) else type(component)
    offered = getattr(cls, "for_checks", None)
    if inspect.isclass(component):
        if callable(offered):
            return _split(offered())
        return _constructed(component, kind), {}
    if inspect.isroutine(component):
        found = component_of(kind, component.__name__, component)
        return (_constructed(component, kind) if found is component else found(**sample_options(found))), {}
    if callable(offered):
        return component, _split(offered())[1]
    return component, {}


def _split(given: Any) -> tuple[Any, dict[str, Any]]:
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], dict):
        return given[0], dict(given[1])
    return given, {}


def sample_options(factory: Any) -> dict[str, Any]:
    """Values for the options of a factory that have no default."""
    options: dict[str, Any] = {}
    for parameter in signature_of(factory).parameters.values():
        if parameter.default is not parameter.empty or parameter.kind in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        ):
            continue
        annotation = str(parameter.annotation)
        value = next((v for words, v in _GUESSES if any(w in parameter.name for w in words)), None)
        if "int" in annotation and not isinstance(value, int):
            value = 4
        elif "float" in annotation and not isinstance(value, float):
            value = 0.5
        options[parameter.name] = 4 if value is None else value
    return options


def _constructed(factory: Any, kind: str) -> Any:
    try:
        options = sample_options(factory)
    except (TypeError, ValueError):
        options = {}
    try:
        return factory(**options)
    except Exception as error:
        if isinstance(error, LearnkitError) and not options:
            raise
        given = ", ".join(f"{name}={value!r}" for name, value in options.items())
        raise ArgumentError(
            f"{kind} {factory.__name__} cannot be made: {factory.__name__}({given}) raised "
            f"{type(error).__name__}: {error}",
            hint="say how: a class method for_checks() that returns an object, or (object, inputs)",
        ) from error

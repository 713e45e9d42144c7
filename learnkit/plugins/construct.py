"""Calls a factory with options by name, and words what is wrong with them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from learnkit.errors import ArgumentError, LearnkitError, did_you_mean

__all__ = ["construct", "signature_of"]

_BY_NAME = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
)


def construct(kind: str, name: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """``factory(**options)``, with errors that name the component.

    A list becomes a tuple unless the parameter is annotated as a list, since text formats have no
    tuples and hyper-parameters are immutable. The option of the name of ``*layers`` holds the list
    of the positional arguments.

    Raises:
        ArgumentError: an option is unknown or missing, or the factory refuses a value.
    """
    try:
        signature = signature_of(factory)
    except (TypeError, ValueError):
        return _call(name, factory, lambda: factory(**options))
    parameters = {p.name: p for p in signature.parameters.values() if p.kind in _BY_NAME}
    extra = next((p for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), None)
    what = f"{kind} {name!r}"
    hint = f"options: {', '.join(parameters)}" if parameters else "it takes no options"
    for option in options:
        if option not in parameters and extra is None:
            raise ArgumentError(
                f"{what} has no option {option!r}{did_you_mean(option, parameters)}", hint=hint
            )
    for parameter in parameters.values():
        required = parameter.kind is not parameter.VAR_POSITIONAL and parameter.default is parameter.empty
        if required and parameter.name not in options:
            raise ArgumentError(f"{what} needs the option {parameter.name!r}", hint=hint)

    bound = inspect.BoundArguments(signature, {})
    for option, value in options.items():
        if option not in parameters:
            assert extra is not None
            bound.arguments.setdefault(extra.name, {})[option] = value
        else:
            bound.arguments[option] = _fitted(what, value, parameters[option])
    bound.apply_defaults()
    return _call(name, factory, lambda: factory(*bound.args, **bound.kwargs))


def signature_of(factory: Callable[..., Any]) -> inspect.Signature:
    """The parameters a factory really takes.

    Raises:
        TypeError, ValueError: it has no signature, as some classes written in C.
    """
    signature = inspect.signature(factory)
    forwards = [p.kind for p in signature.parameters.values()] == [
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    ]
    if not (forwards and inspect.isclass(factory)):
        return signature
    # A __new__ of a base takes everything for its subclasses; what counts is what __init__ takes.
    initialize = factory.__init__
    parameters = [] if initialize is object.__init__ else inspect.signature(initialize).parameters.values()
    return signature.replace(parameters=list(parameters)[1:])


def _fitted(what: str, value: Any, parameter: inspect.Parameter) -> Any:
    if parameter.kind is parameter.VAR_POSITIONAL:
        if not isinstance(value, list | tuple):
            raise ArgumentError(f"{what}: the option {parameter.name!r} must be a list, not {value!r}")
        return tuple(_frozen(item) for item in value)
    annotation = parameter.annotation
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return value if text.startswith("list") else _frozen(value)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _call(name: str, factory: Callable[..., Any], make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ArgumentError as exc:
        own_name = getattr(factory, "__name__", name)
        if not exc.message.startswith((f"{name}:", f"{own_name}:")):
            exc.message = f"{name}: {exc.message}"
            exc.args = (exc.message,)
        raise
    except LearnkitError:  # a missing library or a damaged file is not a wrong option
        raise
    except (TypeError, ValueError) as exc:
        raise ArgumentError(f"{name}: {exc}") from exc

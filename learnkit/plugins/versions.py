"""Versions that components say of themselves, and options of another version; see ``plugins.provenance``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from learnkit.errors import ArgumentError
from learnkit.plugins.construct import signature_of

__all__ = ["declared_version", "migrated", "restoring"]

_restoring: ContextVar[bool] = ContextVar("learnkit_restoring", default=False)


@contextmanager
def restoring() -> Iterator[None]:
    """Within the block descriptions are of a saved run: one without a version is older than versions."""
    token = _restoring.set(True)
    try:
        yield
    finally:
        _restoring.reset(token)


def declared_version(factory: Any) -> str | int | None:
    """The version that a class says of itself, a class attribute; a parameter of that name is an option."""
    if not inspect.isclass(factory):
        return None
    version = getattr(factory, "version", None)
    if type(version) not in (str, int) or _has_option(factory, "version"):
        return None
    return version


def migrated(kind: str, name: str, factory: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a description as the component takes them now.

    Raises:
        ArgumentError: the component's ``migrate`` failed, or returned something else than options.
    """
    found = dict(options)
    current = declared_version(factory)
    if _has_option(factory, "version") or (current is None and not _restoring.get()):
        return found  # what is called version is an option, or a mistake
    given = "version" in found
    version = found.pop("version", None)
    migrate = getattr(factory, "migrate", None) if inspect.isclass(factory) else None
    if version == current or not (given or _restoring.get()) or not callable(migrate):
        return found
    what = f"{kind} {name!r}: migrate(options, {version!r})"
    try:
        result = migrate(found, version)
    except ArgumentError as error:
        error.message = f"{what}: {error.message}"
        raise
    except Exception as error:
        raise ArgumentError(f"{what} failed: {type(error).__name__}: {error}") from error
    if not isinstance(result, Mapping):
        raise ArgumentError(f"{what} returned {type(result).__name__}, expected the options as a mapping")
    return dict(result)


def _has_option(factory: Any, option: str) -> bool:
    try:
        return option in signature_of(factory).parameters
    except (TypeError, ValueError):
        return False

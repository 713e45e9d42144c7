"""Importing one installed plugin, so that what goes wrong in it is a record and never a crash.

Both groups of plugins are loaded here: those that register components (:mod:`learnkit.plugins.manager`) and
those that see runs (:mod:`learnkit.plugins.runs`).
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

import pluggy

from learnkit.errors import LearnkitError, PluginError
from learnkit.plugins.hooks import Factory, PluginHooks
from learnkit.plugins.local import LocalFile
from learnkit.plugins.records import PluginRecord, Status
from learnkit.plugins.requirements import unmet_requirement
from learnkit.plugins.trace import say, switched_on, timed, trace, tracing

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

    from learnkit.plugins.guard import Effects

__all__ = [
    "Candidate",
    "attempt",
    "being_loaded",
    "candidates",
    "listed_names",
    "one_line",
    "overriding_names",
    "strictly",
]

T = TypeVar("T")

_FOREIGN = "{} belongs to another user; LEARNKIT_PLUGINS=learnkit_local allows it"

#: What was registered in code: kind, name: factory.
Registered = dict[str, dict[str, Factory]]


@dataclass
class _Loading:
    """What is known of a plugin once it has been imported, or while it is."""

    seconds: float = 0.0
    effects: Effects | None = None
    registered: Registered = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Candidate:
    """An entry point or file, what is known of its distribution, and what it registered once loaded."""

    entry: EntryPoint | LocalFile | _Unreadable
    distribution: str
    version: str
    requires: tuple[str, ...]
    components: Registered = field(default_factory=dict)
    detail: str = ""
    loading: _Loading = field(default_factory=_Loading)

    @classmethod
    def of(cls, entry: EntryPoint) -> Candidate:
        """What is known of an entry point before it is imported."""
        # An uninstallation that was cut short leaves entry points without the metadata beside them.
        try:
            assert entry.dist is not None
            metadata = entry.dist.metadata  # parsed anew each time it is asked for
            requires = metadata.get_all("Requires-Dist") or ()
            return cls(entry, str(metadata["Name"] or ""), str(metadata["Version"] or ""), tuple(requires))
        except Exception:
            return cls(entry, "", "", ())

    @property
    def who(self) -> str:
        """The distribution and its version, for messages."""
        if isinstance(self.entry, LocalFile):
            return self.entry.value
        return (
            f"{self.distribution} {self.version}".strip() or f"an unnamed distribution ({self.entry.value})"
        )

    def answers_to(self, names: frozenset[str]) -> bool:
        """Whether the plugin or its distribution is among ``names``."""
        return self.entry.name in names or bool(
            self.distribution and _normalized(self.distribution) in map(_normalized, names)
        )

    def offer(self, kind: str, name: str, factory: Factory, *, override: bool) -> None:
        """Take what the plugin registers in code while it is loaded for a part of the plugin.

        Raises:
            PluginError: it has registered that name already, or wants to replace what is built in.
        """
        if override:
            raise PluginError(
                f"it registers the {kind} {name!r} with override=True; "
                f"only the user can let it, with LEARNKIT_OVERRIDE={self.entry.name}"
            )
        named = self.loading.registered.setdefault(kind, {})
        if name in named:
            raise PluginError(f"it registers the {kind} {name!r} twice")
        named[name] = factory

    def record(self, status: Status, detail: str = "", trace: str = "") -> PluginRecord:
        """What became of it."""
        offered = {kind: tuple(found) for kind, found in self.components.items()} if status == "ok" else {}
        effects = self.loading.effects
        return PluginRecord(
            self.entry.name,
            self.distribution,
            self.version,
            status,
            "; ".join(part for part in (detail, effects.detail if effects else "") if part),
            offered,
            trace,
            output=effects.written if effects else "",
            seconds=self.loading.seconds,
        )


class _Unreadable:
    """A distribution whose file of entry points cannot be read, in the place of an entry point."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name, self.value, self.error = name, "entry_points.txt", error

    def load(self) -> object:
        raise PluginError(f"its entry_points.txt cannot be read: {one_line(self.error)}")


def candidates(group: str, local: LocalFile | None = None) -> list[Candidate]:
    """The plugins that are announced in a group of entry points, sorted by name; imports none of them.

    Args:
        group: the group.
        local: a file that is a plugin too, if there is one.
    """
    from importlib import metadata  # takes a while, and is not always needed

    began = time.perf_counter()
    found = [] if local is None else [Candidate(local, "", "", ())]
    try:
        found += map(Candidate.of, metadata.entry_points(group=group))
    except Exception:  # one broken file spoils the list of all: look into each by itself
        found += _one_by_one(group, metadata.distributions())
    trace(f"found {len(found)} in the group {group}", time.perf_counter() - began)
    return sorted(found, key=lambda candidate: (candidate.entry.name, candidate.distribution))


def _one_by_one(group: str, distributions: Iterable[Distribution]) -> list[Candidate]:
    found, seen = [], set()
    for distribution in distributions:
        name = ""
        try:
            name = str(distribution.metadata["Name"] or "")
            if _normalized(name) not in seen:  # the first on the path is the one that is imported
                found += [Candidate.of(entry) for entry in distribution.entry_points if entry.group == group]
        except Exception as error:
            text = distribution.read_text("entry_points.txt") or ""
            if f"[{group}]" in text.replace(" ", ""):
                found.append(Candidate(_Unreadable(name or "unnamed", error), name, "", ()))
        seen.add(_normalized(name))
    return found


def listed_names() -> frozenset[str] | None:
    """The plugins that ``LEARNKIT_PLUGINS`` names; ``None`` if it is not set."""
    return _names_in("LEARNKIT_PLUGINS")


def overriding_names() -> frozenset[str]:
    """The plugins that ``LEARNKIT_OVERRIDE`` allows to replace built-in components."""
    return _names_in("LEARNKIT_OVERRIDE") or frozenset()


def _names_in(variable: str) -> frozenset[str] | None:
    listed = os.environ.get(variable)
    return None if listed is None else frozenset(n.strip() for n in listed.split(",") if n.strip())


#: The plugin that this thread or task is loading, and what was registered in code by it.
_current: ContextVar[Candidate | None] = ContextVar("learnkit_plugin", default=None)
#: What modules have registered in code when they were imported, which happens once in a process.
_at_import: WeakKeyDictionary[ModuleType, Registered] = WeakKeyDictionary()


def being_loaded() -> Candidate | None:
    """The plugin whose code is running because it is loaded; ``None`` outside of that."""
    return _current.get()


def attempt(candidate: Candidate, version: str | None, use: Callable[[PluginHooks], T]) -> T | PluginRecord:
    """Import a plugin and use its hooks.

    Args:
        candidate: the plugin. Its requirement on learnkit is read before it is imported.
        version: the running version of learnkit; ``None`` is ``learnkit.__version__``.
        use: called with its hooks; what it returns is the result.

    Returns:
        What ``use`` returned, or the record of what went wrong.
    """
    from learnkit.plugins.guard import guarded  # takes a while, and there may be no plugin

    # The version by name, as this module stands below the package it asks.
    running = version or str(importlib.import_module("learnkit").__version__)
    unmet = unmet_requirement(candidate.requires, running)
    if unmet is not None:
        return strictly(candidate.record("incompatible", f"needs {unmet}, running {running}"))
    entry, loading = candidate.entry, candidate.loading
    if isinstance(entry, LocalFile):
        if entry.foreign and entry.name not in (listed_names() or ()):
            return candidate.record("blocked", _FOREIGN.format(entry.value))
        if not entry.loaded:
            entry.announce()
    token, began = _current.set(candidate), time.perf_counter()
    try:
        # stdout belongs to the program: what a plugin prints must not end up in its --json.
        with guarded() as loading.effects:
            with timed(f"import of {entry.value} ({candidate.who})"):
                plugin = entry.load()
            _remember(plugin, entry, loading.registered)
            result = use(PluginHooks(plugin, entry.name))
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # SystemExit too: a plugin must not end the program
        loading.seconds = time.perf_counter() - began
        text = "".join(traceback.format_exception(exc))
        return strictly(candidate.record("failed", one_line(exc), text), exc)
    finally:
        _current.reset(token)
    loading.seconds = time.perf_counter() - began
    line = loading.effects.line(candidate.who)
    if line and not tracing():
        say(line)
    return result


def _remember(plugin: object, entry: EntryPoint | LocalFile | _Unreadable, registered: Registered) -> None:
    """Keep what a module has registered in code when it was imported: it is imported once in a process."""
    module = plugin if isinstance(plugin, ModuleType) else sys.modules.get(getattr(entry, "module", ""))
    if module is None:
        return
    if registered:
        _at_import[module] = {kind: dict(found) for kind, found in registered.items()}
    else:
        registered.update({kind: dict(found) for kind, found in _at_import.get(module, {}).items()})


def strictly(record: PluginRecord, cause: BaseException | None = None) -> PluginRecord:
    """The record of a plugin that cannot be used; raises if ``LEARNKIT_STRICT_PLUGINS`` is set.

    Raises:
        PluginError: it is.
    """
    trace(f"{record.name} cannot be used: {record.detail}")
    if switched_on("LEARNKIT_STRICT_PLUGINS"):
        raise PluginError(
            f"plugin {record.name!r}: {record}", hint="raised as LEARNKIT_STRICT_PLUGINS is set"
        ) from cause
    return record


def one_line(exc: BaseException) -> str:
    """The exception's type and the first line of its text; for pluggy's own, all of it on one line."""
    try:
        text = str(exc)
    except Exception:
        text = ""
    if isinstance(exc, pluggy.PluginValidationError):
        return " ".join(text.split())
    first = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text.strip().partition("\n")[0])
    if isinstance(exc, LearnkitError):
        return first
    return f"{type(exc).__name__}: {first}" if first else type(exc).__name__


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()

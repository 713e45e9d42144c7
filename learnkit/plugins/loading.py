"""Importing one installed plugin, so that what goes wrong in it is a record and never a crash.

Both groups of plugins are loaded here: those that register components (:mod:`learnkit.plugins.manager`) and
those that see runs (:mod:`learnkit.plugins.runs`).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import pluggy

from learnkit.errors import PluginError
from learnkit.plugins.hooks import Factory, PluginHooks
from learnkit.plugins.records import PluginRecord, Status
from learnkit.plugins.requirements import unmet_requirement

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Candidate", "attempt", "candidates", "listed_names", "one_line", "strictly"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Candidate:
    """An entry point, what is known of its distribution, and what it registered once loaded."""

    entry: EntryPoint
    distribution: str
    version: str
    requires: tuple[str, ...]
    components: dict[str, dict[str, Factory]] = field(default_factory=dict)
    detail: str = ""

    @classmethod
    def of(cls, entry: EntryPoint) -> Candidate:
        """What is known of an entry point before it is imported."""
        # An uninstallation that was cut short leaves entry points without the metadata beside them.
        try:
            assert entry.dist is not None
            name, version = entry.dist.metadata["Name"] or "", entry.dist.version or ""
            return cls(entry, name, version, tuple(entry.dist.requires or ()))
        except Exception:
            return cls(entry, "", "", ())

    @property
    def who(self) -> str:
        """The distribution and its version, for messages."""
        return (
            f"{self.distribution} {self.version}".strip() or f"an unnamed distribution ({self.entry.value})"
        )

    def answers_to(self, names: frozenset[str]) -> bool:
        """Whether the plugin or its distribution is among ``names``."""
        return self.entry.name in names or _normalized(self.distribution) in map(_normalized, names)

    def record(self, status: Status, detail: str = "", trace: str = "") -> PluginRecord:
        """What became of it."""
        offered = {kind: tuple(found) for kind, found in self.components.items()} if status == "ok" else {}
        return PluginRecord(self.entry.name, self.distribution, self.version, status, detail, offered, trace)


def candidates(group: str) -> list[Candidate]:
    """The plugins that are announced in a group of entry points, sorted by name; imports none of them."""
    from importlib.metadata import entry_points  # takes a while, and is not always needed

    found = [Candidate.of(entry) for entry in entry_points(group=group)]
    return sorted(found, key=lambda candidate: (candidate.entry.name, candidate.distribution))


def listed_names() -> frozenset[str] | None:
    """The plugins that ``LEARNKIT_PLUGINS`` names; ``None`` if it is not set."""
    listed = os.environ.get("LEARNKIT_PLUGINS")
    return None if listed is None else frozenset(n.strip() for n in listed.split(",") if n.strip())


def attempt(candidate: Candidate, version: str | None, use: Callable[[PluginHooks], T]) -> T | PluginRecord:
    """Import a plugin and use its hooks.

    Args:
        candidate: the plugin. Its requirement on learnkit is read before it is imported.
        version: the running version of learnkit; ``None`` is ``learnkit.__version__``.
        use: called with its hooks; what it returns is the result.

    Returns:
        What ``use`` returned, or the record of what went wrong.
    """
    # The version by name, as this module stands below the package it asks.
    running = version or str(importlib.import_module("learnkit").__version__)
    unmet = unmet_requirement(candidate.requires, running)
    if unmet is not None:
        return strictly(candidate.record("incompatible", f"needs {unmet}, running {running}"))
    try:
        # sys.stdout belongs to the program: what a plugin prints must not end up in its --json.
        with contextlib.redirect_stdout(sys.stderr):
            return use(PluginHooks(candidate.entry.load(), candidate.entry.name))
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # SystemExit too: a plugin must not end the program
        trace = "".join(traceback.format_exception(exc))
        return strictly(candidate.record("failed", one_line(exc), trace), exc)


def strictly(record: PluginRecord, cause: BaseException | None = None) -> PluginRecord:
    """The record of a plugin that cannot be used; raises if ``LEARNKIT_STRICT_PLUGINS`` is set.

    Raises:
        PluginError: it is.
    """
    if os.environ.get("LEARNKIT_STRICT_PLUGINS", "0") not in ("", "0"):
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
    first = text.strip().partition("\n")[0]
    if isinstance(exc, PluginError):
        return first
    return f"{type(exc).__name__}: {first}" if first else type(exc).__name__


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()

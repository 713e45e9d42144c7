"""Finds plugins and runs their hooks, so that a broken one is a record and never a crash.

Built-in components enter by the same hooks as those of third parties. Two things differ: the hooks
of the built-ins are called one kind at a time, when that kind is first asked for, and their
exceptions propagate; the plugins found by entry point are loaded all together, and only when a name
is not built in or when components are listed.

Environment variables, read when plugins are loaded:

``LEARNKIT_PLUGINS``
    the only plugins to load, as names of entry points or distributions with commas between them;
    empty for none. Unset, every installed plugin is loaded.
``LEARNKIT_STRICT_PLUGINS``
    ``1`` raises :class:`~learnkit.errors.PluginError` for the first plugin that cannot be used,
    for those who write one.
"""

from __future__ import annotations

import importlib
import threading
from collections import defaultdict
from dataclasses import replace

from learnkit.errors import PluginError, did_you_mean
from learnkit.plugins.hooks import Factory, PluginHooks
from learnkit.plugins.hookspecs import KINDS
from learnkit.plugins.loading import Candidate, attempt, candidates, listed_names, strictly
from learnkit.plugins.records import PluginRecord

__all__ = ["DEFAULT_PLUGINS", "GROUP", "PluginManager"]

#: Modules whose components are built in; imported on the first lookup.
DEFAULT_PLUGINS: tuple[str, ...] = ("learnkit.plugins.builtin",)

#: The entry-point group in which third parties announce plugins.
GROUP = "learnkit"


class PluginManager:
    """The components of the built-ins and of the installed plugins.

    Args:
        default_plugins: names of the modules whose components are built in.
        version: the running version of learnkit, ``learnkit.__version__`` by default.
    """

    def __init__(
        self, default_plugins: tuple[str, ...] = DEFAULT_PLUGINS, version: str | None = None
    ) -> None:
        self._default_plugins = default_plugins
        self._version = version
        self._builtin_hooks: dict[str, PluginHooks] = {}
        self._builtin: dict[str, dict[str, Factory]] = {}
        self._third_party: dict[str, dict[str, Factory]] | None = None
        self._records: tuple[PluginRecord, ...] = ()
        self._disabled = ""
        # Loading swaps sys.stdout, so only one thread may; the thread that loads may look names up.
        self._lock = threading.RLock()
        self._loading = False

    def builtin(self, kind: str) -> dict[str, Factory]:
        """The built-in components of a kind; reads no entry point and imports only this kind."""
        known = self._builtin.get(kind)
        if known is None:
            known = {}
            for module in self._default_plugins:
                for name, factory in self._hooks_of(module).components(kind).items():
                    if name in known:
                        raise PluginError(f"{module} registers the {kind} {name!r} a second time")
                    known[name] = factory
            self._builtin[kind] = known
        return known

    def third_party(self, kind: str) -> dict[str, Factory]:
        """The components of a kind that installed plugins offer; loads them on the first call."""
        return self._load().get(kind, {})

    def records(self) -> tuple[PluginRecord, ...]:
        """What became of each installed plugin, sorted by name; loads them on the first call."""
        self._load()
        return self._records

    def disable_third_party(self, reason: str = "plugins are switched off") -> None:
        """Use the built-ins only from now on; every installed plugin is recorded as ``blocked``.

        Args:
            reason: the detail of the records, such as the option that asked for it.
        """
        with self._lock:
            self._disabled = reason
            self._third_party = None

    @property
    def version(self) -> str | None:
        """The version of learnkit that plugins are told; ``None`` is the running one."""
        return self._version

    @property
    def disabled(self) -> str:
        """Why installed plugins are not to be used, or ``""``."""
        return self._disabled

    def _hooks_of(self, module: str) -> PluginHooks:
        hooks = self._builtin_hooks.get(module)
        if hooks is None:
            hooks = self._builtin_hooks[module] = PluginHooks(importlib.import_module(module), module)
        return hooks

    def _load(self) -> dict[str, dict[str, Factory]]:
        loaded = self._third_party
        if loaded is not None:
            return loaded
        with self._lock:
            if self._third_party is not None:
                return self._third_party
            if self._loading:  # a plugin looks up a name while it is imported: it sees the built-ins
                return {}
            self._loading = True
            try:
                loaded, self._records = self._load_entry_points()
            finally:
                self._loading = False
            self._third_party = loaded
            return loaded

    def _load_entry_points(self) -> tuple[dict[str, dict[str, Factory]], tuple[PluginRecord, ...]]:
        found = candidates(GROUP)
        records: list[PluginRecord] = []
        loaded: list[Candidate] = []
        for candidate in self._chosen(found, records):
            result = self._load_one(candidate)
            if isinstance(result, PluginRecord):
                records.append(result)
            else:
                loaded.append(result)
        table: dict[str, dict[str, Factory]] = defaultdict(dict)
        for candidate in self._without_conflicts(loaded, records):
            records.append(candidate.record("ok", candidate.detail))
            for kind, components in candidate.components.items():
                table[kind].update(components)
        return dict(table), tuple(sorted(records, key=lambda record: (record.name, record.distribution)))

    def _chosen(self, found: list[Candidate], records: list[PluginRecord]) -> list[Candidate]:
        """The plugins to load: asked for, and the only one of their name."""
        if self._disabled:
            records += [candidate.record("blocked", self._disabled) for candidate in found]
            return []
        names = listed_names()
        if names is not None:
            records += [
                c.record("blocked", "not in LEARNKIT_PLUGINS") for c in found if not c.answers_to(names)
            ]
            for name in sorted(names):
                if not any(candidate.answers_to(frozenset({name})) for candidate in found):
                    known = [candidate.entry.name for candidate in found]
                    detail = f"named in LEARNKIT_PLUGINS, and not installed{did_you_mean(name, known)}"
                    records.append(strictly(PluginRecord(name, "", "", "failed", detail)))
            found = [candidate for candidate in found if candidate.answers_to(names)]
        chosen = []
        for candidate in found:
            same = [other for other in found if other.entry.name == candidate.entry.name]
            if len(same) == 1:
                chosen.append(candidate)
            else:
                detail = f"the plugin name {candidate.entry.name!r} is used by {_listed(same)}"
                records.append(strictly(candidate.record("conflict", detail)))
        return chosen

    def _load_one(self, candidate: Candidate) -> Candidate | PluginRecord:
        """Import one plugin and collect what it registers of every kind, or say why not."""

        def collect(hooks: PluginHooks) -> Candidate:
            components = {kind: found for kind in KINDS if (found := hooks.components(kind))}
            detail = "it registers nothing" if not components else ""
            return replace(candidate, components=components, detail=detail)

        return attempt(candidate, self._version, collect)

    def _without_conflicts(self, loaded: list[Candidate], records: list[PluginRecord]) -> list[Candidate]:
        """Leave out every plugin that offers a name which is built in or which another offers too.

        Both of two plugins go: which of them is meant must not depend on the order of loading.
        """
        remaining = []
        for candidate in loaded:
            taken = [
                f"the {kind} {name!r} is built in, and {candidate.who} offers it too"
                for kind, components in candidate.components.items()
                for name in components
                if name in self.builtin(kind)
            ]
            if taken:
                records.append(strictly(candidate.record("conflict", "; ".join(taken))))
            else:
                remaining.append(candidate)
        offers: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
        for candidate in remaining:
            for kind, components in candidate.components.items():
                for name in components:
                    offers[kind, name].append(candidate)
        kept = []
        for candidate in remaining:
            taken = [
                f"the {kind} {name!r} is offered by {_listed(by)}"
                for (kind, name), by in offers.items()
                if len(by) > 1 and candidate in by
            ]
            if taken:
                records.append(strictly(candidate.record("conflict", "; ".join(taken))))
            else:
                kept.append(candidate)
        return kept


def _listed(candidates: list[Candidate]) -> str:
    return " and ".join(candidate.who for candidate in candidates)

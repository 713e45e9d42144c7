"""The installed plugins: which of them are loaded, which of them clash, and what became of each.

Environment variables, read when plugins are loaded:

``LEARNKIT_PLUGINS``
    the only plugins to load, as names of entry points or distributions with commas between them;
    empty for none. Unset, every installed plugin is loaded.
``LEARNKIT_OVERRIDE``
    plugins, named in the same way, that may replace built-in components. Then a name that is built in loads
    the plugins too, and what is replaced is said in a line for each of these plugins.
``LEARNKIT_STRICT_PLUGINS``
    ``1`` raises :class:`~learnkit.errors.PluginError` for the first plugin that cannot be used,
    for those who write one.
``LEARNKIT_TRACE_PLUGINS``
    ``1`` writes each import, call of a hook and registration to stderr, with the time it takes, and
    what the plugins themselves write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from learnkit.errors import PluginError, did_you_mean
from learnkit.plugins.hooks import Factory, PluginHooks
from learnkit.plugins.hookspecs import KINDS, LIFECYCLE
from learnkit.plugins.loading import Candidate, attempt, candidates, listed_names, overriding_names, strictly
from learnkit.plugins.local import LocalFile
from learnkit.plugins.records import PluginRecord
from learnkit.plugins.trace import say

__all__ = ["GROUP", "Installed", "load_installed"]

#: The entry-point group in which third parties announce plugins.
GROUP = "learnkit"

#: That of the plugins that see runs; see :mod:`learnkit.plugins.runs`.
RUNS = "learnkit.runs"


class Installed(NamedTuple):
    """What the installed plugins offer.

    Attributes:
        components: those of all plugins that can be used, by kind and name.
        overriding: those among them that replace built-in ones.
        records: what became of each plugin.
    """

    components: dict[str, dict[str, Factory]]
    overriding: dict[str, dict[str, Factory]]
    records: tuple[PluginRecord, ...]


def load_installed(
    builtin: Callable[[str], Mapping[str, Factory]],
    local: LocalFile | None = None,
    version: str | None = None,
    disabled: str = "",
) -> Installed:
    """Load the installed plugins that the environment asks for.

    Args:
        builtin: the built-in components of a kind.
        local: a file that is one more plugin.
        version: the version of learnkit that plugins are told.
        disabled: why none is to be loaded, or ``""``.
    """
    found = candidates(GROUP, local)
    records: list[PluginRecord] = []
    loaded: list[Candidate] = []
    for candidate in _chosen(found, records, disabled):
        result = _load_one(candidate, version)
        if isinstance(result, PluginRecord):
            records.append(result)
        else:
            loaded.append(result)
    table: dict[str, dict[str, Factory]] = defaultdict(dict)
    replacing: dict[str, dict[str, Factory]] = defaultdict(dict)
    for candidate in _without_conflicts(loaded, records, builtin):
        taken = [
            (kind, name)
            for kind, components in candidate.components.items()
            for name in components
            if name in builtin(kind)
        ]
        for kind, components in candidate.components.items():
            table[kind].update(components)
        for kind, name in taken:
            replacing[kind][name] = candidate.components[kind][name]
        detail = candidate.detail
        if taken:
            what = ", ".join(f"{kind} {name!r}" for kind, name in taken)
            say(f"plugin {candidate.who} replaces the built-in {what} (LEARNKIT_OVERRIDE)")
            detail = f"it replaces the built-in {what}"
        records.append(candidate.record("ok", detail))
    ordered = sorted(records, key=lambda record: (record.name, record.distribution))
    return Installed(dict(table), dict(replacing), tuple(ordered))


def _chosen(found: list[Candidate], records: list[PluginRecord], disabled: str) -> list[Candidate]:
    """The plugins to load: asked for, and the only one of their name."""
    if disabled:
        records += [candidate.record("blocked", disabled) for candidate in found]
        return []
    names = listed_names()
    for variable, named in (("LEARNKIT_PLUGINS", names), ("LEARNKIT_OVERRIDE", overriding_names())):
        records += _not_installed(variable, named or frozenset(), found)
    if names is not None:
        records += [c.record("blocked", "not in LEARNKIT_PLUGINS") for c in found if not c.answers_to(names)]
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


def _load_one(candidate: Candidate, version: str | None) -> Candidate | PluginRecord:
    """Import one plugin and collect what it registers of every kind, or say why not."""

    def collect(hooks: PluginHooks) -> Candidate:
        components = {kind: found for kind in KINDS if (found := hooks.components(kind))}
        for kind, named in candidate.loading.registered.items():  # in code, by the plugin
            for name in named:
                if name in components.get(kind, {}):
                    raise PluginError(f"it registers the {kind} {name!r} twice")
            components[kind] = {**components.get(kind, {}), **named}
        said = ("" if components else "it registers nothing", hooks.uncalled(LIFECYCLE, "learnkit.runs"))
        detail = "; ".join(filter(None, said))
        return replace(candidate, components=components, detail=detail)

    return attempt(candidate, version, collect)


def _without_conflicts(
    loaded: list[Candidate], records: list[PluginRecord], builtin: Callable[[str], Mapping[str, Factory]]
) -> list[Candidate]:
    """Leave out every plugin that offers a name which is built in or which another offers too.

    Both of two plugins go: which of them is meant must not depend on the order of loading.
    """
    remaining = []
    for candidate in loaded:
        taken = [
            f"the {kind} {name!r} is built in, and {candidate.who} offers it too"
            for kind, components in candidate.components.items()
            for name in components
            if name in builtin(kind)
        ]
        if taken and not candidate.answers_to(overriding_names()):
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


def _not_installed(variable: str, names: frozenset[str], found: list[Candidate]) -> list[PluginRecord]:
    """A record for each plugin that an environment variable names and that is not there."""
    missing = [n for n in sorted(names) if not any(c.answers_to(frozenset({n})) for c in found)]
    if missing:  # it may see runs only
        others = candidates(RUNS)
        missing = [n for n in missing if not any(c.answers_to(frozenset({n})) for c in others)]
    known = [candidate.entry.name for candidate in found]
    details = [f"named in {variable}, and not installed{did_you_mean(name, known)}" for name in missing]
    return [
        strictly(PluginRecord(name, "", "", "failed", detail))
        for name, detail in zip(missing, details, strict=True)
    ]


def _listed(candidates: list[Candidate]) -> str:
    return " and ".join(candidate.who for candidate in candidates)

"""What became of an installed plugin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

__all__ = ["PluginRecord", "Status", "merged"]

Status = Literal["ok", "failed", "incompatible", "blocked", "conflict"]


@dataclass(frozen=True)
class PluginRecord:
    """One plugin, an entry point of the group ``learnkit`` or ``learnkit.runs``, and whether it can be used.

    Args:
        name: the name of the entry point.
        distribution: the distribution that was installed, ``""`` if there is none.
        version: the version of the distribution.
        status: ``ok``; ``failed`` (it raised, or is not a valid plugin); ``incompatible`` (it needs
            another version of learnkit, and was not imported); ``blocked`` (it was not asked for,
            and was not imported); ``conflict`` (it offers a name that is taken).
        detail: one line that says why, ``""`` for most plugins that are ok.
        components: the names it offers, by kind; empty unless the status is ``ok``.
        hooks: the lifecycle hooks with which it sees runs.
        traceback: the text of the traceback if it raised, else ``""``.
        output: what it wrote while it was loaded, which is not shown.
        seconds: how long it took to load.
    """

    name: str
    distribution: str
    version: str
    status: Status
    detail: str = ""
    components: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    traceback: str = field(default="", repr=False)
    hooks: tuple[str, ...] = ()
    output: str = field(default="", repr=False, compare=False)
    seconds: float = field(default=0.0, repr=False, compare=False)

    def __str__(self) -> str:
        """The plugin's distribution, followed by the detail in parentheses."""
        who = self.distribution or self.name
        return f"{who} ({self.detail})" if self.detail else who


def merged(records: Iterable[PluginRecord]) -> tuple[PluginRecord, ...]:
    """One record for each plugin, sorted by name: a module that stands in both groups has one in each.

    What went wrong in one of the groups is the state of the plugin.
    """
    found: dict[tuple[str, str], PluginRecord] = {}
    for record in records:
        key = record.name, record.distribution
        first = found.get(key)
        if first is None:
            found[key] = record
            continue
        bad, good = (first, record) if first.status != "ok" else (record, first)
        found[key] = replace(
            bad,
            detail="" if bad.status == "ok" else bad.detail,
            components={**first.components, **record.components},
            hooks=(*first.hooks, *record.hooks),
            traceback=bad.traceback or good.traceback,
        )
    return tuple(found[key] for key in sorted(found))

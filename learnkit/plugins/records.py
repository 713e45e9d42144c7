"""What became of an installed plugin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["PluginRecord", "Status"]

Status = Literal["ok", "failed", "incompatible", "blocked", "conflict"]


@dataclass(frozen=True)
class PluginRecord:
    """One entry point of the group ``learnkit``, and whether its components can be used.

    Args:
        name: the name of the entry point.
        distribution: the distribution that was installed, ``""`` if there is none.
        version: the version of the distribution.
        status: ``ok``; ``failed`` (it raised, or is not a valid plugin); ``incompatible`` (it needs
            another version of learnkit, and was not imported); ``blocked`` (it was not asked for,
            and was not imported); ``conflict`` (it offers a name that is taken).
        detail: one line that says why, ``""`` for most plugins that are ok.
        components: the names it offers, by kind; empty unless the status is ``ok``.
        traceback: the text of the traceback if it raised, else ``""``.
    """

    name: str
    distribution: str
    version: str
    status: Status
    detail: str = ""
    components: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    traceback: str = field(default="", repr=False)

    def __str__(self) -> str:
        """The plugin's distribution, followed by the detail in parentheses."""
        who = self.distribution or self.name
        return f"{who} ({self.detail})" if self.detail else who

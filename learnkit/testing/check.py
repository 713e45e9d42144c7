"""What a check is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from learnkit.testing.subject import Subject

__all__ = ["Check"]


@dataclass(frozen=True)
class Check:
    """A property that components of a kind have.

    Attributes:
        name: one word, in reports and test ids.
        run: ``(subject, row)``; raises what is wrong, or :class:`~learnkit.testing.results.NotApplicable`.
        remedy: what to change in general; a failure that knows better says so.
        rows: the libraries that it runs on; none for a check that is about the host.
    """

    name: str
    run: Callable[[Subject, str], None]
    remedy: str
    rows: tuple[str, ...] = ()

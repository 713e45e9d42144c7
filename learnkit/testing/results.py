"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["CheckFailure", "NotApplicable", "Result"]


class CheckFailure(AssertionError):  # noqa: N818  (what a check finds, not an error in it)
    """A component does not have the property that is checked.

    Args:
        message: what is wrong, with the numbers.
        remedy: what to change; ``None`` is the remedy of the check.
        where: ``(file, line)`` in the author's code, if it is known.
    """

    def __init__(self, message: str, remedy: str | None = None, where: tuple[str, int] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.where = where


class NotApplicable(Exception):  # noqa: N818  (no error: the check has nothing to say)
    """The check has nothing to say about this component; the text says why."""


@dataclass(frozen=True)
class Result:
    """One check of one component.

    Attributes:
        component: the component in words, as its ``repr``.
        kind: its kind, such as ``"loss"``.
        name: of the check, such as ``"gradient"``; ``"library-strict"`` for one that runs on one library.
        ok: whether it passed; a check that was skipped is ok.
        message: what is wrong, ``""`` if nothing is.
        remedy: what to change.
        file, line: the place in the author's code, ``""`` and 0 if there is none to name.
        skipped: why the check was not run, ``""`` if it was.
        traceback: of the exception that the author's code raised, ``""`` without one.
    """

    component: str
    kind: str
    name: str
    ok: bool
    message: str = ""
    remedy: str = ""
    file: str = ""
    line: int = 0
    skipped: str = ""
    traceback: str = ""

    @property
    def status(self) -> str:
        """``"ok"``, ``"failed"`` or ``"skipped"``."""
        return "skipped" if self.skipped else "ok" if self.ok else "failed"

    def __str__(self) -> str:
        """One line if it passed; else what is wrong, where, and what to change."""
        head = f"{self.kind} {self.component}: {self.name}"
        if self.skipped:
            return f"{head} skipped: {self.skipped}"
        if self.ok:
            return f"{head} ok"
        lines = [f"{head}: {self.message}"]
        if self.file:
            lines.append(f"  {self.file}:{self.line}")
        if self.remedy:
            lines.append(f"  {self.remedy}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "component": self.component,
            "kind": self.kind,
            "check": self.name,
            "status": self.status,
            "message": self.message,
            "remedy": self.remedy,
            "file": self.file,
            "line": self.line,
            "skipped": self.skipped,
            "traceback": self.traceback,
        }

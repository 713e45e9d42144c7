"""Where in the author's code a value goes wrong: a call run once more, and looked at line by line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from learnkit.testing.author import Author

__all__ = ["Place", "first_difference", "first_line", "last_lines", "lines_run"]

#: File and line.
Place = tuple[str, int]


class _Watch:
    """Calls ``seen(place, name, value)`` for each new value of a local variable in the author's frames.

    The value that a function returns has the name ``"return"``.
    """

    def __init__(self, author: Author, seen: Callable[[Place, str, Any], None]) -> None:
        self._author = author
        self._seen = seen
        self._frames: dict[int, tuple[int, dict[str, Any]]] = {}

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not self._author.owns_frame(frame):
            return None
        self._frames[id(frame)] = (frame.f_lineno, dict(frame.f_locals))
        return self._inside

    def _inside(self, frame: FrameType, event: str, arg: Any) -> Any:
        line, before = self._frames.get(id(frame), (frame.f_lineno, {}))
        if event in ("line", "return"):
            now = dict(frame.f_locals)
            place = (frame.f_code.co_filename, line)
            self._seen(place, "", None)
            for name, value in now.items():
                if name not in before or before[name] is not value or isinstance(value, list | dict):
                    self._seen(place, name, value)
            if event == "return":
                self._seen((frame.f_code.co_filename, frame.f_lineno), "return", arg)
                self._frames.pop(id(frame), None)
            else:
                self._frames[id(frame)] = (frame.f_lineno, now)
        return self._inside


@contextmanager
def _watching(author: Author, seen: Callable[[Place, str, Any], None]) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(_Watch(author, seen))
    try:
        yield
    finally:
        sys.settrace(before)


class _Found(Exception):  # noqa: N818
    """The line is known; the rest of the call does not matter."""


def _run(author: Author, call: Callable[[], Any], seen: Callable[[Place, str, Any], None]) -> None:
    try:
        with _watching(author, seen):
            call()
    except _Found:
        pass
    except Exception:
        pass  # what the call raises was reported by the check that asks where


def first_line(author: Author, call: Callable[[], Any], wrong: Callable[[str, Any], bool]) -> Place | None:
    """The first line after which ``wrong(name, value)`` holds for a local variable or a returned value.

    ``wrong`` is also asked with the name ``""`` after each line, for what no variable holds.
    """
    found: list[Place] = []

    def seen(place: Place, name: str, value: Any) -> None:
        if not found and wrong(name, value):
            found.append(place)

    _run(author, call, seen)
    return found[0] if found else None


def first_difference(
    author: Author,
    one: Callable[[], Any],
    other: Callable[[], Any],
    key: Callable[[Any], Any],
    other_key: Callable[[Any], Any] | None = None,
) -> Place | None:
    """The first line at which two runs of the author's code hold different values.

    Args:
        key: makes of a value what is compared; ``None`` leaves it out.
        other_key: the same for the other run, if it is another.
    """

    def record(call: Callable[[], Any], key: Callable[[Any], Any]) -> list[tuple[Place, str, Any]]:
        steps: list[tuple[Place, str, Any]] = []

        def seen(place: Place, name: str, value: Any) -> None:
            if name and len(steps) < 20_000:
                made = key(value)
                if made is not None:
                    steps.append((place, name, made))

        _run(author, call, seen)
        return steps

    for a, b in zip(record(one, key), record(other, other_key or key), strict=False):
        if a != b:
            return a[0]
    return None


def lines_run(author: Author, call: Callable[[], Any]) -> list[Place]:
    """The author's lines that a call runs, in order, each once."""
    lines: dict[Place, None] = {}
    _run(author, call, lambda place, name, value: lines.setdefault(place))
    return list(lines)


def last_lines(author: Author, call: Callable[[], Any]) -> list[Place]:
    """Where the author's functions return, in order."""
    lines: list[Place] = []

    def seen(place: Place, name: str, value: Any) -> None:
        if name == "return":
            lines.append(place)

    _run(author, call, seen)
    return lines

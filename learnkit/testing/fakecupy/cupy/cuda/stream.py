"""Streams and events: everything is done by the time a call returns."""

from __future__ import annotations

from typing import Any

from .._audit import audit


class Stream:
    """A queue of work that is always empty."""

    ptr = 0

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, **options: Any
    ) -> None:
        self.null = null

    def synchronize(self) -> None:
        audit.sync("Stream.synchronize")

    def record(self, event: Event | None = None) -> Event:
        return Event() if event is None else event

    def wait_event(self, event: Event) -> None: ...

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None: ...


class Event:
    """A mark in a stream."""

    def __init__(
        self, block: bool = False, disable_timing: bool = False, interprocess: bool = False
    ) -> None: ...

    def record(self, stream: Stream | None = None) -> None: ...

    def synchronize(self) -> None:
        audit.sync("Event.synchronize")


def get_current_stream(device_id: int = -1) -> Stream:
    """The default stream."""
    return Stream(null=True)

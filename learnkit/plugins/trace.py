"""What is said about plugins on stderr: a line where it matters, all of it with LEARNKIT_TRACE_PLUGINS=1."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

__all__ = ["say", "switched_on", "timed", "trace", "tracing"]


def switched_on(variable: str) -> bool:
    """Whether an environment variable is set to anything but nothing and ``0``."""
    return os.environ.get(variable, "0") not in ("", "0")


def tracing() -> bool:
    """Whether ``LEARNKIT_TRACE_PLUGINS`` is set."""
    return switched_on("LEARNKIT_TRACE_PLUGINS")


def say(line: str) -> None:
    """One line on stderr; nothing where there is no stderr."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(line, file=sys.stderr, flush=True)


def trace(what: str, seconds: float | None = None) -> None:
    """One line of the trace, with the time that it took."""
    if tracing():
        say(f"plugins: {what}" + ("" if seconds is None else f"  {seconds * 1e3:.1f} ms"))


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """A line of the trace before and, with its time, after the block; nothing if it is not switched on."""
    if not tracing():
        yield
        return
    trace(f"{what} ...")
    began = time.perf_counter()
    try:
        yield
    except BaseException as error:
        trace(f"{what} raised {type(error).__name__}", time.perf_counter() - began)
        raise
    trace(what, time.perf_counter() - began)

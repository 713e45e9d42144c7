"""Where text goes: results to stdout, and what is said to people beside them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

__all__ = ["Lenient", "Talk", "discard", "for_machines", "plain", "print_json", "results"]

_results: TextIO | None = None


def results() -> TextIO:
    """Where results go: stdout as it was when the command began."""
    return sys.stdout if _results is None else _results


@contextlib.contextmanager
def for_machines(*, own_process: bool) -> Iterator[None]:
    """Stdout is read by a program: within the block it gets what is written to :func:`results` alone.

    Everything else that is written to stdout goes to stderr: what plugins and the libraries that they use
    print, from threads and programs of their own too.

    Args:
        own_process: whether the process ends with the block; then it stays so until the end, as plugins may
            print when the process is left.
    """
    global _results
    before, saved = sys.stdout, None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        before.flush()
        if before.fileno() == 1 and sys.stderr.fileno() == 2:
            saved = os.dup(1)
            os.dup2(2, 1)
    if saved is None:
        _results = before
    else:
        _results = open(saved, "w", encoding=before.encoding, errors=before.errors)  # noqa: SIM115
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        if not own_process:
            stream, _results, sys.stdout = _results, None, before
            if saved is not None:
                with contextlib.suppress(OSError):
                    stream.flush()
                os.dup2(saved, 1)
                stream.close()


def plain(value: Any) -> Any:
    """``value`` with numbers that JSON does not have, NaN and infinities, as ``None``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False), file=results(), flush=True)


def discard(stream: TextIO) -> None:
    """Nobody reads the stream any more: what is left in it goes nowhere, at the exit of Python too."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class Lenient:
    """A stream whose reader may go away, as in ``learnkit train digits | head``.

    The rest is then written nowhere: a training is not lost because nobody reads its progress.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._closed = False

    def write(self, text: str) -> int:
        if not self._closed:
            try:
                return self._stream.write(text)
            except BrokenPipeError:
                self._close()
        return len(text)

    def flush(self) -> None:
        if not self._closed:
            try:
                self._stream.flush()
            except BrokenPipeError:
                self._close()

    def _close(self) -> None:
        self._closed = True
        discard(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Talk:
    """What is said to people.

    Args:
        as_json: stdout belongs to the machine, so people read stderr.
        quiet: say nothing.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.stream: Any = Lenient(sys.stderr if as_json else sys.stdout)
        self.quiet = quiet

    def __call__(self, *lines: str) -> None:
        if not self.quiet:
            for line in lines:
                print(line, file=self.stream, flush=True)

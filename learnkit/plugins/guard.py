"""A plugin's code at work: what it writes is held back, and what it changes of the process is put back.

While it is imported and its hooks are called a plugin registers, and does nothing else. One that prints must
not reach the ``--json`` of the program, nor fill the terminal; one that changes the working directory, the
environment, handlers of logs or signals, or closes stdout must not break what comes after. Two things
are out of reach: ``os._exit``, and a thread that goes on (it is named in the plugin's record).
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import signal
import sys
import tempfile
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from learnkit.plugins.trace import tracing

__all__ = ["Effects", "guarded"]


@dataclass
class Effects:
    """What a plugin did besides.

    Attributes:
        written: what it wrote to stdout and stderr, and its warnings, in this order.
        changed: what it changed of the process, in words.
    """

    written: str = ""
    changed: list[str] = field(default_factory=list)

    @property
    def detail(self) -> str:
        """The changes in one line, ``""`` for none."""
        return "; ".join(self.changed)

    def line(self, who: str) -> str:
        """One line on what it wrote, ``""`` for nothing."""
        lines = [line.strip() for line in self.written.splitlines() if line.strip()]
        if not lines:
            return ""
        first = lines[0] if len(lines[0]) <= 60 else f"{lines[0][:57]}..."
        count = len(lines) - 1
        more = "" if not count else f" and {count} more line{'s' * (count > 1)}"
        return (
            f"plugin {who} wrote {first!r}{more} while it was loaded; "
            "LEARNKIT_TRACE_PLUGINS=1 shows what it writes"
        )


@contextlib.contextmanager
def guarded() -> Iterator[Effects]:
    """Run a plugin's code; what it did besides is known when the block has been left.

    With ``LEARNKIT_TRACE_PLUGINS`` what it writes goes to stderr at once, all of it.
    """
    effects = Effects()
    live = tracing()
    held = _Held()
    before = _State()
    descriptors = _Descriptors(redirect=not live)
    streams = (sys.stdin, sys.stdout, sys.stderr)
    try:
        with warnings.catch_warnings(record=not live) as caught:
            if live:
                sys.stdout = sys.stderr
            else:
                sys.stdout = sys.stderr = held
            try:
                yield effects
            finally:
                sys.stdin, sys.stdout, sys.stderr = streams
    finally:
        closed, descended = descriptors.restore()
        changed = before.restore()
        written = held.release() + descended
        written += "".join(f"{w.category.__name__}: {w.message}\n" for w in caught or ())
        effects.written = written
        effects.changed = [f"it changed {thing}, which is put back" for thing in [*closed, *changed]]
        effects.changed += before.left_running()


_STREAMS = ("stdin", "stdout", "stderr")
#: The threads that plugins have left running: what they write is no output of the program.
_left: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


class _Held(io.TextIOBase):
    """Stands for stdout and stderr while a plugin is loaded.

    A plugin may keep it, in a log handler for example: released, it writes to the stderr of the time.
    """

    encoding = "utf-8"
    errors = "replace"

    def __init__(self) -> None:
        self._parts: list[str] | None = []
        self._beyond = sys.stderr

    def write(self, text: str) -> int:
        text = str(text)
        if self._parts is not None:
            self._parts.append(text)
        elif sys.stderr is not None:
            sys.stderr.write(text)
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        if self._beyond is None:
            raise io.UnsupportedOperation("fileno")
        return self._beyond.fileno()

    def close(self) -> None:
        """Not the plugin's to close."""

    def reconfigure(self, **settings: Any) -> None:
        """Text is text here, in whatever encoding."""

    @property
    def buffer(self) -> _HeldBytes:
        """For those who write bytes."""
        return _HeldBytes(self)

    def release(self) -> str:
        """What was written so far; from now on it is passed on."""
        text, self._parts = "".join(self._parts or ()), None
        return text


class _HeldBytes(io.RawIOBase):
    def __init__(self, text: _Held) -> None:
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._text.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def close(self) -> None:
        """Not the plugin's to close."""


#: How learnkit's own threads are called, which share the elements of a kernel and write nothing.
_SILENT = ("learnkit-kernel", "learnkit-native")


class _Descriptors:
    """The three standard descriptors of the process, for what writes past ``sys.stdout``.

    Such as a program that the plugin starts, or a library in C. They are led into a file while only one
    thread runs: the output of others is not the plugin's.
    """

    def __init__(self, redirect: bool) -> None:
        me = threading.current_thread()
        self._saved: dict[int, tuple[int, tuple[int, int]]] = {}
        self._file: Any = None
        self._streams = {n: getattr(sys, f"__{n}__") for n in _STREAMS}
        self._closed: list[str] = []
        for name, stream in self._streams.items():
            with contextlib.suppress(AttributeError, TypeError):  # others may hold it: it stays open
                stream.close = functools.partial(self._closed.append, name)
        _flush()
        for number in (0, 1, 2):
            with contextlib.suppress(OSError):
                status = os.fstat(number)
                self._saved[number] = (os.dup(number), (status.st_dev, status.st_ino))
        others = [t for t in threading.enumerate() if t is not me and t not in _left]
        if redirect and all(t.name.startswith(_SILENT) for t in others):
            with contextlib.suppress(OSError):
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed in restore)
                for number in (1, 2):
                    if number in self._saved:
                        os.dup2(self._file.fileno(), number)

    def restore(self) -> tuple[list[str], str]:
        """Put them back; those that the plugin had changed, and what was written past Python."""
        _flush()
        changed, written = list(dict.fromkeys(self._closed)), ""
        into = None
        if self._file is not None:
            status = os.fstat(self._file.fileno())
            into = (status.st_dev, status.st_ino)
        for number, (saved, identity) in self._saved.items():
            expected = into if into is not None and number in (1, 2) else identity
            try:
                status = os.fstat(number)
                found: Any = (status.st_dev, status.st_ino)
            except OSError:
                found = None
            if found != expected and _STREAMS[number] not in changed:
                changed.append(_STREAMS[number])
            if found != identity or expected is into:
                os.dup2(saved, number)
            os.close(saved)
        for name, stream in self._streams.items():
            with contextlib.suppress(AttributeError, TypeError):
                del stream.close
            if stream is not None and stream.closed:  # by way of its buffer
                number = _STREAMS.index(name)
                again = open(number, "w" if number else "r", closefd=False)  # noqa: SIM115
                if getattr(sys, name) is stream:
                    setattr(sys, name, again)
                setattr(sys, f"__{name}__", again)
                if name not in changed:
                    changed.append(name)
        if self._file is not None:
            with contextlib.suppress(OSError, ValueError), self._file:
                self._file.seek(0)
                written = self._file.read().decode("utf-8", "replace")
        return changed, written


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None:  # as in a program without a console
            with contextlib.suppress(OSError, ValueError):
                stream.flush()


class _State:
    """The parts of a process that a plugin may not change while it is loaded."""

    def __init__(self) -> None:
        self._cwd = _cwd()
        self._environment = dict(os.environ)
        self._modules = dict(sys.modules)
        self._threads = set(threading.enumerate())
        self._parts: list[tuple[str, Any, Callable[[], Any], Callable[[Any], Any]]] = [
            (name, read(), read, write) for name, read, write in _PARTS if read() is not None
        ]

    def restore(self) -> list[str]:
        """Put back what was changed, and name it."""
        changed = []
        if _cwd() != self._cwd and self._cwd is not None:
            with contextlib.suppress(OSError):
                os.chdir(self._cwd)
                changed.append("the working directory")
        now = dict(os.environ)
        names = sorted(n for n in {*now, *self._environment} if now.get(n) != self._environment.get(n))
        for name in names:
            if name in self._environment:
                os.environ[name] = self._environment[name]
            else:
                os.environ.pop(name, None)
        if names:
            changed.append(f"the environment ({', '.join(names)})")
        gone = sorted(name for name, module in self._modules.items() if _is_gone(name, module))
        if gone:
            sys.modules.update({name: self._modules[name] for name in gone})
            changed.append(f"the modules ({', '.join(gone)})")
        for name, value, read, write in self._parts:
            if read() != value:
                with contextlib.suppress(ValueError, OSError, TypeError, RecursionError):
                    write(value)
                    changed.append(name)
        return changed

    def left_running(self) -> list[str]:
        """A line for each thread that the plugin has started and that goes on."""
        running = [t for t in threading.enumerate() if t not in self._threads and t.is_alive()]
        new = [t for t in running if not t.name.startswith(_SILENT)]
        _left.update(new)
        return [f"it left a thread running ({thread.name})" for thread in new]


def _is_gone(name: str, module: Any) -> bool:
    """Whether a module was taken away, or is there a second time: NumPy does not work twice in a process.

    Others may replace themselves when they are first used.
    """
    found = sys.modules.get(name)
    return found is not module and (found is None or name.partition(".")[0] in ("numpy", "learnkit"))


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _signals() -> dict[int, Any] | None:
    if threading.current_thread() is not threading.main_thread():
        return None  # only the main thread may set them
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


def _set_signals(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None:  # one that was not set from Python cannot be set by it
            signal.signal(number, handler)


def _logging() -> tuple[Any, ...]:
    logging: Any = sys.modules.get("logging")
    if logging is None:  # how it is when it is imported
        return ((), 30, 0)
    root = logging.getLogger()
    return (tuple(root.handlers), root.level, root.manager.disable)


def _set_logging(value: tuple[Any, ...]) -> None:
    root: Any = sys.modules["logging"].getLogger()
    root.handlers[:], root.manager.disable = value[0], value[2]
    root.setLevel(value[1])


def _numpy() -> dict[str, str] | None:
    """How NumPy treats overflow and the like, if it is there already; it is not imported for this."""
    found: Any = sys.modules.get("numpy")
    return None if found is None or not hasattr(found, "geterr") else dict(found.geterr())


def _set_hook(value: Callable[[type[BaseException], BaseException, TracebackType | None], Any]) -> None:
    sys.excepthook = value


_PARTS: tuple[tuple[str, Callable[[], Any], Callable[[Any], Any]], ...] = (
    ("the handlers or the level of the root logger", _logging, _set_logging),
    ("the handlers of signals", _signals, _set_signals),
    ("what is done with uncaught exceptions", lambda: sys.excepthook, _set_hook),
    ("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    ("NumPy's error handling", _numpy, lambda value: sys.modules["numpy"].seterr(**value)),
)

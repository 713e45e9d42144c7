"""A subject in a process of its own, which makes it, runs it and says how long that took.

The processes speak JSON, a line for each order and a line for each answer. A factory is named as
``"package.module:function"``; called with the arguments of an order it returns ``run(times)``, which runs so
many times, waits for the device, and returns a value that JSON knows, such as the last loss, or ``None``;
or a function that gives the value, which is called when the clock has stopped.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Self, TextIO

from learnkit.bench.environment import limited_to, processors
from learnkit.errors import LearnkitError

__all__ = ["Worker", "WorkerError", "serve"]

Run = Callable[[int], Any]
#: What a run returns if its value takes time to work out.
Value = Callable[[], Any]

_ROOT = Path(__file__).resolve().parents[2]


class WorkerError(LearnkitError):
    """What a subject raised in its process, or that the process ended."""


class Worker:
    """A process that one subject after another is made and run in.

    Args:
        name: for messages.
        threads: processors that the process may use, so that every library takes as many threads at most
            and chooses among them as it does for its users; default all.
        environment: variables beside those of this process; libraries read them when they are loaded.
        paths: directories to import from, before all others.
        quiet: keep what the libraries say on stderr, and show its end only if the process fails.

    Raises:
        WorkerError: (of every method) the subject raised, or its process ended.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int | None = None,
        environment: Mapping[str, str] | None = None,
        paths: tuple[str | Path, ...] = (),
        quiet: bool = False,
    ) -> None:
        self.name = name
        before = os.environ.get("PYTHONPATH")
        self._said: IO[str] | None = None
        if quiet:
            self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        search = [*map(str, paths), str(_ROOT), *([before] if before else [])]
        limits, first = _limits(threads)
        code = f"{first}\nfrom learnkit.bench.worker import serve\nserve()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, **limits, **(environment or {}), "PYTHONPATH": os.pathsep.join(search)},
            encoding="utf-8",
        )

    @property
    def process_id(self) -> int:
        """The number of the process."""
        return self._process.pid

    def make(self, factory: str, **arguments: Any) -> None:
        """Make a subject with a factory, in place of the one that was there."""
        self._ask({"make": factory, "arguments": arguments})

    def call(self, function: str, **arguments: Any) -> Any:
        """The value of a function in that process."""
        return self._ask({"call": function, "arguments": arguments})["value"]

    def run(self, times: int) -> Any:
        """The value of ``times`` runs of the subject."""
        return self._ask({"run": times})["value"]

    def timed(self, times: int) -> float:
        """Seconds that ``times`` runs take in all."""
        return float(self._ask({"run": times})["seconds"])

    def end(self) -> None:
        """Let the process end."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        if self._said is not None:
            self._said.close()

    def _last_words(self) -> str | None:
        """The last lines that a quiet process wrote on stderr."""
        if self._said is None:
            return None
        self._said.seek(0)
        return "\n".join(self._said.read().splitlines()[-3:]) or None

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(
                f"{self.name}: its process ended with exit code {process.wait()}", hint=self._last_words()
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.name}: {answer['error']}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()


def _limits(threads: int | None) -> tuple[dict[str, str], str]:
    """Variables, and what a process runs first, before it loads a library that counts processors."""
    if threads is None or (threads >= processors() and threads > 1):
        return {}, ""
    variables = limited_to(threads)
    if not hasattr(os, "sched_setaffinity"):
        return variables, ""
    chosen = sorted(os.sched_getaffinity(0))[:threads]
    xla = {name: value for name, value in variables.items() if name == "XLA_FLAGS"}
    return xla, f"import os\nos.sched_setaffinity(0, {chosen})"


def _named(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def serve() -> None:
    """The other end of a :class:`Worker`: follow orders from the standard input until there are no more."""
    # What a library prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C reaches every process; the first one says so
        _follow(sys.stdin, answers)


def _follow(orders: TextIO, answers: TextIO) -> None:
    run: Run | None = None
    for line in orders:
        order = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            if "make" in order:
                run = None  # the arrays of the last subject go before those of the next one come
                run = _named(order["make"])(**order["arguments"])
            elif "call" in order:
                answer["value"] = _named(order["call"])(**order["arguments"])
            else:
                assert run is not None
                began = time.perf_counter()
                value = run(order["run"])
                answer["seconds"] = time.perf_counter() - began
                answer["value"] = value() if callable(value) else value
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)

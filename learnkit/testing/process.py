"""A process of its own for the stand-in for CuPy: once imported, ``cupy`` cannot be unimported."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

from learnkit.testing import fakecupy
from learnkit.testing.results import Result

if TYPE_CHECKING:
    from learnkit.testing.run import Plan

__all__ = ["main", "run_on_fake_cupy"]

#: Seconds that one check may take on the stand-in; a fresh process has five times that for all of them.
TIMEOUT = 90.0


def run_on_fake_cupy(plan: Plan, chosen: list[int]) -> dict[int, Result]:
    """Results of the checks ``chosen`` of a plan, by their numbers.

    On Linux the process is a fork of this one, which knows all components, those of a notebook and of a
    function too. Elsewhere, or where a real CuPy is imported, it is a fresh one, and components are
    pickled; one that cannot be is skipped, with the reason.
    """
    real = "cupy" in sys.modules and not hasattr(sys.modules["cupy"], "audit")
    text = _forked(plan, chosen) if sys.platform == "linux" and not real else None
    if text is None:
        text = _fresh(plan, chosen)
    found: dict[int, Result] = {}
    for line in text.splitlines():
        try:
            i, fields = json.loads(line)
            found[i] = Result(**fields)
        except (ValueError, TypeError):
            continue
    for i in chosen:
        if i not in found:
            subject, _, _ = plan.items[i]
            found[i] = Result(
                subject.name,
                subject.kind,
                plan.name(i),
                ok=False,
                message="the process with the stand-in for CuPy ended before this check was done",
                remedy=(
                    "does the component end the process, or wait for ever? Run it under LEARNKIT_FAKE_CUPY=1"
                ),
            )
    return found


def _run_here(plan: Plan, chosen: list[int], write: Any) -> None:
    """In the process for it: install the stand-in and run the checks."""
    from learnkit.testing.run import run_one

    os.environ["LEARNKIT_FAKE_CUPY"] = "1"
    fakecupy.install()
    for i in chosen:
        result = run_one(*plan.items[i])
        write(json.dumps([i, dataclasses.asdict(result)]) + "\n")


def _forked(plan: Plan, chosen: list[int]) -> str | None:
    """What a fork of this process writes, or ``None`` if it wrote nothing at all."""
    readable, writable = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads: the child only computes with NumPy
        child = os.fork()
    if child == 0:  # pragma: no cover  (not seen by the parent's coverage)
        status = 1
        try:
            sys.settrace(None)
            os.close(readable)
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nowhere, stream)
            with os.fdopen(writable, "w", encoding="utf-8") as out:

                def write(text: str) -> None:
                    out.write(text)
                    out.flush()

                _run_here(plan, chosen, write)
            status = 0
        finally:
            os._exit(status)
    os.close(writable)
    text = _read_until(readable, child)
    os.close(readable)
    os.waitpid(child, 0)
    return text or None


def _read_until(readable: int, child: int) -> str:
    """All that comes through a pipe; a writer that is silent for ``TIMEOUT`` is ended."""
    parts = []
    while True:
        ready = select.select([readable], [], [], TIMEOUT)[0]
        if not ready:
            os.kill(child, signal.SIGKILL)
            break
        part = os.read(readable, 65536)
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode("utf-8", "replace")


# A fresh process: components go there as pickles, with the files of their modules


def _fresh(plan: Plan, chosen: list[int]) -> str:
    packed, skipped = [], []
    for i in chosen:
        subject, check, row = plan.items[i]
        try:
            data = pickle.dumps((subject.component, subject.needs))
        except Exception as error:
            reason = f"it cannot be sent to another process ({error}); define it at the top of a module"
            result = Result(subject.name, subject.kind, plan.name(i), ok=True, skipped=reason)
            skipped.append(json.dumps([i, dataclasses.asdict(result)]))
            continue
        packed.append((i, data, subject.kind, subject.name, check.name, row))
    modules = {
        name: module.__file__
        for name, module in list(sys.modules.items())
        if getattr(module, "__file__", None) and any(name.encode() in data for _, data, *_ in packed)
    }
    sent = pickle.dumps({"path": sys.path, "modules": modules, "items": packed})
    environment = os.environ | {
        "LEARNKIT_FAKE_CUPY": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "learnkit.testing.process"],
            input=sent,
            capture_output=True,
            env=environment,
            timeout=5 * TIMEOUT,
        )
        out = done.stdout
    except subprocess.TimeoutExpired as error:
        out = error.stdout or b""
    return "\n".join([*skipped, out.decode("utf-8", "replace")])


def main() -> None:
    """In the fresh process: checks come through stdin, results leave through stdout."""
    from learnkit.testing.run import checks_of, run_one
    from learnkit.testing.subject import Subject

    given = pickle.loads(sys.stdin.buffer.read())
    out, sys.stdout = sys.stdout, sys.stderr
    os.environ["LEARNKIT_FAKE_CUPY"] = "1"
    fakecupy.install()
    for name, file in given["modules"].items():
        _provide(name, file)
    for i, data, kind, name, check_name, row in given["items"]:
        component, needs = pickle.loads(data)
        subject = Subject(component, kind, needs, name)
        check = next(c for c in checks_of(subject) if c.name == check_name)
        print(json.dumps([i, dataclasses.asdict(run_one(subject, check, row))]), file=out, flush=True)


def _provide(name: str, file: str) -> None:
    """Import a module under its name from its file, if it is not found by its name."""
    try:
        importlib.import_module(name)
        return
    except Exception:
        pass
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        return
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


if __name__ == "__main__":
    main()

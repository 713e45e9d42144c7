"""The hooks of a plugin under check: their names and arguments, and a run in which all of them are called."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from learnkit.errors import MissingDependencyError, did_you_mean
from learnkit.plugins import hookspecs, runs
from learnkit.plugins.hooks import PluginHooks, never_runs
from learnkit.plugins.hookspecs import HOOKS, LIFECYCLE
from learnkit.plugins.loading import one_line
from learnkit.testing.author import Author
from learnkit.testing.results import Result

__all__ = ["check_hooks", "check_lifecycle", "without"]


def check_hooks(plugin: Any, plugin_name: str, results: list[Result]) -> None:
    """Each function whose name begins with ``learnkit_`` is a hook, and takes what hooks are given."""
    if inspect.isclass(plugin):
        results.append(
            Result(
                plugin_name,
                "plugin",
                "object",
                ok=False,
                message=f"the entry point gives the class {plugin.__qualname__}",
                remedy=f"give a module, or an object: {plugin.__qualname__}()",
            )
        )
        return
    known = {name: getattr(hookspecs, name) for name in (*HOOKS.values(), *LIFECYCLE)}
    for name in sorted(n for n in dir(plugin) if n.startswith("learnkit_")):
        function = getattr(plugin, name)
        if not (inspect.isroutine(function) or inspect.isfunction(function)):
            continue
        place = Author(function).definition() or ("", 0)
        specified = getattr(function, "learnkit_impl", None)
        target = (specified or {}).get("specname") or name
        message, remedy = _hook_problem(target, function, known)
        results.append(
            Result(
                name,
                "hook",
                "hook",
                ok=not message,
                message=message,
                remedy=remedy,
                file=place[0] if message else "",
                line=place[1] if message else 0,
            )
        )
    if all(result.ok for result in results):
        try:
            PluginHooks(plugin, plugin_name)
        except Exception as error:
            results.append(
                Result(
                    plugin_name,
                    "plugin",
                    "hooks",
                    ok=False,
                    message=one_line(error),
                    remedy="see the page of hooks",
                )
            )


def _hook_problem(name: str, function: Any, known: dict[str, Any]) -> tuple[str, str]:
    if name not in known:
        close = did_you_mean(name, known)
        listed = "rename it" if close else f"the hooks are {', '.join(known)}"
        return f"there is no hook {name!r}{close}", f"{listed}; a helper begins with another word"
    idle = never_runs(name, function)
    if idle and not hasattr(function, "learnkit_impl"):
        return idle, "a hook is a plain function that does its work when it is called"
    wanted = list(inspect.signature(known[name]).parameters)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in wanted or parameter.kind in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        ):
            close = did_you_mean(parameter.name, wanted)
            return (
                f"it takes an argument {parameter.name!r} that {name} is not given{close}",
                f"def {name}({', '.join(wanted)}), or fewer of them",
            )
        if parameter.default is not parameter.empty:
            return (
                f"its argument {parameter.name!r} has a default value, so it is never given",
                f"leave out the default: def {name}({', '.join(wanted)})",
            )
    return "", ""


def check_lifecycle(plugin: Any, results: list[Result]) -> None:
    """A small run, in a folder of its own, with every lifecycle hook called."""
    names = [n for n in LIFECYCLE if callable(getattr(plugin, n, None))]
    if not names:
        return
    from learnkit.nn import Linear
    from learnkit.training import Trainer

    before = Path.cwd()
    watcher = runs.watching(plugin, alone=True)
    saved = True
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            with contextlib.redirect_stderr(io.StringIO()), watcher:
                trainer = Trainer(Linear(2, 1), "mse", "sgd:lr=0.1", backend="numpy")
                x = np.linspace(-1, 1, 16, dtype="float32").reshape(8, 2)
                trainer.fit(x, x.sum(axis=1, keepdims=True), epochs=2, batch_size=4, verbose=False)
                try:
                    trainer.save(Path(folder) / "run.safetensors")
                except MissingDependencyError:
                    saved = False
        finally:
            os.chdir(before)
    record = watcher.record
    failed = record.detail.partition(" failed:")[0] if record.status != "ok" else ""
    for name in names:
        if name == failed:
            place = _place_in(record.traceback, plugin)
            results.append(
                Result(
                    name,
                    "hook",
                    "runs",
                    ok=False,
                    message=record.detail,
                    remedy=(
                        "a hook that raises is switched off for the rest of the process: catch "
                        "what may go wrong"
                    ),
                    file=place[0],
                    line=place[1],
                    traceback=record.traceback,
                )
            )
        elif failed and names.index(name) > names.index(failed):
            results.append(Result(name, "hook", "runs", ok=True, skipped=f"{failed} failed before"))
        elif name == "learnkit_checkpoint_saved" and not saved:
            results.append(Result(name, "hook", "runs", ok=True, skipped="safetensors is not installed"))
        else:
            results.append(Result(name, "hook", "runs", ok=True))


def _place_in(trace: str, plugin: Any) -> tuple[str, int]:
    file = getattr(plugin, "__file__", None) or inspect.getsourcefile(type(plugin)) or ""
    lines = re.findall(r'File "([^"]+)", line (\d+)', trace)
    own = [(f, int(n)) for f, n in lines if f == file]
    return own[-1] if own else (file, 0)


@contextlib.contextmanager
def without(variable: str) -> Iterator[None]:
    """A block in which an environment variable is not set."""
    kept = os.environ.pop(variable, None)
    try:
        yield
    finally:
        if kept is not None:
            os.environ[variable] = kept

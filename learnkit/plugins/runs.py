"""What sees every training run of the process: the plugins of the entry-point group ``learnkit.runs``.

The training calls the functions of this module; the hooks are on the page of hooks,
:mod:`learnkit.plugins.hookspecs`. The plugins are imported when the first run starts, or a file is first
saved. In a test or a notebook, :class:`watching` adds one without installing anything.

A plugin that raises in a hook costs one line on stderr and is switched off for the rest of the process: no
tracker takes a training down. With ``LEARNKIT_STRICT_PLUGINS=1`` it does, for those who write one. What a
hook prints goes to stderr, as stdout may be read by a program.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakKeyDictionary

from learnkit.errors import ArgumentError, PluginError, did_you_mean
from learnkit.plugins import registry
from learnkit.plugins.hooks import PluginHooks
from learnkit.plugins.hookspecs import HOOKS, LIFECYCLE
from learnkit.plugins.loading import Candidate, attempt, candidates, listed_names, one_line, strictly
from learnkit.plugins.manager import PluginManager
from learnkit.plugins.records import PluginRecord, merged
from learnkit.plugins.trace import say, timed

if TYPE_CHECKING:
    from learnkit.training.history import StepReport
    from learnkit.training.trainer import Trainer

__all__ = [
    "GROUP",
    "Run",
    "RunInfo",
    "all_records",
    "configure",
    "current_run",
    "records",
    "saved",
    "started",
    "watching",
]

#: The entry-point group of the plugins that see runs.
GROUP = "learnkit.runs"

C = TypeVar("C")


@dataclass(frozen=True)
class RunInfo:
    """What is known of a run when it starts.

    Attributes:
        name: that of the run's directory, or ``"fit"`` for a ``Trainer.fit`` outside ``learnkit train``.
        directory: where its files go, or ``None``.
        config: its settings, plain values: the run file of ``learnkit train``; for a ``Trainer.fit`` what it
            was given, and the trainer's loss, optimizer, metrics, seed, dtype and backend.
        rows: training rows.
        epochs: the number of the epoch at which it is to end.
        steps_per_epoch: updates in an epoch.
    """

    name: str
    directory: Path | None
    config: Mapping[str, Any]
    rows: int
    epochs: int
    steps_per_epoch: int


@dataclass(eq=False)
class _Listener:
    """One plugin that sees runs."""

    record: PluginRecord
    hooks: PluginHooks
    implements: frozenset[str]
    alone: bool = False

    @classmethod
    def of(cls, record: PluginRecord, hooks: PluginHooks) -> _Listener:
        found = tuple(name for name in LIFECYCLE if getattr(hooks.hook, name).get_hookimpls())
        return cls(replace(record, hooks=found), hooks, frozenset(found))

    def listens(self, hook: str) -> bool:
        return hook in self.implements and self.record.status == "ok"

    def call(self, hook: str, arguments: Mapping[str, Any]) -> Any:
        """What the hook returns, or ``None``; one that raises is switched off with its plugin."""
        try:
            with contextlib.redirect_stdout(sys.stderr), timed(f"{hook} of {_who(self.record)}"):
                return next(iter(getattr(self.hooks.hook, hook)(**arguments)), None)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: a plugin must not end the program
            self.switch_off(hook, error)
            return None

    def switch_off(self, hook: str, error: BaseException) -> None:
        detail = f"{hook} failed: {one_line(error)}; switched off"
        trace = "".join(traceback.format_exception(error))
        self.record = replace(self.record, status="failed", detail=detail, traceback=trace)
        strictly(self.record, error)
        say(f"plugin {self.record}")


@dataclass
class _Loaded:
    """What was loaded for one plugin manager: the plugins that see runs, and what became of the others."""

    listeners: list[_Listener] = field(default_factory=list)
    others: list[PluginRecord] = field(default_factory=list)


_loaded: WeakKeyDictionary[PluginManager, _Loaded] = WeakKeyDictionary()
_watching: list[_Listener] = []
_lock = threading.RLock()
_in_run: ContextVar[Run | None] = ContextVar("learnkit_run", default=None)


class watching:  # noqa: N801  (reads as a verb)
    """Let ``plugin`` see the runs in a ``with`` block, as an installed one would.

    Args:
        plugin: a module, or an object, whose functions or methods are lifecycle hooks.
        alone: let the installed plugins see nothing in the block, this one if it is installed among them.

    Raises:
        PluginError: it has none of the lifecycle hooks.
        pluggy.PluginValidationError: a hook is unknown or has an unknown argument.

    >>> import numpy as np, learnkit as lk
    >>> class Losses:
    ...     def __init__(self):
    ...         self.seen = []
    ...     def learnkit_epoch_ended(self, report):
    ...         self.seen.append(report.epoch)
    >>> trainer = lk.Trainer(lk.nn.Linear(1, 1), "mse")
    >>> with lk.watching(Losses()) as plugin:
    ...     history = trainer.fit(np.ones((8, 1)), np.ones(8), epochs=3, verbose=False)
    >>> plugin.seen
    [1, 2, 3]
    """

    def __init__(self, plugin: Any, *, alone: bool = False) -> None:
        self._plugin = plugin
        self._alone = alone

    def __enter__(self) -> Any:
        name = getattr(self._plugin, "__name__", type(self._plugin).__name__)
        self._listener = _Listener.of(PluginRecord(name, "", "", "ok"), PluginHooks(self._plugin, name))
        if not self._listener.implements:
            raise PluginError(f"{name} has no lifecycle hook", hint=f"they are: {', '.join(LIFECYCLE)}")
        self._listener.alone = self._alone
        _watching.append(self._listener)
        return self._plugin

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _watching.remove(self._listener)

    @property
    def record(self) -> PluginRecord:
        """What became of the plugin in the block: a hook that raised has switched it off."""
        return self._listener.record


def records() -> tuple[PluginRecord, ...]:
    """What became of each installed plugin that sees runs, sorted by name; loads them."""
    loaded = _load(with_blocked=True)
    found = [*loaded.others, *(listener.record for listener in loaded.listeners)]
    return tuple(sorted(found, key=lambda record: (record.name, record.distribution)))


def all_records() -> tuple[PluginRecord, ...]:
    """What became of each installed plugin, of components and of runs, sorted by name; loads them all."""
    return merged([*registry.records(), *records()])


def configure(
    config: C,
    settings: Callable[[C], Mapping[str, Any]],
    change: Callable[[C, Mapping[str, Any], str], C],
) -> C:
    """Ask the plugins for other settings of a run (``learnkit_configure_run``).

    Args:
        config: the run as it is set.
        settings: its settings by name, which the hooks see.
        change: ``change(config, changes, who)`` gives the run with other settings; what it raises is a
            failure of the hook, and its changes are not made.
    """
    hook = "learnkit_configure_run"
    for listener in _listening(hook):
        known = settings(config)
        changes = listener.call(hook, {"config": MappingProxyType(dict(known))})
        if not changes:
            continue
        try:
            if not isinstance(changes, Mapping):
                raise PluginError(f"it returned {type(changes).__name__}, expected a mapping or None")
            for name in changes:
                if name not in known:
                    raise PluginError(f"there is no setting {name!r}{did_you_mean(str(name), known)}")
            config = change(config, changes, _who(listener.record))
        except (ArgumentError, PluginError, TypeError, ValueError) as error:
            listener.switch_off(hook, error)
            continue
        say(f"plugin {_who(listener.record)} sets {', '.join(f'{k}={v!r}' for k, v in changes.items())}")
    return config


def saved(trainer: Trainer, path: Path) -> None:
    """A file was saved (``learnkit_checkpoint_saved``)."""
    for listener in _listening("learnkit_checkpoint_saved"):
        listener.call("learnkit_checkpoint_saved", {"trainer": trainer, "path": path})


def current_run(trainer: Trainer | None = None) -> Run | None:
    """The run that the caller is in the middle of, if it is of that trainer or has none yet."""
    run = _in_run.get()
    return run if run is not None and (run.trainer is None or run.trainer is trainer) else None


class Run:
    """One run, from its start to its end; what is called when is on the page of hooks.

    ``learnkit train`` opens one around training and saving; each ``fit`` within is part of it. A ``fit``
    outside is one of its own.

    Args:
        name, directory, config: see :class:`RunInfo`.
    """

    def __init__(
        self, name: str, directory: Path | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        self.name, self.directory, self.config = name, directory, dict(config or {})
        self.trainer: Trainer | None = None
        self.error: BaseException | None = None
        self._listeners: tuple[_Listener, ...] = ()
        self._for_steps: tuple[_Listener, ...] = ()

    def __enter__(self) -> Self:
        self._token = _in_run.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _in_run.reset(self._token)
        if self.trainer is not None:
            history = self.trainer.history
            ended = {"trainer": self.trainer, "history": history, "error": error or self.error}
            self._call("learnkit_run_ended", ended)

    @property
    def wants_steps(self) -> bool:
        """Whether a plugin looks at steps."""
        return bool(self._for_steps)

    def start(self, trainer: Trainer, describe: Callable[[], RunInfo]) -> None:
        """The first step is about to be made; ``describe`` is called if somebody wants to know."""
        if self.trainer is not None:
            return
        self.trainer = trainer
        self._listeners = _listening(*LIFECYCLE)
        if self._listeners:
            self._call("learnkit_run_started", {"trainer": trainer, "run": describe()})
        self._for_steps = tuple(one for one in self._listeners if one.listens("learnkit_step_ended"))

    def step_ended(self, report: StepReport) -> None:
        """A step was made."""
        for listener in self._for_steps:
            if listener.listens("learnkit_step_ended"):
                listener.call("learnkit_step_ended", {"trainer": self.trainer, "report": report})

    def epoch_ended(self, report: Any) -> None:
        """An epoch and its validation were made."""
        self._call("learnkit_epoch_ended", {"trainer": self.trainer, "report": report})

    def _call(self, hook: str, arguments: Mapping[str, Any]) -> None:
        for listener in self._listeners:
            if listener.listens(hook):
                listener.call(hook, arguments)


@contextlib.contextmanager
def started(trainer: Trainer, describe: Callable[[Run], RunInfo]) -> Iterator[Run]:
    """A fit: part of the run that it is made in, or else a run of its own.

    Args:
        trainer: what is trained.
        describe: what is known of the run; called if there is somebody to tell.
    """
    with contextlib.ExitStack() as stack:
        run = current_run(trainer) or stack.enter_context(Run("fit"))
        run.start(trainer, lambda: describe(run))
        try:
            yield run
        except BaseException as error:
            run.error = error
            raise


def _listening(*hooks: str) -> tuple[_Listener, ...]:
    """The plugins with one of these hooks, loaded when they are first asked for."""
    installed = [] if any(one.alone for one in _watching) else _load().listeners
    found = [*installed, *_watching]
    return tuple(listener for listener in found if any(map(listener.listens, hooks)))


def _load(*, with_blocked: bool = False) -> _Loaded:
    manager = registry.manager()
    if manager.disabled or listed_names() == frozenset():  # nothing to load: only a list asks for their names
        blocked = candidates(GROUP) if with_blocked else []
        reason = manager.disabled or "not in LEARNKIT_PLUGINS"
        return _Loaded(others=[candidate.record("blocked", reason) for candidate in blocked])
    with _lock:
        found = _loaded.get(manager)
        if found is None:
            found = _loaded[manager] = _Loaded()  # at once: a plugin may train while it is imported
            local = manager.local  # told by its text, so that it is not run without a reason
            sees_runs = local is not None and local.mentions(LIFECYCLE)
            for candidate in candidates(GROUP, local if sees_runs else None):
                result = _load_one(candidate, manager.version)
                if isinstance(result, _Listener):
                    found.listeners.append(result)
                else:
                    found.others.append(result)
                    if result.status not in ("ok", "blocked"):
                        say(f"plugin {result} does not see runs")
    return found


def _load_one(candidate: Candidate, version: str | None) -> _Listener | PluginRecord:
    names = listed_names()
    if names is not None and not candidate.answers_to(names):
        return candidate.record("blocked", "not in LEARNKIT_PLUGINS")

    def listen(hooks: PluginHooks) -> _Listener | PluginRecord:
        listener = _Listener.of(candidate.record("ok"), hooks)
        detail = hooks.uncalled(HOOKS.values(), "learnkit")
        if not listener.implements:
            return candidate.record("ok", "; ".join(filter(None, ("it has no lifecycle hook", detail))))
        listener.record = replace(listener.record, detail=detail)
        return listener

    return attempt(candidate, version, listen)


def _who(record: PluginRecord) -> str:
    return record.distribution or record.name

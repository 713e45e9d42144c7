"""Finds plugins and runs their hooks, so that a broken one is a record and never a crash.

Built-in components enter by the same hooks as those of third parties. Two things differ: the hooks
of the built-ins are called one kind at a time, when that kind is first asked for, and their
exceptions propagate; the plugins found by entry point are loaded all together, and only when a name
is not built in or when components are listed.

A name is looked up among the components that were registered in code, then among the built-ins, then in
the plugins. What is built in is replaced only on request: with ``override=True`` in code, and for a plugin
by naming it in ``LEARNKIT_OVERRIDE``.

Which plugins are loaded, and what the environment says about them: :mod:`learnkit.plugins.installed`.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace

from learnkit.errors import ArgumentError, PluginError
from learnkit.plugins.functions import FunctionComponent
from learnkit.plugins.hooks import Factory, PluginHooks, checked
from learnkit.plugins.installed import GROUP, load_installed
from learnkit.plugins.loading import being_loaded, overriding_names
from learnkit.plugins.local import LocalFile
from learnkit.plugins.records import PluginRecord
from learnkit.plugins.trace import trace

__all__ = ["DEFAULT_PLUGINS", "GROUP", "PluginManager", "is_newer", "place_of"]

#: Modules whose components are built in; imported on the first lookup.
DEFAULT_PLUGINS: tuple[str, ...] = ("learnkit.plugins.builtin", "learnkit.cli.commands")


class PluginManager:
    """The components of the built-ins and of the installed plugins.

    Args:
        default_plugins: names of the modules whose components are built in.
        version: the running version of learnkit, ``learnkit.__version__`` by default.
    """

    def __init__(
        self, default_plugins: tuple[str, ...] = DEFAULT_PLUGINS, version: str | None = None
    ) -> None:
        self._default_plugins = default_plugins
        self._version = version
        self._builtin_hooks: dict[str, PluginHooks] = {}
        self._builtin: dict[str, dict[str, Factory]] = {}
        self._in_code: dict[str, dict[str, Factory]] = {}
        self._third_party: dict[str, dict[str, Factory]] | None = None
        self._overriding: dict[str, dict[str, Factory]] = {}
        self._local: LocalFile | None = None
        self._records: tuple[PluginRecord, ...] = ()
        self._disabled = ""
        # Loading swaps sys.stdout, so only one thread may; the thread that loads may look names up.
        self._lock = threading.RLock()
        self._loading = False

    def builtin(self, kind: str) -> dict[str, Factory]:
        """The built-in components of a kind; reads no entry point and imports only this kind."""
        known = self._builtin.get(kind)
        if known is None:
            known = {}
            for module in self._default_plugins:
                for name, factory in self._hooks_of(module).components(kind).items():
                    if name in known:
                        raise PluginError(f"{module} registers the {kind} {name!r} a second time")
                    known[name] = factory
            self._builtin[kind] = known
        return known

    def third_party(self, kind: str) -> dict[str, Factory]:
        """The components of a kind that installed plugins offer; loads them on the first call."""
        return self._load().get(kind, {})

    def in_code(self, kind: str) -> dict[str, Factory]:
        """The components of a kind that were registered in code."""
        return self._in_code.get(kind, {})

    def overriding(self, kind: str) -> dict[str, Factory]:
        """The components of plugins that the user lets stand in the place of built-in ones.

        Loads the plugins if ``LEARNKIT_OVERRIDE`` names any.
        """
        if self._third_party is None and not overriding_names():
            return {}
        self._load()
        return self._overriding.get(kind, {})

    def tables(self, kind: str) -> Iterator[dict[str, Factory]]:
        """The components of a kind in the order in which names are looked up; the last loads the plugins."""
        yield self.in_code(kind)
        yield self.overriding(kind)
        yield self.builtin(kind)
        yield self.third_party(kind)

    def known(self, kind: str) -> dict[str, Factory]:
        """The components of a kind that have been asked for so far, without those that are built in."""
        return {**(self._third_party or {}).get(kind, {}), **self.in_code(kind)}

    def register(self, kind: str, name: str, factory: Factory, *, override: bool = False) -> None:
        """Offer a component from code; see :mod:`learnkit.plugins.incode`.

        Raises:
            ArgumentError: the name is built in or taken, and ``override`` is false; or the name or the
                factory cannot be one.
        """
        name, factory = checked(f"register_{kind}", kind, name, factory)
        loading = being_loaded()
        if loading is not None:
            loading.offer(kind, name, factory, override=override)
            return
        with self._lock:
            before = self.in_code(kind).get(name)
            if not override and name in self.builtin(kind):
                raise ArgumentError(
                    f"the {kind} {name!r} is built in",
                    hint="take another name, or write override=True to replace it in this process",
                )
            if not override and before is not None and place_of(before) != place_of(factory):
                raise ArgumentError(
                    f"the {kind} {name!r} is registered already, as {place_of(before)}; "
                    f"{place_of(factory)} cannot be it too",
                    hint="take another name, or write override=True to replace it",
                )
            self._in_code = {**self._in_code, kind: {**self.in_code(kind), name: factory}}
        trace(f"{kind} {name!r} is {place_of(factory)}, registered in code")

    @contextlib.contextmanager
    def registered(
        self, components: Mapping[str, Mapping[str, Factory]], *, override: bool = False
    ) -> Iterator[None]:
        """Register components in code for the length of a block."""
        put: list[tuple[str, str, Factory | None]] = []
        try:
            for kind, named in components.items():
                for name, factory in named.items():
                    before = self.in_code(kind).get(name)
                    self.register(kind, name, factory, override=override)
                    put.append((kind, name, before))
            yield
        finally:
            for kind, name, before in reversed(put):
                self._put_back(kind, name, before)

    def _put_back(self, kind: str, name: str, factory: Factory | None) -> None:
        with self._lock:
            table = {key: value for key, value in self.in_code(kind).items() if key != name}
            if factory is not None:
                table[name] = factory
            self._in_code = {**self._in_code, kind: table}

    def records(self) -> tuple[PluginRecord, ...]:
        """What became of each installed plugin, sorted by name; loads them on the first call."""
        self._load()
        return tuple(map(self._with_hidden, self._records))

    def _with_hidden(self, record: PluginRecord) -> PluginRecord:
        """The record, which says what of the plugin is hidden by components that were registered in code."""
        hidden = [
            f"the {kind} {name!r} registered in code hides its own"
            for kind, names in record.components.items()
            for name in names
            if name in self.in_code(kind)
        ]
        return (
            replace(record, detail="; ".join([record.detail] * bool(record.detail) + hidden))
            if hidden
            else record
        )

    @property
    def local(self) -> LocalFile | None:
        """The file ``learnkit_local.py`` that is one of the plugins, if there is one."""
        return self._local

    def use_local(self, file: LocalFile | None) -> None:
        """Take a file for one more plugin; it is loaded with the others."""
        with self._lock:
            if (file and file.path) != (self._local and self._local.path):
                self._local, self._third_party = file, None

    def disable_third_party(self, reason: str = "plugins are switched off") -> None:
        """Use the built-ins only from now on; every installed plugin is recorded as ``blocked``.

        Args:
            reason: the detail of the records, such as the option that asked for it.
        """
        with self._lock:
            self._disabled = reason
            self._third_party = None

    @property
    def version(self) -> str | None:
        """The version of learnkit that plugins are told; ``None`` is the running one."""
        return self._version

    @property
    def disabled(self) -> str:
        """Why installed plugins are not to be used, or ``""``."""
        return self._disabled

    def _hooks_of(self, module: str) -> PluginHooks:
        hooks = self._builtin_hooks.get(module)
        if hooks is None:
            hooks = self._builtin_hooks[module] = PluginHooks(importlib.import_module(module), module)
        return hooks

    def _load(self) -> dict[str, dict[str, Factory]]:
        loaded = self._third_party
        if loaded is not None:
            return loaded
        with self._lock:
            if self._third_party is not None:
                return self._third_party
            if self._loading:  # a plugin looks up a name while it is imported: it sees the built-ins
                return {}
            self._loading = True
            try:
                loaded, self._overriding, self._records = load_installed(
                    self.builtin, self._local, self._version, self._disabled
                )
            finally:
                self._loading = False
            self._third_party = loaded
            return loaded


def is_newer(factory: Factory, cls: object, name: str) -> bool:
    """Whether a factory that was registered in code as ``name`` comes from the place that ``cls`` came from.

    So it is for an object that was made before a cell of a notebook was run again.
    """
    if not inspect.isclass(cls) or not inspect.isclass(factory) or place_of(factory) != place_of(cls):
        return False
    return not issubclass(cls, FunctionComponent) or cls.__name__ == name  # functions may all be lambdas


def place_of(factory: Factory) -> str:
    """Where a factory is written; the same after the cell of a notebook has been run again."""
    function = getattr(factory, "_function", factory)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', None) or type(function).__module__}.{name}"

"""Components by name: ``registry.create("optimizer", "adam:lr=0.01")``.

A component is named the same way everywhere, as ``"huber"``, as ``"huber:delta=2"``, as
``{"name": "huber", "delta": 2}`` in a run file, or by the object itself. The functions of this
module look in what was registered in code and in the built-in components first, and only for a name that is
not among them, or for a list of all names, in the installed plugins.

>>> from learnkit.plugins import registry
>>> adam = registry.create("optimizer", "adam:lr=0.01")
>>> adam.lr
0.01
>>> registry.create("optimizer", registry.describe(adam)) == adam
True
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from learnkit.plugins.components import Registry, check_kind
from learnkit.plugins.hooks import Factory
from learnkit.plugins.local import LocalFile
from learnkit.plugins.manager import DEFAULT_PLUGINS, PluginManager
from learnkit.plugins.records import PluginRecord

__all__ = [
    "Registry",
    "create",
    "describe",
    "disable_third_party",
    "get",
    "isolated",
    "manager",
    "name_of",
    "names",
    "records",
    "register",
    "registered",
    "use_local",
]


_current = Registry()


def get(kind: str, name: str) -> Factory:
    """The factory that is registered under a name.

    Args:
        kind: the kind of component, one of :data:`~learnkit.plugins.hookspecs.KINDS`.
        name: the registered name; names compare exactly.

    Returns:
        A class, or a function that returns the component.

    Raises:
        UnknownNameError: no component of this kind has the name. The text offers the nearest one,
            lists the known ones, and names the plugins that failed to load.
    """
    return _current.get(kind, name)


def names(kind: str, *, third_party: bool = True) -> list[str]:
    """All names of a kind, sorted.

    Args:
        kind: the kind of component.
        third_party: also those of installed plugins, which this loads; if false, only built-ins.
    """
    return _current.names(kind, third_party=third_party)


def create(kind: str, spec: Any, *, convention: Any = None, **defaults: Any) -> Any:
    """Make a component from its name and options, or take it as it is.

    Args:
        kind: the kind of component.
        spec: ``"huber"``; ``"huber:delta=2,reduction=mean"``, where values are Python literals,
            ``true``, ``false``, ``none`` or else strings; ``{"name": "huber", "delta": 2}``, where a
            value with ``"kind"`` and ``"name"`` is a component in turn; a class; or an object,
            which is returned as it is.
        convention: ``"keras"``, ``"optax"`` or ``"chainer"``: start from that library's formula and
            defaults, see :mod:`learnkit.plugins.conventions`. Given options win. ``spec`` may name it
            itself, ``"adam:convention=keras"``.
        **defaults: options for what ``spec`` leaves out. The component must have them all.

    Raises:
        UnknownNameError: no component of this kind has the name.
        ArgumentError: an option is unknown or missing, or its value is refused by the component,
            whose name then stands in front of the text.
    """
    return _current.create(kind, spec, convention=convention, **defaults)


def describe(obj: Any, kind: str | None = None) -> dict[str, Any]:
    """A component in terms of JSON: ``{"kind": ..., "name": ..., option: value, ...}``.

    ``create(kind, describe(obj))`` gives an equal object. The options are those of ``obj.config()``
    if it has that method, else the fields of its dataclass. Nested components become such
    dictionaries, tuples become lists, and a registered class or function that stands as a value
    becomes ``{"kind": ..., "factory": name}``.

    Args:
        obj: an object of a registered class.
        kind: its kind, for a class that is registered as more than one.

    Raises:
        UnknownNameError: the class of ``obj``, or of a component in it, is not registered.
        ArgumentError: the options cannot be read.
    """
    return _current.describe(obj, kind)


def name_of(obj: Any, kind: str | None = None) -> str:
    """The name under which an object's class, or a class or function itself, is registered.

    Args:
        obj: a component, a class, or a registered function.
        kind: look among this kind only.

    Raises:
        UnknownNameError: it is not registered.
    """
    return _current.name_of(obj, kind)


def records() -> tuple[PluginRecord, ...]:
    """What became of each installed plugin, sorted by name; loads them."""
    return _current.records()


def manager() -> PluginManager:
    """The plugin manager of the process, or of the block of :func:`isolated`."""
    return _current.plugins


def register(kind: str, name: str, factory: Factory, *, override: bool = False) -> None:
    """Register a component in code; :mod:`learnkit.plugins.incode` has a function for each kind.

    Args:
        kind: the kind of component.
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a class, a function that makes a component, or one that is it.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    check_kind(kind)
    _current.plugins.register(kind, name, factory, override=override)


def registered(
    components: Mapping[str, Mapping[str, Factory]], *, override: bool = False
) -> contextlib.AbstractContextManager[None]:
    """Register components in code, by kind and name, for the length of a block."""
    for kind in components:
        check_kind(kind)
    return _current.plugins.registered(components, override=override)


def use_local(*folders: str | Path) -> Path | None:
    """Take ``learnkit_local.py`` of the first folder that has one for one more plugin.

    Args:
        *folders: where to look; without any, no file is used from now on.

    Returns:
        The file, or ``None``.
    """
    file = LocalFile.beside(*map(Path, folders))
    _current.plugins.use_local(file)
    return file.path if file else None


def disable_third_party(reason: str = "plugins are switched off") -> None:
    """Use the built-in components only from now on, whatever is installed.

    Args:
        reason: what the records of the plugins say, such as ``"--no-plugins"``.
    """
    _current.plugins.disable_third_party(reason)


@contextlib.contextmanager
def isolated(
    default_plugins: tuple[str, ...] = DEFAULT_PLUGINS, version: str | None = None
) -> Iterator[Registry]:
    """Replace the process's registry by a fresh one for the length of a block, for tests.

    Args:
        default_plugins: names of the modules whose components are built in.
        version: the version of learnkit that plugins are told.
    """
    global _current
    previous, _current = _current, Registry(PluginManager(default_plugins, version))
    try:
        yield _current
    finally:
        _current = previous

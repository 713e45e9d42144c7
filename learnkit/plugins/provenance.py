"""Where the components of a saved run come from, and what to do when one is not there.

A saved run names, beside what is built in:

* plugins, by distribution and version, with the components that it holds of them;
* ``learnkit_local.py``, and what was registered in code, as such.

A component may say a ``version`` of its own, a class attribute, and how options of another version become
those of this one::

    @dataclass(frozen=True)
    class Wave(Loss):
        version: ClassVar[str] = "2"
        frequency: float = 1.0

        @classmethod
        def migrate(cls, options, version):        # version is None if it had none
            if version is None:
                options["frequency"] = 1 / options.pop("period")
            return options

The version is saved with the options, and ``migrate`` is called when a run is loaded that holds another one.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learnkit.errors import ArgumentError, CheckpointError
from learnkit.plugins import registry
from learnkit.plugins.local import LOCAL
from learnkit.plugins.records import PluginRecord

__all__ = ["Origin", "PluginVersionWarning", "check_origins", "origin_of", "origins", "other_versions"]

#: Kinds without which a run can be loaded: they made it faster and are no part of it.
_NOT_NEEDED = frozenset({"kernel"})


class PluginVersionWarning(UserWarning):
    """A component of a saved run comes from another plugin, or another version of it, than at the saving."""


@dataclass(frozen=True)
class Origin:
    """Where a component comes from.

    Attributes:
        distribution: that of the plugin; ``""`` for ``learnkit_local.py`` and for what was registered in
            code.
        version: of the distribution, or ``""``.
        where: ``""`` for a plugin, else ``"learnkit_local.py"``, or the module of a component that was
            registered in code.
    """

    distribution: str
    version: str
    where: str = ""

    def __str__(self) -> str:
        """As messages name it."""
        if self.distribution:
            return f"{self.distribution} {self.version}".strip()
        return self.where if self.where == f"{LOCAL}.py" else f"code ({self.where})"


def origin_of(kind: str, name: str) -> Origin | None:
    """Where the component of that name comes from; ``None`` if it is built in.

    Raises:
        UnknownNameError: there is none.
    """
    manager = registry.manager()
    in_code = manager.in_code(kind).get(name)
    if in_code is not None:
        return Origin("", "", getattr(in_code, "__module__", None) or "?")
    if name in manager.builtin(kind) and name not in manager.overriding(kind):
        return None
    registry.get(kind, name)
    record = _offering(kind, name, manager.records())
    if record is None or record.name == LOCAL:
        return Origin("", "", f"{LOCAL}.py")
    return Origin(record.distribution or record.name, record.version)


def _offering(kind: str, name: str, records: Sequence[PluginRecord]) -> PluginRecord | None:
    return next((r for r in records if r.status == "ok" and name in r.components.get(kind, ())), None)


def origins(descriptions: Any) -> list[dict[str, Any]]:
    """The plugins that descriptions hold components of, nested ones too, as plain values.

    Args:
        descriptions: what ``registry.describe`` gave, in lists and dictionaries.

    Returns:
        ``{"distribution": ..., "version": ..., "components": [[kind, name], ...]}``, with ``"where"`` for
        what is of no distribution; sorted.
    """
    found: dict[Origin, set[tuple[str, str]]] = {}
    for kind, name in _components(descriptions):
        origin = origin_of(kind, name)
        if origin is not None:
            found.setdefault(origin, set()).add((kind, name))
    return [
        {
            "distribution": origin.distribution,
            "version": origin.version,
            **({"where": origin.where} if origin.where else {}),
            "components": [list(component) for component in sorted(found[origin])],
        }
        for origin in sorted(found, key=lambda o: (o.distribution, o.version, o.where))
    ]


def _components(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        name = value.get("name", value.get("factory", value.get("function")))
        if isinstance(value.get("kind"), str) and isinstance(name, str):
            yield value["kind"], name
        for item in value.values():
            yield from _components(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _components(item)


def check_origins(path: Path, saved: Sequence[Mapping[str, Any]]) -> None:
    """See that the components of a saved run are there, before it is built.

    Warns:
        PluginVersionWarning: a plugin has another version than at the saving, or a component comes from
            another plugin by now.

    Raises:
        CheckpointError: a component is missing; the text says what to install.
    """
    for entry in saved:
        was = Origin(str(entry["distribution"]), str(entry["version"]), str(entry.get("where", "")))
        for kind, name in entry["components"]:
            try:
                now = origin_of(kind, name)
            except ArgumentError as error:
                if kind in _NOT_NEEDED:
                    continue
                raise CheckpointError(
                    f"{path}: the run holds the {kind} {name!r} of {was}{_state(was)}",
                    hint=_remedy(was, kind, name),
                ) from error
            changed = _changed(was, now)
            if changed:
                text = changed.format(f"the {kind} {name!r}")
                warnings.warn(f"{path}: {text}", PluginVersionWarning, stacklevel=4)
                break  # one line for a plugin


def other_versions(saved: Sequence[Mapping[str, Any]]) -> str:
    """What to install where plugins have other versions than at the saving; ``""`` if none has."""
    lines = []
    for entry in saved:
        was = Origin(str(entry["distribution"]), str(entry["version"]), str(entry.get("where", "")))
        now = _record(was) if was.distribution else None
        if now is not None and now.version != was.version:
            lines.append(
                f"it was saved with {was}, and {now.version or 'no version'} is installed: "
                f"pip install {was.distribution}=={was.version}"
            )
    return "\n".join(lines)


def _changed(was: Origin, now: Origin | None) -> str:
    if now is None:
        return f"{{}} was that of {was}, and is built in now"
    if was.distribution and was.distribution == now.distribution:
        return "" if was.version == now.version else f"saved with {was}, and {now.version} is installed"
    if not was.distribution and not now.distribution:
        return ""  # a program and its notebook may register the same from different modules
    return f"{{}} was that of {was}, and is that of {now} now"


def _state(was: Origin) -> str:
    """What is known of the plugin: not installed, or why it cannot be used."""
    if not was.distribution:
        return ", which is not there"
    record = _record(was)
    if record is None:
        return ", which is not installed"
    if record.status == "ok":
        return f"; {record.distribution} {record.version} is installed, and has none of that name"
    return f"; it is installed and cannot be used: {record.detail}"


def _remedy(was: Origin, kind: str, name: str) -> str:
    if was.where == f"{LOCAL}.py":
        return f"run it in the folder of its {LOCAL}.py, or call learnkit.plugins.registry.use_local(folder)"
    if was.where:
        return f"register it before loading: learnkit.register_{kind}({name!r}, ...)"
    record = _record(was)
    if record is None or record.status == "ok":
        return f"pip install {was.distribution}" + (f"=={was.version}" if was.version else "")
    return f"see: learnkit plugins info {record.name}"


def _record(was: Origin) -> PluginRecord | None:
    return next((r for r in registry.records() if was.distribution in (r.distribution, r.name)), None)

"""Components by kind and name: looked up, made of a description, and described."""

from __future__ import annotations

import dataclasses
import inspect
import numbers
from collections.abc import Mapping
from typing import Any

from learnkit.errors import ArgumentError, UnknownNameError, did_you_mean
from learnkit.plugins.construct import construct, signature_of
from learnkit.plugins.conventions import preset
from learnkit.plugins.functions import FunctionComponent, component_of, is_function, made_of
from learnkit.plugins.hooks import Factory
from learnkit.plugins.hookspecs import HOOKS, KINDS
from learnkit.plugins.manager import PluginManager, is_newer
from learnkit.plugins.records import PluginRecord
from learnkit.plugins.spec import parse_spec
from learnkit.plugins.versions import declared_version, migrated

__all__ = ["Registry", "check_kind"]


class Registry:
    """The components of one :class:`~learnkit.plugins.manager.PluginManager`, by kind and name.

    The functions of :mod:`learnkit.plugins.registry` are the methods of that of the process.
    """

    def __init__(self, plugins: PluginManager | None = None) -> None:
        self.plugins = PluginManager() if plugins is None else plugins

    def get(self, kind: str, name: str) -> Factory:
        check_kind(kind)
        factory = next((table[name] for table in self.plugins.tables(kind) if name in table), None)
        if factory is None:
            known = self.names(kind)
            raise UnknownNameError(
                f"unknown {kind} {name!r}{did_you_mean(name, known)}",
                hint="\n  ".join([f"known: {', '.join(known) or 'none'}", *self._not_loaded()]),
            )
        return factory

    def names(self, kind: str, *, third_party: bool = True) -> list[str]:
        check_kind(kind)
        return sorted(set().union(*self.plugins.tables(kind)) if third_party else self.plugins.builtin(kind))

    def create(self, kind: str, spec: Any, *, convention: Any = None, **defaults: Any) -> Any:
        check_kind(kind)
        if isinstance(spec, str):
            name, options = parse_spec(spec)
        elif isinstance(spec, Mapping):
            name, options = _from_mapping(kind, spec)
        elif inspect.isclass(spec):
            if convention is None:
                return construct(kind, spec.__name__, spec, defaults)
            name, options = self.name_of(spec, kind), {}
        elif spec is None or isinstance(spec, bool | int | float | complex | bytes | list | tuple | set):
            raise ArgumentError(
                f"{kind} {spec!r} is neither a name nor a component",
                hint=f"known: {', '.join(self.names(kind))}",
            )
        elif convention is not None:
            raise ArgumentError(
                f"convention={convention!r} goes with a name or a class, and {spec!r} is made already"
            )
        elif kind != "activation" and is_function(kind, spec):
            known = self.plugins.known(kind)  # loads nothing: it need not have a name but its own
            named = (name for name, factory in known.items() if made_of(factory, spec))
            name = next(named, getattr(spec, "__name__", kind))
            return construct(kind, name, component_of(kind, name, spec), defaults)
        else:
            return spec
        given: dict[str, Any] = {}
        convention = options.pop("convention", convention)
        if convention is not None:
            self.get(kind, name)  # a name that does not exist is the plainer error
            name, given = preset(convention, kind, name)
        factory = self.get(kind, name)
        if isinstance(spec, Mapping):
            options = migrated(kind, name, factory, options)
        revived = {option: self._revived(value) for option, value in options.items()}
        return construct(kind, name, factory, {**given, **defaults, **revived})

    def describe(self, obj: Any, kind: str | None = None) -> dict[str, Any]:
        found_kind, name = self._find(obj, kind)
        described: dict[str, Any] = {"kind": found_kind, "name": name}
        for option, value in _options(obj).items():
            if option in ("kind", "name"):
                raise ArgumentError(
                    f"{found_kind} {name!r} has an option {option!r}, which a description cannot hold"
                )
            described[option] = self._described(value, f"{name}.{option}")
        version = declared_version(type(obj))
        if version is not None:
            described["version"] = version
        return described

    def name_of(self, obj: Any, kind: str | None = None) -> str:
        return self._find(obj, kind)[1]

    def records(self) -> tuple[PluginRecord, ...]:
        return self.plugins.records()

    def _find(self, obj: Any, kind: str | None) -> tuple[str, str]:
        """The kind and name under which an object, its class or a factory is registered."""
        if kind is not None:
            check_kind(kind)
        # A command is a part of nothing, and need not be imported to tell.
        kinds = tuple(k for k in KINDS if k != "command") if kind is None else (kind,)
        plugins, hidden = self.plugins, ""
        for components in (plugins.in_code, plugins.overriding, plugins.builtin, plugins.third_party):
            for candidate in kinds:
                for name, factory in components(candidate).items():
                    if factory is obj or factory is type(obj) or made_of(factory, obj):
                        if self.get(candidate, name) is factory:
                            return candidate, name
                        hidden = f"the {candidate} {name!r} is another one now, which replaces it"
        cls = obj if inspect.isclass(obj) or inspect.isroutine(obj) else type(obj)
        for candidate in kinds:  # made before the cell of a notebook was run again that registers its class
            for name, factory in plugins.in_code(candidate).items():
                if is_newer(factory, cls, name):
                    return candidate, name
        hint = (
            f"learnkit.register_{kind or 'loss'}(name, {cls.__qualname__}) gives it one, and so does a plugin"
        )
        if kind is None:
            hint = "learnkit.register_loss(name, ...) and its like give it a name, and so does a plugin"
        if isinstance(obj, FunctionComponent):
            hint = f"give the function a name: learnkit.register_{obj._kind}({cls.__name__!r}, ...)"
        raise UnknownNameError(
            f"{cls.__module__}.{cls.__qualname__} is not registered as {kind or 'a component'}",
            hint=hidden or hint,
        )

    def _described(self, value: Any, where: str) -> Any:
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, numbers.Integral):  # those of array libraries are not JSON
            return int(value)
        if isinstance(value, numbers.Real):
            return float(value)
        if isinstance(value, list | tuple):
            return [self._described(item, f"{where}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, Mapping):
            return {str(key): self._described(item, f"{where}[{key!r}]") for key, item in value.items()}
        try:
            if inspect.isclass(value) or inspect.isroutine(value):
                kind, name = self._find(value, None)
                return {"kind": kind, "factory" if self.get(kind, name) is value else "function": name}
            return self.describe(value)
        except ArgumentError as exc:
            raise type(exc)(f"{where}: {exc.message}", hint=exc.hint) from None

    def _revived(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(self._revived(item) for item in value)
        if isinstance(value, Mapping):
            if "kind" in value and "name" in value:
                return self.create(value["kind"], value)
            if set(value) == {"kind", "factory"}:
                return self.get(value["kind"], value["factory"])
            if set(value) == {"kind", "function"}:
                return getattr(self.get(value["kind"], value["function"]), "_function")  # noqa: B009
            return {key: self._revived(item) for key, item in value.items()}
        return value

    def _not_loaded(self) -> list[str]:
        """One line on the plugins that failed and one on those that were not asked for."""
        lines = []
        records = self.plugins.records()
        failed = [str(record) for record in records if record.status not in ("ok", "blocked")]
        if failed:
            lines.append(f"{_plugins(failed)} failed to load: {', '.join(failed)}")
        blocked = [str(record) for record in records if record.status == "blocked"]
        if blocked:
            lines.append(f"{_plugins(blocked)} not loaded: {', '.join(blocked)}")
        return lines


def _plugins(of: list[str]) -> str:
    return "1 plugin" if len(of) == 1 else f"{len(of)} plugins"


def check_kind(kind: str) -> None:
    """Raise ArgumentError for a kind that there is not."""
    if kind not in HOOKS:
        raise ArgumentError(
            f"unknown kind of component {kind!r}{did_you_mean(kind, KINDS)}",
            hint=f"known: {', '.join(KINDS)}",
        )


def _from_mapping(kind: str, spec: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    options = dict(spec)
    name, own_kind = options.pop("name", None), options.pop("kind", kind)
    if not isinstance(name, str):
        raise ArgumentError(
            f"{kind} {dict(spec)!r} has no name", hint="give it as {'name': ..., option: value}"
        )
    if own_kind != kind:
        raise ArgumentError(f"{name!r} is described as {own_kind}, and {kind} is expected here")
    return name, options


def _options(obj: Any) -> dict[str, Any]:
    if callable(getattr(type(obj), "config", None)):
        return dict(obj.config())
    if dataclasses.is_dataclass(obj):
        return {field.name: getattr(obj, field.name) for field in dataclasses.fields(obj) if field.init}
    if signature_of(type(obj)).parameters:
        raise ArgumentError(
            f"the options of {type(obj).__qualname__} cannot be read",
            hint="make it a dataclass, or give it a method config() that returns them as a dict",
        )
    return {}

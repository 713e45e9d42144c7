"""The hooks of one plugin, and the components that they register."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import pluggy

from learnkit.errors import ArgumentError, PluginError, did_you_mean
from learnkit.plugins import hookspecs
from learnkit.plugins.functions import component_of
from learnkit.plugins.hookspecs import HOOKS, LIFECYCLE
from learnkit.plugins.trace import timed, trace

__all__ = ["Factory", "PluginHooks", "checked", "never_runs"]

#: What is registered: a class, or a function that returns a component.
Factory = Callable[..., Any]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class PluginHooks(pluggy.PluginManager):
    """pluggy's manager for exactly one plugin: what goes wrong in it cannot touch another.

    Args:
        plugin: a module, or an object with the hooks as methods.
        name: the plugin's name in error messages.

    Raises:
        PluginError: the plugin is a class, or an argument of a hook would never be passed.
        pluggy.PluginValidationError: a hook is unknown or has an unknown argument.
    """

    def __init__(self, plugin: object, name: str) -> None:
        super().__init__("learnkit")
        self._plugin_name = name
        self.add_hookspecs(hookspecs)
        if inspect.isclass(plugin):
            raise PluginError(
                f"the entry point gives the class {plugin.__qualname__}; expected a module or an object "
                f"(are the parentheses of {plugin.__qualname__}() missing?)"
            )
        self.register(plugin, name)
        callers = self.get_hookcallers(plugin) or []
        for caller in callers:
            if not caller.has_spec():
                offer = did_you_mean(caller.name, [*HOOKS.values(), *LIFECYCLE])
                raise pluggy.PluginValidationError(plugin, f"unknown hook {caller.name!r}{offer}")
            for implementation in caller.get_hookimpls():
                problem = never_runs(caller.name, implementation.function)
                if problem and not (implementation.wrapper or implementation.hookwrapper):
                    raise PluginError(problem)
                if implementation.kwargnames:
                    raise PluginError(
                        f"{caller.name} gives its argument {implementation.kwargnames[0]!r} a default value; "
                        f"pluggy passes only arguments without one"
                    )

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """As pluggy does, and any plain function named ``learnkit_*`` is a hook too."""
        options = super().parse_hookimpl_opts(plugin, name)
        if options is not None or not name.startswith("learnkit_"):
            return options
        found = inspect.getattr_static(plugin, name, None)
        if not (inspect.isroutine(found) or isinstance(found, staticmethod | classmethod)):
            if name in HOOKS.values() or name in LIFECYCLE:
                raise PluginError(f"{name} is {_shown(found)}; expected a function, def {name}(...)")
            return None
        return {
            "wrapper": False,
            "hookwrapper": False,
            "optionalhook": False,
            "tryfirst": False,
            "trylast": False,
            "specname": None,
        }

    def uncalled(self, hooks: Iterable[str], group: str) -> str:
        """What to say of hooks that only another entry-point group is asked for, ``""`` without any."""
        found = [name for name in hooks if getattr(self.hook, name).get_hookimpls()]
        return f"{found[0]} is called if the entry-point group {group} names it too" if found else ""

    def components(self, kind: str) -> dict[str, Factory]:
        """What the plugin registers of one kind, in its order."""
        found: dict[str, Factory] = {}

        def register(name: str, factory: Factory) -> None:
            try:
                name, factory = checked(HOOKS[kind], kind, name, factory)
            except ArgumentError as error:
                raise PluginError(error.message) from None
            if name in found:
                raise PluginError(f"{HOOKS[kind]} registers {name!r} twice")
            trace(f"{self._plugin_name} registers the {kind} {name!r}")
            found[name] = factory

        hook = getattr(self.hook, HOOKS[kind])
        if hook.get_hookimpls():
            with timed(f"{self._plugin_name}: {HOOKS[kind]}"):
                hook(register=register)
        return found


def never_runs(name: str, function: object) -> str:
    """Why a call of a hook would do nothing, ``""`` if it would do something."""
    function = inspect.unwrap(getattr(function, "__func__", function))  # type: ignore[arg-type]
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return f"{name} is written with async, and nothing awaits it; write def {name}(...)"
    if inspect.isgeneratorfunction(function):
        return f"{name} has a yield, so a call of it does nothing; write it without"
    return ""


def checked(where: str, kind: str, name: object, factory: object) -> tuple[str, Factory]:
    """A name and a factory as they can be registered; a function that is a component becomes its class.

    Args:
        where: the hook or function that was called, for messages.
        kind: the kind of component.

    Raises:
        ArgumentError: one of them cannot be registered.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ArgumentError(
            f"{where} registers the name {_shown(name)}; expected a letter or digit, "
            f"then letters, digits, '_', '-' or '.'"
        )
    name = str.__str__(name)  # a plain one, whatever a class derived from str makes of it
    if not callable(factory):
        raise ArgumentError(
            f"{where} registers {name!r} as {_shown(factory)}; expected a class or a function"
        )
    return name, component_of(kind, name, factory)


def _shown(thing: object) -> str:
    try:
        return repr(thing)
    except Exception:  # what a plugin registers need not be well made
        return f"an object of {type(thing).__name__}"

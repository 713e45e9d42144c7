"""The hooks of one plugin, and the components that they register."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pluggy

from learnkit.errors import ArgumentError, PluginError, did_you_mean
from learnkit.plugins import hookspecs
from learnkit.plugins.functions import component_of
from learnkit.plugins.hookspecs import HOOKS, LIFECYCLE
from learnkit.plugins.trace import timed, trace

__all__ = ["Factory", "PluginHooks", "checked"]

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
        if not (inspect.isfunction(found) or isinstance(found, staticmethod | classmethod)):
            return None
        return {
            "wrapper": False,
            "hookwrapper": False,
            "optionalhook": False,
            "tryfirst": False,
            "trylast": False,
            "specname": None,
        }

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

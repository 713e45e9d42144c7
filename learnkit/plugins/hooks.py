"""The hooks of one plugin, and the components that they register."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pluggy

from learnkit.errors import PluginError, did_you_mean
from learnkit.plugins import hookspecs
from learnkit.plugins.hookspecs import HOOKS, LIFECYCLE

__all__ = ["Factory", "PluginHooks"]

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
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise PluginError(
                    f"{HOOKS[kind]} registers the name {name!r}; expected a letter or digit, "
                    f"then letters, digits, '_', '-' or '.'"
                )
            if not callable(factory):
                raise PluginError(
                    f"{HOOKS[kind]} registers {name!r} as {factory!r}; expected a class or a function"
                )
            if name in found:
                raise PluginError(f"{HOOKS[kind]} registers {name!r} twice")
            found[name] = factory

        getattr(self.hook, HOOKS[kind])(register=register)
        return found

"""The built-in commands, entering by the hook that plugins have, and the group that finds those of plugins.

A plugin registers a ``click.Command`` under ``learnkit_register_commands``. Plugins are imported only for a
name that is not built in: ``learnkit train`` and ``learnkit --help`` neither import them nor look for them,
so help says that there may be more and where they are listed. A built-in command is never replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click

    from learnkit.plugins.hookspecs import Register

__all__ = ["learnkit_register_commands", "plugin_command", "plugin_commands"]


def learnkit_register_commands(register: Register) -> None:
    """Register the commands of learnkit itself; none without click, which is an extra."""
    try:
        from learnkit.cli.backends import backends
        from learnkit.cli.bench import bench
        from learnkit.cli.components import components
        from learnkit.cli.evaluate import evaluate
        from learnkit.cli.export import export
        from learnkit.cli.find_lr import find_lr
        from learnkit.cli.plugins import plugins
        from learnkit.cli.predict import predict
        from learnkit.cli.schedule import schedule
        from learnkit.cli.train import train
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        return
    own = (train, evaluate, predict, export, find_lr, schedule, backends, components, plugins, bench)
    for command in own:
        register(str(command.name), command)


def plugin_commands() -> list[str]:
    """The names of the commands of plugins; imports them."""
    from learnkit.plugins import registry

    own = registry.names("command", third_party=False)
    return [name for name in registry.names("command") if name not in own]


def plugin_command(name: str) -> tuple[click.Command, str] | None:
    """The command of that name and who offers it, or ``None``; imports the plugins.

    Raises:
        PluginError: what the plugin registered is no command.
    """
    import click

    from learnkit.errors import PluginError
    from learnkit.plugins import registry
    from learnkit.plugins.provenance import origin_of

    if name not in plugin_commands():
        return None
    command: Any = registry.get("command", name)
    who = str(origin_of("command", name))
    if not isinstance(command, click.Command):
        raise PluginError(
            f"the command {name!r} of {who} is a {type(command).__name__}, expected a click.Command",
            hint="put @click.command() above the function",
        )
    return command, who

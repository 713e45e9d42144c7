"""``learnkit plugins``: what is installed, what became of it, and what it is worth. One command a file."""

from __future__ import annotations

import click

from learnkit.cli.options import switch_off_plugins
from learnkit.cli.plugins.check import check_plugin_command
from learnkit.cli.plugins.info import plugin_info
from learnkit.cli.plugins.list import list_plugins
from learnkit.cli.plugins.new import new_plugin

__all__ = ["plugins"]


@click.group(short_help="Show and check the installed plugins.", invoke_without_command=True)
@click.option("--debug", is_flag=True, expose_value=False, help="On an error show the traceback.")
@click.pass_context
def plugins(context: click.Context) -> None:
    """Show and check the installed plugins."""
    switch_off_plugins(False)
    if context.invoked_subcommand is None:
        context.invoke(list_plugins, as_json=False)


for command in (list_plugins, plugin_info, check_plugin_command, new_plugin):
    plugins.add_command(command)

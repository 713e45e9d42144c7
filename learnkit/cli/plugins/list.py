"""``learnkit plugins list``: what is installed, and what became of it."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click

from learnkit.cli.options import json_option

if TYPE_CHECKING:
    from learnkit.plugins import PluginRecord

__all__ = ["list_plugins"]


@click.command("list", short_help="List the installed plugins and their state.")
@json_option
@click.option("--debug", is_flag=True, expose_value=False, help="On an error show the traceback.")
def list_plugins(as_json: bool) -> None:
    """List every installed plugin: what it registers, or why it could not be loaded."""
    from learnkit.cli.output import print_json
    from learnkit.plugins import records

    found = records()
    if as_json:
        keys = ("name", "distribution", "version", "status", "detail")
        print_json(
            {
                "plugins": [
                    {key: getattr(record, key) for key in keys}
                    | {"components": {kind: list(names) for kind, names in record.components.items()}}
                    | {"hooks": list(record.hooks)}
                    for record in found
                ]
            }
        )
        return
    if not found:
        print("no plugins are installed (they announce themselves in the entry-point group 'learnkit')")
        return
    for line in _table(found):
        print(line)
    troubled = [record for record in found if record.status not in ("ok", "blocked")]
    if troubled:
        print(f"more on one of them: learnkit plugins info {troubled[0].name}")


def _table(found: tuple[PluginRecord, ...]) -> list[str]:
    """A line for each plugin; on a terminal none is longer than it is wide."""
    rows = [("plugin", "version", "status", "what it offers, or why it cannot be used")]
    rows += [
        (record.distribution or record.name, record.version or "-", record.status, _says(record))
        for record in found
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join([*(row[i].ljust(widths[i]) for i in range(3)), row[3]]) for row in rows]
    return [_fitted(line) for line in lines]


def _fitted(line: str) -> str:
    """The line, cut to the width of the terminal; in a pipe or a file, whole."""
    if not sys.stdout.isatty():
        return line
    width = shutil.get_terminal_size().columns
    return line if len(line) <= width else line[: width - 1] + "…"


def _says(record: PluginRecord) -> str:
    offered = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in record.components.items())
    seen = ", ".join(hook.removeprefix("learnkit_") for hook in record.hooks)
    return "; ".join(part for part in (offered, seen and f"sees runs: {seen}", record.detail) if part)

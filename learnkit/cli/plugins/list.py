"""``learnkit plugins list``: what is installed, and what became of it."""

from __future__ import annotations

import click

from learnkit.cli.options import json_option

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
                    for record in found
                ]
            }
        )
        return
    if not found:
        print("no plugins are installed (they announce themselves in the entry-point group 'learnkit')")
        return
    rows = [
        (
            record.distribution or record.name,
            record.version or "-",
            record.status,
            "; ".join(f"{kind}: {', '.join(names)}" for kind, names in record.components.items())
            or record.detail,
        )
        for record in found
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))

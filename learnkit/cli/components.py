"""``learnkit components``: every component by name, with its formula, options and source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from learnkit.cli.options import common, json_option, switch_off_plugins

if TYPE_CHECKING:
    from learnkit.plugins.catalog import Entry

__all__ = ["components"]


@click.command(short_help="List losses, optimizers, layers, ... with formulas and options.")
@click.argument("kind", required=False)
@click.argument("name", required=False)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a page of Markdown.")
@json_option
@common
def components(
    kind: str | None, name: str | None, as_markdown: bool, as_json: bool, no_plugins: bool
) -> None:
    """List the components of KIND (loss, optimizer, schedule, ...), or of every kind, and all of NAME.

    \b
    learnkit components loss
    learnkit components optimizer adam
    """
    import dataclasses

    from learnkit.cli.output import print_json
    from learnkit.plugins.catalog import catalog, markdown, plural
    from learnkit.plugins.hookspecs import KINDS

    switch_off_plugins(no_plugins)
    if kind is not None:  # "losses" is as good as "loss"
        kind = next((k for k in KINDS if kind in (k, plural(k))), kind)
    entries = catalog(kind)
    if name is not None:
        from learnkit.plugins import registry

        registry.get(kind or "", name)  # an unknown name is an error that offers the nearest one
        entries = [entry for entry in entries if name in (entry.name, *entry.aliases)]
    if as_json:
        print_json({"components": [dataclasses.asdict(entry) for entry in entries]})
    elif as_markdown:
        print(markdown(entries))
    elif name is not None:
        for entry in entries:
            print(_whole(entry))
    else:
        for i, each in enumerate(dict.fromkeys(entry.kind for entry in entries)):
            own = [entry for entry in entries if entry.kind == each]
            print(("\n" if i else "") + f"{plural(each)} ({len(own)})")
            width = max(len(_names(entry)) for entry in own)
            for entry in own:
                print(f"  {_names(entry):<{width}}  {_short(entry)}")


def _names(entry: Entry) -> str:
    return ", ".join([entry.name, *entry.aliases])


def _short(entry: Entry) -> str:
    """One line: the equation if it has one line, else what the component is."""
    formula, summary = entry.formula, entry.summary.replace("``", "")
    return formula[0] if len(formula) == 1 and len(formula[0]) <= 90 else summary


def _whole(entry: Entry) -> str:
    options = [n if d is None else f"{n}={d}" for n, d in entry.options]
    lines = [f"{entry.kind} {_names(entry)}", f"  {entry.summary.replace('``', '')}"]
    lines += [f"    {line}" for line in entry.formula]
    lines += [f"  options: {', '.join(options) or 'none'}"]
    if entry.source:
        lines.append(f"  source: {entry.source}")
    if entry.tested_on:
        lines.append(f"  tested on: {', '.join(entry.tested_on)}")
    return "\n".join(lines)

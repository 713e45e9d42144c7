"""``learnkit plugins info``: all that is known of one plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from learnkit.cli.options import json_option

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from learnkit.plugins import PluginRecord

__all__ = ["plugin_info"]

#: The groups of entry points in which plugins are announced.
GROUPS = ("learnkit", "learnkit.runs")


@click.command("info", short_help="Say all that is known of a plugin.")
@click.argument("name")
@json_option
@click.option("--debug", is_flag=True, expose_value=False, help="On an error show the traceback.")
def plugin_info(name: str, as_json: bool) -> None:
    """Say what the plugin NAME is, what it offers, and why it could not be loaded if it could not.

    NAME is that of its entry point or of its distribution.
    """
    from learnkit.cli.output import print_json
    from learnkit.errors import ArgumentError, did_you_mean
    from learnkit.plugins import records

    found = records()
    chosen = [record for record in found if _normalized(name) in _names_of(record)]
    if not chosen:
        known = sorted({n for record in found for n in (record.name, record.distribution) if n})
        raise ArgumentError(
            f"no plugin {name!r} is installed{did_you_mean(name, known)}",
            hint=f"installed: {', '.join(known) or 'none'}",
        )
    described = [_described(record) for record in chosen]
    if as_json:
        print_json({"plugins": described})
        return
    print("\n\n".join("\n".join(_lines(plugin)) for plugin in described))


def _names_of(record: PluginRecord) -> set[str]:
    return {_normalized(record.name), _normalized(record.distribution)}


def _normalized(name: str) -> str:
    import re

    return re.sub(r"[-_.]+", "-", name).lower()


def _described(record: PluginRecord) -> dict[str, Any]:
    """The record, what its distribution says of itself, and what is known of its components."""
    entry = _entry(record)
    return {
        "name": record.name,
        "distribution": record.distribution,
        "version": record.version,
        **_metadata(record, entry),
        "status": record.status,
        "detail": record.detail,
        "hooks": _hooks(record, entry),
        "components": _components(record),
        "output": record.output,
        "traceback": record.traceback,
    }


def _entry(record: PluginRecord) -> EntryPoint | None:
    from importlib.metadata import entry_points

    for group in GROUPS:
        for entry in entry_points(group=group):
            # An uninstallation that was cut short leaves entry points without a distribution.
            own = (getattr(entry.dist, "metadata", None) or {}).get("Name") or ""
            if entry.name == record.name and own == record.distribution:
                return entry
    return None


def _metadata(record: PluginRecord, entry: EntryPoint | None) -> dict[str, Any]:
    """Summary, homepage, module, file and requirement on learnkit, without importing anything."""
    from learnkit.plugins import registry

    found: dict[str, Any] = dict.fromkeys(("summary", "homepage", "module", "location", "requires"))
    if entry is None:
        local = registry.manager().local
        if local is not None and record.name == local.name:
            found["location"] = str(local.path)
        return found
    found["module"] = entry.value
    found["location"] = _location(entry.module)
    if entry.dist is not None and record.distribution:
        text = entry.dist.metadata.json
        urls = dict(url.split(", ", 1) for url in text.get("project_url", ()) if ", " in url)
        lowered = {label.lower(): url for label, url in urls.items()}
        known = ("homepage", "home", "repository", "source", "documentation")
        found["summary"] = text.get("summary")
        found["homepage"] = text.get("home_page") or next((lowered[k] for k in known if k in lowered), None)
        found["requires"] = next(
            (
                need
                for need in entry.dist.requires or []
                if _normalized(need).startswith("pylearnkit") and "extra" not in need
            ),
            None,
        )
    return found


def _location(module: str) -> str | None:
    """The file of a module; one that cannot be found is no error here."""
    import importlib.util
    import sys

    loaded = sys.modules.get(module)
    if loaded is not None:
        return getattr(loaded, "__file__", None)
    try:
        top = importlib.util.find_spec(module.partition(".")[0])  # imports nothing, unlike that of a part
    except Exception:
        return None
    return None if top is None else top.origin


def _hooks(record: PluginRecord, entry: EntryPoint | None) -> list[str]:
    """The hooks that the plugin has, in the order of the page of hooks; of one that works."""
    from learnkit.plugins.hookspecs import HOOKS, LIFECYCLE

    if record.status != "ok" or entry is None:
        return []
    plugin = entry.load()  # loaded already, so nothing happens
    return [hook for hook in (*HOOKS.values(), *LIFECYCLE) if callable(getattr(plugin, hook, None))]


def _components(record: PluginRecord) -> list[dict[str, Any]]:
    """Name, description and options of each component."""
    from learnkit.plugins.catalog import catalog

    found = []
    for kind, names in record.components.items():
        for entry in catalog(kind):
            for name in (entry.name, *entry.aliases):
                if name in names:
                    options = [o if default is None else f"{o}={default}" for o, default in entry.options]
                    found.append({"kind": kind, "name": name, "summary": entry.summary, "options": options})
    return found


def _lines(plugin: dict[str, Any]) -> list[str]:
    """The description for people."""
    who = f"{plugin['distribution']} {plugin['version']}".strip() or plugin["name"]
    state = plugin["status"] + (f": {plugin['detail']}" if plugin["detail"] else "")
    rows = [
        ("summary", plugin["summary"]),
        ("homepage", plugin["homepage"]),
        ("plugin", f"{plugin['name']} = {plugin['module']}" if plugin["module"] else plugin["name"]),
        ("file", plugin["location"]),
        ("requires", plugin["requires"]),
        ("status", state),
        ("hooks", ", ".join(plugin["hooks"])),
    ]
    lines = [who, *(f"  {label:<10}{text}" for label, text in rows if text)]
    for component in plugin["components"]:
        lines.append(f"  {component['kind']} {component['name']}")
        if component["summary"]:
            lines.append(f"    {component['summary'].replace('``', '')}")
        lines.append(f"    options: {', '.join(component['options']) or 'none'}")
    if plugin["output"]:
        lines += ["", "  it wrote while it was loaded:"]
        lines += [f"    {line}" for line in plugin["output"].rstrip().splitlines()]
    if plugin["traceback"]:
        lines += ["", *(f"  {line}" for line in plugin["traceback"].rstrip().splitlines())]
    return lines

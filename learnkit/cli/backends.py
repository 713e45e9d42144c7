"""``learnkit backends``: which array libraries can be used here, and why the others cannot."""

from __future__ import annotations

from typing import Any

import click

from learnkit.cli.options import common, json_option, switch_off_plugins

__all__ = ["backends"]


@click.command(short_help="Say which backends work on this machine.")
@json_option
@common
def backends(as_json: bool, no_plugins: bool) -> None:
    """Say for each backend whether it works on this machine, and if not why and what to install."""
    from learnkit.cli.output import print_json

    switch_off_plugins(no_plugins)
    found = [_probe(name) for name in _names()]
    if as_json:
        print_json({"backends": found})
        return
    width = max(len(backend["name"]) for backend in found)
    for backend in found:
        state = backend["description"] if backend["available"] else f"not available: {backend['reason']}"
        default = "  (default)" if backend["default"] else ""
        print(f"{backend['name']:<{width}}  {state}{default}")
        if backend["hint"]:
            print(f"{'':<{width}}    {backend['hint']}")


def _names() -> list[str]:
    from learnkit.plugins import registry

    return registry.names("backend")


def _probe(name: str) -> dict[str, Any]:
    """What ``get_backend(name)`` gives or raises; nothing gets out of here."""
    import os
    import warnings

    from learnkit.backends import get_backend
    from learnkit.errors import LearnkitError

    default = (os.environ.get("LEARNKIT_BACKEND") or "numpy").partition(":")[0] == name
    found: dict[str, Any] = {"name": name, "available": False, "default": default}
    description, reason, hint = None, None, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries complain while they are imported
            description = get_backend(name).describe()
    except LearnkitError as error:
        reason, hint = error.message, error.hint
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    found.update(available=description is not None, description=description, reason=reason, hint=hint)
    return found

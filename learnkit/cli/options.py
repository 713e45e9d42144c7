"""Options that several commands share. Imports click and nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["common", "device_options", "json_option", "switch_off_plugins", "table_options", "widths"]

F = TypeVar("F", bound=Callable[..., Any])


def widths(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """``128,64`` as numbers, or ``none`` for no hidden layer; a callback of an option."""
    if value is None:
        return None
    if value.strip().lower() in ("", "none"):
        return ()
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no list of layer widths, expected integers such as 128,64, or none",
            context,
            parameter,
        ) from None


def json_option(command: F) -> F:
    """``--json``: the result on stdout, everything for people on stderr."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the result as JSON, and all else to stderr."
    )(command)


def common(command: F) -> F:
    """``--debug``, whose effect is in :mod:`learnkit.cli.app`, and ``--no-plugins``."""
    command = click.option("--no-plugins", is_flag=True, help="Use built-in components only.")(command)
    return click.option("--debug", is_flag=True, expose_value=False, help="On an error show the traceback.")(
        command
    )


def device_options(command: F) -> F:
    """``--backend`` and ``--device``."""
    command = click.option(
        "--device", metavar="NAME", help="Device of the backend, such as cuda:1. Default: its own."
    )(command)
    return click.option(
        "--backend",
        metavar="NAME",
        help="numpy, cupy, torch, ...; default LEARNKIT_BACKEND, else numpy. See: learnkit backends.",
    )(command)


def table_options(command: F) -> F:
    """``--sep`` and ``--header/--no-header``."""
    command = click.option(
        "--header/--no-header",
        "header",
        default=None,
        help="Whether the first row of a CSV file holds names.",
    )(command)
    return click.option(
        "--sep", metavar="CHAR", help="Separator of a CSV file, such as ';' or tab. Default: comma."
    )(command)


def switch_off_plugins(no_plugins: bool, run_file: str | None = None) -> None:
    """Do what ``--no-plugins`` asks for; without it look for ``learnkit_local.py``.

    Args:
        run_file: the file that ``--config`` names; it is looked for beside it first, and then in the
            working directory.
    """
    from pathlib import Path

    from learnkit.plugins import registry

    if no_plugins:
        registry.disable_third_party("--no-plugins")
    beside = [Path(run_file).parent] if run_file else []
    registry.use_local(*beside, Path.cwd())

"""The group of commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import errno
import json
import sys
import traceback
from collections.abc import Sequence
from typing import Any, cast

import click

from learnkit import __version__
from learnkit.cli.commands import learnkit_register_commands, plugin_command, plugin_commands
from learnkit.cli.options import switch_off_plugins
from learnkit.cli.output import discard, for_machines, results
from learnkit.errors import LearnkitError, PluginError, did_you_mean

__all__ = ["cli", "run"]

INTERRUPTED = 130
#: 128 + SIGPIPE, as the shell reports a program that died of a closed pipe.
PIPE_CLOSED = 141
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Commands(click.Group):
    """The built-in commands, and for a name that is none of them those of plugins."""

    #: Who offers the command that runs, if it is a plugin's.
    plugin = ""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a command of a plugin is looked for last."""
        self.plugin, name = "", args[0]
        if name in self.commands or name.startswith("-"):
            return super().resolve_command(ctx, args)
        switch_off_plugins("--no-plugins" in args)
        found = plugin_command(name)
        if found is None:
            raise click.UsageError(
                f"no such command {name!r}{did_you_mean(name, [*self.commands, *plugin_commands()])}", ctx
            )
        command, self.plugin = found
        return name, command, args[1:]

    def invoke(self, ctx: click.Context) -> Any:
        """As click does; what a plugin's command raises is an error of the plugin."""
        try:
            return super().invoke(ctx)
        except (
            LearnkitError,
            OSError,
            MemoryError,
            click.ClickException,
            click.exceptions.Exit,
            click.Abort,
        ):
            raise
        except Exception as error:
            if not self.plugin:
                raise
            raise PluginError(
                f"the command of {self.plugin} failed: {type(error).__name__}: {error}",
                hint="this is a bug of the plugin; run with --debug for the traceback",
            ) from error


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Plugins may add commands: learnkit components command lists all.",
)
@click.version_option(__version__, prog_name="learnkit")
@click.option("--debug", is_flag=True, expose_value=False, help="On an error show the traceback.")
def cli() -> None:
    """Train neural networks on tables and images, and use them.

    \b
    learnkit train digits                        the bundled digits, in seconds
    learnkit train data.csv --target price       a table
    learnkit predict runs/data new.csv           what the trained model says
    """


learnkit_register_commands(lambda name, command: cli.add_command(cast("click.Command", command), name))


def run(arguments: Sequence[str], *, own_process: bool = False) -> int:
    """Run a command line and return its exit code. Every error leaves here as a message.

    Args:
        arguments: without the program's name.
        own_process: whether the process ends with the command.
    """
    arguments = list(arguments) or ["--help"]
    # Looked for by hand, because the parsing itself may be what fails.
    debug, as_json = "--debug" in arguments, "--json" in arguments
    with contextlib.ExitStack() as stack:
        if _is_read_by_a_program(arguments):
            stack.enter_context(for_machines(own_process=own_process))
        return _run(arguments, debug, as_json)


def _is_read_by_a_program(arguments: list[str]) -> bool:
    """Whether what the command writes to stdout is data."""
    if {"-h", "--help", "--version"} & set(arguments):
        return False
    command = next((argument for argument in arguments if not argument.startswith("-")), None)
    # A plugin's command writes what it likes where it likes.
    return ("--json" in arguments and command in cli.commands) or command == "predict"


def _run(arguments: list[str], debug: bool, as_json: bool) -> int:
    try:
        code = _invoke(arguments)
        results().flush()
        return code
    except BrokenPipeError:
        discard(results())
        return PIPE_CLOSED
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exception(error, file=sys.stderr)
        described = _describe(error)
        with contextlib.suppress(OSError):
            _report(described, as_json)
        return int(described["exit_code"])


def _invoke(arguments: list[str]) -> int:
    try:
        with cli.make_context("learnkit", arguments) as context:
            result = cli.invoke(context)
    except click.exceptions.Exit as done:
        return int(done.exit_code)
    return result if isinstance(result, int) else 0


def _describe(error: BaseException) -> dict[str, Any]:
    """Type, message, hint and exit code of an error."""
    kind, hint = type(error).__name__, None
    if isinstance(error, LearnkitError):
        message, hint, code = error.message, error.hint, error.exit_code
    elif isinstance(error, click.ClickException):
        message, code = error.format_message(), error.exit_code
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "learnkit"
        hint = f"see {path} --help"
    elif isinstance(error, KeyboardInterrupt):
        message, code = "interrupted", INTERRUPTED
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        message, code = f"{where}{error.strerror or error}", 5
        hint = "free some space and try again" if error.errno in _FULL else None
    elif isinstance(error, MemoryError):
        message, code = "the memory is exhausted" + (f": {error}" if str(error) else ""), 5
        hint = "take a smaller --batch-size, or fewer rows"
    else:
        message, code = f"{kind}: {error}", 1
        place = _plugin_at(error)
        hint = f"this is a bug{place and f' of {place}'}; run with --debug for the traceback"
    return {"type": kind, "message": message, "hint": hint, "exit_code": code}


def _plugin_at(error: BaseException) -> str:
    """The plugin and the line in it that raised, ``""`` if it was none."""
    found = ""
    with contextlib.suppress(Exception):
        from learnkit.plugins.loading import candidates  # --help needs no plugin
        from learnkit.plugins.local import LOCAL

        entries = [c for group in ("learnkit", "learnkit.runs") for c in candidates(group)]
        own = {getattr(c.entry, "module", "").partition(".")[0]: c.who for c in entries}
        for frame, line in traceback.walk_tb(error.__traceback__):  # the innermost comes last
            module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
            if module in own or module == LOCAL:
                found = f"{own.get(module, 'yours')}, at {frame.f_code.co_filename}:{line}"
    return found


def _report(error: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": error}), file=results(), flush=True)
    print(f"error: {error['message']}", file=sys.stderr)
    if error["hint"]:
        for line in str(error["hint"]).splitlines():
            print(f"  {line.strip()}", file=sys.stderr)

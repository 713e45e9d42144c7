"""``learnkit plugins check``: whether a plugin keeps its contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from learnkit.cli.options import json_option

if TYPE_CHECKING:
    from learnkit.testing.plugin import PluginReport
    from learnkit.testing.results import Result

__all__ = ["check_plugin_command"]


@click.command("check", short_help="Check a plugin: its hooks, and all that it registers.")
@click.argument("name")
@click.option(
    "--backend",
    "backends",
    metavar="NAME",
    multiple=True,
    help=(
        "Run array code on this library only: numpy, strict, torch, fakecupy, cupy. May be given "
        "several times."
    ),
)
@json_option
@click.option("--debug", is_flag=True, expose_value=False, help="On an error show the traceback.")
def check_plugin_command(name: str, backends: tuple[str, ...], as_json: bool) -> int:
    """Check the plugin NAME, or a Python file: ``learnkit plugins check ./learnkit_local.py``.

    It is imported and its hooks are looked at; then every component that it registers is run: on NumPy,
    array-api-strict, torch and a stand-in for CuPy. Each failure says what is wrong, at which line, and what
    to write there. The exit code is 1 if something failed.
    """
    from learnkit.cli.output import print_json
    from learnkit.errors import ArgumentError
    from learnkit.testing.plugin import check_plugin
    from learnkit.testing.run import LIBRARIES

    libraries = tuple(part.strip() for given in backends for part in given.split(",") if part.strip())
    known = (*LIBRARIES, "cupy")
    for library in libraries:
        if library not in known:
            raise ArgumentError(f"--backend is {library!r}", hint=f"checks run on {', '.join(known)}")
    report = check_plugin(name, libraries or LIBRARIES)
    if as_json:
        print_json(
            {
                "plugin": report.name,
                "distribution": report.distribution,
                "version": report.version,
                "ok": report.ok,
                "results": [result.as_dict() for result in report.results],
            }
        )
    else:
        _print(report)
    return 0 if report.ok else 1


def _print(report: PluginReport) -> None:
    who = f"{report.distribution} {report.version}".strip() or report.name
    print(f"{who}\n")
    for line in _table(report.results):
        print(line)
    skipped: dict[str, list[str]] = {}
    for result in report.results:
        if result.skipped:
            skipped.setdefault(result.skipped, []).append(f"{result.component}: {result.name}")
    if skipped:
        print("\nskipped")
        for reason, names in skipped.items():
            print(f"  {reason} ({', '.join(names)})")
    failed = [result for result in report.results if not result.ok]
    for same in _alike(failed):
        result = same[0]
        print(f"\nFAILED  {result.kind} {result.component}: {', '.join(other.name for other in same)}")
        print(f"  {result.message}")
        if result.file:
            print(f"  {result.file}:{result.line}{_source(result)}")
        if result.remedy:
            print(f"  -> {result.remedy}")
        if result.kind in ("plugin", "hook") and result.traceback:
            print("\n".join(f"    {line}" for line in result.traceback.rstrip().splitlines()))
    passed = sum(result.ok and not result.skipped for result in report.results)
    total = f"{passed} passed" + (f", {len(failed)} failed" if failed else "")
    left = len(report.results) - passed - len(failed)
    print(f"\n{total}" + (f", {left} skipped" if left else ""))


def _alike(failed: list[Result]) -> list[list[Result]]:
    """What failed, with one mistake that several checks have found told once."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in failed:
        place = f"{result.file}:{result.line}" if result.line else result.message
        groups.setdefault((result.kind, result.component, place, result.remedy), []).append(result)
    return list(groups.values())


def _source(result: Result) -> str:
    import linecache

    text = linecache.getline(result.file, result.line).strip()
    return f"  {text}" if text else ""


def _table(results: list[Result]) -> list[str]:
    """A line for each component: how many checks it passed, and the names of those it failed."""
    rows: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        rows.setdefault((result.kind, result.component), []).append(result)
    lines = [("kind", "name", "passed", "skipped", "failed")]
    for (kind, name), found in rows.items():
        failed = [result.name for result in found if not result.ok]
        skipped = sum(bool(result.skipped) for result in found)
        passed = len(found) - len(failed) - skipped
        lines.append((kind, name, str(passed), str(skipped), ", ".join(failed) or "-"))
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    return ["  ".join([*(line[i].ljust(widths[i]) for i in range(4)), line[4]]) for line in lines]

"""``learnkit plugins new``: a complete package for a plugin."""

from __future__ import annotations

from pathlib import Path

import click

from learnkit.cli.options import json_option

__all__ = ["new_plugin"]


@click.command("new", short_help="Start a plugin: write a complete package.")
@click.argument("name")
@click.option("--kind", required=True, metavar="KIND", help="What it adds to learnkit; see above.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where it goes; default ./learnkit-NAME.",
)
@json_option
@click.option("--debug", is_flag=True, expose_value=False, help="On an error show the traceback.")
def new_plugin(name: str, kind: str, directory: Path | None, as_json: bool) -> None:
    """Write a package learnkit-NAME with a component that works, its tests, a README and a CI file.

    \b
    KIND is one of
      loss, optimizer, transform, layer, activation, initializer, constraint,
      schedule, metric, callback, backend, kernel, dataset, reader,
      augmentation, exporter, command, run (sees every training run)

    \b
    learnkit plugins new wave --kind loss
    """
    import shlex

    from learnkit.cli.output import print_json
    from learnkit.cli.plugins.scaffold import named, write

    package = named(name, kind)
    directory = Path(package.distribution) if directory is None else directory
    files = write(package, directory)
    steps = [
        f"cd {shlex.quote(str(directory))}",
        'pip install -e ".[dev]"',
        "pytest",
        f"learnkit plugins check {package.distribution}",
        package.trial(),
    ]
    if as_json:
        print_json(
            {
                "name": package.name,
                "kind": package.kind,
                "distribution": package.distribution,
                "module": package.module,
                "directory": str(directory),
                "files": files,
                "next": steps,
            }
        )
        return
    print(f"{package.distribution}, a plugin with {_what(package.kind)} {package.name!r}, is in {directory}:")
    for path in files:
        print(f"  {path}")
    print("next:")
    for step in steps:
        print(f"  {step}")


def _what(kind: str) -> str:
    if kind == "run":
        return "hooks that see runs,"
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"

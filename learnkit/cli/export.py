"""``learnkit export``: a trained model in a format for other programs."""

from __future__ import annotations

import click

from learnkit.cli.options import common, json_option, switch_off_plugins

__all__ = ["export"]


@click.command(short_help="Write a trained model in another format.")
@click.argument("run")
@click.argument("file")
@click.option(
    "--to",
    "exporter",
    metavar="SPEC",
    help="Format: npz, json, or one of a plugin. Default by FILE's ending.",
)
@json_option
@common
def export(run: str, file: str, exporter: str | None, as_json: bool, no_plugins: bool) -> None:
    """Write the model of RUN to FILE, with the preprocessing of its data where the format has a place for it.

    RUN is the directory of a run, or its model.safetensors. SPEC is NAME or NAME:OPTION=VALUE.

    \b
    learnkit export runs/digits model.npz
    learnkit export runs/digits --to npz:compress=true weights
    """
    from pathlib import Path

    from learnkit.cli.output import print_json
    from learnkit.cli.stored import load_noting, model_file
    from learnkit.training.checkpoint import read_content
    from learnkit.training.exporting import export as write
    from learnkit.training.exporting import find_exporter

    switch_off_plugins(no_plugins)
    name, _, _ = find_exporter(exporter or Path(file).suffix.lstrip("."))  # before the model is read
    path = model_file(Path(run))
    extra = read_content(path).get("extra") or {}
    written = write(load_noting(path), file, format=exporter, extra=extra)
    if as_json:
        print_json({"file": str(written), "format": name, "bytes": written.stat().st_size})
    else:
        print(f"{path} written to {written} as {name}")

"""``learnkit find-lr``: a learning rate to begin with, from a short run in which it grows."""

from __future__ import annotations

from typing import Any

import click

from learnkit.cli.options import (
    common,
    device_options,
    json_option,
    switch_off_plugins,
    table_options,
    widths,
)

__all__ = ["find_lr"]

#: What the arguments of the library's function are called here.
_OPTIONS = {
    "find_lr: ": "",
    "start_lr": "--start",
    "end_lr": "--end",
    "num_steps": "--steps",
    "method": "--method",
}


@click.command("find-lr", short_help="Suggest a learning rate for a file or a bundled data set.")
@click.argument("source")
@click.option("--target", metavar="COL", help="Column to learn. Default: target, label, class or y.")
@click.option("--task", metavar="TASK", help="classification or regression. Default: told by the target.")
@table_options
@click.option("--hidden", callback=widths, metavar="WIDTHS", help="Hidden layers; default 128,128; or none.")
@click.option("--dropout", type=float, metavar="P", help="In [0, 1).")
@click.option("--activation", metavar="SPEC", help="Default relu.")
@click.option("--loss", metavar="SPEC", help="Default by the task and its targets.")
@click.option("--optimizer", metavar="SPEC", help="Default adamw.")
@click.option("--batch-size", type=int, metavar="N", help="Default about the square root of the rows.")
@click.option("--seed", type=int, metavar="N", help="Of the split, start and order; default 0.")
@device_options
@click.option("--start", default=1e-6, metavar="LR", help="Where the rate starts; default 1e-6.")
@click.option("--end", default=10.0, metavar="LR", help="Where it ends at the latest; default 10.")
@click.option("--steps", default=150, metavar="N", help="At most so many steps; default 150.")
@click.option(
    "--method",
    default="valley",
    metavar="HOW",
    help="valley (default), steepest or minimum.",
)
@json_option
@common
def find_lr(
    start: float, end: float, steps: int, method: str, as_json: bool, no_plugins: bool, **options: Any
) -> None:
    """Train a new model on SOURCE for some steps with a growing learning rate, and suggest one.

    Nothing is kept. The options are those of learnkit train; give them as you will give them there.

    \b
    learnkit find-lr digits
    learnkit find-lr data.csv --target price --optimizer sgd:momentum=0.9
    """
    from learnkit.config import RunConfig

    switch_off_plugins(no_plugins)
    given = {key: value for key, value in options.items() if value is not None}
    origin = {key: "SOURCE" if key == "source" else f"--{key.replace('_', '-')}" for key in given}
    config = RunConfig().with_options(given, origin)

    from learnkit.cli.building import check_components
    from learnkit.cli.output import Talk, print_json
    from learnkit.cli.training import prepare
    from learnkit.errors import ArgumentError
    from learnkit.training import find_lr as search

    talk = Talk(as_json=as_json, quiet=False)
    prepared = prepare(config, check_components(config), talk)
    x, y = prepared.arrays["training"]
    assert prepared.config.batch_size is not None
    try:
        curve = search(
            prepared.trainer,
            x,
            y,
            start_lr=start,
            end_lr=end,
            num_steps=steps,
            batch_size=prepared.config.batch_size,
            method=method,  # type: ignore[arg-type]
        )
    except ArgumentError as error:
        for name, option in _OPTIONS.items():
            error.message = error.message.replace(name, option)
        raise
    if as_json:
        print_json(
            {
                "suggestion": curve.suggestion,
                "suggestions": curve.suggestions,
                "stopped": curve.stopped,
                "lrs": curve.lrs,
                "losses": curve.losses,
                "smoothed": curve.smoothed,
            }
        )
        return
    talk("", curve.text(), "", f"{len(curve.lrs)} steps: {curve.stopped}")
    if curve.suggestion is None:
        talk("no suggestion: the loss did not fall; look at the data, or start lower with --start")
        return
    others = ", ".join(f"{name} {lr:.2g}" for name, lr in curve.suggestions.items() if lr is not None)
    talk(f"suggested lr: {curve.suggestion:.2g}   ({others})")

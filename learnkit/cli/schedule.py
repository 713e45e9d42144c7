"""``learnkit schedule``: draws a schedule in the terminal, and as SVG."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from learnkit.cli.options import common, json_option, switch_off_plugins

__all__ = ["schedule"]

STEPS = 1000


@click.command(short_help="Draw a learning-rate schedule.")
@click.argument("name", metavar="NAME[:OPTIONS]")
@click.option("--steps", type=click.IntRange(1), help=f"Length of the run in steps. Default {STEPS}.")
@click.option("--epochs", type=click.IntRange(1), help="Length of the run in epochs.")
@click.option(
    "--steps-per-epoch", type=click.IntRange(1), help="Length of an epoch, for durations such as 10ep."
)
@click.option("--lr", type=float, default=1.0, show_default=True, help="The peak, if the options name none.")
@click.option("--log", is_flag=True, help="A logarithmic scale for the values.")
@click.option(
    "--svg", metavar="FILE", type=click.Path(path_type=Path), help="Write the drawing to FILE as well."
)
@json_option
@common
def schedule(
    name: str,
    steps: int | None,
    epochs: int | None,
    steps_per_epoch: int | None,
    lr: float,
    log: bool,
    svg: Path | None,
    as_json: bool,
    no_plugins: bool,
) -> None:
    """Draw a schedule over a run, with its values at telling steps.

    \b
    learnkit schedule onecycle --steps 1000
    learnkit schedule "warmup:schedule=cosine,steps=10%" --lr 3e-3
    learnkit schedule step:step_size=10ep --epochs 30 --steps-per-epoch 100 --svg lr.svg
    """
    from learnkit.cli.output import print_json
    from learnkit.errors import ArgumentError
    from learnkit.schedules import Schedule, plot
    from learnkit.schedules.named import with_peak

    switch_off_plugins(no_plugins)
    made = with_peak(name, lr)
    if not isinstance(made, Schedule):
        raise ArgumentError(f"schedule {name!r} is {type(made).__name__}, expected a Schedule")
    chart = plot(made, _length(steps, epochs, steps_per_epoch), steps_per_epoch=steps_per_epoch, log=log)
    written = chart.save(svg) if svg is not None else None
    table = chart.table()
    if as_json:
        rows = [
            {"step": step, "epoch": _epoch(step, steps_per_epoch), "value": value, "what": what}
            for step, value, what in table
        ]
        print_json(
            {
                "schedule": chart.title,
                "steps": chart.steps,
                "steps_per_epoch": steps_per_epoch,
                "table": rows,
                "svg": None if written is None else str(written),
            }
        )
        return
    print(_printable(chart))
    print()
    for line in _lines(table, steps_per_epoch):
        print(line)
    if written is not None:
        print(f"wrote {written}")


def _length(steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """The length of the run, given in one way."""
    if epochs is None:
        return STEPS if steps is None else steps
    if steps is not None:
        raise click.UsageError("--steps and --epochs are both given; leave one of them out")
    if steps_per_epoch is None:
        raise click.UsageError("--epochs needs --steps-per-epoch")
    return epochs * steps_per_epoch


def _epoch(step: int, steps_per_epoch: int | None) -> int | None:
    """The number of a step's epoch, from 1."""
    return None if steps_per_epoch is None else step // steps_per_epoch + 1


def _printable(chart: Any) -> str:
    """The drawing, or its title alone where the terminal has no letters for it."""
    try:
        chart.text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return f"{chart.title}\n(this terminal's encoding has no letters for a drawing; see --svg)"
    return str(chart.text)


def _lines(table: list[tuple[int, float, str]], steps_per_epoch: int | None) -> list[str]:
    head = ("step", "value", "") if steps_per_epoch is None else ("step", "epoch", "value", "")
    rows = [
        (
            f"{step:,}",
            *(() if steps_per_epoch is None else (str(_epoch(step, steps_per_epoch)),)),
            f"{v:.6g}",
            what,
        )
        for step, v, what in table
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head) - 1)]
    return [
        "  ".join([*(cell.rjust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in (head, *rows)
    ]

"""``learnkit bench``: what a training step takes on this machine, beside its limit and its peers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from learnkit.cli.options import common, device_options, json_option, switch_off_plugins

__all__ = ["bench"]

#: Measured if no network is named: one whose step is mostly Python, and one whose step is mostly arithmetic.
DEFAULT = (((64, 128, 64, 10), 64), ((784, 512, 256, 10), 128))
#: Turns of each subject.
ROUNDS = 15


def _sizes(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[int, ...], ...]:
    """``784,512,10`` as numbers."""
    try:
        return tuple(tuple(int(part) for part in value.split(",")) for value in values)
    except ValueError:
        given = ", ".join(map(repr, values))
        raise click.BadParameter(
            f"{given} is no list of sizes, expected integers such as 784,512,10", context, parameter
        ) from None


@click.command(short_help="Measure a training step on this machine.")
@click.option(
    "--sizes",
    multiple=True,
    callback=_sizes,
    metavar="SIZES",
    help="A network, from its inputs to its classes, such as 784,512,10; may be repeated. "
    "Default: 64,128,64,10 with batches of 64 and 784,512,256,10 with batches of 128.",
)
@click.option("--batch-size", type=int, metavar="N", help="Rows in a step; default 64, then 128.")
@click.option("--optimizer", default="adam", metavar="SPEC", help="Default adam.")
@device_options
@click.option("--threads", type=click.IntRange(1), metavar="N", help="For everybody; default all processors.")
@click.option("--against", metavar="PEERS", help="Measure beside some of torch,jax,sklearn.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.01),
    default=1.5,
    show_default=True,
    metavar="S",
    help="To measure each subject for, about.",
)
@click.option(
    "--profile",
    "profile_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write where the time of the first network's step goes: .svg is a drawing, any other ending text.",
)
@json_option
@common
def bench(
    sizes: tuple[tuple[int, ...], ...],
    batch_size: int | None,
    optimizer: str,
    backend: str | None,
    device: str | None,
    threads: int | None,
    against: str | None,
    seconds: float,
    profile_file: Path | None,
    as_json: bool,
    no_plugins: bool,
) -> None:
    """Measure a training step: forward, softmax cross-entropy, backward and update, in float32.

    Each subject runs in a process of its own; they take turns, so that a disturbance hits all alike. Beside
    the step stand its matrix products alone, which no step on the same library can beat. Peers train the
    same network from the same start on the same batches, and must have the same loss.

    \b
    learnkit bench
    learnkit bench --sizes 784,512,10 --batch-size 256 --optimizer lion
    learnkit bench --against torch,jax --threads 1
    learnkit bench --profile step.svg
    """
    from learnkit.backends import get_backend
    from learnkit.bench import describe
    from learnkit.bench.case import Case
    from learnkit.bench.environment import load, processors
    from learnkit.bench.report import Settings, advice, fast, measure, peers_named
    from learnkit.cli.output import Talk, print_json

    switch_off_plugins(no_plugins)
    talk = Talk(as_json=as_json, quiet=False)
    peers = peers_named([name.strip() for name in against.split(",")] if against else [])
    on = get_backend(backend, device)
    cases = [
        Case(network, batch_size or batch, optimizer)
        for network, batch in ([(network, 64) for network in sizes] or DEFAULT)
    ]
    settings = Settings(
        backend=on.name,
        device=device or (None if on.on_host else on.device_name(on.device)),
        threads=threads or processors(),
        against=peers,
        seconds=seconds / ROUNDS,
        rounds=ROUNDS,
        variables={"LEARNKIT_PLUGINS": ""} if no_plugins else None,
    )
    about = {**describe(settings.threads), "backend": on.describe(), "fast": fast()}
    started = load()
    for name, value in about.items():
        talk(f"{name + ':':<11}{value}")
    measured = []
    for number, case in enumerate(cases):
        one = measure(case, settings, profile=profile_file is not None and number == 0)
        measured.append(one)
        talk("", *one.lines())
    talk("", *advice(measured, started))
    if profile_file is not None:
        _write(profile_file, measured[0].profile or {}, talk)
    if as_json:
        print_json({"environment": about, "cases": [one.as_dict() for one in measured]})


def _write(path: Path, profile: dict[str, Any], talk: Any) -> None:
    drawn = path.suffix == ".svg"
    path.write_text(profile["svg"] if drawn else profile["text"] + "\n", encoding="utf-8")
    talk("", profile["text"], "", f"wrote {path}")

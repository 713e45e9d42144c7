"""``learnkit train``: the options of a training, and where they come from."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from learnkit.cli.options import (
    common,
    device_options,
    json_option,
    switch_off_plugins,
    table_options,
    widths,
)

if TYPE_CHECKING:
    from learnkit.config import RunConfig

__all__ = ["train"]

#: Up to this width of its hidden layers a network is trained on one thread of the BLAS library.
NARROW = 512


@click.command(short_help="Train a model on a file or a bundled data set.")
@click.argument("source", required=False)
@click.option("--target", metavar="COL", help="Column to learn. Default: target, label, class or y.")
@click.option("--task", metavar="TASK", help="classification or regression. Default: told by the target.")
@table_options
@click.option("--missing", metavar="HOW", help="Missing values: error (default), mean or drop.")
@click.option("--ignore", metavar="COL", multiple=True, help="Leave out a column; may be repeated.")
@click.option("--categorical", metavar="COL", multiple=True, help="Take numbers as categories; repeatable.")
@click.option("--hidden", callback=widths, metavar="WIDTHS", help="Hidden layers; default 128,128; or none.")
@click.option(
    "--dropout", type=float, metavar="P", help="In [0, 1). Default 0.1; 0 for many rows of numbers."
)
@click.option("--activation", metavar="SPEC", help="Default relu.")
@click.option(
    "--loss", metavar="SPEC", help="Default by the target, and told why. With options: huber:delta=2."
)
@click.option("--optimizer", metavar="SPEC", help="Default adamw; with options: sgd:lr=0.1,momentum=0.9.")
@click.option("--schedule", metavar="SPEC", help="Default onecycle; it peaks at the optimizer's lr.")
@click.option("--init", metavar="SPEC", help="Start of the hidden layers' weights; default he_normal.")
@click.option("--layer", metavar="SPEC", help="A layer behind each hidden one, such as layer_norm.")
@click.option("--constraint", metavar="SPEC", help="On the hidden layers' weights, such as max_norm.")
@click.option(
    "--transform", metavar="SPEC", multiple=True, help="Of gradients, such as centralize; repeatable."
)
@click.option("--metric", metavar="SPEC", multiple=True, help="Report one more metric; may be repeated.")
@click.option("--callback", metavar="SPEC", multiple=True, help="Call it as training goes; repeatable.")
@click.option(
    "--augment", metavar="SPEC", multiple=True, help="Of training batches: jitter:std=0.1; repeatable."
)
@click.option("--lr", type=float, metavar="LR", help="Learning rate. Default 0.005, or that of --optimizer.")
@click.option("--clip", type=float, metavar="NORM", help="Largest gradient norm; default 1, 0 for none.")
@click.option("--epochs", type=int, metavar="N", help="Default by rows: 20 to 100.")
@click.option("--batch-size", type=int, metavar="N", help="Default about the square root of the rows.")
@click.option("--test", type=float, metavar="SHARE", help="Held out to test; default 0.2.")
@click.option(
    "--validation", type=float, metavar="SHARE", help="Held out to validate; default 0.1, 0 for none."
)
@click.option("--patience", type=int, metavar="N", help="Stop N epochs after the best, and take its weights.")
@click.option("--seed", type=int, metavar="N", help="Of the split, start and order; default 0.")
@device_options
@click.option("--dtype", metavar="DTYPE", help="float32 (default) or float64.")
@click.option("--kernels", metavar="NAMES", help="Faster operations of a plugin, in place of the backend's.")
@click.option("--config", "config_file", metavar="FILE", help="Options from a run's config.toml; others win.")
@click.option("--name", metavar="NAME", help="Name of the run. Default: the source, and a number if taken.")
@click.option("--overwrite", is_flag=True, help="Let --name replace an existing run.")
@click.option("--runs-dir", default="runs", metavar="DIR", help="Where runs are kept; default runs.")
@click.option("--dry-run", is_flag=True, help="Read the data and show the plan; train and write nothing.")
@click.option("--quiet", is_flag=True, help="Print only the directory of the run.")
@json_option
@common
def train(
    config_file: str | None,
    name: str | None,
    overwrite: bool,
    runs_dir: str,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    no_plugins: bool,
    **options: Any,
) -> int:
    """Train a model on SOURCE and keep it in a directory runs/NAME.

    SOURCE is digits, a .csv, .npz or .npy file, a file or directory of IDX images, or a file that a plugin
    reads. SPEC names a component: NAME or NAME:OPTION=VALUE,OPTION=VALUE.

    \b
    learnkit train digits
    learnkit train data.csv --target price --hidden 256,128 --lr 3e-3
    """
    given = {key: value for key, value in options.items() if value is not None}
    for repeated in ("ignore", "categorical", "transform", "metric", "callback", "augment"):
        if not given[repeated]:
            del given[repeated]
    config = _configured(config_file, given)
    _limit_threads(config.hidden)
    from learnkit.cli.training import Orders, run_training

    switch_off_plugins(no_plugins, config_file)
    orders = Orders(
        name=name, overwrite=overwrite, runs_dir=runs_dir, dry_run=dry_run, quiet=quiet, as_json=as_json
    )
    return run_training(config, orders)


def _limit_threads(hidden: tuple[int, ...]) -> None:
    """Multiply the small matrices of narrow networks on one thread, unless the user has said otherwise.

    Threads gain little there, and where other programs run too they wait for each other most of the
    time. Besides, the last bits of a product depend on their number: so they do not depend on the
    machine's. OpenBLAS reads this when NumPy is imported.
    """
    if max(hidden, default=0) <= NARROW and "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _configured(config_file: str | None, given: Mapping[str, Any]) -> RunConfig:
    """The options of the file, if there is one, with those of the command line in their place."""
    from learnkit.config import RunConfig, read_config
    from learnkit.errors import ArgumentError

    start = read_config(config_file) if config_file is not None else RunConfig()
    origin = {key: "SOURCE" if key == "source" else f"--{key.replace('_', '-')}" for key in given}
    config = start.with_options(given, origin)
    if config.source is None:
        raise ArgumentError(
            "what is to be trained on? SOURCE is missing",
            hint="learnkit train digits, or learnkit train data.csv --target COLUMN",
        )
    return config

"""``learnkit predict``: what a trained model says of new data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from learnkit.cli.options import common, device_options, switch_off_plugins, table_options

if TYPE_CHECKING:
    from pathlib import Path

    from learnkit.cli.stored import Stored
    from learnkit.data import DataSet

__all__ = ["predict"]


@click.command(short_help="Predict with a trained model.")
@click.argument("run")
@click.argument("source")
@click.option("-o", "--output", metavar="FILE", help="Write the CSV to a file. Default: stdout.")
@click.option("--proba", is_flag=True, help="Also a column with the probability of each class.")
@table_options
@device_options
@common
def predict(
    run: str,
    source: str,
    output: str | None,
    proba: bool,
    sep: str | None,
    header: bool | None,
    backend: str | None,
    device: str | None,
    no_plugins: bool,
) -> None:
    """Predict each row of SOURCE with the model of RUN, as CSV with a column prediction.

    RUN is the directory of a run, or its model.safetensors. Columns are found by name; the target need
    not be there. If the model leaves out rows with missing values (--missing drop), a column row says
    which row of SOURCE, counted from 1, a prediction belongs to.
    """
    import sys
    from pathlib import Path

    from learnkit.cli.output import results
    from learnkit.cli.stored import open_run
    from learnkit.data import load_matching
    from learnkit.errors import ArgumentError

    switch_off_plugins(no_plugins)
    target = None if output is None else Path(output)
    if target is not None and target.exists() and Path(source).exists() and target.samefile(source):
        raise ArgumentError(f"--output {output!r} is the source itself, which would be lost")
    stored = open_run(run, backend, device)
    if proba and stored.preprocessor.target.task == "regression":
        raise ArgumentError("--proba needs classes, and the model predicts numbers", hint="leave out --proba")
    data = load_matching(source, stored.preprocessor, sep=sep, header=header is not False, with_target=False)
    for notice in data.notices:
        print(f"note: {notice}", file=sys.stderr)
    text = _csv(stored, data, proba)
    if target is None:
        results().write(text)
        results().flush()
    else:
        _write(target, text)
        print(f"{len(data):,} predictions written to {output}", file=sys.stderr)


def _csv(stored: Stored, data: DataSet, proba: bool) -> str:
    import csv
    import io

    x, _ = data.arrays(stored.preprocessor)
    outputs = stored.trainer.predict(x)
    code = stored.preprocessor.target
    predicted = code.decode(outputs).tolist()
    numbered = getattr(stored.preprocessor, "missing", "error") == "drop"
    columns: dict[str, list[Any]] = {}
    if numbered:
        columns["row"] = (data.rows + 1).tolist()
    columns["prediction"] = (
        predicted if code.task == "classification" else [f"{value:.9g}" for value in predicted]
    )
    if proba:
        shares = _softmax(outputs)
        for i, label in enumerate(code.classes):
            columns[f"probability_{label}"] = [f"{share:.6g}" for share in shares[:, i].tolist()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def _softmax(logits: Any) -> Any:
    import numpy as np

    z = logits.astype(np.float64)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _write(path: Path, text: str) -> None:
    """All or nothing for a file; a device such as /dev/null is written as it is."""
    from learnkit.training.files import write_atomically

    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_text(text, encoding="utf-8")
    else:
        write_atomically(path.resolve(), text.encode())

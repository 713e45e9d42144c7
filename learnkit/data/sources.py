"""From the word on the command line to a data set.

A source is the name of a bundled or registered data set, or a path: a ``.csv`` or ``.tsv`` file (``.gz``
too), an ``.npz`` or ``.npy`` file, a file of IDX images, a directory of IDX files, or a file of an ending
that a plugin reads (:mod:`learnkit.data.readers`). The name ``digits`` is always the bundled set; a file of
that name is ``./digits``. Any other path wins over a registered name.

Training learns the preprocessor from the training part only and keeps it with the model; evaluation and
prediction match new data to it:

>>> from learnkit.data import Preprocessor, load_matching
>>> data = load_source("digits")
>>> train, validation, test = data.split(0.1, 0.1, seed=0)
>>> preprocessor = train.fit_preprocessor()
>>> x, y = train.arrays(preprocessor)
>>> x.shape, str(x.dtype), y.shape, str(y.dtype)
((1437, 64), 'float32', (1437,), 'int64')
>>> saved = preprocessor.to_dict()                                # goes into the checkpoint
>>> preprocessor = Preprocessor.from_dict(saved)
>>> new = load_matching("digits", preprocessor, with_target=False)
>>> x, _ = new.arrays(preprocessor)
>>> preprocessor.target.decode(y[:3]).tolist() == train.y[:3].tolist()
True
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnkit.data.dataset import DataSet
from learnkit.data.matching import array_set, known_array
from learnkit.data.npfile import ArrayData
from learnkit.data.profile import (
    MISSING_POLICIES,
    apply_missing,
    check_numbers,
    missing_target,
    profile_table,
)
from learnkit.data.reading import read_source
from learnkit.data.table import Table, listed
from learnkit.data.target import TargetCode
from learnkit.data.task import (
    Label,
    Task,
    check_classes,
    check_task,
    class_labels,
    infer_task,
    regression_values,
)
from learnkit.errors import ArgumentError, DataError

__all__ = ["load_source"]

TARGET_NAMES = ("target", "label", "class", "y")


def load_source(
    source: str | os.PathLike[str],
    *,
    target: str | None = None,
    sep: str | None = None,
    header: bool = True,
    task: str | None = None,
    missing: str = "error",
    ignore: Sequence[str] = (),
    categorical: Sequence[str] = (),
) -> DataSet:
    """Load data to train on.

    Args:
        source: a name or a path, as described above.
        target: the target column of a table, the column index of an ``.npy`` file, or the key in an
            ``.npz`` file; ``None`` takes what is usual (a column called target, label, class or y).
        sep: the separator of a CSV file; ``None`` means a comma, or a tab for ``.tsv``.
        header: whether the first row of a CSV file holds the names.
        task: ``"classification"`` or ``"regression"``; ``None`` infers it from the target.
        missing: what to do with missing features of a table: ``"error"``, ``"mean"`` or ``"drop"``.
        ignore: columns of a table to leave out.
        categorical: columns of a table to take as categories although they look like numbers.

    Returns:
        The data set, with target, task and notices.

    Raises:
        ArgumentError: an option has a wrong value or does not apply to this source.
        DataError: the source is unknown, cannot be read, or cannot be learned from.
    """
    wanted = check_task(task)
    if missing not in MISSING_POLICIES:
        raise ArgumentError(f"missing must be one of {', '.join(MISSING_POLICIES)}, got {missing!r}")
    name = os.fspath(source)
    loaded = read_source(name, target=target, sep=sep, header=header, min_rows=2)
    if isinstance(loaded, Table):
        return _from_table(name, loaded, target, wanted, missing, ignore, categorical)
    if ignore or categorical:
        raise ArgumentError(f"{name!r} has no named columns, so ignore and categorical do not apply")
    return _from_arrays(name, loaded, wanted)


def _from_table(
    source: str,
    table: Table,
    target: str | None,
    task: Task | None,
    missing: str,
    ignore: Sequence[str],
    categorical: Sequence[str],
) -> DataSet:
    name, notices = _choose_target(table, target)
    missing_target(table.column(name), table)
    profile = profile_table(table, name, ignore=ignore, categorical=categorical)
    kept, dropped = apply_missing(table, profile, missing)
    rows = np.arange(len(table), dtype=np.int64)
    if len(kept) < len(table):
        rows = np.searchsorted(table.line_numbers, kept.line_numbers).astype(np.int64)
        profile = profile_table(kept, name, ignore=ignore, categorical=categorical)
    column = kept.column(name)
    if task != "classification":
        check_numbers(column, kept, "--task classification")
    raw = column.numbers if column.numeric else column.text
    inferred, reason = infer_task(raw, name)
    if task is not None:
        inferred, reason = task, f"as asked with --task {task}"
    y, classes = _target_values(raw, column.text, inferred, name, source, kept.where)
    notices = (*table.notices, *notices, *profile.notices, *dropped)
    return DataSet(source, kept, y, name, inferred, reason, classes, rows, notices, profile, missing)


def _choose_target(table: Table, target: str | None) -> tuple[str, tuple[str, ...]]:
    if target is not None:
        table.column(target)
        return target, ()
    usual = [name for name in table.columns if name.lower() in TARGET_NAMES]
    if len(usual) == 1:
        return usual[0], (f"column {usual[0]!r} is taken as the target; --target names another",)
    raise DataError(
        f"{table.path}: which column is to be learned? "
        + (f"several could be: {listed(usual)}" if usual else "none is called target, label, class or y"),
        hint=f"say --target COLUMN; columns: {listed(table.columns, 30)}",
    )


def _from_arrays(source: str, data: ArrayData, task: Task | None) -> DataSet:
    if data.y is None:
        raise DataError(
            f"{source!r} has no target to learn from", hint="add an array y, or the file of labels"
        )
    name = data.target
    inferred, reason = infer_task(data.y, name)
    if task is not None:
        inferred, reason = task, f"as asked with --task {task}"
    if len(data.x) < 2:
        raise DataError(f"{source!r}: {len(data.x)} rows; need at least 2")
    y, classes = _target_values(data.y, data.y, inferred, name, source, lambda row: f"{source}, row {row}")
    code = TargetCode(name, inferred, classes)
    test = None
    if data.x_test is not None:
        test = array_set(source, data.x_test, known_array(source, data.y_test, code), code, (), reason=reason)
    return array_set(source, data.x, y, code, data.notices, test, reason)


def _target_values(
    raw: NDArray[Any], text: NDArray[Any], task: Task, name: str, source: str, where: Callable[[int], str]
) -> tuple[NDArray[Any], tuple[Label, ...]]:
    """Labels and classes, or float64 values and nothing."""
    if task == "regression":
        return regression_values(raw, name, source, where), ()
    labels = class_labels(raw)
    if labels.dtype.kind != "i" and text.dtype.kind == "O":
        labels = text  # as they are written in the file
    return labels, check_classes(labels, name, source)

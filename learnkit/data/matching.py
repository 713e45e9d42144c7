"""New data for a model that was trained before: found by name, and refused where it does not fit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnkit.data.dataset import DataSet
from learnkit.data.preprocessor import Preprocessor
from learnkit.data.profile import missing_target
from learnkit.data.readers import ending_of
from learnkit.data.reading import read_source
from learnkit.data.table import Column, Table
from learnkit.data.tabular import TablePreprocessor
from learnkit.data.target import TargetCode
from learnkit.data.task import Label, regression_values
from learnkit.errors import DataError
from learnkit.plugins import registry

__all__ = ["array_set", "known_array", "load_matching"]


def load_matching(
    source: str | os.PathLike[str],
    preprocessor: Preprocessor,
    *,
    sep: str | None = None,
    header: bool = True,
    with_target: bool = True,
) -> DataSet:
    """Load data for a model that was trained before.

    Columns of a table are found by name; their order does not matter and others are ignored. Rows with
    missing values are left out if training did so; ``rows`` of the result says which remain.

    Args:
        source: as for :func:`load_source`, of the kind the model was trained on.
        preprocessor: what training learned about the data.
        sep: the separator of a CSV file.
        header: whether the first row of a CSV file holds the names.
        with_target: ``True`` to evaluate: the target must be there and known. ``False`` to predict: a
            target is not looked at.

    Raises:
        DataError: the source cannot be read or does not fit the model.
    """
    name = os.fspath(source)
    code = preprocessor.target
    table = isinstance(preprocessor, TablePreprocessor)
    loaded = read_source(
        name,
        sep=sep,
        header=header,
        min_rows=1,
        target=_chosen_target(name, code.name, with_target),
        features=None if table or with_target else preprocessor.n_features,
    )
    if isinstance(loaded, Table):
        if not isinstance(preprocessor, TablePreprocessor):
            raise DataError(f"{name!r} holds a table, but the model was trained on arrays")
        return _match_table(name, loaded, preprocessor, with_target)
    if table:
        raise DataError(f"{name!r} holds arrays, but the model was trained on a table")
    notices = (*loaded.notices, *preprocessor.review(loaded.x))
    test = None
    if with_target and loaded.x_test is not None:
        test = array_set(name, loaded.x_test, known_array(name, loaded.y_test, code), code, ())
    y = known_array(name, loaded.y, code) if with_target else None
    return array_set(name, loaded.x, y, code, notices, test)


def array_set(
    source: str,
    x: NDArray[Any],
    y: NDArray[Any] | None,
    code: TargetCode,
    notices: tuple[str, ...],
    test: DataSet | None = None,
    reason: str = "",
) -> DataSet:
    """Arrays whose target has been matched to ``code``, as a data set."""
    rows = np.arange(len(x), dtype=np.int64)
    return DataSet(source, x, y, code.name, code.task, reason, code.classes, rows, notices, test=test)


def _chosen_target(source: str, name: str, with_target: bool) -> str | None:
    """Where training was told to look for the target: a column of ``.npy``, a key of ``.npz``.

    The reader of a plugin is told the name, if there must be a target: it may choose a table by it.
    """
    lower = source.lower()
    if lower.endswith(".npy"):
        return name if name.isdigit() else None
    if lower.endswith(".npz"):
        return None if name.isdigit() or name == "y" else name
    path = Path(source)
    if not with_target or not path.exists():
        return None
    ending = ending_of(path)
    return None if ending in (None, *registry.names("reader", third_party=False)) else name


def _match_table(source: str, table: Table, preprocessor: TablePreprocessor, with_target: bool) -> DataSet:
    code = preprocessor.target
    notices = list(table.notices)
    rows = np.arange(len(table), dtype=np.int64)
    if preprocessor.missing == "drop":
        complete = preprocessor.complete_rows(table)
        if not complete.all():
            if not complete.any():
                raise DataError(f"{source}: values are missing in every row")
            notices.append(
                f"{int((~complete).sum())} of {len(table)} rows were left out because values are missing"
            )
            table, rows = table.take(complete), rows[complete]
    notices += preprocessor.review(table)
    y = _known_column(table.column(code.name), table, code) if with_target else None
    return DataSet(
        source,
        table,
        y,
        code.name,
        code.task,
        "",
        code.classes,
        rows,
        tuple(notices),
        None,
        preprocessor.missing,
    )


def _known_column(column: Column, table: Table, code: TargetCode) -> NDArray[Any]:
    """The target of a table, all of whose labels are classes of the model."""
    missing_target(column, table)
    if code.task == "regression":
        bad = np.flatnonzero(column.bad)
        if len(bad):
            row = int(bad[0])
            raise DataError(
                f"{table.where(row)}, column {column.name!r}: {column.text[row]!r} is not a number, "
                f"as the target was in training ({len(bad)} such values)"
            )
        return column.numbers
    labels = column.text
    if isinstance(code.classes[0], int):
        cells = zip(column.numbers.tolist(), column.text.tolist(), strict=True)
        labels = _labels([int(number) if number % 1 == 0 else text for number, text in cells])
    code.encode(labels, table.where)
    return labels


def known_array(source: str, y: NDArray[Any] | None, code: TargetCode) -> NDArray[Any]:
    """The target of arrays, all of whose labels are classes of the model."""
    if y is None:
        raise DataError(
            f"{source!r} has no target to compare with", hint="add an array y, or the file of labels"
        )

    def where(row: int) -> str:
        return f"{source}, row {row}"

    if code.task == "regression":
        return regression_values(y, code.name, source, where)
    if isinstance(code.classes[0], int):
        labels = _labels(
            [int(v) if isinstance(v, (int, float)) and v % 1 == 0 else str(v) for v in y.tolist()]
        )
    else:
        labels = _labels([str(v) for v in y.tolist()])
    code.encode(labels, where)
    return labels


def _labels(values: list[Label]) -> NDArray[Any]:
    """int64 if all are integers, else an object array."""
    if all(isinstance(value, int) for value in values):
        return np.array(values, dtype=np.int64)
    array = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return array

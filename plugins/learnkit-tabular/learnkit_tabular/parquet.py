"""Parquet and Feather files, read with pyarrow, which is imported when one is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from learnkit.errors import DataError, MissingDependencyError

__all__ = ["read_feather", "read_parquet"]


def read_parquet(path: Path) -> dict[str, list[Any]]:
    """The columns of a Parquet file: numbers, texts, and ``None`` where a value is null.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        DataError: the file is damaged or of another kind, or a column holds lists, structures or bytes.
    """
    return _read(path, "parquet", "Parquet")


def read_feather(path: Path) -> dict[str, list[Any]]:
    """The columns of a Feather (Arrow IPC) file; see :func:`read_parquet`."""
    return _read(path, "feather", "Feather")


def _read(path: Path, module: str, kind: str) -> dict[str, list[Any]]:
    try:
        import pyarrow
        from pyarrow import feather, parquet, types
    except ImportError:
        raise MissingDependencyError(
            f"{path.name} needs pyarrow, which is not installed",
            hint="pip install 'learnkit-tabular[parquet]'",
        ) from None
    read = {"parquet": parquet.read_table, "feather": feather.read_table}[module]
    try:
        table = read(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{str(path)!r} cannot be read as a {kind} file: {error}") from None
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind_of = column.type.value_type if types.is_dictionary(column.type) else column.type
        if types.is_nested(kind_of) or types.is_binary(kind_of) or types.is_large_binary(kind_of):
            raise DataError(f"{str(path)!r}: column {name!r} holds {column.type}, expected numbers or texts")
        if name in columns:
            raise DataError(f"{str(path)!r}: two columns are called {name!r}")
        columns[name] = column.to_pylist()
    return columns

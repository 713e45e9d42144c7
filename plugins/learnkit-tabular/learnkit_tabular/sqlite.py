"""A table of an SQLite database, read with Python's own sqlite3."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from learnkit.errors import DataError

__all__ = ["read_sqlite"]


def read_sqlite(path: Path, *, target: str | None = None) -> dict[str, list[Any]]:
    """The columns of a table or view: numbers, texts, and ``None`` for NULL.

    Of several tables it is the one called like the file, ``houses`` in ``houses.sqlite``, or else the only
    one that has the column ``target``. A view counts as a table, so a query gets a name with
    ``CREATE VIEW houses AS SELECT ...``. The rows come in the order of the table.

    Args:
        path: the file; it is opened for reading only.
        target: the column to learn, if it is known.

    Raises:
        DataError: the file is no database or has no table, none or several of the tables could be meant, or
            a cell holds bytes.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            table = _choose(connection, path, target)
            rows = connection.execute(f"SELECT * FROM {_quoted(table)}")
            names = [column[0] for column in rows.description]
            cells = rows.fetchall()
    except sqlite3.Error as error:
        raise DataError(f"{str(path)!r} cannot be read as an SQLite database: {error}") from None
    columns = list(zip(*cells, strict=True)) or [()] * len(names)
    for name, column in zip(names, columns, strict=True):
        row = next((i for i, cell in enumerate(column) if isinstance(cell, bytes)), None)
        if row is not None:
            raise DataError(
                f"{str(path)!r}, table {table!r}, row {row + 1}: column {name!r} holds bytes, expected "
                "numbers or texts",
                hint=f"make a view without it: CREATE VIEW {path.stem} AS SELECT ... FROM {_quoted(table)}",
            )
    return dict(zip(names, map(list, columns), strict=True))


def _choose(connection: sqlite3.Connection, path: Path, target: str | None) -> str:
    """The name of the table that is meant."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' "
        "ESCAPE '\\' ORDER BY rowid"
    )
    tables = [name for (name,) in found]
    if not tables:
        raise DataError(f"{str(path)!r} is a database without a table")
    if len(tables) == 1:
        return str(tables[0])
    if path.stem in tables:
        return path.stem
    fitting = [name for name in tables if target is not None and target in _columns(connection, name)]
    if len(fitting) == 1:
        return str(fitting[0])
    why = f"{len(fitting)} have a column {target!r}" if target is not None else "which one is meant?"
    raise DataError(
        f"{str(path)!r} has {len(tables)} tables: {why}; tables: {', '.join(tables)}",
        hint=f"name one of them {path.stem!r}, or: CREATE VIEW {_quoted(path.stem)} AS SELECT ...",
    )


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({_quoted(table)})")]


def _quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'

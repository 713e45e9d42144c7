"""SQLite, Parquet and Feather files as data."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from learnkit_tabular import read_feather, read_parquet, read_sqlite

from learnkit.data import load_source
from learnkit.errors import DataError, MissingDependencyError
from learnkit.plugins import records
from learnkit.testing import checks_for, run_checks

COLUMNS = {
    "size": [50.5, 80.0, None, 120.0],
    "kind": ["flat", "house", "flat", None],
    "price": [100, 180, 90, 300],
}


def database(path: Path, *statements: str) -> Path:
    """A database with the columns above in the table ``houses``, and what the statements add."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE houses (size REAL, kind TEXT, price INTEGER)")
    rows = zip(*COLUMNS.values(), strict=True)
    connection.executemany("INSERT INTO houses VALUES (?, ?, ?)", rows)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


def bytes_of(write: Any) -> bytes:
    """What ``write`` writes into a file."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "data.sqlite")
        return (Path(folder) / "data.sqlite").read_bytes()


test_sqlite_keeps_the_rules_of_readers = checks_for(
    read_sqlite, kind="reader", files={"data.sqlite": bytes_of(database)}
)


def test_parquet_keeps_the_rules_of_readers() -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    held = bytes_of(lambda path: parquet.write_table(arrow.table(COLUMNS), path))
    results = run_checks(read_parquet, kind="reader", files={"data.parquet": held})
    assert [str(result) for result in results if not result.ok] == []


def test_the_plugin_is_installed() -> None:
    (record,) = (record for record in records() if record.distribution == "learnkit-tabular")
    assert (record.status, record.detail) == ("ok", "")
    assert record.components == {
        "layer": ("periodic_embedding",),
        "reader": ("sqlite", "sqlite3", "db", "parquet", "feather"),
    }


def test_the_only_table_is_read(tmp_path: Path) -> None:
    assert read_sqlite(database(tmp_path / "data #1?.db")) == COLUMNS


OTHER = "CREATE TABLE owners (name TEXT, age INTEGER)"
VIEW = 'CREATE VIEW "large ""ones""" AS SELECT size, price AS cost FROM houses WHERE size > 60'


def test_of_several_tables_it_is_the_one_called_like_the_file(tmp_path: Path) -> None:
    assert read_sqlite(database(tmp_path / "houses.sqlite", OTHER)) == COLUMNS
    assert read_sqlite(database(tmp_path / "owners.sqlite", OTHER)) == {"name": [], "age": []}
    large = {"size": [80.0, 120.0], "cost": [180, 300]}
    assert read_sqlite(database(tmp_path / 'large "ones".sqlite', VIEW), target="price") == large


def test_or_the_one_that_has_the_target(tmp_path: Path) -> None:
    assert read_sqlite(database(tmp_path / "data.sqlite", OTHER), target="price") == COLUMNS
    assert read_sqlite(database(tmp_path / "view.sqlite", VIEW), target="cost")["cost"] == [180, 300]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, "has 3 tables: which one is meant?; tables: houses, owners, large"),
        ("size", "has 3 tables: 2 have a column 'size'"),
        ("colour", "has 3 tables: 0 have a column 'colour'"),
    ],
)
def test_which_table_is_meant_must_be_clear(tmp_path: Path, target: str | None, message: str) -> None:
    path = database(tmp_path / "data.sqlite", OTHER, "CREATE VIEW large AS SELECT * FROM houses")
    with pytest.raises(DataError) as info:
        read_sqlite(path, target=target)
    assert message in str(info.value)
    assert 'CREATE VIEW "data" AS SELECT' in str(info.value)


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.sqlite"
    text.write_text("a,b\n1,2\n" * 100)
    with pytest.raises(DataError, match=r"text\.sqlite' cannot be read as an SQLite database"):
        read_sqlite(text)
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    with pytest.raises(DataError, match="is a database without a table"):
        read_sqlite(empty)
    with pytest.raises(DataError, match="table 'houses', row 5: column 'kind' holds bytes"):
        read_sqlite(database(tmp_path / "bytes.sqlite", "INSERT INTO houses VALUES (1, x'00ff', 2)"))


def test_a_database_is_a_source(tmp_path: Path) -> None:
    path = database(tmp_path / "data.sqlite", OTHER)
    data = load_source(path, target="price", missing="mean", task="regression")
    assert (data.task, list(data.features.columns)) == ("regression", ["size", "kind", "price"])
    assert data.y is not None
    assert data.y.tolist() == COLUMNS["price"]
    size = data.features.column("size")
    assert size.missing.tolist() == [False, False, True, False]
    assert size.numbers[[0, 1, 3]].tolist() == [50.5, 80.0, 120.0]
    preprocessor = data.fit_preprocessor()
    assert preprocessor.feature_names == ("size", "kind=(missing)", "kind=flat", "kind=house")


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_an_arrow_file_is_a_source(tmp_path: Path, ending: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    table = arrow.table(COLUMNS)
    table = table.set_column(1, "kind", table["kind"].dictionary_encode())
    path = tmp_path / f"data.{ending}"
    {"parquet": parquet.write_table, "feather": feather.write_feather}[ending](table, path)
    assert {"parquet": read_parquet, "feather": read_feather}[ending](path) == COLUMNS
    data = load_source(path, target="price", missing="drop", task="regression")
    assert data.y is not None
    assert data.y.tolist() == [100, 180]
    assert data.features.column("kind").text.tolist() == ["flat", "house"]


def test_arrow_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "data.parquet"
    for column, held in (([[1], [2]], "list<"), ([b"a", b"b"], "binary")):
        parquet.write_table(arrow.table({"a": [1, 2], "b": column}), path)
        with pytest.raises(DataError, match=f"column 'b' holds {held}"):
            read_parquet(path)
    path.write_text("a,b\n1,2\n" * 100)
    with pytest.raises(DataError, match="cannot be read as a Parquet file"):
        read_parquet(path)
    with pytest.raises(DataError, match="cannot be read as a Feather file"):
        read_feather(path)


def test_without_pyarrow_it_is_said_what_to_install(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"data\.parquet needs pyarrow") as info:
        read_parquet(tmp_path / "data.parquet")
    assert "pip install 'learnkit-tabular[parquet]'" in str(info.value)

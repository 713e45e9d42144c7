"""Files of any ending: built-in readers and those of plugins enter by the same door."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learnkit.data import load_matching, load_source, read_csv, read_numpy
from learnkit.data.readers import ending_of
from learnkit.errors import ArgumentError, DataError
from learnkit.plugins import registry

SOURCE = """
import json
import numpy as np

calls = []

def read_lines(path, *, target=None, sep=None):
    calls.append({"target": target, "sep": sep})
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {key: [row[key] for row in rows] for key in rows[0]}

def read_image_folder(path):
    return np.load(path / "x.npy"), np.load(path / "y.npy")

def read_packed(path):
    raise KeyError("header")

def learnkit_register_readers(register):
    register("jsonl", read_lines)
    register("packed", read_packed)
    register("long.packed", read_lines)
    register("store", read_image_folder)
    register("odd", lambda path: 3)
    register("short", lambda path: {"a": [1], "y": [1]})
"""


def calls() -> list[dict[str, Any]]:
    """The options that ``read_lines`` was given."""
    found: list[dict[str, Any]] = sys.modules["t_formats"].calls
    return found


@pytest.fixture(autouse=True)
def plugin(install: Callable[..., None]) -> Iterator[None]:
    install("t-formats", SOURCE)
    with registry.isolated():
        yield


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    rows = [{"size": i % 7, "colour": "rgb"[i % 3], "price": 2.5 * i} for i in range(30)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_the_built_in_readers_are_registered() -> None:
    names = registry.names("reader", third_party=False)
    for ending in ("csv", "csv.gz", "tsv", "tab", "txt", "data", "dat"):
        assert ending in names
        assert registry.get("reader", ending) is read_csv
    assert registry.get("reader", "npz") is registry.get("reader", "npy") is read_numpy


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("a.csv", "csv"),
        ("A.B.CSV.GZ", "csv.gz"),
        ("a.jsonl", "jsonl"),
        ("a.long.packed", "long.packed"),
        ("a.longer.packed", "packed"),
        ("train-images-idx3-ubyte", "idx"),
        ("t10k-labels.idx1-ubyte.gz", "idx"),
        ("a.idx.gz", "idx.gz"),
        ("csv", None),
        ("a.xlsx", None),
        (".csv", "csv"),
    ],
)
def test_the_ending_of_a_name(name: str, ending: str | None) -> None:
    assert ending_of(Path(name)) == ending


def test_a_table_of_a_plugin_is_trained_on_and_matched(lines: Path) -> None:
    data = load_source(lines, target="price")
    assert (len(data), data.task) == (30, "regression")
    assert calls() == [{"target": "price", "sep": None}]
    preprocessor = data.fit_preprocessor()
    again = load_matching(lines, preprocessor)
    assert calls()[-1]["target"] == "price"  # it must be there
    assert again.y.tolist() == data.y.tolist()
    load_matching(lines, preprocessor, with_target=False)
    assert calls()[-1]["target"] is None


def test_options_are_given_to_a_reader_that_has_them(lines: Path) -> None:
    load_source(lines, target="price", sep=";")
    assert calls() == [{"target": "price", "sep": ";"}]
    with pytest.raises(
        ArgumentError, match=r"header does not apply to a file \.jsonl\n  leave out --no-header"
    ):
        load_source(lines, target="price", header=False)


def test_an_option_that_a_built_in_reader_lacks_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones((4, 2)), y=np.arange(4))
    with pytest.raises(ArgumentError, match=r"a\.npz': sep does not apply to a file \.npz"):
        load_source(tmp_path / "a.npz", sep=";")


def test_arrays_of_a_directory(tmp_path: Path) -> None:
    folder = tmp_path / "images.store"
    folder.mkdir()
    np.save(folder / "x.npy", np.ones((6, 2, 2)))
    np.save(folder / "y.npy", np.arange(6) % 2)
    assert len(load_source(folder)) == 6
    with pytest.raises(ArgumentError, match="comes with its labels"):
        load_source(folder, target="y")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.packed", r"a\.packed': the reader of \.packed files failed: KeyError: 'header'"),
        ("a.odd", r"the reader of \.odd files returned int, expected a mapping of columns"),
        ("a.short", r"a\.short': 1 rows; need at least 2"),
        ("a.xlsx", r"unknown kind of file '\.xlsx'\n  these are read: .*\.csv \(also \.gz\).*\.jsonl"),
        ("plain", "unknown kind of file 'without an ending'"),
    ],
)
def test_what_goes_wrong_is_said_with_the_path(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=message):
        load_source(tmp_path / name, target="y" if name == "a.short" else None)


def test_a_csv_file_imports_no_plugin(lines: Path) -> None:
    path = lines.with_name("a.csv")
    path.write_text("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(20)))
    assert len(load_source(path)) == 20
    assert "t_formats" not in sys.modules

"""The table that a CSV file becomes, beyond the faults: cells, line numbers, options."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from learnkit.data import Column, Table, read_csv
from learnkit.data.csvfile import CHUNK
from learnkit.errors import ArgumentError, DataError


def test_cells_are_kept_as_text_and_numbers(write: Any) -> None:
    table = read_csv(write('a,b\n01, x y \n1.50,"q, ""r"""\n'))
    assert table.columns["a"].text.tolist() == ["01", "1.50"]
    assert table.columns["a"].numbers.tolist() == [1.0, 1.5]
    assert table.columns["b"].text.tolist() == ["x y", 'q, "r"']
    assert not table.columns["b"].numeric


def test_line_numbers_count_blank_and_continued_lines(write: Any) -> None:
    table = read_csv(write('\na,b\n1,"p\nq"\n\n2,r\n3,s\n'))
    assert table.line_numbers.tolist() == [3, 6, 7]
    assert table.columns["b"].text.tolist() == ["p\nq", "r", "s"]
    assert table.where(1).endswith("data.csv, line 6")


@pytest.mark.parametrize("count", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3])
def test_long_files_keep_every_row(write: Any, count: int) -> None:
    """Rows are turned into columns in pieces; no row is lost or moved at the seams."""
    table = read_csv(write("a,b\n" + "".join(f"{i},{i / 7}\n" for i in range(count))))
    assert len(table) == count
    assert np.array_equal(table.columns["a"].numbers, np.arange(count))
    assert np.array_equal(table.columns["b"].numbers, np.arange(count) / 7)
    assert np.array_equal(table.line_numbers, np.arange(count) + 2)


def test_an_empty_value_in_quotes_is_a_row(write: Any) -> None:
    """In a file of one column a blank line is no row, and a quoted empty value is a missing one."""
    table = read_csv(write('a\n1\n""\n\n3\n'))
    assert table.columns["a"].missing.tolist() == [False, True, False]
    assert table.line_numbers.tolist() == [2, 3, 5]


@pytest.mark.parametrize("sep", ["", ",,", '"', "\n"])
def test_separator_is_one_character(write: Any, sep: str) -> None:
    with pytest.raises(ArgumentError, match="sep must be one character"):
        read_csv(write("a,b\n1,2\n3,4\n"), sep=sep)


@pytest.mark.parametrize("sep", ["\t", "\\t", "tab"])
def test_a_tab_can_be_spelled(write: Any, sep: str) -> None:
    assert list(read_csv(write("a\tb\n1\t2\n3\t4\n"), sep=sep).columns) == ["a", "b"]


def test_one_row_is_enough_to_predict(write: Any) -> None:
    assert len(read_csv(write("a,b\n1,2\n"), min_rows=1)) == 1


def test_only_row_numbers(write: Any) -> None:
    with pytest.raises(DataError, match="no named column"):
        read_csv(write('""\n1\n2\n'))


MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "-nan", "NAN"]
NUMBERS = {"1": 1.0, "-2.5": -2.5, "1e3": 1000.0, "+.5": 0.5, "inf": math.inf, "1e999": math.inf}
TEXTS = ["x", "1_000", "2020_01", "1,5", "0x10", "none", "n/a", "1 2", "$5"]


@pytest.mark.parametrize("neighbours", [[], ["x"]], ids=["numbers", "mixed"])
def test_what_cells_mean(neighbours: list[str]) -> None:
    """Missing words, numbers and texts are told apart, alone and in a mixed column."""
    cells = [*MISSING, *NUMBERS, *neighbours]
    column = Table.from_columns({"a": cells}).columns["a"]
    assert column.missing.tolist() == [cell in MISSING for cell in cells]
    assert column.bad.tolist() == [cell in neighbours for cell in cells]
    found = {cell: column.numbers[i] for i, cell in enumerate(cells) if cell in NUMBERS}
    assert found == NUMBERS
    assert np.isnan(column.numbers[~np.isin(cells, list(NUMBERS))]).all()


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_not_numbers(text: str) -> None:
    column = Table.from_columns({"a": ["1", text]}).columns["a"]
    assert column.bad.tolist() == [False, True]


def test_a_column_without_values_is_not_numeric() -> None:
    assert not Table.from_columns({"a": ["", None, "?"]}).columns["a"].numeric


def test_take_by_index_and_by_mask() -> None:
    table = Table.from_columns({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    part = table.take(np.array([2, 0]))
    assert part.columns["b"].text.tolist() == ["z", "x"]
    assert part.columns["a"].numbers.tolist() == [3.0, 1.0]
    assert part.line_numbers.tolist() == [3, 1]
    assert len(table.take(table.columns["a"].numbers > 1)) == 2


def test_columns_of_one_length() -> None:
    with pytest.raises(DataError, match=r"expected columns of one length, got \{'a': 1, 'b': 2\}"):
        Table.from_columns({"a": [1], "b": [1, 2]})


def test_parse_is_the_constructor_for_cells() -> None:
    column = Column.parse("a", ["1", " x "])
    assert len(column) == 2
    assert column.take(np.array([1])).text.tolist() == ["x"]

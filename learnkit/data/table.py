"""A table as it was read: named columns of text, with the numbers that the text spells.

The text of a cell is always kept, because whether ``1`` is a number or the name of a category is known only
when the whole column, or the column that a model was trained on, has been seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnkit.errors import DataError, did_you_mean

__all__ = ["MISSING_WORDS", "Column", "Table", "listed", "parse_number", "text_array"]

#: Cells that mean "no value"; compared after surrounding blanks were removed.
MISSING_WORDS = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"})


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a table; four arrays of one length.

    Attributes:
        name: the name in the header.
        text: the cells as text, an object array of ``str`` without surrounding blanks.
        numbers: float64; NaN where the cell is missing or is not a number.
        missing: bool; True where the cell is one of ``MISSING_WORDS`` or another spelling of NaN.
        bad: bool; True where the cell is neither missing nor a number.
    """

    name: str
    text: NDArray[np.object_]
    numbers: NDArray[np.float64]
    missing: NDArray[np.bool_]
    bad: NDArray[np.bool_]

    @classmethod
    def parse(cls, name: str, text: NDArray[np.object_]) -> Column:
        """A column from its cells.

        >>> column = Column.parse("a", np.array(["1.5", "?", "x"], dtype=object))
        >>> column.numbers.tolist(), column.missing.tolist(), column.bad.tolist()
        ([1.5, nan, nan], [False, True, False], [False, False, True])
        """
        numbers, bad = _parse_numbers(text)
        return cls(name, text, numbers, np.isnan(numbers) & ~bad, bad)

    def __len__(self) -> int:
        return len(self.text)

    @property
    def numeric(self) -> bool:
        """Every cell that is not missing is a number, and there is one."""
        return not self.bad.any() and not self.missing.all()

    def take(self, rows: NDArray[Any]) -> Column:
        """The column restricted to ``rows``, given as indices or as a mask."""
        return Column(self.name, self.text[rows], self.numbers[rows], self.missing[rows], self.bad[rows])


def _parse_numbers(text: NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Numbers (NaN where there is none) and the mask of the cells that are not numbers and not missing."""
    bad = np.zeros(len(text), dtype=np.bool_)
    try:
        numbers = text.astype(np.float64)
    except ValueError:
        pass
    else:
        if "_" not in "".join(text):
            return numbers, bad
    # A cell fails as text, is missing, or carries an underscore (which Python would read as a digit
    # separator, so that "2020_01" became 202001). Each distinct text is looked at once.
    values = {cell: parse_number(cell) for cell in set(text.tolist())}
    wrong = {cell for cell, value in values.items() if math.isnan(value) and not _is_missing(cell)}
    numbers = np.array([values[cell] for cell in text.tolist()], dtype=np.float64)
    if wrong:
        bad = np.array([cell in wrong for cell in text.tolist()], dtype=np.bool_)
    return numbers, bad


def parse_number(cell: str) -> float:
    """The number that ``cell`` spells, or NaN.

    >>> parse_number("1e3"), parse_number("1_000"), parse_number("")
    (1000.0, nan, nan)
    """
    if "_" in cell:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _is_missing(cell: str) -> bool:
    return cell in MISSING_WORDS or cell.lstrip("+-").lower() == "nan"


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length, and where each row stands in the file.

    Attributes:
        path: the file, for messages.
        columns: name -> :class:`Column`, in the order of the file.
        line_numbers: int64, the line of the file on which each row starts, counted from 1.
        notices: sentences about what was accepted with a change.
    """

    path: str
    columns: dict[str, Column]
    line_numbers: NDArray[np.int64]
    notices: tuple[str, ...] = ()

    @classmethod
    def from_columns(cls, columns: Mapping[str, Iterable[object]], path: str = "table") -> Table:
        """A table from values in memory; each is taken as its text, ``None`` as missing.

        Args:
            columns: name -> values, all of one length.
            path: the name that messages use.

        Raises:
            DataError: the columns have different lengths, or there is none.

        >>> table = Table.from_columns({"a": [1, 2, None], "b": ["x", "y", "x"]})
        >>> len(table), list(table.columns), table.columns["a"].numeric
        (3, ['a', 'b'], True)
        """
        cells = {name: [str(v).strip() for v in values] for name, values in columns.items()}
        lengths = {name: len(values) for name, values in cells.items()}
        if not cells or len(set(lengths.values())) > 1:
            raise DataError(f"{path}: expected columns of one length, got {lengths or 'no columns'}")
        parsed = {name: Column.parse(name, text_array(values)) for name, values in cells.items()}
        count = next(iter(lengths.values()))
        return cls(path, parsed, np.arange(1, count + 1, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.line_numbers)

    def column(self, name: str) -> Column:
        """The column called ``name``.

        Raises:
            DataError: there is none; the columns are listed and the closest is offered.
        """
        found = self.columns.get(name)
        if found is None:
            raise DataError(
                f"{self.path}: no column {name!r}{did_you_mean(name, self.columns)}",
                hint=f"columns: {listed(self.columns, 30)}",
            )
        return found

    def take(self, rows: NDArray[Any]) -> Table:
        """The table restricted to ``rows``, given as indices or as a mask."""
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        return replace(self, columns=columns, line_numbers=self.line_numbers[rows])

    def where(self, row: int) -> str:
        """Path and line of a row, for messages."""
        return f"{self.path}, line {self.line_numbers[row]}"


def text_array(cells: Sequence[str]) -> NDArray[np.object_]:
    """An object array of the given texts."""
    array = np.empty(len(cells), dtype=np.object_)
    array[:] = cells
    return array


def listed(names: Iterable[object], limit: int = 10) -> str:
    """Names with commas between them, the rest counted.

    >>> listed("abcd", 2)
    'a, b and 2 more'
    """
    texts = [str(name) for name in names]
    more = len(texts) - limit
    return ", ".join(texts[:limit]) + (f" and {more} more" if more > 0 else "")

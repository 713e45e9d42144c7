"""A table as it was read: named columns of text, with the numbers that the text spells.

The text of a cell is always kept, because whether ``1`` is a number or the name of a category is known only
when the whole column, or the column that a model was trained on, has been seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnkit.errors import DataError, did_you_mean

__all__ = ["MISSING_WORDS", "Codes", "Column", "Table", "listed", "parse_number", "text_array"]

#: Cells that mean "no value"; compared after surrounding blanks were removed.
MISSING_WORDS = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"})


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a table: its different texts, and for each row which of them it holds.

    What a text means is worked out once for each different text. The arrays over rows are made when they
    are first asked for; all have one length.

    Attributes:
        name: the name in the header.
        codes: int32 (rows,), the position of each row's text in ``distinct``.
        distinct: the texts, an object array of ``str`` without surrounding blanks. A text may stand there
            twice, and after :meth:`take` some may be in no row.
    """

    name: str
    codes: NDArray[np.int32]
    distinct: NDArray[np.object_]
    _meaning: _Meaning

    @classmethod
    def coded(cls, name: str, codes: NDArray[np.int32], texts: Iterable[str]) -> Column:
        """A column from codes and the texts they stand for."""
        distinct = text_array([text.strip() for text in texts])
        return cls(name, codes, distinct, _Meaning.of(distinct))

    @classmethod
    def parse(cls, name: str, cells: Iterable[str]) -> Column:
        """A column from its cells.

        >>> column = Column.parse("a", ["1.5", "?", "x"])
        >>> column.numbers.tolist(), column.missing.tolist(), column.bad.tolist()
        ([1.5, nan, nan], [False, True, False], [False, False, True])
        """
        index = Codes()
        codes = np.array([index[cell] for cell in cells], dtype=np.int32)
        return cls.coded(name, codes, index)

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def text(self) -> NDArray[np.object_]:
        """The cells as text, an object array of ``str``."""
        return self.distinct.take(self.codes)

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The cells as float64; NaN where the cell is missing or is not a number."""
        return self._meaning.numbers.take(self.codes)

    @cached_property
    def missing(self) -> NDArray[np.bool_]:
        """True where the cell is one of ``MISSING_WORDS`` or another spelling of NaN."""
        return self._meaning.missing.take(self.codes)

    @cached_property
    def bad(self) -> NDArray[np.bool_]:
        """True where the cell is neither missing nor a number."""
        return self._meaning.bad.take(self.codes)

    @property
    def numeric(self) -> bool:
        """Every cell that is not missing is a number, and there is one."""
        return not self.bad.any() and not self.missing.all()

    def take(self, rows: NDArray[Any]) -> Column:
        """The column restricted to ``rows``, given as indices or as a mask."""
        return replace(self, codes=self.codes[rows])


class Codes(dict[str, int]):
    """Text -> its number, counted from 0 in the order in which texts are first asked for."""

    def __missing__(self, text: str) -> int:
        code = self[text] = len(self)
        return code


@dataclass(frozen=True, eq=False)
class _Meaning:
    """What each text of an array is: a number, nothing, or neither."""

    numbers: NDArray[np.float64]
    missing: NDArray[np.bool_]
    bad: NDArray[np.bool_]

    @classmethod
    def of(cls, texts: NDArray[np.object_]) -> _Meaning:
        try:
            numbers = texts.astype(np.float64)
        except ValueError:
            numbers = None
        # Python reads an underscore as a digit separator, so that "2020_01" would be 202001.
        if numbers is None or "_" in "".join(texts):
            numbers = np.array([parse_number(text) for text in texts], dtype=np.float64)
        none = np.isnan(numbers)
        missing = none.copy()
        missing[none] = [_is_missing(text) for text in texts[none]]
        return cls(numbers, missing, none & ~missing)


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
        parsed = {name: Column.parse(name, map(str, values)) for name, values in columns.items()}
        lengths = {name: len(column) for name, column in parsed.items()}
        if not parsed or len(set(lengths.values())) > 1:
            raise DataError(f"{path}: expected columns of one length, got {lengths or 'no columns'}")
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

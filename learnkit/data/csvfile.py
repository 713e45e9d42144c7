"""The CSV reader: strict about rows and quotes, tolerant about what cannot be misread.

Accepted: a byte order mark, any line ending, blank lines, a comma at the end of every row, blanks after the
separator, quoted fields that hold separators or line breaks, gzip by the ending ``.gz``. Everything else that
other readers repair by guessing (short rows, doubled names, another separator) is an error with its line.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from learnkit.data.files import decode_text, read_bytes
from learnkit.data.table import Codes, Column, Table, listed, parse_number
from learnkit.errors import ArgumentError, DataError

__all__ = ["read_csv"]

#: Rows are turned into columns this many at a time: the cells in work stay in the cache of the processor.
CHUNK = 512
SEPARATORS = {",": "','", ";": "';'", "\t": "'\\t'", "|": "'|'"}
_SPELLED = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "space": " "}


def read_csv(
    path: str | os.PathLike[str], *, sep: str | None = None, header: bool = True, min_rows: int = 2
) -> Table:
    """Read a table of text from a CSV file.

    Args:
        path: the file; gzip if it ends in ``.gz``.
        sep: the character between values; ``None`` takes a tab for ``.tsv`` and ``.tab`` files and a comma
            for others. ``"tab"`` and ``"\\\\t"`` mean a tab.
        header: whether the first row holds the names; otherwise they are ``c0, c1, ...``.
        min_rows: how many data rows there must be.

    Returns:
        The table; its ``notices`` say what was dropped or renamed.

    Raises:
        ArgumentError: ``sep`` is not one character.
        DataError: the file cannot be read as a table; the message names the line.
    """
    sep = _separator(path, sep)
    name = str(path)
    text = decode_text(read_bytes(path), path)
    return _Parser(name, text, sep, header).parse(min_rows)


def _separator(path: str | os.PathLike[str], sep: str | None) -> str:
    if sep is None:
        stem = str(path).lower().removesuffix(".gz")
        return "\t" if stem.endswith((".tsv", ".tab")) else ","
    sep = _SPELLED.get(sep, sep)
    if len(sep) != 1 or sep in '\r\n"':
        raise ArgumentError(
            f"sep must be one character, got {sep!r}", hint="for example --sep ';' or --sep tab"
        )
    return sep


class _Parser:
    """One pass over the text of one file."""

    def __init__(self, path: str, text: str, sep: str, header: bool) -> None:
        self.path, self.text, self.sep, self.header = path, text, sep, header
        self.notices: list[str] = []
        # newline="" leaves quoted line breaks alone while \n, \r\n and \r all end a line.
        self.last_line = ""
        lines = self._remembered(io.StringIO(text, newline=""))
        self.reader = csv.reader(lines, delimiter=sep, skipinitialspace=True, strict=True)

    def _remembered(self, lines: Iterable[str]) -> Iterator[str]:
        for self.last_line in lines:
            yield self.last_line

    def parse(self, min_rows: int) -> Table:
        rows = self._rows()
        first = next(rows, None)
        if first is None:
            raise DataError(f"{self.path} is empty: 0 data rows; need at least {min_rows}")
        line, cells = first
        self._check_separator(line, cells)
        if self.header:
            names = [cell.strip() for cell in cells]
            self._check_names(line, names)
            second = next(rows, None)
            if second is None:
                raise DataError(
                    f"{self.path} holds only a header: 0 data rows; need at least {min_rows}",
                    hint="if the first line is data, say --no-header",
                )
        else:
            second, names = first, [f"c{i}" for i in range(len(cells))]
        width = self._data_width(names, second)
        columns, line_numbers = self._columns(second, rows, width)
        if len(line_numbers) < min_rows:
            some = f"{len(line_numbers)} data row" + ("" if len(line_numbers) == 1 else "s")
            raise DataError(f"{self.path}: {some}; need at least {min_rows}")
        names = self._settle_last(names, columns, line_numbers)
        names = self._name_unnamed(names, columns)
        named = {
            name: replace(column, name=name) for name, column in zip(names, columns, strict=True) if name
        }
        return Table(self.path, named, np.array(line_numbers, dtype=np.int64), tuple(self.notices))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows that are not blank, each with the line on which it starts."""
        end = 0
        try:
            for row in self.reader:
                start, end = end + 1, self.reader.line_num
                # A line of blanks is no row, but an empty value in quotes is.
                if row and (len(row) > 1 or row[0].strip() or '"' in self.last_line):
                    yield start, row
        except csv.Error as error:
            raise self._broken(error, end + 1) from None

    def _quote(self, line: int) -> str:
        """A line of the file, shortened, for a message."""
        lines = io.StringIO(self.text, newline="")
        text = next(islice(lines, line - 1, None), "").rstrip("\r\n")
        return repr(text if len(text) <= 80 else text[:77] + "...")

    def _broken(self, error: csv.Error, line: int) -> DataError:
        problem = str(error)
        if "unexpected end" in problem or "field limit" in problem:
            what = 'a quote (") is opened and never closed'
        elif "expected after" in problem:
            what = f'text follows a closing quote ("), expected {self.sep!r} or the end of the line'
        else:
            what = problem
        return DataError(
            f"{self.path}, line {line}: {what}, in the row {self._quote(line)}",
            hint='a quote inside a quoted value is written twice: "5"" pipe"',
        )

    def _check_separator(self, line: int, cells: list[str]) -> None:
        """One column that contains another separator was cut at the wrong character."""
        if len(cells) > 1:
            return
        for other, shown in SEPARATORS.items():
            if other != self.sep and other in cells[0]:
                raise DataError(
                    f"{self.path}, line {line}: found one column with {self.sep!r} as the separator: "
                    f"{self._quote(line)}",
                    hint=f"the values seem to be separated by {shown}: say --sep {shown}",
                )

    def _check_names(self, line: int, names: list[str]) -> None:
        where = f"{self.path}, line {line}"
        if _look_like_data(names):
            raise DataError(
                f"{where}: the column names look numeric ({listed(names, 5)}); "
                "the file seems to have no header row",
                hint="say --no-header, which names the columns c0, c1, ...; or put a letter before each name",
            )
        twice = sorted({name for name in names if name and names.count(name) > 1}, key=names.index)
        if twice:
            places = "; ".join(
                f"{name!r} in columns {listed([i + 1 for i, n in enumerate(names) if n == name])}"
                for name in twice[:5]
            )
            raise DataError(
                f"{where}: duplicated column names: {places}",
                hint="give every column its own name; if the file has no header row, say --no-header",
            )

    def _data_width(self, names: list[str], second: tuple[int, list[str]]) -> int:
        """How many values a row must have; one more or less than names where a comma ends the lines."""
        width = len(names)
        cells = second[1]
        if len(cells) == width + 1 and not cells[-1].strip():
            return width + 1
        if len(cells) == width - 1 and width > 1 and not names[-1]:
            names.pop()
            self.notices.append(
                "the header ends with a separator; the column after it does not exist and was dropped"
            )
            return width - 1
        return width

    def _columns(
        self, second: tuple[int, list[str]], rows: Iterator[tuple[int, list[str]]], width: int
    ) -> tuple[list[Column], list[int]]:
        """The columns, still without names, and the line number of each row."""
        texts = [Codes() for _ in range(width)]
        codes: list[list[NDArray[np.int32]]] = [[] for _ in range(width)]
        line_numbers: list[int] = []
        chunk: list[list[str]] = []
        line, cells = second
        while True:
            if len(cells) != width:
                raise self._ragged(line, len(cells), width)
            chunk.append(cells)
            line_numbers.append(line)
            following = next(rows, None)
            if following is None or len(chunk) == CHUNK:
                for part, index, values in zip(codes, texts, zip(*chunk, strict=True), strict=True):
                    part.append(np.fromiter(map(index.__getitem__, values), np.int32, len(chunk)))
                chunk.clear()
            if following is None:
                columns = [Column.coded("", np.concatenate(p), t) for p, t in zip(codes, texts, strict=True)]
                return columns, line_numbers
            line, cells = following

    def _ragged(self, line: int, found: int, width: int) -> DataError:
        values = f"{found} value" + ("" if found == 1 else "s")
        hint = (
            "quote a value that contains the separator"
            if found > width
            else "an empty value needs its separator"
        )
        return DataError(
            f"{self.path}, line {line}: {values}, expected {width} as in the rows before, "
            f"in {self._quote(line)}",
            hint=hint,
        )

    def _settle_last(self, names: list[str], columns: list[Column], line_numbers: list[int]) -> list[str]:
        """Drop the empty column that a separator at the end of every line makes."""
        if len(columns) == len(names) and names[-1]:
            return names
        filled = next((i for i, cell in enumerate(columns[-1].text) if cell), None)
        if filled is None and len(columns) > 1:
            columns.pop()
            self.notices.append("every line ends with a separator; the empty column after it was dropped")
            return names[: len(columns)]
        if len(columns) > len(names):
            raise self._ragged(line_numbers[filled or 0], len(columns), len(names))
        return names

    def _name_unnamed(self, names: list[str], columns: list[Column]) -> list[str]:
        """Give a name to columns without one; ``""`` for a column of row numbers, which is dropped."""
        settled = list(names)
        for i, name in enumerate(names):
            if name:
                continue
            if _counts_up(columns[i]):
                self.notices.append(f"column {i + 1} has no name and only numbers the rows; it was dropped")
                continue
            settled[i] = f"unnamed_{i + 1}"
            while settled[i] in names:
                settled[i] += "_"
            self.notices.append(f"column {i + 1} has no name in the header; it is called {settled[i]!r}")
        if not any(settled):
            raise DataError(f"{self.path}: no named column")
        return settled


def _look_like_data(names: list[str]) -> bool:
    """All names are numbers, or one is a number with a fraction; years as names beside texts are names."""
    numbers = [parse_number(name) for name in names if name]
    real = [x for x in numbers if math.isfinite(x)]
    return bool(real) and (len(real) == len(numbers) or any(x % 1 != 0 for x in real))


def _counts_up(column: Column) -> bool:
    """Whether the cells are 0, 1, 2, ... or 1, 2, 3, ..."""
    start = column.text[0]
    return start in ("0", "1") and all(cell == str(i) for i, cell in enumerate(column.text, int(start)))

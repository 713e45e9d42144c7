"""What the columns of a table are: numbers, categories, or of no use to a model.

The rules are few and each leaves a sentence behind, so that nothing is dropped or converted in silence:

- a column where all cells are numbers is *numeric*; else it is *categorical*;
- one in which at least 90 % (and at least 2) of the cells are numbers but some are not is a mistake, and so
  are numbers with a decimal comma or with thousands separators: an error with the line;
- a column without values, with one value only, equal to the target, of identifiers, or of more than 1000
  different texts is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from learnkit.data.table import Column, Table, listed, parse_number
from learnkit.errors import ArgumentError, DataError

__all__ = [
    "MISSING_POLICIES",
    "ColumnProfile",
    "TableProfile",
    "apply_missing",
    "check_finite_cells",
    "check_numbers",
    "looks_numeric",
    "missing_target",
    "profile_table",
]

MOSTLY = 0.9
ID_ROWS = 50
MAX_CATEGORIES = 1000
EXACT_INTEGER = 2.0**53
MISSING_POLICIES = ("error", "mean", "drop")

_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d[\d.]*,\d*([eE][+-]?\d+)?|[+-]?,\d+")

Kind = Literal["numeric", "categorical", "dropped"]


@dataclass(frozen=True)
class ColumnProfile:
    """What one column is.

    Attributes:
        name: the column.
        kind: ``"numeric"``, ``"categorical"`` or ``"dropped"``.
        missing: how many cells have no value.
        distinct: how many different values a categorical column has; 0 for others.
        note: why it was dropped, or a warning; may be empty.
    """

    name: str
    kind: Kind
    missing: int = 0
    distinct: int = 0
    note: str = ""


@dataclass(frozen=True)
class TableProfile:
    """What the feature columns of a table are, in the order of the file."""

    columns: tuple[ColumnProfile, ...]

    def names(self, kind: Kind) -> tuple[str, ...]:
        """The columns of one kind."""
        return tuple(column.name for column in self.columns if column.kind == kind)

    @property
    def used(self) -> tuple[ColumnProfile, ...]:
        """The columns that become features."""
        return tuple(column for column in self.columns if column.kind != "dropped")

    @property
    def missing(self) -> dict[str, int]:
        """Column -> count, for the used columns in which values are missing."""
        return {column.name: column.missing for column in self.used if column.missing}

    @property
    def notices(self) -> tuple[str, ...]:
        """The notes, one sentence per column."""
        return tuple(f"column {column.name!r} {column.note}" for column in self.columns if column.note)


def profile_table(
    table: Table, target: str | None, *, ignore: Sequence[str] = (), categorical: Sequence[str] = ()
) -> TableProfile:
    """Look at every column but the target.

    Args:
        table: all rows.
        target: the name of the target column, left out; or ``None``.
        ignore: columns to leave out of the features.
        categorical: columns to take as categories although they look like numbers.

    Raises:
        ArgumentError: the target is among ``ignore`` or ``categorical``.
        DataError: a named column does not exist; a column mixes numbers and text by mistake or holds an
            infinite value; no feature is left.
    """
    for name in (*ignore, *categorical):
        table.column(name)
        if name == target:
            raise ArgumentError(
                f"column {name!r} is the target and cannot be ignored or made a category",
                hint="classes instead of numbers are asked for with --task classification",
            )
    answer = None if target is None else table.column(target)
    columns = tuple(
        ColumnProfile(name, "dropped", note="is ignored as asked")
        if name in ignore
        else _profile_column(column, table, answer, name in categorical)
        for name, column in table.columns.items()
        if name != target
    )
    profile = TableProfile(columns)
    if not profile.used:
        reasons = "; ".join(profile.notices) or "the target is the only column"
        raise DataError(f"{table.path}: no feature column is left: {reasons}")
    return profile


def _profile_column(column: Column, table: Table, answer: Column | None, forced: bool) -> ColumnProfile:
    name, missing = column.name, int(column.missing.sum())
    if column.missing.all():
        return ColumnProfile(name, "dropped", missing, note="has no values and was dropped")
    if answer is not None and _equal(column, answer):
        note = f"equals the target {answer.name!r} and would leak the answer; it was dropped"
        return ColumnProfile(name, "dropped", missing, note=note)
    if column.numeric and not forced:
        return _profile_numbers(column, table, missing)
    if not forced:
        check_numbers(column, table)
    return _profile_texts(column, missing, forced)


def _profile_numbers(column: Column, table: Table, missing: int) -> ColumnProfile:
    name = column.name
    check_finite_cells(column, table)
    values = column.numbers[~column.missing]
    if values.min() == values.max():
        return ColumnProfile(name, "dropped", missing, note=f"is constant ({values[0]:g}) and was dropped")
    large = np.flatnonzero(np.abs(column.numbers) > EXACT_INTEGER)
    if any(str(column.text[row]).lstrip("+-").isdigit() for row in large):
        note = "looks like an id (whole numbers above 2**53) and was dropped"
        return ColumnProfile(name, "dropped", missing, note=note)
    note = ""
    if (
        len(values) > ID_ROWS
        and not missing
        and bool((values % 1 == 0).all() and (np.diff(values) > 0).all())
    ):
        note = f"looks like an id (whole numbers that only increase); --ignore {name} leaves it out"
    return ColumnProfile(name, "numeric", missing, note=note)


def _profile_texts(column: Column, missing: int, forced: bool) -> ColumnProfile:
    name = column.name
    present = column.text[~column.missing]
    distinct = len(set(present.tolist()))

    def dropped(note: str) -> ColumnProfile:
        return ColumnProfile(name, "dropped", missing, distinct, note)

    if distinct == 1 and not missing:
        return dropped(f"is constant ({present[0]!r}) and was dropped")
    if len(present) > ID_ROWS and not forced:
        if distinct == len(present):
            return dropped("looks like an id (every text is different) and was dropped")
        if distinct > len(present) / 2:
            return dropped(
                f"looks like free text ({distinct} different in {len(present)} rows) and was dropped"
            )
    if distinct > MAX_CATEGORIES:
        return dropped(f"has {distinct} categories, more than {MAX_CATEGORIES}, and was dropped")
    numbers = int((~column.bad & ~column.missing).sum())
    note = ""
    if not forced and 2 * numbers >= len(present):
        note = f"mixes numbers ({numbers} of {len(present)} values) and text; all are taken as categories"
    return ColumnProfile(name, "categorical", missing, distinct, note)


def _equal(a: Column, b: Column) -> bool:
    if a.numeric and b.numeric:
        return bool(np.array_equal(a.numbers, b.numbers, equal_nan=True))
    return bool(np.array_equal(a.text, b.text))


def check_finite_cells(column: Column, table: Table) -> None:
    """Refuse infinite numbers, such as ``inf`` and ``1e999``.

    Raises:
        DataError: naming the first line and value.
    """
    infinite = np.flatnonzero(np.isinf(column.numbers))
    if len(infinite):
        row = int(infinite[0])
        raise DataError(
            f"{table.where(row)}, column {column.name!r}: {column.text[row]!r} is not a finite number "
            f"({len(infinite)} such values)",
            hint="write the value itself, or leave the cell empty and say --missing",
        )


def check_numbers(column: Column, table: Table, escape: str | None = None) -> None:
    """Refuse a column that is meant to hold numbers but has cells that are not.

    Args:
        column: the column.
        table: where it stands.
        escape: the option that takes the cells as names.

    Raises:
        DataError: numbers are written with a comma, or most cells are numbers and a few are not; the message
            names the first such line and its value.
    """
    rows = np.flatnonzero(column.bad)
    if not len(rows):
        return
    present = int((~column.missing).sum())
    numbers = present - len(rows)
    with_comma = {
        c for c in set(column.text[rows].tolist()) if _THOUSANDS.fullmatch(c) or _DECIMAL_COMMA.fullmatch(c)
    }
    commas = [row for row in rows if column.text[row] in with_comma]
    keep = f"if these are names and not numbers, say {escape or f'--categorical {column.name}'}"
    if commas and numbers + len(commas) >= max(2, MOSTLY * present):
        row = int(commas[0])
        where = f"{table.where(row)}, column {column.name!r}: {column.text[row]!r}"
        if all(_THOUSANDS.fullmatch(c) for c in with_comma):
            raise DataError(
                f"{where} looks like a number with thousands separators ({len(commas)} such values)",
                hint=f"write {column.text[row].replace(',', '')}, without commas; {keep}",
            )
        point = str(column.text[row]).replace(".", "").replace(",", ".")
        raise DataError(
            f"{where} looks like a number with a decimal comma ({len(commas)} such values)",
            hint=f"write {point}, with a point; {keep}",
        )
    if numbers >= max(2, MOSTLY * present):
        row = int(rows[0])
        example = column.text[np.flatnonzero(~column.bad & ~column.missing)[0]]
        raise DataError(
            f"{table.where(row)}, column {column.name!r}: {column.text[row]!r} is not a number, "
            f"while {numbers} of {present} values are",
            hint=f"correct it (others are like {example}), or leave the cell empty and say --missing; {keep}",
        )


def apply_missing(table: Table, profile: TableProfile, policy: str) -> tuple[Table, tuple[str, ...]]:
    """Do with missing feature values what ``policy`` says.

    Args:
        table: the table.
        profile: says which columns count.
        policy: ``"error"`` refuses them, ``"mean"`` leaves them for the preprocessor to fill in, ``"drop"``
            leaves out the rows.

    Returns:
        The table, and notices.

    Raises:
        ArgumentError: the policy is not one of these.
        DataError: values are missing under ``"error"``; or fewer than 2 rows are complete under ``"drop"``.

    >>> table = Table.from_columns({"a": [1, None, 2, 3], "b": ["x", "y", "x", "y"]})
    >>> kept, notices = apply_missing(table, profile_table(table, None), "drop")
    >>> len(kept), notices
    (3, ('1 of 4 rows were left out because values are missing (a: 1)',))
    """
    if policy not in MISSING_POLICIES:
        raise ArgumentError(f"missing must be one of {', '.join(MISSING_POLICIES)}, got {policy!r}")
    counts = profile.missing
    if not counts:
        return table, ()
    columns = listed(f"{name}: {count}" for name, count in counts.items())
    mask = np.logical_or.reduce([table.columns[name].missing for name in counts])
    rows = int(mask.sum())
    if policy == "error":
        total = sum(counts.values())
        first = table.line_numbers[int(np.flatnonzero(mask)[0])]
        raise DataError(
            f"{table.path}: {_count(total, 'missing value')} ({columns}), the first on line {first}",
            hint=f"--missing mean fills them in, --missing drop leaves out {rows} of {len(table)} rows",
        )
    if policy == "mean":
        return table, (f"missing values are filled in ({columns})",)
    if len(table) - rows < 2:
        raise DataError(
            f"{table.path}: {rows} of {len(table)} rows have missing values ({columns}); "
            "fewer than 2 would be left",
            hint="--missing mean fills them in",
        )
    return table.take(~mask), (
        f"{rows} of {len(table)} rows were left out because values are missing ({columns})",
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def missing_target(column: Column, table: Table) -> None:
    """Refuse a target with missing or infinite values.

    Raises:
        DataError: naming the lines and values.
    """
    wrong = np.flatnonzero(column.missing | np.isinf(np.where(column.bad, 0.0, column.numbers)))
    if column.bad.any():  # a target of texts may hold the word "inf"
        wrong = np.flatnonzero(column.missing)
    if len(wrong):
        shown = listed((f"{table.line_numbers[row]} ({column.text[row]!r})" for row in wrong[:5]), 5)
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise DataError(
            f"{table.path}: {_count(len(wrong), 'missing or infinite value')} in the target {column.name!r}, "
            f"on line {shown}{more}",
            hint="fill in these values or remove the rows; a target is never made up",
        )


def looks_numeric(texts: Sequence[str]) -> bool:
    """Whether one of the texts spells a number."""
    return any(parse_number(text) == parse_number(text) for text in texts)

"""The preprocessor for tables: numbers standardised, categories one-hot, columns found by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from learnkit.data.fields import Fields
from learnkit.data.moments import mean_and_std
from learnkit.data.preprocessor import Preprocessor, check_finite
from learnkit.data.profile import (
    MISSING_POLICIES,
    TableProfile,
    check_finite_cells,
    looks_numeric,
    profile_table,
)
from learnkit.data.table import Column, Table, listed
from learnkit.data.target import TargetCode
from learnkit.errors import DataError, did_you_mean

__all__ = ["CategoricalColumn", "NumericColumn", "TablePreprocessor"]

#: The category of cells without a value, where values are filled in.
MISSING = "(missing)"


#: How many standard deviations from the mean a feature may be.
_FARTHEST = 10.0


@dataclass(frozen=True)
class NumericColumn:
    """A column of numbers: ``(value - mean) / std``, held within 10 standard deviations of the mean.

    A network cannot know what lies that far out, and one mistyped cell would otherwise send its prediction
    anywhere.

    Attributes:
        name: the column.
        mean: the mean of the training values.
        std: their population standard deviation, 1 where they are all equal.
    """

    name: str
    mean: float
    std: float

    @classmethod
    def fit(cls, column: Column) -> NumericColumn:
        """Statistics of the values that are there."""
        values = column.numbers[~column.missing]
        if not len(values):
            return cls(column.name, 0.0, 1.0)
        mean, std = mean_and_std(values)
        return cls(column.name, float(mean), float(std))

    @property
    def features(self) -> list[str]:
        """Names of the features that the column becomes: its own."""
        return [self.name]

    def review(self, column: Column, table: Table) -> str | None:
        """Refuse cells that are not numbers."""
        wrong = np.flatnonzero(column.bad)
        if len(wrong):
            row = int(wrong[0])
            raise DataError(
                f"{table.where(row)}, column {self.name!r}: {column.text[row]!r} is not a number, "
                f"as the values were in training ({len(wrong)} such values)"
            )
        check_finite_cells(column, table)
        return None

    def fill(self, out: NDArray[np.float32], column: Column) -> None:
        """Write one feature; a missing value becomes the mean, which is 0."""
        values = np.where(column.missing, self.mean, column.numbers)
        with np.errstate(over="ignore"):
            scaled = (values - self.mean) / self.std
            # What does not even fit into float32 stays, so that it is refused with its place.
            absurd = np.abs(scaled) > np.finfo(np.float32).max
            out[:, 0] = np.where(absurd, scaled, np.clip(scaled, -_FARTHEST, _FARTHEST))

    def to_dict(self) -> dict[str, Any]:
        """What a saved preprocessor holds of the column, in JSON's terms."""
        return {"name": self.name, "kind": "numeric", "mean": self.mean, "std": self.std}


@dataclass(frozen=True)
class CategoricalColumn:
    """A column of categories: one feature for each, 1 where the row has it and 0 elsewhere.

    Attributes:
        name: the column.
        categories: the sorted texts of the training rows; ``(missing)`` among them if cells had no value.
    """

    name: str
    categories: tuple[str, ...]

    @classmethod
    def fit(cls, column: Column) -> CategoricalColumn:
        """The categories that occur."""
        return cls(column.name, tuple(sorted(set(_categories(column)))))

    @property
    def features(self) -> list[str]:
        """Names of the features that the column becomes: one for each category."""
        return [f"{self.name}={category}" for category in self.categories]

    def review(self, column: Column, table: Table) -> str | None:
        """Name categories that training had not; refuse numbers in place of names."""
        known = set(self.categories)
        cells = _categories(column)
        unknown = [row for row, cell in enumerate(cells) if cell not in known]
        if not unknown:
            return None
        if len(unknown) == len(cells) and column.numeric and not looks_numeric(self.categories):
            raise DataError(
                f"{table.where(0)}, column {self.name!r}: {cells[0]!r} and all other values are numbers, "
                f"while training had categories: {listed(self.categories)}"
            )
        names = listed((repr(name) for name in sorted({cells[row] for row in unknown})), 5)
        line = table.line_numbers[unknown[0]]
        return (
            f"column {self.name!r}: {len(unknown)} of {len(cells)} values did not occur in training and "
            f"count as no category ({names}; the first on line {line})"
        )

    def fill(self, out: NDArray[np.float32], column: Column) -> None:
        """Write one feature per category."""
        index = {category: i for i, category in enumerate(self.categories)}
        codes = np.array([index.get(cell, -1) for cell in _categories(column)], dtype=np.int64)
        rows = np.flatnonzero(codes >= 0)
        out[rows, codes[rows]] = 1.0

    def to_dict(self) -> dict[str, Any]:
        """What a saved preprocessor holds of the column, in JSON's terms."""
        return {"name": self.name, "kind": "categorical", "categories": list(self.categories)}


def _categories(column: Column) -> list[str]:
    cells: list[str] = column.text.tolist()
    if column.missing.any():
        return [MISSING if gone else cell for cell, gone in zip(cells, column.missing.tolist(), strict=True)]
    return cells


@dataclass(frozen=True)
class TablePreprocessor(Preprocessor):
    """Features of a table, found by name.

    Attributes:
        target: how the target is coded.
        columns: the feature columns, in the order of the training file.
        missing: ``"error"``, ``"mean"`` or ``"drop"``; under ``"mean"`` missing numbers become the training
            mean and missing categories a category of their own.
    """

    kind: ClassVar[str] = "table"
    target: TargetCode
    columns: tuple[NumericColumn | CategoricalColumn, ...]
    missing: str = "error"

    @classmethod
    def fit(
        cls, table: Table, target: TargetCode, *, profile: TableProfile | None = None, missing: str = "error"
    ) -> TablePreprocessor:
        """Learn means, standard deviations and categories.

        Args:
            table: the training rows only.
            target: how the target is coded; its column is no feature.
            profile: what the columns are, if all rows have been looked at before; else ``table`` is.
            missing: the policy for missing values.

        Raises:
            DataError: as :func:`learnkit.data.profile.profile_table`.

        >>> table = Table.from_columns({"size": [1, 3], "kind": ["a", "b"], "price": [1, 2]})
        >>> code = TargetCode("price", "regression", mean=1.5, std=0.5)
        >>> TablePreprocessor.fit(table, code).transform(table).tolist()
        [[-1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
        """
        if profile is None:
            profile = profile_table(table, target.name if target.name in table.columns else None)
        columns: list[NumericColumn | CategoricalColumn] = []
        for used in profile.used:
            column = table.column(used.name)
            columns.append(
                NumericColumn.fit(column) if used.kind == "numeric" else CategoricalColumn.fit(column)
            )
        return cls(target, tuple(columns), missing)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature: the column, or ``column=category``."""
        return tuple(name for column in self.columns for name in column.features)

    @property
    def n_features(self) -> int:
        return len(self.feature_names)

    def review(self, features: Any) -> tuple[str, ...]:
        table = self._table(features)
        gone = np.flatnonzero(~self.complete_rows(table))
        if len(gone) and self.missing != "mean":
            names = listed(c.name for c in self.columns if table.columns[c.name].missing[gone[0]])
            raise DataError(
                f"{table.where(int(gone[0]))}: no value in {names} ({len(gone)} such rows), "
                "while no value was missing in training",
                hint="fill it in; a model trained with --missing mean does so itself",
            )
        known = {column.name for column in self.columns} | {self.target.name}
        extra = [name for name in table.columns if name not in known]
        notices = []
        if extra:
            few = "1 column is" if len(extra) == 1 else f"{len(extra)} columns are"
            notices.append(
                f"{few} ignored, not being among the features of training: {listed(map(repr, extra))}"
            )
        for column in self.columns:
            notice = column.review(table.columns[column.name], table)
            if notice:
                notices.append(notice)
        return tuple(notices)

    def _table(self, features: Any) -> Table:
        """Features as a table that has every column."""
        if not isinstance(features, Table):
            raise DataError(
                f"expected a table with named columns as in training, got {type(features).__name__}"
            )
        lacking = [column.name for column in self.columns if column.name not in features.columns]
        if lacking:
            spare = [name for name in features.columns if name not in {c.name for c in self.columns}]
            names = listed(f"{name!r}{did_you_mean(name, spare)}" for name in lacking)
            raise DataError(
                f"{features.path} lacks {len(lacking)} of {len(self.columns)} columns of training: {names}",
                hint=f"columns there: {listed(features.columns, 30)}",
            )
        return features

    def complete_rows(self, features: Any) -> NDArray[np.bool_]:
        """True for the rows in which no feature is missing.

        Raises:
            DataError: columns are missing.
        """
        table = self._table(features)
        gone = np.zeros(len(table), dtype=np.bool_)
        for column in self.columns:
            gone |= table.columns[column.name].missing
        return ~gone

    def transform(self, features: Any) -> NDArray[np.float32]:
        self.review(features)
        table: Table = features
        matrix = np.zeros((len(table), self.n_features), dtype=np.float32)
        start = 0
        for column in self.columns:
            end = start + len(column.features)
            column.fill(matrix[:, start:end], table.columns[column.name])
            start = end
        names = self.feature_names
        check_finite(matrix, table.where, lambda feature: repr(names[feature]))
        return matrix

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "target": self.target.to_dict(),
            "columns": [column.to_dict() for column in self.columns],
            "missing": self.missing,
        }

    @classmethod
    def from_fields(cls, fields: Fields, target: TargetCode) -> TablePreprocessor:
        columns = fields.items("columns", _column)
        if len({column.name for column in columns}) < len(columns):
            fields.refuse("columns", "columns of different names")
        return cls(target, columns, fields.choice("missing", MISSING_POLICIES))


def _column(fields: Fields) -> NumericColumn | CategoricalColumn:
    name = fields.text("name")
    if fields.choice("kind", ("categorical", "numeric")) == "numeric":
        return NumericColumn(name, fields.number("mean"), fields.number("std", positive=True))
    categories = fields.labels("categories", least=1)
    if not all(isinstance(category, str) for category in categories):
        fields.refuse("categories", "texts")
    return CategoricalColumn(name, tuple(str(category) for category in categories))

"""A data set as the command line sees it, whatever it was read from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnkit.data.arrays import fit_array
from learnkit.data.preprocessor import Preprocessor
from learnkit.data.profile import TableProfile
from learnkit.data.splits import random_split, stratified_split
from learnkit.data.table import Table, listed
from learnkit.data.tabular import TablePreprocessor
from learnkit.data.target import TargetCode
from learnkit.data.task import Label, Task
from learnkit.errors import DataError

__all__ = ["DataSet"]


@dataclass(frozen=True, eq=False)
class DataSet:
    """Rows of features, perhaps with a target, before any preprocessing.

    Attributes:
        source: what it was loaded from.
        features: a :class:`Table`, or an array (n, ...).
        y: (n,) labels (int64, or texts in an object array) or float64 values; ``None`` without a target.
        target: the name of the target.
        task: ``"classification"`` or ``"regression"``.
        reason: why this task, in one sentence.
        classes: the sorted labels of a classification, of all rows and not only of these.
        rows: int64 (n,), where each row stood in the source, counted from 0 without the header.
        notices: sentences about what was dropped, renamed or decided.
        profile: what the columns of a table are; ``None`` for arrays and for data matched to a stored model.
        missing: the policy for missing values of a table.
        test: the predefined test part, if the source has one.
    """

    source: str
    features: Table | NDArray[Any]
    y: NDArray[Any] | None
    target: str
    task: Task
    reason: str
    classes: tuple[Label, ...]
    rows: NDArray[np.int64]
    notices: tuple[str, ...] = ()
    profile: TableProfile | None = None
    missing: str = "error"
    test: DataSet | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: NDArray[np.int64]) -> DataSet:
        """The rows at ``indices``, in that order; the predefined test part is not carried along."""
        features = self.features.take(indices) if isinstance(self.features, Table) else self.features[indices]
        y = None if self.y is None else self.y[indices]
        return replace(self, features=features, y=y, rows=self.rows[indices], test=None)

    def split(
        self, validation: float, test: float = 0.0, *, seed: int
    ) -> tuple[DataSet, DataSet | None, DataSet | None]:
        """Training, validation and test part.

        Classes are kept in their shares. A predefined test part is used as it is, and ``test`` is ignored.

        Args:
            validation: the share to validate on, in [0, 1); 0 for none.
            test: the share to test on, in [0, 1); 0 for none.
            seed: the split is a pure function of the rows, the shares and the seed.

        Returns:
            The parts; ``None`` for a part that was not asked for.

        Raises:
            ArgumentError: a share is out of range.
            DataError: there are too few rows.
        """
        if self.test is not None:
            test = 0.0
        shares = [share for share in (validation, test) if share != 0]
        if not shares:
            return replace(self, test=None), None, self.test
        if self.task == "classification" and self.y is not None:
            parts = stratified_split(self.y, shares, seed)
        else:
            parts = random_split(len(self), shares, seed)
        train, *held_out = (self.take(part) for part in parts)
        return (
            train,
            held_out.pop(0) if validation else None,
            held_out.pop(0) if test else self.test,
        )

    def fit_preprocessor(self) -> Preprocessor:
        """The preprocessor learned from these rows; call it on the training part.

        Raises:
            DataError: there is no target, or it is constant.
        """
        if self.y is None:
            raise DataError(f"{self.source} has no target to learn from")
        code = TargetCode.fit(self.target, self.task, self.y, self.classes, self.source)
        if isinstance(self.features, Table):
            return TablePreprocessor.fit(self.features, code, profile=self.profile, missing=self.missing)
        return fit_array(self.features, code)

    def arrays(self, preprocessor: Preprocessor) -> tuple[NDArray[np.float32], NDArray[Any] | None]:
        """What a model is trained on.

        Returns:
            Features, float32 (n, n_features); and the target: class numbers int64 (n,), standardised values
            float32 (n, 1), or ``None``.

        Raises:
            DataError: the features do not fit, or a label is unknown.
        """
        x = preprocessor.transform(self.features)
        return x, None if self.y is None else preprocessor.target.encode(self.y, self.where)

    def where(self, row: int) -> str:
        """The source and the place of a row in it, for messages."""
        if isinstance(self.features, Table):
            return self.features.where(row)
        return f"{self.source}, row {self.rows[row]}"

    @property
    def class_counts(self) -> dict[Label, int]:
        """Class -> number of rows, in the order of ``classes``; empty for a regression."""
        if self.y is None or self.task == "regression":
            return {}
        counts = dict.fromkeys(self.classes, 0)
        for label in self.y.tolist():
            counts[label] += 1
        return counts

    def summary(self) -> list[str]:
        """Lines that say what was read: size, features, target, missing values."""
        lines = [f"{self.source}: {len(self):,} rows, {self._described_features()}"]
        if self.test is not None:
            lines[0] += f"; test part: {len(self.test):,} rows"
        if self.profile is not None:
            for kind in ("numeric", "categorical"):
                columns = [c for c in self.profile.columns if c.kind == kind]
                if columns:
                    names = listed(f"{c.name} ({c.distinct})" if c.distinct else c.name for c in columns)
                    lines.append(f"{kind}: {names}")
            counts = listed(f"{name} {count}" for name, count in self.profile.missing.items())
            lines.append(f"missing values: {counts or 'none'}")
        if self.y is not None:
            lines.append(f"target: {self.target}, {self.task}" + (f": {self.reason}" if self.reason else ""))
            lines.append(self._described_target(self.y))
        return lines

    def _described_features(self) -> str:
        if not isinstance(self.features, Table):
            shape = " x ".join(map(str, self.features.shape[1:]))
            return f"{shape} {'values' if self.features.ndim > 2 else 'features'} of {self.features.dtype}"
        columns = len(self.features.columns) - (self.target in self.features.columns)
        used = columns if self.profile is None else len(self.profile.used)
        return f"{used} feature columns" + (f" of {columns}" if used < columns else "")

    def _described_target(self, y: NDArray[Any]) -> str:
        if self.task == "regression":
            return (
                f"mean {y.mean():.6g}, standard deviation {y.std():.6g}, from {y.min():.6g} to {y.max():.6g}"
            )
        counts = listed((f"{label} ({count:,})" for label, count in self.class_counts.items()), 12)
        return f"{len(self.classes)} classes: {counts}"

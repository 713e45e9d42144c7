"""The target as numbers for the loss, and predictions as answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnkit.data.fields import Fields
from learnkit.data.moments import mean_and_std
from learnkit.data.table import listed
from learnkit.data.task import Label, Task
from learnkit.errors import DataError, ShapeError

__all__ = ["TargetCode"]


@dataclass(frozen=True)
class TargetCode:
    """How the target becomes numbers for the loss, and predictions become answers.

    Attributes:
        name: the column, or ``"y"`` for arrays.
        task: ``"classification"`` or ``"regression"``.
        classes: the sorted labels, all texts or all integers; empty for a regression.
        mean: the mean of the training target; 0 for a classification.
        std: its population standard deviation; 1 for a classification.
    """

    name: str
    task: Task
    classes: tuple[Label, ...] = ()
    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def fit(
        cls, name: str, task: Task, values: NDArray[Any], classes: tuple[Label, ...], source: str
    ) -> TargetCode:
        """The code of a training target.

        Raises:
            DataError: all values of a regression are equal.
        """
        if task == "classification":
            return cls(name, task, classes)
        if bool(np.all(values == values[0])):
            raise DataError(
                f"{source}: the target {name!r} is {values[0]!s} in all {len(values)} rows; "
                "there is nothing to learn"
            )
        mean, std = mean_and_std(values)
        return cls(name, task, (), float(mean), float(std))

    @property
    def n_outputs(self) -> int:
        """How many values a model must give per row: one per class, or one."""
        return len(self.classes) or 1

    def encode(self, values: NDArray[Any], where: Callable[[int], str]) -> NDArray[Any]:
        """The target as the loss takes it.

        Args:
            values: (n,) labels, or numbers.
            where: names a row, for messages.

        Returns:
            Class numbers, int64 (n,); or ``(values - mean) / std``, float32 (n, 1).

        Raises:
            DataError: a label is not among the classes.
        """
        if self.task == "regression":
            return ((values.astype(np.float64) - self.mean) / self.std).astype(np.float32)[:, None]
        index: dict[object, int] = {label: i for i, label in enumerate(self.classes)}
        codes = np.array([index.get(label, -1) for label in values.tolist()], dtype=np.int64)
        unknown = np.flatnonzero(codes < 0)
        if len(unknown):
            row = int(unknown[0])
            raise DataError(
                f"{where(row)}: the label {str(values[row])!r} of {self.name!r} is not among the classes "
                f"of training ({len(unknown)} such rows)",
                hint=f"classes: {listed(self.classes, 20)}",
            )
        return codes

    def decode(self, y_pred: NDArray[Any]) -> NDArray[Any]:
        """Answers from the output of a model.

        Args:
            y_pred: scores (n, classes) or class numbers (n,); for a regression (n, 1) or (n,).

        Returns:
            Labels (n,), int64 or texts; or values in the units of the data, float64 (n,).

        Raises:
            ShapeError: the shape does not fit the task.
        """
        y_pred = np.asarray(y_pred)
        width = self.n_outputs
        if y_pred.ndim not in (1, 2) or (y_pred.ndim == 2 and y_pred.shape[1] != width):
            raise ShapeError(f"expected predictions of shape (n, {width}) or (n,), got {y_pred.shape}")
        if self.task == "regression":
            values: NDArray[Any] = y_pred.astype(np.float64).reshape(-1) * self.std + self.mean
            return values
        if y_pred.ndim == 1 and y_pred.dtype.kind not in "iu":
            raise ShapeError(
                f"expected scores (n, {width}) or class numbers, got {y_pred.dtype} of one dimension"
            )
        numbers = y_pred.argmax(axis=1) if y_pred.ndim == 2 else y_pred
        integers = all(isinstance(label, int) for label in self.classes)
        labels: NDArray[Any] = np.array(self.classes, dtype=np.int64 if integers else np.object_)
        return labels.take(numbers)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; floats keep every bit."""
        plain: dict[str, Any] = {"name": self.name, "task": self.task}
        if self.task == "classification":
            return {**plain, "classes": list(self.classes)}
        return {**plain, "mean": self.mean, "std": self.std}

    @classmethod
    def from_fields(cls, fields: Fields) -> TargetCode:
        """Read what :meth:`to_dict` wrote."""
        name = fields.text("name")
        if fields.choice("task", ("classification", "regression")) == "classification":
            code = cls(name, "classification", fields.labels("classes", least=2))
        else:
            code = cls(name, "regression", (), fields.number("mean"), fields.number("std", positive=True))
        fields.close()
        return code

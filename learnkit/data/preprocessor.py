"""What was learned from the training rows about the data, apart from the model.

A preprocessor turns features into a float32 matrix and back-translates predictions. It is fitted on the
training part only, never changes, and goes into a checkpoint as plain values.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from learnkit.data.fields import Fields
from learnkit.data.target import TargetCode
from learnkit.errors import DataError

__all__ = ["Preprocessor", "check_finite"]


class Preprocessor(ABC):
    """Features of one kind to a float32 matrix; the subclasses are frozen dataclasses.

    Attributes:
        kind: ``"table"``, ``"image"`` or ``"array"``; the field ``kind`` of :meth:`to_dict`.
        target: how the target is coded.
    """

    kind: ClassVar[str]
    target: TargetCode
    _kinds: ClassVar[dict[str, type[Preprocessor]]] = {}

    def __init_subclass__(cls) -> None:
        if "kind" in cls.__dict__:
            Preprocessor._kinds[cls.kind] = cls

    @property
    @abstractmethod
    def n_features(self) -> int:
        """How many columns :meth:`transform` gives."""

    @abstractmethod
    def review(self, features: Any) -> tuple[str, ...]:
        """Check features against those of the training.

        Returns:
            Sentences about what is ignored or unknown.

        Raises:
            DataError: columns are missing or of another kind, the shape differs, or values are missing.
        """

    @abstractmethod
    def transform(self, features: Any) -> NDArray[np.float32]:
        """The float32 matrix (n, n_features).

        Raises:
            DataError: as :meth:`review`.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_dict` gives an equal preprocessor."""

    @classmethod
    @abstractmethod
    def from_fields(cls, fields: Fields, target: TargetCode) -> Preprocessor:
        """Read the fields of this kind."""

    @staticmethod
    def from_dict(values: Any) -> Preprocessor:
        """The preprocessor that :meth:`to_dict` described.

        Raises:
            CheckpointError: a field is missing, unknown or of a wrong value; the message names it.
        """
        fields = Fields(values, "preprocessor")
        kind = fields.choice("kind", tuple(sorted(Preprocessor._kinds)))
        target = TargetCode.from_fields(fields.within("target"))
        preprocessor = Preprocessor._kinds[kind].from_fields(fields, target)
        fields.close()
        return preprocessor


def check_finite(
    matrix: NDArray[np.float32], where: Callable[[int], str], names: Callable[[int], str]
) -> None:
    """Refuse a prepared value that left the range of float32.

    Raises:
        DataError: naming the row and the feature.
    """
    # The sum is finite if all values are, unless it overflows; only then are they looked at one by one.
    with np.errstate(all="ignore"):
        if math.isfinite(float(matrix.sum(dtype=np.float64))):
            return
    wrong = np.argwhere(~np.isfinite(matrix))
    if len(wrong):
        row, feature = (int(i) for i in wrong[0])
        raise DataError(
            f"{where(row)}: the value of {names(feature)} is too far from the training data for float32"
        )

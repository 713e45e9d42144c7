"""Bringing a data set to the device, once, and taking batches from it there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from learnkit.augment.base import Augmentation
from learnkit.backends.base import Array, Backend, array_namespace
from learnkit.errors import ArgumentError, DataError, ShapeError

__all__ = ["Rows", "as_features", "augmented", "check_at_least_one", "place"]


@dataclass(frozen=True)
class Rows:
    """Examples on a device: features, targets and weights with one row each.

    Attributes:
        x: (n, ...), in the model's dtype.
        y: (n,) or (n, ...), class numbers as int64, anything else in the model's dtype; or ``None``.
        weight: (n,) or ``None``.
    """

    x: Array
    y: Array | None = None
    weight: Array | None = None

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def take(self, indices: Array) -> Rows:
        """The rows ``indices`` (1-D integer array on the same device), in that order."""
        xp = array_namespace(self.x)
        return Rows(
            xp.take(self.x, indices, axis=0),
            None if self.y is None else xp.take(self.y, indices, axis=0),
            None if self.weight is None else xp.take(self.weight, indices, axis=0),
        )

    def slices(self, batch_size: int) -> Iterator[Rows]:
        """Consecutive batches, as views."""
        n = len(self)
        for start in range(0, n, batch_size):
            part = slice(start, min(start + batch_size, n))
            yield Rows(
                self.x[part, ...],
                None if self.y is None else self.y[part, ...],
                None if self.weight is None else self.weight[part, ...],
            )


def as_features(backend: Backend, x: Any, dtype: str) -> Array:
    """``x`` on the device in the model's floating-point dtype.

    Raises:
        DataError: it is no numeric array.
    """
    array = _array(backend, x, "x")
    wanted = backend.dtype(dtype)
    if array.dtype == wanted:
        return array
    return backend.xp.astype(_numeric(backend, array, "x"), wanted)


def place(backend: Backend, x: Any, y: Any = None, weight: Any = None, *, dtype: str) -> Rows:
    """Examples on the device.

    Args:
        x, y, weight: NumPy arrays, nested lists, or arrays of the backend.
        dtype: name of the model's dtype, for features and for targets that are not integers.

    Raises:
        ShapeError: the numbers of rows differ, or ``x`` has no axis.
        DataError: something is no numeric array.
    """
    features = as_features(backend, x, dtype)
    if not features.shape:
        raise ShapeError("x is a single number, expected an array with one row for each example")
    xp = backend.xp
    targets = weights = None
    if y is not None:
        targets = _array(backend, y, "y")
        if targets.dtype != xp.int64 and targets.dtype != features.dtype:
            targets = _numeric(backend, targets, "y")
            whole = xp.isdtype(targets.dtype, ("integral", "bool"))
            targets = xp.astype(targets, xp.int64 if whole else features.dtype, copy=False)
    if weight is not None:
        weights = xp.astype(_place(backend, weight, "sample_weight"), backend.dtype(dtype), copy=False)
    n = features.shape[0]
    for name, array in (("y", targets), ("sample_weight", weights)):
        if array is not None and (not array.shape or array.shape[0] != n):
            rows = array.shape[0] if array.shape else "no"
            raise ShapeError(f"x has {n} rows but {name} has {rows}; expected one for each row of x")
    return Rows(features, targets, weights)


def augmented(augmentation: Augmentation, rows: Rows, seed: int, step: int) -> Rows:
    """The batch that a step trains on.

    Args:
        augmentation: what changes it.
        rows: the batch.
        seed: of the run.
        step: of the batch.

    Raises:
        ShapeError: the augmentation changes the shape of a row, or the number of rows.
    """
    x, y, weight = augmentation.rows(rows.x, rows.y, rows.weight, seed=seed, step=step)
    if tuple(x.shape) != tuple(rows.x.shape):
        raise ShapeError(
            f"{type(augmentation).__name__}: a batch of shape {tuple(rows.x.shape)} became {tuple(x.shape)}; "
            "an augmentation keeps the shape"
        )
    return Rows(x, y, weight)


def check_at_least_one(owner: str, name: str, value: int) -> None:
    """Check that a count is an integer >= 1.

    Raises:
        ArgumentError: it is not.
    """
    if type(value) is not int or value < 1:
        raise ArgumentError(f"{owner}: {name} is {value!r}, expected an integer >= 1")


def _place(backend: Backend, values: Any, name: str) -> Array:
    return _numeric(backend, _array(backend, values, name), name)


def _array(backend: Backend, values: Any, name: str) -> Array:
    try:
        return backend.asarray(values)
    except ArgumentError:
        raise
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} cannot be made an array of numbers: {error}") from error


def _numeric(backend: Backend, array: Array, name: str) -> Array:
    try:
        numeric = backend.xp.isdtype(array.dtype, ("numeric", "bool"))
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} cannot be made an array of numbers: {error}") from error
    if not numeric:
        raise DataError(
            f"{name} has dtype {array.dtype}, expected numbers",
            hint="number the classes 0, 1, 2, ... and encode text columns before training",
        )
    return array

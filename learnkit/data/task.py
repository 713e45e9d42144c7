"""What is to be learned: classes or numbers, told from the values of the target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from learnkit.data.table import listed
from learnkit.errors import ArgumentError, DataError

__all__ = [
    "MAX_CLASSES",
    "Label",
    "Task",
    "check_classes",
    "check_task",
    "class_labels",
    "infer_task",
    "regression_values",
]

Task = Literal["classification", "regression"]
Label = str | int

#: More distinct labels than this are names or numbers, not classes.
MAX_CLASSES = 1000
FEW = 10
SOME = 20
SHARE = 0.05


def infer_task(y: NDArray[Any], name: str = "target") -> tuple[Task, str]:
    """Whether a target is classes or numbers.

    Texts and bools are classes. Whole numbers are classes if at most 10 are distinct, or at most 20 and at
    most 5 % of the rows. All else is a number to predict.

    Args:
        y: (n,) texts (dtype object or str), bools or finite numbers.
        name: the name of the target, for the sentence.

    Returns:
        The task, and a sentence that says why and how to override it.

    >>> infer_task(np.array([0, 1, 1, 0]), "won")[0]
    'classification'
    >>> print(infer_task(np.array([0.5, 1.5]), "size")[1])
    'size' holds numbers with a fraction; --task classification overrides it
    """
    y = np.asarray(y)
    distinct = len(set(y.tolist()))
    if y.dtype.kind in "OUb":
        kind = "true and false" if y.dtype.kind == "b" else "text"
        return "classification", f"{name!r} holds {kind} ({distinct} distinct)"
    if y.dtype.kind == "f" and bool((y % 1 != 0).any()):
        return "regression", f"{name!r} holds numbers with a fraction; --task classification overrides it"
    values = f"{name!r} holds whole numbers, {distinct} distinct in {len(y)} rows"
    if distinct <= FEW or (distinct <= SOME and distinct <= SHARE * len(y)):
        return "classification", f"{values}; --task regression overrides it"
    return "regression", f"{values}; --task classification overrides it"


def class_labels(y: NDArray[Any]) -> NDArray[Any]:
    """Labels as int64 where all are whole numbers, else as texts.

    >>> class_labels(np.array([1.0, 2.0])).tolist(), class_labels(np.array([0.5, 2.0])).tolist()
    ([1, 2], ['0.5', '2.0'])
    """
    y = np.asarray(y)
    if y.dtype.kind in "iu" or (y.dtype.kind == "f" and bool(((y % 1 == 0) & (np.abs(y) <= 2**53)).all())):
        return y.astype(np.int64)
    texts = np.empty(len(y), dtype=np.object_)
    texts[:] = [str(value) for value in y.tolist()]
    return texts


def check_task(task: str | None) -> Task | None:
    """``task`` if it is one, for options.

    Raises:
        ArgumentError: it is not.
    """
    for known in get_args(Task):
        if task == known:
            return cast(Task, known)
    if task is None:
        return None
    raise ArgumentError(f"task must be 'classification' or 'regression', got {task!r}")


def check_classes(labels: NDArray[Any], name: str, source: str) -> tuple[Label, ...]:
    """The sorted classes of a target to be trained on.

    Args:
        labels: (n,) from :func:`class_labels`.
        name: the name of the target.
        source: the file, for messages.

    Raises:
        DataError: there is one class, a class with one row, or more than 1000 classes.
    """
    values, counts = np.unique(labels, return_counts=True)
    where = f"{source}: the target {name!r}"
    if len(values) == 1:
        raise DataError(
            f"{where} has one class: {values.tolist()[0]!r} in all {len(labels)} rows, need at least 2"
        )
    if len(values) > MAX_CLASSES:
        numbers = labels.dtype.kind == "i"
        raise DataError(
            f"{where} has {len(values)} distinct labels in {len(labels)} rows; "
            f"at most {MAX_CLASSES} classes are learned",
            hint="numbers are predicted with --task regression"
            if numbers
            else "choose another column with --target",
        )
    single = [value for value, count in zip(values.tolist(), counts.tolist(), strict=True) if count == 1]
    if single:
        few = listed((f"{v!r}: {c}" for v, c in zip(values.tolist(), counts.tolist(), strict=True)), 10)
        hint = "give each class at least 2 rows, or remove the row"
        if labels.dtype.kind == "i":
            hint += "; if these are numbers to predict, say --task regression"
        raise DataError(
            f"{where} has {len(single)} of {len(values)} classes with a single row, which cannot be both "
            f"learned and tested: {listed(map(repr, single), 5)}; class counts: {few}",
            hint=hint,
        )
    return tuple(values.tolist())


def regression_values(
    y: NDArray[Any], name: str, source: str, where: Callable[[int], str]
) -> NDArray[np.float64]:
    """The target of a regression as float64.

    Raises:
        DataError: it holds texts; the first is located by ``where``.
    """
    if y.dtype.kind not in "OU":
        return y.astype(np.float64)
    for row, value in enumerate(y.tolist()):
        try:
            float(value)
        except ValueError:
            raise DataError(
                f"{where(row)}: {value!r} in the target {name!r} is not a number, as --task regression needs",
                hint="leave --task out, or choose another column with --target",
            ) from None
    return y.astype(np.float64)

"""What is asked of metrics: sums that add over batches, on the device and in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from learnkit.errors import ArgumentError, DataError
from learnkit.metrics.base import Metric, on_host, sums_of
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.arrays import array_checks, cases_of
from learnkit.testing.checks.common import common_checks
from learnkit.testing.diagnosis import is_array, returned
from learnkit.testing.epochs import in_batches
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Case, Subject
from learnkit.testing.tracing import lines_run

__all__ = ["checks"]

_rng = np.random.default_rng(17)
_SCORES, _LABELS = _rng.normal(size=(12, 3)), np.asarray([0, 1, 2, 0, 1, 2, 2, 1, 0, 0, 1, 2])
_P = _rng.dirichlet(np.ones(3), size=12)
_X, _Y = _rng.normal(size=12), _rng.normal(size=12)
_ONE, _YES = _rng.uniform(0.05, 0.95, size=12), np.asarray([0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0])

_GUESSES: tuple[tuple[Any, Any], ...] = (
    (_SCORES, _LABELS),
    (_X, _Y),
    (_P, _LABELS),
    (_X[:, None], _Y[:, None]),
    (_ONE, _YES),
    (np.abs(_X) + 0.1, np.abs(_Y) + 0.1),
    (_SCORES, _rng.normal(size=(12, 3))),
    (_rng.uniform(0.05, 0.95, size=(12, 3)), (_rng.uniform(size=(12, 3)) < 0.5).astype("int64")),
    (_rng.normal(size=(12, 6, 6)), (_rng.uniform(size=(12, 6, 6)) < 0.4).astype("int64")),
    (_rng.normal(size=(12, 1, 6, 6)), (_rng.uniform(size=(12, 1, 6, 6)) < 0.4).astype("int64")),
    (_rng.normal(size=(12, 3, 6, 6)), _rng.integers(0, 3, size=(12, 6, 6))),
    (_LABELS, _LABELS[::-1].copy()),
)


def checks() -> list[Check]:
    """The checks of metrics."""
    return [
        *common_checks(),
        Check("sums", _sums, "let sums() return a tuple of arrays, and keep counts with count(y_pred, n)"),
        Check("value", _value, "let compute() return a float, or a NumPy array for a metric of many numbers"),
        Check(
            "batches",
            _batches,
            "let sums() return sums and counts, xp.sum(...) and count(y_pred, n), never a mean of "
            "the batch, and divide in "
            "compute()",
        ),
        *array_checks(_cases),
        Check(
            "empty", _empty, "where nothing was counted the metric is nan: look for a count of 0 in compute()"
        ),
        Check("direction", _direction, "larger_is_better is a property that returns True or False"),
    ]


def _cases(subject: Subject) -> list[Case]:
    y_pred, y_true = _inputs(subject)

    def call(metric: Any, arrays: dict[str, Any], backend: Any) -> dict[str, Any]:
        sums = sums_of(metric, arrays["y_pred"], arrays["y_true"])
        sums = metric.combine(sums, sums)
        return {f"sums[{i}]": s for i, s in enumerate(sums)}

    return [Case({"y_pred": y_pred, "y_true": y_true}, call, dtype=_dtype, method="sums")]


def _dtype(name: str, value: Any) -> str:
    """float64; a metric may count in integers."""
    return "any" if "int" in str(value.dtype) else "float64"


def _inputs(subject: Subject) -> tuple[Any, Any]:
    if subject.needs.get("y_pred") is not None:
        y_true = subject.needs.get("y_true")
        return np.asarray(subject.needs["y_pred"]), None if y_true is None else np.asarray(y_true)
    metric = subject.component
    first = None
    refusal: Exception | None = None
    for y_pred, y_true in _GUESSES:
        try:
            with np.errstate(all="ignore"):
                value = metric(y_pred, y_true)
        except (ArgumentError, DataError, ValueError, IndexError) as error:
            refusal = refusal or error
            continue
        except Exception:  # the mistake that is looked for
            return y_pred, y_true
        first = first or (y_pred, y_true)
        if np.isfinite(np.asarray(value)).all():
            return y_pred, y_true
    if first is None and refusal is not None:
        raise refusal
    return first or _GUESSES[1]


def _given(subject: Subject) -> tuple[Any, Any, Any]:
    case = cases_of(subject, _cases)[0]
    return subject.component, case.inputs["y_pred"], case.inputs["y_true"]


def _sums(subject: Subject, row: str) -> None:
    metric, y_pred, y_true = _given(subject)
    sums = metric.sums(y_pred, y_true)
    place = returned(subject.author, lambda: metric.sums(y_pred, y_true), "sums")
    if not isinstance(sums, tuple | list):
        raise CheckFailure(f"sums() returns {type(sums).__name__}, expected a tuple of arrays", where=place)
    for i, s in enumerate(sums):
        if not is_array(s) and not isinstance(s, np.generic):
            raise CheckFailure(f"sums()[{i}] is of type {type(s).__name__}, expected an array", where=place)


def _value(subject: Subject, row: str) -> None:
    metric, y_pred, y_true = _given(subject)
    value = metric(y_pred, y_true)
    if not isinstance(value, float | int | np.ndarray | np.generic):
        raise CheckFailure(
            f"it is {value!r} of type {type(value).__name__}, expected a float or a NumPy array",
            where=subject.author.definition("compute"),
        )


def _batches(subject: Subject, row: str) -> None:
    """The value does not depend on how an epoch is cut into batches, nor on their order."""
    metric, y_pred, y_true = _given(subject)
    whole = np.asarray(metric(y_pred, y_true))
    for cuts in ([1], [5, 6], [3, 4, 9], list(range(1, len(y_pred)))):
        with np.errstate(all="ignore"):
            parts = np.asarray(in_batches(metric, y_pred, y_true, cuts=cuts, order=np.random.default_rng(2)))
        if not np.allclose(parts, whole, rtol=1e-9, atol=1e-12, equal_nan=True):

            def call() -> Any:
                return metric.sums(y_pred, y_true)

            lines = lines_run(subject.author, call)
            means = [
                (file, spot.line)
                for file, line in lines
                for spot in patterns.spots(file)
                if spot.line == line and spot.name in ("mean", "var", "std", "median", "average")
            ]
            place = means[0] if means else None
            if place is None and type(metric).combine is not Metric.combine:
                place = subject.author.definition("combine")
            place = place or returned(subject.author, call, "sums")
            raise CheckFailure(
                f"in one batch it is {_one(whole)}, in batches that end at rows {cuts} it is {_one(parts)}",
                where=place,
            )


def _one(value: Any) -> str:
    return f"{float(value):.9g}" if np.size(value) == 1 else np.array2string(value, precision=6, threshold=6)


def _empty(subject: Subject, row: str) -> None:
    """No row is not an error, and does not change the others."""
    if subject.needs.get("empty") is False:
        raise NotApplicable("empty=False was given")
    metric, y_pred, y_true = _given(subject)
    with np.errstate(all="ignore"):
        none = sums_of(metric, y_pred[:0], None if y_true is None else y_true[:0])
        try:
            metric.compute(on_host(none))
        except ZeroDivisionError as error:
            raise CheckFailure(
                "the metric of no rows raises ZeroDivisionError", where=subject.author.place_of(error)
            ) from None
        both = metric.compute(on_host(metric.combine(none, sums_of(metric, y_pred, y_true))))
    whole = metric(y_pred, y_true)
    if not np.allclose(np.asarray(both), np.asarray(whole), rtol=1e-9, atol=1e-12, equal_nan=True):
        raise CheckFailure(
            f"an empty batch changes the value from {whole!r} to {both!r}",
            where=returned(subject.author, lambda: metric.sums(y_pred, y_true), "sums"),
        )


def _direction(subject: Subject, row: str) -> None:
    value = subject.component.larger_is_better
    if not isinstance(value, bool):
        raise CheckFailure(
            f"larger_is_better is {value!r}", where=subject.author.definition("larger_is_better")
        )

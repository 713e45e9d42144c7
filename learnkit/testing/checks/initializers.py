"""What is asked of initializers."""

from __future__ import annotations

from typing import Any

import numpy as np

from learnkit.errors import ArgumentError
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.common import common_checks
from learnkit.testing.diagnosis import fingerprint, returned, where_different, where_first, where_spot
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Subject
from learnkit.testing.tracing import lines_run

__all__ = ["checks"]

_SHAPES = ((6, 4), (3, 3, 4, 5), (5,), (4, 4), ())


def checks() -> list[Check]:
    """The checks of initializers."""
    return [
        *common_checks(),
        Check("shape", _shape, "return a NumPy array of the shape that is asked for"),
        Check("dtype", _dtype, "make the array in the dtype that is asked for, 'float32' or 'float64'"),
        Check("seeded", _seeded, patterns.REMEDIES["random"]),
        Check(
            "streams",
            _streams,
            "pass both seed and stream on to the generator, so that leaves do not start alike",
        ),
        Check("finite", _finite, "start values are finite numbers"),
    ]


def _values(subject: Subject, **options: Any) -> dict[tuple[int, ...], Any]:
    """Start values of each shape that the initializer takes."""
    given = {"seed": 3, "stream": 7, "dtype": "float64", **options}
    found, error = {}, None
    own = subject.needs.get("shape")
    for shape in _SHAPES if own is None else (tuple(own),):
        try:
            found[shape] = subject.component(shape, **given)
        except ArgumentError as refused:
            error = refused
    if not found:
        if error is not None and subject.author.place_of(error) is not None and own is not None:
            raise error
        raise NotApplicable(f"it takes none of the shapes {_SHAPES}; give one, shape=(...): {error}")
    return found


def _shape(subject: Subject, row: str) -> None:
    for shape, values in _values(subject).items():
        if not isinstance(values, np.ndarray | np.generic) or np.shape(values) != shape:
            got = np.shape(values) if isinstance(values, np.ndarray) else type(values).__name__
            raise CheckFailure(
                f"for the shape {shape} it gives {got}",
                where=returned(subject.author, lambda: _values(subject), "__call__"),
            )


def _dtype(subject: Subject, row: str) -> None:
    for dtype in ("float32", "float64"):
        for shape, values in _values(subject, dtype=dtype).items():
            if str(np.asarray(values).dtype) != dtype:
                found = np.asarray(values).dtype

                def call(dtype: str = dtype) -> Any:
                    return _values(subject, dtype=dtype)

                place = where_first(subject.author, call, lambda v, found=found: v.dtype == found)  # type: ignore[misc]
                raise CheckFailure(
                    f"asked for {dtype} it gives {found} for the shape {shape}",
                    where=place or returned(subject.author, call, "__call__"),
                )


def _seeded(subject: Subject, row: str) -> None:
    def start() -> Any:
        return {shape: fingerprint(np.asarray(v)) for shape, v in _values(subject).items()}

    if start() != start():
        where, remedy = where_different(subject.author, start, start)
        raise CheckFailure("the same seed and stream give other numbers", remedy, where)


def _streams(subject: Subject, row: str) -> None:
    """Where the seed matters, so does the stream."""

    def of(**options: Any) -> Any:
        return {shape: fingerprint(np.asarray(v)) for shape, v in _values(subject, **options).items()}

    base, seed, stream = of(), of(seed=4), of(stream=8)
    if (base == seed) != (base == stream):
        what, other = ("seed", "stream") if base == seed else ("stream", "seed")
        raise CheckFailure(
            f"another {what} gives the same numbers, although another {other} does not",
            where=returned(subject.author, of, "__call__"),
        )
    drawn = where_spot(lines_run(subject.author, of), "random", "draws") if base == seed else None
    if drawn is not None:
        raise CheckFailure(
            "numbers are drawn, and neither another seed nor another stream gives others",
            where=(drawn[0], drawn[1].line),
        )


def _finite(subject: Subject, row: str) -> None:
    for shape, values in _values(subject, dtype="float32").items():
        if not np.isfinite(np.asarray(values)).all():
            place = where_first(
                subject.author, lambda: _values(subject), lambda v: not np.isfinite(np.asarray(v)).all()
            )
            raise CheckFailure(
                f"start values of the shape {shape} are not finite",
                where=place or returned(subject.author, lambda: _values(subject), "__call__"),
            )

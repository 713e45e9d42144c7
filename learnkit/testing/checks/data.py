"""What is asked of data sets and readers."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.common import plain_state
from learnkit.testing.diagnosis import fingerprint, returned, where_different
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Subject

__all__ = ["dataset_checks", "reader_checks"]


# Data sets


def dataset_checks() -> list[Check]:
    """The checks of data sets."""
    return [
        Check("options", _options, "give every option a default: learnkit train NAME asks for none"),
        Check(
            "arrays",
            _arrays,
            "return (x, y) or (x, y, x_test, y_test) of NumPy arrays with one row for each example",
        ),
        Check("deterministic", _same_twice, patterns.REMEDIES["random"]),
    ]


def _options(subject: Subject, row: str) -> None:
    given = subject.need("options", {})
    for p in inspect.signature(subject.component).parameters.values():
        stars = p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        if p.default is p.empty and not stars and p.name not in given:
            raise CheckFailure(f"the option {p.name!r} has no default", where=subject.author.definition())


def _load(subject: Subject) -> Any:
    options = subject.need("options", {})
    for p in inspect.signature(subject.component).parameters.values():
        stars = p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        if p.default is p.empty and not stars and p.name not in options:
            raise NotApplicable(f"it needs the option {p.name!r}")
    return subject.component(**options)


def _arrays(subject: Subject, row: str) -> None:
    data = _load(subject)
    place = returned(subject.author, lambda: _load(subject))
    if not isinstance(data, tuple) or len(data) not in (2, 4):
        got = f"{len(data)} values" if isinstance(data, tuple) else type(data).__name__
        raise CheckFailure(f"it returns {got}", where=place)
    names = ("x", "y", "x_test", "y_test")
    for name, a in zip(names, data, strict=False):
        if not isinstance(a, np.ndarray):
            raise CheckFailure(f"{name} is of type {type(a).__name__}, expected a NumPy array", where=place)
        if name.startswith("x") and (
            a.dtype.kind not in "fiub" or not np.isfinite(a.astype("float64")).all()
        ):
            raise CheckFailure(f"{name} holds {a.dtype} values that are not all finite numbers", where=place)
    for x, y in zip(data[::2], data[1::2], strict=True):
        if not x.ndim or not y.ndim or x.shape[0] != y.shape[0] or not x.shape[0]:
            raise CheckFailure(f"x has shape {x.shape} and y {y.shape}, expected as many rows", where=place)
    if len(data) == 4 and data[0].shape[1:] != data[2].shape[1:]:
        raise CheckFailure(
            f"rows of x have shape {data[0].shape[1:]}, rows of x_test {data[2].shape[1:]}", where=place
        )


def _same_twice(subject: Subject, row: str) -> None:
    def load() -> Any:
        return [fingerprint(np.asarray(a)) for a in _load(subject)]

    if load() != load():
        where, remedy = where_different(subject.author, load, load)
        raise CheckFailure("loaded twice it holds other values", remedy, where)


# Readers


def reader_checks() -> list[Check]:
    """The checks of readers."""
    return [
        Check(
            "parameters",
            _parameters,
            "the path is the one positional parameter; sep, header, target and features are keyword "
            "parameters with defaults, "
            "and there are no others",
        ),
        Check(
            "damaged",
            _damaged,
            "raise learnkit.errors.DataError with what is wrong and where, for files that cannot be read",
        ),
        Check(
            "reads",
            _reads,
            "return a mapping from names to columns of one length, or (x, y) or (x, y, x_test, y_test)",
        ),
        Check("deterministic", _reads_alike, patterns.REMEDIES["state"]),
    ]


_KNOWN = ("sep", "header", "target", "features")


def _parameters(subject: Subject, row: str) -> None:
    parameters = list(inspect.signature(subject.component).parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in positional if p.default is p.empty and p.name not in _KNOWN]
    if len(needed) != 1:
        names = ", ".join(p.name for p in needed) or "nothing"
        raise CheckFailure(
            f"it is called with the path alone, and takes {names}", where=subject.author.definition()
        )
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and p.default is p.empty and p.name not in _KNOWN:
            raise CheckFailure(f"nobody gives it {p.name}", where=subject.author.definition())


def _damaged(subject: Subject, row: str) -> None:
    """Rubbish is refused, or read as something; it is no crash, and no end of the program."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("empty", b""), ("rubbish", bytes(range(256)) * 4)):
            path = Path(folder) / name
            path.write_bytes(content)
            try:
                subject.component(path)
            except (SystemExit, KeyboardInterrupt) as error:
                raise CheckFailure(
                    f"an unreadable file ends the program: {type(error).__name__}",
                    where=subject.author.place_of(error),
                ) from None
            except Exception:
                continue


def _files(subject: Subject, folder: str) -> list[Path]:
    given = subject.needs.get("files")
    if given is None:
        raise NotApplicable(
            "it was given no file; give some: checks_for(read, kind='reader', files={'a.ext': bytes})"
        )
    if isinstance(given, Mapping):
        paths = []
        for name, content in given.items():
            path = Path(folder) / name
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            paths.append(path)
        return paths
    return [Path(p) for p in (given if isinstance(given, list | tuple) else [given])]


def _reads(subject: Subject, row: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path in _files(subject, folder):
            data = subject.component(path)
            place = returned(subject.author, lambda path=path: subject.component(path))  # type: ignore[misc]
            if isinstance(data, tuple):
                if len(data) not in (2, 4) or not all(hasattr(a, "shape") for a in data):
                    raise CheckFailure(f"it returns a tuple of {len(data)}", where=place)
                continue
            if not isinstance(data, Mapping):
                raise CheckFailure(f"it returns {type(data).__name__}", where=place)
            lengths = {str(name): len(column) for name, column in data.items()}
            if len(set(lengths.values())) != 1:
                raise CheckFailure(f"its columns have the lengths {lengths}", where=place)


def _reads_alike(subject: Subject, row: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path in _files(subject, folder):
            if plain_state(subject.component(path)) != plain_state(subject.component(path)):
                raise CheckFailure("read twice it gives other values", where=subject.author.definition())

"""What a source on the command line is, and its content as a table or as arrays."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from learnkit.data.digits import load_digits
from learnkit.data.files import existing_path
from learnkit.data.npfile import ArrayData
from learnkit.data.readers import read_file
from learnkit.data.table import Table
from learnkit.errors import ArgumentError, DataError, UnknownNameError, did_you_mean
from learnkit.plugins import registry

__all__ = ["read_source"]

BUNDLED = "digits"

#: A registered name, perhaps with options: "mnist", "mnist:root=/data". One letter is a drive.
_NAME = re.compile(r"[A-Za-z][\w-]+(:.*)?")


def read_source(
    source: str,
    *,
    sep: str | None,
    header: bool,
    min_rows: int,
    target: str | None = None,
    features: int | None = None,
) -> Table | ArrayData:
    """The content of any source.

    Args:
        source: a name or a path, as :mod:`learnkit.data.sources` describes them.
        sep, header, min_rows, target, features: see :mod:`learnkit.data.readers`.

    Raises:
        ArgumentError: there is a ``target`` and the source does not let it be chosen.
        DataError: the source is unknown or cannot be read.
    """
    if source == BUNDLED:
        return _given(source, target, load_digits())
    path = Path(source)
    if not path.exists() and _NAME.fullmatch(source):
        return _registered(source, target)
    existing_path(path)
    options = {
        "sep": sep,
        "header": header,
        "target": target,
        "features": features,
        "min_rows": min_rows,
    }
    return read_file(path, options)


def _registered(source: str, target: str | None) -> ArrayData:
    """A data set of a plugin."""
    name = source.partition(":")[0]
    try:
        registry.get("dataset", name)
    except UnknownNameError as error:
        here = sorted(entry.name for entry in Path().iterdir() if not entry.name.startswith("."))
        offer = did_you_mean(name, [BUNDLED, *registry.names("dataset"), *here])
        raise DataError(f"no data set and no file is called {source!r}{offer}", hint=error.hint) from None
    return _given(source, target, registry.create("dataset", source))


def _given(source: str, target: str | None, arrays: Any) -> ArrayData:
    """The arrays that a registered factory returned, checked."""
    _no_target(source, target)
    if not isinstance(arrays, tuple) or len(arrays) not in (2, 4):
        got = f"{len(arrays)} values" if isinstance(arrays, tuple) else type(arrays).__name__
        raise DataError(f"the data set {source!r} returned {got}, expected (x, y) or (x, y, x_test, y_test)")
    return ArrayData.checked(source, *arrays)


def _no_target(source: str, target: str | None) -> None:
    if target is not None:
        raise ArgumentError(
            f"{source!r} comes with its labels, so the target {target!r} does not apply",
            hint="leave out --target",
        )

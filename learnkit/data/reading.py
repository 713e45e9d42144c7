"""What a source on the command line is, and its content as a table or as arrays."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from learnkit.data.csvfile import read_csv
from learnkit.data.digits import load_digits
from learnkit.data.files import existing_path
from learnkit.data.idx import find_idx, is_idx_name, read_idx
from learnkit.data.npfile import ArrayData, read_numpy
from learnkit.data.table import Table
from learnkit.errors import ArgumentError, DataError, UnknownNameError, did_you_mean
from learnkit.plugins import registry

__all__ = ["read_source"]

BUNDLED = "digits"
TEXT_ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".data", ".dat")
NUMPY_ENDINGS = (".npy", ".npz")
IDX_ENDINGS = ("ubyte", ".idx")

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
        sep: the separator of a CSV file, or ``None`` for the usual one.
        header: whether the first row of a CSV file holds the names.
        min_rows: how many rows a CSV file must have.
        target: the target of a NumPy file.
        features: to predict, how many features a row of a NumPy file has.

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
    lower = path.name.lower()
    if path.is_dir() or is_idx_name(path) or lower.removesuffix(".gz").endswith(IDX_ENDINGS):
        _no_target(source, target)
        return _read_idx(path)
    if lower.endswith(NUMPY_ENDINGS):
        return read_numpy(path, target=target, features=features)
    if lower.removesuffix(".gz").endswith(TEXT_ENDINGS):
        return read_csv(path, sep=sep, header=header, min_rows=min_rows)
    raise DataError(
        f"{source!r}: unknown kind of file {''.join(path.suffixes) or 'without an ending'!r}",
        hint="these are read: .csv, .tsv, .txt (also .gz), .npz, .npy, and IDX (train-images-idx3-ubyte)",
    )


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


def _read_idx(path: Path) -> ArrayData:
    files = find_idx(path)
    images = read_idx(files.images)
    labels = None if files.labels is None else read_idx(files.labels)
    whole = files.test_images is not None and files.test_labels is not None
    x_test = read_idx(files.test_images) if files.test_images is not None and whole else None
    y_test = read_idx(files.test_labels) if files.test_labels is not None and whole else None
    if images.ndim < 2:
        raise DataError(
            f"{str(files.images)!r} has shape {images.shape}, expected images", hint="are these labels?"
        )
    data = ArrayData.checked(str(path), images, labels, x_test, y_test)
    used = [file.name for file in (files.images, files.labels) if file is not None]
    if files.test_images is not None and files.test_labels is not None:
        used += [files.test_images.name, files.test_labels.name]
    return replace(data, notices=(f"files used: {', '.join(used)}",))

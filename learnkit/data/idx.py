"""IDX files, the format of MNIST and its successors.

A file is: two zero bytes, one byte for the data type, one byte for the number of dimensions, each dimension
as a big-endian 32-bit integer, then the values, big-endian, last dimension fastest.
"""

from __future__ import annotations

import math
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnkit.data.files import GZIP, existing_path, read_bytes, unpack_gzip
from learnkit.data.table import listed
from learnkit.errors import DataError

__all__ = ["IdxFiles", "find_idx", "is_idx_name", "read_idx"]

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

#: train-images-idx3-ubyte, t10k-labels.idx1-ubyte.gz, emnist-digits-test-images-idx3-ubyte, ...
_NAME = re.compile(
    r"^(?P<prefix>.*?)(?:(?P<part>train|t10k|test)[-_.])?(?P<what>images|labels)[-_.]idx\d[-_.]?\w*(?:\.gz)?$",
    re.IGNORECASE,
)


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read one IDX file, packed with gzip or not.

    Args:
        path: the file.

    Returns:
        An array of the shape and type the file states, in the byte order of this machine.

    Raises:
        DataError: the file is missing, is not IDX, or is shorter or longer than it states.
    """
    data = read_bytes(path)
    if data.startswith(GZIP):
        data = unpack_gzip(data, path)
    name = str(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _DTYPES or data[3] == 0:
        raise DataError(
            f"{name!r} is not an IDX file: its first bytes are {data[:4].hex(' ') or 'missing'}, "
            "expected 00 00, a type (08, 09, 0b, 0c, 0d or 0e) and the number of dimensions"
        )
    dtype = np.dtype(_DTYPES[data[2]])
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(f"{name!r} is truncated: the header of {start} bytes ends after {len(data)}")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        problem = "is truncated" if len(data) < expected else "has bytes after its end"
        raise DataError(
            f"{name!r} {problem}: {len(data)} bytes, expected {expected} for {dtype.name} of shape {shape}",
            hint="download the file again",
        )
    return np.frombuffer(data, dtype=dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


@dataclass(frozen=True)
class IdxFiles:
    """The files of one data set; ``None`` where there is none.

    Attributes:
        images: the images to learn from, or the ones that were named.
        labels: the labels of ``images``.
        test_images: the images of the predefined test part.
        test_labels: the labels of the test part.
    """

    images: Path
    labels: Path | None = None
    test_images: Path | None = None
    test_labels: Path | None = None


def is_idx_name(path: str | os.PathLike[str]) -> bool:
    """Whether the file name is one of the usual names of IDX files.

    >>> is_idx_name("data/train-images-idx3-ubyte.gz"), is_idx_name("images.csv")
    (True, False)
    """
    return _NAME.match(Path(path).name) is not None


def find_idx(path: str | os.PathLike[str]) -> IdxFiles:
    """The images, labels and test part that belong together.

    Args:
        path: a directory with files of the usual names (``train-images-idx3-ubyte``,
            ``t10k-labels.idx1-ubyte.gz``, ...), or one file of images. For a file of training images the
            test part beside it is found too.

    Returns:
        The paths that exist.

    Raises:
        DataError: the directory holds no images, holds several data sets, or a file of labels was named.
    """
    named = existing_path(path)
    folder = named if named.is_dir() else named.parent
    groups = _groups(folder)
    if named.is_dir():
        prefixes = sorted({prefix for prefix, _, what in groups if what == "images"})
        if not prefixes:
            raise DataError(
                f"{str(path)!r} is a directory without IDX images",
                hint="expected files such as train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz",
            )
        if len(prefixes) > 1:
            raise DataError(
                f"{str(path)!r} holds several data sets: {listed(map(repr, prefixes))}",
                hint="name one file of images instead",
            )
        parts = [p for p in ("train", "", "test") if (prefixes[0], p, "images") in groups]
        return _files(groups, prefixes[0], parts[0])
    match = _NAME.match(named.name)
    if match is None:
        return IdxFiles(named)
    if match["what"].lower() == "labels":
        raise DataError(
            f"{str(path)!r} holds labels", hint="name the file of images; the labels beside it are found"
        )
    files = _files(groups, match["prefix"].lower(), _part(match))
    return IdxFiles(named, files.labels, files.test_images, files.test_labels)


def _part(match: re.Match[str]) -> str:
    part = (match["part"] or "").lower()
    return "test" if part == "t10k" else part


def _groups(folder: Path) -> dict[tuple[str, str, str], Path]:
    """(prefix, part, images or labels) -> file; an unpacked file is taken before its packed copy."""
    found: dict[tuple[str, str, str], Path] = {}
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"cannot list the directory {str(folder)!r}: {error.strerror or error}") from None
    for file in files:
        match = _NAME.match(file.name)
        if match is not None and file.is_file():
            found.setdefault((match["prefix"].lower(), _part(match), match["what"].lower()), file)
    return found


def _files(groups: dict[tuple[str, str, str], Path], prefix: str, part: str) -> IdxFiles:
    test = ("test",) if part == "train" else ()
    return IdxFiles(
        groups[prefix, part, "images"],
        groups.get((prefix, part, "labels")),
        next((groups[prefix, t, "images"] for t in test if (prefix, t, "images") in groups), None),
        next((groups[prefix, t, "labels"] for t in test if (prefix, t, "labels") in groups), None),
    )

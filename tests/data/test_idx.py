"""IDX files: every data type, damaged files, and which files belong together."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learnkit.data import find_idx, load_source, read_idx
from learnkit.errors import DataError

TYPES = {8: "u1", 9: "i1", 11: "i2", 12: "i4", 13: "f4", 14: "f8"}


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """The IDX form of an array."""
    code = next(code for code, name in TYPES.items() if np.dtype(name) == array.dtype)
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("dtype", TYPES.values())
def test_round_trip(write: Any, dtype: str, pack: Any) -> None:
    """Values, shape and type come back, in the byte order of this machine."""
    array = (np.arange(24).reshape(2, 3, 4) - 5).astype(dtype)
    found = read_idx(write(pack(idx(array)), "a-idx3-ubyte"))
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(found, array)


GOOD = idx(np.zeros((2, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not an IDX file: its first bytes are missing"),
        (b"a,b\n1,2\n", "is not an IDX file: its first bytes are 61 2c 62 0a, expected 00 00"),
        (b"\0\0\x0a\x01" + GOOD[4:], "is not an IDX file"),
        (b"\0\0\x08\0", "is not an IDX file"),
        (GOOD[:7], "is truncated: the header of 12 bytes ends after 7"),
        (GOOD[:-1], r"is truncated: 17 bytes, expected 18 for uint8 of shape \(2, 3\)"),
        (GOOD + b"\0", "has bytes after its end: 19 bytes, expected 18"),
        (b"\0\0\x0e\x03" + b"\xff" * 12, "is truncated: 16 bytes, expected 633825"),
        (gzip.compress(GOOD, mtime=0)[:-9], "damaged or truncated gzip"),
    ],
)
def test_damaged(write: Any, content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read_idx(write(content, "train-images-idx3-ubyte"))


def folder(path: Path, *names: str) -> Path:
    path.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for name in names:
        count = 12 if "train" in name else 6
        labels = (np.arange(count) % 2).astype(np.uint8)
        array = labels if "labels" in name else rng.integers(0, 255, (count, 4, 3), dtype=np.uint8)
        data = idx(array)
        (path / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return path


FOUR = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@pytest.mark.parametrize(
    "names",
    [
        FOUR,
        tuple(name + ".gz" for name in FOUR),
        tuple(name.replace("-idx", ".idx") for name in FOUR),
        tuple("emnist-digits-" + name.replace("t10k", "test") for name in FOUR),
        (*FOUR, FOUR[0] + ".gz"),
    ],
    ids=["plain", "gzip", "dots", "emnist", "both"],
)
def test_companions(tmp_path: Path, names: tuple[str, ...]) -> None:
    """The four files are found under all their usual names, from the directory and from the images."""
    path = folder(tmp_path / "set", *names)
    whole = find_idx(path)
    found = (whole.images, whole.labels, whole.test_images, whole.test_labels)
    assert tuple(file.name for file in found if file) == names[:4]
    assert find_idx(path / names[0]) == whole
    test = find_idx(path / names[2])
    assert (test.images, test.labels, test.test_images) == (path / names[2], path / names[3], None)


def test_a_directory_is_a_data_set_with_a_test_part(tmp_path: Path) -> None:
    data = load_source(folder(tmp_path / "set", *FOUR))
    assert (len(data), data.features.shape, data.classes) == (12, (12, 4, 3), (0, 1))
    assert data.test is not None
    assert len(data.test) == 6
    assert data.notices == (f"files used: {', '.join(FOUR)}",)
    assert "12 rows, 4 x 3 values of uint8; test part: 6 rows" in data.summary()[0]


def test_images_alone_cannot_be_learned(tmp_path: Path) -> None:
    path = folder(tmp_path / "set", FOUR[0])
    with pytest.raises(DataError, match="has no target to learn from"):
        load_source(path / FOUR[0])


def test_a_test_part_needs_both_files(tmp_path: Path) -> None:
    assert load_source(folder(tmp_path / "set", *FOUR[:3])).test is None


@pytest.mark.parametrize(
    ("names", "named", "says"),
    [
        ((), "", "is a directory without IDX images"),
        (("a-train-images-idx3-ubyte", "b-train-images-idx3-ubyte"), "", "several data sets: 'a-', 'b-'"),
        (FOUR, FOUR[1], "holds labels"),
    ],
)
def test_not_a_data_set(tmp_path: Path, names: tuple[str, ...], named: str, says: str) -> None:
    path = folder(tmp_path / "set", *names)
    with pytest.raises(DataError, match=says):
        find_idx(path / named)


def test_counts_must_agree(tmp_path: Path) -> None:
    path = folder(tmp_path / "set", *FOUR)
    (path / FOUR[1]).write_bytes(idx(np.zeros(11, dtype=np.uint8)))
    with pytest.raises(DataError, match="11 targets for 12 rows"):
        load_source(path)

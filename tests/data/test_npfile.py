"""NumPy files: which arrays are taken, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learnkit.data import read_numpy
from learnkit.errors import DataError

X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, 0, 1])


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path / "data.npz", **arrays)
    return path / "data.npz"


@pytest.mark.parametrize(
    "keys", [("x", "y"), ("X", "Y"), ("data", "target"), ("features", "labels"), ("x_train", "y_train")]
)
def test_usual_keys(tmp_path: Path, keys: tuple[str, str]) -> None:
    data = read_numpy(saved(tmp_path, **{keys[0]: X, keys[1]: Y[:, None]}))
    assert np.array_equal(data.x, X)
    assert data.y is not None
    assert np.array_equal(data.y, Y)
    assert data.target == "y"


def test_a_chosen_key_and_a_test_part(tmp_path: Path) -> None:
    data = read_numpy(saved(tmp_path, x=X, speed=Y, x_test=X[:2], y_test=Y[:2]), target="speed")
    assert data.target == "speed"
    assert data.x_test is not None
    assert data.y_test is not None
    assert (len(data.x_test), len(data.y_test)) == (2, 2)


BAD = X.copy()
BAD[1, 2], BAD[3, 0] = np.nan, np.inf


@pytest.mark.parametrize(
    ("arrays", "target", "says"),
    [
        ({"a": X, "b": Y}, None, "has no features: it holds a, b, expected one of x, X, data, features"),
        ({"x": X, "y": Y}, "z", "has no array 'z': it holds x, y"),
        ({"x": X, "y": Y[:3]}, None, "y: 3 targets for 4 rows"),
        ({"x": X, "y": np.eye(4)}, None, r"shape \(4, 4\)\n  .*argmax"),
        ({"x": BAD, "y": Y}, None, r"x: 2 of 12 values are NaN or infinite: \[1, 2\] = nan, \[3, 0\] = inf"),
        (
            {"x": X, "y": np.array([0, 1, np.nan, 1])},
            None,
            r"y: 1 of 4 values are NaN or infinite: \[2\] = nan",
        ),
        ({"x": X.astype(str), "y": Y}, None, "expected an array of numbers, got dtype <U"),
        ({"x": X + 1j, "y": Y}, None, "expected an array of numbers, got dtype complex128"),
        ({"x": X, "y": Y + 1j}, None, "expected numbers, bools or texts, got dtype complex128"),
        ({"x": X[:0], "y": Y[:0]}, None, r"expected rows of features, got an array of shape \(0, 3\)"),
        ({"x": X, "y": Y, "x_test": X}, None, "x_test without y_test"),
        ({"x": X, "y": Y, "y_test": Y}, None, "y_test without x_test"),
        (
            {"x": X, "y": Y, "x_test": X[:, :2], "y_test": Y},
            None,
            r"a test row has shape \(2,\), expected \(3,\)",
        ),
        (
            {"x": np.array([1, "a", None, 2], dtype=object), "y": Y},
            None,
            "holds Python objects, which are not loaded",
        ),
    ],
)
def test_refused_archives(tmp_path: Path, arrays: dict[str, Any], target: str | None, says: str) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(DataError, match=says) as caught:
        read_numpy(path, target=target)
    assert "data.npz" in str(caught.value)


def test_table_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "data.npy"
    np.save(path, np.column_stack([X, Y]))
    last = read_numpy(path)
    assert np.array_equal(last.x, X)
    assert last.y is not None
    assert last.y.tolist() == Y.tolist()
    assert (last.target, last.notices) == ("3", ("the last column (3) is taken as the target",))
    first = read_numpy(path, target=0)
    assert first.y is not None
    assert first.y.tolist() == X[:, 0].tolist()
    assert (first.target, first.notices) == ("0", ())
    assert read_numpy(path, target="-1").target == "3"


def test_to_predict_no_target_is_read(tmp_path: Path) -> None:
    """With as many columns as features all are features; with one more the target is left out unread."""
    path = tmp_path / "data.npy"
    np.save(path, X)
    assert read_numpy(path, features=3).x.shape == (4, 3)
    np.save(path, np.column_stack([X, [np.nan] * 4]))
    found = read_numpy(path, features=3)
    assert (found.x.shape, found.y) == ((4, 3), None)
    assert read_numpy(saved(tmp_path, x=X, y=[np.nan] * 4), features=3).y is None


@pytest.mark.parametrize(
    ("array", "target", "says"),
    [
        (X[0], None, r"has shape \(3,\), expected a table"),
        (X[:, :1], None, r"has shape \(4, 1\), expected a table"),
        (X, 3, "has no column 3: columns are numbered 0 to 2"),
        (X, "price", "has no column 'price': columns are numbered 0 to 2"),
    ],
)
def test_refused_tables(tmp_path: Path, array: Any, target: Any, says: str) -> None:
    np.save(tmp_path / "data.npy", array)
    with pytest.raises(DataError, match=says):
        read_numpy(tmp_path / "data.npy", target=target)


def test_damaged(tmp_path: Path, write: Any) -> None:
    """Cut, flipped and foreign files are a ``DataError`` with the path."""
    good = saved(tmp_path, x=X, y=Y).read_bytes()
    flipped = bytearray(good)
    flipped[good.index(b"x.npy") + 150] ^= 0xFF
    np.save(tmp_path / "a.npy", X)
    array = (tmp_path / "a.npy").read_bytes()
    huge = array.replace(b"(4, 3)", b"(9999999999, 3)").replace(b"9), }" + b" " * 9, b"9), }")
    for content, name in [
        (good[: len(good) // 2], "cut.npz"),
        (bytes(flipped), "flipped.npz"),
        (b"x,y\n1,2\n", "text.npz"),
        (array[:-8], "cut.npy"),
        (huge, "huge.npy"),
        (b"", "empty.npy"),
    ]:
        with pytest.raises(DataError, match=rf"{name}' is (a damaged or truncated|not a) NumPy file"):
            read_numpy(write(content, name))


def test_vector_and_bools() -> None:
    """A vector of features becomes one column, and bools become numbers."""
    from learnkit.data.npfile import check_features

    assert check_features("x", [True, False]).tolist() == [[1], [0]]

"""NumPy files: ``.npz`` with named arrays, ``.npy`` with one table of numbers. Nothing is unpickled."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnkit.data.files import existing_path
from learnkit.data.table import listed
from learnkit.errors import DataError

__all__ = ["ArrayData", "check_features", "check_labels", "read_numpy", "write_npz"]

FEATURE_KEYS = ("x", "X", "data", "features", "x_train", "X_train")
TARGET_KEYS = ("y", "Y", "target", "labels", "y_train", "Y_train")
TEST_FEATURE_KEYS = ("x_test", "X_test")
TEST_TARGET_KEYS = ("y_test", "Y_test")


@dataclass(frozen=True, eq=False)
class ArrayData:
    """Arrays of one data set, checked.

    Attributes:
        x: (n, ...) numbers, finite.
        y: (n,) numbers, bools or texts; ``None`` where the source has none.
        x_test: the features of the predefined test part, or ``None``.
        y_test: the target of the test part, or ``None``.
        target: the name of the target: the key or the column index that was asked for, or ``"y"``.
        notices: sentences about what was decided.
    """

    x: NDArray[Any]
    y: NDArray[Any] | None = None
    x_test: NDArray[Any] | None = None
    y_test: NDArray[Any] | None = None
    target: str = "y"
    notices: tuple[str, ...] = ()

    @classmethod
    def checked(cls, where: str, x: Any, y: Any = None, x_test: Any = None, y_test: Any = None) -> ArrayData:
        """Arrays from anywhere, made NumPy arrays and checked one by one and against each other.

        Args:
            where: the source, for messages.
            x: (n, ...) features.
            y: (n,) or (n, 1) target, or ``None``.
            x_test: features of the test part, or ``None``.
            y_test: target of the test part, or ``None``.

        Raises:
            DataError: an array is not numeric, not finite, or of the wrong shape.
        """
        x = check_features(f"{where}, x", x)
        if y is not None:
            y = check_labels(f"{where}, y", y, len(x))
        if x_test is not None:
            x_test = check_features(f"{where}, x_test", x_test)
            if x_test.shape[1:] != x.shape[1:]:
                raise DataError(
                    f"{where}: a test row has shape {x_test.shape[1:]}, expected {x.shape[1:]} as in training"
                )
            if y is not None and y_test is None:
                raise DataError(f"{where}: x_test without y_test")
        if y_test is not None:
            if x_test is None:
                raise DataError(f"{where}: y_test without x_test")
            y_test = check_labels(f"{where}, y_test", y_test, len(x_test))
        return cls(x, y, x_test, y_test)


def check_features(where: str, features: Any) -> NDArray[Any]:
    """``features`` as an array (n, ...) of finite numbers; a vector becomes one column.

    Raises:
        DataError: the values are not real numbers, some are not finite (the first positions are given), or
            there is no row or no feature.
    """
    x: NDArray[Any] = np.asarray(features)
    if x.dtype.kind == "b":
        x = x.astype(np.uint8)
    if x.dtype.kind not in "iuf":
        raise DataError(f"{where}: expected an array of numbers, got dtype {x.dtype}")
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim == 0 or x.size == 0:
        raise DataError(f"{where}: expected rows of features, got an array of shape {x.shape}")
    _check_finite(where, x)
    return x


def check_labels(where: str, labels: Any, rows: int) -> NDArray[Any]:
    """``labels`` as a vector of ``rows`` numbers, bools or texts.

    Raises:
        DataError: the length differs, there are several columns, the dtype cannot be a target, or a value
            is not finite.
    """
    y: NDArray[Any] = np.asarray(labels)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        hint = "labels in one-hot form become numbers with y.argmax(axis=1)" if y.ndim == 2 else None
        raise DataError(f"{where}: expected one value per row, got an array of shape {y.shape}", hint=hint)
    if len(y) != rows:
        raise DataError(f"{where}: {len(y)} targets for {rows} rows")
    if y.dtype.kind not in "iufbU":
        raise DataError(f"{where}: expected numbers, bools or texts, got dtype {y.dtype}")
    if y.dtype.kind == "f":
        _check_finite(where, y)
    return y


def _check_finite(where: str, x: NDArray[Any]) -> None:
    if x.dtype.kind != "f" or bool(np.isfinite(x).all()):
        return
    places = np.argwhere(~np.isfinite(x))
    shown = listed((f"[{', '.join(map(str, p))}] = {x[tuple(p)]}" for p in places[:5]), 5)
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""
    raise DataError(
        f"{where}: {len(places)} of {x.size} values are NaN or infinite: {shown}{more}",
        hint="fill or remove them first, for example with numpy.nan_to_num(...)",
    )


def read_numpy(
    path: str | os.PathLike[str], *, target: int | str | None = None, features: int | None = None
) -> ArrayData:
    """Read features and target from a ``.npz`` or ``.npy`` file.

    Args:
        path: an ``.npz`` archive with an array ``x`` (or ``X``, ``data``, ``features``, ``x_train``) and, if
            it has one, ``y`` (or ``target``, ``labels``, ``y_train``), and perhaps ``x_test`` and
            ``y_test``; or an ``.npy`` array (n, columns) of which one column is the target.
        target: for ``.npz`` the key of the target; for ``.npy`` the index of its column, negative from the
            end. ``None`` means the usual keys, or the last column.
        features: to predict, how many features a row must have; a target is then not read, and an ``.npy``
            array of just that many columns has none.

    Raises:
        DataError: the file cannot be read, holds Python objects, lacks the arrays, or has wrong values.
    """
    name = str(path)
    loaded = _load(path)
    if isinstance(loaded, dict):
        return _from_npz(name, loaded, target, predict=features is not None)
    return _from_npy(name, loaded, target, features)


def _load(path: str | os.PathLike[str]) -> NDArray[Any] | dict[str, NDArray[Any]]:
    found = existing_path(path)
    name = str(path)
    if found.is_dir():
        raise DataError(f"{name!r} is a directory, expected a file")
    try:
        with open(found, "rb") as file:
            if file.read(6) not in (b"\x93NUMPY",) and not zipfile.is_zipfile(found):
                raise DataError(
                    f"{name!r} is not a NumPy file: it is neither .npy nor .npz by its first bytes"
                )
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            return (
                {key: loaded[key] for key in loaded.files} if hasattr(loaded, "files") else np.asarray(loaded)
            )
    except PermissionError:
        raise DataError(f"no permission to read {name!r}") from None
    except (ValueError, OSError, EOFError, KeyError, MemoryError, OverflowError) as error:
        raise _unreadable(name, error) from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, SyntaxError, RuntimeError) as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    if "allow_pickle" in str(error):
        return DataError(
            f"{name!r} holds Python objects, which are not loaded because loading them can run code",
            hint="save numbers or text: numpy.savez(path, x=x.astype('float32'), y=y.astype('U'))",
        )
    return DataError(f"{name!r} is a damaged or truncated NumPy file: {error or type(error).__name__}")


def _from_npz(
    name: str, arrays: dict[str, NDArray[Any]], target: int | str | None, *, predict: bool
) -> ArrayData:
    keys = f"it holds {listed(arrays, 20) or 'nothing'}"

    def first(candidates: tuple[str, ...]) -> NDArray[Any] | None:
        return next((arrays[key] for key in candidates if key in arrays), None)

    x = first(FEATURE_KEYS)
    if x is None:
        raise DataError(f"{name!r} has no features: {keys}, expected one of {listed(FEATURE_KEYS)}")
    if predict:
        return ArrayData.checked(name, x)
    if target is not None and str(target) not in arrays:
        raise DataError(f"{name!r} has no array {str(target)!r}: {keys}")
    y = first(TARGET_KEYS) if target is None else arrays[str(target)]
    data = ArrayData.checked(name, x, y, first(TEST_FEATURE_KEYS), first(TEST_TARGET_KEYS))
    return data if target is None else replace(data, target=str(target))


def _from_npy(name: str, array: NDArray[Any], target: int | str | None, features: int | None) -> ArrayData:
    if features is not None and not (array.ndim == 2 and array.shape[1] == features + 1):
        return ArrayData.checked(name, array)
    if array.ndim != 2 or array.shape[1] < 2:
        raise DataError(
            f"{name!r} has shape {array.shape}, expected a table (rows, columns) with at least 2 columns, "
            "one of them the target",
            hint="save features and target apart: numpy.savez('data.npz', x=x, y=y)",
        )
    width = array.shape[1]
    try:
        index = -1 if target is None else int(target)
    except ValueError:
        raise DataError(f"{name!r} has no column {target!r}: columns are numbered 0 to {width - 1}") from None
    if not -width <= index < width:
        raise DataError(f"{name!r} has no column {index}: columns are numbered 0 to {width - 1}")
    index %= width
    notices = () if target is not None else (f"the last column ({index}) is taken as the target",)
    y = None if features is not None else array[:, index]
    return replace(
        ArrayData.checked(name, np.delete(array, index, axis=1), y), target=str(index), notices=notices
    )


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, Any], *, compress: bool = False) -> None:
    """Write arrays, numbers and texts by name to one ``.npz`` file.

    Args:
        path: of the file, whatever its ending.
        arrays: anything that NumPy makes an array without objects of.
        compress: whether to pack it.
    """
    save: Any = np.savez_compressed if compress else np.savez
    with open(path, "wb") as file:  # given a name, NumPy would add an ending
        save(file, **{name: np.asarray(value) for name, value in arrays.items()})

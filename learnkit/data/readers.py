"""Files by their ending: the reader that is registered for it, built in or of a plugin, and what it returns.

A reader is a function under the hook ``learnkit_register_readers``. It is called with the path and with those
of these options that it has as keyword parameters:

==============  =======================================================================================
``sep``         the separator, or ``None`` for the usual one
``header``      whether the first row holds the names
``target``      what training was told to learn, or ``None``
``features``    to predict, how many features a row has
``min_rows``    how many rows there must be
==============  =======================================================================================

It returns a table (a mapping from names to columns of one length, ``None`` where a value is missing) or
arrays ``(x, y)`` or ``(x, y, x_test, y_test)``, where ``y`` may be ``None``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from learnkit.data.idx import find_idx, is_idx_name, read_idx
from learnkit.data.npfile import ArrayData
from learnkit.data.table import Table
from learnkit.errors import ArgumentError, DataError, LearnkitError, UnknownNameError
from learnkit.plugins import registry

__all__ = ["ending_of", "read_file", "read_idx_set"]


def ending_of(path: Path) -> str | None:
    """The registered ending of a path, without its dot, or ``None``.

    The longest that fits; of the built-in ones if one of them fits, so that reading ``data.csv`` imports no
    plugin. A directory, and a file with one of the usual names of IDX files, is ``"idx"``.

    >>> ending_of(Path("prices.2024.csv.gz")), ending_of(Path("train-images-idx3-ubyte"))
    ('csv.gz', 'idx')
    """
    parts = path.name.lower().split(".")
    endings = [".".join(parts[i:]) for i in range(1, len(parts))]
    own = registry.names("reader", third_party=False)
    if not path.is_dir():
        found = next((ending for ending in endings if ending in own), None)
        if found is not None or _is_idx(path):
            return found or "idx"
    known = set(registry.names("reader") if endings else own) - set(own)
    found = next((ending for ending in endings if ending in known), None)
    return "idx" if found is None and path.is_dir() else found


def _is_idx(path: Path) -> bool:
    return is_idx_name(path) or path.name.lower().removesuffix(".gz").endswith("ubyte")


def read_file(path: Path, options: Mapping[str, Any]) -> Table | ArrayData:
    """The content of a file, or of a directory that is one data set.

    Args:
        path: of the file.
        options: of the table above.

    Raises:
        ArgumentError: an option is given and the reader does not have it.
        DataError: no reader is registered for the ending, or the file cannot be read.
    """
    ending, reader = _reader(path)
    accepted = _accepted(reader)
    for option, flag in (("sep", "--sep"), ("header", "--no-header")):
        given = options[option] not in (None, True)
        if given and option not in accepted:
            raise ArgumentError(
                f"{str(path)!r}: {option} does not apply to a file .{ending}", hint=f"leave out {flag}"
            )
    wanted = {name: value for name, value in options.items() if name in accepted}
    try:
        content = reader(path, **wanted)
    except LearnkitError:
        raise
    except Exception as error:
        raise DataError(
            f"{str(path)!r}: the reader of .{ending} files failed: {type(error).__name__}: {error}",
            hint="the file may be damaged, or of another kind than its ending says",
        ) from error
    data = _checked(str(path), ending, content)
    if isinstance(data, Table):
        if len(data) < options["min_rows"]:
            raise DataError(f"{str(path)!r}: {len(data)} rows; need at least {options['min_rows']}")
    elif options["target"] is not None and "target" not in accepted:
        raise ArgumentError(
            f"{str(path)!r} comes with its labels, so the target {options['target']!r} does not apply",
            hint="leave out --target",
        )
    return data


def _reader(path: Path) -> tuple[str, Callable[..., Any]]:
    """The ending and its reader."""
    ending = ending_of(path)
    shown = "".join(path.suffixes) or "without an ending"
    try:
        name = ending or shown
        return name, registry.get("reader", name)
    except UnknownNameError as error:
        others = str(error.hint).splitlines()[1:]  # on the plugins that are not loaded
        raise DataError(
            f"{str(path)!r}: unknown kind of file {shown!r}",
            hint="\n".join([f"these are read: {_shown_endings()}, and IDX directories", *others]),
        ) from None


def _accepted(reader: Callable[..., Any]) -> frozenset[str]:
    return frozenset(
        p.name
        for p in inspect.signature(reader).parameters.values()
        if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
    )


def _checked(path: str, ending: str, content: Any) -> Table | ArrayData:
    if isinstance(content, Table | ArrayData):
        return content
    if isinstance(content, Mapping):
        return Table.from_columns({str(name): column for name, column in content.items()}, path)
    if isinstance(content, tuple) and len(content) in (2, 4):
        return ArrayData.checked(path, *content)
    got = f"{len(content)} values" if isinstance(content, tuple) else type(content).__name__
    raise DataError(
        f"{path!r}: the reader of .{ending} files returned {got}, expected a mapping of columns, (x, y) or "
        "(x, y, x_test, y_test)"
    )


def _shown_endings() -> str:
    names = registry.names("reader")
    plain = [name for name in names if name.removesuffix(".gz") == name]
    return ", ".join(f".{name} (also .gz)" if f"{name}.gz" in names else f".{name}" for name in plain)


def read_idx_set(path: Path) -> ArrayData:
    """Images and labels of IDX files: of a directory, or those that belong to one file.

    Raises:
        DataError: they cannot be read or do not belong together.
    """
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

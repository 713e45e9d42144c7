"""Bytes and text of a data file, with an error that says what the file really is.

Nothing is guessed silently: a file that is missing, packed, binary or in another encoding is refused with
its path, the line where it shows, and the command that puts it right.
"""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

from learnkit.errors import DataError, did_you_mean

__all__ = ["decode_text", "existing_path", "read_bytes", "unpack_gzip"]

GZIP = b"\x1f\x8b"

#: First bytes of what people rename to ``.csv`` or try to read as text.
_SIGNATURES = (
    (b"PK\x03\x04", "a zip archive (or an Excel .xlsx file)", "unpack it, or save the sheet as CSV"),
    (b"BZh", "compressed with bzip2", "unpack it with 'bunzip2'"),
    (b"\xfd7zXZ\x00", "compressed with xz", "unpack it with 'unxz'"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it with 'unzstd'"),
    (b"PAR1", "a Parquet file", "write it as CSV, for example with pandas: read_parquet(...).to_csv(...)"),
    (b"\x89HDF", "an HDF5 file", "write the table as CSV or the arrays as .npz"),
    (b"\x93NUMPY", "a NumPy .npy file", "name it with the ending .npy"),
    (b"\xd0\xcf\x11\xe0", "an old Excel .xls file", "save the sheet as CSV"),
    (b"%PDF", "a PDF file", "give the table as CSV"),
)

_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


def existing_path(path: str | os.PathLike[str]) -> Path:
    """``path`` as a ``Path``.

    Raises:
        DataError: nothing is there; the closest names in the same directory are offered.
    """
    found = Path(path)
    try:
        if found.exists():
            return found
    except OSError as error:
        raise DataError(f"cannot look at {str(path)!r}: {error.strerror or error}") from None
    parent = found.parent
    if not parent.is_dir():
        raise DataError(f"no such file: {str(path)!r}; the directory {str(parent)!r} does not exist")
    try:
        siblings = sorted(entry.name for entry in parent.iterdir() if not entry.name.startswith("."))
    except OSError:
        siblings = []
    raise DataError(
        f"no such file: {str(path)!r}{did_you_mean(found.name, siblings)}",
        hint=_listing(siblings, parent),
    )


def _listing(names: list[str], parent: Path) -> str | None:
    data = [n for n in names if n.lower().endswith((".csv", ".tsv", ".gz", ".npy", ".npz", "-ubyte"))]
    if not data:
        return None
    more = f" and {len(data) - 5} more" if len(data) > 5 else ""
    return f"data files in {str(parent)!r}: {', '.join(data[:5])}{more}"


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """All bytes of the file at ``path``, as they are on the disk.

    Raises:
        DataError: the file is missing, is a directory, or may not be read.
    """
    found = existing_path(path)
    if found.is_dir():
        raise DataError(f"{str(path)!r} is a directory, expected a file")
    try:
        return found.read_bytes()
    except PermissionError:
        raise DataError(
            f"no permission to read {str(path)!r}", hint=f"check it with: ls -l {str(path)!r}"
        ) from None
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror or error}") from None


def unpack_gzip(data: bytes, path: str | os.PathLike[str]) -> bytes:
    """The content of gzip ``data``.

    Raises:
        DataError: ``data`` is not gzip, or is truncated or damaged.
    """
    if not data.startswith(GZIP):
        raise DataError(f"{str(path)!r} is named .gz but is not compressed with gzip")
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{str(path)!r} is a damaged or truncated gzip file: {error}") from None


def decode_text(data: bytes, path: str | os.PathLike[str]) -> str:
    """UTF-8 text of ``data``, unpacked if ``path`` ends in ``.gz``, without a byte order mark.

    Raises:
        DataError: ``data`` is compressed under another name, is another kind of file, is in another
            encoding, or holds NUL bytes.
    """
    name = str(path)
    if name.lower().endswith(".gz"):
        data = unpack_gzip(data, path)
    elif data.startswith(GZIP):
        raise DataError(
            f"{name!r} is compressed with gzip", hint=f"name it {name + '.gz'!r}, or unpack it with 'gunzip'"
        )
    for signature, what, advice in _SIGNATURES:
        if data.startswith(signature):
            raise DataError(f"{name!r} is {what}, expected text", hint=advice)
    encoding = _wide_encoding(data)
    if encoding is not None:
        raise DataError(f"{name!r} is encoded in {encoding}, expected UTF-8", hint=_iconv(encoding, name))
    zero = data.find(b"\0")
    if zero >= 0:
        raise DataError(
            f"{name!r}, line {_line(data, zero)}: a NUL byte (byte {zero} of the file), expected text",
            hint="the file is damaged or not a text file",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        encoding = "WINDOWS-1252" if any(0x80 <= b < 0xA0 for b in set(data)) else "LATIN1"
        common = {"WINDOWS-1252": "Windows-1252", "LATIN1": "Latin-1 (ISO-8859-1)"}[encoding]
        raise DataError(
            f"{name!r}, line {_line(data, error.start)}: byte 0x{data[error.start]:02x} is not UTF-8; "
            f"the file looks like {common}",
            hint=_iconv(encoding, name),
        ) from None


def _wide_encoding(data: bytes) -> str | None:
    """UTF-16 or UTF-32 by its byte order mark, or by the zeros in every second byte of Latin text."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return encoding
    head = data[:4096]
    zeros = max(head[0::2].count(0), head[1::2].count(0))
    return "UTF-16" if len(head) >= 4 and zeros > 0.4 * (len(head) // 2) else None


def _iconv(encoding: str, name: str) -> str:
    return f"convert it: iconv -f {encoding} -t UTF-8 {name!r} > utf8.csv"


def _line(data: bytes, position: int) -> int:
    """The line number, counted from 1, of the byte at ``position``."""
    return data.count(b"\n", 0, position) + 1

"""Writing a file so that it is either wholly there or not there at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

from learnkit.errors import BackendError

__all__ = ["write_atomically"]


def write_atomically(path: Path, content: bytes) -> Path:
    """Write ``content`` to ``path`` by way of a temporary file beside it.

    The temporary is flushed to the disk before it takes the name, and the folder after: whatever
    happens in between, ``path`` is the old file or the new one, never a part.

    Raises:
        BackendError: the folder or file cannot be written, or the disk is full; an older file is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        hint = None
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(path.parent).free
            hint = f"{len(content):,} bytes are needed, {free:,} are free; an older file is untouched"
        raise BackendError(f"cannot write {path}: {reason}", hint=hint) from error
    return path


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; not every file system can, and then there is nothing to do."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

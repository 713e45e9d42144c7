"""Generated source on disk, so that what was compiled once is loaded the next time.

The folder is ``LEARNKIT_CACHE`` if that is set, else the user's cache folder, else (where that cannot be
written) a temporary one of this process. A file's name is the digest of its text, and Numba keeps the machine
code beside it, apart for each processor. Everything in it may be deleted at any time.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

__all__ = ["folder", "loaded"]


@functools.cache
def folder() -> Path:
    """Where generated source is kept; made if it is not there."""
    named = os.environ.get("LEARNKIT_CACHE")
    if named:
        wanted = Path(named)
    elif sys.platform == "darwin":
        wanted = Path.home() / "Library" / "Caches" / "learnkit"
    elif os.name == "nt":
        wanted = Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "learnkit" / "Cache"
    else:
        wanted = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "learnkit"
    try:
        wanted = wanted / "kernels"
        wanted.mkdir(parents=True, exist_ok=True)
        handle, probe = tempfile.mkstemp(dir=wanted)
        os.close(handle)
        os.unlink(probe)
    except (OSError, RuntimeError):
        return Path(tempfile.mkdtemp(prefix="learnkit-kernels-"))
    return wanted


@functools.cache
def loaded(text: str) -> ModuleType:
    """The module with that source, which is written to the folder first if it is not there."""
    text = f"# {_stamp()}\n{text}"
    name = "learnkit_kernel_" + hashlib.sha256(text.encode()).hexdigest()[:24]
    path = folder() / f"{name}.py"
    _write(path, text)
    try:
        return _executed(name, path)
    except Exception:  # machine code that was cut short or belongs to another installation
        for stale in path.parent.glob(f"__pycache__/{name}*"):
            stale.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        _write(path, text)
        return _executed(name, path)


@functools.cache
def _stamp() -> str:
    """What the machine code depends on beside the source: Numba notices neither."""
    import numba
    import numpy

    backends = Path(__file__).parents[1] / "backends"
    called = ("numba_functions.py", "numba_arithmetic.py", "native/intrinsics.py")
    digest = hashlib.sha256(b"".join((backends / name).read_bytes() for name in called)).hexdigest()[:16]
    return f"numba {numba.__version__}, numpy {numpy.__version__}, functions {digest}"


def _write(path: Path, text: str) -> None:
    if not path.exists():
        handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, path)


def _executed(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where Numba looks for it when it loads machine code
    spec.loader.exec_module(module)
    return module

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
    name = "learnkit_kernel_" + hashlib.sha256(text.encode()).hexdigest()[:24]
    path = folder() / f"{name}.py"
    if not path.exists():
        handle, partial = tempfile.mkstemp(dir=folder(), suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where Numba looks for it when it loads machine code
    spec.loader.exec_module(module)
    return module

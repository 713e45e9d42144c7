"""A stand-in for CuPy on a machine without a GPU: its surface and its strictness over NumPy's values.

The directory of this file holds packages named ``cupy`` and ``cupyx``. Put it first on ``sys.path``, before
anything imports CuPy, in a process of its own, and array-api-compat and learnkit take it for the real one::

    LEARNKIT_FAKE_CUPY=1 python -m pytest -m matrix tests     # tests/conftest.py looks at the variable

or, from Python, :func:`install`. What it catches, on top of what array-api-strict catches:

* conversion to NumPy that nobody asked for, and NumPy arrays mixed with its own: ``TypeError`` as in CuPy;
* waits for the device (``float(x)``, ``bool(x)``, masks, ``nonzero``, ...): noted in ``cupy.audit.syncs``,
  and errors of type ``cupy.HiddenSync`` inside ``with cupy.audit.no_sync():``;
* too many launches: ``with cupy.audit.counting() as launched:`` fills the list with their names;
* indices out of range and repeated indices in an assignment, where CuPy goes on with wrong values;
* functions, parameters and methods that CuPy lacks, from ``cupy_surface.json``, which ``dump_surface.py``
  writes from a real CuPy.

``RawKernel`` and ``ElementwiseKernel`` compile their CUDA source for the CPU if a C++ compiler is there, so
its arithmetic runs as written; without one, learnkit's own kernels are imitated in NumPy.

It is a model. What only a GPU shows (rounding of its functions, races, memory, speed) it does not.
"""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["install", "path"]


def path() -> Path:
    """The directory to put first on ``sys.path`` or ``PYTHONPATH``."""
    return Path(__file__).resolve().parent


def install() -> None:
    """Make ``import cupy`` find the stand-in in this process.

    Raises:
        RuntimeError: another ``cupy`` is imported already.
    """
    imported = sys.modules.get("cupy")
    if imported is not None and not hasattr(imported, "audit"):
        raise RuntimeError("cupy is imported already; install the stand-in before anything imports it")
    if str(path()) not in sys.path:
        sys.path.insert(0, str(path()))

"""What numbers were made with: the machine, the versions, the threads, the load."""

from __future__ import annotations

import importlib.util
import os
import platform
from datetime import date
from importlib import metadata
from pathlib import Path

import learnkit

__all__ = ["describe", "installed", "limited_to"]

#: Distributions whose versions are worth saying.
_PEERS = ("numpy", "numba", "torch", "jax", "optax", "scikit-learn", "keras")
#: What libraries read their number of threads from when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def installed(*modules: str) -> bool:
    """Whether all these modules can be found; none is imported."""
    return all(importlib.util.find_spec(module) for module in modules)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def limited_to(threads: int) -> dict[str, str]:
    """Environment variables with which every library computes on ``threads`` threads.

    PyTorch and JAX are told once more where their steps are made: :mod:`learnkit.bench.peers`.
    """
    variables = dict.fromkeys(_THREADS, str(threads))
    if threads == 1:
        given = os.environ.get("XLA_FLAGS", "")
        variables["XLA_FLAGS"] = f"{given} --xla_cpu_multi_thread_eigen=false".strip()
    return variables


def processor() -> str:
    """The name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of Python, learnkit and what is installed beside it."""
    found = {"Python": platform.python_version(), "learnkit": learnkit.__version__}
    for name in _PEERS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def load() -> float | None:
    """How many processes wanted to run in the last minute, or ``None`` where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def describe(threads: int) -> dict[str, str]:
    """What belongs beside a measurement, as text by name."""
    now = load()
    return {
        "date": date.today().isoformat(),
        "processor": f"{processor()}, {processors()} usable of {os.cpu_count()}",
        "system": f"{platform.system()} {platform.release()} on {platform.machine()}",
        "threads": f"{threads} at most for everybody",
        "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
        "load": "unknown" if now is None else f"{now:.2f} at the start",
    }

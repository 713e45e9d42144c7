"""Write down the surface of a real CuPy: ``python dump_surface.py > cupy_surface.json``.

Run it where CuPy is installed; no GPU is needed. It records, for each module, the functions with their
parameters, the ufuncs with their numbers of arguments and their type tables, and the names of all else.
After a new release of CuPy: run it, read the difference, and look into what changed.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

MODULES = ("cupy", "cupy.linalg", "cupy.fft", "cupyx", "cupyx.scipy.special")


def parameters(function: Any) -> str | None:
    """The parameter list in Python's own notation, every default written as ``None``; or null if unknown."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    plain = [
        p.replace(annotation=p.empty, default=p.empty if p.default is p.empty else None)
        for p in signature.parameters.values()
    ]
    return str(inspect.Signature(plain))[1:-1]


def surface(module: Any) -> dict[str, Any]:
    """The public names of a module, by kind."""
    functions: dict[str, str | None] = {}
    ufuncs: dict[str, dict[str, Any]] = {}
    others: list[str] = []
    for name in sorted(n for n in dir(module) if not n.startswith("_")):
        value = getattr(module, name)
        if hasattr(value, "nin") and not inspect.isclass(value):
            ufuncs[name] = {"nin": value.nin, "nout": value.nout, "types": list(value.types)}
        elif callable(value) and not inspect.isclass(value):
            functions[name] = parameters(value)
        elif not inspect.ismodule(value) and name != "annotations":
            others.append(name)
    return {"functions": functions, "ufuncs": ufuncs, "others": others}


def main() -> None:
    """Print the surface as JSON, about a line for each name."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [p for p in sys.path if Path(p).resolve() != here]  # the stand-in lies beside this file
    import cupy

    found: dict[str, Any] = {"version": cupy.__version__}
    for name in MODULES:
        found[name] = surface(importlib.import_module(name))
    found["ndarray"] = sorted(n for n in dir(cupy.ndarray) if not n.startswith("_"))
    text = json.dumps(found, indent=1, sort_keys=True)
    text = re.sub(r"\[[^][{}]*\]", lambda m: " ".join(m.group().split()), text)  # lists on one line
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()

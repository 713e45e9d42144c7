"""The recorded surface of the real CuPy."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

SURFACE: dict[str, Any] = json.loads((Path(__file__).parent.parent / "cupy_surface.json").read_text("utf-8"))


def signature(parameters: str | None) -> inspect.Signature | None:
    """The signature whose parameter list the surface holds as text."""
    if parameters is None:
        return None
    return inspect.signature(eval(f"lambda {parameters}: None"))

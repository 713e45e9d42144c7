"""What tests need: of learnkit itself, and of the plugins that others write for it.

``checks_for``     a pytest test function with all checks of a component: one line in a plugin's tests
``run_checks``     the same without pytest: a list of results
``Result``         what a check found: the message, the author's line, and what to write there
``pytest_plugin``  the fixtures ``xp``, ``backend`` and ``isolated_plugins``, which pytest finds by itself

Names are looked up when they are first used: importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learnkit.testing.parametrize import checks_for
    from learnkit.testing.results import Result
    from learnkit.testing.run import run_checks

__all__ = ["Result", "checks_for", "run_checks"]

_WHERE = {
    "Result": "learnkit.testing.results",
    "checks_for": "learnkit.testing.parametrize",
    "run_checks": "learnkit.testing.run",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(_WHERE[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'learnkit.testing' has no attribute {name!r}")

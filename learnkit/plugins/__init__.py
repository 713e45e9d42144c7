"""One door for components: built-in and third-party ones enter by the same hooks.

==================  ===========================================================================
``hookspecs``       everything a plugin can do, on one page
``registry``        components by name: get, names, create, describe, name_of
``incode``          registration in code, one function for each kind
``functions``       plain functions as components
``manager``         finds and loads plugins; a broken one is a record, never a crash
``loading``         imports one plugin, with ``guard`` around its code
``local``           the file ``learnkit_local.py``, which is a plugin too
``runs``            the plugins that see training runs
``provenance``      which plugins a saved run holds components of, and what to do without one
``builtin``         registers the components of learnkit itself
==================  ===========================================================================
"""

from __future__ import annotations

from learnkit.plugins.hookspecs import HOOKS, KINDS, LIFECYCLE, Register, hookimpl
from learnkit.plugins.records import PluginRecord
from learnkit.plugins.registry import create, describe, disable_third_party, get, name_of, names
from learnkit.plugins.runs import all_records as records
from learnkit.plugins.runs import watching

__all__ = [
    "HOOKS",
    "KINDS",
    "LIFECYCLE",
    "PluginRecord",
    "Register",
    "create",
    "describe",
    "disable_third_party",
    "get",
    "hookimpl",
    "name_of",
    "names",
    "records",
    "watching",
]

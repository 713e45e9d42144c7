"""A function as a layer."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from learnkit.errors import ArgumentError, UnknownNameError
from learnkit.nn.module import Module
from learnkit.plugins import registry

__all__ = ["Lambda"]


class Lambda(Module):
    """``y = fn(x)``, for a function without leaves of its own.

    A model that holds one can be saved if the function can be found again: if it is registered as a
    component, or stands under its name in a module. On loading that module must have been imported already:
    a file never makes the program import anything.

    Args:
        fn: from an array to an array (tuples of arrays are handed through), in functions of the
            standard, ``lambda x: x.__array_namespace__().sin(x)``; or ``"package.module:name"`` of one.

    Raises:
        ArgumentError: ``fn`` is no function, or not found under that name; (when the model is described or
            saved) it cannot be found again.

    >>> import numpy as np
    >>> Lambda(lambda x: 2.0 * x)(np.asarray([1.0, 2.0]))
    array([2., 4.])
    """

    def __init__(self, fn: Callable[[Any], Any] | str) -> None:
        if isinstance(fn, str):
            fn = _found(fn)
        if not callable(fn) or isinstance(fn, type):
            raise ArgumentError(f"Lambda: fn is {fn!r}, expected a function of one array")
        if isinstance(fn, Module):
            raise ArgumentError(f"Lambda: fn is {fn!r}, which is a layer already and is used as it is")
        self.fn = fn

    def __call__(self, x: Any) -> Any:
        return self.fn(x)

    def config(self) -> dict[str, Any]:
        """The function itself if it is registered, else ``"module:name"``, by which it can be found again."""
        try:
            registry.name_of(self.fn)
        except UnknownNameError:
            return {"fn": _address(self.fn)}
        return {"fn": self.fn}

    def __repr__(self) -> str:
        return f"Lambda({_name(self.fn)})"


def _name(fn: Any) -> str:
    return getattr(fn, "__qualname__", None) or type(fn).__name__


def _address(fn: Any) -> str:
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    if isinstance(fn, types.FunctionType) and getattr(sys.modules.get(str(module)), str(name), None) is fn:
        return f"{module}:{name}"
    raise ArgumentError(
        f"Lambda: {_name(fn)} cannot be saved: it is neither registered nor a function that can be imported",
        hint="write it with def at the top level of a module, or as a Module that a plugin registers",
    )


def _found(address: str) -> Any:
    module, _, name = address.partition(":")
    fn = getattr(sys.modules.get(module), name, None)
    if not isinstance(fn, types.FunctionType):
        state = "has no function of that name" if module in sys.modules else "has not been imported"
        raise ArgumentError(
            f"Lambda: fn is {address!r}, but {module!r} {state}",
            hint=f"import {module} before the model is built or loaded",
        )
    return fn

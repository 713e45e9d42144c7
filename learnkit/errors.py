"""Every exception learnkit raises on purpose.

::

    LearnkitError                                    exit code of the command line
    ├── ArgumentError        (also ValueError)       2  an argument or option is wrong
    │   ├── UnknownNameError (also LookupError)      2  no component of that name is registered
    │   └── ShapeError                               2  arrays do not fit each other
    ├── DataError            (also ValueError)       3  a data file or a data set is wrong
    ├── CheckpointError                              4  a saved model is damaged, foreign or too new
    ├── MissingDependencyError (also ImportError)    5  an optional library is not installed
    ├── BackendError         (also RuntimeError)     5  a device or its driver is not there; the disk is full
    ├── PluginError                                  5  a plugin is broken and was asked for
    ├── DivergedError        (also ArithmeticError)  6  the loss is not finite
    ├── GradientError        (also TypeError)        1  something cannot be differentiated
    └── CallbackError                                1  a callback raised; the original is ``__cause__``

A message says what was wrong (with the value), where, what was expected, and what to do;
the last part may be given as ``hint`` and is printed on a line of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

__all__ = [
    "ArgumentError",
    "BackendError",
    "CallbackError",
    "CheckpointError",
    "DataError",
    "DivergedError",
    "GradientError",
    "LearnkitError",
    "MissingDependencyError",
    "PluginError",
    "ShapeError",
    "UnknownNameError",
    "did_you_mean",
]


class LearnkitError(Exception):
    """Base of all errors of learnkit.

    Args:
        message: what was wrong, where, and what was expected.
        hint: what to do about it; kept as an attribute and printed on its own line.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  {self.hint}"


class ArgumentError(LearnkitError, ValueError):
    """An argument, option or setting has a value that cannot be used."""

    exit_code = 2


class UnknownNameError(ArgumentError, LookupError):
    """No component is registered under the name that was asked for."""


class ShapeError(ArgumentError):
    """The shapes of arrays do not fit each other or what a function expects."""


class DataError(LearnkitError, ValueError):
    """A file or data set cannot be used; the message names file, line or column."""

    exit_code = 3


class CheckpointError(LearnkitError):
    """A saved model cannot be loaded: damaged, of another kind, or newer than this library."""

    exit_code = 4


class MissingDependencyError(LearnkitError, ImportError):
    """An optional library is needed and not installed; the hint gives the ``pip install`` line."""

    exit_code = 5


class BackendError(LearnkitError, RuntimeError):
    """The environment cannot do what was asked: no device, no driver, no room on the disk."""

    exit_code = 5


class PluginError(LearnkitError):
    """A plugin is broken, incompatible or in conflict with another, and its part was asked for."""

    exit_code = 5


class DivergedError(LearnkitError, ArithmeticError):
    """The loss or a gradient became NaN or infinite during training."""

    exit_code = 6


class GradientError(LearnkitError, TypeError):
    """A value cannot be differentiated, or a gradient does not agree with differences."""


class CallbackError(LearnkitError):
    """A callback raised; the original exception is the ``__cause__``."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The sentence part that offers the closest known name, or an empty string.

    >>> did_you_mean("adm", ["adam", "sgd"])
    " (did you mean 'adam'?)"
    """
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""

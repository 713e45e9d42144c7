"""The hyper-parameters of a component as numbers that may change, and a copy of it that holds symbols.

So a rule or a loss is traced once for its class, and another learning rate, ``delta`` or ``weight_decay`` is
only another argument of the kernel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any
from weakref import ref

__all__ = ["code_of", "options_of", "shadow", "told_apart"]

#: By identity: a reference that tells whether it is still the object, and what was found.
_known: dict[int, tuple[Any, dict[str, float], Any]] = {}


def options_of(component: Any) -> tuple[dict[str, float], Any]:
    """The real hyper-parameters by path, and the others as something to tell components apart by.

    The second may be unhashable; its class is not part of it.
    """
    known = _known.get(id(component))
    if known is not None and known[0]() is component:
        return known[1], known[2]
    numbers: dict[str, float] = {}
    fixed: list[Any] = []
    for name, value in vars(component).items():
        if type(value) is float:
            numbers[name] = value
        elif type(value) is tuple and value and all(type(v) is float for v in value):
            numbers.update({f"{name}.{i}": v for i, v in enumerate(value)})
            fixed.append((name, len(value)))
        else:
            fixed.append((name, told_apart(value)))
    found = numbers, tuple(fixed)
    if len(_known) > 256:
        _known.clear()
    with contextlib.suppress(TypeError):  # of a class with slots
        _known[id(component)] = (ref(component), *found)
    return found


def code_of(component: Any, method: str) -> tuple[Any, Any]:
    """What ``component.method`` runs, which changes when an editor puts new code into a running process."""
    function = getattr(type(component), method, None)
    return function, getattr(function, "__code__", None)


def told_apart(value: Any) -> Any:
    """A key for ``value``: 1, 1.0, True and ``np.float64(1)`` are equal, and not the same to a function."""
    kind = type(value)
    if kind in (tuple, frozenset):
        return kind, kind(map(told_apart, value))
    return (kind, repr(value)) if isinstance(value, float) else (kind, value)


def shadow(component: Any, numbers: Mapping[str, Any]) -> Any:
    """A copy of ``component`` with ``numbers``, by the paths of :func:`options_of`, in their places."""
    copy = object.__new__(type(component))
    for name, value in vars(component).items():
        if name in numbers:
            value = numbers[name]
        elif type(value) is tuple and f"{name}.0" in numbers:
            value = tuple(numbers[f"{name}.{i}"] for i in range(len(value)))
        object.__setattr__(copy, name, value)
    return copy

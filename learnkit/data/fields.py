"""Strict reading of a saved description: every field is there, of its type, and no other field is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from learnkit.errors import CheckpointError, did_you_mean

__all__ = ["Fields"]

T = TypeVar("T")


class Fields:
    """The fields of one mapping of plain values, read one by one and then closed.

    Args:
        values: the mapping, as JSON gave it.
        path: where it stands, for messages, such as ``preprocessor.target``.

    Raises:
        CheckpointError: from every method, naming the field, what was found and what was expected.
    """

    def __init__(self, values: Any, path: str) -> None:
        self.path = path
        if not isinstance(values, Mapping):
            raise CheckpointError(f"{path}: expected an object with fields, got {_shown(values)}")
        self._values = values
        self._read: set[str] = set()

    def refuse(self, name: str, expected: str) -> NoReturn:
        """Raise for a field whose value is there and wrong."""
        raise CheckpointError(f"{self.path}.{name}: expected {expected}, got {_shown(self._values[name])}")

    def value(self, name: str) -> Any:
        """The raw value of a field."""
        if name not in self._values:
            raise CheckpointError(f"{self.path}.{name} is missing")
        self._read.add(name)
        return self._values[name]

    def text(self, name: str) -> str:
        """A text."""
        value = self.value(name)
        if not isinstance(value, str):
            self.refuse(name, "a text")
        return value

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        """One of the known texts."""
        value = self.value(name)
        if value not in known:
            self.refuse(name, f"one of {', '.join(known)}")
        return str(value)

    def number(self, name: str, *, positive: bool = False) -> float:
        """A finite number, greater than zero if ``positive``."""
        value = self.value(name)
        if not _is_number(value) or (positive and not value > 0):
            self.refuse(name, "a finite number" + (" greater than 0" if positive else ""))
        return float(value)

    def numbers(self, name: str, length: int, *, positive: bool = False) -> tuple[float, ...]:
        """``length`` finite numbers."""
        values = self.value(name)
        if not isinstance(values, list) or len(values) != length:
            self.refuse(name, f"a list of {length} numbers")
        for i, value in enumerate(values):
            if not _is_number(value) or (positive and not value > 0):
                wanted = "a finite number" + (" greater than 0" if positive else "")
                raise CheckpointError(f"{self.path}.{name}[{i}]: expected {wanted}, got {_shown(value)}")
        return tuple(float(value) for value in values)

    def shape(self, name: str) -> tuple[int, ...]:
        """A list of one or more integers greater than zero."""
        values = self.value(name)
        if not isinstance(values, list) or not values or not all(type(v) is int and v > 0 for v in values):
            self.refuse(name, "a list of integers greater than 0")
        return tuple(values)

    def labels(self, name: str, *, least: int) -> tuple[str | int, ...]:
        """At least ``least`` distinct sorted labels, all texts or all integers."""
        values = self.value(name)
        alike = isinstance(values, list) and (
            all(type(v) is str for v in values) or all(type(v) is int for v in values)
        )
        if not alike or len(values) < least or values != sorted(set(values)):
            self.refuse(name, f"a sorted list of at least {least} distinct texts or integers")
        return tuple(values)

    def items(self, name: str, read: Callable[[Fields], T]) -> tuple[T, ...]:
        """A list of objects, each read by ``read``."""
        values = self.value(name)
        if not isinstance(values, list) or not values:
            self.refuse(name, "a list of objects")
        found = []
        for i, value in enumerate(values):
            fields = Fields(value, f"{self.path}.{name}[{i}]")
            found.append(read(fields))
            fields.close()
        return tuple(found)

    def within(self, name: str) -> Fields:
        """The fields of an object inside this one."""
        return Fields(self.value(name), f"{self.path}.{name}")

    def close(self) -> None:
        """Refuse fields that nobody read."""
        unknown = sorted(str(name) for name in self._values if name not in self._read)
        if unknown:
            raise CheckpointError(
                f"{self.path}.{unknown[0]}: unknown field{did_you_mean(unknown[0], self._read)}"
            )


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

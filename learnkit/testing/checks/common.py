"""What every component is asked: it prints, and it is described as JSON and made again."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from learnkit.errors import LearnkitError, UnknownNameError
from learnkit.nn.module import Module
from learnkit.plugins import registry
from learnkit.plugins.construct import signature_of
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.diagnosis import fingerprint, is_array
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Subject

__all__ = ["common_checks", "equal", "named", "plain_state"]


def common_checks() -> list[Check]:
    """The checks that components of every kind have."""
    return [
        Check(
            "prints",
            _prints,
            "give it a __repr__ that names the class and its options, or make it a dataclass",
        ),
        Check(
            "describes",
            _describes,
            "let the options be numbers, texts, tuples of them or registered components; make the "
            "class a frozen "
            "dataclass, or give it a method config() that returns its options as a dict",
        ),
    ]


def _prints(subject: Subject, row: str) -> None:
    component = subject.component
    text = repr(component)
    if not isinstance(text, str) or not text.strip():
        raise CheckFailure("its repr is empty", where=subject.author.definition("__repr__"))
    if " object at 0x" in text and dataclasses.is_dataclass(component):
        raise CheckFailure(f"its repr says nothing: {text}", where=subject.author.definition("__repr__"))
    if repr(component) != text:
        raise CheckFailure("its repr changes from call to call", where=subject.author.definition("__repr__"))


def _describes(subject: Subject, row: str) -> None:
    """describe -> JSON -> create gives an equal object."""
    component, kind = subject.component, subject.kind
    with named(subject):
        try:
            described = registry.describe(component, kind)
        except UnknownNameError as error:
            if subject.label in error.message:
                raise NotApplicable("it is not registered, as a class or by its factory") from None
            raise CheckFailure(error.message, where=_field_place(subject, _culprit(subject))) from error
        except LearnkitError as error:
            raise CheckFailure(error.message, error.hint, _field_place(subject, _culprit(subject))) from error
        try:
            text = json.dumps(described)
        except (TypeError, ValueError) as error:
            raise CheckFailure(f"its description is no JSON: {error}: {described}") from None
        try:
            again = registry.create(kind, json.loads(text))
        except LearnkitError as error:
            raise CheckFailure(
                f"made again from its description {text} it raises {error.message}",
                where=_field_place(subject, _culprit(subject)),
            ) from error
        second = registry.describe(again, kind)
    if json.dumps(second) != text:
        wrong = next((k for k in described if described[k] != second.get(k)), None)
        raise CheckFailure(
            f"made again from its description {text} it is {json.dumps(second)}",
            where=_field_place(subject, wrong),
        )
    if kind == "callback" and callable(getattr(component, "config", None)) and "factory" not in described:
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        parameters = signature_of(type(component)).parameters.values()
        left_out = [p.name for p in parameters if p.kind in kinds and p.name not in described]
        if left_out:
            raise CheckFailure(
                f"config() leaves out {left_out[0]!r}, so a run that is loaded has its default",
                "let config() return every argument of the constructor",
                subject.author.definition("config"),
            )
    if isinstance(component, Module) or not dataclasses.is_dataclass(component):
        return
    try:
        hash(component)
    except TypeError as error:
        raise CheckFailure(
            f"it has no hash ({error}), so it cannot be a key or be compared with what was saved",
            "write @dataclass(frozen=True), and tuples for options that are lists, dicts or arrays",
            _field_place(subject, _culprit(subject)),
        ) from None
    if not equal(again, component):
        wrong = next(
            (
                f.name
                for f in dataclasses.fields(component)
                if f.init and not equal(getattr(again, f.name), getattr(component, f.name))
            ),
            None,
        )
        given = (
            f": {wrong} is {getattr(again, wrong)!r} instead of {getattr(component, wrong)!r}"
            if wrong
            else ""
        )
        raise CheckFailure(
            f"made again from its description {text} it is not equal to itself{given}",
            where=_field_place(subject, wrong),
        )


def equal(a: Any, b: Any) -> bool:
    """Whether two options are equal, arrays too, and NaN equals NaN."""
    try:
        if is_array(a) or is_array(b):
            return bool(fingerprint(a) == fingerprint(b))
        return bool(a == b or (a != a and b != b) or repr(a) == repr(b))
    except Exception:
        return False


def _culprit(subject: Subject) -> str | None:
    """The option whose value is of a kind that cannot be described or hashed."""
    component = subject.component
    if not dataclasses.is_dataclass(component):
        return None
    for f in dataclasses.fields(component):
        value = getattr(component, f.name, None)
        try:
            hash(value)
        except TypeError:
            return f.name
    for f in dataclasses.fields(component):
        value = getattr(component, f.name, None)
        if not isinstance(value, bool | int | float | str | tuple | type(None)):
            return f.name
    return None


def _field_place(subject: Subject, name: str | None) -> tuple[str, int] | None:
    """The line on which a class has the field, or an assignment to the attribute."""
    place = subject.author.definition()
    if place is None or name is None:
        return place
    for owner in subject.author.owners:
        node = patterns.in_class(place[0], getattr(owner, "__name__", ""))
        for statement in node.body if node is not None else ():
            target = getattr(statement, "target", None) or next(iter(getattr(statement, "targets", [])), None)
            if getattr(target, "id", None) == name:
                return place[0], statement.lineno
    return place


@contextlib.contextmanager
def named(subject: Subject) -> Iterator[str]:
    """A block in which the component's class is registered, if it was not before."""
    cls = type(subject.component)
    try:
        yield registry.name_of(cls, subject.kind)
        return
    except UnknownNameError:
        pass
    name = "checked_" + "".join(c if c.isalnum() else "_" for c in cls.__name__).lower()
    with registry.registered({subject.kind: {name: cls}}):
        yield name


def plain_state(value: Any, depth: int = 0) -> Any:
    """What an object remembers, as plain values that can be compared; what cannot be is left out."""
    if isinstance(value, bool | int | float | str | bytes | type(None)):
        return repr(value)
    if is_array(value) or isinstance(value, np.generic):
        return fingerprint(value)
    if depth > 4:
        return None
    if isinstance(value, dict):
        return {str(k): plain_state(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        parts = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [plain_state(v, depth + 1) for v in parts]
    if hasattr(value, "popleft"):
        return [plain_state(v, depth + 1) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: plain_state(getattr(value, f.name, None), depth + 1) for f in dataclasses.fields(value)
        }
    return None

"""Whose code is whose: the files of a component's author, among all that runs when it is checked."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import learnkit

__all__ = ["Author"]

_LEARNKIT = Path(learnkit.__file__).resolve().parent


class Author:
    """The files that the author of a component can change.

    They are the files of its class and its base classes, of the functions and components that it holds, and
    the packages these are in. learnkit's own files count only for learnkit's own components.

    Args:
        component: an object, a class or a function.
    """

    def __init__(self, component: Any) -> None:
        owners = _owners(component)
        theirs = [o for o in owners if not _is_learnkit(o)]
        module = str(getattr(component, "__module__", None) or type(component).__module__)
        builtin = module.split(".")[0] == "learnkit"
        self.owners: list[Any] = theirs or (owners[:1] if builtin else [])
        self._files: set[str] = set()
        self._folders: list[str] = []
        for owner in self.owners:
            self._add(owner)
        self._known: dict[str, bool] = {}

    def _add(self, owner: Any) -> None:
        file = _file_of(owner)
        if file is None:
            return
        self._files.add(file)
        package = str(getattr(owner, "__module__", "")).split(".")[0]
        folder = Path(file).parent
        while package and folder.name and folder.name != package:
            folder = folder.parent
        if _is_learnkit(owner):
            self._folders.append(str(Path(file).parent))
        elif package and folder.name == package and (folder / "__init__.py").is_file():
            self._folders.append(str(folder))

    def owns(self, filename: str) -> bool:
        """Whether the file is the author's."""
        known = self._known.get(filename)
        if known is None:
            path = filename if filename.startswith("<") else _resolved(filename)
            known = path in self._files or any(path.startswith(folder + "/") for folder in self._folders)
            known = known or any(path.startswith(folder + "\\") for folder in self._folders)
            self._known[filename] = known
        return known

    def place_of(self, error: BaseException) -> tuple[str, int] | None:
        """File and line of the author's code that was under way when ``error`` was raised."""
        found = None
        trace = error.__traceback__
        while trace is not None:
            if self.owns(trace.tb_frame.f_code.co_filename):
                found = trace.tb_frame.f_code.co_filename, trace.tb_lineno
            trace = trace.tb_next
        if found is None and error.__cause__ is not None:
            return self.place_of(error.__cause__)
        return found

    def definition(self, *methods: str) -> tuple[str, int] | None:
        """Where the first of ``methods`` that the author wrote begins, or else the component itself."""
        for method in methods:
            for owner in self.owners:
                function = vars(owner).get(method) if inspect.isclass(owner) else None
                code = code_of(function)
                if code is not None and self.owns(code.co_filename):
                    return code.co_filename, code.co_firstlineno
        for owner in self.owners:
            try:
                _, line = inspect.getsourcelines(owner)
                file = inspect.getsourcefile(owner)
            except (OSError, TypeError):
                continue
            if file is not None:
                return file, max(line, 1)
        return None

    def owns_frame(self, frame: FrameType) -> bool:
        """Whether the code that runs in ``frame`` is the author's."""
        return self.owns(frame.f_code.co_filename)


def code_of(function: Any) -> CodeType | None:
    """The code of a function, however it is wrapped; ``None`` of what has none."""
    if isinstance(function, property):
        function = function.fget
    if isinstance(function, staticmethod | classmethod):
        function = function.__func__
    if isinstance(function, functools.cached_property):
        function = function.func
    function = inspect.unwrap(function) if callable(function) else function
    found = getattr(function, "__code__", None)
    return found if isinstance(found, CodeType) else None


def _owners(component: Any, depth: int = 0) -> list[Any]:
    """Classes and functions that the component is made of, its own class first."""
    if isinstance(component, functools.partial):
        return _owners(component.func, depth)
    if inspect.isroutine(component):
        return [inspect.unwrap(component)]
    cls = component if inspect.isclass(component) else type(component)
    found = [c for c in cls.__mro__ if c is not object and _file_of(c) is not None]
    function = getattr(cls, "_function", None)  # a component that is made of a function
    if inspect.isroutine(function) or isinstance(function, functools.partial):
        found = [*_owners(function, depth + 1), *found]
    if inspect.isclass(component) or depth > 3:
        return found
    held = getattr(component, "__dict__", {})
    for value in _flat(held.values()):
        if inspect.isroutine(value) or inspect.isclass(value) or hasattr(type(value), "__dataclass_fields__"):
            found += _owners(value, depth + 1)
        elif hasattr(value, "callback") and callable(value.callback):  # a click command
            found += _owners(value.callback, depth + 1)
        elif type(value).__module__.split(".")[0] not in sys.stdlib_module_names | {"numpy"}:
            found += [c for c in type(value).__mro__ if _file_of(c) is not None] if depth < 3 else []
    return found


def _flat(values: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for value in values:
        if isinstance(value, dict):
            flat += _flat(value.values())
        elif isinstance(value, list | tuple | set):
            flat += _flat(value) if len(value) < 50 else []
        elif not isinstance(value, str | bytes | int | float | complex | type(None)):
            flat.append(value)
    return flat


def _is_learnkit(owner: Any) -> bool:
    file = _file_of(owner)
    return file is not None and Path(file).is_relative_to(_LEARNKIT)


def _file_of(owner: Any) -> str | None:
    code = code_of(owner) if not inspect.isclass(owner) else None
    if code is not None:
        return code.co_filename if code.co_filename.startswith("<") else _resolved(code.co_filename)
    if not inspect.isclass(owner):
        owner = type(owner)
    if owner.__module__ in ("builtins", "abc", "typing", "enum"):
        return None
    for value in vars(owner).values():  # right even where the module is not in sys.modules
        if not inspect.isfunction(value) or value.__module__ != owner.__module__:
            continue
        code = code_of(value)
        if code is not None and not code.co_filename.startswith("<"):
            return _resolved(code.co_filename)
    try:
        file = inspect.getsourcefile(owner)
    except (OSError, TypeError):
        return None
    return None if file is None else _resolved(file)


@functools.cache
def _resolved(filename: str) -> str:
    return str(Path(filename).resolve())

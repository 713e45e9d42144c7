"""Trees: arrays in nested lists, tuples and dicts, and models, as one flat list of leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from learnkit.backends.base import Array

__all__ = ["Leaves", "Substitutable", "flatten"]


class Substitutable(Protocol):
    """What a model offers so that it can be differentiated: named leaves that can stand in for a while."""

    def leaves(self) -> dict[str, Array]:
        """The differentiable arrays by dotted path."""

    def substituted(self, values: dict[str, Array]) -> AbstractContextManager[None]:
        """A block in which the leaves read as ``values``."""


def is_substitutable(x: Any) -> bool:
    """Whether ``x`` is a model. Asked of every leaf, where ``isinstance`` with a protocol is too slow."""
    t = type(x)
    return hasattr(t, "substituted") and hasattr(t, "leaves")


class Leaves:
    """The leaves of a tree, with their paths and the way back. Dicts are walked in the order of their keys.

    Attributes:
        paths: for instance ``"[0].weight"``, for error messages.
        values: the arrays.
    """

    def __init__(self, tree: Any, name: str = "") -> None:
        self.tree = tree
        self._name = name
        self.paths: list[str] = []
        self.values: list[Array] = []
        for path, value in _walk(tree, ""):
            self.paths.append(path)
            self.values.append(value)

    @property
    def named(self) -> list[str]:
        """The paths for messages: those of a model as they are, others behind the name of the argument."""
        return self.paths if is_substitutable(self.tree) else [self._name + p for p in self.paths]

    def rebuild(self, values: list[Any]) -> Any:
        """The same tree with other leaves; a model becomes a dict of its leaf paths."""
        return _rebuild(self.tree, iter(values))

    def bound(self, values: list[Any]) -> tuple[Any, AbstractContextManager[None]]:
        """The tree to call a function with, and the block to call it in."""
        if is_substitutable(self.tree):
            return self.tree, self.tree.substituted(dict(zip(self.paths, values, strict=True)))
        return self.rebuild(values), nullcontext()


#: Types found to be those of leaves: asking again for each of a thousand arrays would take longer.
_leaf_types: set[type] = set()


def _walk(tree: Any, path: str) -> Iterator[tuple[str, Array]]:
    if type(tree) in _leaf_types:
        yield path, tree
    elif isinstance(tree, dict):
        for key in _ordered(tree):
            yield from _walk(tree[key], f"{path}[{key!r}]")
    elif isinstance(tree, (list, tuple)):
        for i, value in enumerate(tree):
            yield from _walk(value, f"{path}[{i}]")
    elif is_substitutable(tree):
        leaves = tree.leaves()
        for name in _ordered(leaves):
            yield name, leaves[name]
    else:
        _leaf_types.add(type(tree))
        yield path, tree


def _ordered(keys: Iterable[Any]) -> list[Any]:
    """Keys in an order that does not depend on how the dict came about, so that two trees pair by name."""
    try:
        return sorted(keys)
    except TypeError:  # keys of several types
        return sorted(keys, key=lambda key: (type(key).__name__, repr(key)))


def _rebuild(tree: Any, values: Iterator[Any]) -> Any:
    if type(tree) in _leaf_types:
        return next(values)
    if isinstance(tree, dict):
        built = {key: _rebuild(tree[key], values) for key in _ordered(tree)}
        return {key: built[key] for key in tree}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_rebuild(value, values) for value in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(_rebuild(value, values) for value in tree)
    if is_substitutable(tree):
        leaves = tree.leaves()
        found = {path: next(values) for path in _ordered(leaves)}
        return {path: found[path] for path in leaves}
    return next(values)


def flatten(tree: Any) -> tuple[list[Array], Callable[[list[Any]], Any]]:
    """The leaves of ``tree``, and the function that builds a tree like it from other leaves."""
    leaves = Leaves(tree)
    return leaves.values, leaves.rebuild

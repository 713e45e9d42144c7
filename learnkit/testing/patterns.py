"""Mistakes that can be seen in the source: what stands at a line, and what to write there instead.

A check that fails knows that something is wrong, and often on which line it came to light. What stands there,
and what should, is read from the source.
"""

from __future__ import annotations

import ast
import functools
import linecache

from learnkit.testing.constructs import RULES, imported_names
from learnkit.testing.remedies import REMEDIES, Spot

__all__ = ["REMEDIES", "Spot", "at", "function_around", "in_class", "near", "spots"]


def _text(file: str) -> str:
    """The source, of a cell of a notebook too."""
    linecache.checkcache(file)
    return "".join(linecache.getlines(file))


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def _tree(file: str) -> ast.Module | None:
    return _parsed(_text(file))


def spots(file: str) -> tuple[Spot, ...]:
    """All constructs of a file that may be mistakes, in the order of their lines."""
    return _spots_in(_text(file))


@functools.lru_cache(maxsize=64)
def _spots_in(text: str) -> tuple[Spot, ...]:
    tree = _parsed(text)
    if tree is None:
        return ()
    modules = imported_names(tree)
    found: list[Spot] = []
    for node in ast.walk(tree):
        for rule in RULES:
            found.extend(rule(node, modules))
    return tuple(sorted(found, key=lambda spot: spot.line))


def at(file: str, line: int, *sorts: str) -> Spot | None:
    """The construct of one of ``sorts`` at a line, the first sort first; of any sort if none is named."""
    here = [s for s in spots(file) if s.line <= line <= s.end]
    for sort in sorts or tuple(REMEDIES):
        fitting = [s for s in here if s.sort == sort]
        if fitting:
            return min(fitting, key=lambda s: s.end - s.line)
    return None


def near(file: str, line: int, *sorts: str) -> Spot | None:
    """The nearest construct of one of ``sorts`` at a line or before it, within the same function."""
    first, last = function_around(file, line)
    inside = [s for s in spots(file) if s.sort in sorts and first <= s.line <= last]
    before = [s for s in inside if s.line <= line]
    if before:
        return max(before, key=lambda s: (s.line, -sorts.index(s.sort)))
    return min(inside, key=lambda s: s.line, default=None)


def function_around(file: str, line: int) -> tuple[int, int]:
    """First and last line of the innermost function that holds a line, or of the file."""
    best = (1, 10**9)
    tree = _tree(file)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            first, last = node.lineno, node.end_lineno or node.lineno
            if first <= line <= last and last - first < best[1] - best[0]:
                best = first, last
    return best


def in_class(file: str, name: str) -> ast.ClassDef | None:
    """The definition of a class."""
    tree = _tree(file)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    return None

"""Choosing leaves: by a pattern of their dotted paths, or by their number of axes."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from fnmatch import fnmatchcase

from learnkit.backends.layout import Layout
from learnkit.errors import ArgumentError, did_you_mean

__all__ = ["check_pattern", "matches", "runs", "selection"]

_AXES = re.compile(r"ndim\s*(<=|>=|==|<|>)\s*(\d+)")
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}


def check_pattern(owner: str, pattern: object) -> None:
    """Check that ``pattern`` is a pattern of :func:`matches`.

    Raises:
        ArgumentError: it is not.
    """
    if not isinstance(pattern, str) or not pattern:
        raise ArgumentError(
            f"{owner}: {pattern!r} is no pattern, expected one like '*.bias', '0.*', 'ndim<=1' or 'matrix'"
        )


def matches(pattern: str, path: str, shape: tuple[int, ...]) -> bool:
    """Whether a leaf fits a pattern.

    Args:
        pattern: a dotted path with the wild cards ``*``, ``?`` and ``[...]``; ``"ndim<=1"`` and the like,
            for the number of axes; ``"matrix"`` for ``"ndim>=2"``.

    >>> matches("*.bias", "0.bias", (3,)), matches("ndim<=1", "0.weight", (2, 3))
    (True, False)
    """
    found = _AXES.fullmatch(pattern if pattern != "matrix" else "ndim>=2")
    if found:
        return _COMPARE[found[1]](len(shape), int(found[2]))
    return path == pattern or fnmatchcase(path, pattern)


def selection(owner: str, patterns: Sequence[str], layout: Layout) -> tuple[bool, ...]:
    """For each leaf whether it fits one of the patterns.

    Raises:
        ArgumentError: a pattern of paths fits no leaf; near ones are named.
    """
    fits = [[matches(p, *leaf) for leaf in zip(layout.paths, layout.shapes, strict=True)] for p in patterns]
    for pattern, found in zip(patterns, fits, strict=True):
        if layout.paths and not any(found) and not _AXES.fullmatch(pattern) and pattern != "matrix":
            raise ArgumentError(
                f"{owner}: no parameter fits the pattern {pattern!r}{did_you_mean(pattern, _near(layout))}",
                hint=f"parameters: {_listed(layout)}",
            )
    return tuple(any(column) for column in zip(*fits, strict=True)) if fits else (False,) * len(layout.paths)


def runs(labels: Sequence[Hashable], layout: Layout) -> Iterator[tuple[Hashable, int, int]]:
    """Stretches of the vector whose leaves have equal labels: label, start, stop. Empty ones are left out.

    >>> list(runs("aab", Layout(("x", "y", "z"), ((2,), (3,), (4,)))))
    [('a', 0, 5), ('b', 5, 9)]
    """
    first, begin, end = None, 0, 0
    for label, (start, stop) in zip(labels, layout.bounds, strict=True):
        if label != first:
            if end > begin:
                yield first, begin, end
            first, begin = label, start
        end = stop
    if end > begin:
        yield first, begin, end


def _near(layout: Layout) -> list[str]:
    """What a mistaken pattern may have meant: paths, and patterns for the ends and beginnings of paths."""
    ends = {f"*.{path.rsplit('.', 1)[-1]}" for path in layout.paths if "." in path}
    starts = {f"{path.split('.', 1)[0]}.*" for path in layout.paths if "." in path}
    return [*layout.paths, *sorted(ends), *sorted(starts)]


def _listed(layout: Layout) -> str:
    shown = [path or "(the only one)" for path in layout.paths[:10]]
    return ", ".join(shown) + (f" and {len(layout.paths) - 10} more" if len(layout.paths) > 10 else "")

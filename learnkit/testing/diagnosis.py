"""From what went wrong to the line that the author should change, and how."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from learnkit.autodiff import plain_value
from learnkit.testing import patterns
from learnkit.testing.author import Author
from learnkit.testing.results import CheckFailure
from learnkit.testing.tracing import Place, first_difference, first_line, last_lines, lines_run

__all__ = ["Diagnosis", "diagnose", "fingerprint", "is_array", "returned", "where_different", "where_spot"]

#: Mistakes that are certain wherever they stand in array code.
_SURE = ("mask_write", "mask_read", "host", "math", "numpy", "method", "clip", "dynamic", "item_write")
_OPERATORS = (
    "a library may refuse array * variable, with the variable on the right: write xp.multiply(a, b), "
    "xp.subtract(a, b), ... of xp = array_namespace(y_pred, y_true), or put the variable on the left"
)
_MASKS = "a mask is no number: choose with xp.where(mask, x, 0.0), or make it one, xp.astype(mask, x.dtype)"
#: Words of an exception, and the sorts of mistake that they speak of, likeliest first.
_WORDS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("bool(",), ("control", "builtin", "host", "mask_read")),
    (("float(x)", "int(x)", "complex(x)", ".item", ".tolist", ".get(", "float()", "int()"), ("host", "math")),
    (("through a mask", "boolean_indexing", "boolean index", "mask"), ("mask_write", "mask_read")),
    (("data-dependent", "cupy.nonzero", "cupy.unique", "cupy.where", "cupy.argwhere"), ("dynamic",)),
    (
        ("two different devices", "same device", "different device", "on the device", "expected all tensors"),
        ("creation", "numpy"),
    ),
    (("assign", "read-only", "item assignment"), ("mask_write", "item_write", "inplace", "numpy")),
    (("attribute",), ("method", "host", "numpy", "clip", "detach")),
    (
        ("numpy array", "implicit conversion", "unsupported type", "mixed", "expected an array", "ufunc"),
        ("numpy", "math", "host", "creation"),
    ),
    (("promoted", "dtype", "cast"), ("integer", "creation", "wide", "numpy")),
)


class Diagnosis:
    """What is said of a failure.

    Attributes:
        message, remedy: in words.
        place: in the author's code, or ``None``.
        trace: the traceback, if the author's code raised.
    """

    def __init__(self, message: str, remedy: str, place: Place | None, trace: str = "") -> None:
        self.message = message
        self.remedy = remedy
        self.place = place
        self.trace = trace


def diagnose(author: Author, error: BaseException, remedy: str) -> Diagnosis:
    """What an exception says, the author's line, and the remedy for what stands there.

    Args:
        author: whose component raised it.
        error: from a check, or from the component.
        remedy: that of the check, where nothing better is known.
    """
    if isinstance(error, CheckFailure):
        return Diagnosis(error.message, error.remedy or remedy, error.where or author.definition())
    message = f"{type(error).__name__}: {' '.join(str(error).split())}"
    trace = _from_author_on(author, error)
    place = author.place_of(error)
    if place is None:
        return Diagnosis(message, remedy, author.definition(), trace)
    text = f"{type(error).__name__} {error}".lower()
    if "variable.variable" in text and place is not None:
        return Diagnosis(message, _OPERATORS, place, trace)
    if "only numeric dtypes" in text:
        return Diagnosis(message, _MASKS, place, trace)
    for words, sorts in _WORDS:
        if any(word in text for word in words):
            spot = patterns.at(*place, *sorts)
            if spot is None and "creation" in sorts:
                made = [s for s in ("numpy", "creation") if s in sorts]
                spot = patterns.near(*place, *made) or _anywhere(author, place[0], *made)
            if spot is not None:
                return Diagnosis(message, spot.remedy, (place[0], spot.line), trace)
    spot = None if isinstance(error, ImportError | NameError | KeyError) else patterns.at(*place, *_SURE)
    if spot is not None:
        return Diagnosis(message, spot.remedy, (place[0], spot.line), trace)
    hint = getattr(error, "hint", None)
    return Diagnosis(message, hint or remedy, place, trace)


def _anywhere(author: Author, file: str, *sorts: str) -> patterns.Spot | None:
    """The first construct of one of ``sorts`` in the classes of the author's component."""
    for owner in author.owners:
        node = patterns.in_class(file, getattr(owner, "__name__", ""))
        if node is None:
            continue
        for spot in patterns.spots(file):
            if spot.sort in sorts and node.lineno <= spot.line <= (node.end_lineno or spot.line):
                return spot
    return None


def _from_author_on(author: Author, error: BaseException) -> str:
    """The traceback without what stands before the author's code."""
    first = error.__traceback__
    while first is not None and not author.owns(first.tb_frame.f_code.co_filename):
        first = first.tb_next
    if first is None:
        return "".join(traceback.format_exception(error))
    return "".join(traceback.format_exception(type(error), error, first, chain=False))


def is_array(value: Any) -> bool:
    """Whether a value is an array, or a variable."""
    if isinstance(value, type | np.generic):
        return False
    return hasattr(value, "dtype") and isinstance(getattr(value, "shape", None), tuple)


def fingerprint(value: Any) -> Any:
    """What two values are compared by: bits of arrays, and plain numbers and texts; ``None`` for others."""
    value = plain_value(value)
    if isinstance(value, np.ndarray | np.generic):
        return str(value.dtype), value.shape, np.asarray(value).tobytes()
    if isinstance(value, bool | int | float | str):
        return type(value).__name__, repr(value)
    if isinstance(value, tuple | list) and value:
        parts = tuple(fingerprint(v) for v in value)
        return None if any(p is None for p in parts) else parts
    return None


def where_different(
    author: Author, one: Callable[[], Any], other: Callable[[], Any]
) -> tuple[Place | None, str | None]:
    """Where two runs that should agree part, and the remedy: the line keeps or draws what it should not."""
    place = first_difference(author, one, other, fingerprint)
    run = lines_run(author, one)
    for sort in ("random", "state"):
        spot = where_spot(run, sort)
        if spot is not None:
            return (spot[0], spot[1].line), spot[1].remedy
    return place, patterns.REMEDIES["state"]


def where_spot(lines: list[Place], *sorts: str) -> tuple[str, patterns.Spot] | None:
    """The first of the lines that holds a construct of one of ``sorts``, the first sort first."""
    for sort in sorts:
        for file, line in lines:
            spot = patterns.at(file, line, sort)
            if spot is not None:
                return file, spot
    return None


def returned(author: Author, call: Callable[[], Any], method: str | None = None) -> Place | None:
    """Where the author's outermost function returns; if none runs, where the component is defined."""
    lines = last_lines(author, call)
    if lines:
        return lines[-1]
    return author.definition(*([method] if method else []))


def where_first(author: Author, call: Callable[[], Any], wrong: Callable[[Any], bool]) -> Place | None:
    """The first of the author's lines after which an array is wrong."""

    def holds(value: Any, depth: int = 0) -> bool:
        if is_array(value) or isinstance(value, np.floating):
            return wrong(value)
        if isinstance(value, dict) and depth < 2:
            value = list(value.values())
        return isinstance(value, tuple | list) and depth < 2 and any(holds(v, depth + 1) for v in value[:16])

    return first_line(author, call, lambda name, value: bool(name) and holds(value))

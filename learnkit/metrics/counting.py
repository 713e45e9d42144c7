"""Decisions between classes, counted on the device without waiting for it."""

from __future__ import annotations

from typing import Any, NamedTuple

import array_api_compat

from learnkit.backends.base import array_namespace, kernels_of
from learnkit.metrics.base import count, in_double
from learnkit.metrics.classes import Examples

__all__ = [
    "Decisions",
    "binary_numbers",
    "class_counts",
    "confusion",
    "decided",
    "histogram",
    "number_of",
    "outside_of",
]


class Decisions(NamedTuple):
    """What was decided, and what was right.

    Attributes:
        guess, truth: (n,) class numbers as int64, or (n, labels) bool for several labels.
        classes: how many.
        weight: (n,) float64 or ``None``.
        kept: (n,) bool or ``None``.
    """

    guess: Any
    truth: Any
    classes: int
    weight: Any | None
    kept: Any | None


def decided(examples: Examples, cut: float) -> Decisions:
    """The class of the largest score, of equal ones the first; or class 1 for a score above ``cut``."""
    task, scores, truth, weight, kept = examples
    xp = array_namespace(scores, truth)
    if task == "multiclass":
        guess = xp.argmax(scores, axis=1)
        truth = xp.argmax(truth, axis=1) if len(truth.shape) == 2 else truth
    elif task == "multilabel":
        above = xp.greater(scores, xp.full_like(scores, cut))
        return Decisions(above, _is_one(truth), examples.classes, weight, kept)
    else:
        guess = xp.greater(scores, xp.full_like(scores, cut))
        truth = binary_numbers(truth)
    guess, truth = (xp.astype(y, xp.int64, copy=False) for y in (guess, truth))
    return Decisions(guess, truth, examples.classes, weight, kept)


def _is_one(truth: Any) -> Any:
    xp = array_namespace(truth)
    wide = in_double(truth)
    return xp.greater(wide, xp.full_like(wide, 0.5))


def binary_numbers(truth: Any) -> Any:
    """0 or 1 for targets of two classes, and 2 for what is in neither (below -1 or above 1)."""
    xp = array_namespace(truth)
    wide = in_double(truth)
    size = xp.abs(wide)
    outside = xp.greater(size, xp.ones_like(size))
    one = xp.astype(_is_one(truth), xp.int64)
    return xp.where(outside, xp.full_like(one, 2), one)


def outside_of(numbers: Any, classes: int) -> Any:
    """Where class numbers are not in [0, classes)."""
    xp = array_namespace(numbers)
    below = xp.less(numbers, xp.zeros_like(numbers))
    return xp.logical_or(below, xp.greater_equal(numbers, xp.full_like(numbers, classes)))


def number_of(flags: Any) -> Any:
    """How many of them are true, as a 0-d float64 array."""
    return array_namespace(flags).sum(in_double(flags))


def histogram(index: Any, size: int, values: Any | None = None) -> Any:
    """Sums of ``values`` (or numbers) by ``index``, an int64 vector in [0, size), as float64 (size,)."""
    xp = array_namespace(index)
    device = array_api_compat.device(index)
    if values is None:
        values = xp.ones(index.shape, dtype=xp.float64, device=device)
    zero = xp.zeros((size,), dtype=xp.float64, device=device)
    return kernels_of(zero).index_add(zero, index, values)


def class_counts(decisions: Decisions) -> tuple[Any, Any, Any]:
    """Counts of each class, all decisions, and class numbers out of range.

    Returns:
        ``counts`` (4, classes): right, predicted, true, and without weights predicted or true; then the sum
        of the weights and the number of targets outside, both 0-d. All in float64.
    """
    guess, truth, k, weight, kept = decisions
    xp = array_namespace(guess)
    n = guess.shape[0]
    if len(guess.shape) == 2:
        w = (
            weight
            if weight is not None
            else xp.ones((n,), dtype=xp.float64, device=array_api_compat.device(guess))
        )
        row = xp.expand_dims(w, axis=0)
        right, said, true = (
            xp.matmul(row, in_double(x))[0, :] for x in (xp.logical_and(guess, truth), guess, truth)
        )
        return xp.stack([right, said, true, xp.full_like(true, float(n))]), xp.sum(w), count(guess, 0)
    outside = outside_of(truth, k)
    lost = outside if kept is None else xp.logical_and(outside, kept)
    spare = xp.full_like(truth, k)  # what does not count goes to a place behind the last class
    counts = outside if kept is None else xp.logical_or(outside, xp.logical_not(kept))
    true = xp.where(counts, spare, truth)
    said = xp.where(counts, spare, guess)
    right = xp.where(xp.equal(true, said), true, spare)
    rows = [histogram(x, k + 1, weight) for x in (right, said, true)]
    seen = rows[1] + rows[2] if weight is None else histogram(said, k + 1) + histogram(true, k + 1)
    table = xp.stack([*rows, seen])[:, :k]
    return table, xp.sum(table[2, :]), number_of(lost)


def confusion(decisions: Decisions) -> tuple[Any, Any]:
    """The matrix (classes, classes) of true by predicted class, and how many targets are outside."""
    guess, truth, k, weight, kept = decisions
    xp = array_namespace(guess)
    outside = outside_of(truth, k)
    lost = outside if kept is None else xp.logical_and(outside, kept)
    place = xp.where(outside, xp.full_like(truth, k * k), truth * k + guess)
    flat = histogram(place, k * k + 1, weight)
    return xp.reshape(flat[: k * k], (k, k)), number_of(lost)

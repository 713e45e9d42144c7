"""Cutting rows into a training part and held-out parts: pure functions of (rows, fractions, seed)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnkit.data.batches import random_order
from learnkit.errors import ArgumentError, DataError

__all__ = ["random_split", "stratified_split"]

ROW_STREAM = int.from_bytes(b"split", "big")
CLASS_STREAM = int.from_bytes(b"strata", "big")


def random_split(n: int, fractions: Sequence[float], seed: int) -> tuple[NDArray[np.int64], ...]:
    """Cut ``n`` rows at random.

    Args:
        n: number of rows.
        fractions: the share of each held-out part, each in (0, 1), together less than 1.
        seed: 0 <= seed < 2**64.

    Returns:
        The indices of the training part and of each held-out part, shuffled. A held-out part has
        ``round(fraction * n)`` rows, but at least one.

    Raises:
        ArgumentError: a fraction or the seed is out of range.
        DataError: there are too few rows for every part to have one.

    >>> [len(part) for part in random_split(10, [0.2, 0.1], seed=0)]
    [7, 2, 1]
    """
    counts = _counts(n, fractions)
    order = random_order(n, seed=seed, stream=ROW_STREAM)
    ends = np.cumsum([n - sum(counts), *counts])
    return tuple(np.split(order, ends[:-1]))


def stratified_split(
    labels: NDArray[Any], fractions: Sequence[float], seed: int
) -> tuple[NDArray[np.int64], ...]:
    """Cut rows at random so that every part has each class in its share, within one row.

    The rows are laid out class after class, in random order within a class and with the classes in random
    order; each held-out part takes rows from this line at equal distances. Every class with at least two
    rows keeps at least one in the training part.

    Args:
        labels: (n,) the class of each row.
        fractions: the share of each held-out part, each in (0, 1), together less than 1.
        seed: 0 <= seed < 2**64.

    Returns:
        The indices of the training part and of each held-out part, shuffled. A held-out part has
        ``round(fraction * n)`` rows, at least one, fewer only where the training part needs a class's rows.

    Raises:
        ArgumentError: ``labels`` is not a vector, or a fraction or the seed is out of range.
        DataError: there are too few rows for every part to have one.

    >>> labels = np.array(["a"] * 8 + ["b"] * 4)
    >>> train, test = stratified_split(labels, [0.25], seed=0)
    >>> sorted(labels[test].tolist())
    ['a', 'a', 'b']
    """
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ArgumentError(f"labels must be a vector, got an array of shape {labels.shape}")
    n = len(labels)
    counts = _counts(n, fractions)
    shuffled = random_order(n, seed=seed, stream=ROW_STREAM)
    _, codes = np.unique(labels, return_inverse=True)
    classes = random_order(int(codes.max()) + 1, seed=seed, stream=CLASS_STREAM)
    line = shuffled[np.argsort(classes[codes[shuffled]], kind="stable")]
    parts = []
    for count in counts:
        # Row i of the line is taken where floor((i + 1) * count / rows + 1/2) steps up: `count` times in all.
        steps = (np.arange(len(line) + 1, dtype=np.int64) * (2 * count) + len(line)) // (2 * len(line))
        taken = np.diff(steps) > 0
        parts.append(line[taken])
        line = line[~taken]
    line, parts = _restore_classes(line, parts, codes)
    place = np.empty(n, dtype=np.int64)
    place[shuffled] = np.arange(n)
    return tuple(part[np.argsort(place[part])] for part in (line, *parts))


def _restore_classes(
    train: NDArray[np.int64], parts: list[NDArray[np.int64]], codes: NDArray[np.intp]
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Move one row of each class that the training part lost, if the class has at least two rows."""
    sizes = np.bincount(codes)
    lost = np.flatnonzero((np.bincount(codes[train], minlength=len(sizes)) == 0) & (sizes >= 2))
    for code in lost:
        largest = max(range(len(parts)), key=lambda p: int((codes[parts[p]] == code).sum()))
        position = int(np.flatnonzero(codes[parts[largest]] == code)[0])
        train = np.append(train, parts[largest][position])
        parts[largest] = np.delete(parts[largest], position)
    if any(len(part) == 0 for part in parts):
        raise DataError(
            f"{len(codes)} rows of {len(sizes)} classes are too few: a held-out part would be empty",
            hint="give more rows, or a smaller fraction to hold out",
        )
    return train, parts


def _counts(n: int, fractions: Sequence[float]) -> list[int]:
    """How many rows each held-out part gets."""
    for fraction in fractions:
        if not (isinstance(fraction, (int, float)) and 0 < fraction < 1):
            raise ArgumentError(f"a fraction must be greater than 0 and less than 1, got {fraction!r}")
    if not fractions or sum(fractions) >= 1:
        raise ArgumentError(
            f"fractions must be given and sum to less than 1, got {list(fractions)}",
            hint="what is left over is the training part",
        )
    counts = [max(1, round(fraction * n)) for fraction in fractions]
    if n - sum(counts) < 1:
        raise DataError(
            f"{n} rows are too few to be cut into a training part and {len(counts)} held-out parts"
        )
    return counts

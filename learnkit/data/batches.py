"""The order in which rows are seen: a pure function of (seed, epoch), so that resuming needs no state.

The order is the stable sort of a counter-based stream of 64-bit words: Philox with the key (seed, stream)
and the counter starting at (0, 0, 0, epoch). NumPy promises the words of a bit generator for good, which it
does not promise for ``Generator.permutation``; so a run resumes in the same order under another NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from learnkit.errors import ArgumentError

__all__ = ["batch_indices", "permutation", "random_order"]

EPOCH_STREAM = int.from_bytes(b"epoch", "big")


def random_order(n: int, *, seed: int, stream: int, counter: int = 0) -> NDArray[np.int64]:
    """The numbers 0 to n - 1 in an order that depends on the arguments only.

    Args:
        n: how many, >= 0.
        seed: 0 <= seed < 2**64.
        stream: a constant of the caller, so that two uses of one seed are independent.
        counter: which order of the stream, 0 <= counter < 2**64.

    Raises:
        ArgumentError: an argument is out of range.
    """
    _check_count("n", n, 0)
    _check_count("seed", seed, 0)
    _check_count("counter", counter, 0)
    words = np.random.Philox(
        key=np.array([seed, stream], dtype=np.uint64), counter=np.array([0, 0, 0, counter], dtype=np.uint64)
    ).random_raw(n)
    return np.argsort(words, kind="stable").astype(np.int64, copy=False)


def permutation(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of ``n`` rows in an epoch.

    Args:
        n: number of rows, >= 0.
        seed: the seed of the run, 0 <= seed < 2**64.
        epoch: the epoch, counted from 0.

    Raises:
        ArgumentError: an argument is out of range.

    >>> permutation(5, seed=0, epoch=0).tolist() == permutation(5, seed=0, epoch=0).tolist()
    True
    >>> sorted(permutation(5, seed=0, epoch=1).tolist())
    [0, 1, 2, 3, 4]
    """
    return random_order(n, seed=seed, stream=EPOCH_STREAM, counter=epoch)


def batch_indices(
    n: int, batch_size: int, *, seed: int, epoch: int, shuffle: bool = True, drop_last: bool = False
) -> Iterator[NDArray[np.int64]]:
    """The row indices of each batch of an epoch, in order; together they name each row once.

    Args:
        n: number of rows, >= 1.
        batch_size: rows in a batch, >= 1; the last batch holds what is left.
        seed: the seed of the run.
        epoch: the epoch, counted from 0. The same (n, seed, epoch) gives the same order.
        shuffle: ``False`` keeps the order 0, 1, 2, ...
        drop_last: leave out a last batch of fewer than ``batch_size`` rows.

    Raises:
        ArgumentError: an argument is out of range, or ``drop_last`` leaves no batch.

    >>> [batch.tolist() for batch in batch_indices(5, 2, seed=0, epoch=0, shuffle=False)]
    [[0, 1], [2, 3], [4]]
    """
    _check_count("n", n, 1)
    _check_count("batch_size", batch_size, 1)
    if drop_last and batch_size > n:
        raise ArgumentError(
            f"batch_size {batch_size} is more than the {n} rows, so drop_last leaves no batch",
            hint="take a smaller batch_size, or drop_last=False",
        )
    order = permutation(n, seed, epoch) if shuffle else np.arange(n, dtype=np.int64)
    end = n - n % batch_size if drop_last else n
    return (order[i : i + batch_size] for i in range(0, end, batch_size))


def _check_count(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ArgumentError(f"{name} must be an integer, got {value!r}")
    if not least <= value < 2**64:
        raise ArgumentError(f"{name} must be at least {least} and below 2**64, got {value}")

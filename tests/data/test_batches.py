"""Batches: each row once an epoch, in an order that is a function of seed and epoch alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnkit.data import batch_indices, permutation
from learnkit.errors import ArgumentError

SEEDS = st.integers(0, 2**64 - 1)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 200),
    size=st.integers(1, 250),
    seed=SEEDS,
    epoch=st.integers(0, 10**6),
    shuffle=st.booleans(),
)
def test_every_row_once(n: int, size: int, seed: int, epoch: int, shuffle: bool) -> None:
    """The batches of an epoch name each row once, and all but the last are full."""
    batches = list(batch_indices(n, size, seed=seed, epoch=epoch, shuffle=shuffle))
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))
    assert [len(b) for b in batches[:-1]] == [size] * (len(batches) - 1)
    assert all(b.dtype == np.int64 for b in batches)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 200), size=st.integers(1, 200), seed=SEEDS)
def test_drop_last(n: int, size: int, seed: int) -> None:
    """Only full batches remain, and they are the first ones."""
    whole = list(batch_indices(n, size, seed=seed, epoch=0))
    if size > n:
        with pytest.raises(ArgumentError, match="drop_last leaves no batch"):
            batch_indices(n, size, seed=seed, epoch=0, drop_last=True)
        return
    full = list(batch_indices(n, size, seed=seed, epoch=0, drop_last=True))
    assert len(full) == n // size
    assert all(np.array_equal(a, b) for a, b in zip(full, whole, strict=False))


def test_order_depends_on_seed_and_epoch() -> None:
    orders = {tuple(permutation(50, seed, epoch).tolist()) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_frozen() -> None:
    """A run resumes in the order it began: these values may never change."""
    assert permutation(10, seed=0, epoch=0).tolist() == EPOCH_0
    assert permutation(10, seed=0, epoch=1).tolist() == EPOCH_1
    assert permutation(10, seed=2**64 - 1, epoch=0).tolist() == LAST_SEED


def test_positions_are_even() -> None:
    """Over many epochs each row is as often first as any other."""
    first = np.array([permutation(8, 0, epoch)[0] for epoch in range(1600)])
    counts = np.bincount(first, minlength=8)
    assert counts.min() > 150
    assert counts.max() < 250


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"n": 0}, "n must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1 and below 2\\*\\*64, got 0"),
        ({"batch_size": 1.5}, "batch_size must be an integer, got 1.5"),
        ({"batch_size": True}, "batch_size must be an integer"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"epoch": -1}, "counter must be at least 0"),
    ],
)
def test_arguments(changed: dict[str, int], says: str) -> None:
    """Wrong arguments are refused at the call, before the first batch is asked for."""
    arguments = {"n": 4, "batch_size": 2, "seed": 0, "epoch": 0, **changed}
    with pytest.raises(ArgumentError, match=says):
        batch_indices(**arguments)


EPOCH_0 = [2, 6, 1, 5, 3, 7, 4, 8, 0, 9]
EPOCH_1 = [0, 9, 7, 2, 5, 6, 4, 3, 1, 8]
LAST_SEED = [5, 6, 0, 8, 1, 7, 2, 4, 3, 9]

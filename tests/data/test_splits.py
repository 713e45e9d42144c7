"""Splits: every row once, the right sizes, classes in their shares, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnkit.data import random_split, stratified_split
from learnkit.errors import ArgumentError, DataError

FRACTIONS = st.lists(st.sampled_from([0.05, 0.1, 0.2, 0.3]), min_size=1, max_size=2)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(4, 300), fractions=FRACTIONS, seed=st.integers(0, 2**64 - 1))
def test_random_split(n: int, fractions: list[float], seed: int) -> None:
    """The parts hold each row once and have the sizes asked for."""
    parts = random_split(n, fractions, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    assert [len(part) for part in parts[1:]] == [max(1, round(f * n)) for f in fractions]


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(5, 60), min_size=2, max_size=8),
    fractions=FRACTIONS,
    seed=st.integers(0, 2**64 - 1),
)
def test_stratified_split(sizes: list[int], fractions: list[float], seed: int) -> None:
    """The parts hold each row once and each class in its share, within two rows; training has every class."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    parts = stratified_split(labels, fractions, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    assert set(labels[parts[0]]) == set(range(len(sizes)))
    for part in parts[1:]:
        share = len(part) / len(labels)
        for label, size in enumerate(sizes):
            assert abs(np.count_nonzero(labels[part] == label) - share * size) < 2


def test_every_class_stays_in_training() -> None:
    """Even where nearly all rows are held out."""
    labels = np.repeat(np.arange(5), 2)
    train, *_ = stratified_split(labels, [0.45, 0.45], seed=3)
    assert set(labels[train]) == set(range(5))


def test_exact_shares() -> None:
    labels = np.array(["b"] * 60 + ["a"] * 30 + ["c"] * 10)
    train, validation, test = stratified_split(labels, [0.1, 0.2], seed=0)
    for part, share in ((train, 7), (validation, 1), (test, 2)):
        values, counts = np.unique(labels[part], return_counts=True)
        assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {
            "a": 3 * share,
            "b": 6 * share,
            "c": share,
        }


def test_pure_and_frozen() -> None:
    """The same arguments give the same rows, for good: these values may never change."""
    assert [p.tolist() for p in random_split(8, [0.25, 0.25], seed=1)] == RANDOM
    assert [p.tolist() for p in stratified_split(np.array([0, 1] * 4), [0.25, 0.25], seed=1)] == STRATIFIED
    assert random_split(8, [0.25], seed=2)[0].tolist() != random_split(8, [0.25], seed=1)[0].tolist()


def test_parts_are_shuffled() -> None:
    train, test = stratified_split(np.repeat([0, 1], 100), [0.2], seed=0)
    for part in (train, test):
        assert part.tolist() != sorted(part.tolist())
        assert 0.2 < (part[: len(part) // 2] < 100).mean() < 0.8


@pytest.mark.parametrize("fractions", [[0], [1], [1.5], [-0.1], ["0.1"], [float("nan")]])
def test_fraction_range(fractions: list[float]) -> None:
    with pytest.raises(ArgumentError, match="a fraction must be greater than 0 and less than 1"):
        random_split(10, fractions, seed=0)


@pytest.mark.parametrize("fractions", [[], [0.5, 0.5], [0.7, 0.4]])
def test_fractions_leave_a_training_part(fractions: list[float]) -> None:
    with pytest.raises(ArgumentError, match="sum to less than 1"):
        stratified_split(np.zeros(10), fractions, seed=0)


def test_too_few_rows() -> None:
    with pytest.raises(DataError, match="2 rows are too few"):
        random_split(2, [0.3, 0.3], seed=0)
    with pytest.raises(DataError, match="a held-out part would be empty"):
        stratified_split(np.array([0, 1, 1, 2, 2]), [0.3, 0.3], seed=0)


def test_labels_are_a_vector() -> None:
    with pytest.raises(ArgumentError, match=r"labels must be a vector, got an array of shape \(4, 2\)"):
        stratified_split(np.zeros((4, 2)), [0.5], seed=0)


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, True])
def test_seed_range(seed: int) -> None:
    with pytest.raises(ArgumentError, match="seed must be"):
        random_split(10, [0.5], seed=seed)


RANDOM = [[1, 2, 3, 5], [0, 7], [4, 6]]
STRATIFIED = [[1, 2, 7, 6], [3, 0], [5, 4]]

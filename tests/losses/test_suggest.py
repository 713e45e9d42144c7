"""Which loss is suggested for which targets, and the sentence that says why."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import learnkit as lk
from learnkit.errors import ArgumentError, DataError
from learnkit.losses import Suggestion, suggest
from learnkit.plugins import registry

rng = np.random.default_rng(2)
NORMAL, TAIL = rng.normal(size=2000), rng.lognormal(size=2000)
CONTAMINATED = np.where(rng.uniform(size=2000) < 0.02, 30.0, 1.0) * NORMAL


def delta_of(suggestion):
    name, _, value = suggestion.loss.partition(":delta=")
    assert name == "huber"
    return float(value)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e6])
@pytest.mark.parametrize("shift", [0.0, -3.0])
def test_numbers(scale, shift):
    """Neither unit nor zero of the targets matters to the choice; delta is in their unit."""
    assert suggest("regression", scale * (NORMAL + shift)).loss == "mse"
    found = suggest("regression", scale * (CONTAMINATED + shift))
    assert delta_of(found) == pytest.approx(1.345 * scale, rel=0.1)
    assert "outliers" in found.reason


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_long_tail_is_no_outlier(sign):
    """Prices, incomes and times lean; what lies far out of a leaning bulk does not."""
    for sigma in (0.5, 1.0, 2.0):
        assert suggest("regression", sign * TAIL**sigma).loss == "mse"
    assert suggest("regression", sign * rng.exponential(size=2000)).loss == "mse"
    assert suggest("regression", np.append(sign * TAIL, [2e3, -3e3])).loss.startswith("huber")


def test_one_typing_error():
    found = suggest("regression", [*range(50, 60), *range(50, 60), 5000.5])
    assert found.loss.startswith("huber:delta=")
    assert found.reason.startswith("4.76% of the targets are outliers")
    assert {name for name, _ in found.alternatives} == {"mae", "mse"}


def test_nothing_is_made_of_little():
    """No verdict without a scale: few rows, equal targets, mostly equal targets."""
    for y in ([1.5, 900.0], [2.5] * 20, [0.0] * 90 + [5.5] * 10, [0.5]):
        assert suggest("regression", y).loss == "mse"


def test_counts():
    assert suggest("regression", rng.poisson(3.0, 500)).loss == "poisson_nll"
    assert suggest("counts", [7, 5, 900]).loss == "poisson_nll"
    assert suggest("regression", rng.poisson(3.0, 500) + 0.5).loss == "mse"
    assert suggest("regression", rng.poisson(3.0, 500) - 5).loss == "mse"
    assert suggest("regression", rng.integers(1, 6, size=500)).loss == "mse"  # grades
    assert suggest("regression", rng.integers(1000, 9000, size=500)).loss == "mse"
    with pytest.raises(DataError, match="counts hold -1, expected numbers >= 0"):
        suggest("counts", [-1, 2])


def test_decades_are_mentioned():
    assert "msle" in dict(suggest("regression", 10 ** rng.uniform(0, 6, size=500)).alternatives)


@pytest.mark.parametrize(
    ("counts", "loss"),
    [
        ((50, 50), "cross_entropy"),
        ((50, 30, 20), "cross_entropy"),
        ((90, 10), "cross_entropy"),
        ((95, 5), "weighted_cross_entropy"),
        ((500, 480, 5), "weighted_cross_entropy"),
        ((50, 0, 50), "cross_entropy"),
        ((50,), "cross_entropy"),
    ],
)
def test_classes(backend, counts, loss):
    labels = np.repeat(np.arange(len(counts)), counts)
    found = suggest("classification", backend.asarray(labels))
    assert found.loss == loss
    if min(counts) > 0 and len(counts) > 1:
        assert suggest("classification", np.eye(len(counts))[labels]).loss == loss
    if loss != "cross_entropy":
        rare = int(np.argmin(counts))
        assert f"class {rare} has {counts[rare]} of {sum(counts)} rows" in found.reason
        assert "focal" in dict(found.alternatives)


def test_classes_have_names():
    found = suggest("classification", [0] * 95 + [1] * 5, names=("ham", "spam"))
    assert found.reason.startswith("class 'spam' has 5 of 100 rows, the largest 19 times as many")


def test_other_answers():
    assert suggest("classification", rng.dirichlet(np.ones(3), size=9)).loss == "cross_entropy"
    assert suggest("binary", [0, 1, 1, 0]).loss == "binary_cross_entropy"
    assert suggest("binary", [0] * 95 + [1] * 5).loss == "binary_focal:alpha=0.25"
    assert suggest("binary", [1] * 95 + [0] * 5).loss == "binary_focal:alpha=0.75"
    assert suggest("multilabel", [[0, 1], [1, 1]]).loss == "binary_cross_entropy"
    assert suggest("multilabel", np.eye(30)).loss == "binary_focal"
    with pytest.raises(DataError, match=r"class numbers hold 2, expected integers in \[0, 2\)"):
        suggest("binary", [0, 1, 2])
    with pytest.raises(DataError, match=r"class numbers hold 0.5, expected integers >= 0"):
        suggest("classification", [0.5, 1.0])


def test_regions():
    masks = np.zeros((2, 10, 10), dtype=int)
    masks[:, :1, :2] = 1
    assert suggest("segmentation", masks).loss == "tversky:alpha=0.3,beta=0.7"
    masks[:, :5] = 1
    assert suggest("segmentation", masks).loss == "dice"
    masks[:, 0] = 2
    found = suggest("segmentation", masks)
    assert found.loss == "dice"
    assert "cross_entropy" in dict(found.alternatives)


def test_comparisons():
    assert suggest("similarity").loss == "triplet"
    assert suggest("similarity", [0, 1, 1]).loss == "contrastive"
    assert suggest("similarity", [-1, 1]).loss == "contrastive"
    assert suggest("similarity", [0, 5, 2]).loss == "nt_xent"
    assert suggest("ranking").loss == "margin_ranking"
    assert suggest("distribution").loss == "kl_divergence"
    assert suggest("sequence").loss == "ctc"


def every_suggestion():
    yield from (suggest(task) for task in ("similarity", "ranking", "distribution", "sequence"))
    for y in (NORMAL, CONTAMINATED, 10 ** rng.uniform(0, 6, size=99), rng.poisson(3.0, 99)):
        yield suggest("regression", y)
    for task, y in (
        ("counts", [1, 2]),
        ("classification", [0, 1]),
        ("classification", [0] * 99 + [1]),
        ("classification", [[0.3, 0.7]]),
        ("binary", [0, 1]),
        ("binary", [0] * 99 + [1]),
        ("multilabel", [[0, 1]]),
        ("multilabel", np.eye(30)),
        ("segmentation", [[0, 1]]),
        ("segmentation", np.eye(30, dtype=int)),
        ("similarity", [0, 1]),
        ("similarity", [0, 9]),
    ):
        yield suggest(task, y)


def test_what_is_suggested_exists():
    """Losses and alternatives are made by the registry as they are written, and each has a reason."""
    for found in every_suggestion():
        for spec in (found.loss, *(name for name, _ in found.alternatives)):
            assert isinstance(registry.create("loss", spec), lk.losses.Loss)
        assert found.reason
        assert all(reason for _, reason in found.alternatives)
        assert str(found) == f"{found.loss}: {found.reason}"


def test_a_suggestion_is_a_value():
    assert suggest("ranking") == suggest("ranking")
    assert isinstance(suggest("ranking"), Suggestion)
    with pytest.raises(dataclasses.FrozenInstanceError):
        suggest("ranking").loss = "mse"


def test_wrong_arguments_are_explained():
    with pytest.raises(
        ArgumentError, match=r"suggest: unknown task 'regresion' \(did you mean 'regression'\?\)"
    ):
        suggest("regresion", [1.0])
    with pytest.raises(ArgumentError, match=r"suggest: regression needs the training targets, got none"):
        suggest("regression")
    with pytest.raises(ArgumentError, match=r"needs the training targets, got no rows"):
        suggest("binary", [])
    with pytest.raises(DataError, match=r"the targets hold nan, expected finite numbers"):
        suggest("regression", [1.0, np.nan])

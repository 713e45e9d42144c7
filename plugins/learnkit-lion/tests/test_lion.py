"""The plugin is found, and its optimizer computes what it says."""

from __future__ import annotations

from typing import Any

import learnkit_lion
import numpy as np
import pytest
from learnkit_lion import CautiousLion

from learnkit.errors import ArgumentError
from learnkit.plugins import records, registry
from learnkit.schedules import Schedule


class Halving(Schedule):
    """1, 1/2, 1/4, ..."""

    def __call__(self, step: int) -> float:
        return 0.5**step


def test_the_plugin_is_installed() -> None:
    (record,) = (record for record in records() if record.distribution == "learnkit-lion")
    assert (record.name, record.status, record.detail) == ("lion", "ok", "")
    assert record.components == {"optimizer": ("cautious_lion",)}
    assert registry.get("optimizer", "cautious_lion") is CautiousLion


def test_it_is_made_from_text_and_described() -> None:
    lion = registry.create("optimizer", "cautious_lion:lr=3e-4,betas=(0.95,0.98)")
    assert lion == CautiousLion(lr=3e-4, betas=(0.95, 0.98))
    description = registry.describe(lion)
    assert description == {
        "kind": "optimizer",
        "name": "cautious_lion",
        "lr": 3e-4,
        "betas": [0.95, 0.98],
        "weight_decay": 0.0,
    }
    assert registry.create("optimizer", description) == lion


def test_three_steps_by_hand() -> None:
    """In the second step the first gradient turns round and its momentum does not yet: it holds still."""
    lion = CautiousLion(lr=0.1, betas=(0.5, 0.75), weight_decay=0.5)
    theta, state = np.asarray([1.0, 0.0]), lion.init(np.asarray([1.0, 0.0]))
    #  g            c = (m + g) / 2    theta - 0.1 (move + 0.5 theta)      m = (3 m + g) / 4
    # [ 4, 0]       [ 2, 0]            [0.85, 0]                           [ 1, 0]
    # [-0.5, 2]     [ 0.25, 1]         [0.8075, -0.1]                      [ 0.625, 0.5]
    # [-2, -0.5]    [-0.6875, 0]       [0.867125, -0.095]                  [-0.03125, 0.25]
    expected = [
        ([4.0, 0.0], [0.85, 0.0], [1.0, 0.0]),
        ([-0.5, 2.0], [0.8075, -0.1], [0.625, 0.5]),
        ([-2.0, -0.5], [0.867125, -0.095], [-0.03125, 0.25]),
    ]
    for grad, theta_after, m_after in expected:
        theta, state = lion.apply(theta, np.asarray(grad), state)
        np.testing.assert_allclose(theta, theta_after, rtol=1e-15, atol=0)
        np.testing.assert_array_equal(state.slots["m"][0], m_after)
    assert state.step == 3


def test_without_decay_every_parameter_moves_by_lr_whatever_its_gradient() -> None:
    lion = CautiousLion(lr=0.25)
    theta = np.asarray([1.0, 1.0, 1.0])
    theta, _ = lion.apply(theta, np.asarray([1e-30, -1e30, 0.0]), lion.init(theta))
    assert theta.tolist() == [0.75, 1.25, 1.0]


def test_lr_and_decay_may_be_schedules() -> None:
    lion = CautiousLion(lr=Halving(), weight_decay=Halving())
    theta = np.asarray([8.0])
    state = lion.init(theta)
    theta, state = lion.apply(theta, np.asarray([1.0]), state)  # 8 - 1 (1 + 1 * 8)
    assert theta.tolist() == [-1.0]
    theta, state = lion.apply(theta, np.asarray([1.0]), state)  # -1 - 0.5 (1 - 0.5 * 1)
    assert theta.tolist() == [-1.25]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_keeps_dtype_shape_and_its_arguments(dtype: str) -> None:
    lion = CautiousLion(weight_decay=0.1)
    theta, grad = np.ones((2, 3), dtype), np.full((2, 3), 0.5, dtype)
    after, state = lion.apply({"w": theta}, {"w": grad}, lion.init({"w": theta}))
    assert (after["w"].dtype, after["w"].shape) == (theta.dtype, theta.shape)
    assert state.slots["m"][0].dtype == theta.dtype
    assert theta.min() == theta.max() == 1
    assert grad.min() == grad.max() == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "CautiousLion: lr is 0.0"),
        ({"lr": -1.0}, "CautiousLion: lr is -1.0"),
        ({"betas": (0.9, 1.0)}, "CautiousLion: betas is (0.9, 1.0), expected two numbers in [0, 1)"),
        ({"betas": (-0.1, 0.9)}, "CautiousLion: betas is (-0.1, 0.9), expected two numbers in [0, 1)"),
        ({"betas": (0.9,)}, "CautiousLion: betas is (0.9,), expected two numbers in [0, 1)"),
        ({"betas": 0.9}, "CautiousLion: betas is 0.9, expected two numbers in [0, 1)"),
        ({"weight_decay": -0.1}, "CautiousLion: weight_decay is -0.1, expected a number >= 0"),
        ({"weight_decay": "a"}, "CautiousLion: weight_decay is 'a', expected a number >= 0"),
        ({"weight_decay": float("nan")}, "CautiousLion: weight_decay is nan, expected a number >= 0"),
    ],
)
def test_a_value_out_of_range_is_refused(options: dict[str, Any], message: str) -> None:
    for make in (
        lambda: CautiousLion(**options),
        lambda: registry.create("optimizer", {"name": "cautious_lion", **options}),
    ):
        with pytest.raises(ArgumentError) as info:
            make()
        assert str(info.value).startswith(message)


def test_the_module_offers_the_optimizer_alone() -> None:
    assert learnkit_lion.__all__ == ["CautiousLion"]

"""The plugin is found, keeps learnkit's rules, and its optimizer computes what it says."""

from __future__ import annotations

import numpy as np
import pytest
from learnkit_lion import CautiousLion

from learnkit.errors import ArgumentError
from learnkit.plugins import records, registry
from learnkit.testing import checks_for

test_it_keeps_the_rules_of_optimizers = checks_for(CautiousLion(lr=1e-2, weight_decay=0.1))


def test_the_plugin_is_installed() -> None:
    (record,) = (record for record in records() if record.distribution == "learnkit-lion")
    assert (record.name, record.status, record.detail) == ("lion", "ok", "")
    assert record.components == {"optimizer": ("cautious_lion",)}
    assert registry.create("optimizer", "cautious_lion:lr=3e-4") == CautiousLion(lr=3e-4)


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


def test_a_value_out_of_range_is_refused_by_its_name() -> None:
    with pytest.raises(ArgumentError, match=r"^CautiousLion: weight_decay is -0\.1"):
        CautiousLion(weight_decay=-0.1)

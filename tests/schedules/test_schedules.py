"""Schedules: closed forms equal to PyTorch's at every step, and finite where PyTorch divides by zero."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from learnkit.errors import ArgumentError
from learnkit.plugins import registry
from learnkit.schedules import Constant, Cosine, OneCycle, Schedule
from learnkit.schedules.base import value_at

GOLDEN = Path(__file__).parents[1] / "golden"
ARRAYS = np.load(GOLDEN / "schedules.npz")
_spec = importlib.util.spec_from_file_location("make_golden", GOLDEN / "make_golden.py")
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)

# one object of each registered schedule, with its value at the first and at the last of 10 steps
SCHEDULES = {
    "constant": (Constant(0.3), 0.3, 0.3),
    "cosine": (Cosine(0.3, min_lr=0.1), 0.3, 0.1 + 0.2 * (1 + math.cos(math.pi * 0.9)) / 2),
    "onecycle": (OneCycle(0.3), 0.3 / 25, 0.3 / 25 / 1e4),
    "one_cycle": (OneCycle(0.3, three_phase=True), 0.3 / 25, 0.3 / 25 / 1e4),
}


def test_every_registered_schedule_has_a_row():
    assert set(SCHEDULES) == set(registry.names("schedule", third_party=False))


def test_cosine_equals_the_closed_form_of_pytorch():
    for i, (lr, total, min_lr) in enumerate(made.COSINES):
        schedule = Cosine(lr, total_steps=total, min_lr=min_lr)
        ours = [schedule(t) for t in range(total + 1)]
        np.testing.assert_allclose(ours, ARRAYS[f"cosine {i}"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("total", made.TOTALS)
def test_onecycle_equals_that_of_pytorch(total):
    """At every step; where PyTorch divides by zero ours is finite and within its bounds."""
    table = ARRAYS["onecycle"][made.TOTALS.index(total)]
    for j, pct_start in enumerate(made.PCT_STARTS):
        for k, strategy in enumerate(made.STRATEGIES):
            for three_phase in (False, True):
                schedule = OneCycle(0.1, total, pct_start, strategy, 20.0, 1e3, three_phase)
                ours = np.asarray([schedule(t) for t in range(total)])
                theirs = table[j, k, int(three_phase), :total]
                if np.isnan(theirs).any():
                    assert pct_start * total in (0.5, 1.0) or math.isclose(pct_start * total, 1.0)
                    assert ((ours >= 0.1 / 2e4 - 1e-16) & (ours <= 0.1 + 1e-16)).all()
                else:
                    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


def test_onecycle_is_finite_for_every_length_and_start():
    """T from 1 to 50, pct_start from 0 to 1: nothing raises, nothing leaves the bounds, after the end too."""
    low, high = 0.1 / 25 / 1e4 - 1e-16, 0.1 + 1e-16
    for total in range(1, 51):
        for pct_start in made.PCT_STARTS:
            for strategy in made.STRATEGIES:
                for three_phase in (False, True):
                    schedule = OneCycle(
                        0.1, total, pct_start, anneal_strategy=strategy, three_phase=three_phase
                    )
                    values = [schedule(t) for t in range(total + 3)]
                    assert all(low <= v <= high for v in values), (total, pct_start, strategy, three_phase)


@pytest.mark.parametrize("name", SCHEDULES)
def test_values_and_purity(name):
    """Python floats, the same in any order of asking; the last value stays after the end."""
    schedule, first, last = SCHEDULES[name]
    run = schedule.resolve(10)
    forwards = [run(t) for t in range(12)]
    assert all(type(v) is float for v in forwards)
    assert [run(t) for t in reversed(range(12))] == forwards[::-1]
    assert forwards[0] == pytest.approx(first, rel=1e-12)
    assert forwards[9] == pytest.approx(last, rel=1e-12)
    assert forwards[10] == pytest.approx(forwards[11], rel=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_components_by_name(name):
    schedule = SCHEDULES[name][0]
    assert registry.create("schedule", registry.describe(schedule, "schedule")) == schedule
    assert hash(schedule) == hash(registry.create("schedule", registry.describe(schedule, "schedule")))


@pytest.mark.parametrize("name", ["cosine", "onecycle"])
def test_a_missing_length_is_filled_in_and_missed(name):
    schedule = SCHEDULES[name][0]
    with pytest.raises(ArgumentError) as caught:
        schedule(0)
    assert f"{type(schedule).__name__}: total_steps is not known\n  a Trainer fills it in" in str(
        caught.value
    )
    assert schedule.resolve(10).total_steps == 10
    assert schedule.resolve(10).resolve(99).total_steps == 10, "a given length is kept"
    assert schedule.total_steps is None, "the schedule itself is as it was"


def test_a_schedule_of_ones_own_that_holds_another():
    @dataclass(frozen=True)
    class Halved(Schedule):
        inner: Schedule

        def __call__(self, step):
            return self.inner(step) / 2

    assert Halved(Cosine(1.0)).resolve(4)(0) == 0.5
    assert value_at(Halved(Constant(1.0)), 3) == 0.5
    assert value_at(1, 3) == 1.0
    with pytest.raises(TypeError, match=r"Schedule defines no __call__\(self, step\)"):
        Schedule()(0)


def test_cosine_can_end_with_the_last_step():
    schedule = Cosine(1.0, total_steps=5, min_lr=0.25, end_inclusive=True)
    assert schedule(0) == 1.0
    assert schedule(4) == 0.25
    assert Cosine(1.0, total_steps=1, end_inclusive=True)(0) == 0.0


WRONG = [
    (lambda: Constant(-1.0), "Constant: lr is -1.0, expected a number >= 0"),
    (lambda: Cosine(0.0), "Cosine: lr is 0.0, expected a number > 0"),
    (lambda: Cosine("fast"), "Cosine: lr is 'fast', expected a number > 0"),
    (lambda: Cosine(1.0, min_lr=-0.1), "Cosine: min_lr is -0.1, expected a number >= 0"),
    (lambda: Cosine(1.0, total_steps=0), "Cosine: total_steps is 0, expected an integer >= 1"),
    (lambda: Cosine(1.0, total_steps=2.5), "Cosine: total_steps is 2.5, expected an integer >= 1"),
    (lambda: OneCycle(float("nan")), "OneCycle: max_lr is nan, expected a number > 0"),
    (lambda: OneCycle(float("inf")), "OneCycle: max_lr is inf, expected a number > 0"),
    (lambda: OneCycle(True), "OneCycle: max_lr is True, expected a number > 0"),
    (lambda: OneCycle(1.0, 10, 1.5), "OneCycle: pct_start is 1.5, expected a number in [0, 1]"),
    (
        lambda: OneCycle(1.0, 10, anneal_strategy="cosine"),
        "anneal_strategy is 'cosine', expected 'cos' or 'linear'",
    ),
    (lambda: OneCycle(1.0, div_factor=0.0), "OneCycle: div_factor is 0.0, expected a number > 0"),
    (lambda: OneCycle(1.0, final_div_factor=-1.0), "OneCycle: final_div_factor is -1.0"),
    (lambda: OneCycle(1.0, total_steps=True), "OneCycle: total_steps is True, expected an integer >= 1"),
]


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_values_out_of_range_are_refused(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)

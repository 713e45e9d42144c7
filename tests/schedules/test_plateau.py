"""The schedule that looks: PyTorch's semantics, as a value."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest

from learnkit.errors import ArgumentError
from learnkit.plugins import registry
from learnkit.schedules import Constant, Join, Linear, Product, ReduceOnPlateau, Warmup
from learnkit.schedules.base import Run

GOLDEN = Path(__file__).parents[1] / "golden"
ARRAYS = np.load(GOLDEN / "schedules.npz")
_spec = importlib.util.spec_from_file_location("make_golden", GOLDEN / "make_golden.py")
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)


def shown(schedule, losses, first=1):
    """The values from the step on that follows each look, and the schedule after all."""
    values = []
    for step, loss in enumerate(losses, start=first):
        schedule = schedule.observe({"loss": loss}, step)
        values.append(schedule(step))
    return values, schedule


@pytest.mark.parametrize("i", range(len(made.PLATEAUS)))
def test_equals_pytorchs_after_every_look(i):
    ours, _ = shown(ReduceOnPlateau(1.0, **made.PLATEAUS[i]), made.PLATEAU_LOSSES)
    np.testing.assert_allclose(ours, ARRAYS[f"plateau {i}"], rtol=1e-12)


def test_patience_is_the_number_of_bad_looks_that_are_tolerated():
    values, _ = shown(ReduceOnPlateau(1.0, patience=2), [1.0, 1.0, 1.0, 1.0])
    assert values == [1.0, 1.0, 1.0, pytest.approx(0.1)]
    values, _ = shown(ReduceOnPlateau(1.0, patience=2, inclusive=True), [1.0, 1.0, 1.0, 1.0])
    assert values == [1.0, 1.0, pytest.approx(0.1), pytest.approx(0.1)]


def test_nan_is_bad():
    values, schedule = shown(ReduceOnPlateau(1.0, patience=0), [math.nan, 2.0, math.nan])
    assert values == pytest.approx([0.1, 0.1, 0.01])
    assert schedule.best == 2.0


def test_it_is_a_closed_form_of_the_step_between_looks():
    """What was cut later does not change what was before, and a schedule goes on under the cuts."""
    base = Linear(1.0, total_steps=20)
    _, schedule = shown(ReduceOnPlateau(base, patience=0, factor=0.5), [1.0] * 10)
    assert schedule.cuts == tuple(range(2, 11))
    for t in range(25):
        assert schedule(t) == pytest.approx(base(t) * 0.5 ** max(0, min(t, 10) - 1), rel=1e-12)


def test_min_lr_does_not_raise_what_is_lower_by_itself():
    schedule = ReduceOnPlateau(Warmup(1.0, 10, start=0.0), min_lr=0.2, patience=0, cuts=(1, 2))
    assert [schedule(t) for t in (0, 1, 5, 10)] == [0.0, 0.1, 0.2, 0.2]


def test_a_cut_that_changes_nothing_is_left_out():
    values, schedule = shown(ReduceOnPlateau(1e-8, patience=0), [1.0, 1.0])
    assert values == [1e-8, 1e-8]
    assert schedule.cuts == ()
    _, schedule = shown(ReduceOnPlateau(1.0, patience=0, min_lr=0.1), [1.0] * 5)
    assert schedule.cuts == (2,)


@pytest.mark.parametrize(
    ("values", "larger", "cut"),
    [
        ({"loss": 1.0, "val_loss": 2.0}, (), True),
        ({"loss": 1.0}, (), True),
        ({"loss": 1.0, "accuracy": 0.5}, ("accuracy",), True),
    ],
)
def test_what_is_monitored(values, larger, cut):
    """The validation loss, else the training loss; a metric says itself whether it is to grow."""
    name = next(n for n in ("accuracy", "val_loss", "loss") if n in values)
    monitor = "accuracy" if name == "accuracy" else None
    run = Run(larger_is_better=larger)
    schedule = ReduceOnPlateau(1.0, patience=0, monitor=monitor)
    better = {**values, name: values[name] + (0.1 if larger else -0.1)}
    schedule = schedule.observe(values, 1, run).observe(better, 2, run)
    assert schedule(2) == 1.0
    assert schedule.best == better[name]
    assert (schedule.observe(better, 3, run)(3) < 1) == cut
    forced = ReduceOnPlateau(1.0, patience=0, monitor=monitor, mode="min" if larger else "max")
    assert forced.observe(values, 1, run).observe(better, 2, run)(2) == pytest.approx(0.1)


def test_a_name_that_is_not_reported():
    with pytest.raises(ArgumentError) as caught:
        ReduceOnPlateau(1.0, monitor="acuracy").observe({"loss": 1.0, "accuracy": 0.5}, 1)
    assert "no value 'acuracy' is reported (did you mean 'accuracy'?); known: accuracy, loss" in str(
        caught.value
    )
    with pytest.raises(ArgumentError, match="val_loss needs validation data"):
        ReduceOnPlateau(1.0, monitor="val_loss").observe({"loss": 1.0}, 1)


def test_inside_others_it_is_told_by_their_clock():
    """After a warm-up of 5 steps step 8 is its step 3; in a join it looks while it is at work."""
    flat = ReduceOnPlateau(1.0, patience=0)
    warm = Warmup(flat, 5)
    for step in (2, 8):
        warm = warm.observe({"loss": 1.0}, step)
    assert warm.schedule.cuts == (3,)
    assert (warm(7), warm(8)) == (1.0, pytest.approx(0.1))
    joined = Join((Constant(1.0), flat), (5,))
    assert joined.observe({"loss": 1.0}, 4) is joined
    joined = joined.observe({"loss": 1.0}, 6).observe({"loss": 1.0}, 9)
    assert joined.schedules[1].cuts == (4,)
    for unknown in (Warmup(flat, "10%"), Join((1.0, flat), ("10%",))):
        with pytest.raises(ArgumentError, match="is '10%', and the length of the run is not known"):
            unknown.observe({"loss": 1.0}, 15)
        told = unknown.observe({"loss": 1.0}, 15, Run(100)).observe({"loss": 1.0}, 16, Run(100))
        assert told.resolve(100)(15) == 1.0
        assert told.resolve(100)(16) == pytest.approx(0.1)
    product = Product((0.5, flat)).observe({"loss": 1.0}, 1).observe({"loss": 1.0}, 2)
    assert product(2) == pytest.approx(0.05)
    assert Product((0.5, Constant(1.0))).observe({"loss": 1.0}, 1) == Product((0.5, Constant(1.0)))


def test_what_it_has_seen_is_saved():
    for n in range(8):
        _, schedule = shown(
            ReduceOnPlateau(Warmup(1.0, 2), patience=1, cooldown=1),
            [1.0, 1.0, 1.0, 1.0, math.nan, 0.5, 0.5][:n],
        )
        described = json.loads(json.dumps(registry.describe(schedule), allow_nan=False))
        assert registry.create("schedule", described) == schedule


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"factor": 1.0}, "factor is 1.0, expected a number in (0, 1)"),
        ({"patience": -1}, "patience is -1, expected an integer >= 0"),
        ({"patience": 0, "inclusive": True}, "patience is 0, expected an integer >= 1"),
        ({"cooldown": 1.5}, "cooldown is 1.5, expected an integer >= 0"),
        ({"threshold": -1.0}, "threshold is -1.0, expected a number >= 0"),
        (
            {"threshold_mode": "abs."},
            "threshold_mode is 'abs.' (did you mean 'abs'?), expected 'rel' or 'abs'",
        ),
        ({"mode": "up"}, "mode is 'up', expected 'auto', 'min' or 'max'"),
        ({"monitor": 3}, "monitor is 3, expected a name or None"),
        ({"lr": None}, "lr is None, expected a Schedule, the name of one, or a number"),
    ],
)
def test_values_out_of_range_are_refused(options, text):
    with pytest.raises(ArgumentError) as caught:
        ReduceOnPlateau(**{"lr": 1.0, **options})
    assert text in str(caught.value)

"""Lengths of time as steps, epochs and parts of the run."""

from __future__ import annotations

import pytest

from learnkit.errors import ArgumentError
from learnkit.schedules import WSD, Constant, Cosine, Join, MultiStep, Step, Warmup
from learnkit.schedules.durations import as_steps, check_duration, needs_steps

#: duration: its steps in a run of 1000 with 25 an epoch.
KNOWN = {
    500: 500,
    0: 0,
    "10ep": 250,
    "0.5ep": 13,
    " 2 ep ": 50,
    0.3: 300,
    "30%": 300,
    "0.3dur": 300,
    "1/3dur": 333,
    "12.5%": 125,
    "0.05%": 1,
    "150%": 1500,
    0.0001: 0,
}


@pytest.mark.parametrize("duration", KNOWN)
def test_steps(duration):
    check_duration("X", "steps", duration)
    assert as_steps(duration, 1000, 25) == KNOWN[duration]
    if type(duration) is not int:
        assert as_steps(duration, 1000, 25, 1) == max(1, KNOWN[duration])


def test_parts_of_the_run_do_not_suffer_from_rounding():
    """0.1 * 30 is 3.0000000000000004 in floats, 0.29 * 100 is 28.999999999999996; halves go up."""
    for percent in range(1, 100):
        for total in (1, 7, 10, 30, 100, 1000, 1234567):
            exact = (percent * total * 2 + 100) // 200
            assert as_steps(percent / 100, total, None) == exact
            assert as_steps(f"{percent}%", total, None) == exact


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (1.0, "write 1 for 1 steps, or '100%' for that part of the run"),
        (30.0, "write 30 for 30 steps"),
        (0.0, ""),
        (-1, ""),
        (1.5, ""),
        (True, ""),
        (None, ""),
        (float("nan"), ""),
        ("10", ""),
        ("ep", ""),
        ("tenep", ""),
        ("-3ep", ""),
        ("10 epochs", ""),
        ("1/0dur", ""),
        ("infep", ""),
        ("", ""),
    ],
)
def test_what_is_no_duration(value, hint):
    with pytest.raises(ArgumentError) as caught:
        check_duration("Warmup", "steps", value)
    assert f"Warmup: steps is {value!r}, expected an integer >= 0, a number of epochs such as '10ep'" in str(
        caught.value
    )
    assert hint in str(caught.value)


def test_a_period_needs_a_step():
    for value in (0, "0ep", "0%"):
        check_duration("X", "steps", value)
        with pytest.raises(ArgumentError, match="expected an integer >= 1"):
            check_duration("X", "steps", value, 1)


def test_what_is_not_known_is_missed():
    with pytest.raises(ArgumentError) as caught:
        Step(1.0, step_size="30%")(0)
    assert "Step: step_size is '30%', and the length of the run is not known\n  a Trainer fills it in" in str(
        caught.value
    )
    half = Step(1.0, step_size="2ep").resolve(100)
    assert half.step_size == "2ep", "epochs stay while their length is not known"
    with pytest.raises(ArgumentError, match="step_size is '2ep', and the length of an epoch is not known"):
        half(0)
    assert half.resolve(100, 10).step_size == 20
    assert needs_steps("X", "steps", 3) == 3
    with pytest.raises(ArgumentError, match=r"milestones\[1\] is '75%'"):
        MultiStep(1.0, (5, "75%"))(0)


def test_what_stands_inside_takes_the_rest_for_its_run():
    run = Warmup(Join((Constant(1.0), Step(0.5, "50%")), ("50%",)), "20%").resolve(1000)
    assert run == Warmup(Join((Constant(1.0), Step(0.5, 200)), (400,)), 200)
    assert Warmup(Cosine(1.0), "2ep").resolve(100, 10).schedule.total_steps == 80
    assert Warmup(Cosine(1.0), 50).resolve(10).schedule.total_steps == 1, "not less than a step"
    late = Warmup(Cosine(1.0), "2ep").resolve(100)
    assert late.schedule.total_steps is None, "the rest is known when the warm-up is"
    assert late.resolve(100, 10).schedule.total_steps == 80
    joined = Join((Cosine(1.0), Cosine(0.5)), ("2ep",))
    assert joined.resolve(100) == joined
    assert joined.resolve(100, 10) == Join((Cosine(1.0, 20), Cosine(0.5, 80)), (20,))
    assert Join((1.0, 2.0, 3.0), (8, "50%")).resolve(10).boundaries == (8, 8)


def test_the_length_of_a_schedule_may_be_a_part_of_the_run():
    assert Cosine(1.0, total_steps="50%").resolve(100).total_steps == 50
    assert Cosine(1.0, total_steps=0.25).resolve(100).total_steps == 25
    assert WSD(1.0, "5ep", "1ep", "2ep").resolve(100, 10) == WSD(1.0, 50, 10, 20)
    with pytest.raises(ArgumentError, match="total_steps is '5ep', and the length of an epoch is not known"):
        Cosine(1.0, "5ep").resolve(100)(0)


def test_short_runs_have_room_for_what_comes_first():
    """Warm-up and decay longer than the run: the warm-up is whole, the decay has the rest."""
    schedule = WSD(1.0, 10, warmup_steps=6, decay_steps=8, decay_shape="linear")
    assert [schedule(t) for t in (5, 6, 8, 10)] == [1.0, 1.0, 0.5, 0.0]

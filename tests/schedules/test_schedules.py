"""Schedules: equal to their formulas and to PyTorch's at every step, and finite where it is not."""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import learnkit.schedules
from learnkit.errors import ArgumentError
from learnkit.plugins import registry
from learnkit.schedules import (
    WSD,
    Constant,
    Cosine,
    CosineWarmRestarts,
    Cyclic,
    Exponential,
    FlatCosine,
    InverseSqrt,
    InverseTime,
    Join,
    Lambda,
    Linear,
    MultiStep,
    Noam,
    OneCycle,
    Polynomial,
    Product,
    ReduceOnPlateau,
    Schedule,
    Step,
    Warmup,
)
from learnkit.schedules.base import value_at

GOLDEN = Path(__file__).parents[1] / "golden"
ARRAYS = np.load(GOLDEN / "schedules.npz")
_spec = importlib.util.spec_from_file_location("make_golden", GOLDEN / "make_golden.py")
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)


def halving(step):
    """A function that can be saved by its name."""
    return 0.5**step


def cos_fall(part):
    return (1 + math.cos(math.pi * part)) / 2


def one_cycle(t):
    """Of 20 steps, pct_start 0.3: up to step 5, down to step 19."""
    if t <= 5:
        return 0.3 + (0.3 / 25 - 0.3) * cos_fall(t / 5)
    low = 0.3 / 25 / 1e4
    return low + (0.3 - low) * cos_fall((t - 5) / 14) if t <= 19 else low


def three_phases(t):
    """Of 20 steps: up to step 5, back at step 10, down to step 19, along lines."""
    first, last = 0.3 / 25, 0.3 / 25 / 1e4
    return float(np.interp(t, [0, 5, 10, 19], [first, 0.3, first, last]))


def triangles(t):
    """Up in 3 steps and down in 5, each cycle half as high."""
    cycle, place = divmod(t, 8)
    return 0.1 + 0.2 * (place / 3 if place <= 3 else (8 - place) / 5) / 2**cycle


def restarts(t):
    """Cycles of 2, 3, 4.5, 6.75, ... steps, each 0.8 times as high."""
    start, length, height = Fraction(0), Fraction(2), 0.2
    while t >= start + length:
        start, length, height = start + length, length * Fraction(3, 2), height * 0.8
    return 0.1 + height * cos_fall(float((t - start) / length))


def wsd(t):
    """Of 20 steps: 4 up, 10 level, 6 down."""
    if t < 4:
        return 0.3 * (t + 1) / 4
    return 0.3 if t <= 14 else 0.03 + 0.27 * (1 - math.sqrt(min(1.0, (t - 14) / 6)))


def cut_twice(t):
    """A line that is halved at steps 4 and 9, and not below 0.02 by that."""
    line = 0.3 * (1 - min(t, 20) / 20)
    return max(line * 0.5 ** ((t >= 4) + (t >= 9)), min(0.02, line))


STEPS = 20
#: name: a schedule for 20 steps (what is missing is filled in), and its value at step t, literally.
SCHEDULES = {
    "constant": (Constant(0.3), lambda t: 0.3),
    "step": (Step(0.3, step_size=6, gamma=0.5), lambda t: 0.3 * 0.5 ** (t // 6)),
    "multistep": (
        MultiStep(0.3, milestones=(5, "50%", 0.75), gamma=(0.5, 0.1, 2.0)),
        lambda t: 0.3 * (0.5 if t >= 5 else 1) * (0.1 if t >= 10 else 1) * (2.0 if t >= 15 else 1),
    ),
    "exponential": (Exponential(0.3, gamma=0.9), lambda t: 0.3 * 0.9**t),
    "time": (InverseTime(0.3, rate=0.5, decay_steps=4), lambda t: 0.3 / (1 + 0.5 * t / 4)),
    "inverse_sqrt": (InverseSqrt(0.3, timescale="20%"), lambda t: 0.3 / math.sqrt((t + 4) / 4)),
    "polynomial": (
        Polynomial(0.3, min_lr=0.1, power=3.0),
        lambda t: 0.1 + 0.2 * (1 - min(t, 20) / 20) ** 3,
    ),
    "linear": (Linear(0.3, min_lr=0.1), lambda t: 0.3 - 0.2 * min(t, 20) / 20),
    "cosine": (Cosine(0.3, min_lr=0.1), lambda t: 0.1 + 0.2 * cos_fall(min(t, 20) / 20)),
    "cosine_warm_restarts": (
        CosineWarmRestarts(0.3, T_0="10%", T_mult=Fraction(3, 2), min_lr=0.1, M_mult=0.8),
        restarts,
    ),
    "warmup": (
        Warmup(Linear(0.3), steps="25%"),
        lambda t: 0.3 * (t + 1) / 5 if t < 5 else 0.3 * (1 - min(t - 5, 15) / 15),
    ),
    "onecycle": (OneCycle(0.3), one_cycle),
    "one_cycle": (OneCycle(0.3, three_phase=True, anneal_strategy="linear"), three_phases),
    "cyclic": (Cyclic(0.3, 0.1, step_size_up=3, step_size_down=5, mode="triangular2"), triangles),
    "wsd": (WSD(0.3, warmup_steps=4, decay_steps="30%", min_lr=0.03, decay_shape="1-sqrt"), wsd),
    "flat_cosine": (
        FlatCosine(0.3, pct_start=0.5, min_lr=0.1),
        lambda t: 0.3 if t <= 10 else 0.1 + 0.2 * cos_fall(min(1, (t - 10) / 10)),
    ),
    "noam": (
        Noam(2.0, warmup_steps=5, d_model=64),
        lambda t: 2 * 64**-0.5 * min((t + 1) ** -0.5, (t + 1) * 5**-1.5),
    ),
    "reduce_on_plateau": (
        ReduceOnPlateau(Linear(0.3), factor=0.5, min_lr=0.02, cuts=(4, 9)),
        cut_twice,
    ),
    "lambda": (Lambda(0.3, halving), lambda t: 0.3 * 0.5**t),
    "join": (
        Join((0.3, Cosine(0.2), Exponential(0.1, gamma=0.5)), boundaries=(4, "60%")),
        lambda t: 0.3 if t < 4 else 0.2 * cos_fall((t - 4) / 8) if t < 12 else 0.1 * 0.5 ** (t - 12),
    ),
    "product": (
        Product((Cosine(0.3), Warmup(1.0, steps=4, start=0.0), 0.5)),
        lambda t: 0.3 * cos_fall(min(t, 20) / 20) * min(1, t / 4) * 0.5,
    ),
}  # fmt: skip
each = pytest.mark.parametrize("name", SCHEDULES)


def test_every_registered_schedule_has_a_row():
    assert set(SCHEDULES) == set(registry.names("schedule", third_party=False))


@each
def test_the_formula(name):
    schedule, formula = SCHEDULES[name]
    run = schedule.resolve(STEPS)
    for t in range(STEPS + 6):
        assert run(t) == pytest.approx(formula(t), rel=1e-12, abs=1e-16), t


@each
def test_values_are_pure(name):
    """Python floats >= 0, the same in any order and whenever they are asked for, far after the end too."""
    run = SCHEDULES[name][0].resolve(STEPS)
    steps = [*range(STEPS + 5), 10**4, 10**9]
    forwards = [run(t) for t in steps]
    assert all(type(v) is float and 0 <= v < math.inf for v in forwards)
    assert [run(t) for t in reversed(steps)] == forwards[::-1]
    assert run == SCHEDULES[name][0].resolve(STEPS)
    for total in (1, 2, 3):
        short = SCHEDULES[name][0].resolve(total)
        assert all(0 <= short(t) < math.inf for t in range(5))


@each
def test_names_descriptions_and_prints(name):
    """By name, as JSON and as Python text it comes back equal, resolved or not."""
    for schedule in (SCHEDULES[name][0], SCHEDULES[name][0].resolve(STEPS)):
        described = json.loads(json.dumps(registry.describe(schedule, "schedule")))
        again = registry.create("schedule", described)
        assert again == schedule
        assert hash(again) == hash(schedule)
        assert [again.resolve(STEPS)(t) for t in range(30)] == [schedule.resolve(STEPS)(t) for t in range(30)]
        assert eval(repr(schedule), {**vars(learnkit.schedules), "Fraction": Fraction}) == schedule


@each
def test_the_first_field_is_the_peak(name):
    """What the command line fills in where the name alone is given."""
    from learnkit.schedules.named import with_peak

    needs = {
        "exponential": ":gamma=0.9",
        "time": ":rate=0.1",
        "lambda": f":function={halving.__module__}:halving",
        "join": ":schedules=['cosine','linear'],boundaries=(10,)",
        "product": ":schedules=['cosine','warmup']",
    }
    run = with_peak(name + needs.get(name, ""), 0.25).resolve(4000)
    assert max(run(t) for t in range(4000)) == pytest.approx(0.25, rel=0.05 if name == "product" else 1e-9)


@each
def test_as_the_learning_rate_of_a_trainer(name):
    """The trainer says the length; every step has the schedule's value, and the report of each says so."""
    import learnkit as lk

    rates = []

    class Rates(lk.training.Callback):
        def on_step_end(self, trainer, report):
            rates.append(report.lr)

    schedule = SCHEDULES[name][0]
    trainer = lk.Trainer(lk.nn.Linear(2, 1), "mse", lk.optim.SGD(schedule))
    x = np.linspace(-0.5, 0.5, 20, dtype=np.float32).reshape(10, 2)
    trainer.fit(x, x[:, :1], epochs=4, batch_size=2, callbacks=[Rates()], verbose=False)
    assert rates == [schedule.resolve(STEPS)(t) for t in range(STEPS)]


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
                for options in ({}, {"three_phase": True}, {"end_inclusive": False}):
                    schedule = OneCycle(0.1, total, pct_start, anneal_strategy=strategy, **options)
                    values = [schedule(t) for t in range(total + 3)]
                    assert all(low <= v <= high for v in values), schedule
                    assert all(0.85 - 1e-15 <= schedule.momentum()(t) <= 0.95 + 1e-15 for t in range(total))


#: The cases of the golden file in learnkit's terms.
SAME = {
    "step": Step(1.0, 7, 0.3),
    "multistep": MultiStep(1.0, (5, 11, 11, 20), 0.5),
    "exponential": Exponential(1.0, 0.9),
    "polynomial": Polynomial(1.0, 30, power=2.5),
    "linear": Linear(1.0, 25, min_lr=0.2),
    "warmup": Warmup(1.0, 8, start=1 / 3),
    "restarts": CosineWarmRestarts(1.0, 5, min_lr=0.01),
    "restarts 2": CosineWarmRestarts(1.0, 3, 2),
    "restarts 3": CosineWarmRestarts(1.0, 2, 3, min_lr=1e-3),
    "triangular": Cyclic(1.0, 0.1, 5),
    "triangular2": Cyclic(1.0, 0.1, 4, 7, "triangular2"),
    "exp_range": Cyclic(1.0, 0.1, 6, mode="exp_range", gamma=0.97),
    "one cycle": OneCycle(1.0, 40),
    "one cycle, three phases": OneCycle(1.0, 40, three_phase=True),
}


def test_every_golden_case_has_a_schedule():
    assert set(SAME) == set(made.TORCH_SCHEDULES)


@pytest.mark.parametrize("case", SAME)
def test_learning_rates_and_momenta_equal_pytorchs(case):
    rates, momenta = ARRAYS[f"torch {case}"]
    ours = [SAME[case](t) for t in range(len(rates))]
    np.testing.assert_allclose(ours, rates, rtol=1e-12, atol=1e-15)
    if hasattr(SAME[case], "momentum"):
        ours = [SAME[case].momentum()(t) for t in range(len(rates))]
        np.testing.assert_allclose(ours, momenta, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["cosine", "onecycle", "wsd", "flat_cosine", "polynomial"])
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


def test_a_schedule_of_ones_own_that_knows_of_no_epochs():
    """``resolve`` with the total alone, as plugins may have it, on its own and inside others."""

    @dataclass(frozen=True)
    class Old(Schedule):
        lr: float
        total: int = 0

        def resolve(self, total_steps):
            return Old(self.lr, total_steps)

        def __call__(self, step):
            return self.lr * self.total

    assert Warmup(Old(1.0), "1ep").resolve(10, 4)(4) == 6.0
    assert (Old(1.0) * 0.5).resolve(10, 4)(0) == 5.0


def test_ends():
    for kind in (Linear, Cosine, Polynomial):
        schedule = kind(1.0, total_steps=5, min_lr=0.25, end_inclusive=True)
        assert (schedule(0), schedule(4), schedule(9)) == (1.0, 0.25, 0.25)
        assert kind(1.0, total_steps=1, end_inclusive=True)(0) == 0.0
    assert WSD(1.0, 5, 0, 2, end_inclusive=True)(4) == 0.0
    assert FlatCosine(1.0, 5, end_inclusive=True)(4) == 0.0
    mirrored = Cosine(1.0, total_steps=5, after="mirror")
    assert [mirrored(t) for t in (3, 5, 7, 10, 13)] == [mirrored(t) for t in (7, 5, 3, 0, 3)]
    assert mirrored(10) == 1.0


def test_a_milestone_may_be_kept():
    assert [MultiStep(1.0, (2,), keep_at_milestone=True)(t) for t in (1, 2, 3)] == [1.0, 1.0, 0.1]


def test_exponential_in_stairs_and_from_below():
    stairs = Exponential(1.0, gamma=0.5, decay_steps=3, staircase=True)
    assert [stairs(t) for t in range(7)] == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    assert Exponential(1.0, rate=1.0, min_lr=0.1)(50) == 0.1
    assert InverseTime(1.0, rate=1.0, decay_steps=4, staircase=True)(7) == 0.5
    assert Exponential(1.0, gamma=1.5)(2) == 2.25
    with pytest.raises(ArgumentError, match=r"Exponential: 1.0 times 1.5 to the power of 1e\+06 is infinite"):
        Exponential(1.0, gamma=1.5)(10**6)


def test_onecycle_with_given_ends():
    schedule = OneCycle(1.0, 11, initial_lr=0.2, final_lr=0.1)
    assert schedule(0) == pytest.approx(0.2, rel=1e-12)
    assert schedule(10) == 0.1
    slanted = OneCycle(1.0, 100, 0.1, "linear", 32.0, 1.0, end_inclusive=False)
    for t in range(101):  # Howard and Ruder 2018, equation 3
        p = t / 10 if t < 10 else 1 - (t - 10) / (10 * (1 / 0.1 - 1))
        assert slanted(t) == pytest.approx((1 + p * (32 - 1)) / 32, rel=1e-12)


def test_exp_range_by_cycles():
    schedule = Cyclic(1.0, 0.0, 1, mode="exp_range", gamma=0.5, scale_mode="cycle")
    assert [schedule(t) for t in range(6)] == [0.0, 0.5, 0.0, 0.25, 0.0, 0.125]


WRONG = [
    (lambda: Constant(-1.0), "Constant: lr is -1.0, expected a number >= 0"),
    (lambda: Cosine(0.0), "Cosine: lr is 0.0, expected a number > 0"),
    (lambda: Cosine("fast"), "Cosine: lr is 'fast', expected a number > 0"),
    (lambda: Cosine(np.float32(1)), "write float(...)"),
    (lambda: Cosine(1.0, min_lr=-0.1), "Cosine: min_lr is -0.1, expected a number >= 0"),
    (lambda: Cosine(1.0, total_steps=0), "Cosine: total_steps is 0, expected an integer >= 1"),
    (lambda: Cosine(1.0, total_steps=2.5), "Cosine: total_steps is 2.5, expected an integer >= 1"),
    (lambda: Cosine(1.0, after="stay"), "Cosine: after is 'stay', expected 'hold' or 'mirror'"),
    (lambda: OneCycle(float("nan")), "OneCycle: max_lr is nan, expected a number > 0"),
    (lambda: OneCycle(float("inf")), "OneCycle: max_lr is inf, expected a number > 0"),
    (lambda: OneCycle(True), "OneCycle: max_lr is True, expected a number > 0"),
    (lambda: OneCycle(1.0, 10, 1.5), "OneCycle: pct_start is 1.5, expected a number in [0, 1]"),
    (
        lambda: OneCycle(1.0, 10, anneal_strategy="cosine"),
        "anneal_strategy is 'cosine' (did you mean 'cos'?), expected 'cos' or 'linear'",
    ),
    (lambda: OneCycle(1.0, div_factor=0.0), "OneCycle: div_factor is 0.0, expected a number > 0"),
    (lambda: OneCycle(1.0, final_div_factor=-1.0), "OneCycle: final_div_factor is -1.0"),
    (lambda: OneCycle(1.0, total_steps=True), "OneCycle: total_steps is True, expected an integer >= 1"),
    (lambda: OneCycle(1.0, final_lr=-1.0), "OneCycle: final_lr is -1.0, expected a number >= 0"),
    (lambda: OneCycle(1.0, pct_final=0.8), "OneCycle: pct_final is given; it belongs to three_phase=True"),
    (
        lambda: OneCycle(1.0, three_phase=True, pct_final=0.2),
        "OneCycle: pct_final is 0.2, expected a number in [pct_start, 1] = [0.3, 1]",
    ),
    (lambda: Step(1.0, step_size=0), "Step: step_size is 0, expected an integer >= 1"),
    (lambda: Step(1.0, gamma=0.0), "Step: gamma is 0.0, expected a number > 0"),
    (lambda: MultiStep(1.0, milestones=5), "MultiStep: milestones is 5, expected a tuple"),
    (lambda: MultiStep(1.0, milestones=(5, -1)), "MultiStep: milestones[1] is -1, expected an integer >= 0"),
    (lambda: MultiStep(1.0, (5, 9), (0.1,)), "MultiStep: 2 milestones and 1 values of gamma"),
    (lambda: Exponential(1.0), "Exponential: gamma is None and rate is None, expected one of them"),
    (lambda: Exponential(1.0, 0.9, 0.1), "Exponential: gamma is 0.9 and rate is 0.1, expected one of them"),
    (lambda: InverseTime(1.0, -1.0), "InverseTime: rate is -1.0, expected a number >= 0"),
    (lambda: InverseSqrt(1.0, 1.5), "InverseSqrt: timescale is 1.5, expected an integer >= 1"),
    (lambda: Polynomial(1.0, power=0.0), "Polynomial: power is 0.0, expected a number > 0"),
    (lambda: Cyclic(1.0, mode="square"), "Cyclic: mode is 'square', expected 'triangular', "),
    (lambda: Cyclic(1.0, gamma=0.9), "Cyclic: gamma and scale_mode belong to mode='exp_range'"),
    (lambda: Cyclic(1.0, mode="exp_range", gamma=1.1), "Cyclic: gamma is 1.1, expected a number in (0, 1]"),
    (lambda: CosineWarmRestarts(1.0, T_mult=0.5), "T_mult is 0.5, expected an integer or a Fraction >= 1"),
    (lambda: CosineWarmRestarts(1.0, T_mult="x"), "T_mult is 'x', expected an integer or a Fraction >= 1"),
    (lambda: CosineWarmRestarts(1.0, min_lr=2.0), "min_lr is 2.0, expected at most lr, which is 1.0"),
    (lambda: CosineWarmRestarts(1.0, M_mult=2.0), "M_mult is 2.0, expected a number in (0, 1]"),
    (lambda: CosineWarmRestarts(1.0, 5, warmup_steps=5), "warmup_steps is 5, expected less than T_0"),
    (lambda: Warmup("cosine:lr=1", start=2.0), "Warmup: start is 2.0, expected a part of the peak in [0, 1]"),
    (lambda: Warmup(1.0, shape="steep"), "Warmup: shape is 'steep', expected 'linear', 'cosine' or '1-sqrt'"),
    (lambda: Warmup(None), "Warmup: schedule is None, expected a Schedule, the name of one, or a number"),
    (lambda: Warmup("nope"), "unknown schedule 'nope'"),
    (lambda: WSD(1.0, decay_shape="step"), "WSD: decay_shape is 'step', expected 'linear'"),
    (lambda: FlatCosine(1.0, pct_start=-1), "FlatCosine: pct_start is -1, expected a number in [0, 1]"),
    (lambda: Noam(1.0, d_model=0), "Noam: d_model is 0, expected an integer >= 1"),
    (lambda: Join((), ()), "Join: schedules is (), expected a tuple of at least one schedule"),
    (lambda: Join((1.0, 2.0), ()), "Join: boundaries is (), expected a tuple of 1 durations for 2 schedules"),
    (lambda: Join((1.0, 2.0, 3.0), (5, 2)), "Join: boundaries is (5, 2), expected steps that do not fall"),
    (lambda: Product((1.0, "x y")), "unknown schedule 'x y'"),
    (lambda: Product((-1.0,)), "Product: schedules[0] is -1.0, expected a number >= 0"),
    (lambda: Lambda(1.0, 3), "Lambda: function is 3, expected a function of the step"),
]


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_values_out_of_range_are_refused(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)

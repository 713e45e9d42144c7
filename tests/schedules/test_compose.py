"""Schedules made of schedules, of names and of functions."""

from __future__ import annotations

import sys

import pytest

from learnkit.errors import ArgumentError
from learnkit.plugins import registry
from learnkit.schedules import Constant, Cosine, Join, Lambda, Linear, Product, Warmup
from learnkit.schedules.named import gives_peak, peak_field, with_peak


def third(step):
    """A function that can be saved by its name."""
    return 1 / 3


def test_warmup_is_a_prefix_of_anything():
    for inner in (Cosine(0.5, 10), Constant(0.5), Join((0.5, Linear(0.3, 5)), (3,)), 0.5):
        value = inner if isinstance(inner, float) else None
        for shape in ("linear", "cosine", "1-sqrt"):
            for start in (None, 0.0, 1 / 3, 1.0):
                schedule = Warmup(inner, 4, start, shape)
                values = [schedule(t) for t in range(4)]
                assert values == sorted(values)
                assert values[0] > 0 or start == 0.0
                assert [schedule(t + 4) for t in range(12)] == [value or inner(t) for t in range(12)]
    assert Warmup(1.0, 4)(3) == 1.0, "the peak comes with the last step of the warm-up"
    assert Warmup(1.0, 4, start=0.0)(3) == 0.75, "and one later from a given start"
    assert Warmup(Cosine(0.5, 10), 0)(0) == 0.5


def test_products():
    schedule = Cosine(0.5, 10) * Warmup(1.0, 4) * 2
    assert isinstance(schedule, Product)
    assert schedule == Product((Product((Cosine(0.5, 10), Warmup(1.0, 4))), 2))
    assert (2 * Cosine(0.5, 10))(0) == 1.0
    with pytest.raises(TypeError):
        Cosine(0.5) * "fast"


def test_boundaries_of_no_width_are_skipped():
    assert [Join((1.0, 2.0, 3.0), (2, 2))(t) for t in range(4)] == [1.0, 1.0, 3.0, 3.0]
    assert Join((1.0, 2.0), (0,))(0) == 2.0
    assert Join((0.25,), ())(7) == 0.25


def test_names_inside():
    assert Warmup("cosine:lr=0.5", 4) == Warmup(Cosine(0.5), 4)
    assert Warmup({"name": "cosine", "lr": 0.5}, 4) == Warmup(Cosine(0.5), 4)
    text = "join:schedules=['warmup:schedule=1.0,steps=5','linear:lr=0.5'],boundaries=(10,)"
    assert registry.create("schedule", text) == Join((Warmup(1.0, 5), Linear(0.5)), (10,))


def test_the_peak_goes_to_what_is_inside():
    assert with_peak("warmup:schedule=cosine,steps=5", 0.5) == Warmup(Cosine(0.5), 5)
    assert with_peak("warmup:steps=5", 0.5) == Warmup(0.5, 5)
    assert with_peak("cosine:lr=0.1", 0.5) == Cosine(0.1)
    assert with_peak({"name": "warmup", "schedule": {"name": "cosine", "lr": 0.1}}, 0.5) == Warmup(
        Cosine(0.1)
    )
    assert with_peak("product:schedules=['cosine','warmup']", 0.5) == Product((Cosine(0.5), Warmup(1.0)))
    assert with_peak("join:schedules=['cosine',0.1],boundaries=(5,)", 0.5) == Join((Cosine(0.5), 0.1), (5,))
    assert peak_field("warmup") == "schedule"
    for spec in (
        "cosine",
        "warmup:schedule=cosine",
        "product:schedules=['cosine','warmup']",
        {"name": "cosine"},
    ):
        assert not gives_peak(spec)
    for spec in (
        "cosine:lr=1",
        "warmup:schedule='cosine:lr=1'",
        "warmup:schedule=0.5",
        "join:schedules=['cosine',1]",
    ):
        assert gives_peak(spec)


def test_a_function_by_its_name():
    schedule = Lambda(3.0, third)
    where = f"{third.__module__}:third"
    assert registry.describe(schedule)["function"] == where
    assert registry.create("schedule", f"lambda:lr=3.0,function={where}") == schedule
    assert repr(schedule) == f"Lambda(lr=3.0, function={where!r})"
    assert schedule(5) == 1.0


def test_a_function_that_cannot_be_found_again_is_not_saved():
    def inner(step):
        return 1.0

    for function in (lambda t: 1.0, inner, abs, {0: 1.0}.get):
        schedule = Lambda(1.0, function)
        with pytest.raises(
            ArgumentError, match="cannot be saved, because it cannot be found again by its name"
        ):
            registry.describe(schedule)
        assert "Lambda(lr=1.0, function=<" in repr(schedule)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("nomodule", "expected a function, or 'module:name'"),
        ("xml.dom.pulldom:parse", "'xml.dom.pulldom' is not imported\n  import xml.dom.pulldom before"),
        ("os:system", "'os' defines no function 'system'"),
        ("os:_exit", "'os' defines no function '_exit'"),
        ("os:nothing", "'os' defines no function 'nothing'"),
    ],
)
def test_loading_a_function_imports_and_calls_nothing(text, what):
    assert "xml.dom.pulldom" not in sys.modules
    with pytest.raises(ArgumentError) as caught:
        registry.create("schedule", {"name": "lambda", "lr": 1.0, "function": text})
    assert what in str(caught.value)
    assert "xml.dom.pulldom" not in sys.modules


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_what_a_function_may_give(value):
    with pytest.raises(ArgumentError) as caught:
        Lambda(1.0, lambda t: value)(3)
    assert f"gives {value!r} at step 3, expected a finite number >= 0" in str(caught.value)

"""L-BFGS on every library: its minimum, its memory, what it refuses; PyTorch's steps are in tests/peers."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from learnkit.errors import ArgumentError
from learnkit.optim import EMA, LBFGS, Accumulate, ClipByGlobalNorm, chain
from learnkit.optim.line_search import Point, strong_wolfe


def rosenbrock(xp):
    def value_and_grad(w):
        x, y = w[0], w[1]
        value = (1.0 - x) ** 2 + 100.0 * (y - x * x) ** 2
        gradient = xp.stack([-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)])
        return value, gradient

    return value_and_grad


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_minimum_of_a_curved_valley(backend, dtype):
    rule = LBFGS(line_search_fn="strong_wolfe", max_iter=50)
    w = backend.asarray([-1.5, 2.0], dtype)
    state = rule.init(w)
    function = rosenbrock(backend.xp)
    for _ in range(3):
        value, w, state = rule.step_with(function, w, state)
    assert float(backend.to_numpy(value)) < 1e-6
    backend.assert_array(w, [1.0, 1.0], dtype=dtype, rtol=2e-3)
    for name in ("direction", "gradient"):
        backend.assert_array(state.slots[name][0], backend.to_numpy(state.slots[name][0]), like=w)
    assert len(state.slots["y"]) == len(state.slots["s"]) == len(state.slots["rho"]) > 3


def test_on_every_library_the_same(backend):
    found = []
    for b in (backend.asarray, np.asarray):
        w = b([-1.5, 2.0], "float64") if b is backend.asarray else np.asarray([-1.5, 2.0])
        xp = backend.xp if b is backend.asarray else np
        rule = LBFGS(line_search_fn="strong_wolfe", max_iter=5, history_size=4)
        state = rule.init(w)
        for _ in range(2):
            _, w, state = rule.step_with(rosenbrock(xp), w, state)
        found.append(backend.to_numpy(w) if b is backend.asarray else w)
    np.testing.assert_allclose(*found, rtol=1e-8)


def test_given_state_and_parameters_are_left_alone():
    rule = LBFGS(line_search_fn="strong_wolfe", max_iter=4)
    w = np.asarray([-1.5, 2.0])
    _, w, state = rule.step_with(rosenbrock(np), w, rule.init(w))
    kept, before = copy.deepcopy(state), w.copy()
    first = rule.step_with(rosenbrock(np), w, state)
    again = rule.step_with(rosenbrock(np), w, state)
    np.testing.assert_array_equal(w, before)
    np.testing.assert_array_equal(first[1], again[1])
    for name, arrays in kept.slots.items():
        for a, b in zip(arrays, state.slots[name], strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_minimum_is_left_as_it_is():
    rule = LBFGS(line_search_fn="strong_wolfe")
    w = np.asarray([1.0, 1.0])
    calls = []

    def counted(w):
        calls.append(1)
        return rosenbrock(np)(w)

    _, new, state = rule.step_with(counted, w, rule.init(w))
    np.testing.assert_array_equal(new, w)
    assert len(calls) == 1
    assert state.step == 1
    value, none, _ = rule.step_with(lambda p: (np.asarray(2.0), []), [], rule.init([]))
    assert (value, none) == (2.0, [])


def test_a_tree_is_evaluated_where_it_is():
    """Its slots are of all leaves together, so nothing may look for one of each leaf."""
    rule = LBFGS()
    tree = {"w": np.ones((2, 3)), "b": np.full(2, 0.5)}
    _, tree, state = rule.step_with(
        lambda t: (sum(np.sum(v * v) for v in t.values()), t), tree, rule.init(tree)
    )
    for found in (rule.evaluation_params(tree, state), rule.lookahead_params(tree, state)):
        assert {key: value is tree[key] for key, value in found.items()} == {"w": True, "b": True}


def test_the_history_is_as_long_as_it_may_be():
    rule = LBFGS(line_search_fn="strong_wolfe", history_size=2, max_iter=30)
    w = np.asarray([-1.5, 2.0])
    _, _, state = rule.step_with(rosenbrock(np), w, rule.init(w))
    assert [len(state.slots[name]) for name in ("y", "s", "rho")] == [2, 2, 2]


def test_within_a_chain():
    """Clipped gradients are what it works with, and the average is of what it made."""
    optimizer = chain(EMA(0.5, warmup=False), ClipByGlobalNorm(1e9), LBFGS(line_search_fn="strong_wolfe"))
    alone = LBFGS(line_search_fn="strong_wolfe")
    w = np.asarray([-1.5, 2.0])
    _, wanted, _ = alone.step_with(rosenbrock(np), w, alone.init(w))
    _, new, state = optimizer.step_with(rosenbrock(np), w, optimizer.init(w))
    np.testing.assert_array_equal(new, wanted)
    np.testing.assert_array_equal(optimizer.evaluation_params(new, state), wanted)
    assert optimizer.growing == alone.growing


def quadratic(t):
    return Point(t, (t - 3.0) ** 2, np.asarray([2 * (t - 3.0)]), 2 * (t - 3.0))


@pytest.mark.parametrize("first", [1e-3, 0.5, 1.0, 10.0, 1e4])
def test_the_line_search_meets_its_conditions(first):
    found, evals = strong_wolfe(quadratic, quadratic(0.0), first, 1.0, max_evals=25, tolerance_change=1e-9)
    start = quadratic(0.0)
    assert found.value <= start.value + 1e-4 * found.t * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)
    assert evals <= 26


def test_a_line_that_is_no_number_ends_where_it_began():
    def wall(t):
        return Point(t, np.nan if t else 0.0, np.asarray([0.0]), -1.0 if t == 0 else np.nan)

    found, evals = strong_wolfe(wall, wall(0.0), 1.0, 1.0, max_evals=5, tolerance_change=1e-9)
    assert evals == 6
    assert np.isfinite(found.value) or np.isnan(found.value)


WRONG = [
    (lambda: LBFGS(0.0), "LBFGS: lr is 0.0, expected a number > 0"),
    (lambda: LBFGS(max_iter=0), "LBFGS: max_iter is 0, expected an integer >= 1"),
    (lambda: LBFGS(max_eval=0), "LBFGS: max_eval is 0, expected an integer >= 1"),
    (lambda: LBFGS(history_size=0), "LBFGS: history_size is 0, expected an integer >= 1"),
    (lambda: LBFGS(tolerance_grad=-1.0), "LBFGS: tolerance_grad is -1.0, expected a number >= 0"),
    (lambda: LBFGS(tolerance_change=-1.0), "LBFGS: tolerance_change is -1.0, expected a number >= 0"),
    (lambda: LBFGS(line_search_fn="armijo"), "LBFGS: line_search_fn is 'armijo', expected 'strong_wolfe' or"),
    (lambda: chain(Accumulate(2), LBFGS()), "chain: Accumulate in front of LBFGS"),
    (
        lambda: LBFGS(line_search_fn="strong_wolfe").apply(
            np.ones(2), np.ones(2), LBFGS(line_search_fn="strong_wolfe").init(np.ones(2))
        ),
        "LBFGS: a line search asks for several gradients in a step, and apply has one",
    ),
]


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_mistakes_are_explained(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)

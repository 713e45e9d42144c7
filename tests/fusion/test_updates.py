"""Every optimizer's update fused: the bits of the plain formula, and no compilation as steps go by."""

from __future__ import annotations

import gc
import math
import pickle
import weakref
from dataclasses import dataclass
from typing import ClassVar

import array_api_strict
import numpy as np
import pytest

from learnkit.backends import array_namespace
from learnkit.fusion import bound_update
from learnkit.optim import SGD, Adam, Optimizer
from learnkit.plugins import registry
from learnkit.schedules import Cosine

#: Elementwise rules that are not one kernel, and why.
UNFUSED = {"lbfgs": "asks for several gradients", "prodigy": "has slots of one element"}
#: Rules that are traced at every step, because their Python code about numbers cannot be written down.
EVERY_STEP = {"nadam", "schedule_free_adamw", "schedule_free_sgd"}


def rules():
    for name in registry.names("optimizer", third_party=False):
        if name not in ("chain", "groups"):
            rule = registry.create("optimizer", name)
            if rule.elementwise and name not in UNFUSED:
                yield name, rule
    yield "adam amsgrad", Adam(amsgrad=True)
    yield "adam corrected", Adam(amsgrad="corrected", l2=0.01)
    yield "sgd nesterov", SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    yield "sgd dampening", SGD(0.1, momentum=0.9, dampening=0.5)


RULES = dict(rules())


def vectors(rule, dtype, n=70_000):
    draw = np.random.default_rng(0)
    theta, grad = (draw.standard_normal(n).astype(dtype) for _ in range(2))
    grad[::7] = 0.0
    return [theta, grad, *(np.array(s) for s in rule.init_slots(theta))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RULES)
def test_updates_have_the_bits_of_the_formula(engine, name, dtype):
    """Sums, products, quotients and roots round alike everywhere; only exp, log and pow may differ."""
    rule = RULES[name]
    fused = vectors(rule, dtype)
    plain = [v.copy() for v in fused]
    update = bound_update(rule, fused)
    for step in range(1, 5):
        lr = 0.01 / step
        assert update(lr, step)
        theta, *slots = rule.update(plain[0], plain[1], *plain[2:], lr=lr, step=step)
        plain = [theta, plain[1], *slots]
        for got, want in zip(fused, plain, strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", RULES)
def test_steps_and_rates_cost_no_compilation(engine, name):
    """Two traces at most: some rules do something else at the first step."""
    rule = RULES[name]
    given = vectors(rule, "float32", 100)
    update = bound_update(rule, given)
    for step in range(1, 30):
        assert update(0.01 / step, step)
    kernel = update._kernel
    assert len(kernel._held) <= 3
    assert kernel._again == (name in EVERY_STEP)


def test_hyper_parameters_are_arguments_of_the_kernel(engine, monkeypatch):
    from learnkit.fusion import fused as module

    made = []
    compiled = module._compiled
    monkeypatch.setattr(module, "_compiled", lambda *a: made.append(1) or compiled(*a))

    @dataclass(frozen=True)
    class Decayed(Optimizer):
        lr: float = 0.1
        decay: float = 0.5
        weights: tuple[float, float] = (0.25, 0.75)

        def update(self, theta, grad, *slots, lr, step):
            a, b = self.weights
            if self.decay > 1:
                return (theta,)
            return (a * theta - b * lr * self.decay**step * grad,)

    for decay in (0.5, 0.25, 0.125):
        for weights in ((0.25, 0.75), (0.5, 0.5)):
            rule = Decayed(decay=decay, weights=weights)
            given = vectors(rule, "float32", 50)
            (want,) = rule.update(*given, lr=0.1, step=3)
            assert bound_update(rule, given)(0.1, 3)
            np.testing.assert_array_equal(given[0], want)
    assert len(made) == 1


def test_any_python_code_about_numbers_is_allowed(engine, said):
    """What cannot be written down is traced at every step, with the numbers as arguments of one kernel."""

    @dataclass(frozen=True)
    class Odd(Optimizer):
        slots: ClassVar[tuple[str, ...]] = ("m",)
        lr: float = 0.1

        def update(self, theta, grad, *slots, lr, step):
            m = 0.9 * slots[0] + grad
            return theta - math.sqrt(lr) / math.log(1 + step) * m, m

    rule = Odd()
    fused = vectors(rule, "float64", 1000)
    plain = [v.copy() for v in fused]
    update = bound_update(rule, fused)
    for step in range(1, 6):
        assert update(0.1, step)
        theta, m = rule.update(*plain, lr=0.1, step=step)
        plain = [theta, plain[1], m]
        np.testing.assert_array_equal(fused[0], theta)
    (line,) = said()
    assert "traced at every call" in line
    assert "** 0.5" in line


def test_a_rule_that_cannot_be_fused_is_left_to_the_caller(engine, said):
    @dataclass(frozen=True)
    class Sorted(Optimizer):
        lr: float = 0.1

        def update(self, theta, grad, *slots, lr, step):
            return (array_namespace(theta).sort(theta),)

    given = vectors(Sorted(), "float32", 10)
    before = given[0].copy()
    assert not bound_update(Sorted(), given)(0.1, 1)
    np.testing.assert_array_equal(given[0], before)
    assert "sort is not elementwise" in said()[-1]
    strict = [array_api_strict.asarray([1.0, 2.0]) for _ in range(2)]
    assert bound_update(SGD(0.1), strict) is None


def test_fusion_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("LEARNKIT_FUSE", "off")
    assert bound_update(SGD(0.1), vectors(SGD(0.1), "float32", 10)) is None


def test_a_wrong_word_is_refused(monkeypatch):
    from learnkit.backends.engine import engine
    from learnkit.errors import ArgumentError

    monkeypatch.setenv("LEARNKIT_FUSE", "nmba")
    with pytest.raises(ArgumentError, match="LEARNKIT_FUSE is 'nmba', expected 'numba', 'blocks' or 'off'"):
        engine()


def test_a_trained_state_can_be_pickled(engine):
    import learnkit as lk

    trainer = lk.Trainer(lk.nn.Linear(3, 1), "mse", lk.optim.Adam(Cosine(0.1, total_steps=5)))
    trainer.step(np.ones((4, 3)), np.ones((4, 1)))
    again = pickle.loads(pickle.dumps(trainer.optimizer_state))
    assert again.step == 1
    np.testing.assert_array_equal(again.slots["m"][0], trainer.optimizer_state.slots["m"][0])


def test_an_update_keeps_its_vectors_no_longer_than_it_is_kept(engine):
    """Without the garbage collector, which a training run may have switched off."""
    vectors = [np.ones(60_000, "float32") for _ in range(3)]
    update = bound_update(SGD(0.1, momentum=0.9), vectors)
    assert update(0.1, 1)
    kept = [weakref.ref(vector) for vector in vectors]
    gc.disable()
    try:
        del update, vectors
        assert [ref() is None for ref in kept] == [True] * 3
    finally:
        gc.enable()

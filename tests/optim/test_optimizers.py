"""Optimizers: one row a rule in ``RULES``, one test a property."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from learnkit import nn, optim
from learnkit.autodiff import grad
from learnkit.backends import array_namespace, get_backend
from learnkit.backends.layout import Layout
from learnkit.errors import ArgumentError, ShapeError
from learnkit.optim import SGD, Adam, AdamW, ClipByGlobalNorm, Optimizer, chain
from learnkit.optim.engine import BLOCK, init_state, update_in_place
from learnkit.plugins import registry
from learnkit.schedules import Constant, Cosine, OneCycle, Schedule
from learnkit.testing.matrix import BackendUnderTest

# name of the row: optimizer. The first word is the registered name.
RULES = {
    "sgd": SGD(0.1),
    "sgd momentum": SGD(0.1, momentum=0.9),
    "sgd nesterov": SGD(0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "sgd dampening": SGD(0.1, momentum=0.9, dampening=0.5),
    "sgd keras": SGD(0.1, momentum=0.9, nesterov=True, lr_in_velocity=True),
    "momentum": optim.Momentum(0.05, weight_decay=0.01),
    "nesterov": optim.Nesterov(0.05),
    "nesterov step": optim.Nesterov(0.05, weight_decay=0.01, lookahead="step"),
    "nesterov velocity": optim.Nesterov(0.05, momentum=0.3, lookahead="velocity"),
    "asgd": optim.ASGD(0.1, t0=20, weight_decay=0.01),
    "adagrad": optim.Adagrad(0.3),
    "adagrad keras": optim.Adagrad(
        0.3, 0.01, 0.01, initial_accumulator_value=0.1, eps=1e-7, eps_inside_root=True
    ),
    "adadelta": optim.Adadelta(5.0, weight_decay=0.01),
    "rmsprop": optim.RMSprop(0.02),
    "rmsprop all": optim.RMSprop(0.02, 0.9, 1e-2, 0.01, momentum=0.5, centered=True, lr_in_momentum=True),
    "adam": Adam(0.1),
    "adam l2": Adam(0.1, l2=0.1),
    "adam amsgrad": Adam(0.1, amsgrad=True, eps_placement="hat"),
    "adam amsgrad corrected": Adam(0.1, amsgrad="corrected"),
    "adamw": AdamW(0.1),
    "adamw scheduled": AdamW(Cosine(0.1, total_steps=100), weight_decay=Constant(0.1)),
    "adamw all": AdamW(
        Cosine(0.1, total_steps=200), weight_decay=0.01, amsgrad=True, decay_coupling="schedule"
    ),
    "adamax": optim.Adamax(0.1),
    "adamax keras": optim.Adamax(0.1, weight_decay=0.01, eps_outside=True),
    "nadam": optim.NAdam(0.1),
    "nadam optax": optim.NAdam(0.1, momentum_decay=None, weight_decay=0.01, decoupled_weight_decay=True),
    "radam": optim.RAdam(0.1),
    "radam torch": optim.RAdam(0.1, weight_decay=0.01, eps_placement="hat"),
    "adabelief": optim.AdaBelief(0.1, weight_decay=0.01),
    "yogi": optim.Yogi(0.1, weight_decay=0.01),
    "adan": optim.Adan(0.05, weight_decay=0.01),
    "adan no_prox": optim.Adan(0.05, weight_decay=0.01, no_prox=True),
    "lion": optim.Lion(0.02, weight_decay=0.01),
    "rprop": optim.Rprop(0.1),
    "lamb": optim.LAMB(0.1, weight_decay=0.01),
    "lars": optim.LARS(0.1, weight_decay=0.01, trust_coefficient=0.3),
    "lars optax": optim.LARS(0.1, 0.5, 0.01, 0.3, eps=1e-6, nesterov=True, norm_of_sum=True),
    "novograd": optim.NovoGrad(0.01, weight_decay=0.01),
    "novograd averaging": optim.NovoGrad(0.1, grad_averaging=True),
    "adafactor": optim.Adafactor(0.1, weight_decay=0.01),
    "adafactor paper": optim.Adafactor(0.1, d=None, relative_step=False, eps_placement="square"),
    "muon": optim.Muon(0.05, weight_decay=0.01),
    "muon rms": optim.Muon(0.05, nesterov=False, adjust_lr_fn="match_rms_adamw", output_axis=0),
    "schedule_free_sgd": optim.ScheduleFreeSGD(0.2, weight_decay=0.01, warmup_steps=5, r=1.0),
    "schedule_free_adamw": optim.ScheduleFreeAdamW(0.1, weight_decay=0.01),
    "prodigy": optim.Prodigy(weight_decay=0.01, d0=1e-3),
    "prodigy all": optim.Prodigy(
        0.5, beta3=0.9, use_bias_correction=True, safeguard_warmup=True, d0=1e-3, growth_rate=1.5
    ),
    "chain": chain(ClipByGlobalNorm(0.5), AdamW(0.1)),
    "chain of two": chain(ClipByGlobalNorm(2.0), ClipByGlobalNorm(0.5), SGD(0.1, momentum=0.9)),
}


@dataclass(frozen=True)
class Linearly(Schedule):
    """``first + slope step``."""

    first: float
    slope: float

    def __call__(self, step):
        return self.first + self.slope * step


def test_every_registered_optimizer_has_a_row():
    names = set(registry.names("optimizer", third_party=False))
    assert {row.split()[0] for row in RULES} == names - {"groups", "lbfgs"}  # these have tests of their own


def parameters(backend, dtype="float32"):
    rng = np.random.default_rng(2)
    params = {"w": rng.normal(size=(3, 2)), "b": [rng.normal(size=2), rng.normal(size=())]}
    grads = {"w": rng.normal(size=(3, 2)), "b": [rng.normal(size=2), rng.normal(size=())]}
    for tree in (params, grads):
        tree["w"] = backend.asarray(tree["w"], dtype)
        tree["b"] = [backend.asarray(v, dtype) for v in tree["b"]]
    return params, grads


def flat(tree):
    return [*tree["b"], tree["w"]]


def run(optimizer, params, grads, steps):
    state = optimizer.init(params)
    for _ in range(steps):
        params, state = optimizer.apply(params, grads, state)
    return params, state


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", RULES)
def test_library_dtype_device_and_structure_are_kept(backend, row, dtype):
    """Through three steps, without a wait for the device, for parameters and slots alike."""
    params, grads = parameters(backend, dtype)
    with backend.no_sync():
        new, state = run(RULES[row], params, grads, 3)
    assert list(new) == ["w", "b"]
    assert isinstance(new["b"], list)
    for before, after in zip(flat(params), flat(new), strict=True):
        backend.assert_array(after, backend.to_numpy(after), like=before)
        assert tuple(after.shape) == tuple(before.shape)
    assert state.step == 3
    assert tuple(state.slots) == RULES[row].slot_names()
    start = RULES[row].init(params).slots
    for name, arrays in state.slots.items():
        for slot, first, p in zip(arrays, start[name], flat(params), strict=True):
            backend.assert_array(slot, backend.to_numpy(slot), like=p)
            assert tuple(slot.shape) == tuple(first.shape)
            if RULES[row].elementwise and slot.shape:
                assert tuple(slot.shape) == tuple(p.shape)


@pytest.mark.parametrize("row", RULES)
def test_leaves_of_two_dtypes_keep_theirs(backend, row):
    """A float32 leaf beside a float64 one is updated in float32, also behind clipping."""
    params = [backend.asarray([1.0, 2.0], "float32"), backend.asarray([3.0], "float64")]
    new, state = run(RULES[row], params, params, 2)
    for before, after, *slots in zip(params, new, *state.slots.values(), strict=True):
        for array in (after, *slots):
            backend.assert_array(array, backend.to_numpy(array), like=before)


@pytest.mark.parametrize("row", RULES)
def test_values_are_those_of_numpy(backend, row):
    new, _ = run(RULES[row], *parameters(backend, "float64"), 5)
    host = BackendUnderTest("numpy", get_backend("numpy"))
    wanted, _ = run(RULES[row], *parameters(host, "float64"), 5)
    for got, want in zip(flat(new), flat(wanted), strict=True):
        backend.assert_array(got, want, dtype="float64", rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("row", RULES)
def test_inputs_are_not_changed(backend, row):
    """Neither parameters, gradients nor the state that was given."""
    params, grads = parameters(backend)
    optimizer = RULES[row]
    _, state = run(optimizer, params, grads, 2)
    everything = [*flat(params), *flat(grads), *(a for arrays in state.slots.values() for a in arrays)]
    before = [np.array(backend.to_numpy(a)) for a in everything]
    optimizer.apply(params, grads, state)
    assert state.step == 2
    for array, old in zip(everything, before, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(array), old)


@pytest.mark.parametrize("row", RULES)
def test_arrays_lists_tuples_and_dicts_give_the_same(row):
    w, g = np.asarray([1.0, -2.0]), np.asarray([0.5, 0.25])
    expected, _ = run(RULES[row], w, g, 3)
    for wrap, unwrap in (
        (lambda a: [a], lambda t: t[0]),
        (lambda a: (a,), lambda t: t[0]),
        (lambda a: {"x": {"y": a}}, lambda t: t["x"]["y"]),
    ):
        found, _ = run(RULES[row], wrap(w), wrap(g), 3)
        assert type(found) is type(wrap(w))
        np.testing.assert_array_equal(unwrap(found), expected)


@pytest.mark.parametrize("row", RULES)
def test_in_place_and_in_blocks_give_the_bits_of_apply(backend, row):
    """The vector of a trainer, whole or block by block: not one bit differs from ``apply``."""
    rng = np.random.default_rng(4)
    n = 2 * BLOCK + 123 if backend.name == "numpy" else 1000
    theta = rng.normal(size=n)
    grads = [rng.normal(size=n) for _ in range(3)]
    found = []
    for how in ("apply", "whole", "blocks"):
        vector = backend.asarray(theta)
        state = RULES[row].init(vector)
        for values in grads:
            g = backend.asarray(values)
            if how == "apply":
                vector, state = RULES[row].apply(vector, g, state)
            else:
                before = vector
                update_in_place(RULES[row], vector, g, state, blocks=how == "blocks")
                assert vector is before
                np.testing.assert_array_equal(backend.to_numpy(g), values.astype("float32"))
        found.append([vector, *(arrays[0] for arrays in state.slots.values())])
        assert state.step == 3
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(backend.to_numpy(a), backend.to_numpy(b))


@pytest.mark.parametrize("row", RULES)
def test_components_by_name(row):
    """They compare, hash, print, and are made again from their description."""
    optimizer = RULES[row]
    described = registry.describe(optimizer, "optimizer")
    again = registry.create("optimizer", described)
    assert again == optimizer
    assert hash(again) == hash(optimizer)
    assert type(optimizer).__name__ in repr(optimizer)
    with pytest.raises(AttributeError):
        optimizer.lr = 1.0


@pytest.mark.parametrize("shape", [(2,), (2, 1), (1, 2)])
@pytest.mark.parametrize("row", RULES)
def test_a_quadratic_is_minimised(row, shape):
    """Vectors and matrices; at the parameters that the rule would have evaluated."""
    rule = RULES[row]
    theta = np.reshape(np.asarray([1.0, -1.5]), shape)
    state = rule.init(theta)
    for _ in range(150):
        _, theta, state = rule.step_with(lambda t: (np.sum(t * t), 2 * t), theta, state)
    assert np.abs(rule.evaluation_params(theta, state)).max() < 0.2


@pytest.mark.parametrize("row", RULES)
def test_a_copied_state_goes_on_with_the_same_bits(row):
    """Stopping after step 5 and going on with copies of everything."""
    rng = np.random.default_rng(3)
    tree = {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2), "s": rng.normal(size=())}
    grads = [{name: rng.normal(size=p.shape) for name, p in tree.items()} for _ in range(10)]
    ends = []
    for stop in (None, 5):
        params, state = tree, RULES[row].init(tree)
        for step, g in enumerate(grads):
            if step == stop:
                params, state = copy.deepcopy((params, state))
            params, state = RULES[row].apply(params, g, state)
        ends.append([*params.values(), *(a for arrays in state.slots.values() for a in arrays)])
    for straight, resumed in zip(*ends, strict=True):
        np.testing.assert_array_equal(straight, resumed)


@pytest.mark.parametrize("row", RULES)
def test_slots_are_arrays_of_their_own(row):
    """Whoever writes into the parameters or the gradient afterwards does not write into the state."""
    params = [np.asarray([[1.0, 2.0], [3.0, 4.0]]), np.asarray([5.0, 6.0])]
    grads = [np.asarray([[0.5, 1.0], [2.0, 0.1]]), np.asarray([1.0, 2.0])]
    state = RULES[row].init(params)
    for _ in range(3):
        for slot in (a for arrays in state.slots.values() for a in arrays):
            assert not any(np.shares_memory(slot, other) for other in (*params, *grads))
        params, state = RULES[row].apply(params, grads, state)


@pytest.mark.parametrize("row", RULES)
def test_zeros_and_leaves_without_elements(row):
    """Parameters, gradients and sizes of zero give finite numbers, and no warning."""
    params = {"zero": np.zeros((2, 2)), "none": np.zeros((0, 3)), "b": np.zeros(2), "nothing": np.zeros(0)}
    new, state = run(RULES[row], params, params, 3)
    for name, before in params.items():
        assert new[name].shape == before.shape
        assert np.abs(new[name]).sum() < 1e-3
    assert all(np.isfinite(a).all() for arrays in state.slots.values() for a in arrays)


# Schedules as hyper-parameters


def test_a_scheduled_learning_rate_is_that_of_the_step():
    """It counts from 0, acts at once, and leaves the optimizer as it is."""
    rule = SGD(Linearly(1.0, 1.0))
    theta, state = np.asarray([0.0]), rule.init(np.asarray([0.0]))
    moves = []
    for _ in range(3):
        new, state = rule.apply(theta, np.asarray([1.0]), state)
        moves.append(float(theta[0] - new[0]))
        theta = new
    assert moves == [1.0, 2.0, 3.0]
    assert [rule.lr_at(s) for s in range(3)] == [1.0, 2.0, 3.0]
    assert rule == SGD(Linearly(1.0, 1.0))


#: Options that are numbers and no schedules: they say how a state starts, or are kept as tables.
NUMBERS = {
    *("lr", "initial_accumulator_value", "momentum_decay", "etas", "step_sizes", "ns_coefficients", "d0"),
    *("r", "weight_lr_power", "ns_steps", "output_axis", "min_dim_size_to_factor", "warmup_steps"),
    *("transforms", "rule"),
}


def as_schedule(value):
    """A number, or the numbers of a tuple, as constant schedules; anything else is None."""
    if isinstance(value, tuple):
        return tuple(Linearly(v, 0.0) if type(v) is float else v for v in value)
    return Linearly(value, 0.0) if type(value) is float else None


@pytest.mark.parametrize("row", RULES)
def test_every_number_can_be_scheduled(row):
    """A constant schedule in its place gives the same bits."""
    rule = RULES[row]
    w, g = np.asarray([[1.0, -2.0]]), np.asarray([[0.5, 0.25]])
    wanted, _ = run(rule, w, g, 4)
    for field in dataclasses.fields(rule):
        if field.name in NUMBERS or (field.name == "dampening" and rule.nesterov):
            continue
        schedule = as_schedule(getattr(rule, field.name))
        if schedule is not None:
            found, _ = run(dataclasses.replace(rule, **{field.name: schedule}), w, g, 4)
            np.testing.assert_array_equal(found, wanted, err_msg=field.name)


SCHEDULED = {
    "momentum": lambda v: SGD(0.1, momentum=v),
    "nesterov momentum": lambda v: SGD(0.1, momentum=v, nesterov=True),
    "weight_decay of sgd": lambda v: SGD(0.1, weight_decay=v),
    "weight_decay of adamw": lambda v: AdamW(0.1, weight_decay=v),
    "l2": lambda v: Adam(0.1, l2=v),
}


@pytest.mark.parametrize("name", SCHEDULED)
def test_other_hyper_parameters_can_be_scheduled(name):
    """A constant schedule gives the bits of the number, and a changing one acts at each step."""
    make = SCHEDULED[name]
    w, g = np.asarray([1.0, -2.0]), np.asarray([0.5, 0.25])
    by_number, _ = run(make(0.5), w, g, 4)
    by_schedule, _ = run(make(Constant(0.5)), w, g, 4)
    np.testing.assert_array_equal(by_number, by_schedule)
    changing, _ = run(make(Linearly(0.5, 0.1)), w, g, 4)
    assert (changing != by_number).all()


def test_a_momentum_scheduled_down_to_zero_goes_on():
    """Nesterov's form with momentum 0 is plain descent; a schedule may end there."""
    optimizer = SGD(0.1, momentum=Linearly(0.5, -0.25), nesterov=True)
    theta, state = run(optimizer, np.asarray([1.0]), np.asarray([1.0]), 3)
    assert state.step == 3
    assert np.isfinite(theta).all()


def test_the_length_of_a_run_is_filled_into_all_schedules():
    optimizer = chain(ClipByGlobalNorm(1.0), AdamW(OneCycle(0.1), weight_decay=Cosine(0.1)))
    resolved = optimizer.resolve(40)
    assert resolved.lr.total_steps == 40
    assert resolved.rule.weight_decay.total_steps == 40
    assert optimizer.lr.total_steps is None
    assert SGD(0.1).resolve(7) == SGD(0.1)


# Rules that need whole leaves


@dataclass(frozen=True)
class ByNorm(Optimizer):
    """theta - lr g / |g|, with the norm of each leaf: not elementwise."""

    elementwise: ClassVar[bool] = False
    slots: ClassVar[tuple[str, ...]] = ("shapes",)
    lr: float = 1.0

    def update(self, theta, grad, *slots, lr, step):
        size = sum(n > 1 for n in theta.shape)
        return theta - lr * grad / (grad * grad).sum() ** 0.5, slots[0] + size


def test_a_rule_that_is_not_elementwise_gets_the_leaves():
    """In their shapes, in ``apply`` and in place, also behind a transform and in blocks."""
    theta, grad = np.zeros(6), np.asarray([3.0, 4.0, 1.0, 1.0, 1.0, 1.0])

    def views(vector):
        return [vector[:2], vector[2:].reshape(2, 2)]

    for optimizer in (ByNorm(), chain(ClipByGlobalNorm(100.0), ByNorm())):
        vector, state = theta.copy(), init_state(optimizer, theta, Layout(("a", "b"), ((2,), (2, 2))))
        update_in_place(optimizer, vector, grad, state, views=views, blocks=True)
        np.testing.assert_allclose(vector, [-0.6, -0.8, -0.5, -0.5, -0.5, -0.5])
        assert [slot.tolist() for slot in state.slots["shapes"]] == [[1.0, 1.0], [[2.0, 2.0], [2.0, 2.0]]]
        new, _ = optimizer.apply(views(theta), views(grad), optimizer.init(views(theta)))
        np.testing.assert_allclose(new[1], -0.5 * np.ones((2, 2)))


def test_a_rule_without_an_equation_says_so():
    @dataclass(frozen=True)
    class Empty(Optimizer):
        lr: float = 0.1

    with pytest.raises(TypeError, match=r"Empty defines no update\(self, theta, grad, \*slots, lr, step\)"):
        Empty().apply(np.ones(2), np.ones(2), Empty().init(np.ones(2)))


# Mistakes

WRONG = [
    (lambda: SGD(0.0), "SGD: lr is 0.0, expected a number > 0"),
    (lambda: SGD("fast"), "SGD: lr is 'fast', expected a number > 0"),
    (lambda: SGD(float("nan")), "SGD: lr is nan, expected a number > 0"),
    (lambda: SGD(0.1, momentum=1.0), "SGD: momentum is 1.0, expected a number in [0, 1)"),
    (lambda: SGD(0.1, momentum=-0.1), "SGD: momentum is -0.1, expected a number in [0, 1)"),
    (lambda: SGD(0.1, momentum=0.9, dampening=1.5), "SGD: dampening is 1.5, expected a number in [0, 1]"),
    (lambda: SGD(0.1, weight_decay=-1.0), "SGD: weight_decay is -1.0, expected a number >= 0"),
    (lambda: SGD(0.1, nesterov=True), "SGD: nesterov=True needs momentum > 0 and dampening 0"),
    (
        lambda: SGD(0.1, momentum=0.9, dampening=0.1, nesterov=True),
        "nesterov=True needs momentum > 0 and dampening 0",
    ),
    (lambda: Adam(-1.0), "Adam: lr is -1.0, expected a number > 0"),
    (lambda: Adam(betas=(0.9, 1.0)), "Adam: betas is (0.9, 1.0), expected two numbers in [0, 1)"),
    (lambda: Adam(betas=0.9), "Adam: betas is 0.9, expected two numbers in [0, 1)"),
    (lambda: Adam(betas=(0.9,)), "Adam: betas is (0.9,), expected two numbers in [0, 1)"),
    (lambda: Adam(eps=0.0), "Adam: eps is 0.0, expected a number > 0"),
    (lambda: Adam(l2=-0.1), "Adam: l2 is -0.1, expected a number >= 0"),
    (lambda: AdamW(weight_decay=-0.1), "AdamW: weight_decay is -0.1, expected a number >= 0"),
    (lambda: AdamW(eps=-1e-8), "AdamW: eps is -1e-08, expected a number > 0"),
    (lambda: AdamW(betas=(-0.1, 0.9)), "AdamW: betas is (-0.1, 0.9), expected two numbers in [0, 1)"),
    (lambda: SGD(0.1, nesterov=1), "SGD: nesterov is 1, expected True or False"),
    (lambda: optim.Momentum(0.1, momentum=1.0), "Momentum: momentum is 1.0, expected a number in [0, 1)"),
    (lambda: optim.Nesterov(0.1, lookahead="steps"), "Nesterov: lookahead is 'steps'"),
    (
        lambda: optim.Nesterov(0.1, lookahead="velocity", lr_in_velocity=True),
        "Nesterov: lookahead='velocity' with lr_in_velocity=True\n  a velocity that holds lr looks ahead",
    ),
    (lambda: optim.ASGD(t0=-1), "ASGD: t0 is -1, expected a number >= 0"),
    (lambda: optim.Adagrad(eps=0), "Adagrad: eps is 0, expected a number > 0"),
    (
        lambda: optim.Adagrad(initial_accumulator_value=Constant(0.1)),
        "Adagrad: initial_accumulator_value is Constant(lr=0.1), expected a number >= 0",
    ),
    (lambda: optim.Adadelta(rho=1.5), "Adadelta: rho is 1.5, expected a number in [0, 1)"),
    (lambda: optim.RMSprop(alpha=-1), "RMSprop: alpha is -1, expected a number in [0, 1)"),
    (lambda: optim.RMSprop(centered="yes"), "RMSprop: centered is 'yes', expected True or False"),
    (lambda: Adam(amsgrad="uncorrected"), "Adam: amsgrad is 'uncorrected'"),
    (
        lambda: Adam(eps_placement="inside"),
        "Adam: eps_placement is 'inside' (did you mean 'outside'?), expected 'outside' or",
    ),
    (
        lambda: AdamW(amsgrad="corrected", eps_placement="hat"),
        "AdamW: eps_placement='hat' with amsgrad='corrected'",
    ),
    (lambda: AdamW(decay_coupling="wd"), "expected 'lr', 'schedule' or 'none'"),
    (
        lambda: AdamW(Linearly("fast", 0.0), decay_coupling="schedule"),
        "no base learning rate to be read from 'fast'",
    ),
    (lambda: optim.NAdam(momentum_decay=-1.0), "NAdam: momentum_decay is -1.0, expected a number >= 0"),
    (lambda: optim.RAdam(eps_placement=1), "RAdam: eps_placement is 1, expected 'outside' or 'hat'"),
    (lambda: optim.Adan(betas=(0.9, 0.99)), "Adan: betas is (0.9, 0.99), expected three numbers in [0, 1)"),
    (lambda: optim.Yogi(initial_accumulator_value=-1.0), "Yogi: initial_accumulator_value is -1.0"),
    (lambda: optim.Lion(betas=(0.9, 2)), "Lion: betas is (0.9, 2), expected two numbers in [0, 1)"),
    (lambda: optim.Rprop(etas=(0.5, 0.9)), "Rprop: etas is (0.5, 0.9), expected 0 < etas[0] < 1 < etas[1]"),
    (lambda: optim.Rprop(etas=(0.5,)), "Rprop: etas is (0.5,), expected two numbers"),
    (lambda: optim.Rprop(step_sizes=(1.0, 0.5)), "expected 0 < step_sizes[0] <= step_sizes[1]"),
    (lambda: optim.LARS(trust_coefficient=0.0), "LARS: trust_coefficient is 0.0, expected a number > 0"),
    (
        lambda: optim.Adafactor(beta2_decay=0.8),
        "Adafactor: beta2_decay is 0.8, expected a number in (-inf, 0)",
    ),
    (lambda: optim.Adafactor(d=0.5), "Adafactor: d is 0.5, expected a number >= 1 or None"),
    (lambda: optim.Adafactor(eps=1e-8), "Adafactor: eps is 1e-08, expected two numbers"),
    (lambda: optim.Adafactor(eps=(0.0, 1.0)), "Adafactor: eps[0] is 0.0, expected a number > 0"),
    (lambda: optim.Muon(ns_steps=0), "Muon: ns_steps is 0, expected an integer in 1 to 99"),
    (lambda: optim.Muon(ns_coefficients=(1.0, 2.0)), "Muon: ns_coefficients is (1.0, 2.0), expected three"),
    (lambda: optim.Muon(fallback_betas=0.9), "Muon: fallback"),
    (lambda: optim.Muon(output_axis=1), "Muon: output_axis is 1, expected -1 or 0"),
    (lambda: optim.ScheduleFreeSGD(warmup_steps=1.5), "warmup_steps is 1.5, expected an integer >= 0"),
    (lambda: optim.ScheduleFreeSGD(momentum=1.0), "ScheduleFreeSGD: momentum is 1.0"),
    (lambda: optim.ScheduleFreeAdamW(r=-1.0), "ScheduleFreeAdamW: r is -1.0, expected a number >= 0"),
    (lambda: optim.Prodigy(d0=0.0), "Prodigy: d0 is 0.0, expected a number > 0"),
    (lambda: optim.Prodigy(beta3=1.0), "Prodigy: beta3 is 1.0, expected a number in [0, 1)"),
    (lambda: ClipByGlobalNorm(0.0), "ClipByGlobalNorm: max_norm is 0.0, expected a number > 0"),
    (lambda: chain(), "chain needs at least an optimizer"),
    (
        lambda: chain(ClipByGlobalNorm(1.0)),
        "chain: the last part is ClipByGlobalNorm(max_norm=1.0, on_nonfinite='keep'), expected an Opti",
    ),
    (lambda: chain(SGD(0.1), ClipByGlobalNorm(1.0)), "is not a Transform; the optimizer comes last"),
    (lambda: registry.create("optimizer", "adam:weight_decay=0.1"), "weight_decay"),
    (lambda: registry.create("optimizer", "adamw:lr=0"), "AdamW: lr is 0, expected a number > 0"),
]


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_values_out_of_range_are_refused(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)


def test_numbers_of_array_libraries_are_refused_with_the_way_out():
    """np.float64 is no Python number: it would turn float32 arrays into float64."""
    with pytest.raises(ArgumentError) as caught:
        AdamW(np.float64(0.1))
    assert str(caught.value) == (
        "AdamW: lr is np.float64(0.1), expected a number > 0\n"
        "  write float(...): numbers of array libraries would change the dtype of arrays"
    )


def test_trees_that_do_not_fit_are_refused():
    rule = SGD(0.1)
    params = {"w": np.ones(3), "b": np.ones(2)}
    state = rule.init(params)
    for grads, text in (
        ({"w": np.ones(3)}, "2 parameters and 1 gradients, no gradient for 'b'; give trees of one structure"),
        ({"w": np.ones(3), "c": np.ones(2)}, "2 parameters and 2 gradients, no gradient for 'b'"),
        ({**params, "c": np.ones(2)}, "2 parameters and 3 gradients, no parameter for 'c'"),
        ([np.ones(3), np.ones(2)], "no gradient for 'b'"),
        (
            {"w": np.ones(3), "b": np.ones(3)},
            "parameter 'b' has shape (2,), its gradient (3,); expected equal",
        ),
    ):
        with pytest.raises(ShapeError) as caught:
            rule.apply(params, grads, state)
        assert text in str(caught.value)
    with pytest.raises(ShapeError, match=r"the parameter has shape \(3,\), its gradient \(2,\)"):
        rule.apply(np.ones(3), np.ones(2), rule.init(np.ones(3)))


@pytest.mark.parametrize("row", RULES)
def test_dicts_pair_by_key_and_not_by_order(row):
    """Gradients, and parameters at a later step, may come in a dict that was made in another order."""
    params, grads = (
        {"w": np.ones(2), "b": np.zeros(2)},
        {"w": np.asarray([1.0, 2.0]), "b": np.asarray([3.0, -1.0])},
    )
    wanted, _ = run(RULES[row], params, grads, 3)
    state = RULES[row].init(params)
    for step in range(3):
        if step % 2 == 0:
            grads = dict(reversed(grads.items()))
        params, state = RULES[row].apply(dict(reversed(params.items())), grads, state)
    assert list(wanted) == ["w", "b"]
    for k in wanted:
        np.testing.assert_array_equal(params[k], wanted[k])


def test_a_model_and_its_gradient_by_path_fit_each_other():
    model = nn.Linear(2, 1)
    nn.initialize(model, dtype="float64")
    x = np.asarray([[1.0, 2.0]])
    gradient = grad(lambda m: array_namespace(x, m.weight).sum(m(x)))(model)
    new, _ = SGD(0.5).apply(model, gradient, SGD(0.5).init(model))
    assert list(new) == ["weight", "bias"]
    np.testing.assert_array_equal(new["weight"], model.weight - 0.5 * np.asarray([[1.0], [2.0]]))
    np.testing.assert_array_equal(new["bias"], [-0.5])

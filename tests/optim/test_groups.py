"""Parameter groups: by pattern, alone on trees and on the vector of a trainer; frozen parameters."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.backends.layout import Layout
from learnkit.errors import ArgumentError
from learnkit.optim import (
    EMA,
    LAMB,
    LBFGS,
    SGD,
    Adam,
    AdamW,
    Chain,
    ClipByGlobalNorm,
    Groups,
    Muon,
    Nesterov,
    Prodigy,
    ScheduleFreeSGD,
    WeightDecay,
    chain,
    groups,
    no_decay,
)
from learnkit.optim.engine import BLOCK, averaged, init_state, step_in_place, update_in_place
from learnkit.optim.paths import matches
from learnkit.plugins import registry
from learnkit.schedules import Constant, Cosine
from learnkit.training import Trainer

SHAPES = {
    "0.weight": (3, 4),
    "0.bias": (4,),
    "1.weight": (4, 2),
    "1.bias": (2,),
    "2.weight": (2, 2),
    "2.bias": (2,),
}
LAYOUT = Layout(tuple(SHAPES), tuple(SHAPES.values()))

# name: optimizer with groups, and for each path the rule that this leaf is to have, None if it never moves
BASE = AdamW(0.1, weight_decay=0.1)
CASES = {
    "options": (
        groups(BASE, {"*.bias": {"weight_decay": 0.0}, "0.*": {"lr": 0.01, "betas": (0.5, 0.9)}}),
        lambda path: AdamW(0.1, weight_decay=0.0)
        if path.endswith("bias")
        else AdamW(0.01, betas=(0.5, 0.9), weight_decay=0.1)
        if path.startswith("0")
        else BASE,
    ),
    "frozen": (groups(BASE, {"1.*": None}), lambda path: None if path.startswith("1") else BASE),
    "all frozen": (groups(BASE, {"*": None}), lambda path: None),
    "no decay": (
        no_decay(BASE),
        lambda path: AdamW(0.1, weight_decay=0.0) if path.endswith("bias") else BASE,
    ),
    "another rule": (
        groups(Adam(0.1), {"ndim<=1": SGD(0.5, momentum=0.9), "2.weight": {"lr": Constant(0.3)}}),
        lambda path: SGD(0.5, momentum=0.9)
        if path.endswith("bias")
        else Adam(0.3 if path[0] == "2" else 0.1),
    ),
    "another slot": (
        groups(SGD(0.1, momentum=0.9), {"*.bias": {"momentum": 0.0}}),
        lambda path: SGD(0.1) if path.endswith("bias") else SGD(0.1, momentum=0.9),
    ),
    "matrices by one, vectors by another": (
        groups(Muon(0.02), {"ndim<2": Adam(0.1)}),
        lambda path: Adam(0.1) if path.endswith("bias") else Muon(0.02),
    ),
    "leaf by leaf, some frozen": (
        groups(LAMB(0.1), {"2.*": None}),
        lambda path: None if path[0] == "2" else LAMB(0.1),
    ),
    "in a chain": (
        groups(chain(ClipByGlobalNorm(1e9), BASE), {"1.weight": None, "*.bias": {"lr": 0.3}}),
        lambda path: None
        if path == "1.weight"
        else AdamW(0.3 if path.endswith("bias") else 0.1, weight_decay=0.1),
    ),
    "an average and one frozen": (
        groups(ScheduleFreeSGD(0.1), {"0.*": None}),
        lambda path: None if path[0] == "0" else ScheduleFreeSGD(0.1),
    ),
}  # fmt: skip


def problem(steps=5):
    rng = np.random.default_rng(0)
    start = {k: rng.normal(size=s) for k, s in SHAPES.items()}
    return start, [{k: rng.normal(size=s) for k, s in SHAPES.items()} for _ in range(steps)]


def alone(rule, w, grads):
    """Each leaf by itself."""
    if rule is None:
        return w, w
    state = rule.init({"x": w})
    params = {"x": w}
    for g in grads:
        params, state = rule.apply(params, {"x": g}, state)
    return params["x"], rule.evaluation_params(params, state)["x"]


def flat(tree):
    return np.concatenate([np.asarray(a).ravel() for a in tree.values()])


@pytest.mark.parametrize("case", CASES)
def test_each_leaf_is_updated_by_its_rule(backend, case):
    """In a tree and in place on theta alike, on every library, without a wait."""
    optimizer, rule_of = CASES[case]
    start, grads = problem()
    wanted = {k: alone(rule_of(k), start[k], [g[k] for g in grads]) for k in SHAPES}
    params = {k: backend.asarray(v, "float64") for k, v in start.items()}
    with backend.no_sync():
        state = optimizer.init(params)
        new = params
        for g in grads:
            new, state = optimizer.apply(new, {k: backend.asarray(v, "float64") for k, v in g.items()}, state)
        evaluated = optimizer.evaluation_params(new, state)
    for k in SHAPES:
        backend.assert_array(new[k], wanted[k][0], like=params[k], rtol=1e-10, atol=1e-12)
        backend.assert_array(evaluated[k], wanted[k][1], like=params[k], rtol=1e-10, atol=1e-12)
        if rule_of(k) is None:
            np.testing.assert_array_equal(backend.to_numpy(new[k]), start[k])
    theta = backend.asarray(flat(start), "float64")
    views = lambda vector: list(LAYOUT.views(vector).values())  # noqa: E731
    with backend.no_sync():
        state = init_state(optimizer, theta, LAYOUT)
        for g in grads:
            update_in_place(
                optimizer, theta, backend.asarray(flat(g), "float64"), state, views=views, blocks=True
            )
        evaluated = averaged(optimizer, theta, state, views=views)
    backend.assert_array(
        theta, flat({k: w[0] for k, w in wanted.items()}), rtol=1e-10, atol=1e-12, dtype="float64"
    )
    wanted_average = flat({k: w[1] for k, w in wanted.items()})
    backend.assert_array(evaluated, wanted_average, rtol=1e-10, atol=1e-12, dtype="float64")


@pytest.mark.parametrize("case", CASES)
def test_groups_by_name(case):
    optimizer, _ = CASES[case]
    again = registry.create("optimizer", registry.describe(optimizer, "optimizer"))
    assert again == optimizer
    assert hash(again) == hash(optimizer)
    rule = optimizer.rule if isinstance(optimizer, Chain) else optimizer
    assert isinstance(rule, Groups)
    given = {"name": "groups", "rule": {"kind": "optimizer", "name": "sgd"}, "patterns": {"*.bias": "frozen"}}
    assert registry.create("optimizer", given) == groups(SGD(), {"*.bias": None})


def test_stretches_are_as_long_as_they_can_be():
    """Neighbours of one group are one slice, and equal groups are one."""
    rule = groups(SGD(0.1), [("0.*", {"lr": 0.2}), ("1.weight", {"lr": 0.2}), ("2.*", None)])
    parts = rule.parts(LAYOUT)
    assert sorted(part.stretches for part in parts) == [((0, 24),), ((24, 26),), ((26, 32),)]


def test_long_vectors_go_in_blocks_within_each_stretch():
    n = 2 * BLOCK + 7
    layout = Layout(("a", "b", "c"), ((n,), (5,), (n,)))
    rng = np.random.default_rng(0)
    start, grad = rng.normal(size=layout.size), rng.normal(size=layout.size)
    found = []
    for blocks in (False, True):
        theta = start.copy()
        rule = groups(Adam(0.1), {"b": None})
        state = init_state(rule, theta, layout)
        update_in_place(rule, theta, grad, state, blocks=blocks)
        found.append(theta)
    np.testing.assert_array_equal(*found)
    np.testing.assert_array_equal(found[0][n : n + 5], start[n : n + 5])


def test_no_transform_moves_a_frozen_leaf():
    """Neither decay around the rule nor an average's rounding."""
    start, grads = problem()
    optimizer = chain(WeightDecay(0.1), EMA(0.9), groups(Adam(0.1), {"0.*": None}))
    params, state = start, optimizer.init(start)
    theta = flat(start)
    in_place = init_state(optimizer, theta, LAYOUT)
    for g in grads:
        params, state = optimizer.apply(params, g, state)
        update_in_place(optimizer, theta, flat(g), in_place)
    average = optimizer.evaluation_params(params, state)
    for path in ("0.weight", "0.bias"):
        np.testing.assert_array_equal(params[path], start[path])
        np.testing.assert_array_equal(average[path], start[path])
    np.testing.assert_allclose(theta, flat(params), rtol=1e-13)
    assert (params["1.weight"] != start["1.weight"]).all()


ASKING = [LBFGS(line_search_fn="strong_wolfe"), Nesterov(0.01, lookahead="step")]


@pytest.mark.parametrize("rule", ASKING, ids=["lbfgs", "nesterov"])
def test_rules_that_ask_for_gradients_leave_frozen_leaves_alone(rule):
    optimizer = groups(rule, {"b": None})
    a = np.asarray([[3.0, 1.0, 0.5], [1.0, 2.0, 0.3], [0.5, 0.3, 4.0]])

    def value_and_grad(p):
        w = np.concatenate([p["a"], p["b"]])
        g = a @ w
        return w @ g / 2, {"a": g[:2], "b": g[2:]}

    params = {"a": np.asarray([1.0, -2.0]), "b": np.asarray([2.0])}
    state = optimizer.init(params)
    for _ in range(3):
        _, params, state = optimizer.step_with(value_and_grad, params, state)
    np.testing.assert_array_equal(params["b"], [2.0])
    layout = Layout(("a", "b"), ((2,), (1,)))
    theta = np.asarray([1.0, -2.0, 2.0])
    state = init_state(optimizer, theta, layout)
    for _ in range(3):
        step_in_place(
            optimizer,
            lambda: (theta @ a @ theta / 2, a @ theta),
            theta,
            state,
            views=lambda v: list(layout.views(v).values()),
        )
    np.testing.assert_allclose(theta, [*params["a"], 2.0], rtol=1e-9, atol=1e-9)
    if isinstance(rule, LBFGS):
        np.testing.assert_allclose(theta[:2], np.linalg.solve(a[:2, :2], -a[:2, 2] * 2.0), atol=1e-6)


def test_schedules_in_groups_learn_the_length_of_the_run():
    optimizer = groups(SGD(Cosine(0.1)), {"a": {"lr": Cosine(1.0)}}).resolve(10)
    params = {"a": np.zeros(1), "b": np.zeros(1)}
    state = optimizer.init(params)
    moves = []
    for _ in range(10):
        new, state = optimizer.apply(params, {"a": np.ones(1), "b": np.ones(1)}, state)
        moves.append((float(-new["a"][0]), float(-new["b"][0])))
    own = Cosine(1.0, total_steps=10)
    np.testing.assert_allclose([m[0] for m in moves], [own(t) for t in range(10)])
    np.testing.assert_allclose([m[1] for m in moves], [own(t) / 10 for t in range(10)], atol=1e-15)
    assert optimizer.lr_at(0) == 0.1
    halved = groups(SGD(0.2), {"a": {"lr": 0.4}, "b": SGD(0.6)}).with_lr(lambda lr: lr / 2)
    assert halved == groups(SGD(0.1), {"a": {"lr": 0.2}, "b": SGD(0.3)})


def test_groups_of_groups_put_the_new_patterns_first():
    twice = groups(groups(SGD(1.0), {"a": {"lr": 0.5}}), {"*": {"lr": 0.25}})
    assert [p for p, _ in twice.patterns] == ["*", "a"]
    new, _ = twice.apply({"a": np.zeros(1)}, {"a": np.ones(1)}, twice.init({"a": np.zeros(1)}))
    assert new["a"][0] == -0.25


def test_rules_over_all_leaves_see_their_group_only():
    rule = groups(Prodigy(1.0), {"b": None})
    params = {"a": np.ones(3), "b": np.full(2, 1e6)}
    grads = {"a": np.asarray([1.0, 2.0, 3.0]), "b": np.full(2, 1e6)}
    state, only = rule.init(params), Prodigy(1.0)
    wanted, own = {"a": params["a"]}, only.init({"a": params["a"]})
    for _ in range(4):
        params, state = rule.apply(params, grads, state)
        wanted, own = only.apply(wanted, {"a": grads["a"]}, own)
    np.testing.assert_allclose(params["a"], wanted["a"], rtol=1e-13)


@pytest.mark.parametrize(
    ("pattern", "path", "shape", "fits"),
    [
        ("*.bias", "0.bias", (3,), True),
        ("*.bias", "bias", (3,), False),
        ("0.*", "0.a.b", (3,), True),
        ("[01].weight", "1.weight", (3,), True),
        ("ndim<=1", "x", (), True),
        ("ndim >= 2", "x", (3, 4), True),
        ("ndim==3", "x", (3, 4), False),
        ("matrix", "x", (3, 4), True),
        ("matrix", "x", (3,), False),
        ("*.Bias", "0.bias", (3,), False),
    ],
)
def test_patterns(pattern, path, shape, fits):
    assert matches(pattern, path, shape) is fits


WRONG = [
    (
        lambda: groups(SGD(), {"*.bias": {"wieght_decay": 0.0}}),
        "SGD has no option 'wieght_decay' (did you mean",
    ),
    (
        lambda: groups(SGD(), {"*.bias": {"lr": -1.0}}),
        "groups: '*.bias': SGD: lr is -1.0, expected a number > 0",
    ),
    (lambda: groups(SGD(), {"*.bias": 3}), "groups: '*.bias' has 3, expected a dict of hyper-parameters"),
    (lambda: groups(SGD(), {3: None}), "groups: 3 is no pattern"),
    (lambda: groups(SGD(), "0.*"), "groups: patterns is '0.*', expected a dict from pattern to changes"),
    (lambda: groups(None, {}), "groups: the rule is None, expected an Optimizer"),
    (lambda: Groups(chain(SGD()), {}), "groups: the rule is a chain"),
    (lambda: groups(SGD(), {"a": chain(SGD())}), "expected a plain rule"),
    (lambda: groups(SGD(), {"a": LBFGS()}), "LBFGS takes several gradients in a step and cannot be mixed"),
    (lambda: no_decay(Prodigy.__mro__[1]()), "no option 'weight_decay'"),
    (
        lambda: groups(SGD(), {"*.bais": None}).init({"0": {"bias": np.ones(1)}}),
        "groups: no parameter fits the pattern '*.bais' (did you mean '*.bias'?)\n  parameters: 0.bias",
    ),
    (
        lambda: Trainer(nn.Sequential(nn.Linear(2, 1)), "mse", groups(SGD(), {"1.*": None})),
        "no parameter fits the pattern '1.*'",
    ),
]


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_mistakes_are_explained(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)


# In a trainer


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 3)).astype("float32")
    return x, x.sum(1, keepdims=True)


def model():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


@pytest.mark.parametrize(
    "optimizer", [SGD(0.1), chain(WeightDecay(0.1), EMA(0.5), AdamW(0.1)), LAMB(0.1), "lbfgs"]
)
def test_frozen_parameters_of_a_model(backend, optimizer):
    """They stay, bit for bit, have no gradient, and move again when they are set free."""
    x, y = data()
    m = model()
    trainer = Trainer(m, "mse", optimizer, backend=backend.backend)
    m.freeze("0.*")
    before = {k: np.array(backend.to_numpy(a)) for k, a in m.arrays().items()}
    for _ in range(2):
        trainer.step(x, y)
    for path, array in m.arrays().items():
        same = np.array_equal(backend.to_numpy(array), before[path])
        assert same == path.startswith("0.")
    views = trainer.parameters.layout.views(trainer.gradient.vector)
    assert not backend.to_numpy(views["0.weight"]).any()
    assert backend.to_numpy(views["2.weight"]).any()
    m.unfreeze()
    trainer.step(x, y)
    assert not np.array_equal(backend.to_numpy(m.arrays()["0.weight"]), before["0.weight"])


def test_freezing_what_is_not_there():
    with pytest.raises(ArgumentError, match=r"no parameter fits the pattern '3\.\*'"):
        model().freeze("3.*")


@pytest.mark.parametrize("optimizer", ["adam", "lamb", "lbfgs"])
def test_frozen_parameters_are_saved_as_such(tmp_path, optimizer):
    x, y = data()
    trainer = Trainer(model(), "mse", optimizer)
    trainer.model.freeze("*.bias")
    trainer.step(x, y)
    again = Trainer.load(trainer.save(tmp_path / "run.safetensors"))
    assert [p for p, leaf in again.model.parameters().items() if not leaf.trainable] == ["0.bias", "2.bias"]
    trainer.step(x, y)
    again.step(x, y)
    np.testing.assert_array_equal(trainer.parameters.theta, again.parameters.theta)

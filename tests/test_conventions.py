"""Conventions: each entry of the table gives the numbers that the library itself computed."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import learnkit as lk
from learnkit.errors import ArgumentError, UnknownNameError
from learnkit.plugins import registry
from learnkit.plugins.conventions import CONVENTIONS
from learnkit.plugins.spec import parse_spec

GOLDEN = Path(__file__).parent / "golden"
_spec = importlib.util.spec_from_file_location("make_conventions", GOLDEN / "make_conventions.py")
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)

RECORDED = {c: json.loads((GOLDEN / "conventions" / f"{c}.json").read_text())["cases"] for c in CONVENTIONS}
CASES = [(convention, case) for convention, cases in RECORDED.items() for case in cases]


def component(convention, case):
    kind, spec = case.split(" ", 1)
    return registry.create(kind, spec, convention=convention)


def trace(convention, optimizer):
    """As the script has it: theta after some of the steps, a tenth of the learning rate from step 11 on."""
    lr = optimizer.lr
    if (convention, type(optimizer)) != ("chainer", lk.optim.Adadelta):  # it has no learning rate there
        lr = lk.schedules.Join((lr, lr / 10), (made.CHANGE_AT,))
    rule = dataclasses.replace(optimizer, lr=lr)
    theta, state, found = made.START.copy(), rule.init(made.START.copy()), []
    for step in range(1, made.STEPS + 1):
        theta, state = rule.apply(theta, made.gradient(step), state)
        if step in made.RECORDED:
            found.append(theta)
    return np.stack(found)


def outputs(layer, x):
    """What a layer makes of a batch; batch norm also its statistics, and the output with them."""
    lk.nn.initialize(layer, 0, dtype="float64")
    if not isinstance(layer, (lk.nn.BatchNorm1d, lk.nn.BatchNorm2d)):
        return [layer(x)]
    with lk.nn.training(0, 0):
        first = layer(x)
    return [first, layer.running_mean, layer.running_var, layer(x)]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_entry_has_a_case(convention):
    """And every case an entry; each name is one that is registered."""
    entries = {(kind, name) for kind, presets in CONVENTIONS[convention].items() for name in presets}
    cases = {(kind, parse_spec(spec)[0]) for kind, spec in (c.split(" ", 1) for c in RECORDED[convention])}
    assert entries == cases
    assert all(registry.get(kind, name) for kind, name in entries)


def cases_of(kind):
    found = [(c, case) for c, case in CASES if case.startswith(kind + " ")]
    return pytest.mark.parametrize(("convention", "case"), found, ids=[f"{c} {case}" for c, case in found])


@cases_of("optimizer")
def test_optimizers(convention, case):
    """Large, small and tiny gradients, and a learning rate that drops."""
    ours = trace(convention, component(convention, case))
    np.testing.assert_allclose(ours, RECORDED[convention][case], rtol=1e-12, atol=1e-13)


@cases_of("activation")
def test_activations(convention, case):
    ours = component(convention, case)(made.X.reshape(1, -1)).reshape(-1)
    rtol = (
        3e-7 if case == "activation tanh" and convention == "keras" else 1e-12
    )  # Keras computes it in float32
    np.testing.assert_allclose(ours, RECORDED[convention][case], rtol=rtol, atol=1e-14)


#: What the script gives a layer, by library: so small that epsilon counts.
INPUTS = {
    "keras": {"layer_norm": made.ROWS / 50, "rms_norm": made.ROWS / 1000, "group_norm": made.ROWS / 50},
    "chainer": {
        "batch_norm1d": made.ROWS / 50, "batch_norm2d": made.IMAGES / 50,
        "layer_norm": made.ROWS / 500, "group_norm": made.ROWS / 50,
    },
    "optax": {"layer_norm": made.ROWS / 1000, "rms_norm": made.ROWS / 1000, "group_norm": made.ROWS / 1000},
}  # fmt: skip


@cases_of("layer")
def test_layers(convention, case):
    name = parse_spec(case.split(" ", 1)[1])[0]
    layer, theirs = component(convention, case), RECORDED[convention][case]
    if name in ("linear", "embedding"):
        lk.nn.initialize(layer, 0)
        same_spread(layer.weight, theirs)
        if name == "linear":
            assert not np.asarray(layer.bias).any()
        return
    x = INPUTS[convention].get(name, made.IMAGES if name.endswith("2d") else made.ROWS)
    ours = outputs(layer, x)
    for one, other in zip(ours, theirs if len(ours) > 1 else [theirs], strict=True):
        np.testing.assert_allclose(np.asarray(one), other, rtol=1e-6, atol=1e-6)


@cases_of("initializer")
def test_initializers(convention, case):
    """The distribution of 240 000 start values."""
    start, theirs = component(convention, case), RECORDED[convention][case]
    if case == "initializer orthogonal":
        ours = made.gram(start(made.SMALL, seed=5, stream=0, dtype="float64"))
        np.testing.assert_allclose(made.spread(ours), theirs, atol=1e-12)
    else:
        same_spread(start(made.SHAPE, seed=5, stream=0), theirs)


def same_spread(ours, theirs):
    """Mean, deviation, quantiles; the largest too where the distribution has an end."""
    ours, theirs = np.asarray(made.spread(ours)), np.asarray(theirs)
    scale = max(theirs[1], 1e-9)
    assert abs(ours[0] - theirs[0]) < 0.02 * scale + 1e-7
    np.testing.assert_allclose(ours[1:-1], theirs[1:-1], rtol=0.03, atol=1e-7)
    if theirs[-1] < 1.2 * theirs[-2]:
        np.testing.assert_allclose(ours[-1], theirs[-1], rtol=0.02)


@cases_of("loss")
def test_losses(convention, case):
    name = case.split(" ", 1)[1].partition(":")[0]
    signs, ignored = 2 * made.BINARY - 1, np.where(np.arange(5) == 3, -1, made.LABELS)
    inputs = {
        "msle": (made.POSITIVE, made.COUNTS),
        "poisson_nll": (made.POSITIVE, made.COUNTS),
        "binary_cross_entropy": (
            made.PROBABILITIES if convention == "keras" else made.PREDICTED,
            made.BINARY,
        ),
        "binary_focal": (made.PREDICTED, made.BINARY),
        "cross_entropy": (made.PREDICTED, ignored if convention == "chainer" else made.LABELS),
        "hinge": (made.PREDICTED, signs),
        "squared_hinge": (made.PREDICTED, signs),
        "kl_divergence": (np.log(made.OTHERS), made.DISTRIBUTIONS),
        "dice": (made.PROBABILITIES, made.BINARY),
        "tversky": (made.PROBABILITIES, made.BINARY),
    }
    y_pred, y_true = inputs.get(name, (made.PREDICTED, made.TARGET))
    ours = float(component(convention, case)(y_pred, y_true))
    assert ours == pytest.approx(RECORDED[convention][case], rel=1e-7)


@cases_of("schedule")
def test_schedules(convention, case):
    schedule, theirs = component(convention, case), RECORDED[convention][case]
    if isinstance(schedule, lk.schedules.ReduceOnPlateau):
        ours = []
        for step, value in enumerate(made.LOOKS, start=1):
            schedule = schedule.observe({"val_loss": value}, step)
            ours.append(schedule(step))
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    else:
        ours = [schedule(t) for t in range(60)]
        np.testing.assert_allclose(ours, theirs, rtol=2e-5 if convention == "keras" else 1e-12, atol=1e-8)


def test_by_name_by_class_and_in_text():
    adam = lk.optim.Adam(0.1, eps=1e-7, eps_placement="hat")
    keras = lk.convention("keras")
    assert keras(lk.optim.Adam, 0.1) == keras(lk.optim.Adam, lr=0.1) == adam
    assert registry.create("optimizer", "adam", convention="keras", lr=0.1) == adam
    assert registry.create("optimizer", "adam:convention=keras,lr=0.1") == adam
    assert registry.create("optimizer", {"name": "adam", "convention": "keras", "lr": 0.1}) == adam
    assert registry.create("optimizer", lk.optim.Adam, convention="keras", lr=0.1) == adam
    assert registry.create("optimizer", registry.describe(adam)) == adam, "it is an Adam like any other"
    assert keras.options("optimizer", "adam") == {"eps": 1e-7, "eps_placement": "hat"}
    assert repr(keras) == "convention('keras')"
    trainer = lk.Trainer(lk.nn.Linear(2, 1), "mse", "adam:convention=keras")
    assert trainer.optimizer.eps == 1e-7


def test_what_is_given_wins():
    keras = lk.convention("keras")
    assert keras(lk.optim.Adam, eps=1e-3).eps == 1e-3
    assert registry.create("optimizer", "adam:convention=keras,eps=1e-3", lr=0.2).eps == 1e-3
    assert registry.create("optimizer", "sgd:convention=keras", lr=0.2).lr == 0.2
    assert registry.create("optimizer", "sgd:convention=keras", convention="optax").lr == 0.01
    with pytest.raises(TypeError, match="Adam got two values for 'lr'"):
        keras(lk.optim.Adam, 0.1, lr=0.1)


def test_a_component_may_stand_for_another():
    """Keras's he_normal is a normal that is cut, which is what variance_scaling makes."""
    made_by = lk.convention("keras")(lk.nn.init.HeNormal)
    assert made_by == lk.nn.init.VarianceScaling(2.0, "fan_in", "truncated_normal")
    assert lk.convention("keras").options("initializer", "he_normal")["name"] == "variance_scaling"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: lk.convention("kears"), "unknown convention 'kears' (did you mean 'keras'?)"),
        (lambda: lk.convention(None), "unknown convention None\n  known: keras, optax, chainer"),
        (lambda: registry.create("loss", "mse:convention=3"), "unknown convention 3"),
        (
            lambda: registry.create("optimizer", "adan", convention="keras"),
            "no convention 'keras' for the optimizer 'adan' (did you mean 'adam'?)\n  there is one for: ",
        ),
        (
            lambda: registry.create("metric", "accuracy", convention="keras"),
            "no convention 'keras' for the metric 'accuracy'\n  there is one for: no metric",
        ),
        (lambda: registry.create("optimizer", "adm", convention="keras"), "unknown optimizer 'adm'"),
        (
            lambda: registry.create("optimizer", lk.optim.Adam(), convention="keras"),
            "convention='keras' goes with a name or a class, and Adam(",
        ),
        (
            lambda: lk.convention("keras")(lk.optim.Adam, speed=1),
            "optimizer 'adam' has no option 'speed'",
        ),
        (lambda: lk.convention("keras")(lk.optim.Adam, eps=-1.0), "eps is -1.0"),
    ],
)
def test_what_is_wrong_is_said(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)


def test_a_class_that_is_not_registered():
    with pytest.raises(UnknownNameError, match="is not registered as a component"):
        lk.convention("keras")(dict)

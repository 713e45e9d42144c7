"""Constraints and weight normalisation: what is done to weights, in a Trainer and in a loop of one's own."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import grad
from learnkit.backends import array_namespace
from learnkit.errors import ArgumentError
from learnkit.plugins import registry
from learnkit.training import Trainer

W = np.random.default_rng(0).normal(size=(4, 3)) * np.asarray([0.1, 1.0, 3.0])


def lengths(w, axis=0):
    return np.sqrt((w * w).sum(axis=axis, keepdims=True))


#: constraint, its formula in NumPy
CONSTRAINTS = {
    "non_negative": (nn.NonNegative(), lambda w: np.maximum(w, 0)),
    "max_norm": (nn.MaxNorm(max_value=1.5), lambda w: w * np.minimum(1, 1.5 / lengths(w))),
    "max_norm of rows": (
        nn.MaxNorm(axis=1, max_value=1.0),
        lambda w: w * np.minimum(1, 1.0 / lengths(w, 1)),
    ),
    "max_norm of all": (nn.MaxNorm(axis=(0, 1)), lambda w: w * np.minimum(1, 2 / np.sqrt((w * w).sum()))),
    "unit_norm": (nn.UnitNorm(), lambda w: w / lengths(w)),
}


def test_every_registered_constraint_has_a_row():
    assert {row.split()[0] for row in CONSTRAINTS} == set(registry.names("constraint", third_party=False))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", CONSTRAINTS)
def test_values(backend, row, dtype):
    """The formula; what is allowed stays as it is, to the last bit."""
    constraint, formula = CONSTRAINTS[row]
    there = backend.asarray(W, dtype)
    with backend.no_sync():
        once = constraint(there)
    tolerance = 1e-12 if dtype == "float64" else 1e-6
    backend.assert_array(once, formula(W), like=there, rtol=tolerance, atol=tolerance)
    if row.startswith("max_norm"):
        small = backend.asarray(W * 0.01, dtype)
        backend.assert_array(constraint(small), backend.to_numpy(small), like=small, rtol=0, atol=0)


@pytest.mark.parametrize("row", CONSTRAINTS)
def test_extreme_sizes(backend, row):
    constraint, _ = CONSTRAINTS[row]
    for size in (0.0, 1e-30, 1e30):
        w = backend.to_numpy(constraint(backend.asarray(W * size)))
        assert np.isfinite(w).all()
        if row == "unit_norm":
            np.testing.assert_allclose(lengths(w), 1.0 if size else 0.0, rtol=1e-5)


@pytest.mark.parametrize("row", CONSTRAINTS)
def test_descriptions(row):
    constraint, _ = CONSTRAINTS[row]
    assert registry.create("constraint", registry.describe(constraint)) == constraint
    layer = nn.Linear(3, 2, weight_constraint=constraint)
    assert registry.create("layer", registry.describe(layer)).parameters()["weight"].constraint == constraint
    assert nn.Linear(3, 2, weight_constraint=row.split()[0]).parameters()["bias"].constraint is None


def constrained():
    return nn.Sequential(
        nn.Linear(3, 4, weight_constraint="max_norm:max_value=0.5"),
        nn.Tanh(),
        nn.Linear(4, 2, weight_constraint="non_negative"),
    )


def holds(model):
    first, last = (np.asarray(model[i].weight) for i in (0, 2))
    return lengths(first).max() <= 0.5 * (1 + 1e-6) and (last >= 0).all()


def test_a_trainer_applies_them_after_each_step(backend):
    """In place on theta, without a wait; also through a saved file."""
    model = constrained()
    trainer = Trainer(model, "mse", "sgd:lr=0.5", backend=backend.backend)
    rng = np.random.default_rng(1)
    x, y = backend.asarray(rng.normal(size=(8, 3))), backend.asarray(rng.normal(size=(8, 2)))
    for _ in range(4):
        with backend.no_sync():
            trainer.step(x, y)
        host = backend.to_numpy(trainer.parameters.theta)
        first, last = host[:12].reshape(3, 4), host[16:24].reshape(4, 2)
        assert lengths(first).max() <= 0.5 * (1 + 1e-6)
        assert (last >= 0).all()
    assert (last == 0).any()
    assert (host[12:16] != 0).all()


def test_a_loop_of_ones_own_applies_them():
    model = constrained()
    parameters = nn.initialize(model, seed=2)
    assert not holds(model)
    nn.apply_constraints(model)
    assert holds(model)
    parameters.theta -= 1.0
    assert not holds(model)
    nn.apply_constraints(model)
    assert holds(model)


def test_a_constraint_of_ones_own(backend):
    """A frozen dataclass with the formula; it belongs to a parameter."""

    class Halved(nn.Constraint):
        def __call__(self, w):
            return array_namespace(w).multiply(w, 0.5)

    class Scale(nn.Module):
        def __init__(self):
            self.a = nn.Parameter((2,), nn.init.Ones(), Halved())

        def __call__(self, x):
            return array_namespace(x, self.a).multiply(x, self.a)

    layer = Scale()
    nn.initialize(layer, backend=backend.backend)
    nn.apply_constraints(layer)
    backend.assert_array(layer.a, [0.5, 0.5], dtype="float32")


# Weight normalisation


def test_at_the_start_the_weight_is_that_of_the_layer(backend):
    """g is the length of v, so w = v, with the law of the layer's own initializer."""
    layer = nn.WeightNorm(nn.Linear(3, 2, weight_init="xavier_normal"))
    nn.initialize(layer, seed=5, backend=backend.backend)
    v = backend.to_numpy(layer.v)
    backend.assert_array(layer.layer.weight, v, dtype="float32", rtol=1e-6)
    backend.assert_array(layer.g, lengths(v), dtype="float32", rtol=1e-6)
    assert list(layer.arrays()) == ["v", "g", "layer.bias"]
    assert v.any()


def test_wrapping_and_removing_keep_the_values():
    plain = nn.Linear(3, 2)
    nn.initialize(plain, seed=5, dtype="float64")
    before, x = plain.weight.copy(), np.random.default_rng(0).normal(size=(4, 3))
    model = nn.Sequential(nn.WeightNorm(plain))
    want = x @ before
    np.testing.assert_allclose(model(x), want, rtol=1e-12)
    nn.initialize(model, dtype="float64")
    model[0].g[...] = model[0].g * 2.0
    np.testing.assert_allclose(model(x), 2 * want, rtol=1e-12)
    model[0] = model[0].remove()
    assert model[0] is plain
    parameters = nn.initialize(model, dtype="float64")
    assert parameters.layout.paths == ("0.weight", "0.bias")
    np.testing.assert_allclose(model(x), 2 * want, rtol=1e-12)
    assert repr(model) == "Sequential(Linear(in_features=3, out_features=2))"
    fresh = nn.WeightNorm(nn.Linear(3, 2)).remove()
    nn.initialize(fresh)
    assert list(fresh.arrays()) == ["weight", "bias"]


def test_the_computed_weight_can_be_read_but_not_set():
    layer = nn.WeightNorm(nn.Linear(3, 2))
    nn.initialize(layer)
    with pytest.raises(ArgumentError, match="of Linear is computed from others and cannot be set"):
        layer.layer.weight = np.ones((3, 2))
    layer.v[...] = 0.0
    assert not layer.layer.weight.any()
    g = grad(lambda m: array_namespace(m.v).sum(m(np.ones((1, 3), dtype="float32"))))(layer)
    assert all(np.isfinite(a).all() for a in g.values())


def test_a_trainer_learns_g_and_v(tmp_path):
    pytest.importorskip("safetensors")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(64, 3))
    y = x @ rng.normal(size=(3, 2))
    trainer = Trainer(nn.Sequential(nn.WeightNorm(nn.Linear(3, 2))), "mse", "adam:lr=0.05")
    history = trainer.fit(x, y, epochs=60, batch_size=16, verbose=False)
    assert history["loss"][-1] < 0.01 * history["loss"][0]
    again = Trainer.load(trainer.save(tmp_path / "run.safetensors"))
    np.testing.assert_array_equal(again.predict(x), trainer.predict(x))

"""Sizes that are taken from the first batch: alone, in a Trainer, and through a saved file."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.errors import ArgumentError, CheckpointError
from learnkit.training import Trainer

X = np.random.default_rng(0).normal(size=(12, 2, 3)).astype("float32")
Y = np.arange(12) % 3


def lazy(first=None):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(first, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.2), nn.Linear(5, 3)
    )


class Own(nn.Module):
    """A module whose description does not know what its layer has learned."""

    def __init__(self, out_features):
        self.inner = nn.Linear(None, out_features)

    def __call__(self, x):
        return self.inner(x)


def test_a_batch_tells_the_size(backend):
    model = lazy()
    assert model.unknown_sizes() == ["1.weight"]
    parameters = nn.initialize(model, seed=3, x=backend.asarray(X), backend=backend.backend)
    same = lazy(6)
    nn.initialize(same, seed=3, backend=backend.backend)
    assert model.unknown_sizes() == []
    assert parameters.layout.size == 6 * 5 + 5 + 10 + 18
    assert repr(model) == repr(same)
    assert model[1].in_features == 6
    assert model.config()["layers"][1].config() == {"in_features": 6, "out_features": 5}
    for path, a in same.arrays().items():
        backend.assert_array(model.arrays()[path], backend.to_numpy(a), rtol=0, atol=0)
    there = backend.asarray(X)
    backend.assert_array(model(there), backend.to_numpy(same(there)), like=there)


def test_lists_and_several_inputs_will_do():
    layer = nn.Linear(None, 2)
    nn.initialize(layer, x=[[1, 2, 3]])
    assert layer.weight.shape == (3, 2)
    sides = nn.Sequential(nn.Parallel(nn.Linear(None, 2), nn.Linear(None, 2)), nn.Add())

    class Two(nn.Module):
        def __init__(self):
            self.sides = sides

        def __call__(self, a, b):
            return self.sides((a, b))

    nn.initialize(Two(), x=(np.ones((4, 3)), np.ones((4, 5))))
    assert [p.shape for p in sides.parameters().values()] == [(3, 2), (2,), (5, 2), (2,)]


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda n: nn.Conv1d(n, 6, 2, groups=2), (3, 4, 5)),
        (lambda n: nn.Conv2d(n, 6, 2, groups=2), (3, 4, 5, 5)),
        (lambda n: nn.ConvTranspose2d(n, 6, 2, groups=2), (3, 4, 5, 5)),
    ],
)
def test_channels_are_told_by_the_batch_and_by_arrays(make, shape):
    """The start of the bias depends on them too."""
    known, told, loaded = make(4), make(None), make(None)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    nn.initialize(known, seed=2)
    nn.initialize(told, seed=2, x=x)
    loaded.load_arrays(known.arrays())
    assert repr(told) == repr(known) == repr(loaded)
    for layer in (told, loaded):
        for path, a in known.arrays().items():
            np.testing.assert_array_equal(layer.arrays()[path], a)
        np.testing.assert_array_equal(layer(x), known(x))
    with pytest.raises(ArgumentError, match="groups is 2, expected a divisor of in_channels, 3"):
        nn.initialize(make(None), x=x[:, :3])


def test_without_a_batch_it_says_what_to_do():
    with pytest.raises(ArgumentError) as caught:
        nn.initialize(lazy())
    assert str(caught.value).splitlines() == [
        "the size of leaf '1.weight' is not known before the first batch",
        "  pass the batch, initialize(model, x=batch), or give the model to a Trainer, "
        "which lays it out when it sees one",
    ]
    with pytest.raises(ArgumentError, match="its size is taken from the first batch: give the model"):
        lazy()(X)
    assert lazy()[1].unknown_sizes() == ["weight"]

    class Unreached(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(None, 2)

        def __call__(self, x):
            return x

    with pytest.raises(ArgumentError, match=r"'layer\.weight' is still not known: the forward pass does not"):
        nn.initialize(Unreached(), x=X)


def test_a_trainer_lays_it_out_when_it_sees_a_batch(backend):
    """And then it is bit for bit the run of the model with sizes, whichever call comes first."""
    runs = {}
    for first in (None, 6):
        trainer = Trainer(lazy(first), "cross_entropy", "adam:lr=0.01", backend=backend.backend, seed=1)
        if first is None:
            assert "a yet unknown number of parameters" in repr(trainer)
            with pytest.raises(ArgumentError, match="the model has no parameters yet: a layer takes"):
                _ = trainer.parameters
            with pytest.raises(AttributeError, match="'Trainer' object has no attribute 'paramters'"):
                _ = trainer.paramters
        trainer.fit(X, Y, epochs=2, batch_size=4, verbose=False)
        runs[first] = {p: backend.to_numpy(a) for p, a in trainer.model.arrays().items()}
        assert trainer.steps_done == 6
    for path, a in runs[6].items():
        np.testing.assert_array_equal(runs[None][path], a)
    for call in (
        lambda t: t.step(X, Y),
        lambda t: t.evaluate(X, Y),
        lambda t: t.predict(X),
    ):
        trainer = Trainer(lazy(), "cross_entropy", backend=backend.backend)
        call(trainer)
        assert trainer.parameters.layout.size == 63


@pytest.mark.parametrize("make", [lazy, lambda: nn.Sequential(nn.Flatten(), Own(3))])
def test_saving_and_loading(tmp_path, monkeypatch, make):
    """Also of a model whose description still leaves the size open."""
    pytest.importorskip("safetensors")
    from learnkit.plugins import registry

    with registry.isolated() as fresh:
        fresh.plugins.builtin("layer")["own"] = Own
        trainer = Trainer(make(), "cross_entropy", "adam:lr=0.01", seed=1)
        with pytest.raises(ArgumentError, match="its size is taken from the first batch"):
            trainer.save(tmp_path / "early.safetensors")
        trainer.fit(X, Y, epochs=2, batch_size=4, verbose=False)
        again = Trainer.load(trainer.save(tmp_path / "run.safetensors"))
        for t in (trainer, again):
            t.fit(X, Y, epochs=1, batch_size=4, verbose=False)
    for path, a in trainer.model.arrays().items():
        np.testing.assert_array_equal(again.model.arrays()[path], a)
    np.testing.assert_array_equal(again.predict(X), trainer.predict(X))


def test_arrays_tell_the_size_too():
    layer = nn.Linear(None, 2)
    with pytest.raises(CheckpointError, match=r"'weight' has shape \(3, 4\), expected \(None, 2\)"):
        layer.load_arrays({"weight": np.ones((3, 4)), "bias": np.zeros(2)})
    layer.load_arrays({"weight": np.ones((3, 2)), "bias": np.zeros(2)})
    assert layer.in_features == 3
    assert layer(np.ones((1, 3))).tolist() == [[3.0, 3.0]]
    nn.initialize(layer)
    assert layer.weight.tolist() == [[1.0, 1.0]] * 3

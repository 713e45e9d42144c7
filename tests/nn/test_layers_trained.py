"""Layers in a Trainer: what is learned, saved, resumed, and left alone by a step that fails."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import check_grads, grad
from learnkit.backends import array_namespace
from learnkit.errors import ArgumentError, ShapeError
from learnkit.losses import MSE
from learnkit.optim import SGD, engine
from learnkit.training import Trainer

rng = np.random.default_rng(0)
X = rng.normal(size=(48, 4)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 1)


def network():
    """One of everything that keeps or draws something."""
    return nn.Sequential(
        nn.Residual(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.DropPath(0.1)),
        nn.Concat(nn.WeightNorm(nn.Linear(4, 6)), nn.MLP((4, 5, 2), norm="rms_norm", dropout=0.1)),
        nn.Reshape((4, 2)),
        nn.InstanceNorm1d(4, affine=True, track_running_stats=True, momentum=None),
        nn.SpatialDropout(0.1),
        nn.GroupNorm(2, 4),
        nn.Flatten(),
        nn.GaussianNoise(0.05),
        nn.LayerNorm(8),
        nn.AlphaDropout(0.1),
        nn.Lambda(nn.tanh),
        nn.GaussianDropout(0.05),
        nn.Linear(8, 3, weight_constraint="max_norm"),
    )


def arrays(trainer):
    return {p: trainer.backend.to_numpy(a).copy() for p, a in trainer.model.arrays().items()}


def test_a_resumed_run_is_the_run_bit_for_bit(tmp_path):
    """With running statistics, counts of batches, masks and noise."""
    pytest.importorskip("safetensors")
    whole, first = (Trainer(network(), "cross_entropy", "adam:lr=0.01", seed=3) for _ in range(2))
    whole.fit(X, Y, epochs=4, batch_size=16, verbose=False)
    first.fit(X, Y, epochs=2, batch_size=16, verbose=False)
    again = Trainer.resume(first.save(tmp_path / "run.safetensors"))
    again.fit(X, Y, epochs=2, batch_size=16, verbose=False)
    found = arrays(again)
    assert {p for p in found if "running" in p or "tracked" in p} == {
        *("0.1.running_mean", "0.1.running_var", "3.running_mean", "3.running_var", "3.num_batches_tracked"),
    }
    for path, a in arrays(whole).items():
        np.testing.assert_array_equal(found[path], a)
    assert found["3.num_batches_tracked"] == 12
    np.testing.assert_array_equal(again.predict(X), whole.predict(X))


def test_a_step_waits_for_nothing(backend):
    """On the device all of it stays there; and the run is the same on every backend to rounding."""
    here = Trainer(network(), "cross_entropy", "sgd:lr=0.05", seed=3)
    there = Trainer(network(), "cross_entropy", "sgd:lr=0.05", seed=3, backend=backend.backend)
    x, y = backend.asarray(X[:16]), backend.asarray(Y[:16])
    for _ in range(3):
        here.step(X[:16], Y[:16])
        with backend.no_sync():
            there.step(x, y)
    for path, a in arrays(here).items():
        np.testing.assert_allclose(arrays(there)[path], a, rtol=1e-3, atol=1e-5, err_msg=path)


def test_a_step_that_fails_changes_nothing(monkeypatch):
    """Whether in the forward pass, in the loss, in the reverse pass or in the update."""
    trainer = Trainer(network(), "cross_entropy", SGD(0.05), seed=3)
    trainer.step(X[:16], Y[:16])
    before = arrays(trainer)

    def fails(*args, **options):
        raise ArgumentError("it was not to be")

    # The update by its engine: the equation itself was traced in the first step and is not run again.
    places = [(type(trainer.loss), "__call__"), (engine, "_rule_in_place"), (nn.Lambda, "__call__")]
    for owner, name in places:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fails)
            with pytest.raises(ArgumentError, match="it was not to be"):
                trainer.step(X[:16], Y[:16])
        for path, a in arrays(trainer).items():
            np.testing.assert_array_equal(a, before[path])
    trainer.step(X[:16], Y[:16])
    assert any((a != before[p]).any() for p, a in arrays(trainer).items() if "running_mean" in p)


def test_inference_leaves_running_statistics_alone():
    trainer = Trainer(network(), "cross_entropy", seed=3)
    before = arrays(trainer)
    trainer.predict(X)
    trainer.evaluate(X, Y)
    for path, a in arrays(trainer).items():
        np.testing.assert_array_equal(a, before[path])


def test_a_last_batch_of_one_row_says_what_to_do():
    trainer = Trainer(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), "cross_entropy")
    with pytest.raises(ShapeError, match=r"(?s)layer 1 \(BatchNorm1d.*choose a batch_size that leaves no"):
        trainer.fit(X[:17], Y[:17], batch_size=16, verbose=False)


def test_words_are_learned(backend):
    """Ids as features, which a Trainer hands on as floating-point numbers; the padding row stays 0."""
    ids = np.random.default_rng(1).integers(0, 6, size=(64, 3))
    y = (ids == 4).any(axis=1).astype(int)
    model = nn.Sequential(nn.Embedding(6, 4, padding_idx=0), nn.Flatten(), nn.MLP((None, 16, 2)))
    trainer = Trainer(model, "cross_entropy", "adam:lr=0.02", metrics=["accuracy"], backend=backend.backend)
    history = trainer.fit(ids, y, epochs=25, batch_size=16, verbose=False)
    assert history["accuracy"][-1] > 0.95
    table = backend.to_numpy(model[0].weight)
    assert (table[0] == 0).all()
    assert (table[1:] != 0).all()


def test_the_gradient_of_a_row_is_the_sum_over_its_uses(backend):
    """And that of the padding row is 0, in the first and in the second order."""
    table = nn.Embedding(5, 2, padding_idx=3)
    nn.initialize(table, backend=backend.backend, dtype="float64")
    ids = np.asarray([[1, 3, 1], [1, 0, 3]])

    def squares(m):
        y = m(backend.asarray(ids))
        return array_namespace(y).sum(y * y)

    (g,) = grad(squares)(table).values()
    w = backend.to_numpy(table.weight)
    uses = np.bincount(ids.reshape(-1), minlength=5) * (np.arange(5) != 3)
    backend.assert_array(g, 2 * w * uses[:, None], dtype="float64", rtol=1e-13)

    def penalty(m):
        (g,) = grad(squares)(m).values()
        return array_namespace(g).sum(g * g)

    (second,) = grad(penalty)(table).values()
    backend.assert_array(second, 8 * w * uses[:, None] ** 2, dtype="float64", rtol=1e-13)


def test_containers_are_taken_apart_and_put_together():
    first, second = nn.Linear(2, 3), nn.ReLU()
    model = nn.Sequential(first, second)
    assert len(model) == 2
    assert model[0] is first
    assert model[-1] is second
    assert list(model) == [first, second]
    assert model.children() == {"0": first, "1": second}
    third = nn.Tanh()
    model[-1] = third
    assert model.children() == {"0": first, "1": third}
    assert repr(model) == "Sequential(Linear(in_features=2, out_features=3), Tanh())"
    with pytest.raises(ArgumentError, match="Sequential: layer 0 is 3, expected a Module"):
        model[0] = 3
    with pytest.raises(IndexError):
        model[2] = third


def test_the_mean_squared_error_through_a_bilinear_form():
    """Both inputs from one, side by side."""
    model = nn.Sequential(nn.Parallel(nn.Linear(4, 3), nn.Linear(4, 2)), nn.Bilinear(3, 2, 1))
    nn.initialize(model, dtype="float64")
    x, y = X[:5].astype("float64"), np.ones((5, 1))
    check_grads(lambda m: MSE()(m(x), y), model, order=2)

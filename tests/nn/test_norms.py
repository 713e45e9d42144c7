"""Normalisation: running statistics, numbers of extreme size, and what a step may and may not change."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import checkpoint, grad, value_and_grad
from learnkit.backends import array_namespace
from learnkit.errors import ShapeError
from learnkit.nn.scope import current_scope, training

rng = np.random.default_rng(3)
STEPS = [rng.normal(1.0, 2.0, size=(5, 3)) for _ in range(4)]


def total(x):
    return array_namespace(x).sum(x)


def initialised(layer, backend=None, dtype="float64"):
    nn.initialize(layer, seed=0, backend=backend and backend.backend, dtype=dtype)
    return layer


def statistics(layer, backend=None):
    arrays = {p: b.array for p, b in layer.buffers().items()}
    return {p: np.array(a) if backend is None else backend.to_numpy(a).copy() for p, a in arrays.items()}


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("momentum", [0.1, 0.7, 0, 1, None])
def test_running_statistics_over_several_steps(backend, momentum, unbiased):
    """``(1 - momentum) old + momentum new``, or the average of all batches; without a wait for the device."""
    layer = initialised(nn.BatchNorm1d(3, momentum=momentum, unbiased_running_var=unbiased), backend)
    mean, var = np.zeros(3), np.ones(3)
    for step, x in enumerate(STEPS):
        there = backend.asarray(x, "float64")
        with backend.no_sync(), training(0, step):
            layer(there)
        share = 1 / (step + 1) if momentum is None else momentum
        mean = (1 - share) * mean + share * x.mean(axis=0)
        var = (1 - share) * var + share * x.var(axis=0, ddof=1 if unbiased else 0)
    backend.assert_array(layer.running_mean, mean, dtype="float64", rtol=1e-12)
    backend.assert_array(layer.running_var, var, dtype="float64", rtol=1e-12)
    layer.reset_running_stats()
    backend.assert_array(layer.running_mean, np.zeros(3), dtype="float64")
    backend.assert_array(layer.running_var, np.ones(3), dtype="float64")


def test_statistics_of_instances_are_averaged():
    layer = initialised(nn.InstanceNorm2d(2, track_running_stats=True, momentum=1.0))
    x = rng.normal(size=(3, 2, 4, 5))
    with training():
        layer(x)
    np.testing.assert_allclose(layer.running_mean, x.mean(axis=(2, 3)).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(layer.running_var, x.var(axis=(2, 3), ddof=1).mean(axis=0), rtol=1e-12)


def test_statistics_change_at_the_end_of_the_step_only():
    layer = initialised(nn.BatchNorm1d(3))
    before = statistics(layer)
    with training() as scope:
        layer(STEPS[0])
        np.testing.assert_array_equal(layer.running_mean, before["running_mean"])
        assert current_scope() is scope
    assert layer.running_mean.any()
    after = statistics(layer)
    layer(STEPS[1])
    with training(buffers=False):
        layer(STEPS[1])
    with pytest.raises(ShapeError), training():
        nn.Sequential(layer, nn.GroupNorm(1, 4, affine=False))(STEPS[1])
    for path, a in statistics(layer).items():
        np.testing.assert_array_equal(a, after[path])


def test_the_array_is_written_in_place():
    """Whoever holds ``arrays()`` sees it, and initialising again does not share what it was given."""
    layer = nn.BatchNorm1d(3)
    given = {
        "weight": np.ones(3),
        "bias": np.zeros(3),
        "running_mean": np.zeros(3),
        "running_var": np.ones(3),
    }
    layer.load_arrays(given)
    initialised(layer)
    held = layer.arrays()["running_mean"]
    with training():
        layer(STEPS[0])
    assert layer.running_mean is held
    assert held.any()
    assert not given["running_mean"].any()


def test_a_layer_used_twice_in_a_step_counts_twice(backend):
    """One after the other, as in PyTorch; and the step after that begins where they ended."""
    layer = initialised(nn.BatchNorm1d(3, momentum=0.5), backend)
    first, second = (backend.asarray(x, "float64") for x in STEPS[:2])
    with training():
        layer(first)
        layer(second)
    mean = 0.5 * (0.5 * STEPS[0].mean(axis=0)) + 0.5 * STEPS[1].mean(axis=0)
    backend.assert_array(layer.running_mean, mean, dtype="float64", rtol=1e-12)


class Normed(nn.Module):
    """Two segments, in which one norm is used twice, each behind a checkpoint or not."""

    def __init__(self, wrap, momentum=0.1):
        self.first, self.norm = nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=momentum)
        self.drop, self.last = nn.Dropout(0.5), nn.Linear(4, 4)
        self.wrap = wrap

    def __call__(self, x):
        hidden = self.wrap(lambda x: self.drop(self.norm(self.first(x))))(x)
        return self.wrap(lambda x: self.norm(self.last(x)))(hidden)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_segment_computed_again_updates_once(backend, momentum):
    """Also if segments are nested, and if the reverse pass comes after the step."""
    x = backend.asarray(STEPS[0], "float64")
    found = []
    for wrap in (lambda f: f, checkpoint, lambda f: checkpoint(checkpoint(f))):
        model = initialised(Normed(wrap, momentum), backend)
        with backend.no_sync(), training(seed=3, step=5):
            _, gradient = value_and_grad(lambda m, x: total(m(x) * m(x) * m(x)))(model, x)
        found.append((statistics(model, backend), {p: backend.to_numpy(g) for p, g in gradient.items()}))
    assert found[0][0]["norm.running_mean"].any()
    for stats, gradient in found[1:]:
        for path, a in stats.items():
            np.testing.assert_array_equal(a, found[0][0][path])
        for path, g in gradient.items():
            np.testing.assert_allclose(g, found[0][1][path], rtol=1e-9, atol=1e-12)


def test_a_reverse_pass_after_the_step_changes_nothing():
    model = initialised(Normed(checkpoint))

    def loss(m, x):
        with training():
            y = m(x)
        return total(y * y)

    grad(loss)(model, STEPS[0])
    once = statistics(model)
    other = initialised(Normed(lambda f: f))
    grad(loss)(other, STEPS[0])
    for path, a in statistics(other).items():
        np.testing.assert_array_equal(once[path], a)


NORMS = {
    "batch": (lambda: nn.BatchNorm1d(3), 0),
    "batch of sequences": (lambda: nn.BatchNorm1d(4), (0, 2)),
    "instance": (lambda: nn.InstanceNorm1d(4), 2),
    "layer": (lambda: nn.LayerNorm(64), 1),
    "group": (lambda: nn.GroupNorm(2, 64), None),
    "rms": (lambda: nn.RMSNorm(64), None),
}


def example(name):
    shape = {"batch": (300, 3), "batch of sequences": (20, 4, 30), "instance": (5, 4, 30)}.get(name, (6, 64))
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("mean", [1e3, 1e5, -1e6])
@pytest.mark.parametrize("name", [n for n in NORMS if n != "rms"])
def test_large_means_in_single_precision(backend, name, mean):
    """Values and gradients as of the same float32 numbers in float64, however large the mean."""
    x = (example(name) + mean).astype("float32")
    layer = initialised(NORMS[name][0](), backend, "float32")
    exact = initialised(NORMS[name][0]())

    def loss(layer, x):
        with training():
            y = layer(x)
        return total(y * y * y)

    with training():
        y, want = layer(backend.asarray(x)), exact(x.astype("float64"))
    backend.assert_array(y, want, dtype="float32", rtol=2e-5, atol=2e-5)
    g, want = (
        grad(lambda x, n=n: loss(n, x))(v)
        for n, v in ((layer, backend.asarray(x)), (exact, x * np.float64(1)))
    )
    backend.assert_array(g, want, dtype="float32", rtol=1e-4, atol=1e-4 * np.abs(want).max())
    for (path, a), b in zip(statistics(layer, backend).items(), statistics(exact).values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, err_msg=path)


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-12, 1e12, 1e30])
@pytest.mark.parametrize("name", NORMS)
def test_extreme_sizes_in_single_precision(backend, name, size):
    """No overflow, no NaN and no warning; what is far above eps comes out as if it were of size 1."""
    x = (example(name) * size).astype("float32")
    layer = initialised(NORMS[name][0](), backend, "float32")

    def loss(x):
        with training():
            y = layer(x)
        return total(y * y * y)

    value, g = value_and_grad(loss)(backend.asarray(x))
    assert np.isfinite(backend.to_numpy(value))
    assert np.isfinite(backend.to_numpy(g)).all()
    with training():
        y = backend.to_numpy(layer(backend.asarray(x)))
    assert np.isfinite(y).all()
    for a in statistics(layer, backend).values():
        assert np.isfinite(a).all()
    if size >= 1e12:
        with training(buffers=False):
            want = initialised(NORMS[name][0]())(example(name) * 1e3)
        np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-4)
    elif size <= 1e-12:
        assert abs(y).max() < 1e-6


@pytest.mark.parametrize("name", NORMS)
def test_extreme_sizes_in_double_precision(name):
    layer = initialised(NORMS[name][0]())
    with training():
        y, want = layer(example(name) * 1e200), initialised(NORMS[name][0]())(example(name) * 1e5)
    np.testing.assert_allclose(y, want, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", NORMS)
def test_nan_stays_nan(name):
    x = example(name)
    x.flat[0] = np.nan
    with training():
        assert np.isnan(initialised(NORMS[name][0]())(x).flat[0])


def test_averages_over_batches_for_weights_as_they_are(backend):
    """As PyTorch's ``update_bn``: the averages of means and variances; momenta are left as they were."""
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2, momentum=0.3), nn.BatchNorm1d(2, momentum=None))
    initialised(model, backend)
    batches = [backend.asarray(x, "float64") for x in STEPS]
    with backend.no_sync():
        assert nn.update_statistics(model, batches) == 4
    hidden = [backend.to_numpy(model[0](x)) for x in batches]
    mean = np.mean([h.mean(axis=0) for h in hidden], axis=0)
    var = np.mean([h.var(axis=0, ddof=1) for h in hidden], axis=0)
    backend.assert_array(model[1].running_mean, mean, dtype="float64", rtol=1e-12)
    backend.assert_array(model[1].running_var, var, dtype="float64", rtol=1e-12)
    backend.assert_array(model[2].num_batches_tracked, 4.0, dtype="float64")
    assert (model[1].momentum, model[2].momentum) == (0.3, None)


def test_one_value_a_channel_is_refused_in_training():
    """As in PyTorch: its variance is 0 whatever the weights are. In inference it is fine."""
    layer = initialised(nn.BatchNorm1d(3))
    assert layer(STEPS[0][:1]).shape == (1, 3)
    with pytest.raises(ShapeError) as caught, training():
        layer(STEPS[0][:1])
    assert str(caught.value).splitlines() == [
        "BatchNorm1d got x of shape (1, 3) in training: one value a channel has no variance",
        "  choose a batch_size that leaves no last batch of one row",
    ]
    with training():
        assert initialised(nn.BatchNorm1d(3))(STEPS[0][:1, :, None] * np.ones(2)).shape == (1, 3, 2)
    with pytest.raises(ShapeError, match="one value an instance has no variance"):
        initialised(nn.InstanceNorm1d(2))(np.ones((3, 2, 1)))

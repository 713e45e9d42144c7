"""Sums of ten million float32 numbers lose nothing that float64 would keep to 1e-6."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import pytest

import learnkit as lk
from learnkit import nn
from learnkit.backends import get_backend, kernels_of
from learnkit.plugins import registry

N = 10_000_000


@functools.cache
def data():
    """Predictions, targets, and numbers around 1, all in float32."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(N, dtype="float32")
    return x, rng.standard_normal(N, dtype="float32"), x + np.float32(1)


@pytest.fixture(params=["numpy", "torch"])
def library(request):
    pytest.importorskip(request.param)
    return get_backend(request.param)


def close(got, want):
    assert abs(float(got) / float(want) - 1) < 1e-6


def test_the_mean_of_a_loss_and_of_a_weighted_one(library):
    p, t, w = data()
    p, t, w = p[: N // 2], t[: N // 2], np.abs(w[: N // 2])
    squares = (p.astype("float64") - t) ** 2
    there = [library.asarray(a) for a in (p, t, w)]
    close(lk.losses.MSE()(*there[:2]), squares.mean())
    close(lk.losses.MSE()(*there), (squares * w).sum() / w.sum(dtype="float64"))


def test_the_mean_cross_entropy_and_the_gradient_of_a_bias(library):
    _, _, x = data()
    z = x[: N // 5].reshape(-1, 2)
    labels = (np.arange(len(z)) % 3 == 0).astype("int64")
    wide = z.astype("float64")
    wanted = (np.logaddexp(wide[:, 0], wide[:, 1]) - wide[np.arange(len(z)), labels]).mean()
    close(lk.losses.CrossEntropy()(library.asarray(z), library.asarray(labels)), wanted)
    rows = x.reshape(-1, 4)
    sums = kernels_of(library.asarray(z)).column_sums_into(None, library.asarray(rows))
    np.testing.assert_allclose(library.to_numpy(sums), rows.sum(axis=0, dtype="float64"), rtol=1e-6)


def test_the_norm_of_a_gradient(library):
    _, _, x = data()
    close(lk.optim.global_norm([library.asarray(x)]), np.sqrt(np.square(x, dtype="float64").sum()))


def test_statistics_of_a_batch(library):
    """Of numbers far from 0, and the result normalised with them."""
    x = (data()[0] + np.float32(1000)).reshape(-1, 2)
    norm = nn.BatchNorm1d(2, momentum=1.0)
    nn.initialize(norm, backend=library)
    with nn.training():
        y = library.to_numpy(norm(library.asarray(x)))
    mean, var = x.mean(axis=0, dtype="float64"), x.var(axis=0, dtype="float64")
    np.testing.assert_allclose(library.to_numpy(norm.running_mean), mean, rtol=1e-6)
    np.testing.assert_allclose(library.to_numpy(norm.running_var), var, rtol=1e-6)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["mse", "mae", "r2"])
def test_metrics(library, name):
    p, t, _ = (a[: N // 2] for a in data())
    metric = registry.create("metric", name)
    error = p.astype("float64") - t
    spread = np.square(t - t.mean(dtype="float64")).mean()
    want = {
        "mse": np.square(error).mean(),
        "mae": np.abs(error).mean(),
        "r2": 1 - np.square(error).mean() / spread,
    }
    close(metric(library.asarray(p), library.asarray(t)), want[name])


@pytest.mark.parametrize("tolerant", [False, True])
def test_the_loss_of_an_epoch_of_many_batches(tolerant):
    """A hundred thousand batches: in float32 the sum would stop to grow in its last digits."""
    from learnkit.training.loop import _Sums

    sums = _Sums(SimpleNamespace(backend=SimpleNamespace(on_host=False), metrics={}))
    loss = np.float32(0.1)
    for _ in range(100_000):
        (sums.add_finite_loss if tolerant else sums.add_loss)(np.asarray(loss), 7)
    close(sums.loss(), loss)

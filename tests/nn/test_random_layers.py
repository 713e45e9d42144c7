"""Dropout and noise: what they draw, that it is the same everywhere, and its laws."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import checkpoint, grad, value_and_grad
from learnkit.backends import array_namespace, get_backend
from learnkit.backends.random import philox_uniform, stream_id
from learnkit.errors import ShapeError

X = np.random.default_rng(0).normal(size=(40, 6, 5))


def uniform(shape, path="", seed=7, step=3):
    return philox_uniform(shape, seed=seed, stream=stream_id(path), step=step).astype("float64")


def normal(shape):
    u, v = uniform((2, *shape))
    return np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * v)


def kept(shape, p):
    return (uniform(shape) >= p).astype("float64")


def alpha_dropout(x, p):
    """The mask and the affine correction of PyTorch's ``_dropout_impl``."""
    alpha = 1.7580993408473766
    a = 1 / np.sqrt((alpha * alpha * p + 1) * (1 - p))
    mask = kept(x.shape, p)
    return x * mask * a + (mask - 1) * alpha * a + alpha * a * p


#: layer with an option, and the formula in NumPy of x and the option
RANDOM = {
    "dropout": (nn.Dropout, 0.3, lambda x, p: x * kept(x.shape, p) / (1 - p)),
    "spatial_dropout": (nn.SpatialDropout, 0.3, lambda x, p: x * kept((*x.shape[:2], 1), p) / (1 - p)),
    "drop_path": (nn.DropPath, 0.3, lambda x, p: x * kept((x.shape[0], 1, 1), p) / (1 - p)),
    "alpha_dropout": (nn.AlphaDropout, 0.3, alpha_dropout),
    "gaussian_noise": (nn.GaussianNoise, 0.3, lambda x, std: x + std * normal(x.shape)),
    "gaussian_dropout": (
        nn.GaussianDropout,
        0.3,
        lambda x, p: x * (1 + np.sqrt(p / (1 - p)) * normal(x.shape)),
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RANDOM)
def test_values(backend, name, dtype):
    """The formula with the same numbers, whatever the dtype of x; drawn on the device."""
    make, option, formula = RANDOM[name]
    there = backend.asarray(X, dtype)
    with backend.no_sync(), nn.training(seed=7, step=3):
        y = make(option)(there)
    backend.assert_array(y, formula(X, option), like=there, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["dropout", "spatial_dropout", "drop_path", "alpha_dropout"])
def test_masks_are_the_same_bits_on_every_backend(backend, name):
    make, option, _ = RANDOM[name]
    found = []
    for x in (backend.asarray(X), X.astype("float32")):
        with nn.training(seed=1, step=2):
            found.append(make(option)(x))
    backend.assert_array(found[0], found[1], dtype="float32", rtol=0, atol=0)


def test_noise_is_the_same_to_a_millionth_on_every_backend(backend):
    there = backend.kernels.random_normal((1000, 7), seed=1, stream=2, step=3, device=backend.device)
    here = get_backend("numpy").kernels.random_normal((1000, 7), seed=1, stream=2, step=3, device="cpu")
    backend.assert_array(there, here, dtype="float32", rtol=0, atol=1e-6)
    wide = backend.kernels.random_normal(
        (5,), seed=1, stream=2, step=3, device=backend.device, dtype="float64"
    )
    assert wide.dtype == backend.backend.dtype("float64")


def test_noise_has_the_moments_of_the_normal_law():
    n = 200_000
    drawn = get_backend("numpy").kernels.random_normal((n,), seed=5, stream=1, step=0, device="cpu")
    drawn = drawn.astype("float64")
    for power, moment in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
        assert abs((drawn**power).mean() - moment) < 5 * (drawn**power).std() / np.sqrt(n)
    for z, below in ((-2.0, 0.0227501), (-1.0, 0.1586553), (0.5, 0.6914625)):
        assert abs((drawn < z).mean() - below) < 5 * np.sqrt(below * (1 - below) / n)


@pytest.mark.parametrize("name", RANDOM)
def test_the_mean_stays(name):
    """And with alpha dropout the variance too, for x of mean 0 and variance 1."""
    make, option, _ = RANDOM[name]
    x = np.random.default_rng(1).normal(size=(3000, 20, 2))
    x = (x - x.mean()) / x.std()
    with nn.training():
        y, ones = make(option)(x), make(option)(np.ones_like(x))
    if name == "alpha_dropout":
        assert abs(y.mean()) < 0.02
        assert abs(y.std() - 1) < 0.02
    else:
        assert abs(ones.mean() - 1) < 0.03


@pytest.mark.parametrize("name", RANDOM)
def test_nothing_is_drawn_outside_of_training_or_at_zero(name):
    make, option, _ = RANDOM[name]
    assert make(option)(X) is X
    with nn.training():
        assert make(0)(X) is X


@pytest.mark.parametrize("name", RANDOM)
def test_numbers_depend_on_seed_step_and_place(name):
    make, option, _ = RANDOM[name]
    model = nn.Sequential(make(option), make(option))
    nn.initialize(model)
    seen = []
    for seed, step in ((0, 0), (0, 1), (1, 0), (0, 0)):
        with nn.training(seed, step):
            seen.append((model[0](X), model[1](X), model[0](X)))
    flat = [a for run in seen[:3] for a in run]
    assert all(not np.array_equal(a, b) for i, a in enumerate(flat) for b in flat[:i])
    for a, b in zip(seen[0], seen[3], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", RANDOM)
def test_a_segment_computed_again_draws_the_same(name):
    make, option, _ = RANDOM[name]
    layer = make(option)
    found = []
    for wrap in (lambda f: f, checkpoint):

        def loss(x, wrap=wrap):
            with nn.training(seed=2, step=9):
                y = wrap(lambda x: layer(layer(x)))(layer(x))
            return array_namespace(y).sum(y * y)

        found.append(value_and_grad(loss)(X))
    assert found[0][0] == found[1][0]
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-12)


def test_a_skipped_branch_has_no_gradient():
    """``Residual(..., DropPath(p))``: for the examples that are dropped, y = x."""
    block = nn.Residual(nn.Linear(6, 6), nn.DropPath(0.5))
    nn.initialize(block, dtype="float64")
    x = X[:, :, 0]
    with nn.training(seed=7, step=3):
        y = block(x)
        dx = grad(lambda x: array_namespace(x).sum(block(x)))(x)
    skipped = (y == x).all(axis=1)
    assert 0 < skipped.sum() < len(x)
    np.testing.assert_allclose(y[~skipped], x[~skipped] + 2 * block[0](x[~skipped]), rtol=1e-12)
    assert dx.shape == x.shape


def test_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"SpatialDropout got x of shape \(2, 3\), expected \(batch, ch"):
        nn.SpatialDropout(0.1)(np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"DropPath got an array without axes"):
        nn.DropPath(0.1)(np.asarray(1.0))

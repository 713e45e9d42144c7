"""Initializers against ``torch.nn.init`` and ``jax.nn.initializers``: laws, gains and exact patterns."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from learnkit.nn import init  # noqa: E402

SHAPE = (400, 300)  # (fan_in, fan_out); PyTorch's weight is the transpose
KERNEL = (3, 5, 40, 60)  # (*window, in, out); PyTorch has (out, in, *window)
T = torch.nn.init

#: ours, and the same in PyTorch
LAWS = {
    "constant": (init.Constant(0.3), lambda w: T.constant_(w, 0.3)),
    "zeros": (init.Zeros(), T.zeros_),
    "ones": (init.Ones(), T.ones_),
    "normal": (init.Normal(0.5, 2.0), lambda w: T.normal_(w, 0.5, 2.0)),
    "uniform": (init.Uniform(-1.0, 3.0), lambda w: T.uniform_(w, -1.0, 3.0)),
    "truncated_normal": (init.TruncatedNormal(), T.trunc_normal_),
    "truncated_normal options": (
        init.TruncatedNormal(0.5, 0.7, 0.0, 2.5),
        lambda w: T.trunc_normal_(w, 0.5, 0.7, 0.0, 2.5),
    ),
    "he_normal": (init.HeNormal(), T.kaiming_normal_),
    "he_normal a": (init.HeNormal(a=0.3), lambda w: T.kaiming_normal_(w, a=0.3)),
    "he_normal fan_out": (
        init.HeNormal("fan_out", nonlinearity="tanh"),
        lambda w: T.kaiming_normal_(w, mode="fan_out", nonlinearity="tanh"),
    ),
    "he_uniform": (init.HeUniform(), T.kaiming_uniform_),
    "he_uniform of Linear": (init.HeUniform(a=math.sqrt(5)), lambda w: T.kaiming_uniform_(w, a=math.sqrt(5))),
    "he_uniform fan_out": (
        init.HeUniform("fan_out", nonlinearity="relu"),
        lambda w: T.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu"),
    ),
    "xavier_normal": (init.XavierNormal(5 / 3), lambda w: T.xavier_normal_(w, 5 / 3)),
    "xavier_uniform": (init.XavierUniform(), T.xavier_uniform_),
    "orthogonal": (init.Orthogonal(2.0), lambda w: T.orthogonal_(w, 2.0)),
}


@pytest.mark.parametrize("shape", [SHAPE, KERNEL], ids=["weight", "kernel"])
@pytest.mark.parametrize("row", LAWS)
def test_laws_of_torch(row, shape):
    """Quantiles, moments and ends of tens of thousands of numbers: equal but for the noise."""
    ours, theirs = LAWS[row]
    weight = torch.empty(shape[-1], *shape[-2:-1], *shape[:-2])
    with torch.random.fork_rng(), warnings.catch_warnings():
        torch.manual_seed(0)
        warnings.simplefilter("ignore")
        theirs(weight)
    values, want = ours(shape, seed=0, stream=1).ravel(), weight.numpy().ravel()
    assert values.size == want.size
    at = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]
    spread = float(want.std())
    np.testing.assert_allclose(np.quantile(values, at), np.quantile(want, at), atol=0.08 * spread + 1e-7)
    assert values.mean() == pytest.approx(want.mean(), abs=8 * spread / math.sqrt(want.size) + 1e-7)
    assert values.std() == pytest.approx(spread, rel=0.01, abs=1e-7)
    if "uniform" in row or "truncated" in row:
        for end in (np.min, np.max):
            assert end(values) == pytest.approx(end(want), abs=0.01 * spread)


def test_gains_of_torch():
    for name in ("linear", "sigmoid", "tanh", "relu", "selu", "leaky_relu"):
        assert init.calculate_gain(name) == T.calculate_gain(name)
    for slope in (0.0, 0.2, 1.0, -3.0):
        assert init.calculate_gain("leaky_relu", slope) == T.calculate_gain("leaky_relu", slope)


def test_patterns_of_torch():
    """identity, dirac and sparse: the same zeros and ones, up to the order of axes and the choice of rows."""
    where = {"seed": 0, "stream": 0}
    for shape in ((4, 4), (3, 5), (5, 3)):
        want = T.eye_(torch.empty(shape[::-1])).numpy().T
        np.testing.assert_array_equal(init.Identity()(shape, **where), want)
    for shape, groups in (
        ((3, 4, 4), 1),
        ((3, 5, 4, 6), 1),
        ((5, 6, 2), 1),
        ((3, 2, 8), 4),
        ((3, 3, 4, 2, 6), 2),
    ):
        kernel = torch.empty(shape[-1], shape[-2], *shape[:-2])
        want = np.moveaxis(T.dirac_(kernel, groups).numpy(), (0, 1), (-1, -2))
        np.testing.assert_array_equal(init.Dirac(groups)(shape, **where), want)
    for sparsity in (0.1, 0.35, 0.5):
        want = (T.sparse_(torch.empty(37, 20), sparsity) == 0).sum(dim=0).numpy()
        found = (init.Sparse(sparsity)((37, 20), **where) == 0).sum(axis=0)
        np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "uniform"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
def test_variance_scaling_of_jax(mode, distribution):
    """Including the division by 0.8796 that keeps the variance of what is cut."""
    jax = pytest.importorskip("jax", reason="jax is not installed")
    theirs = jax.nn.initializers.variance_scaling(1.7, mode, distribution)
    for shape in ((300, 200), (3, 5, 40, 60)):
        want = np.asarray(theirs(jax.random.key(0), shape, "float32"))
        values = init.VarianceScaling(1.7, mode, distribution)(shape, seed=0, stream=1)
        at = [0.01, 0.1, 0.5, 0.9, 0.99]
        np.testing.assert_allclose(np.quantile(values, at), np.quantile(want, at), atol=0.08 * want.std())
        assert values.std() == pytest.approx(want.std(), rel=0.01)
        if distribution != "normal":
            assert np.abs(values).max() == pytest.approx(np.abs(want).max(), rel=2e-3)

"""Products of float32 matrices in less than float32: what is rounded, and that nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

import learnkit as lk
from learnkit import nn
from learnkit.backends import array_namespace, get_backend
from learnkit.errors import ArgumentError

torch = pytest.importorskip("torch")
rng = np.random.default_rng(0)
HALVES = ["bfloat16", "float16"]


def total(y):
    return array_namespace(y).sum(y * y)


def rounded(a, name):
    return a.to(getattr(torch, name)).to(torch.float64)


@pytest.mark.parametrize("name", HALVES)
def test_factors_of_a_linear_layer_are_rounded_and_nothing_else(name):
    """Forward, and both products of the gradient; the product itself is rounded once more."""
    x, w = (torch.tensor(rng.normal(size=s), dtype=torch.float32) for s in ((64, 32), (32, 16)))
    b = torch.full((16,), 1.0 + 2.0**-20)

    def run():
        return lk.value_and_grad(lambda *a: total(nn.linear(*a)), argnums=(0, 1, 2))(x, w, b)

    with lk.precision(name, backend="torch"):
        y = nn.linear(x, w, b)
        loss, (dx, dw, db) = run()
    unit = 2.0**-8 if name == "bfloat16" else 2.0**-11
    product = rounded(x, name) @ rounded(w, name)
    assert {a.dtype for a in (y, loss, dx, dw, db)} == {torch.float32}
    np.testing.assert_allclose(y, product + b, rtol=0, atol=float(product.abs().max()) * unit)
    g = 2 * y
    for got, want in (
        (dx, rounded(g, name) @ rounded(w, name).T),
        (dw, rounded(x, name).T @ rounded(g, name)),
    ):
        np.testing.assert_allclose(got, want, rtol=0, atol=float(want.abs().max()) * unit)
    np.testing.assert_allclose(db, g.to(torch.float64).sum(0), rtol=1e-5)  # a sum: not rounded
    exact = run()[1][0]
    error = float((dx - exact).abs().max() / exact.abs().max())
    assert unit / 64 < error < 8 * unit  # and outside of the block nothing is rounded
    np.testing.assert_allclose(exact, 2 * (x @ w + b) @ w.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", HALVES)
def test_convolution(name):
    layer = nn.Conv2d(4, 6, 3, padding=1)
    nn.initialize(layer, backend="torch")
    x = torch.tensor(rng.normal(size=(5, 4, 8, 8)), dtype=torch.float32)
    with lk.precision(name, backend="torch"):
        y, pull = lk.vjp(layer, x)
        (dx,) = pull(y)
        weights = lk.value_and_grad(lambda m: total(m(x)))(layer)[1]
    exact, pull = lk.vjp(layer, x)
    want = pull(exact)[0]
    exact_weights = lk.value_and_grad(lambda m: total(m(x)))(layer)[1]
    pairs = [(y, exact), (dx, want), *((weights[k], exact_weights[k]) for k in weights)]
    for got, wanted in pairs:
        assert got.dtype == torch.float32
        error = float((got - wanted).abs().max() / wanted.abs().max())
        assert 1e-6 < error < (0.05 if name == "bfloat16" else 0.005)


@pytest.mark.parametrize("name", HALVES)
def test_double_precision_is_not_touched(name):
    x = torch.tensor(rng.normal(size=(4, 4)))
    with lk.precision(name, backend="torch"):
        y = nn.linear(x, x, x[0])
    np.testing.assert_array_equal(y, x @ x + x[0])


def test_the_block_ends_also_with_an_error_and_blocks_nest():
    backend = get_backend("torch")

    def failing():
        with lk.precision("bfloat16", backend="torch"):
            with lk.precision("float16", backend="torch"):
                assert backend.products == "float16"
            assert (backend.products, backend.kernels.factors) == ("bfloat16", torch.bfloat16)
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert (backend.products, backend.kernels.factors) == ("float32", None)
    lk.precision("bfloat16", backend="torch")  # from now on
    assert backend.products == "bfloat16"
    lk.precision("float32", backend="torch")
    assert backend.kernels.factors is None


@pytest.mark.parametrize(("name", "optimizer"), [("bfloat16", "adam"), ("float16", "scaled")])
def test_training_reaches_the_loss_of_float32(name, optimizer):
    """With master weights in float32, and in float16 with a scaled loss."""
    x = rng.normal(size=(256, 8)).astype("float32")
    y = np.sin(x.sum(axis=1, keepdims=True))

    def trained(scaled):
        rule = lk.optim.Adam(lr=1e-2)
        rule = lk.optim.chain(lk.optim.LossScale(), rule) if scaled else rule
        model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))
        trainer = lk.Trainer(model, loss="mse", optimizer=rule, backend="torch", seed=0)
        trainer.fit(x, y, epochs=30, batch_size=64, verbose=False)
        assert all(a.dtype == torch.float32 for a in model.arrays().values())
        return float(trainer.evaluate(x, y)["loss"])

    exact = trained(False)
    with lk.precision(name, backend="torch"):
        loss = trained(optimizer == "scaled")
    assert loss != exact
    assert loss < 1.3 * exact


def test_what_a_backend_does_not_have_is_refused():
    for backend, name, message in (
        ("numpy", "bfloat16", "backend 'numpy' multiplies matrices in float32, and not in 'bfloat16'"),
        ("torch", "tf32", "backend 'torch' multiplies matrices in float32 or bfloat16 or float16, and not"),
        ("torch", "bf16", "precision is 'bf16', expected one of 'float32', 'tf32', 'bfloat16', 'float16'"),
    ):
        with pytest.raises(ArgumentError) as caught:
            lk.precision(name, backend=backend)
        assert message in str(caught.value)
    with lk.precision("float32", backend="numpy"):
        pass


def test_cublas_is_told_and_told_back(backend):
    if backend.name not in ("cupy", "fakecupy"):
        pytest.skip("no cuBLAS")
    from cupy._core import _routines_linalg as cublas

    for name, want in (("tf32", 7), ("bfloat16", 6), ("float16", 3)):
        with lk.precision(name, backend="cupy"):
            assert cublas.get_compute_type("float32") == want
            g = backend.asarray(rng.normal(size=(9, 4)))
            sums = backend.asarray(np.zeros(4))
            with backend.no_sync():
                backend.kernels.column_sums_into(sums, g)
            backend.assert_array(sums, backend.to_numpy(g).sum(axis=0), rtol=1e-5)
        assert cublas.get_compute_type("float32") == 1

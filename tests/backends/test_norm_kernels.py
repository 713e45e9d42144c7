"""Kernels of normalisation, dropout and the global norm: each library's own against the definition."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit.backends import get_backend
from learnkit.backends.kernels import Kernels
from learnkit.backends.norms import scale_of
from learnkit.backends.random import philox_uniform
from learnkit.testing import matrix

rng = np.random.default_rng(5)

#: shape of x, which decides what is normalised: rows of (n, groups, segments, rest), or the channels of
#: (n, channels, rest)
SHAPES = {
    "layer": (6, 1, 10, 1),
    "layer of many rows": (700, 1, 180, 1),
    "layer of a long row": (2, 1, 600, 1),
    "layer of one long row": (2, 1, 70_000, 1),
    "layer of one": (5, 1, 1, 1),
    "group": (3, 2, 4, 5),
    "group of many": (70, 3, 2, 300),
    "instance": (4, 6, 1, 7),
    "batch": (9, 5, 1),
    "batch of two chunks": (270, 33, 1),
    "batch of many": (5000, 33, 1),
    "batch of many channels": (20, 2500, 1),
    "batch of images": (7, 4, 6),
    "batch of large images": (9, 3, 5000),
    "batch of one": (1, 3, 8),
}


def arrays(case):
    shape = SHAPES[case]
    x = rng.normal(1.0, 2.0, size=shape)
    g = rng.normal(size=shape)
    return g, x, rng.normal(size=shape[1:-1]), rng.normal(size=shape[1:-1])


def definition(g, x, w, b, eps, centred=True):
    """y, mean, variance, and the gradients of x, w and b, in float64."""
    rows = x.ndim == 4
    axes = (2, 3) if rows else (0, 2)
    w, b = w[..., None], b[..., None]
    mean = x.mean(axis=axes, keepdims=True) if centred else np.zeros_like(x.mean(axis=axes, keepdims=True))
    var = ((x - mean) ** 2).mean(axis=axes, keepdims=True)
    h = (x - mean) / np.sqrt(var + eps)
    gw = g * w
    dx = gw - h * (gw * h).mean(axis=axes, keepdims=True)
    if centred:
        dx = dx - gw.mean(axis=axes, keepdims=True)
    dx = dx / np.sqrt(var + eps)
    dw, db = ((a).sum(axis=(0, x.ndim - 1)) for a in (g * h, g))
    statistics = (mean.squeeze(axes), var.squeeze(axes))
    return h * w + b, *statistics, dx, dw, db


def versions(backend, version):
    return backend.kernels if version == "own" else Kernels(backend.xp)


def forward_and_backward(kernels, g, x, w, b, eps, centred, needs=(True, True, True)):
    if x.ndim == 4:
        y, statistics = kernels.norm_rows(x, w, b, eps=eps, centred=centred)
        return y, statistics, kernels.norm_rows_backward(g, x, w, statistics, eps=eps, needs=needs)
    y, statistics = kernels.norm_channels(x, w, b, eps=eps)
    return y, statistics, kernels.norm_channels_backward(g, x, w, statistics, eps=eps, needs=needs)


@pytest.mark.parametrize("version", ["own", "generic"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("case", SHAPES)
def test_norms_are_the_definition(backend, version, dtype, centred, case):
    if not centred and len(SHAPES[case]) == 3:
        pytest.skip("channels are always centred")
    if np.prod(SHAPES[case]) > 10_000 and (matrix.under_fake_cupy() or version == "generic"):
        pytest.skip("too slow there")
    plain = arrays(case)
    there = [backend.asarray(a, dtype) for a in plain]
    want = definition(*plain, 1e-3, centred)
    with backend.no_sync():
        y, (mean, left, power), gradients = forward_and_backward(
            versions(backend, version), *there, 1e-3, centred
        )
    loose = (
        {"dtype": dtype, "rtol": 1e-4, "atol": 2e-5}
        if dtype == "float32"
        else {"dtype": dtype, "rtol": 1e-11, "atol": 1e-11}
    )
    backend.assert_array(y, want[0], **loose)
    scale = scale_of(backend.xp, there[1].dtype)
    if centred:
        total = backend.to_numpy(mean).astype("float64") + backend.to_numpy(left)
        np.testing.assert_allclose(
            total / scale, want[1], rtol=1e-6 if dtype == "float32" else 1e-13, atol=1e-7
        )
    else:
        assert mean is left is None
    np.testing.assert_allclose(backend.to_numpy(power) / scale**2, want[2], rtol=1e-5, atol=1e-12)
    n = np.sqrt(plain[0].size)
    for got, wanted in zip(gradients, want[3:], strict=True):
        backend.assert_array(
            got, wanted, dtype=dtype, rtol=loose["rtol"], atol=loose["atol"] * (n if got.ndim < 3 else 10)
        )


@pytest.mark.parametrize("version", ["own", "generic"])
@pytest.mark.parametrize("case", ["layer", "group", "batch", "batch of images"])
def test_only_what_is_needed_is_computed(backend, version, case):
    """And weight and bias may be missing."""
    g, x, w, b = (backend.asarray(a, "float64") for a in arrays(case))
    kernels = versions(backend, version)
    _, _, whole = forward_and_backward(kernels, g, x, w, b, 1e-5, True)
    for needs in ((True, False, False), (False, True, False), (False, False, True), (True, False, True)):
        _, _, parts = forward_and_backward(kernels, g, x, w, b, 1e-5, True, needs)
        for part, full, needed in zip(parts, whole, needs, strict=True):
            assert (part is not None) == needed
            if needed:
                backend.assert_array(part, backend.to_numpy(full), dtype="float64", rtol=1e-13, atol=1e-13)
    ones, zeros = backend.xp.ones_like(w), backend.xp.zeros_like(b)
    plain = forward_and_backward(kernels, g, x, None, None, 1e-5, True, (True, False, False))
    filled = forward_and_backward(kernels, g, x, ones, zeros, 1e-5, True, (True, False, False))
    for got, want in ((plain[0], filled[0]), (plain[2][0], filled[2][0])):
        backend.assert_array(got, backend.to_numpy(want), dtype="float64", rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("version", ["own", "generic"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ["batch", "batch of images", "batch of two chunks", "batch of one"])
def test_given_statistics(backend, version, dtype, case):
    _, x, w, b = arrays(case)
    x = x + 1000
    shift = x.mean(axis=(0, 2))
    there = [backend.asarray(a, dtype) for a in (x, shift, w, b)]
    loose = {
        "dtype": dtype,
        "rtol": 2e-4 if dtype == "float32" else 1e-11,
        "atol": 1e-3 if dtype == "float32" else 1e-11,
    }
    with backend.no_sync():
        y = versions(backend, version).affine_channels(*there)
        bare = versions(backend, version).affine_channels(*there[:3], None)
    want = (x - shift[:, None]) * w[:, None]
    backend.assert_array(y, want + b[:, None], **loose)
    backend.assert_array(bare, want, **loose)


@pytest.mark.parametrize("case", SHAPES)
def test_inputs_stay_and_results_do_not_depend_on_threads(case, monkeypatch):
    """The same bits whoever computes them: sums are of chunks that the shapes alone decide."""
    from learnkit.backends import threads

    plain = [a.astype("float32") for a in arrays(case)]
    held = [a.copy() for a in plain]
    kernels = get_backend("numpy").kernels
    found = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "_pool", threads._Pool(count))
        y, statistics, gradients = forward_and_backward(kernels, *plain, 1e-5, True)
        found.append((y, *statistics, *gradients))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(plain, held, strict=True):
        np.testing.assert_array_equal(a, b)


def test_strided_and_read_only_arrays(backend):
    """Gradients often arrive as a repeated number, and data as a view."""
    x = rng.normal(size=(40, 30))
    view = backend.xp.reshape(backend.xp.matrix_transpose(backend.asarray(x, "float64")), (30, 1, 40, 1))
    g = backend.xp.broadcast_to(backend.asarray(np.ones(1), "float64"), (30, 1, 40, 1))
    w = backend.asarray(rng.normal(size=(1, 40)), "float64")
    plain = x.T.reshape(30, 1, 40, 1)
    want = definition(np.ones_like(plain), plain, backend.to_numpy(w), np.zeros((1, 40)), 1e-5)
    y, statistics = backend.kernels.norm_rows(view, w, None, eps=1e-5)
    dx, dw, db = backend.kernels.norm_rows_backward(g, view, w, statistics, eps=1e-5)
    for got, wanted in ((y, want[0]), (dx, want[3]), (dw, want[4]), (db, want[5])):
        backend.assert_array(got, wanted, dtype="float64", rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [0, 1, 7, 8, 2047, 2049, 16_385, 100_003])
@pytest.mark.parametrize("p", [0.5, 0.3, 0.9999999])
def test_dropout_draws_the_numbers_of_numpy(backend, n, p, dtype):
    x = rng.normal(size=n)
    there = backend.asarray(x, dtype)
    kept = philox_uniform((n,), seed=2**63 + 1, stream=5, step=2**40) >= np.float32(p)
    with backend.no_sync():
        y = backend.kernels.dropout(there, p, seed=2**63 + 1, stream=5, step=2**40)
    want = x.astype(dtype) * kept.astype(dtype) * np.dtype(dtype).type(1 / (1 - p))
    backend.assert_array(y, want, dtype=dtype, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 1000, 16_385, 200_003])
def test_uniform_numbers_are_those_of_numpy(backend, n, dtype):
    key = {"seed": 2**64 - 1, "stream": 2**63 + 7, "step": 2**33}
    got = backend.kernels.random_uniform((n, 1), **key, device=backend.device, dtype=dtype)
    backend.assert_array(got, philox_uniform((n, 1), **key, dtype=dtype), dtype=dtype, rtol=0, atol=0)


@pytest.mark.parametrize("version", ["own", "generic"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_global_norm(backend, version, dtype):
    plain = [rng.normal(size=s) for s in ((3, 4), (1,), (20_000,), (2, 3, 5))]
    there = [backend.asarray(a, dtype) for a in plain]
    want = np.sqrt(sum((a**2).sum() for a in plain))
    with backend.no_sync():
        got = versions(backend, version).global_norm(there)
    assert got.shape == ()
    backend.assert_array(got, want, dtype=dtype, rtol=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("size", [1e25, 1e-25])
def test_the_global_norm_of_numbers_whose_squares_are_out_of_range(backend, size):
    if backend.name not in ("numpy", "cupy", "fakecupy"):
        pytest.skip("sums in float32")
    x = np.full(1000, size, dtype="float32")
    got = float(backend.to_numpy(backend.kernels.global_norm([backend.asarray(x, "float32")])))
    assert got == pytest.approx(size * np.sqrt(1000), rel=1e-6)


#: kernel: launches forward and backward with all gradients
LAUNCHES = {"layer": (1, 3), "group": (1, 3), "batch": (3, 3), "batch of images": (3, 3)}


@pytest.mark.skipif(not matrix.under_fake_cupy(), reason="only the stand-in for CuPy counts")
@pytest.mark.parametrize("case", LAUNCHES)
def test_launches_of_norms(backend, case):
    g, x, w, b = (backend.asarray(a) for a in arrays(case))
    kernels = backend.kernels
    with backend.counting() as launched:
        name = "norm_rows" if x.ndim == 4 else "norm_channels"
        _, statistics = getattr(kernels, name)(x, w, b, eps=1e-5)
        forward = len(launched)
        getattr(kernels, f"{name}_backward")(g, x, w, statistics, eps=1e-5)
        assert (forward, len(launched) - forward) == LAUNCHES[case], launched


@pytest.mark.skipif(not matrix.under_fake_cupy(), reason="only the stand-in for CuPy counts")
def test_launches_of_dropout_and_the_norm(backend):
    x = backend.asarray(np.ones((50, 3)))
    with backend.counting() as launched:
        backend.kernels.dropout(x, 0.5, seed=0, stream=0, step=0)
        backend.kernels.global_norm([x])
        assert len(launched) == 3, launched

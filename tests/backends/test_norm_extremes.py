"""Compiled norms of float32 where sums in that dtype do not do: out of range, or far from 0."""

from __future__ import annotations

import array_api_compat.numpy as xp
import numpy as np
import pytest

pytest.importorskip("numba")

from learnkit.backends.compiled import CompiledKernels
from learnkit.backends.norms import scale_of

kernels = CompiledKernels(xp)
SCALE = scale_of(xp, np.dtype("float32"))

#: Rows of (n, groups, segments, rest), or channels of (n, channels, rest).
SHAPES = {
    "rows": (40, 1, 1500, 1),
    "rows of segments": (20, 3, 4, 50),
    "channels": (300, 40, 1),
    "images": (6, 5, 700),
}


def axes_of(x):
    return (2, 3) if x.ndim == 4 else (0, 2)


def run(x, w, b, g, eps, needs=(True, True, True)):
    name = "norm_rows" if x.ndim == 4 else "norm_channels"
    y, statistics = getattr(kernels, name)(x, w, b, eps=eps)
    return y, statistics, *getattr(kernels, f"{name}_backward")(g, x, w, statistics, eps=eps, needs=needs)


def definition(x, w, b, g, eps):
    x, w, b, g = (a.astype("float64") for a in (x, w[..., None], b[..., None], g))
    over = {"axis": axes_of(x), "keepdims": True}
    mean = x.mean(**over)
    var = np.square(x - mean).mean(**over)
    h = (x - mean) / np.sqrt(var + eps)
    dx = (g * w - (g * w).mean(**over) - h * (g * w * h).mean(**over)) / np.sqrt(var + eps)
    rest = (0, x.ndim - 1)
    return h * w + b, mean, var, dx, (g * h).sum(axis=rest), g.sum(axis=rest)


def drawn(case, offset=0.0, spread=1.0, seed=3):
    rng = np.random.default_rng(seed)
    shape = SHAPES[case]
    x = offset + spread * rng.standard_normal(shape)
    w, b = rng.standard_normal((2, *shape[1:-1]))
    return [a.astype("float32") for a in (x, w, b, rng.standard_normal(shape))]


def near(got, want, tolerance):
    """Everywhere to a share of the largest number: both have rounding errors of that size."""
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize(
    ("offset", "spread"),
    [
        (0, 1),
        (1e4, 1),
        (-1e6, 1),
        (3, 1e-4),
        (0, 1e-13),
        (0, 1e-16),
        (0, 1e-22),
        (0, 1e17),
        (0, 1e20),
        (1e27, 1e25),
    ],
)
def test_statistics_and_gradients_lose_nothing_that_float64_would_keep(case, offset, spread):
    x, w, b, g = drawn(case, offset, spread)
    b[:] = 0.0
    eps = max(1e-12, 1e-5 * spread * spread)  # beside that, smaller variances need not be kept
    y, (high, low, power), dx, dw, db = run(x, w, b, g, eps)
    want_y, mean, var, want_dx, want_dw, want_db = definition(x, w, b, g, eps)
    found = (high.astype("float64") + low) / SCALE
    assert np.abs((found - mean.reshape(found.shape)) / np.sqrt(var.reshape(found.shape))).max() < 1e-6
    if 1e-5 < spread < 1e30:
        np.testing.assert_allclose(power.astype("float64") / SCALE**2, var.reshape(power.shape), rtol=1e-6)
    near(y, want_y, 1e-6)
    near(dx, want_dx, 1e-6)
    near(dw, want_dw, 1e-6)
    near(db, want_db, 1e-6)


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize("value", [0.0, 0.1, -1e30])
def test_of_the_same_number_everywhere_nothing_is_left(case, value):
    x, w, b, g = drawn(case)
    one = (slice(1, 2),) if x.ndim == 4 else (slice(None), slice(1, 2))
    x[one] = value
    y, (_, _, power), *_ = run(x, w, b, g, 1e-5)
    flat = power if x.ndim == 3 else power.reshape(x.shape[:2])
    assert (flat[1] == 0).all()
    assert np.isfinite(y).all()
    near(y[one], np.broadcast_to(b[..., None], x.shape)[one], 1e-7)
    rest = np.delete(np.arange(x.shape[0 if x.ndim == 4 else 1]), 1)
    want = definition(x, w, b, g, 1e-5)[0]
    there = (rest,) if x.ndim == 4 else (slice(None), rest)
    near(y[there], want[there], 1e-6)


@pytest.mark.parametrize("case", ["rows", "channels"])
def test_numbers_that_stand_for_the_others_but_are_not_like_them(case):
    """A few numbers are taken for a first guess at the mean: here they are all far away from it."""
    x, w, b, g = drawn(case, 0.0, 1e-2)
    few = 16
    if case == "rows":
        x[:, :, :: x.shape[2] // few] = 1e5
    else:
        chunk = 65536 // x.shape[1]
        assert chunk >= x.shape[0]
        x[[i * x.shape[0] // few for i in range(few)]] = 1e5
    y, (high, low, power), dx, _, _ = run(x, w, b, g, 1e-5)
    want_y, mean, var, want_dx, _, _ = definition(x, w, b, g, 1e-5)
    np.testing.assert_allclose((high.astype("float64") + low) / SCALE, mean.reshape(high.shape), rtol=1e-6)
    np.testing.assert_allclose(power.astype("float64") / SCALE**2, var.reshape(power.shape), rtol=1e-6)
    near(y, want_y, 1e-6)
    near(dx, want_dx, 1e-6)


@pytest.mark.parametrize(
    ("case", "size", "half"),
    [("rows", 2e37, 16), ("rows of segments", 1e37, 1), ("channels", 2e37, 16), ("images", 1e36, 1)],
)
def test_large_gradients_whose_sums_are_beyond_float32_before_they_cancel(case, size, half):
    x, w, b, g = drawn(case)
    x[half : 2 * half] = x[:half]
    g[:half] = size * (1.2 + 0.2 * np.tanh(g[:half]))
    g[half : 2 * half] = -g[:half]
    g[2 * half] *= size / 20
    g[2 * half + 1 :] = 0.0
    needs = (case.startswith("rows"), True, True)  # of channels the means themselves are too large
    _, _, dx, dw, db = run(x, np.ones_like(w), b, g, 1e-5, needs)
    _, _, _, want_dx, want_dw, want_db = definition(x, np.ones_like(w), b, g, 1e-5)
    with np.errstate(over="ignore"):
        assert np.isinf(g[:half].sum(axis=0 if x.shape[-1] == 1 else -1, dtype="float32")).any()
    if needs[0]:
        near(dx, want_dx, 1e-6)
    near(dw, want_dw, 1e-6)
    near(db, want_db, 1e-6)


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_where_it_is(case, bad):
    x, w, b, g = drawn(case)
    clean, _, clean_dx, _, _ = run(x, w, b, g, 1e-5)
    x[2, 1 if x.ndim == 3 else 0, 0] = bad
    y, _, dx, dw, _ = run(x, w, b, g, 1e-5)
    touched = np.zeros(x.shape, bool)
    touched[(2, 0) if x.ndim == 4 else (slice(None), 1)] = True
    assert np.isnan(y[touched]).any()
    assert np.isnan(dx[touched]).all()
    assert np.isnan(dw[0] if x.ndim == 4 else dw[1]).all()
    np.testing.assert_array_equal(y[~touched], clean[~touched])
    near(dx[~touched], clean_dx[~touched], 1e-6)  # in another precision, perhaps

"""The error function against the one of the C library."""

from __future__ import annotations

import math

import numpy as np
import pytest

GRID = np.concatenate(
    [np.linspace(-7, 7, 20_011), np.linspace(-1e-3, 1e-3, 101), 10.0 ** np.arange(-300, 301, 25)]
)
# Where the three rational functions meet, and where erf becomes 1.
SEAMS = [s * (v + d) for v in (0.46875, 3.92, 4.0, 6.0) for d in (-1e-6, 0.0, 1e-6) for s in (-1, 1)]


def versions(backend):
    """The library's own version and the generic one."""
    from learnkit.backends.kernels import Kernels

    return {"own": backend.kernels.erf, "generic": Kernels(backend.xp).erf}


@pytest.mark.parametrize("version", ["own", "generic"])
@pytest.mark.parametrize(("dtype", "atol"), [("float64", 3e-16), ("float32", 4e-7)])
def test_agrees_with_the_c_library(backend, version, dtype, atol):
    x = np.concatenate([GRID, SEAMS])
    x = x[np.abs(x) < (1e38 if dtype == "float32" else np.inf)].astype(dtype)
    with backend.no_sync():
        got = versions(backend)[version](given := backend.asarray(x, dtype))
    backend.assert_array(got, [math.erf(v) for v in x], like=given, rtol=0, atol=atol)


@pytest.mark.parametrize("version", ["own", "generic"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_extremes(backend, version, dtype):
    """Infinities, NaN, both zeros, the smallest and the largest numbers."""
    info = np.finfo(dtype)
    x = np.array([np.inf, -np.inf, np.nan, info.max, -info.max, 0.0, -0.0, info.tiny, -info.tiny], dtype)
    got = backend.to_numpy(versions(backend)[version](backend.asarray(x, dtype)))
    assert got.tolist()[:2] == [1.0, -1.0]
    assert np.isnan(got[2])
    assert got.tolist()[3:7] == [1.0, -1.0, 0.0, 0.0]
    assert np.signbit(got).tolist()[5:7] == [False, True]
    np.testing.assert_allclose(got[7:], x[7:] * (2 / math.sqrt(math.pi)), rtol=1e-6)


@pytest.mark.parametrize("version", ["own", "generic"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_odd_and_bounded(backend, version, dtype):
    x = np.abs(GRID[np.abs(GRID) < 1e30]).astype(dtype)
    erf = versions(backend)[version]
    up, down = (backend.to_numpy(erf(backend.asarray(s * x, dtype))) for s in (1, -1))
    assert np.array_equal(up, -down)
    assert up.max() == 1.0


@pytest.mark.parametrize("shape", [(), (0,), (3, 4), (2, 1, 5), (40_000,)])
def test_keeps_the_shape(backend, shape):
    x = np.linspace(-2, 2, max(1, math.prod(shape)))[: math.prod(shape)].reshape(shape)
    got = backend.kernels.erf(backend.asarray(x))
    backend.assert_array(got, np.vectorize(math.erf, otypes=[float])(x), dtype="float32", atol=4e-7)


def test_transposed_input(backend):
    x = np.linspace(-2, 2, 12).reshape(3, 4)
    got = backend.kernels.erf(backend.asarray(x).T)
    backend.assert_array(got, np.vectorize(math.erf)(x.T), dtype="float32", atol=4e-7)

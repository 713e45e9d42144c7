"""The plugin is found, and computes what the generic kernels compute."""

from __future__ import annotations

import subprocess
import sys

import array_api_compat.numpy
import learnkit_numba
import numpy as np
import pytest
from learnkit_numba import NumbaKernels
from learnkit_numba import kernels as module

import learnkit as lk
from learnkit.backends import Kernels, kernels_of
from learnkit.backends.windows import Window
from learnkit.errors import ArgumentError, ShapeError
from learnkit.plugins import records, registry

GENERIC = Kernels(array_api_compat.numpy)
OURS = NumbaKernels()

#: Window and groups.
WINDOWS = {
    "of one pixel": (Window((1, 1)), 1),
    "plain": (Window((2, 3)), 1),
    "padded": (Window((3, 3), padding=((1, 1), (1, 1))), 1),
    "padded on one side": (Window((3, 2), padding=((0, 2), (1, 0))), 1),
    "with a stride": (Window((3, 2), (2, 3), ((1, 1), (0, 0))), 1),
    "with a stride of 2": (Window((2, 3), (1, 2), ((1, 0), (1, 1))), 2),
    "with a stride down": (Window((3, 3), (2, 1), ((1, 1), (1, 1))), 4),
    "dilated": (Window((2, 3), (1, 1), ((0, 1), (2, 2)), (3, 2)), 1),
    "larger than the image": (Window((6, 7), padding=((3, 3), (3, 3))), 2),
    "apart from each other": (Window((2, 2), (3, 3)), 1),
}


@pytest.fixture(params=["alone", "shared"], autouse=True)
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test also with the work shared among threads."""
    if request.param == "shared":
        monkeypatch.setattr(module, "_SHARED", 0)


def test_the_plugin_is_installed() -> None:
    (record,) = (record for record in records() if record.distribution == "learnkit-numba")
    assert (record.name, record.status, record.detail) == ("numba", "ok", "")
    assert record.components == {"kernel": ("numba",)}
    assert registry.get("kernel", "numba") is NumbaKernels
    assert learnkit_numba.__all__ == ["NumbaKernels"]


test_it_passes_the_checks = lk.testing.checks_for(OURS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WINDOWS)
def test_windows(name: str, dtype: str) -> None:
    """Images of few different values, so that there are equal ones under a window."""
    window, groups = WINDOWS[name]
    rng = np.random.default_rng(0)
    x = rng.integers(-2, 3, size=(3, 4, 5, 6)).astype(dtype)
    y = GENERIC.max_pool2d(x, window)
    g, v = rng.normal(size=y.shape).astype(dtype), rng.normal(size=x.shape).astype(dtype)
    columns = rng.normal(size=GENERIC.im2col(x, window, groups).shape).astype(dtype)
    calls = {
        "im2col": (x, window, groups),
        "col2im": (columns, window, (5, 6)),
        "max_pool2d": (x, window),
        "max_pool2d_backward": (g, x, y, window),
        "max_pool2d_select": (v, x, y, window),
        "window_sum": (x, window),
        "window_spread": (g, window, (5, 6)),
    }
    loose = 1e-12 if dtype == "float64" else 1e-5
    left = []
    for kernel, arguments in calls.items():
        before = [a.copy() for a in arguments if isinstance(a, np.ndarray)]
        got, want = getattr(OURS, kernel)(*arguments), getattr(GENERIC, kernel)(*arguments)
        if got is NotImplemented:
            left.append(kernel)
            continue
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        np.testing.assert_allclose(got, want, rtol=loose, atol=loose)
        for a, old in zip((a for a in arguments if isinstance(a, np.ndarray)), before, strict=True):
            np.testing.assert_array_equal(a, old)
    assert left == (["im2col", "max_pool2d"] if window.stride[1] > 1 else [])


def test_what_is_not_a_number_or_infinite() -> None:
    window = Window((2, 2), (1, 1), ((1, 1), (1, 1)))
    x = np.full((1, 1, 4, 4), -np.inf)
    x[0, 0, 1, 1] = np.nan
    y = OURS.max_pool2d(x, window)
    np.testing.assert_array_equal(y, GENERIC.max_pool2d(x, window))
    g = np.ones_like(y)
    np.testing.assert_array_equal(
        OURS.max_pool2d_backward(g, x, y, window), GENERIC.max_pool2d_backward(g, x, y, window)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("index", ["int32", "int64", "uint8"])
@pytest.mark.parametrize("shape", [(6,), (6, 40), (6, 2, 3), (1, 4)])
def test_index_add(shape: tuple[int, ...], index: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, indices = rng.normal(size=shape).astype(dtype), rng.integers(0, shape[0], 50).astype(index)
    values = rng.normal(size=(50, *shape[1:])).astype(dtype)
    want = x.astype("float64")
    np.add.at(want, indices, values)
    before = x.copy()
    got = OURS.index_add(x, indices, values)
    assert got.dtype == x.dtype
    np.testing.assert_allclose(got, want, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-5)
    np.testing.assert_array_equal(x, before)
    turned = OURS.index_add(np.asfortranarray(x), indices[::-1], values[::-1])
    np.testing.assert_allclose(turned, got, rtol=1e-5, atol=1e-5)


def test_indices_out_of_range_and_shapes_that_do_not_fit_are_refused() -> None:
    x, values = np.zeros((3, 2)), np.ones((2, 2))
    with pytest.raises(ArgumentError, match="index 3 is out of range for 3 rows"):
        OURS.index_add(x, np.asarray([0, 3]), values)
    with pytest.raises(ArgumentError, match="index -1 is out of range"):
        OURS.index_add(x, np.asarray([-1, 0]), values)
    with pytest.raises(ShapeError):
        OURS.index_add(x, np.asarray([0]), values)


def test_what_is_not_served_is_left_to_numpy() -> None:
    window = Window((2, 2))
    for x in (np.ones((1, 1, 3, 3), "float16"), np.ones((0, 1, 3, 3))):
        assert OURS.max_pool2d(x, window) is NotImplemented
        assert OURS.window_sum(x, window) is NotImplemented
        assert OURS.im2col(x, window) is NotImplemented
    assert OURS.index_add(np.zeros((3, 2)), np.asarray([], "int64"), np.zeros((0, 2))) is NotImplemented
    mixed = OURS.index_add(np.zeros((3, 2)), np.asarray([0]), np.zeros((1, 2), "float32"))
    assert mixed is NotImplemented
    with lk.use_kernels("numba"):
        assert kernels_of(np.ones(1)).max_pool2d(np.ones((0, 1, 3, 3)), window).shape == (0, 1, 2, 2)


def test_a_network_trains_the_same() -> None:
    nn = lk.nn
    x, y = lk.data.load_digits()[:2]

    def losses() -> list[float]:
        model = nn.Sequential(
            nn.Reshape((1, 8, 8)), nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 1, 1),
            nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32, 10),
        )  # fmt: skip
        trainer = lk.Trainer(model, "cross_entropy", "adam:lr=0.01", seed=3, backend="numpy")
        return [float(trainer.step(x[i : i + 64], y[i : i + 64])) for i in range(0, 640, 64)]

    alone = losses()
    with lk.use_kernels("numba"):
        together = losses()
    np.testing.assert_allclose(together, alone, rtol=1e-4)


def test_numba_is_imported_when_a_kernel_is_called() -> None:
    """Listing plugins, or asking for the kernels, does not wait for it."""
    program = (
        "import sys, numpy as np, learnkit as lk; from learnkit.backends import kernels_of\n"
        "from learnkit_numba import NumbaKernels\n"
        "lk.use_kernels(NumbaKernels()); print('numba' in sys.modules)\n"
        "kernels_of(np.ones(1)).index_add(np.ones(3), np.asarray([0]), np.ones(1))\n"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]

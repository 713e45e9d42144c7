"""Windows over images: each library's own kernels, the generic ones, and the definition pixel by pixel."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from learnkit.backends import get_backend
from learnkit.backends.kernels import Kernels
from learnkit.backends.windows import Window
from learnkit.testing import matrix

rng = np.random.default_rng(0)

#: Kernel, stride, padding and dilation, each for height and width; then groups.
WINDOWS = {
    "of one pixel": (Window((1, 1)), 1),
    "plain": (Window((2, 3)), 1),
    "padded": (Window((3, 3), padding=((1, 1), (1, 1))), 1),
    "padded on one side": (Window((3, 2), padding=((0, 2), (1, 0))), 1),
    "with a stride": (Window((3, 2), (2, 3), ((1, 1), (0, 0))), 1),
    "dilated": (Window((2, 3), (1, 1), ((0, 1), (2, 2)), (3, 2)), 1),
    "in groups": (Window((2, 2), (1, 2), ((1, 0), (1, 1))), 2),
    "with all": (Window((3, 2), (2, 1), ((2, 1), (1, 2)), (1, 2)), 2),
    "of each channel": (Window((2, 2)), 4),
    "larger than the image": (Window((6, 7), padding=((3, 3), (3, 3))), 1),
    "apart from each other": (Window((2, 2), (3, 3)), 1),
    "padded more than it reaches": (Window((2, 2), padding=((2, 2), (3, 3))), 1),
}
N, C, H, W, OUT = 3, 4, 5, 6, 4


def under(x, window, r, q, fill):
    """The pixels under the window at one position, with ``fill`` outside of the image."""
    padded = np.pad(x, ((0, 0), (0, 0), *window.padding), constant_values=fill)
    (kh, kw), (sh, sw), _, (dh, dw) = window
    return padded[..., r * sh : r * sh + dh * kh : dh, q * sw : q * sw + dw * kw : dw]


def convolution(x, w, window, groups):
    rows, across = window.outputs(x.shape[2:])
    c, o = w.shape[2], w.shape[3]
    y = np.zeros((x.shape[0], o, rows, across))
    per_group = w.reshape(*w.shape[:2], c, groups, o // groups)
    for r, q in np.ndindex(rows, across):
        pixels = under(x, window, r, q, 0.0).reshape(x.shape[0], groups, c, *window.kernel)
        y[:, :, r, q] = np.einsum("ngcij,ijcgk->ngk", pixels, per_group).reshape(-1, o)
    return y


def transposed(linear, g):
    """The transpose, applied to ``g``, of a function that is linear in each image: of the unit images."""
    responses = linear(np.eye(C * H * W).reshape(-1, C, H, W))
    return np.tensordot(g, responses, axes=((1, 2, 3), (1, 2, 3))).reshape(-1, C, H, W)


def maxima(x, window):
    rows, across = window.outputs(x.shape[2:])
    y = np.zeros((*x.shape[:2], rows, across))
    for r, q in np.ndindex(rows, across):
        y[..., r, q] = under(x, window, r, q, -np.inf).max(axis=(2, 3))
    return y


def first_places(x, window):
    """Of each window the pixel that is the first of the largest: an index into height times width."""
    numbers = np.broadcast_to(np.arange(float(H * W)).reshape(H, W), x.shape)
    rows, across = window.outputs(x.shape[2:])
    places = np.zeros((*x.shape[:2], rows, across), dtype=int)
    for r, q in np.ndindex(rows, across):
        pixels = under(x, window, r, q, np.nan).reshape(*x.shape[:2], -1)
        which = under(numbers, window, r, q, -1.0).reshape(*x.shape[:2], -1)
        k = np.nanargmax(pixels, axis=2)
        places[..., r, q] = np.take_along_axis(which, k[..., None], axis=2)[..., 0]
    return places


def sums(x, window):
    rows, across = window.outputs(x.shape[2:])
    y = np.zeros((*x.shape[:2], rows, across))
    for r, q in np.ndindex(rows, across):
        y[..., r, q] = under(x, window, r, q, 0.0).sum(axis=(2, 3))
    return y


@pytest.fixture(params=["own", "generic", "generic in place of nothing", "piece by piece"])
def kernels(request, backend, monkeypatch):
    """The backend's kernels; the generic ones, also for a library without assignment; one image at a time."""
    if request.param == "own":
        return backend.kernels
    if request.param == "piece by piece":
        made = type(backend.kernels)(backend.xp)
        monkeypatch.setattr(made, "columns_at_once", 1)
        monkeypatch.setattr("learnkit.backends.numpy_windows._PIECE", 1)
        monkeypatch.setattr("learnkit.backends.numpy_windows._SHORT", 0)
        monkeypatch.setattr("learnkit.backends.numpy_windows._SHARED", 0)
        monkeypatch.setattr("learnkit.backends.numpy_windows._BLOCK", 1)
        return made
    return Kernels(backend.xp, in_place=request.param == "generic")


@functools.cache
def example(name):
    """A window, the groups, and arrays: x, w, b and g."""
    window, groups = WINDOWS[name]
    x, w, b = (
        rng.normal(size=(N, C, H, W)),
        rng.normal(size=(*window.kernel, C // groups, OUT)),
        rng.normal(size=OUT),
    )
    g = rng.normal(size=(N, OUT, *window.outputs((H, W))))
    return window, groups, x, w, b, g


@functools.cache
def convolved(name):
    """The convolution of the example, and its transposes applied to g, by the definition."""
    window, groups, x, w, _, g = example(name)
    y = convolution(x, w, window, groups)
    dx = transposed(lambda e: convolution(e, w, window, groups), g)
    units = np.eye(w.size).reshape(-1, *w.shape)
    dw = np.asarray([np.sum(convolution(x, unit, window, groups) * g) for unit in units]).reshape(w.shape)
    return y, dx, dw


@functools.cache
def summed(name):
    """The same for sums."""
    window, _, x, *_ = example(name)
    g = np.random.default_rng(1).normal(size=(N, C, *window.outputs((H, W))))
    return g, sums(x, window), transposed(lambda e: sums(e, window), g)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WINDOWS)
def test_convolution_and_its_transposes(backend, kernels, name, dtype):
    """The three maps of one trilinear form; inputs stay unchanged and the host never waits."""
    window, groups, *arrays = example(name)
    b = arrays[2]
    there = [backend.asarray(a, dtype) for a in arrays]
    loose = 1e-12 if dtype == "float64" else 2e-5
    with backend.no_sync():
        y = kernels.conv2d(there[0], there[1], there[2], window, groups)
        bare = kernels.conv2d(there[0], there[1], None, window, groups)
        dx = kernels.conv2d_input(there[3], there[1], window, groups, (H, W))
        dw = kernels.conv2d_weight_into(None, there[0], there[3], window, groups)
    want, want_dx, want_dw = convolved(name)
    backend.assert_array(bare, want, dtype=dtype, rtol=loose, atol=loose)
    backend.assert_array(y, want + b[:, None, None], dtype=dtype, rtol=loose, atol=loose)
    backend.assert_array(dx, want_dx, dtype=dtype, rtol=10 * loose, atol=10 * loose)
    backend.assert_array(dw, want_dw, dtype=dtype, rtol=10 * loose, atol=10 * loose)
    for a, plain in zip(there, arrays, strict=True):
        backend.assert_array(a, plain.astype(dtype), rtol=0, atol=0)


@pytest.mark.parametrize("name", WINDOWS)
def test_columns(backend, kernels, name):
    """In the order of the kernel's axes, and back."""
    window, groups, x, w, _, _ = example(name)
    given = backend.asarray(x, "float64")
    with backend.no_sync():
        columns = kernels.im2col(given, window, groups)
        back = kernels.col2im(columns, window, (H, W))
    k = w.shape[0] * w.shape[1] * w.shape[2]
    rows, across = window.outputs((H, W))
    assert tuple(columns.shape) == (N, groups, k, rows * across)
    columns = backend.to_numpy(columns)
    matrices = w.reshape(k, groups, OUT // groups).transpose(1, 2, 0)
    y = (matrices @ columns).reshape(N, OUT, rows, across)
    np.testing.assert_allclose(y, convolved(name)[0], rtol=1e-12, atol=1e-12)
    counts = np.zeros((H, W))
    for i, j, r, q in np.ndindex(*window.kernel, rows, across):
        down = i * window.dilation[0] + r * window.stride[0] - window.padding[0][0]
        right = j * window.dilation[1] + q * window.stride[1] - window.padding[1][0]
        if 0 <= down < H and 0 <= right < W:
            counts[down, right] += 1
    backend.assert_array(back, x * counts, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [n for n in WINDOWS if "more than" not in n])
def test_maxima(backend, kernels, name, dtype):
    """Of equal pixels the first has the gradient."""
    window = WINDOWS[name][0]
    x = rng.integers(-2, 2, size=(N, C, H, W)).astype("float64")
    g, v = rng.normal(size=(N, C, *window.outputs((H, W)))), rng.normal(size=x.shape)
    there = [backend.asarray(a, dtype) for a in (x, g, v)]
    with backend.no_sync():
        y = kernels.max_pool2d(there[0], window)
        dx = kernels.max_pool2d_backward(there[1], there[0], y, window)
        selected = kernels.max_pool2d_select(there[2], there[0], y, window)
    backend.assert_array(y, maxima(x, window), dtype=dtype, rtol=0, atol=0)
    places = first_places(x, window).reshape(N, C, -1)
    want = np.zeros((N, C, H * W))
    for n, c in np.ndindex(N, C):
        np.add.at(want[n, c], places[n, c], g[n, c].ravel())
    loose = 1e-12 if dtype == "float64" else 1e-5
    backend.assert_array(dx, want.reshape(x.shape), dtype=dtype, rtol=loose, atol=loose)
    picked = np.take_along_axis(v.reshape(N, C, -1), places, axis=2).reshape(g.shape)
    backend.assert_array(selected, picked, dtype=dtype, rtol=1e-6, atol=0)
    backend.assert_array(there[0], x, rtol=0, atol=0)


def test_maxima_of_what_is_not_a_number_or_infinite(backend, kernels):
    """NaN stays; padding is never the largest, and has no share of the gradient, not even beside -inf."""
    window = Window((2, 2), (2, 2), ((1, 1), (1, 1)))
    x = np.full((1, 1, 4, 4), -np.inf)
    x[0, 0, 1, 1] = np.nan
    given = backend.asarray(x)
    y = kernels.max_pool2d(given, window)
    want = np.full((1, 1, 3, 3), -np.inf)
    want[0, 0, 1, 1] = np.nan
    backend.assert_array(y, want)
    g = backend.asarray(np.ones((1, 1, 3, 3)))
    dx = backend.to_numpy(kernels.max_pool2d_backward(g, given, y, window))
    corners = [(0, 0), (0, 1), (0, 3), (1, 0), (3, 0), (1, 3), (3, 1), (3, 3)]
    assert [dx[0, 0, r, q] for r, q in corners] == [1.0] * 8


def test_an_infinite_gradient_goes_where_it_belongs_and_nowhere_else(backend, kernels):
    for window in (Window((2, 2), (2, 2)), Window((2, 2))):
        x = np.arange(16.0).reshape(1, 1, 4, 4)
        given = backend.asarray(x)
        y = kernels.max_pool2d(given, window)
        dx = backend.to_numpy(kernels.max_pool2d_backward(y * np.inf, given, y, window))
        assert np.array_equal(np.isinf(dx), np.isin(x, backend.to_numpy(y)))
        assert not np.isnan(dx).any()
        v = backend.asarray(np.where(np.isin(x, backend.to_numpy(y)), 1.0, np.inf))
        selected = kernels.max_pool2d_select(v, given, y, window)
        backend.assert_array(selected, np.ones(y.shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WINDOWS)
def test_sums(backend, kernels, name, dtype):
    window, _, x, *_ = example(name)
    g, want, want_dx = summed(name)
    there = [backend.asarray(a, dtype) for a in (x, g)]
    with backend.no_sync():
        y = kernels.window_sum(there[0], window)
        dx = kernels.window_spread(there[1], window, (H, W))
    loose = 1e-12 if dtype == "float64" else 1e-5
    backend.assert_array(y, want, dtype=dtype, rtol=loose, atol=loose)
    backend.assert_array(dx, want_dx, dtype=dtype, rtol=loose, atol=loose)


def test_threads_know_what_the_caller_wants_to_hear_of_overflow(monkeypatch):
    """Inside a training step NumPy gives no warning; outside it does, whoever computes."""
    monkeypatch.setattr("learnkit.backends.numpy_windows._SHARED", 0)
    monkeypatch.setattr("learnkit.backends.threads._pool", None)
    monkeypatch.setenv("LEARNKIT_THREADS", "3")
    kernels, window = get_backend("numpy").kernels, Window((2, 2))
    x = np.full((2, 3, 3, 3), np.inf)
    x[..., 0] = -np.inf
    with np.errstate(all="ignore"):
        assert np.isnan(kernels.window_sum(x, window)[..., 0]).all()
    with pytest.warns(RuntimeWarning, match="invalid value"):
        kernels.window_sum(x, window)


def test_results_go_into_the_array_given(backend, kernels):
    window, _, x, w, _, g = example("padded")
    theta = backend.asarray(np.zeros(2 + w.size), "float64")
    out = backend.xp.reshape(theta[2:], w.shape)
    got = kernels.conv2d_weight_into(
        out, backend.asarray(x, "float64"), backend.asarray(g, "float64"), window
    )
    want = convolved("padded")[2]
    backend.assert_array(got, want, rtol=1e-12, atol=1e-12)
    if kernels.in_place:
        backend.assert_array(theta, np.concatenate([[0.0, 0.0], want.ravel()]), rtol=1e-12, atol=1e-12)
    else:
        backend.assert_array(theta, np.zeros(2 + w.size))


@pytest.mark.parametrize("name", ["padded", "with all"])
def test_an_empty_batch(backend, kernels, name):
    window, groups, x, w, b, g = example(name)
    x, w, b, g = (backend.asarray(a) for a in (x[:0], w, b, g[:0]))
    assert tuple(kernels.conv2d(x, w, b, window, groups).shape) == tuple(g.shape)
    assert tuple(kernels.conv2d_input(g, w, window, groups, (H, W)).shape) == tuple(x.shape)
    backend.assert_array(kernels.conv2d_weight_into(None, x, g, window, groups), np.zeros(w.shape))
    y = kernels.max_pool2d(x, window)
    assert tuple(kernels.max_pool2d_backward(y, x, y, window).shape) == tuple(x.shape)
    assert tuple(kernels.window_spread(kernels.window_sum(x, window), window, (H, W)).shape) == tuple(x.shape)


def test_mixed_dtypes_and_views(backend):
    """A float64 kernel on float32 images gives float64, and images may be transposed views."""
    window, _, x, w, b, g = example("padded")
    turned = backend.xp.permute_dims(backend.asarray(x.transpose(2, 3, 1, 0), "float64"), (3, 2, 0, 1))
    single = backend.asarray(x, "float32")
    w64 = backend.asarray(w, "float64")
    want = convolved("padded")[0]
    k = backend.kernels
    backend.assert_array(k.conv2d(turned, w64, None, window), want, dtype="float64", rtol=1e-12, atol=1e-12)
    if backend.name != "torch":  # whose products take one dtype
        y = k.conv2d(single, w64, backend.asarray(b, "float64"), window)
        backend.assert_array(y, want + b[:, None, None], dtype="float64", rtol=1e-5, atol=1e-5)
    flipped = backend.xp.permute_dims(backend.asarray(g.transpose(2, 3, 1, 0), "float64"), (3, 2, 0, 1))
    dw = convolved("padded")[2]
    backend.assert_array(k.conv2d_weight_into(None, turned, flipped, window), dw, rtol=1e-12, atol=1e-12)
    y = k.max_pool2d(turned, window)
    backend.assert_array(y, maxima(x, window), rtol=0, atol=0)


# Launches of convolution and pooling on a device.
LAUNCHES = {
    "conv2d": (lambda k, x, w, b, g, window: k.conv2d(x, w, b, window), 3),
    "conv2d without bias": (lambda k, x, w, b, g, window: k.conv2d(x, w, None, window), 3),
    "conv2d_input": (lambda k, x, w, b, g, window: k.conv2d_input(g, w, window, 1, (H, W)), 3),
    "conv2d_weight_into nothing": (lambda k, x, w, b, g, window: k.conv2d_weight_into(None, x, g, window), 3),
    "conv2d_weight_into": (lambda k, x, w, b, g, window: k.conv2d_weight_into(w, x, g, window), 3),
    "max_pool2d": (lambda k, x, w, b, g, window: k.max_pool2d(x, window), 1),
    "window_sum": (lambda k, x, w, b, g, window: k.window_sum(x, window), 1),
    "window_spread": (lambda k, x, w, b, g, window: k.window_spread(g, window, (H, W)), 1),
}


@pytest.mark.skipif(not matrix.under_fake_cupy(), reason="only the stand-in for CuPy counts")
@pytest.mark.parametrize("case", LAUNCHES)
def test_launches(backend, case):
    call, budget = LAUNCHES[case]
    window, _, *arrays = example("padded")
    there = [backend.asarray(a) for a in arrays]
    call(backend.kernels, *there, window)
    with backend.counting() as launched:
        call(backend.kernels, *there, window)
        assert len(launched) == budget, launched

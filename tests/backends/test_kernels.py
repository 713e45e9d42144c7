"""Each library's own kernels against the generic ones, and both against plain NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit.backends import kernels_of
from learnkit.backends.kernels import Kernels
from learnkit.testing import matrix

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.normal(size=shape)


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def cross_entropy(z, labels):
    return -np.log(softmax(z)[np.arange(len(z)), labels]), softmax(z)


def cross_entropy_backward(g, p, labels):
    return (p - np.eye(p.shape[1])[labels]) * g[:, None]


def log_softmax(z):
    shifted = z - z.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax_backward(g, y):
    return y * (g - (g * y).sum(axis=-1, keepdims=True))


def log_softmax_backward(g, y):
    return g - np.exp(y) * g.sum(axis=-1, keepdims=True)


LABELS = {k: rng.integers(0, k, 64) for k in (1, 2, 10, 100, 300)}

# name of the test: kernel, its arguments, the same in plain NumPy
TABLE = {
    "linear": ("linear", (normal(6, 4), normal(4, 5), normal(5)), lambda x, w, b: x @ w + b),
    "linear without bias": ("linear", (normal(6, 4), normal(4, 5), None), lambda x, w, b: x @ w),
    "linear of one row": ("linear", (normal(1, 4), normal(4, 1), normal(1)), lambda x, w, b: x @ w + b),
    "linear of no row": ("linear", (normal(0, 4), normal(4, 3), normal(3)), lambda x, w, b: x @ w + b),
    "relu": ("relu", (normal(5, 7),), lambda x: np.maximum(x, 0)),
    "relu of zero and NaN": ("relu", (np.array([0.0, -0.0, np.nan, -1.0]),), lambda x: np.maximum(x, 0)),
    "relu_backward": ("relu_backward", (normal(5, 7), normal(5, 7)), lambda g, y: g * (y > 0)),
    "relu_backward at zero": (
        "relu_backward",
        (np.ones(3), np.array([0.0, 1.0, -1.0])),
        lambda g, y: g * (y > 0),
    ),
    "softmax": ("softmax", (normal(6, 10),), softmax),
    "softmax of a block": ("softmax", (normal(2, 3, 4),), softmax),
    "softmax of large logits": ("softmax", (1e4 * normal(6, 10),), softmax),
    "softmax of many rows": ("softmax", (normal(700, 50),), softmax),
    "softmax of minus infinity": ("softmax", (np.array([[0.0, -np.inf, 1.0]]),), softmax),
    "softmax_backward": ("softmax_backward", (normal(6, 10), softmax(normal(6, 10))), softmax_backward),
    "softmax_backward of many rows": (
        "softmax_backward",
        (normal(40, 20, 50), softmax(normal(40, 20, 50))),
        softmax_backward,
    ),
    "log_softmax": ("log_softmax", (normal(6, 10),), log_softmax),
    "log_softmax of many rows": ("log_softmax", (normal(40, 20, 50),), log_softmax),
    "log_softmax of large logits": ("log_softmax", (1e4 * normal(6, 10),), log_softmax),
    "log_softmax of one class": ("log_softmax", (normal(300, 1),), log_softmax),
    "log_softmax_backward": (
        "log_softmax_backward",
        (normal(6, 10), log_softmax(normal(6, 10))),
        log_softmax_backward,
    ),
    "log_softmax_backward of many rows": (
        "log_softmax_backward",
        (normal(700, 50), log_softmax(normal(700, 50))),
        log_softmax_backward,
    ),
    "mean cross entropy": (
        "mean_softmax_cross_entropy",
        (normal(64, 10), LABELS[10]),
        lambda z, labels: (cross_entropy(z, labels)[0].mean(), softmax(z)),
    ),
    "mean cross entropy backward": (
        "mean_softmax_cross_entropy_backward",
        (np.asarray(2.5), softmax(normal(64, 10)), LABELS[10]),
        lambda g, p, labels: cross_entropy_backward(np.full(64, g / 64), p, labels),
    ),
    "matmul_into nothing": ("matmul_into", (None, normal(3, 4), normal(4, 2)), lambda out, a, b: a @ b),
    "matmul_into": ("matmul_into", (normal(3, 2), normal(3, 4), normal(4, 2)), lambda out, a, b: a @ b),
    "row_sums": ("row_sums", (normal(9, 4),), lambda a: a.sum(axis=1)),
    "row_sums of products": ("row_sums", (normal(9, 4), normal(9, 4)), lambda a, b: (a * b).sum(axis=1)),
    "column_sums_into nothing": ("column_sums_into", (None, normal(9, 4)), lambda out, g: g.sum(axis=0)),
    "column_sums_into": ("column_sums_into", (normal(4), normal(9, 4)), lambda out, g: g.sum(axis=0)),
    "erf": ("erf", (np.zeros(3),), lambda x: x),
    "sign": ("sign", (np.array([-2.0, -0.0, 0.0, 3.0]),), np.sign),
    **{
        f"cross entropy of {k} classes": ("softmax_cross_entropy", (normal(64, k), LABELS[k]), cross_entropy)
        for k in LABELS
    },
    **{
        f"cross entropy backward of {k} classes": (
            "softmax_cross_entropy_backward",
            (normal(64), softmax(normal(64, k)), LABELS[k]),
            cross_entropy_backward,
        )
        for k in LABELS
    },
}


def call(backend, kernels, case, dtype="float32", labels="int64"):
    """Results and arguments of one row of the table; also asserts that no argument was changed."""
    name, plain, expected = TABLE[case]

    def bring(a):
        return a if a is None else backend.asarray(a, labels if a.dtype.kind == "i" else dtype)

    args = [bring(a) for a in plain]
    with backend.no_sync():
        got = getattr(kernels, name)(*args)
    for position, (a, p) in enumerate(zip(args, plain, strict=True)):
        if a is not None and not (position == 0 and name.endswith("_into")):
            backend.assert_array(a, p.astype(labels if p.dtype.kind == "i" else dtype), rtol=0, atol=0)
    wanted = expected(*plain)
    return (got, wanted) if isinstance(got, tuple) else ((got,), (wanted,))


@pytest.mark.parametrize("version", ["own", "generic"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", TABLE)
def test_kernels_agree_with_plain_numpy(backend, version, dtype, case):
    """Values, dtype, namespace and device; inputs stay unchanged; the host never waits."""
    kernels = backend.kernels if version == "own" else Kernels(backend.xp)
    got, wanted = call(backend, kernels, case, dtype)
    loose = 2e-5 if dtype == "float32" else 1e-12
    for g, w in zip(got, wanted, strict=True):
        backend.assert_array(g, w, dtype=dtype, rtol=loose, atol=loose)


@pytest.mark.parametrize("version", ["own", "generic"])
@pytest.mark.parametrize("case", [c for c in TABLE if c.startswith("cross entropy")])
def test_labels_may_be_int32(backend, version, case):
    kernels = backend.kernels if version == "own" else Kernels(backend.xp)
    got, wanted = call(backend, kernels, case, labels="int32")
    for g, w in zip(got, wanted, strict=True):
        backend.assert_array(g, w, dtype="float32", rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("version", ["own", "generic"])
def test_matrices_may_be_transposed_views(backend, version):
    """The reverse pass multiplies transposes; no kernel may assume dense rows."""
    kernels = backend.kernels if version == "own" else Kernels(backend.xp)
    x, w = normal(4, 6), normal(5, 4)
    z, labels = normal(3, 8), np.array([0, 2, 1, 0, 2, 1, 1, 0])
    t = lambda a: backend.xp.matrix_transpose(backend.asarray(a))  # noqa: E731
    backend.assert_array(kernels.linear(t(x), t(w), None), x.T @ w.T)
    backend.assert_array(kernels.column_sums_into(None, t(x)), x.sum(axis=1))
    backend.assert_array(kernels.relu_backward(t(x), t(x)), np.maximum(x.T, 0))
    losses, p = kernels.softmax_cross_entropy(t(z), backend.asarray(labels))
    backend.assert_array(losses, cross_entropy(z.T, labels)[0])
    g = normal(8)
    dz = kernels.softmax_cross_entropy_backward(backend.asarray(g), p, backend.asarray(labels))
    backend.assert_array(dz, cross_entropy_backward(g, softmax(z.T), labels))


@pytest.mark.parametrize("version", ["own", "generic"])
def test_results_go_into_the_array_given(backend, version):
    """Also into a part of a longer vector, which is where gradients live."""
    kernels = backend.kernels if version == "own" else Kernels(backend.xp)
    theta = backend.asarray(np.zeros(12))
    a, b = normal(2, 3), normal(3, 4)
    out = backend.xp.reshape(theta[2:10], (2, 4))
    kernels.matmul_into(out, backend.asarray(a), backend.asarray(b))
    sums = theta[10:12]
    kernels.column_sums_into(sums, backend.asarray(a[:, :2]))
    backend.assert_array(theta, np.concatenate([[0, 0], (a @ b).ravel(), a[:, :2].sum(axis=0)]))


def test_a_library_without_assignment_gets_new_arrays(backend):
    kernels = Kernels(backend.xp, in_place=False)
    out = backend.asarray(np.zeros((2, 2)))
    got = kernels.matmul_into(out, backend.asarray(np.eye(2)), backend.asarray(np.eye(2)))
    backend.assert_array(got, np.eye(2))
    backend.assert_array(out, np.zeros((2, 2)))
    sums = kernels.column_sums_into(out[0, :], backend.asarray(np.eye(2)))
    backend.assert_array(sums, [1, 1])
    backend.assert_array(out, np.zeros((2, 2)))


def test_mixed_dtypes_are_promoted(backend):
    x, w = backend.asarray(np.ones((2, 3)), "float32"), backend.asarray(np.ones((3, 2)), "float32")
    b = backend.asarray(np.array([1e-12, 0.0]), "float64")
    backend.assert_array(backend.kernels.linear(x, w, b), [[3 + 1e-12, 3]] * 2, dtype="float64", rtol=1e-15)


def test_ones_and_ranges_are_kept_by_dtype_and_device(backend):
    kernels = type(backend.kernels)(backend.xp)
    f32, f64 = backend.asarray(np.zeros(1), "float32"), backend.asarray(np.zeros(1), "float64")
    assert kernels.ones(3, f32) is kernels.ones(3, f32)
    backend.assert_array(kernels.ones(3, f32), [1, 1, 1], dtype="float32")
    backend.assert_array(kernels.ones(3, f64), [1, 1, 1], dtype="float64")
    i32 = backend.asarray(np.zeros(1), "int32")
    assert kernels.class_range(3, i32) is kernels.class_range(3, i32)
    backend.assert_array(kernels.class_range(3, i32), [0, 1, 2], dtype="int32")
    for n in range(200):
        kernels.ones(n, f32)
    assert len(kernels._cache) <= 65


def test_strict_devices_have_kept_arrays_of_their_own():
    strict = pytest.importorskip("array_api_strict")
    kernels = Kernels(strict)
    for name in ("CPU_DEVICE", "device1"):
        device = strict.Device(name)
        assert kernels.ones(3, strict.zeros(1, device=device)).device == device


def test_kernels_are_found_by_the_array(backend):
    found = kernels_of(backend.asarray(np.zeros(2)))
    assert type(found) is type(backend.kernels)
    assert found.xp is backend.xp


def test_a_label_outside_the_classes_is_never_silent(backend):
    """NumPy and torch raise; a kernel on a device cannot, and makes the loss NaN."""
    z, labels = backend.asarray(np.zeros((2, 3))), backend.asarray(np.array([0, 3]))
    if backend.name in ("numpy", "torch", "strict"):
        with pytest.raises((IndexError, RuntimeError)):
            backend.kernels.softmax_cross_entropy(z, labels)
    else:
        losses = backend.to_numpy(backend.kernels.softmax_cross_entropy(z, labels)[0])
        assert np.isnan(losses).tolist() == [False, True]


# Launches of the hot layers, forward and backward: what a step of a small network costs on a GPU.
LAUNCHES = {
    "linear": 2,
    "linear without bias": 1,
    "relu": 1,
    "relu_backward": 1,
    "softmax": 1,
    "softmax_backward": 1,
    "log_softmax": 1,
    "log_softmax_backward": 1,
    "matmul_into": 1,
    "column_sums_into": 1,
    "cross entropy of 10 classes": 1,
    "cross entropy backward of 10 classes": 1,
    "erf": 1,
}


@pytest.mark.skipif(not matrix.under_fake_cupy(), reason="only the stand-in for CuPy counts")
@pytest.mark.parametrize("case", LAUNCHES)
def test_launches(backend, case):
    """The budget of each kernel on the device."""
    with backend.counting() as launched:
        name, plain, _ = TABLE[case]
        args = [a if a is None else backend.asarray(a) for a in plain]
        getattr(backend.kernels, name)(*args)  # the first call also makes what is kept
        del launched[:]
        getattr(backend.kernels, name)(*args)
        assert len(launched) == LAUNCHES[case], launched


@pytest.mark.parametrize("size", [40, 40_000])  # of this many elements compiled loops take over
def test_the_gradient_of_relu_hides_no_nan(backend, size):
    """Where the output is NaN the gradient passes, as in PyTorch, so that it is noticed."""
    y = np.where(np.arange(size) % 2, np.nan, 1.0)
    g = np.where(np.arange(size) % 3, np.nan, 2.0)
    got = backend.kernels.relu_backward(backend.asarray(g), backend.asarray(y))
    lost = backend.xp.logical_and(backend.asarray(np.isnan(g)), backend.xp.logical_not(backend.xp.isnan(got)))
    assert not bool(backend.xp.any(lost))

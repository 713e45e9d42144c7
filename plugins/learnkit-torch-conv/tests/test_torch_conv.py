"""The plugin is found, computes what NumPy computes, in the same memory, and only where it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import array_api_compat.numpy
import learnkit_torch_conv
import numpy as np
import pytest
import torch
from learnkit_torch_conv import TorchConv

import learnkit as lk
from learnkit.backends import Kernels, get_backend, kernels_of
from learnkit.backends.windows import Window
from learnkit.errors import ArgumentError
from learnkit.plugins import records, registry

GENERIC = Kernels(array_api_compat.numpy)
OURS = TorchConv(least=0, least_window=0)

#: Window and groups.
WINDOWS = {
    "of one pixel": (Window((1, 1)), 1),
    "plain": (Window((2, 3)), 1),
    "padded": (Window((3, 3), padding=((1, 1), (1, 1))), 1),
    "padded on one side": (Window((3, 2), padding=((0, 2), (1, 0))), 1),
    "of height 1": (Window((1, 3), padding=((0, 0), (1, 1))), 1),
    "with a stride": (Window((3, 2), (2, 3), ((1, 1), (0, 0))), 1),
    "dilated": (Window((2, 3), (1, 1), ((0, 1), (2, 2)), (3, 2)), 1),
    "in groups": (Window((2, 2), (1, 2), ((1, 0), (1, 1))), 2),
    "of each channel": (Window((2, 2)), 4),
}


def example(name: str, dtype: str) -> tuple[Any, ...]:
    window, groups = WINDOWS[name]
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 4, 5, 6)), rng.normal(size=(*window.kernel, 4 // groups, 8))
    b, g = rng.normal(size=8), rng.normal(size=(3, 8, *window.outputs((5, 6))))
    return window, groups, *(a.astype(dtype) for a in (x, w, b, g))


def test_the_plugin_is_installed() -> None:
    (record,) = (record for record in records() if record.distribution == "learnkit-torch-conv")
    assert (record.name, record.status, record.detail) == ("torch_conv", "ok", "")
    assert record.components == {"kernel": ("torch_conv",)}
    assert registry.get("kernel", "torch_conv") is TorchConv
    assert learnkit_torch_conv.__all__ == ["TorchConv"]


test_it_passes_the_checks = lk.testing.checks_for(OURS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WINDOWS)
def test_values(name: str, dtype: str) -> None:
    window, groups, x, w, b, g = example(name, dtype)
    before = [a.copy() for a in (x, w, b, g)]
    loose = 1e-12 if dtype == "float64" else 1e-5
    for bias in (None, b):
        _close(OURS.conv2d(x, w, bias, window, groups), GENERIC.conv2d(x, w, bias, window, groups), loose)
    _close(
        OURS.conv2d_input(g, w, window, groups, (5, 6)),
        GENERIC.conv2d_input(g, w, window, groups, (5, 6)),
        loose,
    )
    want = GENERIC.conv2d_weight_into(None, x, g, window, groups)
    _close(OURS.conv2d_weight_into(None, x, g, window, groups), want, 10 * loose)
    theta = np.zeros(w.size + 1, dtype)
    out = theta[1:].reshape(w.shape)
    assert OURS.conv2d_weight_into(out, x, g, window, groups) is out
    _close(out, want, 10 * loose)
    for a, old in zip((x, w, b, g), before, strict=True):
        np.testing.assert_array_equal(a, old)


def _close(got: Any, want: Any, loose: float) -> None:
    assert type(got) is np.ndarray
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    assert got.flags.c_contiguous
    assert got.flags.writeable
    np.testing.assert_allclose(got, want, rtol=loose, atol=loose * max(1.0, abs(want).max()))


def test_both_libraries_look_at_the_same_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    window, groups, x, w, _, _ = example("padded", "float32")
    seen = []
    conv2d = torch.conv2d

    def watched(images: Any, filters: Any, *rest: Any) -> Any:
        y = conv2d(images, filters, *rest)
        seen.extend([images.data_ptr(), filters.data_ptr(), y.data_ptr()])
        return y

    monkeypatch.setattr(torch, "conv2d", watched)
    y = OURS.conv2d(x, w, None, window, groups)
    assert seen == [x.ctypes.data, w.ctypes.data, y.ctypes.data]


def test_views_and_arrays_that_cannot_be_written() -> None:
    """PyTorch would end the process at a negative stride."""
    window, _, x, w, b, g = example("plain", "float64")
    views = [np.asarray(a[::-1][::-1].T.copy().T) for a in (x, w, b, g)]
    turned = [x[:, :, ::-1, ::-1], w[::-1, ::-1], b[::-1], g[..., ::-1]]
    odd = np.zeros(x.size, dtype=[("value", "f8"), ("more", "i4")])["value"].reshape(x.shape)
    for a, c, d, e in (views, turned, [odd, w, b, g]):
        for array in (a, c):
            array.flags.writeable = False
        _close(OURS.conv2d(a, c, d, window), GENERIC.conv2d(a, c, d, window), 1e-12)
        want = GENERIC.conv2d_weight_into(None, a, e, window)
        _close(OURS.conv2d_weight_into(None, a, e, window), want, 1e-11)


def test_what_is_not_served_is_left_to_numpy() -> None:
    window, groups, x, w, b, g = example("padded", "float32")
    for arguments in (
        (x, w.astype("float64"), None),
        (x.astype("float16"), w.astype("float16"), None),
        (x[:0], w, b),
        (x, w, b.astype("float64")),
    ):
        assert OURS.conv2d(*arguments, window, groups) is NotImplemented
    assert OURS.conv2d_input(g.astype("float64"), w, window, groups, (5, 6)) is NotImplemented
    assert OURS.conv2d_weight_into(None, x[:0], g[:0], window, groups) is NotImplemented
    assert TorchConv(least=10**7).conv2d(x, w, b, window, groups) is NotImplemented
    assert TorchConv(least=0, least_window=37).conv2d(x, w, b, window, groups) is NotImplemented
    assert TorchConv(least=0, least_window=36).conv2d(x, w, b, window, groups) is not NotImplemented
    with lk.use_kernels(OURS):
        y = kernels_of(x).conv2d(x, w.astype("float64"), None, window, groups)
    _close(y, GENERIC.conv2d(x.astype("float64"), w.astype("float64"), None, window, groups), 1e-6)


def model() -> Any:
    nn = lk.nn
    return nn.Sequential(
        nn.Reshape((1, 8, 8)), nn.Conv2d(1, 16, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def test_a_network_trains_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = lk.data.load_digits()[:2]
    calls = []
    original = TorchConv._serves

    def counted(self: TorchConv, *arguments: Any) -> bool:
        calls.append(original(self, *arguments))
        return calls[-1]

    monkeypatch.setattr(TorchConv, "_serves", counted)

    def losses() -> list[float]:
        trainer = lk.Trainer(model(), "cross_entropy", "adam:lr=0.01", seed=3, backend="numpy")
        return [float(trainer.step(x[i : i + 64], y[i : i + 64])) for i in range(0, 640, 64)]

    alone = losses()
    assert calls == []
    with lk.use_kernels("torch_conv"):
        together = losses()
    assert len(calls) == 10 * 5
    assert sum(calls) == 10 * 3  # the first layer has one channel, and no gradient of its input
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    assert kernels_of(x).conv2d == get_backend("numpy").kernels.conv2d
    assert not hasattr(get_backend("numpy").kernels.conv2d, "replaces")


def test_gradients_of_gradients() -> None:
    layer = lk.nn.Conv2d(2, 4, 3, 2, 1, groups=2)
    lk.nn.initialize(layer, dtype="float64")
    with lk.use_kernels(OURS):
        lk.autodiff.check_grads(
            lambda m, x: m(x), layer, np.random.default_rng(0).normal(size=(2, 2, 4, 5)), order=2
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "TorchConv: threads is 0, expected an integer >= 1"),
        ({"least": -1}, "TorchConv: least is -1, expected an integer >= 0"),
        ({"least": 0.5}, "TorchConv: least is 0.5, expected an integer >= 0"),
        ({"least_window": -1}, "TorchConv: least_window is -1, expected an integer >= 0"),
    ],
)
def test_a_value_out_of_range_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        registry.create("kernel", {"name": "torch_conv", **options})


def test_threads() -> None:
    before = torch.get_num_threads()
    try:
        registry.create("kernel", "torch_conv:threads=1")
        assert torch.get_num_threads() == 1
        TorchConv()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_it_is_asked_for_by_the_environment_too() -> None:
    program = (
        "import numpy as np, learnkit as lk; from learnkit.backends import kernels_of, kernels_in_force\n"
        "k = kernels_of(np.ones(1)); print(*kernels_in_force('numpy'), hasattr(k.conv2d, 'replaces'))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"LEARNKIT_KERNELS": "torch_conv:least=7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split("\n")[0] == "TorchConv(threads=None, least=7, least_window=33) True"

"""Layers and containers: one row each in ``LAYERS``, one test a property."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import check_grads, grad, hvp, per_example_grad
from learnkit.backends import array_namespace
from learnkit.plugins import registry


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def across(values, x):
    """One value a channel, shaped to stand beside ``x``, whose channels are in axis 1."""
    return values.reshape(1, -1, *(1 for _ in x.shape[2:]))


def norm(axes, eps=1e-5):
    """``w (x - mean) / sqrt(var + eps) + b`` with the statistics of the input, one w and b a channel."""

    def formula(x, a):
        mean, var = x.mean(axis=axes(x), keepdims=True), x.var(axis=axes(x), keepdims=True)
        y = (x - mean) / np.sqrt(var + eps)
        return y * across(a["weight"], x) + across(a["bias"], x) if "weight" in a else y

    return formula


def by_running(x, a):
    y = (x - across(a["running_mean"], x)) / np.sqrt(across(a["running_var"], x) + 1e-5)
    return y * across(a["weight"], x) + across(a["bias"], x) if "weight" in a else y


def over_last(n, eps=1e-5, centred=True):
    def formula(x, a):
        axes = tuple(range(-n, 0))
        d = x - x.mean(axis=axes, keepdims=True) if centred else x
        y = d / np.sqrt((d * d).mean(axis=axes, keepdims=True) + eps)
        return y * a.get("weight", 1.0) + a.get("bias", 0.0)

    return formula


def grouped(groups):
    def formula(x, a):
        parts = x.reshape(x.shape[0], groups, -1)
        mean, var = parts.mean(axis=2, keepdims=True), parts.var(axis=2, keepdims=True)
        y = ((parts - mean) / np.sqrt(var + 1e-5)).reshape(x.shape)
        return y * across(a["weight"], x) + across(a["bias"], x) if "weight" in a else y

    return formula


def affine(x, a, prefix=""):
    return x @ a[prefix + "weight"] + a.get(prefix + "bias", 0.0)


def unchanged(x, a):
    return x


def weight_normed(axis):
    def formula(x, a):
        return x @ (a["g"] * a["v"] / np.sqrt((a["v"] ** 2).sum(axis=axis, keepdims=True))) + a["layer.bias"]

    return formula


def lifted(x, n):
    """Sequences as images of height 1."""
    return x.reshape(*x.shape[:2], 1, x.shape[2]) if n == 1 else x


def pairs(value, n):
    """A number for height and one for width; a sequence has 1 or 0 for the height."""
    given = value if isinstance(value, tuple) else (value,) * n
    return given if n == 2 else (None, *given)


def convolved(n, stride=1, padding=((0, 0), (0, 0)), dilation=1, groups=1):
    """The sum over the window, pixel by pixel."""

    def formula(x, a):
        w = a["weight"] if n == 2 else a["weight"][None]
        (sh, sw), (dh, dw) = ((v[0] or 1, v[1]) for v in (pairs(stride, n), pairs(dilation, n)))
        x = np.pad(lifted(x, n), ((0, 0), (0, 0), *padding))
        kh, kw, c, o = w.shape
        down, across = (x.shape[2] - dh * (kh - 1) - 1) // sh + 1, (x.shape[3] - dw * (kw - 1) - 1) // sw + 1
        y = np.zeros((x.shape[0], o, down, across))
        for k, r, q in np.ndindex(o, down, across):
            first = k // (o // groups) * c
            under = x[:, first : first + c, r * sh : r * sh + dh * kh : dh, q * sw : q * sw + dw * kw : dw]
            y[:, k, r, q] = np.einsum("ncij,ijc->n", under, w[..., k])
        if "bias" in a:
            y += a["bias"].reshape(-1, 1, 1)
        return y if n == 2 else y[:, :, 0]

    return formula


def extended(mode, padding, formula):
    """The formula on images with pixels of their own around them."""
    return lambda x, a: formula(np.pad(x, ((0, 0), (0, 0), *padding), mode=mode), a)


def spread_out(stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """Each pixel adds a kernel, times itself."""

    def formula(x, a):
        w = a["weight"]
        kh, kw, c, o = w.shape
        n, _, h, v = x.shape
        reach = dilation * (kh - 1) + 1, dilation * (kw - 1) + 1
        high, wide = (
            (h - 1) * stride + reach[0] + output_padding,
            (v - 1) * stride + reach[1] + output_padding,
        )
        y = np.zeros((n, c * groups, high, wide))
        for k, r, q, i, j in np.ndindex(o, h, v, kh, kw):
            first = k // (o // groups) * c
            part = x[:, k, r, q, None] * w[i, j, :, k]
            y[:, first : first + c, r * stride + i * dilation, q * stride + j * dilation] += part
        y = y[:, :, padding : high - padding, padding : wide - padding]
        return y + a["bias"].reshape(-1, 1, 1) if "bias" in a else y

    return formula


def pooled(n, over, kernel, stride=None, padding=0, dilation=1, ends=(0, 0)):
    """``over`` of the pixels under the window; what lies beyond the image is NaN. ``ends`` extends it."""

    def formula(x, a):
        (kh, kw), (sh, sw), (dh, dw) = (
            (v[0] or 1, v[1]) for v in (pairs(kernel, n), pairs(stride or kernel, n), pairs(dilation, n))
        )
        ph, pw = (v or 0 for v in pairs(padding, n))
        sides = ((0, 0), (0, 0), (ph, ph + ends[0]), (pw, pw + ends[1]))
        x = np.pad(lifted(x, n), sides, constant_values=np.nan)
        down, across = (x.shape[2] - dh * (kh - 1) - 1) // sh + 1, (x.shape[3] - dw * (kw - 1) - 1) // sw + 1
        y = np.zeros((*x.shape[:2], down, across))
        for r, q in np.ndindex(down, across):
            y[..., r, q] = over(x[..., r * sh : r * sh + dh * kh : dh, q * sw : q * sw + dw * kw : dw])
        return y if n == 2 else y[:, :, 0]

    return formula


def largest(under):
    return np.nanmax(under, axis=(2, 3))


def mean_of_all(under):
    return np.nansum(under, axis=(2, 3)) / under[0, 0].size


def mean_inside(under):
    return np.nanmean(under, axis=(2, 3))


def binned(n, counts):
    def formula(x, a):
        images = lifted(x, n)
        for axis, m in zip((2, 3), pairs(counts, n), strict=True):
            size = images.shape[axis]
            ends = [(i * size // (m or size), -(-(i + 1) * size // (m or size))) for i in range(m or size)]
            images = np.stack([images.take(range(*e), axis=axis).mean(axis=axis) for e in ends], axis=axis)
        return images if n == 2 else images[:, :, 0]

    return formula


def batch_axes(x):
    return (0, *range(2, x.ndim))


def instance_axes(x):
    return tuple(range(2, x.ndim))


@dataclass(frozen=True)
class Row:
    """A layer, the shape of its input (or the input), and the formula in NumPy of (x, arrays).

    ``training`` is the formula in training if it is another; ``"random"`` if numbers are drawn.
    """

    make: Callable[[], nn.Module]
    x: Any
    formula: Callable[[Any, dict[str, Any]], Any]
    training: Any = None


IDS = np.asarray([[1, 4, 1], [0, 2, 1]])
batch, instance = norm(batch_axes), norm(instance_axes)

#: The first word of a row is a registered name.
LAYERS = {
    "linear": Row(lambda: nn.Linear(3, 2), (4, 3), affine),
    "linear without bias": Row(lambda: nn.Linear(3, 2, bias=False), (4, 3), affine),
    "linear of a vector": Row(lambda: nn.Linear(3, 2), (3,), affine),
    "linear of a block": Row(lambda: nn.Linear(3, 2), (2, 2, 3), affine),
    "linear by name": Row(lambda: nn.Linear(3, 2, weight_init="xavier_uniform:gain=1.5"), (4, 3), affine),
    "linear constrained": Row(
        lambda: nn.Linear(3, 2, weight_constraint=nn.MaxNorm(axis=0, max_value=0.5)), (4, 3), affine
    ),
    "bilinear": Row(
        lambda: nn.Bilinear(3, 2, 4),
        [(5, 3), (5, 2)],
        lambda x, a: np.einsum("ni,ijo,nj->no", x[0], a["weight"], x[1]) + a["bias"],
    ),
    "bilinear of blocks": Row(
        lambda: nn.Bilinear(2, 3, 1, bias=False),
        [(2, 2, 2), (2, 2, 3)],
        lambda x, a: np.einsum("mni,ijo,mnj->mno", x[0], a["weight"], x[1]),
    ),
    "embedding": Row(lambda: nn.Embedding(5, 3), IDS, lambda x, a: a["weight"][x]),
    "embedding padded": Row(
        lambda: nn.Embedding(5, 3, padding_idx=-2, weight_constraint="max_norm:axis=1"),
        IDS,
        lambda x, a: a["weight"][x],
    ),
    "embedding of floats": Row(
        lambda: nn.Embedding(5, 2), IDS.astype("float64"), lambda x, a: a["weight"][x.astype(int)]
    ),
    "embedding of one": Row(lambda: nn.Embedding(5, 2), np.asarray(3), lambda x, a: a["weight"][x]),
    "conv1d": Row(lambda: nn.Conv1d(2, 3, 3), (2, 2, 5), convolved(1)),
    "conv1d with all": Row(
        lambda: nn.Conv1d(2, 4, 3, 2, 1, 2, 2, bias=False),
        (2, 2, 7),
        convolved(1, 2, ((0, 0), (1, 1)), 2, 2),
    ),
    "conv1d of the same length": Row(
        lambda: nn.Conv1d(1, 2, 2, padding="same"), (2, 1, 4), convolved(1, padding=((0, 0), (0, 1)))
    ),
    "conv1d replicating": Row(
        lambda: nn.Conv1d(2, 3, 3, padding=2, padding_mode="replicate"),
        (2, 2, 4),
        extended("edge", ((2, 2),), convolved(1)),
    ),
    "conv2d": Row(lambda: nn.Conv2d(2, 3, 3), (2, 2, 4, 5), convolved(2)),
    "conv2d with all": Row(
        lambda: nn.Conv2d(
            2, 4, (3, 2), (2, 1), (1, 2), (1, 2), 2, weight_init="he_normal", bias_init="zeros"
        ),
        (2, 2, 4, 3),
        convolved(2, (2, 1), ((1, 1), (2, 2)), (1, 2), 2),
    ),
    "conv2d of the same size": Row(
        lambda: nn.Conv2d(1, 2, (2, 3), padding="same", dilation=(3, 1), bias=False),
        (2, 1, 4, 3),
        convolved(2, padding=((1, 2), (1, 1)), dilation=(3, 1)),
    ),
    "conv2d reflecting": Row(
        lambda: nn.Conv2d(2, 2, (3, 2), (1, 2), (2, 1), padding_mode="reflect"),
        (2, 2, 3, 4),
        extended("reflect", ((2, 2), (1, 1)), convolved(2, (1, 2))),
    ),
    "conv2d circular": Row(
        lambda: nn.Conv2d(1, 2, (2, 3), padding="same", padding_mode="circular"),
        (2, 1, 3, 3),
        extended("wrap", ((0, 1), (1, 1)), convolved(2)),
    ),
    "conv2d of many channels": Row(
        lambda: nn.Conv2d(9, 2, 2, padding=1, weight_constraint="max_norm:axis=(0,1,2),max_value=0.5"),
        (2, 9, 2, 3),
        convolved(2, padding=((1, 1), (1, 1))),
    ),
    "conv2d of each channel": Row(
        lambda: nn.Conv2d(3, 3, 2, groups=3, padding="valid"), (2, 3, 3, 3), convolved(2, groups=3)
    ),
    "conv2d of single pixels": Row(lambda: nn.Conv2d(3, 2, 1), (2, 3, 2, 2), convolved(2)),
    "conv_transpose2d": Row(lambda: nn.ConvTranspose2d(2, 3, 2), (2, 2, 2, 3), spread_out()),
    "conv_transpose2d with all": Row(
        lambda: nn.ConvTranspose2d(4, 2, 3, 2, 1, 1, 2, bias=False, dilation=2),
        (1, 4, 2, 2),
        spread_out(2, 1, 1, 2, 2),
    ),
    "max_pool1d": Row(lambda: nn.MaxPool1d(2), (2, 3, 5), pooled(1, largest, 2)),
    "max_pool2d": Row(lambda: nn.MaxPool2d(2), (2, 2, 4, 5), pooled(2, largest, 2)),
    "max_pool2d with all": Row(
        lambda: nn.MaxPool2d((3, 2), (2, 1), (1, 1), (1, 2)),
        (2, 2, 5, 4),
        pooled(2, largest, (3, 2), (2, 1), (1, 1), (1, 2)),
    ),
    "max_pool2d to the end": Row(
        lambda: nn.MaxPool2d(2, ceil_mode=True), (1, 2, 3, 5), pooled(2, largest, 2, ends=(1, 1))
    ),
    "avg_pool1d": Row(lambda: nn.AvgPool1d(2, 1), (2, 3, 5), pooled(1, mean_of_all, 2, 1)),
    "avg_pool1d without padding": Row(
        lambda: nn.AvgPool1d(3, 2, 1, count_include_pad=False), (2, 1, 5), pooled(1, mean_inside, 3, 2, 1)
    ),
    "avg_pool2d": Row(lambda: nn.AvgPool2d(2), (2, 2, 4, 5), pooled(2, mean_of_all, 2)),
    "avg_pool2d padded": Row(
        lambda: nn.AvgPool2d((3, 2), 2, 1), (2, 2, 5, 4), pooled(2, mean_of_all, (3, 2), 2, 1)
    ),
    "avg_pool2d to the end": Row(
        lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        (1, 2, 4, 4),
        pooled(2, mean_inside, 3, 2, 1, ends=(1, 1)),
    ),
    "adaptive_avg_pool1d": Row(lambda: nn.AdaptiveAvgPool1d(3), (2, 2, 7), binned(1, 3)),
    "adaptive_avg_pool2d": Row(lambda: nn.AdaptiveAvgPool2d((2, 3)), (2, 2, 5, 4), binned(2, (2, 3))),
    "adaptive_avg_pool2d of equal windows": Row(
        lambda: nn.AdaptiveAvgPool2d((2, None)), (2, 1, 4, 3), binned(2, (2, None))
    ),
    "adaptive_avg_pool2d of all": Row(lambda: nn.AdaptiveAvgPool2d(1), (2, 3, 2, 3), binned(2, 1)),
    "adaptive_avg_pool2d of nothing": Row(lambda: nn.AdaptiveAvgPool2d(None), (2, 3, 2, 3), unchanged),
    "upsampling_nearest2d": Row(
        lambda: nn.UpsamplingNearest2d((2, 3)),
        (2, 1, 2, 3),
        lambda x, a: x.repeat(2, axis=2).repeat(3, axis=3),
    ),
    "batch_norm1d": Row(lambda: nn.BatchNorm1d(3), (4, 3), by_running, batch),
    "batch_norm1d of sequences": Row(lambda: nn.BatchNorm1d(2, momentum=None), (3, 2, 4), by_running, batch),
    "batch_norm1d without affine": Row(lambda: nn.BatchNorm1d(3, affine=False), (4, 3), by_running, batch),
    "batch_norm1d of one channel": Row(lambda: nn.BatchNorm1d(1), (4, 1), by_running, batch),
    "batch_norm1d without statistics": Row(
        lambda: nn.BatchNorm1d(3, track_running_stats=False, unbiased_running_var=False), (4, 3), batch
    ),
    "batch_norm2d": Row(lambda: nn.BatchNorm2d(2), (3, 2, 2, 2), by_running, batch),
    "instance_norm1d": Row(lambda: nn.InstanceNorm1d(2), (2, 2, 4), instance),
    "instance_norm1d with all": Row(
        lambda: nn.InstanceNorm1d(2, affine=True, track_running_stats=True), (2, 2, 4), by_running, instance
    ),
    "instance_norm2d": Row(lambda: nn.InstanceNorm2d(2, affine=True), (2, 2, 3, 2), instance),
    "layer_norm": Row(lambda: nn.LayerNorm(3), (4, 3), over_last(1)),
    "layer_norm of two axes": Row(lambda: nn.LayerNorm((2, 3)), (3, 2, 3), over_last(2)),
    "layer_norm of a vector": Row(lambda: nn.LayerNorm(4), (4,), over_last(1)),
    "layer_norm without bias": Row(
        lambda: nn.LayerNorm(3, eps=0.1, bias=False), (2, 2, 3), over_last(1, 0.1)
    ),
    "layer_norm without affine": Row(lambda: nn.LayerNorm(3, elementwise_affine=False), (4, 3), over_last(1)),
    "rms_norm": Row(lambda: nn.RMSNorm(3), (4, 3), over_last(1, 1e-6, False)),
    "rms_norm of two axes": Row(lambda: nn.RMSNorm((2, 2), eps=0.1), (3, 2, 2), over_last(2, 0.1, False)),
    "rms_norm without affine": Row(
        lambda: nn.RMSNorm(3, None, elementwise_affine=False), (2, 3), over_last(1, 0.0, False)
    ),
    "group_norm": Row(lambda: nn.GroupNorm(2, 4), (2, 4, 3), grouped(2)),
    "group_norm of features": Row(lambda: nn.GroupNorm(2, 6), (3, 6), grouped(2)),
    "group_norm of images": Row(lambda: nn.GroupNorm(1, 2, affine=False), (2, 2, 2, 2), grouped(1)),
    "weight_norm": Row(lambda: nn.WeightNorm(nn.Linear(3, 2)), (4, 3), weight_normed(0)),
    "weight_norm as a whole": Row(
        lambda: nn.WeightNorm(nn.Linear(3, 2), axis=None), (4, 3), weight_normed(None)
    ),
    "dropout": Row(lambda: nn.Dropout(0.4), (4, 3), unchanged, "random"),
    "dropout of nothing": Row(lambda: nn.Dropout(0), (4, 3), unchanged),
    "spatial_dropout": Row(lambda: nn.SpatialDropout(0.4), (2, 3, 2), unchanged, "random"),
    "alpha_dropout": Row(lambda: nn.AlphaDropout(0.4), (4, 3), unchanged, "random"),
    "drop_path": Row(lambda: nn.DropPath(0.4), (4, 3), unchanged, "random"),
    "gaussian_noise": Row(lambda: nn.GaussianNoise(0.3), (4, 3), unchanged, "random"),
    "gaussian_dropout": Row(lambda: nn.GaussianDropout(0.3), (4, 3), unchanged, "random"),
    "flatten": Row(lambda: nn.Flatten(), (2, 3, 2), lambda x, a: x.reshape(2, 6)),
    "flatten of a matrix": Row(lambda: nn.Flatten(), (2, 3), unchanged),
    "flatten of a vector": Row(lambda: nn.Flatten(), (3,), lambda x, a: x.reshape(3, 1)),
    "flatten of some axes": Row(lambda: nn.Flatten(0, 1), (2, 3, 2), lambda x, a: x.reshape(6, 2)),
    "reshape": Row(lambda: nn.Reshape((2, -1)), (2, 6), lambda x, a: x.reshape(2, 2, 3)),
    "reshape to a vector": Row(lambda: nn.Reshape(6), (2, 3, 2), lambda x, a: x.reshape(2, 6)),
    "permute": Row(lambda: nn.Permute((0, 2, 1)), (2, 3, 4), lambda x, a: x.transpose(0, 2, 1)),
    "lambda": Row(lambda: nn.Lambda(nn.tanh), (2, 3), lambda x, a: np.tanh(x)),
    "sequential": Row(
        lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)),
        (5, 3),
        lambda x, a: affine(np.tanh(affine(x, a, "0.")), a, "2."),
    ),
    "sequential of nothing": Row(lambda: nn.Sequential(), (2, 3), unchanged),
    "sequential in a sequential": Row(
        lambda: nn.Sequential(nn.Sequential(nn.Linear(3, 2), nn.Sigmoid()), nn.Softmax()),
        (5, 3),
        lambda x, a: softmax(sigmoid(affine(x, a, "0.0."))),
    ),
    "residual": Row(
        lambda: nn.Residual(nn.Linear(3, 3), nn.Tanh()), (4, 3), lambda x, a: x + np.tanh(affine(x, a, "0."))
    ),
    "residual around": Row(
        lambda: nn.Residual(nn.Linear(3, 2), shortcut=nn.Linear(3, 2, bias=False)),
        (4, 3),
        lambda x, a: x @ a["shortcut.weight"] + affine(x, a, "0."),
    ),
    "parallel": Row(
        lambda: nn.Parallel(nn.Linear(3, 2), nn.Tanh()), (4, 3), lambda x, a: (affine(x, a, "0."), np.tanh(x))
    ),
    "parallel of two": Row(
        lambda: nn.Parallel(nn.Tanh(), nn.Sigmoid()),
        [(4, 3), (4, 2)],
        lambda x, a: (np.tanh(x[0]), sigmoid(x[1])),
    ),
    "concat": Row(
        lambda: nn.Concat(nn.Linear(3, 2), nn.Tanh(), axis=-1),
        (4, 3),
        lambda x, a: np.concatenate([affine(x, a, "0."), np.tanh(x)], axis=1),
    ),
    "concat of images": Row(
        lambda: nn.Concat(), [(2, 1, 2, 2), (2, 3, 2, 2)], lambda x, a: np.concatenate(x, axis=1)
    ),
    "add": Row(
        lambda: nn.Add(nn.Linear(3, 3), nn.Tanh(), nn.Sigmoid()),
        (4, 3),
        lambda x, a: affine(x, a, "0.") + np.tanh(x) + sigmoid(x),
    ),
    "add of two": Row(lambda: nn.Add(), [(4, 3), (4, 3)], lambda x, a: x[0] + x[1]),
    "mlp": Row(
        lambda: nn.MLP((3, 4, 2), "tanh", norm="layer_norm"),
        (5, 3),
        lambda x, a: affine(
            np.tanh(over_last(1)(affine(x, a, "0."), {"weight": a["1.weight"], "bias": a["1.bias"]})), a, "3."
        ),
    ),
    "mlp of one layer": Row(
        lambda: nn.MLP([3, 2], dropout=0.1, weight_init="ones"), (5, 3), lambda x, a: affine(x, a, "0.")
    ),
}


def built(name, backend=None, dtype="float64"):
    """The layer with arrays of which none is special, and an input on the backend."""
    row = LAYERS[name]
    layer = row.make()
    nn.initialize(layer, seed=4, backend=backend and backend.backend, dtype=dtype)
    noise = np.random.default_rng(0)
    for path, p in {**layer.parameters(), **layer.buffers()}.items():
        values = noise.normal(size=p.shape)
        if path.endswith(("running_var", "tracked")):
            values = np.abs(values) + 0.5
        values = 0.5 * values + (0.7 if p.shape and len(p.shape) == 1 else 0.1)
        p.array[...] = values if backend is None else backend.asarray(values, dtype)

    def given(x):
        x = np.random.default_rng(1).normal(size=x) if isinstance(x, tuple) else x
        x = x + 0.1 * np.sign(x) if x.dtype.kind == "f" and x is not row.x else x
        return x if backend is None else backend.asarray(x, dtype if x.dtype.kind == "f" else None)

    return layer, tuple(map(given, row.x)) if isinstance(row.x, list) else given(row.x)


def host(tree, backend):
    if isinstance(tree, tuple):
        return tuple(host(part, backend) for part in tree)
    array = backend.to_numpy(tree)
    return array.astype("float64") if array.dtype.kind == "f" else array


def parts(y):
    return y if isinstance(y, tuple) else (y,)


def differentiable(x):
    """Whether there is a gradient with respect to the input."""
    return all(part.dtype.kind == "f" for part in parts(x)) and not any(
        np.array_equal(p, IDS) for p in parts(x)
    )


def test_every_registered_layer_has_a_row():
    """Activations have a table of their own."""
    assert {row.split()[0] for row in LAYERS} == set(registry.names("layer", third_party=False))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_values(backend, name, dtype):
    """Those of the formula in NumPy, in the dtype of the input, on the device, without a wait for it.

    In inference, and in training where nothing is drawn.
    """
    layer, x = built(name, backend, dtype)
    arrays = {path: host(a, backend) for path, a in layer.arrays().items()}
    like = next(iter(layer.arrays().values()), parts(x)[0])
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    row = LAYERS[name]
    before = host(x, backend)
    with backend.no_sync():
        y = layer(x)
    found = [(y, row.formula)]
    if row.training != "random":
        with backend.no_sync(), nn.training():
            y = layer(x)
        found.append((y, row.training or row.formula))
    for y, formula in found:
        for got, want in zip(parts(y), parts(formula(before, arrays)), strict=True):
            backend.assert_array(got, want, like=like, rtol=tolerance, atol=tolerance)
    for now, then in zip(parts(host(x, backend)), parts(before), strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_agree_with_differences(name):
    """With respect to the input and to all parameters, first and second order; in training too."""
    layer, x = built(name)

    def in_training(m, x=x):
        with nn.training(seed=1, step=2):
            return m(x)

    modes = [lambda m, x=x: m(x)] + [in_training] * (LAYERS[name].training is not None)
    for fn in modes:
        if differentiable(x):
            check_grads(fn, layer, x, order=2, rtol=1e-5)
        elif layer.parameters():
            check_grads(fn, layer, order=2)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_on_every_backend(backend, name):
    layer, x = built(name, backend)
    if backend.name == "numpy" or not layer.parameters():
        return  # done above

    def squares(m):
        with nn.training():
            y = m(x)
        return [array_namespace(p).multiply(p, p) for p in parts(y)]

    check_grads(squares, layer)


@pytest.mark.parametrize("name", [n for n in LAYERS if "norm" in n])
def test_second_order_products_and_gradients_of_single_examples(name):
    """``hvp`` against differences of the gradient, ``per_example_grad`` against one pass over all rows."""
    layer, x = built(name)

    def loss(m, x, power=3):
        y = m(x)
        return array_namespace(y).sum(y**power)

    v = np.random.default_rng(2).normal(size=x.shape)
    (product,) = hvp(lambda x: loss(layer, x), (x,), (v,))
    slope, h = grad(lambda x: loss(layer, x)), 1e-5
    differences = (slope(x + h * v) - slope(x - h * v)) / (2 * h)
    np.testing.assert_allclose(product, differences, rtol=1e-5, atol=1e-5 * abs(product).max())
    if x.ndim < 2 or not layer.parameters() or "without statistics" in name:
        return
    each = per_example_grad(loss)(layer, x)
    for path, g in grad(loss)(layer, x).items():
        assert each[path].shape == (x.shape[0], *g.shape)
        np.testing.assert_allclose(each[path].sum(axis=0), g, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LAYERS)
def test_descriptions(name):
    """A layer prints as it is written, and is built again from its description."""
    layer = LAYERS[name].make()
    described = registry.describe(layer)
    again = registry.create(described["kind"], described)
    assert type(again) is type(layer)
    assert repr(again) == repr(layer)
    assert registry.describe(again) == described
    assert [p.shape for p in again.parameters().values()] == [p.shape for p in layer.parameters().values()]
    assert list(again.buffers()) == list(layer.buffers())


@pytest.mark.parametrize("name", LAYERS)
def test_layers_can_be_copied_and_pickled(name):
    layer, x = built(name)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        for got, want in zip(parts(other(x)), parts(layer(x)), strict=True):
            np.testing.assert_array_equal(got, want)
        for path, array in other.arrays().items():
            array[...] = 0.0
            assert layer.arrays()[path] is not array
    assert all(a.any() for a in layer.arrays().values())


@pytest.mark.parametrize("name", LAYERS)
def test_an_empty_batch_goes_through(name):
    layer, x = built(name)
    if parts(x)[0].ndim < 2 or name == "flatten of some axes":
        return
    none = tuple(p[:0] for p in x) if isinstance(x, tuple) else x[:0]
    whole, before = layer(x), {path: a.copy() for path, a in layer.arrays().items()}
    with nn.training():
        trained = layer(none)
    for y in (layer(none), trained):
        for got, want in zip(parts(y), parts(whole), strict=True):
            assert got.shape == (0, *want.shape[1:])
            assert got.dtype == want.dtype
    for path, a in layer.arrays().items():
        np.testing.assert_array_equal(a, before[path])


def test_functions_and_layers_are_the_same():
    x = np.asarray([[-1.0, 0.5, 2.0]])
    for name in ("relu", "sigmoid", "tanh", "softmax"):
        np.testing.assert_array_equal(getattr(nn, name)(x), registry.create("activation", name)(x))
    np.testing.assert_allclose(nn.log_softmax(x), np.log(nn.softmax(x)), rtol=1e-14)
    assert nn.linear(x, np.ones((3, 2))).tolist() == [[1.5, 1.5]]


def test_a_layer_of_ones_own(backend):
    """Leaves in ``__init__``, array code in ``__call__``: start values, gradients, a place in a model."""

    class Scale(nn.Module):
        """y = a x."""

        def __init__(self, size, start=2.0):
            self.a = nn.Parameter((size,), nn.init.Constant(start))

        def __call__(self, x):
            xp = array_namespace(x, self.a)
            return xp.multiply(x, self.a)

    model = nn.Sequential(Scale(3), nn.Linear(3, 1))
    nn.initialize(model, backend=backend.backend, dtype="float64")
    assert list(model.parameters()) == ["0.a", "1.weight", "1.bias"]
    assert repr(model) == "Sequential(Scale(size=3), Linear(in_features=3, out_features=1))"
    backend.assert_array(model[0](backend.asarray([[1.0, 2.0, 3.0]], "float64")), [[2.0, 4.0, 6.0]])
    check_grads(lambda m, x: m(x), model, backend.asarray([[1.0, 2.0, 3.0]], "float64"), order=2)

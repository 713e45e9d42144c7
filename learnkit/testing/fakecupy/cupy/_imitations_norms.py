"""The kernels of normalisation, sums of squares and dropout in NumPy; see ``_imitations.py``.

What a kernel adds up chunk by chunk stands in the first chunk here, and the others are empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["NORMS"]


def dropout(x: Any, out: Any, n: Any, seed: Any, stream: Any, step: Any, least: Any, kept: Any) -> None:
    key, counter = np.array([seed, stream], np.uint64), np.array([0, step, 0, 0], np.uint64)
    uniform = np.random.Generator(np.random.Philox(key=key, counter=counter)).random(
        x.shape, dtype=np.float32
    )
    out[...] = x * np.where(uniform * 2.0**24 >= least, kept, 0).astype(x.dtype)


def sum_of_squares(x: Any, n: Any, partial: Any) -> None:
    partial[...] = 0
    partial[0] = np.square(x, dtype=np.float64).sum()


def root_of_sum(partial: Any, n: Any, norm: Any) -> None:
    norm[...] = np.sqrt(partial.sum())


def _inverse(power: Any, eps: Any) -> Any:
    return 1.0 / np.sqrt(power.astype(np.float64) + eps)


def row_norm(
    x: Any, w: Any, b: Any, y: Any, high: Any, low: Any, power: Any, groups: Any, m: Any, rest: Any,
    scale: Any, eps: Any, centred: Any, weighted: Any, biased: Any,
) -> None:  # fmt: skip
    d = x.astype(np.float64) * scale
    mean = d.mean(axis=(2, 3), keepdims=True) if centred else 0.0
    d = d - mean
    high[...] = np.reshape(mean + np.zeros(high.shape)[..., None, None], high.shape)
    low[...] = np.reshape(mean - high[..., None, None].astype(np.float64), low.shape)
    power[...] = np.square(d).mean(axis=(2, 3))
    h = d * _inverse(power, eps)[..., None, None]
    spread = (x.shape[1], x.shape[2], 1)
    y[...] = h * (w.reshape(spread) if weighted else 1) + (b.reshape(spread) if biased else 0)


def row_norm_backward(
    g: Any, x: Any, w: Any, high: Any, low: Any, power: Any, dx: Any, groups: Any, m: Any, rest: Any,
    scale: Any, eps: Any, centred: Any, weighted: Any,
) -> None:  # fmt: skip
    high, low, inverse = (a[..., None, None].astype(np.float64) for a in (high, low, _inverse(power, eps)))
    h = (x * scale - high - low) * inverse
    gw = g * w.reshape(x.shape[1], x.shape[2], 1) if weighted else g
    mean = gw.mean(axis=(2, 3), keepdims=True) if centred else 0.0
    dx[...] = (gw - mean - h * (gw * h).mean(axis=(2, 3), keepdims=True)) * inverse * scale


def norm_sums(
    g: Any, x: Any, high: Any, low: Any, power: Any, partial: Any, n: Any, channels: Any, rest: Any,
    groups: Any, columns: Any, chunk: Any, scale: Any, eps: Any,
) -> None:  # fmt: skip
    shape = (n, groups, channels // groups, rest) if groups else (n, channels, 1, rest)
    like = (n, groups, 1, 1) if groups else (1, channels, 1, 1)
    high, low, inverse = (a.reshape(like).astype(np.float64) for a in (high, low, _inverse(power, eps)))
    h = (x.reshape(shape) * scale - high - low) * inverse
    g = g.reshape(shape).astype(np.float64)
    partial[...] = 0
    partial[0, 0], partial[0, 1] = (a.sum(axis=(0, 3)).reshape(-1) for a in (g * h, g))


def merge_sums(partial: Any, chunks: Any, channels: Any, dw: Any, db: Any) -> None:
    dw[...], db[...] = partial.sum(axis=0)


def channel_moments(
    x: Any, partial: Any, n: Any, channels: Any, rest: Any, columns: Any, chunk: Any, scale: Any
) -> None:
    for q in range(len(partial)):
        part = x[q * chunk : (q + 1) * chunk].astype(np.float64) * scale
        partial[q, 0] = part.mean(axis=(0, 2))
        partial[q, 1] = np.square(part - partial[q, 0][:, None]).sum(axis=(0, 2))


def merge_moments(
    partial: Any, w: Any, chunks: Any, channels: Any, n: Any, chunk: Any, rest: Any, weighted: Any, eps: Any,
    high: Any, low: Any, power: Any, factor: Any,
) -> None:  # fmt: skip
    counts = np.minimum(n - np.arange(chunks) * float(chunk), chunk) * rest
    mean = counts @ partial[:, 0] / counts.sum()
    high[...] = mean
    low[...] = mean - high
    power[...] = (partial[:, 1].sum(axis=0) + counts @ np.square(partial[:, 0] - mean)) / counts.sum()
    factor[...] = _inverse(power, eps) * (w if weighted else 1)


def channels_apply(
    x: Any, high: Any, low: Any, factor: Any, b: Any, y: Any, size: Any, channels: Any, rest: Any,
    biased: Any, scale: Any,
) -> None:  # fmt: skip
    y[...] = (x * x.dtype.type(scale) - high[:, None] - low[:, None]) * factor[:, None]
    y[...] += b[:, None] if biased else 0


def channels_backward(
    g: Any, x: Any, w: Any, high: Any, low: Any, power: Any, dw: Any, db: Any, dx: Any, size: Any,
    channels: Any, rest: Any, m: Any, weighted: Any, scale: Any, eps: Any,
) -> None:  # fmt: skip
    inverse = _inverse(power, eps)[:, None]
    h = (x * x.dtype.type(scale) - high[:, None] - low[:, None]) * inverse
    k = inverse * scale * (w[:, None] if weighted else 1)
    dx[...] = (g - db[:, None] / m - h * (dw[:, None] / m)) * k


def softmax_backward(g: Any, y: Any, dz: Any, k: Any) -> None:
    dz[...] = y * (g - (g * y).sum(axis=-1, keepdims=True))


def log_softmax(z: Any, y: Any, k: Any) -> None:
    shifted = z - z.max(axis=-1, keepdims=True)
    y[...] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_softmax_backward(g: Any, y: Any, dz: Any, k: Any) -> None:
    dz[...] = g - np.exp(y) * g.sum(axis=-1, keepdims=True)


NORMS = {
    f.__name__: f
    for f in (
        dropout,
        sum_of_squares,
        root_of_sum,
        row_norm,
        row_norm_backward,
        norm_sums,
        merge_sums,
        channel_moments,
        merge_moments,
        channels_apply,
        channels_backward,
        softmax_backward,
        log_softmax,
        log_softmax_backward,
    )
}

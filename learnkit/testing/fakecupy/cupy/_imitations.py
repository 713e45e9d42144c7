"""learnkit's own kernels in NumPy, for machines without a C++ compiler.

They say what the kernel of that name computes, not how; the tests that compare the two need a compiler.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from learnkit.fusion.operations import OPERATIONS

from ._imitations_norms import NORMS


def philox_uniform(out: Any, n: Any, seed: Any, stream: Any, step: Any) -> None:
    key, counter = np.array([seed, stream], np.uint64), np.array([0, step, 0, 0], np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
    out[...] = generator.random(out.shape, dtype=out.dtype)


def softmax(z: Any, p: Any, k: Any) -> None:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    p[...] = e / e.sum(axis=-1, keepdims=True)


def softmax_cross_entropy(z: Any, labels: Any, losses: Any, p: Any, k: Any) -> None:
    shifted = z - z.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1, keepdims=True)
    p[...] = np.exp(shifted) / total
    rows = np.arange(len(labels))
    inside = (labels >= 0) & (labels < k)
    losses[...] = np.where(inside, np.log(total[:, 0]) - shifted[rows, np.where(inside, labels, 0)], np.nan)


def softmax_cross_entropy_backward(g: Any, p: Any, labels: Any, dz: Any, n: Any, k: Any) -> None:
    dz[...] = (p - (labels[:, None] == np.arange(k))) * g[:, None]


def _windows(shape: Any) -> Any:
    """From the numbers that a kernel of windows is told: for each place, where it reads and what it meets."""
    _, c, h, w, rows, across, kh, kw, sh, sw, ph, pw, dh, dw = map(int, shape)
    places = []
    for i in range(kh):
        for j in range(kw):
            y, z = np.arange(rows) * sh + i * dh - ph, np.arange(across) * sw + j * dw - pw
            inside = ((y >= 0) & (y < h))[:, None] & ((z >= 0) & (z < w))
            places.append((np.clip(y, 0, h - 1)[:, None], np.clip(z, 0, w - 1), inside))
    return c, places


def _add(images: Any, y: Any, z: Any, values: Any) -> None:
    rows_and_columns: Any = (..., y, z)
    np.add.at(images, rows_and_columns, values)


def _columns(columns: Any, shape: Any, per_group: int, step_n: int, step_k: int) -> Any:
    """A view (n, groups, places, channels in a group, rows, across) of columns in either order."""
    c, places = _windows(shape)
    rows, across = int(shape[4]), int(shape[5])
    whole = (-1, c // per_group, len(places), per_group, rows, across)
    if int(step_n) == rows * across and columns.ndim == 3:
        n = columns.shape[2] // (rows * across)
        return columns.reshape(*whole[1:4], n, rows, across).transpose(3, 0, 1, 2, 4, 5), places
    return columns.reshape(whole), places


def im2col(x: Any, columns: Any, *numbers: Any) -> None:
    per_group = int(numbers[-3])
    view, places = _columns(columns, numbers[:-3], per_group, *numbers[-2:])
    images = x.reshape(x.shape[0], -1, per_group, *x.shape[2:])
    for k, (y, z, inside) in enumerate(places):
        view[:, :, k] = np.where(inside, images[..., y, z], 0)


def col2im(columns: Any, x: Any, *numbers: Any) -> None:
    per_group = int(numbers[-3])
    view, places = _columns(columns, numbers[:-3], per_group, *numbers[-2:])
    x[...] = 0
    images = x.reshape(x.shape[0], -1, per_group, *x.shape[2:])
    for k, (y, z, inside) in enumerate(places):
        _add(images, y, z, np.where(inside, view[:, :, k], 0))


def max_pool(x: Any, largest: Any, *shape: Any) -> None:
    largest[...] = -np.inf
    for y, z, inside in _windows(shape)[1]:
        np.maximum(largest, np.where(inside, x[..., y, z], -np.inf), out=largest)


def _hits(x: Any, largest: Any, shape: Any) -> Any:
    found = np.zeros(largest.shape, dtype=bool)
    for y, z, inside in _windows(shape)[1]:
        hit = inside & (x[..., y, z] == largest) & ~found
        found |= hit
        yield y, z, hit


def max_pool_backward(g: Any, x: Any, largest: Any, dx: Any, *shape: Any) -> None:
    dx[...] = 0
    for y, z, hit in _hits(x, largest, shape):
        _add(dx, y, z, np.where(hit, g, 0))


def max_pool_select(v: Any, x: Any, largest: Any, out: Any, *shape: Any) -> None:
    out[...] = sum(np.where(hit, v[..., y, z], 0) for y, z, hit in _hits(x, largest, shape))


def window_sum(x: Any, sums: Any, *shape: Any) -> None:
    sums[...] = sum(np.where(inside, x[..., y, z], 0) for y, z, inside in _windows(shape)[1])


def window_spread(g: Any, x: Any, *shape: Any) -> None:
    x[...] = 0
    for y, z, inside in _windows(shape)[1]:
        _add(x, y, z, np.where(inside, g, 0))


def learnkit_relu_backward(g: Any, y: Any) -> Any:
    return np.where(y > 0, g, np.zeros_like(g))


_STATEMENT = re.compile(r"(\w+) = .*;  /\* (\w+) (\w+) (.*) \*/$|(o\d+) = (.*);  /\* result \*/$")


def learnkit_fused(body: str, values: dict[str, Any]) -> list[Any]:
    """The outputs of a fused kernel, from the comments that say what each of its statements computes."""
    known = dict(values)

    def operand(text: str) -> Any:
        if text in known:
            return known[text]
        found = re.fullmatch(r"\(\((.+?)\)(.+)\)", text)
        number = text if found is None else found.group(2)
        with np.errstate(all="ignore"):
            value = eval(number, {"true": True, "false": False, "__builtins__": {}})
        kind = {"float": np.float32, "double": np.float64, "bool": np.bool_}
        return value if found is None else kind.get(found.group(1), np.int64)(value)

    results = []
    for line in body.splitlines():
        found = _STATEMENT.search(line)
        assert found is not None, f"a statement without a comment: {line}"
        name, dtype, operation, operands, output, result = found.groups()
        if output:
            results.append(operand(result))
            continue
        given = [operand(text) for text in operands.split()]
        if operation == "where":
            value = np.where(*given)
        elif operation in ("cast", "spread"):
            value = given[0]
        elif operation == "erf":
            value = np.vectorize(math.erf)(given[0])
        else:
            real = next((g.dtype for g in given if getattr(g, "ndim", 0)), None)
            given = [np.asarray(g, real) if type(g) in (int, float, np.float64) else g for g in given]
            value = getattr(np, OPERATIONS[operation].numpy)(*given)
        known[name] = np.asarray(value).astype(dtype)
    return results


def find(name: str) -> Callable[..., Any]:
    """The imitation of the kernel of that name.

    Raises:
        NotImplementedError: there is none.
    """
    own: dict[str, Callable[..., Any]] = {
        **NORMS,
        "philox_uniform": philox_uniform,
        "softmax": softmax,
        "softmax_cross_entropy": softmax_cross_entropy,
        "softmax_cross_entropy_backward": softmax_cross_entropy_backward,
        "learnkit_relu_backward": learnkit_relu_backward,
        "im2col": im2col,
        "col2im": col2im,
        "max_pool": max_pool,
        "max_pool_backward": max_pool_backward,
        "max_pool_select": max_pool_select,
        "window_sum": window_sum,
        "window_spread": window_spread,
    }
    found = own.get(name)
    if found is None:
        raise NotImplementedError(f"kernel {name!r} needs a C++ compiler (c++, g++ or clang++)")
    return found

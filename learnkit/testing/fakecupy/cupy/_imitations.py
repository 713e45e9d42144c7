"""learnkit's own kernels in NumPy, for machines without a C++ compiler.

They say what the kernel of that name computes, not how; the tests that compare the two need a compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


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


def learnkit_relu_backward(g: Any, y: Any) -> Any:
    return np.where(y > 0, g, np.zeros_like(g))


def find(name: str) -> Callable[..., Any]:
    """The imitation of the kernel of that name.

    Raises:
        NotImplementedError: there is none.
    """
    own: dict[str, Callable[..., Any]] = {
        "philox_uniform": philox_uniform,
        "softmax": softmax,
        "softmax_cross_entropy": softmax_cross_entropy,
        "softmax_cross_entropy_backward": softmax_cross_entropy_backward,
        "learnkit_relu_backward": learnkit_relu_backward,
    }
    found = own.get(name)
    if found is None:
        raise NotImplementedError(f"kernel {name!r} needs a C++ compiler (c++, g++ or clang++)")
    return found

"""learnkit's own kernels in NumPy, for machines without a C++ compiler.

They say what the kernel of that name computes, not how; the tests that compare the two need a compiler.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from learnkit.fuse.operations import OPERATIONS


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

"""A gradient against differences, where the function is smooth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnkit.autodiff import plain_value, value_and_grad
from learnkit.backends.base import array_namespace

__all__ = ["Mismatch", "contracted", "mismatches"]

_MOST = 16


@dataclass(frozen=True)
class Mismatch:
    """An entry of a gradient that differs from the slope.

    Attributes:
        name: of the argument.
        index: of the entry.
        computed, slope: the two numbers.
    """

    name: str
    index: tuple[int, ...]
    computed: float
    slope: float

    def __str__(self) -> str:
        at = f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name
        return f"the gradient with respect to {at} is {self.computed:.9g}, differences give {self.slope:.9g}"


def contracted(outputs: list[Any]) -> Any:
    """One number made of arrays by weights that are all different."""
    total: Any = None
    for k, y in enumerate(outputs):
        xp = array_namespace(y)
        plain = plain_value(y)
        n = int(np.prod(plain.shape))
        weights = np.sin(1.0 + k + np.arange(n)).reshape(plain.shape) + 1.5
        term = xp.sum(xp.multiply(y, np.asarray(weights, dtype=plain.dtype)))
        total = term if total is None else array_namespace(total, term).add(total, term)
    return total


def mismatches(fn: Callable[[dict[str, Any]], Any], args: dict[str, Any], order: int = 1) -> list[Mismatch]:
    """Entries of the gradient of ``fn`` that are not the slope; entries at a corner are left out.

    Args:
        fn: of float64 arrays by name, to a 0-d array.
        args: the point.
        order: 2 looks at the gradient of a contraction of the gradient.
    """
    if order > 1:
        inner = fn

        def of_gradient(values: dict[str, Any]) -> Any:
            _, gradients = value_and_grad(inner)(values)
            return contracted([gradients[name] for name in sorted(gradients)])

        return mismatches(of_gradient, args, order - 1)
    with np.errstate(all="ignore"):
        _, gradients = value_and_grad(fn)(args)
        found = []
        for name, x in args.items():
            computed = np.asarray(plain_value(gradients[name]))
            scale = float(np.max(np.abs(computed), initial=0.0))
            for j in _chosen(x.size):
                index = tuple(int(i) for i in np.unravel_index(j, x.shape))
                coarse, fine = (_slope(fn, args, name, index, h) for h in (1e-3, 5e-4))
                if not (np.isfinite(coarse) and np.isfinite(fine)):
                    continue
                size = max(abs(fine), abs(coarse), 1e-3 * scale)
                if abs(coarse - fine) > 1e-6 * size + 1e-8:
                    continue  # a corner lies between, or the function is rough
                got = float(computed[index])
                if not abs(got - fine) <= 1e-4 * max(size, abs(got)) + 1e-7:
                    found.append(Mismatch(name, index, got, fine))
    return found


def _chosen(size: int) -> list[int]:
    if size <= _MOST:
        return list(range(size))
    return sorted({int(j) for j in np.linspace(0, size - 1, _MOST)})


def _slope(fn: Callable[..., Any], args: dict[str, Any], name: str, index: Any, step: float) -> float:
    """The difference of fourth order."""
    x = args[name]
    h = step * max(1.0, abs(float(x[index])))

    def value(shift: float) -> float:
        moved = x.copy()
        moved[index] += shift * h
        return float(plain_value(fn({**args, name: moved})))

    return (8 * (value(1) - value(-1)) - (value(2) - value(-2))) / (12 * h)

"""What is measured: a network on a batch with an optimizer, and the numbers that everybody starts from."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnkit.errors import ArgumentError
from learnkit.optim.base import Optimizer
from learnkit.plugins import registry

__all__ = ["BATCHES", "LR", "Case"]

#: Small, so that the weights hardly move: a network that has learned its batches by heart has gradients so
#: close to 0 that the arithmetic itself becomes slower.
LR = 1e-6
#: Different batches, taken in turns.
BATCHES = 8


@dataclass(frozen=True)
class Case:
    """A classifier of fully connected layers with ReLU between them, in float32.

    Args:
        sizes: numbers of features from the input to the classes.
        batch_size: rows in a step.
        optimizer: name with options; its learning rate is ``lr`` unless an option gives one.
        lr: see :data:`LR`.

    Raises:
        ArgumentError: a number is out of range, or the optimizer is not known.
    """

    sizes: tuple[int, ...]
    batch_size: int
    optimizer: str = "adam"
    lr: float = LR

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(self.sizes))
        if len(self.sizes) < 2 or not all(type(n) is int and n >= 1 for n in self.sizes):
            raise ArgumentError(f"sizes is {self.sizes!r}, expected two or more integers >= 1")
        if type(self.batch_size) is not int or self.batch_size < 1:
            raise ArgumentError(f"batch_size is {self.batch_size!r}, expected an integer >= 1")
        self.rule()

    @property
    def name(self) -> str:
        """``64-128-64-10, batch 64``."""
        return f"{'-'.join(map(str, self.sizes))}, batch {self.batch_size}"

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(self.sizes))

    @property
    def multiplications(self) -> int:
        """Multiplications of numbers in the matrix products of a step; the first layer needs no gradient
        of its input."""
        pairs = list(itertools.pairwise(self.sizes))
        return self.batch_size * (3 * sum(a * b for a, b in pairs) - pairs[0][0] * pairs[0][1])

    @property
    def largest_product(self) -> int:
        """Multiplications of the largest matrix product of a step."""
        return self.batch_size * max(a * b for a, b in itertools.pairwise(self.sizes))

    def rule(self) -> Optimizer:
        """The optimizer."""
        given = "lr" in self.optimizer.partition(":")[2]
        made: Optimizer = registry.create("optimizer", self.optimizer, **({} if given else {"lr": self.lr}))
        return made

    def weights(self) -> list[Any]:
        """Start values, weight (inputs, outputs) and bias of each layer, as float32 arrays on the host."""
        rng = np.random.default_rng(0)
        arrays: list[Any] = []
        for n_in, n_out in itertools.pairwise(self.sizes):
            arrays.append(
                rng.standard_normal((n_in, n_out), dtype=np.float32) * np.float32((2 / n_in) ** 0.5)
            )
            arrays.append(np.zeros(n_out, np.float32))
        return arrays

    def batches(self) -> list[tuple[Any, Any]]:
        """Features in float32 and class numbers, on the host."""
        rng = np.random.default_rng(1)
        shape = (self.batch_size, self.sizes[0])
        return [
            (rng.standard_normal(shape, dtype=np.float32), rng.integers(0, self.sizes[-1], self.batch_size))
            for _ in range(BATCHES)
        ]

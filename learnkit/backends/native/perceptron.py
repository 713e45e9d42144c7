"""The programs of a perceptron: forward, loss and back, for one shape of batch.

Where the weights are few, a part is some rows of the batch, all the way forward and back: one thread keeps
them in its cache, and only the gradients of the weights, which need all rows, wait for the others. Where the
weights are many, each thread would have to read all of them, so the parts are blocks of each product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnkit.backends.base import Array
from learnkit.backends.native.blas import Blas
from learnkit.backends.native.layers import ADD, ADD_RELU, MASK, NOTHING, address
from learnkit.backends.native.program import Call, Given, Phase, Program
from learnkit.backends.threads import thread_count

__all__ = ["Perceptron"]

#: Multiplications in a part of a product, at least: fewer take less time than it takes to share them.
_PART = 400_000
#: The same for what goes over the elements once.
_ELEMENTS = 16_384
#: Up to so many weights in each layer, a part is some rows of the batch.
_FEW = 65_536
#: Multiplications of one way through all layers below which a program is short.
_SHORT = 30_000_000
#: Rows or columns in a part, a multiple of this: what BLAS computes at once.
_TILE = 16

X, G = Given(0), Given(1)


@dataclass(frozen=True)
class _Product:
    """A matrix product of m x k by k x n, with what follows it."""

    m: int
    n: int
    k: int
    arguments: tuple[Any, ...]
    kind: str
    most: int

    def rows(self) -> Call:
        return Call(address("product_rows", self.kind), (*self.arguments, self.n))

    def parts(self) -> tuple[Call, int, int]:
        """Along the longer side, as many as may be: each multiplies all of the other factor."""
        count = min(self.most, max(1, self.m * self.n * self.k // _PART))
        if self.m >= self.n:
            return self.rows(), self.m, _each(self.m, count, _TILE)
        columns = Call(address("product_columns", self.kind), (*self.arguments, self.m))
        return columns, self.n, _each(self.n, count, _TILE)


def _each(n: int, count: int, multiple: int) -> int:
    """How many of ``n`` are in one of ``count`` parts, about equal ones."""
    return -(-n // (count * multiple)) * multiple


class Perceptron:
    """Programs for layers and a number of rows.

    Args:
        layers: each with arrays ``weight``, ``bias`` or ``None``, ``out``, and for gradients ``to_weight``,
            ``to_bias``, ``back`` and ``transposed``; and ``relu``, whether that follows. The last one's
            ``out`` may be ``None``: then it is given at each run.
        rows: of a batch.
        library: what multiplies.
    """

    def __init__(self, layers: Sequence[Any], rows: int, library: Blas) -> None:
        self._layers, self._n, self._library = layers, rows, library
        dtype = layers[0].weight.dtype
        self._kind = dtype.char
        self._ones = np.ones(rows, dtype)
        self._short = rows * sum(layer.weight.size for layer in layers) < _SHORT
        # The last bits of a product may depend on its parts. So those of short programs, which more than two
        # threads would not make faster, do not depend on the machine.
        self._most = 2 if self._short else thread_count()
        self._chained = all(layer.weight.size <= _FEW for layer in layers)

    def forward(self) -> Program:
        """Takes x, and the array for the outputs if they have none."""
        return self._program(self._up())

    def backward(self) -> Program:
        """Takes x and the gradient of the outputs."""
        return self._program(self._down(G))

    def whole(self, losses: Array, g: Array, outside: Array, mean: Array) -> Program:
        """Takes x and class numbers, int64; gives losses, their mean and its gradient."""
        rows, classes = g.shape
        entropy = Call(
            address("cross_entropy", self._kind),
            (rows, classes, self._layers[-1].out, G, losses, g, outside),
        )
        last = Call(address("mean", self._kind), (rows, losses, mean)), 1, 1
        if self._chained:
            first, then = self._transposes(), self._weights(g)
            middle: list[_Product | Call] = [*self._products(), entropy, *self._backs(g)]
            return self._program([*first, self._in_rows(middle), [*then, last]])
        shared = (entropy, rows, _each(rows, self._shares(rows * classes), 1))
        first_back, *others = self._down(g)
        return self._program([*self._up(), [shared], [*first_back, last], *others])

    def _program(self, phases: list[Phase]) -> Program:
        return Program(phases, short=self._short)

    def _shares(self, elements: int) -> int:
        return min(self._most, max(1, elements // _ELEMENTS))

    def _up(self) -> list[Phase]:
        if self._chained:
            return [self._in_rows(self._products())]
        return [[product.parts()] for product in self._products()]

    def _down(self, g: Array | Given) -> list[Phase]:
        if self._chained:
            backs = self._backs(g)
            return [*self._transposes(), *([self._in_rows(backs)] if backs else []), self._weights(g)]
        phases: list[Phase] = []
        backs_or_none = [*self._backs(g), None]
        for back, weight, bias in zip(backs_or_none, self._to_weights(g), self._to_biases(g), strict=True):
            phases.append([*([back.parts()] if back else []), weight.parts(), *bias])
        return phases

    def _in_rows(self, steps: Sequence[_Product | Call]) -> Phase:
        """All steps for some rows, then for others."""
        in_turn = [step.rows() if isinstance(step, _Product) else step for step in steps]
        work = sum(s.m * s.n * s.k for s in steps if isinstance(s, _Product))
        count = min(self._most, max(1, work // _PART))
        return [(Call(address("in_turn"), (len(in_turn), *in_turn)), self._n, _each(self._n, count, _TILE))]

    def _transposes(self) -> list[Phase]:
        found = []
        for layer in self._layers:
            if layer.transposed is not None:
                inputs, outputs = layer.weight.shape
                call = Call(
                    address("transpose", self._kind), (inputs, outputs, layer.weight, layer.transposed)
                )
                found.append((call, outputs, _each(outputs, self._shares(4 * layer.weight.size), 1)))
        return [found] if found else []

    def _weights(self, g: Array | Given) -> Phase:
        products = sorted(self._to_weights(g), key=lambda p: -p.m * p.n)
        return [*(p.parts() for p in products), *(part for bias in self._to_biases(g) for part in bias)]

    def _products(self) -> list[_Product]:
        """What leads forward."""
        found = []
        h: Array | Given = X
        for layer in self._layers:
            inputs, outputs = layer.weight.shape
            out = G if layer.out is None else layer.out
            follows = ADD_RELU if layer.relu else NOTHING if layer.bias is None else ADD
            found.append(
                self._product(
                    (self._n, outputs, inputs), (h, inputs), (layer.weight, outputs), out,
                    follows=follows, extra=layer.bias,
                )
            )  # fmt: skip
            h = layer.out
        return found

    def _backs(self, g: Array | Given) -> list[_Product]:
        """What leads back, from the last layer on, to the outputs of the first."""
        found = []
        for below, layer in zip(self._layers[-2::-1], self._layers[:0:-1], strict=True):
            inputs, outputs = layer.weight.shape
            copied = self._chained and layer.transposed is not None
            b = (layer.transposed, inputs) if copied else (layer.weight, outputs)
            found.append(
                self._product(
                    (self._n, inputs, outputs), (g, outputs), b, layer.back, flip_b=not copied,
                    follows=MASK if below.relu else NOTHING, extra=below.out if below.relu else None,
                )
            )  # fmt: skip
            g = layer.back
        return found

    def _to_weights(self, g: Array | Given) -> list[_Product]:
        """Gradients of the weights, from the last layer on."""
        found = []
        for layer, above, below in self._from_the_top():
            inputs, outputs = layer.weight.shape
            h = (X if below is None else below.out, inputs)
            upper = (g if above is None else above.back, outputs)
            shape = (inputs, outputs, self._n)
            found.append(self._product(shape, h, upper, layer.to_weight, flip_a=True))
        return found

    def _to_biases(self, g: Array | Given) -> list[Phase]:
        """Gradients of the biases, from the last layer on; nothing for a layer without one."""
        library = self._library
        found: list[Phase] = []
        for layer, above, _ in self._from_the_top():
            if layer.to_bias is None:
                found.append([])
                continue
            columns = layer.weight.shape[1]
            upper = g if above is None else above.back
            gemv = library.address("gemv", self._kind)
            arguments = gemv, library.wide, self._n, columns, upper, self._ones, layer.to_bias
            each = _each(columns, self._shares(self._n * columns // 4), _TILE)
            found.append([(Call(address("column_sums", self._kind), arguments), columns, each)])
        return found

    def _from_the_top(self) -> Iterator[tuple[Any, Any, Any]]:
        """Each layer with the one above and the one below."""
        padded = [None, *self._layers, None]
        yield from reversed(list(zip(padded[1:-1], padded[2:], padded[:-2], strict=True)))

    def _product(
        self,
        shape: tuple[int, int, int],
        a: tuple[Any, int],
        b: tuple[Any, int],
        out: Array | Given,
        *,
        flip_a: bool = False,
        flip_b: bool = False,
        follows: int = NOTHING,
        extra: Array | None = None,
    ) -> _Product:
        m, n, k = shape
        library = self._library
        addresses = library.address("gemm", self._kind), library.address("gemv", self._kind)
        more = 0 if extra is None else extra
        arguments = (*addresses, library.wide, flip_a, flip_b, k, *a, *b, out, n, follows, more)
        return _Product(m, n, k, arguments, self._kind, self._most)

"""The outputs of a perceptron for a few rows, as a compiled program."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_

import numpy as np

from learnkit.backends.base import Array
from learnkit.backends.compiled_rows import plain
from learnkit.backends.native.blas import Blas
from learnkit.backends.native.perceptron import Perceptron
from learnkit.backends.native.program import Program

__all__ = ["Prediction"]


@dataclass
class _Layer:
    """A layer as :class:`Perceptron` takes it, without what gradients need."""

    weight: Array
    bias: Array | None
    relu: bool
    out: Array | None


class Prediction:
    """Programs by the number of rows.

    Attributes:
        most: rows for which it pays; with more, blocks of rows keep the threads of BLAS busy.
    """

    most = 16

    def __init__(self, library: Blas) -> None:
        self._library = library
        self._arrays: Sequence[Array | None] = ()
        self._programs: dict[int, Program] = {}
        self._in_use = threading.Lock()

    def __call__(self, x: Array, arrays: Sequence[Array | None], relus: Sequence[bool]) -> Array | None:
        """The outputs, a new array; ``None`` while another thread is here, as a program has room for one.

        Args:
            x: (rows, features), of the dtype of the weights.
            arrays: weight and bias, or ``None``, of each layer in turn.
            relus: whether a ReLU follows the layer; not the last one.
        """
        if not self._in_use.acquire(blocking=False):
            return None
        try:
            return self._outputs(x, arrays, relus)
        finally:
            self._in_use.release()

    def _outputs(self, x: Array, arrays: Sequence[Array | None], relus: Sequence[bool]) -> Array:
        if len(arrays) != len(self._arrays) or not all(map(is_, arrays, self._arrays)):
            self._programs = {}  # the parameters were laid out anew
            self._arrays = tuple(arrays)
        rows = x.shape[0]
        program = self._programs.get(rows)
        if program is None:
            program = self._programs[rows] = self._program(rows, relus)
        out = np.empty((rows, arrays[-2].shape[1]), x.dtype)  # type: ignore[union-attr]
        program.run(plain(x), out)
        return out

    def _program(self, rows: int, relus: Sequence[bool]) -> Program:
        layers = []
        for weight, bias, relu in zip(self._arrays[::2], self._arrays[1::2], relus, strict=True):
            width = weight.shape[1]  # type: ignore[union-attr]
            added = np.zeros(width, weight.dtype) if relu and bias is None else bias  # type: ignore[union-attr]
            layers.append(_Layer(weight, added, relu, np.empty((rows, width), weight.dtype)))  # type: ignore
        layers[-1].out = None
        return Perceptron(layers, rows, self._library).forward()

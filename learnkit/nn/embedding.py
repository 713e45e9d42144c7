"""Rows of a table, looked up by number."""

from __future__ import annotations

from typing import Any

from learnkit.autodiff import plain_value, stop_gradient
from learnkit.autodiff.variable import is_variable
from learnkit.backends.base import Array, array_namespace, backend_of, size_of
from learnkit.checks import at_least
from learnkit.errors import ArgumentError
from learnkit.nn.constraints import Constraint, constraint_of
from learnkit.nn.init import Initializer
from learnkit.nn.leaves import Parameter
from learnkit.nn.module import Module
from learnkit.plugins import registry

__all__ = ["Embedding"]

#: Whole numbers up to here are exact in float32.
_EXACT = 1 << 24


class Embedding(Module):
    """A table of vectors: ``y = W[x]``.  x: integers (...) -> y: (..., embedding_dim).

    The gradient of a row is the sum over all places where it was looked up. Ids may also be whole
    floating-point numbers, which is how a ``Trainer`` hands features on.

    Args:
        num_embeddings: rows; ids are in [0, num_embeddings).
        embedding_dim: length of a vector.
        padding_idx: an id whose row starts at 0 and gets no gradient; default none.
        weight_init: initializer of W, shape (num_embeddings, embedding_dim); default normal with mean 0 and
            variance 1, as in PyTorch. Keras' is uniform in +-0.05.
        weight_constraint: of W after each update, such as ``"max_norm:axis=1"``; default none.

    Raises:
        ArgumentError: a size is below 1, or padding_idx is no row; (when called) ids are no whole numbers,
            or outside the table. On a GPU they are not looked at, since that would wait for it.

    >>> import numpy as np
    >>> from learnkit.nn import initialize
    >>> table = Embedding(5, 3, padding_idx=0)
    >>> _ = initialize(table, backend="numpy")
    >>> table(np.asarray([[1, 4, 0]])).shape
    (1, 3, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        weight_init: Initializer | str = "normal",
        weight_constraint: Constraint | str | None = None,
    ) -> None:
        at_least("Embedding", "num_embeddings", num_embeddings, 1)
        at_least("Embedding", "embedding_dim", embedding_dim, 1)
        if padding_idx is not None and (
            type(padding_idx) is not int or not -num_embeddings <= padding_idx < num_embeddings
        ):
            raise ArgumentError(
                f"Embedding: padding_idx is {padding_idx!r}, expected an integer in "
                f"[{-num_embeddings}, {num_embeddings}) or None"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        init = registry.create("initializer", weight_init)
        if self.padding_idx is not None:
            init = _WithZeroRow(init, self.padding_idx)
        self.weight = Parameter((num_embeddings, embedding_dim), init, constraint_of(weight_constraint))

    def __call__(self, x: Any) -> Any:
        ids = self._checked(plain_value(x))
        weight = self.weight
        xp = array_namespace(weight)
        rows = xp.take(weight, ids, axis=0)
        if self.padding_idx is not None and is_variable(rows):
            plain = array_namespace(ids)
            padding = plain.expand_dims(plain.equal(ids, self.padding_idx), axis=1)
            rows = xp.where(padding, stop_gradient(rows), rows)
        return xp.reshape(rows, (*x.shape, self.embedding_dim))

    def _checked(self, ids: Array) -> Array:
        """The ids as a vector of integers, looked at where that costs no wait."""
        xp = array_namespace(ids)
        real = xp.isdtype(ids.dtype, "real floating")
        if not real and not xp.isdtype(ids.dtype, "integral"):
            raise ArgumentError(f"Embedding got ids of dtype {ids.dtype}, expected integers")
        if real and ids.dtype != xp.float64 and self.num_embeddings > _EXACT:
            raise ArgumentError(
                f"Embedding got ids of dtype {ids.dtype}, which cannot count {self.num_embeddings} rows",
                hint="pass integers",
            )
        n = size_of(tuple(ids.shape))
        flat = xp.reshape(ids, (n,))
        if n and backend_of(flat).on_host:
            if real and not bool(xp.all(xp.equal(flat, xp.floor(flat)))):
                raise ArgumentError("Embedding got ids that are no whole numbers")
            lowest, highest = float(xp.min(flat)), float(xp.max(flat))
            if lowest < 0 or highest >= self.num_embeddings:
                wrong = lowest if lowest < 0 else highest
                raise ArgumentError(
                    f"Embedding got id {wrong:.15g}, expected 0 <= id < {self.num_embeddings}, "
                    "the number of its rows"
                )
        return xp.astype(flat, xp.int64) if real else flat


class _WithZeroRow:
    """An initializer, with one row set to 0."""

    def __init__(self, init: Initializer, row: int) -> None:
        self.init = init
        self.row = row

    def __call__(self, shape: tuple[int, ...], **options: Any) -> Any:
        values = self.init(shape, **options)
        values[self.row, ...] = 0.0
        return values

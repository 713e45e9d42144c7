"""Numbers as points on waves of learned lengths."""

from __future__ import annotations

import math
from typing import Any

from learnkit.backends import array_namespace
from learnkit.checks import at_least, check_flag, positive
from learnkit.errors import ShapeError
from learnkit.nn import Module, Parameter, linear, relu
from learnkit.nn.init import TruncatedNormal, Uniform

__all__ = ["PeriodicEmbedding"]


class PeriodicEmbedding(Module):
    """Periodic embeddings of numerical features.  x: (..., n_features) -> y: (..., n_features, d_embedding).

    ::

        v_ij = 2 pi c_ij x_i                             j = 1 .. n_frequencies
        y_i  = relu(concat[sin v_i, cos v_i] W_i + b_i)

    Each feature has frequencies c, weights W and biases b of its own, and all of them are learned. A network
    that sees a number only as it is learns steps and peaks in it slowly; behind these it does at once.
    ``Flatten()`` makes one axis of the last two for a ``Linear`` behind it.

    Args:
        n_features: an integer >= 1.
        d_embedding: an integer >= 1; default 24.
        n_frequencies: waves for each feature, an integer >= 1; default 48.
        frequency_init_scale: > 0, the standard deviation s of the first frequencies, in cycles for each unit
            of x; default 0.01. The most important option: the authors choose it from 0.01 to 100, by
            validation, for standardised features.
        activation: whether there is the relu; default ``True``.
        lite: whether all features share one W and b; default ``False``.

    c starts normal with mean 0 and standard deviation s, cut at 3 s; W and b uniform in
    +-1/sqrt(2 n_frequencies).

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: (when called) the last axis of x is not n_features.

    Source: Gorishniy et al. 2022, "On embeddings for numerical features in tabular deep learning",
    arXiv:2203.05556, the embedding called PLR, with the defaults and start values of the authors' package
    rtdl_num_embeddings (which has the cosines first, and leaves ``lite`` without a default).

    >>> import numpy as np
    >>> from learnkit.nn import initialize
    >>> embedding = PeriodicEmbedding(3, 8)
    >>> _ = initialize(embedding, backend="numpy")
    >>> embedding(np.zeros((5, 3), dtype=np.float32)).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        n_features: int,
        d_embedding: int = 24,
        *,
        n_frequencies: int = 48,
        frequency_init_scale: float = 0.01,
        activation: bool = True,
        lite: bool = False,
    ) -> None:
        owner = "PeriodicEmbedding"
        at_least(owner, "n_features", n_features, 1)
        at_least(owner, "d_embedding", d_embedding, 1)
        at_least(owner, "n_frequencies", n_frequencies, 1)
        positive(owner, "frequency_init_scale", frequency_init_scale)
        check_flag(owner, "activation", activation)
        check_flag(owner, "lite", lite)
        self.n_features, self.d_embedding, self.n_frequencies = n_features, d_embedding, n_frequencies
        self.activation, self.lite = activation, lite
        s = float(frequency_init_scale)
        each = () if lite else (n_features,)
        bound = 1.0 / math.sqrt(2 * n_frequencies)
        start = Uniform(-bound, bound)
        self.frequencies = Parameter((n_features, n_frequencies), TruncatedNormal(std=s, a=-3 * s, b=3 * s))
        self.weight = Parameter((*each, 2 * n_frequencies, d_embedding), start)
        self.bias = Parameter((*each, d_embedding), start)

    @classmethod
    def for_checks(cls) -> PeriodicEmbedding:
        """A small one, for learnkit's checks: they compare every entry of a gradient with differences."""
        return cls(3, 4, n_frequencies=5)

    def __call__(self, x: Any) -> Any:
        shape = tuple(x.shape)
        if shape[-1:] != (self.n_features,):
            raise ShapeError(f"PeriodicEmbedding got x of shape {shape}, expected (..., {self.n_features})")
        frequencies, weight, bias = self.frequencies, self.weight, self.bias
        xp = array_namespace(x, frequencies)
        angle = xp.multiply(xp.multiply(xp.expand_dims(x, axis=-1), frequencies), 2.0 * math.pi)
        waves = xp.concat([xp.sin(angle), xp.cos(angle)], axis=-1)
        if self.lite:
            y = linear(waves, weight, bias)
        else:
            # One product for each feature: the features in front, and all else as rows.
            rows = xp.reshape(waves, (-1, self.n_features, 2 * self.n_frequencies))
            y = xp.matmul(xp.permute_dims(rows, (1, 0, 2)), weight)
            y = xp.add(xp.permute_dims(y, (1, 0, 2)), bias)
            y = xp.reshape(y, (*shape, self.d_embedding))
        return relu(y) if self.activation else y

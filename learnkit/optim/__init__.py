"""Optimizers, and transforms of the gradient that go in front of them."""

from learnkit.optim.adam import Adam, AdamW
from learnkit.optim.base import Optimizer, State
from learnkit.optim.sgd import SGD
from learnkit.optim.transforms import Chain, ClipByGlobalNorm, Transform, chain, global_norm

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Chain",
    "ClipByGlobalNorm",
    "Optimizer",
    "State",
    "Transform",
    "chain",
    "global_norm",
]

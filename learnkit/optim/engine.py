"""Running an optimizer in place on the one vector of parameters.

An elementwise rule written as a plain equation makes a dozen temporary arrays. Run over the whole
vector each of them goes through main memory; run over blocks they stay in the cache, which is several
times faster. The numbers are the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from learnkit.backends.base import Array
from learnkit.optim.base import Optimizer, State
from learnkit.optim.transforms import Chain

__all__ = ["BLOCK", "update_in_place"]

#: Elements in a block on the host, about: with its temporaries about half of a usual second-level cache.
BLOCK = 16384


def update_in_place(
    optimizer: Optimizer,
    theta: Array,
    grad: Array,
    state: State,
    *,
    views: Any = None,
    blocks: bool = False,
) -> None:
    """One step: ``theta`` and the vectors in ``state`` are overwritten with their new values.

    Args:
        optimizer: the rule, with transforms in front or without.
        theta, grad: vectors of one layout.
        state: its slots are lists of one vector each.
        views: ``vector -> list of leaves``, for a rule that needs the shape of each leaf.
        blocks: whether to go block by block, which pays on the host and not on a GPU.
    """
    while isinstance(optimizer, Chain):
        grads = [grad]
        for t in optimizer.transforms:
            grads = t.transform(grads)
        (grad,) = grads
        optimizer = optimizer.rule
    rule, lr = optimizer.at(state.step), optimizer.lr_at(state.step)
    names = optimizer.slot_names()
    slots = [state.slots[name][0] for name in names]
    state.step += 1
    parts: Iterator[tuple[Array, ...]]
    if not rule.elementwise:
        parts = zip(*(views(vector) for vector in (theta, grad, *slots)), strict=True)
    elif blocks and theta.shape[0] > BLOCK * 3 // 2:
        n = theta.shape[0]
        size = -(-n // round(n / BLOCK))  # equal blocks: a short last one costs as many calls as a full one
        parts = (
            tuple(vector[start : min(start + size, n)] for vector in (theta, grad, *slots))
            for start in range(0, n, size)
        )
    else:
        parts = iter([(theta, grad, *slots)])
    for part in parts:
        old_theta, part_grad, *old_slots = part
        new_theta, *new_slots = rule.update(old_theta, part_grad, *old_slots, lr=lr, step=state.step)
        for old, new in zip(old_slots, new_slots, strict=True):
            old[...] = new
        old_theta[...] = new_theta  # last: a slot may hold what theta was

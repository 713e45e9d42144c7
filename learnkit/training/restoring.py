"""Steps that are made for their own sake, after which a trainer is as it was before."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING

from learnkit.backends.base import Array, array_namespace
from learnkit.training.loop import batches
from learnkit.training.rows import Rows

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["Before", "endless"]


class Before:
    """Everything of a trainer that a step changes, as it is now; :meth:`restore` brings it back."""

    def __init__(self, trainer: Trainer) -> None:
        self._arrays = trainer.copy_arrays()
        self._state = trainer.optimizer_state
        self._scheduled = trainer._scheduled
        self._epochs = trainer.epochs_done
        state = copy.copy(self._state)
        state.slots = {name: [_copied(a) for a in arrays] for name, arrays in self._state.slots.items()}
        trainer.optimizer_state = state

    def restore(self, trainer: Trainer) -> None:
        """Parameters, buffers, optimizer state, schedule and epoch as they were."""
        trainer.model.load_arrays(self._arrays)
        trainer.optimizer_state = self._state
        trainer._scheduled = self._scheduled
        trainer.epochs_done = self._epochs


def endless(trainer: Trainer, rows: Rows, batch_size: int) -> Iterator[Rows]:
    """The batches of the epochs to come."""
    while True:
        yield from batches(trainer, rows, batch_size, shuffle=True)
        trainer.epochs_done += 1  # the order is a function of it; restoring brings it back


def _copied(a: Array) -> Array:
    return array_namespace(a).asarray(a, copy=True)

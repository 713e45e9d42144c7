"""The weights of a trainer apart from its steps: averaged ones to evaluate, copies to come back to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from learnkit.backends.base import Array, Backend
from learnkit.nn.batch_norm import update_statistics
from learnkit.nn.module import Module
from learnkit.nn.vector import ParameterVector
from learnkit.optim.base import Optimizer, State
from learnkit.optim.engine import averaged
from learnkit.training.rows import check_at_least_one, place

__all__ = ["Snapshot", "Weights"]


class Snapshot(NamedTuple):
    """What :meth:`Weights.restore` goes back to: arrays of the model, and slots if weights are averaged."""

    arrays: dict[str, Array]
    slots: dict[str, list[Array]]
    step: int


class Weights:
    """What a ``Trainer`` can do with its weights beside training them."""

    model: Module
    backend: Backend
    parameters: ParameterVector
    optimizer: Optimizer
    optimizer_state: State
    dtype: str
    seed: int
    _known_views: list[tuple[Array, list[Array]]]
    _waiting: bool
    _averaging = False

    if TYPE_CHECKING:

        def _current(self) -> Optimizer: ...

    def leaf_views(self, vector: Array) -> list[Array]:
        """The leaves of a vector laid out like theta, as views."""
        for known, views in self._known_views:
            if vector is known:
                return views
        return list(self.parameters.layout.views(vector).values())

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Within the block the model holds the weights to evaluate and deploy, if the optimizer averages.

        That is the average of ``EMA`` or ``SWA``, the slow weights of ``Lookahead``, the averaged point of a
        schedule-free rule. ``evaluate``, ``predict`` and validation use it of themselves; the block is for
        calling or exporting the model. Afterwards the weights are again those that training goes on from.
        """
        if self._waiting or self._averaging or not self.optimizer.averages:
            yield
            return
        theta = self.parameters.theta
        saved = self.backend.xp.asarray(theta, copy=True)
        theta[...] = averaged(self._current(), theta, self.optimizer_state, views=self.leaf_views)
        self._averaging = True
        try:
            yield
        finally:
            theta[...] = saved
            self._averaging = False

    def update_batch_norm(self, x: Any, *, batch_size: int = 1024) -> None:
        """Set the running statistics of batch normalisation to those of ``x`` at the averaged weights.

        They were learned beside the weights that training went through, and do not fit an average of
        them. See :func:`learnkit.nn.update_statistics`.

        Args:
            x: training features, (n, ...).
            batch_size: >= 1; each batch counts the same.
        """
        check_at_least_one("update_batch_norm", "batch_size", batch_size)
        self.backend.activate()
        rows = place(self.backend, x, dtype=self.dtype)
        with self.backend.quiet(), self.averaged_weights():
            update_statistics(self.model, (part.x for part in rows.slices(batch_size)), seed=self.seed)

    def copy_arrays(self) -> dict[str, Array]:
        """Copies of the model's arrays by path."""
        xp = self.backend.xp
        return {path: xp.asarray(a, copy=True) for path, a in self.model.arrays().items()}

    def snapshot(self) -> Snapshot:
        """The weights as they are evaluated now, to come back to with :meth:`restore`."""
        slots = {}
        if self.optimizer.averages:  # what is evaluated lies in them
            slots = {
                name: [self.backend.xp.asarray(a, copy=True) for a in arrays]
                for name, arrays in self.optimizer_state.slots.items()
            }
        return Snapshot(self.copy_arrays(), slots, self.optimizer_state.step)

    def restore(self, snapshot: Snapshot) -> None:
        """Bring the weights back to how they were evaluated then.

        An optimizer that averages comes back as a whole, to its step; of another the state goes on.
        """
        self.model.load_arrays(snapshot.arrays)
        if snapshot.slots:
            self.optimizer_state.slots = {
                name: [self.backend.xp.asarray(a, copy=True) for a in arrays]
                for name, arrays in snapshot.slots.items()
            }
            self.optimizer_state.step = snapshot.step

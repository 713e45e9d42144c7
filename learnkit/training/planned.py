"""What a trainer works out in advance: steps and predictions of plain networks, by the shape of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from learnkit.backends.base import Array, Backend
from learnkit.losses.base import Loss
from learnkit.nn.constraints import apply_to
from learnkit.nn.gradient import GradientVector
from learnkit.nn.module import Module
from learnkit.nn.vector import ParameterVector
from learnkit.optim.base import Optimizer, State
from learnkit.optim.engine import prepared_update
from learnkit.training.native_plan import NativePlan, forward_plan, step_plan
from learnkit.training.plan import ForwardPlan, StepPlan, fits, plannable
from learnkit.training.rows import Rows

__all__ = ["Planned"]

#: Shapes of batches whose plans are kept.
_MOST = 8


class Planned:
    """The plans of a ``Trainer``; see :mod:`learnkit.training.plan`."""

    model: Module
    loss: Loss
    backend: Backend
    parameters: ParameterVector
    gradient: GradientVector
    optimizer_state: State
    _running: Optimizer
    _constrained: Sequence[Any]

    def _forget_plans(self) -> None:
        """After a change to what is trained."""
        self._plans: dict[tuple[int, ...], Any] = {}
        self._forward: ForwardPlan | None = None
        self._forward_plannable = plannable(self.model, self.backend.kernels)
        self._plannable = not self.gradient.partial and self._forward_plannable

    def _plan(self, rows: Rows) -> StepPlan | None:
        """What :mod:`learnkit.training.plan` worked out for batches of this shape, if it holds."""
        kernels, x = self.backend.kernels, rows.x
        layers = self.model.layers
        if len(x.shape) != 2 or x.dtype is not self.gradient.vector.dtype or not fits(kernels):
            return None
        known = self._plans.get(x.shape)
        if known is None or known[0] is not layers or known[1] is not self.loss:
            if not plannable(self.model, kernels, x.shape[1]):
                return None
            if len(self._plans) > _MOST:
                self._plans.clear()
            known = self._plans[x.shape] = (
                layers,
                self.loss,
                step_plan(self.model, self.gradient, self.loss, x),
            )
        return known[2]

    def _forward_plan(self, x: Array) -> ForwardPlan | None:
        """The way to the outputs that is worked out in advance, if it holds for ``x``."""
        if not self._forward_plannable or len(x.shape) != 2 or not x.shape[0]:
            return None
        kernels = self.backend.kernels
        if x.dtype is not self.parameters.theta.dtype or not fits(kernels):
            return None
        if self._forward is None or self._forward.layers is not self.model.layers:
            if not plannable(self.model, kernels, x.shape[1]):
                return None
            self._forward = forward_plan(self.model)
        return self._forward if x.shape[1] == self.model.layers[0].in_features else None

    def _step_at_once(self, plan: StepPlan, rows: Rows) -> Array | None:
        """A step as one compiled program, or ``None`` if it cannot be one."""
        if type(plan) is not NativePlan or not plan.is_whole(rows.y, rows.weight):
            return None
        state = self.optimizer_state
        update = prepared_update(self._running, self.parameters.theta, self.gradient.vector, state)
        loss = None if update is None else plan.step(rows.x, rows.y, update)
        if loss is not None:
            state.step += 1
            for leaf in self._constrained:
                apply_to(leaf)
        return loss

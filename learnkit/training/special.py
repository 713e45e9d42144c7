"""Training steps that are more than one gradient and one update.

They accumulate, take the gradient elsewhere or several times, or scale the loss. The plain step is in
``Trainer.step_rows`` and pays nothing for these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnkit.autodiff import plain_value
from learnkit.backends.base import Array, array_namespace, size_of
from learnkit.losses.base import Loss, reduced
from learnkit.nn.scope import training
from learnkit.optim import Chain, Optimizer
from learnkit.optim.engine import asked_in_place, gather_in_place, gathered, step_in_place, update_in_place
from learnkit.training.rows import Rows

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["flush", "is_special", "may_skip", "special_step"]


def is_special(optimizer: Optimizer) -> bool:
    """Whether a step with ``optimizer`` is not the plain one."""
    if not optimizer.plain:
        return True
    return isinstance(optimizer, Chain) and (optimizer.accumulate is not None or optimizer.scales_loss)


def may_skip(optimizer: Optimizer) -> bool:
    """Whether steps may be called off, so that a loss that is not finite is no end of the run."""
    return isinstance(optimizer, Chain) and optimizer.may_skip


def special_step(trainer: Trainer, optimizer: Optimizer, rows: Rows) -> Array:
    """The loss of a batch; the update, if one is due, is made."""
    state = trainer.optimizer_state
    gathers = optimizer.accumulate if isinstance(optimizer, Chain) else None
    # Each batch draws its own dropout masks, also those that share an update.
    number = state.step if gathers is None else state.step * gathers.every + state.pending
    closure = _Closure(trainer, optimizer, rows, number, weighed=gathers is not None)
    if gathers is None and not optimizer.plain:
        loss = step_in_place(optimizer, closure, trainer.parameters.theta, state, views=trainer.leaf_views)
        closure.finish()
        return loss
    if gathers is None:
        loss, vector = closure()
        _update(trainer, optimizer, vector)
        closure.finish()
        return loss
    assert isinstance(optimizer, Chain)
    loss, vector = asked_in_place(
        optimizer, closure, trainer.parameters.theta, state, views=trainer.leaf_views
    )
    closure.finish()
    if gather_in_place(optimizer, vector, state, closure.weight):
        _update(trainer, optimizer, gathered(optimizer, state))
    return loss


def flush(trainer: Trainer, optimizer: Optimizer) -> bool:
    """Make the update for what has been accumulated, if anything; whether there was any."""
    if not (isinstance(optimizer, Chain) and trainer.optimizer_state.pending):
        return False
    _update(trainer, optimizer, gathered(optimizer, trainer.optimizer_state))
    return True


def _update(trainer: Trainer, optimizer: Optimizer, vector: Array) -> None:
    update_in_place(
        optimizer,
        trainer.parameters.theta,
        vector,
        trainer.optimizer_state,
        views=trainer.leaf_views,
        blocks=trainer.backend.on_host,
    )


class _Closure:
    """Loss and gradient of one batch, of the parameters as they are; every call draws the same masks.

    Attributes:
        weight: what the mean of the loss was divided by, in the last call.
    """

    def __init__(
        self, trainer: Trainer, optimizer: Optimizer, rows: Rows, number: int, weighed: bool
    ) -> None:
        self.weight: Array | float = 1.0
        self._trainer, self._rows, self._number, self._weighed = trainer, rows, number, weighed
        self._scale = optimizer.loss_scale(trainer.optimizer_state) if isinstance(optimizer, Chain) else None
        self._calls = 0

    def __call__(self) -> tuple[Array, Array]:
        trainer = self._trainer
        # Running statistics are those of the first call, at the parameters that the step starts from.
        with training(trainer.seed, self._number, buffers=self._calls == 0):
            self._calls += 1
            loss = trainer.gradient.value_and_grad(self._loss)
        if self._scale is not None:
            loss = self._plain
        return loss, trainer.gradient.vector

    def finish(self) -> None:
        """After the step: parameters back within their constraints."""
        self._trainer.constrain()

    def _loss(self) -> Array:
        trainer, rows = self._trainer, self._rows
        y_pred = trainer.model(rows.x)
        if self._weighed:
            loss, self.weight = mean_and_weight(trainer.loss, y_pred, rows)
        else:
            loss = trainer.loss(y_pred, rows.y, rows.weight)
        if self._scale is None:
            return loss
        self._plain = plain_value(loss)
        xp = array_namespace(self._scale)
        scale = xp.astype(self._scale, self._plain.dtype, copy=False)
        return array_namespace(loss).multiply(loss, scale)


def mean_and_weight(loss: Loss, y_pred: Array, rows: Rows) -> tuple[Array, Array | float]:
    """The loss of a batch, and what its mean was divided by: the weights of what counts.

    Means with these weights add up to the mean over all batches together, whatever is ignored in each.
    """
    values, weights = loss.terms(y_pred, rows.y)
    value = reduced(values, weights, rows.weight, loss.reduction)
    if loss.reduction == "sum":
        return value, 1.0
    if weights is None and rows.weight is None:
        return value, float(size_of(tuple(values.shape)))
    plain: Any = plain_value(values)
    ones = array_namespace(plain).ones_like(plain) if weights is None else plain_value(weights)
    return value, reduced(ones, None, rows.weight, "sum")

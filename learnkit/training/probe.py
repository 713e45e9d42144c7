"""What is looked at before the first step: one row, by way of the model, the loss and the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnkit.errors import ArgumentError
from learnkit.training.rows import Rows, augmented

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["probe"]


def probe(trainer: Trainer, rows: Rows, *, fitting: bool) -> None:
    """:meth:`Trainer.check`, for a trainer whose parameters are laid out."""
    first = next(rows.slices(1), rows)
    out = trainer.model(first.x)
    if first.y is None:
        return
    shape = (len(rows), *out.shape[1:])
    if fitting:
        trainer.loss = trainer.loss.resolve(shape, rows.y)
        if trainer.augment is not None:
            trainer.augment = trainer.augment.resolve(shape[1:], rows.y)
            few = next(rows.slices(64))
            few = augmented(trainer.augment, few, trainer.seed, trainer.batches_done)
            first = next(few.slices(1))  # its targets may be of another kind: the loss must take them
            trainer.loss.check_targets((len(few), *out.shape[1:]), few.y)
    loss = trainer.loss(out, first.y, first.weight)
    if tuple(loss.shape):
        raise ArgumentError(
            f"Trainer: the loss {trainer.loss!r} gives an array of shape {tuple(loss.shape)}",
            hint="training needs one number: leave out reduction='none'",
        )
    trainer.loss.check_targets(shape, rows.y)
    for metric in trainer.metrics.values():
        metric.sums(out, first.y)

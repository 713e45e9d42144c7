"""The training loop: epochs of batches, validation after each, and what is reported of it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from learnkit.backends.base import Array, array_namespace, size_of
from learnkit.data.batches import permutation
from learnkit.data.splits import random_split, stratified_split
from learnkit.errors import ArgumentError, CallbackError, DataError, DivergedError, LearnkitError
from learnkit.metrics.base import on_host
from learnkit.optim.clip import global_norm
from learnkit.plugins.runs import Run, started
from learnkit.training.callbacks import Callback
from learnkit.training.history import EpochReport, History, StepReport
from learnkit.training.progress import progress_for
from learnkit.training.rows import Rows, place
from learnkit.training.settings import FitSettings, configured, described

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["batches", "evaluate", "fit"]


def fit(
    trainer: Trainer,
    x: Any,
    y: Any,
    *,
    epochs: int,
    batch_size: int,
    validation_data: tuple[Any, Any] | None,
    validation_split: float,
    sample_weight: Any,
    shuffle: bool,
    callbacks: Sequence[Callback],
    verbose: bool,
) -> History:
    """See :meth:`learnkit.training.trainer.Trainer.fit`."""
    settings = configured(trainer, FitSettings(epochs, batch_size, validation_split, shuffle))
    epochs, batch_size, validation_split, shuffle = settings
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise ArgumentError(f"fit: {callback!r} is not a Callback")
    trainer.backend.activate()  # computing threads differ, and CuPy's current device is the thread's
    rows = place(trainer.backend, x, y, sample_weight, dtype=trainer.dtype)
    rows, held_out = _validation(trainer, rows, validation_data, validation_split)
    if not len(rows):
        raise DataError("fit got 0 training rows, expected at least 1")
    trainer.check(rows, fitting=True)
    if held_out is not None:
        trainer.check(held_out)
    steps = math.ceil(math.ceil(len(rows) / batch_size) / trainer.batches_in_a_step)
    last_epoch = trainer.epochs_done + epochs
    trainer.schedule(trainer.steps_done + epochs * steps, steps)
    trainer.stop_reason = None
    if verbose:
        callbacks = [*callbacks, progress_for(last_epoch, steps)]
    products = _largest_product(trainer, rows, batch_size)
    with (
        started(trainer, lambda run: described(trainer, run, settings, len(rows), last_epoch, steps)) as run,
        trainer.backend.threads_for(products),
    ):
        trainer.note_kernels()
        _call(callbacks, "on_fit_begin", trainer)
        try:
            while trainer.epochs_done < last_epoch and trainer.stop_reason is None:
                start = time.perf_counter()
                loss = _train_epoch(trainer, rows, batch_size, shuffle, callbacks, run)
                if held_out is not None or trainer.metrics:
                    values = evaluate(trainer, rows if held_out is None else held_out, max(batch_size, 1024))
                else:
                    values = {}
                trainer.epochs_done += 1
                report = _report(trainer, last_epoch, loss, values, held_out is not None, len(rows), start)
                trainer.history.epochs.append(report)
                trainer.observe(report.numbers())
                _call(callbacks, "on_epoch_end", trainer, report)
                run.epoch_ended(report)
        finally:
            _call(callbacks, "on_fit_end", trainer, trainer.history)
    return trainer.history


def _largest_product(trainer: Trainer, rows: Rows, batch_size: int) -> int:
    """Multiplications of the largest product of a batch with a matrix of parameters.

    A leaf with more axes than a matrix, such as a convolution's, meets a row more than once; how often is not
    asked here, and its product counts as large.
    """
    shapes = [leaf.shape for leaf in trainer.model.parameters().values()]
    if any(len(shape) > 2 for shape in shapes):
        return sys.maxsize
    largest = max((size_of(shape) for shape in shapes if len(shape) == 2), default=0)
    return min(batch_size, len(rows)) * size_of(tuple(rows.x.shape[1:-1])) * largest


def evaluate(trainer: Trainer, rows: Rows, batch_size: int) -> dict[str, Any]:
    """Loss and metrics over all rows, in inference mode; waits for the device once, at the end."""
    sums = _Sums(trainer)
    with trainer.backend.quiet(), trainer.averaged_weights():
        for batch in rows.slices(batch_size):
            out = trainer.model(batch.x)
            sums.add_loss(trainer.loss(out, batch.y, batch.weight), len(batch))
            sums.add_metrics(out, batch.y)
    return {"loss": sums.loss(), **sums.metrics()}


class _Sums:
    """What adds up over the batches of an epoch, on the device."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._loss: Any = 0.0
        self._rows: Any = 0
        self._metrics: dict[str, tuple[Array, ...]] = {}

    def add_loss(self, loss: Array, n: int) -> None:
        """A batch's mean loss, weighted by its rows, added in double precision."""
        self._loss = self._loss + (float(loss) if self._trainer.backend.on_host else _wide(loss)) * n
        self._rows = self._rows + n

    def add_finite_loss(self, loss: Array, n: int) -> None:
        """The same for a batch whose update is left out if its loss is not finite: it does not count then."""
        xp = array_namespace(loss)
        finite = xp.isfinite(loss)
        self._loss = self._loss + _wide(xp.where(finite, loss, xp.zeros_like(loss))) * n
        self._rows = self._rows + xp.astype(finite, xp.int64) * n

    def add_metrics(self, y_pred: Array, y_true: Array) -> None:
        for name, metric in self._trainer.metrics.items():
            new = metric.sums(y_pred, y_true)
            old = self._metrics.get(name)
            self._metrics[name] = new if old is None else metric.combine(old, new)

    def loss(self) -> float:
        rows = float(self._rows)
        return float(self._loss) / rows if rows else math.nan

    def metrics(self) -> dict[str, Any]:
        """A number for each metric, or nested lists of numbers; waits for the device."""
        return {
            name: _plain(metric.compute(on_host(self._metrics[name])))
            for name, metric in self._trainer.metrics.items()
        }


def _wide(loss: Array) -> Array:
    xp = array_namespace(loss)
    return xp.astype(loss, xp.float64, copy=False)


def _plain(value: Any) -> Any:
    """An array as nested lists of numbers, which compare, print and can be written as JSON."""
    return value if type(value) is float else value.tolist() if hasattr(value, "tolist") else float(value)


def _train_epoch(
    trainer: Trainer,
    rows: Rows,
    batch_size: int,
    shuffle: bool,
    callbacks: Sequence[Callback],
    run: Run,
) -> float:
    """One pass over the training rows: the mean loss."""
    wants_steps = [c for c in callbacks if type(c).on_step_end is not Callback.on_step_end]
    reports_steps = bool(wants_steps) or run.wants_steps
    sums = _Sums(trainer)
    tolerant = trainer.may_skip
    done = trainer.steps_done
    loss: Any = None
    for batch in batches(trainer, rows, batch_size, shuffle):
        loss = trainer.step_rows(batch)
        if tolerant:
            sums.add_finite_loss(loss, len(batch))
        else:
            sums.add_loss(loss, len(batch))
            if trainer.backend.on_host and not math.isfinite(float(loss)):
                raise _diverged(trainer, float(loss))
        if reports_steps and trainer.steps_done > done:
            done = trainer.steps_done
            _report_step(trainer, loss, wants_steps, run)
    if trainer.flush() and reports_steps:
        _report_step(trainer, loss, wants_steps, run)
    mean = sums.loss()
    if not math.isfinite(mean):
        raise _diverged(trainer, mean)
    return mean


def _report_step(trainer: Trainer, loss: Array, callbacks: Sequence[Callback], run: Run) -> None:
    step = trainer.steps_done
    report = StepReport(step, trainer.epochs_done + 1, loss, trainer.lr_at(step - 1))
    _call(callbacks, "on_step_end", trainer, report)
    run.step_ended(report)


def batches(trainer: Trainer, rows: Rows, batch_size: int, shuffle: bool) -> Iterator[Rows]:
    """The batches of the next epoch; the whole order goes to the device in one transfer."""
    if not shuffle:
        yield from rows.slices(batch_size)
        return
    order = trainer.backend.asarray(permutation(len(rows), trainer.seed, trainer.epochs_done))
    for start in range(0, len(rows), batch_size):
        yield rows.take(order[start : min(start + batch_size, len(rows))])


def _validation(
    trainer: Trainer, rows: Rows, data: tuple[Any, Any] | None, fraction: float
) -> tuple[Rows, Rows | None]:
    """The training rows, and the rows to validate on if there are any."""
    if data is not None and fraction:
        raise ArgumentError("fit: validation_data and validation_split are both given; expected one of them")
    if data is not None:
        if not (isinstance(data, (tuple, list)) and len(data) == 2):
            raise ArgumentError("fit: validation_data must be a pair (x, y)")
        held_out = place(trainer.backend, data[0], data[1], dtype=trainer.dtype)
        if not len(held_out):
            raise DataError("fit: validation_data has 0 rows, expected at least 1")
        return rows, held_out
    if not fraction:
        return rows, None
    backend = trainer.backend
    labels = None
    if rows.y is not None and len(rows.y.shape) == 1 and backend.xp.isdtype(rows.y.dtype, "integral"):
        labels = backend.to_numpy(rows.y)
    if labels is None:
        train, held = random_split(len(rows), [fraction], trainer.seed)
    else:
        train, held = stratified_split(labels, [fraction], trainer.seed)
    return rows.take(backend.asarray(train)), rows.take(backend.asarray(held))


def _report(
    trainer: Trainer,
    epochs: int,
    loss: float,
    values: dict[str, Any],
    validated: bool,
    rows: int,
    start: float,
) -> EpochReport:
    val_loss = values["loss"] if validated else None
    monitored = loss if val_loss is None else val_loss
    values_before = [r.loss if r.val_loss is None else r.val_loss for r in trainer.history.epochs]
    earlier = [v for v in values_before if not math.isnan(v)]
    return EpochReport(
        epoch=trainer.epochs_done,
        epochs=epochs,
        step=trainer.steps_done,
        loss=loss,
        val_loss=val_loss,
        metrics={k: v for k, v in values.items() if k != "loss"},
        lr=trainer.lr_at(trainer.steps_done - 1),
        grad_norm=_gradient_norm(trainer),
        seconds=time.perf_counter() - start,
        rows=rows,
        best=monitored < min(earlier, default=math.inf),
    )


def _diverged(trainer: Trainer, loss: float) -> DivergedError:
    step = trainer.steps_done
    norm = _gradient_norm(trainer)
    return DivergedError(
        f"the loss is {loss} at step {step} (epoch {trainer.epochs_done + 1}, "
        f"lr {trainer.lr_at(step - 1):.3g}, gradient norm {norm:.3g})",
        hint="take a smaller learning rate, clip the gradient with "
        "chain(ClipByGlobalNorm(1.0), optimizer), or look for extreme values in the data",
    )


def _gradient_norm(trainer: Trainer) -> float:
    with trainer.backend.quiet():
        return float(global_norm([trainer.gradient.vector]))


def _call(callbacks: Sequence[Callback], hook: str, *arguments: Any) -> None:
    for callback in callbacks:
        with _named(callback, hook):
            getattr(callback, hook)(*arguments)


@contextmanager
def _named(callback: Callback, hook: str) -> Iterator[None]:
    """What a callback raises, unless it is an error of learnkit's own, with the callback's name."""
    try:
        yield
    except LearnkitError:
        raise
    except Exception as error:
        name = type(callback).__name__
        raise CallbackError(f"callback {name} failed in {hook}: {type(error).__name__}: {error}") from error

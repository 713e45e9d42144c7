"""Trainer: a model, a loss and an optimizer on a backend, and the loop that makes them learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from learnkit.augment.base import Augmentation, augmentation
from learnkit.backends.base import Array, Backend, array_namespace, get_backend
from learnkit.errors import ArgumentError, DataError, ShapeError
from learnkit.losses.base import Loss
from learnkit.metrics.base import Metric
from learnkit.nn.constraints import apply_to, constrained
from learnkit.nn.gradient import GradientVector
from learnkit.nn.module import Module, frozen_count
from learnkit.nn.scope import training
from learnkit.nn.vector import ParameterVector, initialize
from learnkit.optim.accumulate import Accumulate
from learnkit.optim.base import Optimizer, State
from learnkit.optim.compose import Chain, chain
from learnkit.optim.engine import init_state, update_in_place
from learnkit.schedules.base import Run, fill_in
from learnkit.training import loop
from learnkit.training.callbacks import Callback
from learnkit.training.components import component, named_metrics
from learnkit.training.history import History
from learnkit.training.planned import Planned
from learnkit.training.probe import probe
from learnkit.training.rows import Rows, as_features, augmented, check_at_least_one, place
from learnkit.training.saved import Saved
from learnkit.training.special import flush, is_special, special_step
from learnkit.training.weights import Weights

__all__ = ["Trainer"]


_NOTHING: AbstractContextManager[None] = nullcontext()


class Trainer(Planned, Weights, Saved):
    """Trains a model.

    A run is a pure function of (code, data, seed): the start values, the order of the batches and the
    dropout masks are all drawn from ``seed``, the epoch and the step.

    Args:
        model: a :class:`~learnkit.nn.Module`. Its parameters are laid out in one vector on the backend;
            those that have no values yet get their start values.
        loss: a :class:`~learnkit.losses.Loss`, or a name with options, ``"huber:delta=2"``.
        optimizer: an :class:`~learnkit.optim.Optimizer`, a ``chain(...)``, or a name with options.
            Default ``"adam"`` with lr 1e-3.
        metrics: metrics or names, ``["accuracy"]``.
        backend, device: where to train, ``"cupy"``, ``"torch"``; default the one in force
            (``use_backend``, ``LEARNKIT_BACKEND``, else NumPy).
        dtype: ``"float32"`` (default) or ``"float64"``. Features are cast to it.
        seed: an integer >= 0.
        callbacks: called during every fit.
        accumulate: batches in an update, >= 1; their gradients are averaged by what counts in them, so that
            the update is that of one large batch. ``chain(Accumulate(4), optimizer)`` says the same.
        augment: what is done to each batch that a step trains on, and to no other: an
            :class:`~learnkit.augment.Augmentation`, a name with options, ``"jitter:std=0.1"``, or a list of
            them.

    Attributes:
        history: the epochs so far.
        steps_done, epochs_done: counts over the whole run.

    Raises:
        ArgumentError: an argument is of a wrong kind; UnknownNameError for an unknown name.
        MissingDependencyError, BackendError: the backend cannot be used.

    >>> import numpy as np, learnkit as lk
    >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> trainer = lk.Trainer(lk.nn.Linear(1, 1), loss="mse", optimizer="adam:lr=0.1", metrics=["r2"])
    >>> history = trainer.fit(x, 3 * x + 1, epochs=60, batch_size=16, verbose=False)
    >>> history["r2"][-1] > 0.99
    True
    """

    def __init__(
        self,
        model: Module,
        loss: Loss | str | Mapping[str, Any],
        optimizer: Optimizer | str | Mapping[str, Any] = "adam",
        *,
        metrics: Sequence[Metric | str | Mapping[str, Any]] = (),
        backend: str | Backend | None = None,
        device: str | None = None,
        dtype: str = "float32",
        seed: int = 0,
        callbacks: Sequence[Callback] = (),
        accumulate: int = 1,
        augment: Augmentation | str | Mapping[str, Any] | Sequence[Any] | None = None,
    ) -> None:
        if not isinstance(model, Module):
            raise ArgumentError(f"Trainer: model is {type(model).__name__}, expected a learnkit.nn.Module")
        if type(seed) is not int or seed < 0:
            raise ArgumentError(f"Trainer: seed is {seed!r}, expected an integer >= 0")
        if isinstance(metrics, (str, Metric)):
            metrics = [metrics]
        self.model = model
        self.loss = component("loss", loss, Loss)
        self.optimizer = component("optimizer", optimizer, Optimizer)
        check_at_least_one("Trainer", "accumulate", accumulate)
        if accumulate > 1:
            reduce: Literal["mean", "sum"] = "sum" if self.loss.reduction == "sum" else "mean"
            self.optimizer = chain(Accumulate(accumulate, reduce), self.optimizer)
        self.metrics = named_metrics(metrics)
        self.augment = None if augment is None or augment in ([], ()) else augmentation(augment)
        self.callbacks = list(callbacks)
        self.seed = seed
        self.dtype = dtype
        self.backend = get_backend(backend, device)
        self.backend.activate()
        self.kernels: list[dict[str, Any]] = []
        self.history = History()
        self.epochs_done = 0
        self.total_steps: int | None = None
        self.steps_per_epoch: int | None = None
        self.stop_reason: str | None = None
        self.optimizer_state = State()
        self._scheduled = self.optimizer
        self._waiting = True
        if not model.unknown_sizes():
            self.lay_out()

    def lay_out(self, x: Any = None) -> None:
        """Make the vector of parameters, the gradient and the optimizer's state, if that is still to be done.

        It is done at once unless a layer takes its size from its input, as ``Linear(None, 10)``; then the
        first batch that is seen does it.

        Args:
            x: that batch.
        """
        if not self._waiting:
            return
        self.parameters: ParameterVector = initialize(
            self.model, self.seed, x=x, backend=self.backend, dtype=self.dtype
        )
        self.gradient = GradientVector(self.model, self.parameters)
        self._known_views = [
            (vector, list(self.parameters.layout.views(vector).values()))
            for vector in (self.parameters.theta, self.gradient.vector)
        ]
        self._arm()
        self.optimizer_state = init_state(self._running, self.parameters.theta, self.parameters.layout)
        self._constrained = constrained(self.model)
        self._waiting = False

    def _arm(self) -> None:
        """Work out what a step runs: the optimizer with the length of the run, without frozen leaves."""
        self._armed_for = self._scheduled
        self._freezes = frozen_count()
        paths = tuple(p for p, leaf in self.model.parameters().items() if not leaf.trainable)
        self._running = self._scheduled.freeze(paths) if paths else self._scheduled
        still = self._running.frozen(self.parameters.layout)
        self.gradient.freeze(
            []
            if still is None
            else [path for path, stays in zip(self.parameters.layout.paths, still, strict=True) if stays]
        )
        self._special = is_special(self._running)
        self._forget_plans()

    def _current(self) -> Optimizer:
        """The optimizer that a step made now would run."""
        if self._armed_for is not self._scheduled or self._freezes != frozen_count():
            self._arm()
        return self._running

    def constrain(self) -> None:
        """Bring parameters with a constraint back within it, as after each update."""
        for leaf in self._constrained:
            apply_to(leaf)

    def __getattr__(self, name: str) -> Any:
        if name in ("parameters", "gradient"):
            raise ArgumentError(
                f"Trainer: the model has no {name} yet: a layer takes its size from the first batch",
                hint="fit, step, evaluate or predict first, or give the size as a number",
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def steps_done(self) -> int:
        """Updates made so far."""
        return self.optimizer_state.step

    @property
    def batches_in_a_step(self) -> int:
        """How many batches make an update; more than one with ``accumulate``."""
        gathers = self.optimizer.accumulate if isinstance(self.optimizer, Chain) else None
        return 1 if gathers is None else gathers.every

    @property
    def batches_done(self) -> int:
        """Batches trained on so far: what random numbers of a batch are drawn by."""
        return self.steps_done * self.batches_in_a_step + self.optimizer_state.pending

    @property
    def may_skip(self) -> bool:
        """Whether the optimizer leaves out updates whose gradient is not finite, so that the run goes on."""
        return isinstance(self.optimizer, Chain) and self.optimizer.may_skip

    # One step

    def step(self, x: Any, y: Any, sample_weight: Any = None) -> Array:
        """One training step on one batch.

        Args:
            x, y, sample_weight: a batch; NumPy arrays are brought to the device.

        Returns:
            The loss before the update, a 0-d array on the device; ``float(loss)`` waits for it.
        """
        self.backend.activate()
        return self.step_rows(place(self.backend, x, y, sample_weight, dtype=self.dtype))

    def step_rows(self, rows: Rows) -> Array:
        """:meth:`step` for a batch that is on the device already."""
        if self._waiting:
            self.lay_out(rows.x)
        if self._armed_for is not self._scheduled or self._freezes != frozen_count():
            self._arm()
        if self.augment is not None:
            rows = augmented(self.augment, rows, self.seed, self.batches_done)
        if self._special:
            with self.backend.quiet():
                return special_step(self, self._running, rows)
        plan = self._plan(rows) if self._plannable else None
        if plan is not None:
            at_once = self._step_at_once(plan, rows)
            if at_once is not None:
                return at_once
            with self.backend.quiet():
                loss = plan.value_and_grad(rows.x, rows.y, rows.weight)
                self._update()
            return loss
        # The update belongs to the step: if it fails, running statistics stay as they were too.
        with self.backend.quiet(), training(self.seed, self.steps_done):
            loss = self.gradient.value_and_grad(lambda: self.loss(self.model(rows.x), rows.y, rows.weight))
            self._update()
        return loss

    def _update(self) -> None:
        """The optimizer's step, for the gradient at hand."""
        update_in_place(
            self._running,
            self.parameters.theta,
            self.gradient.vector,
            self.optimizer_state,
            views=self.leaf_views,
            blocks=self.backend.on_host,
        )
        for leaf in self._constrained:
            apply_to(leaf)

    def flush(self) -> bool:
        """Make the update for the batches accumulated since the last one, as ``fit`` does after an epoch.

        Returns:
            Whether there were any.
        """
        if self._waiting or not self.optimizer_state.pending:
            return False
        with self.backend.quiet():
            flushed = flush(self, self._current())
            self.constrain()
        return flushed

    # A run

    def fit(
        self,
        x: Any,
        y: Any,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: tuple[Any, Any] | None = None,
        validation_split: float = 0.0,
        sample_weight: Any = None,
        shuffle: bool = True,
        early_stopping: Callback | None = None,
        callbacks: Sequence[Callback] = (),
        verbose: bool = True,
    ) -> History:
        """Train for ``epochs`` more epochs.

        Args:
            x: features, (n, ...).
            y: class numbers (n,), numbers (n,) or (n, k), or soft targets, as the loss expects.
            epochs: >= 1. Numbering goes on from earlier fits.
            batch_size: rows in a step, >= 1; the last batch of an epoch holds what is left.
            validation_data: ``(x, y)`` to report on after each epoch.
            validation_split: fraction of the rows to hold out for that instead, in [0, 1): drawn at
                random from the seed, in the share of each class if ``y`` holds class numbers.
            sample_weight: (n,) weights >= 0 of the training rows.
            shuffle: a new order each epoch, a pure function of (seed, epoch).
            early_stopping: for instance ``EarlyStopping(patience=5)``.
            callbacks: for this fit only, after the trainer's own.
            verbose: whether to print one line for each epoch.

        Returns:
            The history of the whole run, all fits together.

        Raises:
            ArgumentError, ShapeError, DataError: an argument does not fit, said before the first step.
            DivergedError: the loss became NaN or infinite.
            CallbackError: a callback raised.
        """
        return loop.fit(
            self,
            x,
            y,
            epochs=epochs,
            batch_size=batch_size,
            validation_data=validation_data,
            validation_split=validation_split,
            sample_weight=sample_weight,
            shuffle=shuffle,
            callbacks=[*self.callbacks, *([early_stopping] if early_stopping else []), *callbacks],
            verbose=verbose,
        )

    def evaluate(self, x: Any, y: Any, *, batch_size: int = 1024) -> dict[str, Any]:
        """Loss and metrics on ``(x, y)`` in inference mode, as ``{"loss": ..., "accuracy": ...}``.

        A metric of many numbers, such as a confusion matrix, is given as nested lists.
        """
        check_at_least_one("evaluate", "batch_size", batch_size)
        self.backend.activate()
        rows = place(self.backend, x, y, dtype=self.dtype)
        if not len(rows):
            raise DataError("evaluate got 0 rows, expected at least 1")
        self.check(rows)
        return loop.evaluate(self, rows, batch_size)

    def predict(self, x: Any, *, batch_size: int = 1024) -> Any:
        """The model's outputs for ``x``, in inference mode: logits for a classifier.

        Returns:
            An array of the kind of ``x``: of the backend if ``x`` is, otherwise NumPy.
        """
        check_at_least_one("predict", "batch_size", batch_size)
        self.backend.activate()
        features = as_features(self.backend, x, self.dtype)
        if not features.shape:
            raise ShapeError("x is a single number, expected an array with one row for each example")
        self.lay_out(features)
        n = features.shape[0]
        forward = self._forward_plan(features) or self.model
        with self.averaged_weights() if self.optimizer.averages else _NOTHING:
            if n <= batch_size:
                out = forward(features)
            else:
                starts = range(0, n, batch_size)
                parts = [forward(features[i : min(i + batch_size, n), ...]) for i in starts]
                out = array_namespace(parts[0]).concat(parts, axis=0)
        kept = type(x) is type(features) and not isinstance(x, (list, tuple))
        return out if kept else self.backend.to_numpy(out)

    # What callbacks and the loop use

    def stop(self, reason: str) -> None:
        """End the running fit after this epoch."""
        self.stop_reason = reason

    def schedule(self, total_steps: int, steps_per_epoch: int | None = None) -> None:
        """Fill the length of the run, and of an epoch, into the optimizer's schedules.

        A run that was planned longer keeps its plan, so that an interrupted run goes on as it was.
        """
        self.total_steps = max(self.total_steps or 0, total_steps)
        self.steps_per_epoch = steps_per_epoch or self.steps_per_epoch
        self._scheduled = fill_in(self.optimizer, self.total_steps, self.steps_per_epoch)

    def observe(self, values: Mapping[str, float]) -> None:
        """Let the optimizer's schedules see how the training goes; ``fit`` does after each epoch.

        ``ReduceOnPlateau`` looks; the optimizer is then replaced by one that knows what it saw.

        Args:
            values: ``"loss"``, ``"val_loss"`` and metrics by name.
        """
        larger = {name for name, metric in self.metrics.items() if metric.larger_is_better}
        run = Run(self.total_steps, self.steps_per_epoch, larger)
        new = self.optimizer.observe(values, self.steps_done, run)
        if new is not self.optimizer:
            self.optimizer = self._scheduled = new
            if self.total_steps is not None:
                self.schedule(self.total_steps)

    def lr_at(self, step: int) -> float:
        """The learning rate of step number ``step``, counted from 0."""
        return float(self._scheduled.lr_at(step))

    def check(self, rows: Rows, *, fitting: bool = False) -> None:
        """Run one row through the model and the loss, and look at all targets, before anything else does.

        Args:
            fitting: whether these are the training rows; a loss that depends on them, such as one with
                balanced class weights, is then filled in for good.

        Raises:
            ShapeError, DataError: they do not fit.
            ArgumentError: the loss is no single number.
        """
        with self.backend.quiet():
            self.lay_out(rows.x)
            probe(self, rows, fitting=fitting)

    def __repr__(self) -> str:
        size = "a yet unknown number of" if self._waiting else self.parameters.layout.size
        return f"<Trainer of {size} parameters, {self.epochs_done} epochs done, {self.backend.name}>"

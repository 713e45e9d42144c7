"""From a configuration to a model, a loss and an optimizer, and the defaults that depend on the data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from learnkit.augment import Augmentation, augmentation
from learnkit.backends import get_backend
from learnkit.backends.base import Backend
from learnkit.config import RunConfig, Spec
from learnkit.errors import ArgumentError, LearnkitError
from learnkit.losses.base import Loss
from learnkit.metrics import Metric
from learnkit.nn import Constraint, Dropout, Linear, Module, Sequential
from learnkit.nn.init import Initializer
from learnkit.optim import (
    Accumulate,
    Chain,
    ClipByGlobalNorm,
    Groups,
    LossScale,
    SkipNonFinite,
    Transform,
    chain,
)
from learnkit.optim.base import Optimizer
from learnkit.plugins import registry
from learnkit.plugins.construct import signature_of
from learnkit.plugins.spec import parse_spec
from learnkit.schedules.base import Schedule
from learnkit.schedules.named import gives_peak, peak_field, with_peak
from learnkit.training import Callback

__all__ = [
    "Named",
    "check_components",
    "make_augmentation",
    "make_callbacks",
    "make_loss",
    "make_metrics",
    "make_model",
    "make_optimizer",
    "settled",
]

#: Transforms that clipping comes after.
_MAKE_GRADIENT = (Accumulate, LossScale, SkipNonFinite)

#: The peak learning rate of the default optimizer.
PEAK = 5e-3
#: Steps that a small data set is trained for, within the limits on epochs.
STEPS = 1600
EPOCHS = (20, 100)
BATCHES = (16, 512)
#: The metrics that are reported of a task anyway.
REPORTED = {"classification": ("accuracy",), "regression": ("rmse", "mae", "r2")}
#: Rows from which on a regression needs no dropout: there are more of them than a network remembers.
MANY_ROWS = 10_000


@dataclass(frozen=True)
class Defaults:
    """What depends on the number of training rows and the task, and on nothing else of the data."""

    rows: int
    task: str

    def batch_size(self) -> int:
        """The power of two nearest to the square root of the rows: many steps for few rows, large
        matrices for many."""
        power = 1 << round(math.log2(self.rows) / 2)
        return min(max(BATCHES[0], min(BATCHES[1], power)), self.rows)

    def epochs(self, batch_size: int) -> int:
        return max(EPOCHS[0], min(EPOCHS[1], round(STEPS / math.ceil(self.rows / batch_size))))

    def dropout(self) -> float:
        return 0.0 if self.task == "regression" and self.rows >= MANY_ROWS else 0.1

    def weight_decay(self) -> float:
        """The fewer rows there are, the more the weights are held back."""
        return round(min(2.0, max(0.01, 1000 / self.rows)), 4)


def settled(config: RunConfig, rows: int, task: str, backend: str, loss: Spec | None = None) -> RunConfig:
    """The configuration with every choice made, so that it repeats the run whatever the defaults become.

    Args:
        rows: training rows, >= 1.
        task: ``"classification"`` or ``"regression"``.
        backend: the name of the one in use.
        loss: what the training targets suggest, for a configuration without a loss.

    Raises:
        ArgumentError: the batch size is more than ``rows``.
    """
    if config.batch_size is not None and config.batch_size > rows:
        raise ArgumentError(
            f"{config.label('batch_size')} is {config.batch_size}, more than the {rows:,} training rows"
        )
    defaults = Defaults(rows, task)
    batch_size = config.batch_size or defaults.batch_size()
    optimizer, lr = config.optimizer, config.lr
    if optimizer is None:
        optimizer = f"adamw:weight_decay={defaults.weight_decay()}"
        with Named(config, "schedule"):
            lr = PEAK if lr is None and not gives_peak(config.schedule) else lr
    elif lr is None:
        with Named(config, "optimizer"):
            own = getattr(registry.create("optimizer", optimizer), "lr", None)
        with Named(config, "schedule"):
            given = "lr" in _options(optimizer) or gives_peak(config.schedule)
        lr = own if isinstance(own, float) and not given else None
    return dataclasses.replace(
        config,
        task=task,
        loss=config.loss or loss or ("cross_entropy" if task == "classification" else "mse"),
        optimizer=optimizer,
        lr=lr,
        dropout=defaults.dropout() if config.dropout is None else config.dropout,
        batch_size=batch_size,
        epochs=config.epochs or defaults.epochs(batch_size),
        backend=backend,
    )


def check_components(config: RunConfig) -> Backend:
    """Make everything that the configuration names, before any data is read.

    Returns:
        The backend.

    Raises:
        ArgumentError: a name or an option is wrong; the message names where it was given.
        BackendError, MissingDependencyError: the backend cannot be used.
    """
    example = settled(
        dataclasses.replace(config, batch_size=None), 1000, config.task or "regression", "numpy"
    )
    make_model(example, 1, 1)
    make_loss(example)
    make_optimizer(example)
    make_metrics(example)
    make_callbacks(example)
    make_augmentation(example)
    with Named(config, "backend"):
        return get_backend(config.backend, config.device)


def make_model(config: RunConfig, n_features: int, n_outputs: int) -> Sequential:
    """A network of fully connected layers; its output starts at 0, the mean of a standardised target."""
    layers: list[Module] = []
    width = n_features
    options: dict[str, Any] = {}
    if config.init is not None:
        with Named(config, "init"):
            options["weight_init"] = _made("initializer", config.init, Initializer)
    if config.constraint is not None:
        with Named(config, "constraint"):
            options["weight_constraint"] = _made("constraint", config.constraint, Constraint)
    for hidden in config.hidden:
        layers.append(Linear(width, hidden, **options))
        if config.layer is not None:
            with Named(config, "layer"):
                layers.append(_made_layer(config.layer, hidden))
        with Named(config, "activation"):
            layers.append(_made("activation", config.activation, Module))
        if config.dropout:
            layers.append(Dropout(config.dropout))
        width = hidden
    return Sequential(*layers, Linear(width, n_outputs, weight_init="zeros"))


def _made_layer(spec: Spec, width: int) -> Module:
    """A layer that keeps the width; the first option that must be given is the width."""
    name, options = parse_spec(spec) if isinstance(spec, str) else (str(spec["name"]), dict(spec))
    parameters = signature_of(registry.get("layer", name)).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    missing = [needed[0]] if needed and needed[0] not in options else []
    layer: Module = _made("layer", spec, Module, **dict.fromkeys(missing, width))
    return layer


def make_metrics(config: RunConfig, task: str | None = None) -> list[Metric]:
    """The metrics that are reported beside those of the task, which are there anyway.

    Raises:
        ArgumentError: one is unknown, or an option of it is wrong.
    """
    with Named(config, "metric"):
        return [
            _made("metric", spec, Metric)
            for spec in config.metric
            if not (isinstance(spec, str) and spec in REPORTED.get(task or "", ()))
        ]


def make_callbacks(config: RunConfig) -> list[Callback]:
    """The callbacks that were asked for, in their order.

    Raises:
        ArgumentError: one is unknown, or an option of it is wrong.
    """
    with Named(config, "callback"):
        return [_made("callback", spec, Callback) for spec in config.callback]


def make_augmentation(config: RunConfig) -> Augmentation | None:
    """What is done to each training batch, if anything.

    Raises:
        ArgumentError: one is unknown, or an option of it is wrong.
    """
    with Named(config, "augment"):
        return augmentation(config.augment) if config.augment else None


def make_loss(config: RunConfig) -> Loss:
    """The loss.

    Raises:
        ArgumentError: it is unknown, or an option of it is wrong.
    """
    with Named(config, "loss"):
        loss: Loss = _made("loss", config.loss, Loss)
        return loss


def make_optimizer(config: RunConfig) -> Optimizer:
    """The optimizer, with the schedule as its learning rate and the clipping in front.

    Raises:
        ArgumentError: a component is unknown, or the learning rate is given twice.
    """
    assert config.optimizer is not None
    with Named(config, "optimizer"):
        if config.lr is not None and "lr" in _options(config.optimizer):
            raise ArgumentError(
                f"the learning rate is given twice, in the optimizer and as {config.label('lr')}",
                hint="leave one of them out",
            )
        optimizer: Optimizer = _made("optimizer", config.optimizer, Optimizer)
    if config.transform:
        with Named(config, "transform"):
            optimizer = chain(*(_made("transform", t, Transform) for t in config.transform), optimizer)
    peak = getattr(optimizer, "lr", None) if config.lr is None else config.lr
    if not isinstance(peak, Schedule):
        with Named(config, "schedule"):
            schedule = _made_schedule(config.schedule, peak, config)
        with Named(config, "optimizer"):
            optimizer = _with_lr(optimizer, schedule)
    return _clipped(optimizer, float(config.clip)) if config.clip else optimizer


def _made_schedule(spec: Spec, peak: Any, config: RunConfig) -> Schedule:
    """The schedule; the first field of its class is the peak."""
    if config.lr is not None and gives_peak(spec):
        peak_of = peak_field(spec)
        by = f"as {peak_of} of" if peak_of else "by"
        raise ArgumentError(
            f"the learning rate is given twice, {by} the schedule and as {config.label('lr')}",
            hint="leave one of them out",
        )
    schedule = with_peak(spec, peak)
    if not isinstance(schedule, Schedule):
        raise ArgumentError(f"schedule {spec!r} is {type(schedule).__name__}, expected a Schedule")
    return schedule


def _clipped(optimizer: Optimizer, max_norm: float) -> Optimizer:
    """Clipping in front of the rule, behind what makes the gradient: gathered, unscaled and finite.

    A rule that asks for gradients itself, such as L-BFGS, is left alone: its line search needs true slopes.
    """
    parts = optimizer.transforms if isinstance(optimizer, Chain) else ()
    rule = optimizer.rule if isinstance(optimizer, Chain) else optimizer
    if type(rule).step_leaves is not Optimizer.step_leaves and not isinstance(rule, Groups):
        return optimizer
    first = next((i for i, t in enumerate(parts) if not isinstance(t, _MAKE_GRADIENT)), len(parts))
    return chain(*parts[:first], ClipByGlobalNorm(max_norm), *parts[first:], rule)


def _with_lr(optimizer: Optimizer, lr: Schedule) -> Optimizer:
    if isinstance(optimizer, Chain):
        return Chain(optimizer.transforms, _with_lr(optimizer.rule, lr))
    if isinstance(optimizer, Groups):  # those that have a rate of their own keep it
        return Groups(_with_lr(optimizer.rule, lr), optimizer.patterns)
    return dataclasses.replace(optimizer, lr=lr)  # type: ignore[call-arg]


def _options(spec: Spec) -> Mapping[str, Any]:
    return parse_spec(spec)[1] if isinstance(spec, str) else spec


def _made(kind: str, spec: Any, base: type, **defaults: Any) -> Any:
    made = registry.create(kind, spec, **defaults)
    if not isinstance(made, base):
        raise ArgumentError(f"{kind} {spec!r} is {type(made).__name__}, expected a {base.__name__}")
    return made


class Named:
    """Puts in front of an error where the option came from: ``--optimizer: unknown optimizer 'adm'``."""

    def __init__(self, config: RunConfig, name: str) -> None:
        self._label = config.origin.get(name)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self._label and isinstance(error, LearnkitError) and not error.message.startswith(self._label):
            error.message = f"{self._label}: {error.message}"
            error.args = (error.message,)

"""Everything a plugin can do, on one page: what it registers, and what it sees of a training run.

A plugin is a module (or any object) with functions of these names.

**Registration hooks** offer components. Each is called with one argument, ``register``, and calls it once
for every component it offers::

    # learnkit_wave.py
    from learnkit.losses import Loss

    class Wave(Loss): ...

    def learnkit_register_losses(register):
        register("wave", Wave)

    # pyproject.toml
    [project.entry-points.learnkit]
    wave = "learnkit_wave"

After ``pip install`` the name ``"wave"`` stands wherever a loss is named, with its options:
``"wave:delta=2"``. The functions of an installed plugin are called together, the first time that some name
is not built in, or that components are listed; so asking for ``"adam"`` imports no plugin. A plugin that
raises, needs another version of learnkit, or offers a name that is taken is left out as a whole and recorded
(:class:`~learnkit.plugins.records.PluginRecord`); it never stops the program.

The factory is a class, or a function that returns the component. It is called with the options as
keyword arguments, so their names and defaults are read from its signature; a factory that refuses
a value raises :class:`~learnkit.errors.ArgumentError`. Register the class itself where you can:
only then can a component be described, saved and loaded again. A loss, metric, activation, schedule,
optimizer or augmentation may be a plain function, ``f(y_pred, y_true, *, delta=1.0)``, which becomes a
class of its own (:mod:`learnkit.plugins.functions`).

**Lifecycle hooks** see every run in the process, whoever started it: ``learnkit train`` or
``Trainer.fit`` in a notebook. They are announced in an entry-point group of their own, so that a run imports
only the plugins that asked to see it; a module with hooks of both sorts stands in both groups::

    # learnkit_track.py
    def learnkit_epoch_ended(trainer, report):
        print(report.epoch, report.loss)

    # pyproject.toml
    [project.entry-points."learnkit.runs"]
    track = "learnkit_track"

They are imported when the first run starts, and called in the order of their names. One that raises costs
one line on stderr and is switched off for the rest of the process; the run goes on
(:mod:`learnkit.plugins.runs`).

A hook may leave out arguments that it does not need. The decorator :data:`hookimpl` is welcome and not
needed: a function whose name begins with ``learnkit_`` is taken as a hook, and one that is not on this page
is an error. Import heavy libraries inside your components and hooks rather than at the top of the plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    from learnkit.plugins.runs import RunInfo
    from learnkit.training.history import EpochReport, History, StepReport
    from learnkit.training.trainer import Trainer

__all__ = ["HOOKS", "KINDS", "LIFECYCLE", "Register", "hookimpl"]

hookspec = pluggy.HookspecMarker("learnkit")

#: Marks a function as a hook implementation. Only needed for pluggy's options, such as ``specname``.
hookimpl = pluggy.HookimplMarker("learnkit")


class Register(Protocol):
    """What a registration hook is given: call it once for each component."""

    def __call__(self, name: str, factory: Callable[..., Any]) -> None:
        """Offer ``factory`` under ``name``.

        Args:
            name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
            factory: a class, or a function that returns the component; for a loss, metric, activation,
                schedule, optimizer or augmentation also the function itself, see
                :mod:`learnkit.plugins.functions`.

        Raises:
            PluginError: the name is malformed or taken, or the factory cannot be called.
        """


@hookspec
def learnkit_register_activations(register: Register) -> None:
    """Offer elementwise nonlinearities: ``register("snake", Snake)``.

    Args:
        register: takes a name and a class whose objects map an array to one of the same shape, such as a
            subclass of ``learnkit.nn.Module``.
    """


@hookspec
def learnkit_register_layers(register: Register) -> None:
    """Offer layers: ``register("linear", Linear)``.

    Args:
        register: takes a name and a subclass of ``learnkit.nn.Module``.
    """


@hookspec
def learnkit_register_initializers(register: Register) -> None:
    """Offer ways to draw a layer's first weights: ``register("orthogonal", Orthogonal)``.

    Args:
        register: takes a name and an initializer class of the kind in ``learnkit.nn.init``.
    """


@hookspec
def learnkit_register_losses(register: Register) -> None:
    """Offer losses: ``register("wave", Wave)``.

    Args:
        register: takes a name and a subclass of ``learnkit.losses.Loss``, a frozen dataclass whose
            ``per_example(y_pred, y_true)`` is written in standard array code.
    """


@hookspec
def learnkit_register_optimizers(register: Register) -> None:
    """Offer optimizers: ``register("lion", Lion)``.

    Args:
        register: takes a name and a subclass of ``learnkit.optim.Optimizer``, a frozen dataclass
            with ``update(theta, grad, *slots, lr, step)``.
    """


@hookspec
def learnkit_register_transforms(register: Register) -> None:
    """Offer what is done to a gradient before the optimizer sees it: ``register("clip", Clip)``.

    Args:
        register: takes a name and a class whose objects ``learnkit.optim.chain`` accepts in front
            of an optimizer.
    """


@hookspec
def learnkit_register_constraints(register: Register) -> None:
    """Offer what a parameter is brought back to after each update: ``register("unit_norm", UnitNorm)``.

    Args:
        register: takes a name and a subclass of ``learnkit.nn.Constraint``, a frozen dataclass whose
            ``__call__(w)`` is written in standard array code.
    """


@hookspec
def learnkit_register_schedules(register: Register) -> None:
    """Offer learning-rate schedules: ``register("cosine", Cosine)``.

    Args:
        register: takes a name and a subclass of ``learnkit.schedules.Schedule``, a frozen dataclass
            that maps a step, counted from 0, to a float.
    """


@hookspec
def learnkit_register_metrics(register: Register) -> None:
    """Offer metrics: ``register("accuracy", Accuracy)``.

    Args:
        register: takes a name and a metric class of the kind in ``learnkit.metrics``.
    """


@hookspec
def learnkit_register_callbacks(register: Register) -> None:
    """Offer what watches a training run that asks for it: ``register("csvlog", CsvLog)``.

    Args:
        register: takes a name and a subclass of ``learnkit.training.Callback``.
    """


@hookspec
def learnkit_register_backends(register: Register) -> None:
    """Offer array libraries and devices: ``register("dpnp", DpnpBackend)``.

    Args:
        register: takes a name and a subclass of ``learnkit.backends.Backend``. Import the array
            library when the backend is made, not when the plugin is imported.
    """


@hookspec
def learnkit_register_datasets(register: Register) -> None:
    """Offer data by name: ``register("digits", load_digits)``.

    Args:
        register: takes a name and a function that returns ``(x, y)`` or ``(x, y, x_test, y_test)``.
    """


@hookspec
def learnkit_register_kernels(register: Register) -> None:
    """Offer faster versions of operations of a backend: ``register("torch_conv", TorchConv)``.

    They are used only where they are asked for: ``lk.use_kernels("torch_conv")``,
    ``learnkit train --kernels torch_conv`` or ``LEARNKIT_KERNELS=torch_conv``.

    Args:
        register: takes a name and a class with ``backend: ClassVar[str]``, the name of the backend it is for,
            and methods named like those of ``learnkit.backends.Kernels`` that it replaces. A method may
            return ``NotImplemented`` for arguments it does not serve; then the replaced one is called.
    """


@hookspec
def learnkit_register_readers(register: Register) -> None:
    """Offer file formats: ``register("parquet", read_parquet)``.

    ``learnkit train data.parquet`` and ``learnkit.data.load_source`` then read files of that ending.

    Args:
        register: takes a name and a function: the name is the ending of the files without its dot, and the
            longest ending that fits wins (``nii.gz`` before ``gz``), a built-in one before all. The function
            is called with the path, a ``pathlib.Path``, and with those of the options ``sep``, ``header``,
            ``target`` and ``features`` that it has as keyword parameters. It returns a table as a mapping
            from column names to columns, or arrays as ``(x, y)`` or ``(x, y, x_test, y_test)``.
    """


@hookspec
def learnkit_register_augmentations(register: Register) -> None:
    """Offer random changes to the rows of a training batch: ``register("flip", RandomFlip)``.

    Args:
        register: takes a name and a subclass of ``learnkit.augment.Augmentation``, a frozen dataclass whose
            ``__call__(x, *, seed, step)`` is written in standard array code and is a pure function of its
            arguments; or a plain function of that signature, whose further keyword parameters are options.
    """


@hookspec
def learnkit_register_exporters(register: Register) -> None:
    """Offer formats to write a trained model in: ``register("npz", export_npz)``.

    ``learnkit export RUN --to npz FILE`` and ``lk.export(trainer, path, format="npz")`` then write it.

    Args:
        register: takes a name and a function ``export(trainer, path, *, extra)``. While it runs, the model
            holds the weights to deploy. ``extra`` is what was saved beside the model, such as
            preprocessing, and may be left out; further keyword parameters are options:
            ``--to npz:compress=true``.
    """


@hookspec
def learnkit_register_commands(register: Register) -> None:
    """Offer commands of the command line: ``register("serve", serve)``.

    ``learnkit serve`` then runs it. A built-in command is never replaced.

    Args:
        register: takes a name and a ``click.Command``, as ``@click.command()`` makes one. It returns the
            exit code or ``None``; a :class:`~learnkit.errors.LearnkitError` becomes a message and the
            exit code of its class.
    """


@hookspec
def learnkit_configure_run(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Change settings of a run before it is built: ``return {"lr": 0.01}``.

    Called once for each run, before anything is made of its settings: by ``learnkit train`` before the data
    is read, and by a ``Trainer.fit`` outside it before the first epoch. Plugins are asked in the order of
    their names, and each sees what the ones before it have changed. What changed is said in one line.

    Args:
        config: the settings, read-only. For ``learnkit train`` those of its run file
            (:class:`learnkit.config.RunConfig`), where ``None`` is a default that is chosen later. For
            ``Trainer.fit`` its ``epochs``, ``batch_size``, ``validation_split`` and ``shuffle``: the trainer
            is made already. The keys tell which: only the former has ``source``.

    Returns:
        The settings to change, by name, or ``None``. A name that is not in ``config``, or a value that is
        refused, is a failure of the hook, and nothing of what it returned is used.
    """


@hookspec
def learnkit_run_started(trainer: Trainer, run: RunInfo) -> None:
    """See a run begin: ``tracker.start(run.name, run.config)``.

    Called before the first step, when the data is on the device and has been checked.

    Args:
        trainer: the :class:`~learnkit.training.Trainer`, to look at.
        run: name, directory, settings and size of the run.
    """


@hookspec
def learnkit_step_ended(trainer: Trainer, report: StepReport) -> None:
    """See a training step: ``tracker.log(report.step, float(report.loss))``.

    Called after each update. Without a plugin that has this hook, a step costs nothing more.

    Args:
        trainer: the :class:`~learnkit.training.Trainer`, to look at.
        report: step, epoch, learning rate and loss. The loss stays on the device, and ``float(report.loss)``
            waits for it: do so once in a while rather than at each step.
    """


@hookspec
def learnkit_epoch_ended(trainer: Trainer, report: EpochReport) -> None:
    """See an epoch and its validation: ``tracker.log(report.epoch, report.numbers())``.

    Called after each epoch, behind the callbacks.

    Args:
        trainer: the :class:`~learnkit.training.Trainer`; ``trainer.stop("reason")`` ends the run here.
        report: loss, metrics and times of the epoch, as plain numbers.
    """


@hookspec
def learnkit_checkpoint_saved(trainer: Trainer, path: Path) -> None:
    """See a file that was written: ``store.upload(path)``.

    Called after each ``Trainer.save``, also that of ``ModelCheckpoint`` and of ``learnkit train`` and outside
    of a run, when the file is whole and under its name.

    Args:
        trainer: the :class:`~learnkit.training.Trainer` that was saved.
        path: of the file.
    """


@hookspec
def learnkit_run_ended(trainer: Trainer, history: History, error: BaseException | None) -> None:
    """See a run end, however it did: ``tracker.finish(failed=error is not None)``.

    Called once for each ``learnkit_run_started``: after the last epoch of a ``Trainer.fit``, and for
    ``learnkit train`` when its files are written.

    Args:
        trainer: the :class:`~learnkit.training.Trainer` as the run left it.
        history: all epochs of it, earlier runs included.
        error: what ended the run, ``KeyboardInterrupt`` among it, or ``None`` after a run to its end; it
            goes on to whoever started the run.
    """


#: The hook that fills each kind, in the order in which kinds are listed and searched.
HOOKS: dict[str, str] = {
    "activation": "learnkit_register_activations",
    "layer": "learnkit_register_layers",
    "initializer": "learnkit_register_initializers",
    "loss": "learnkit_register_losses",
    "optimizer": "learnkit_register_optimizers",
    "transform": "learnkit_register_transforms",
    "constraint": "learnkit_register_constraints",
    "schedule": "learnkit_register_schedules",
    "metric": "learnkit_register_metrics",
    "callback": "learnkit_register_callbacks",
    "backend": "learnkit_register_backends",
    "dataset": "learnkit_register_datasets",
    "kernel": "learnkit_register_kernels",
    "reader": "learnkit_register_readers",
    "augmentation": "learnkit_register_augmentations",
    "exporter": "learnkit_register_exporters",
    "command": "learnkit_register_commands",
}

#: The kinds of component.
KINDS: tuple[str, ...] = tuple(HOOKS)

#: The hooks that see runs, in the order in which a run meets them.
LIFECYCLE: tuple[str, ...] = (
    "learnkit_configure_run",
    "learnkit_run_started",
    "learnkit_step_ended",
    "learnkit_epoch_ended",
    "learnkit_checkpoint_saved",
    "learnkit_run_ended",
)

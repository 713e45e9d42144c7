"""Everything a plugin can do: one function for each kind of component.

A plugin is a module (or any object) with functions of these names. Each is called with one
argument, ``register``, and calls it once for every component it offers::

    # learnkit_wave.py
    from learnkit.losses import Loss

    class Wave(Loss): ...

    def learnkit_register_losses(register):
        register("wave", Wave)

    # pyproject.toml
    [project.entry-points.learnkit]
    wave = "learnkit_wave"

After ``pip install`` the name ``"wave"`` stands wherever a loss is named, with its options:
``"wave:delta=2"``. The decorator :data:`hookimpl` is welcome and not needed: a function whose name
begins with ``learnkit_`` is taken as a hook, and one that is not on this page is an error.

When: the functions of an installed plugin are called together, the first time that some name is
not built in, or that components are listed. A plugin that raises, needs another version of
learnkit, or offers a name that is taken is left out as a whole and recorded
(:class:`~learnkit.plugins.records.PluginRecord`); it never stops the program.
Import heavy libraries inside your components rather than at the top of the plugin.

The factory is a class, or a function that returns the component. It is called with the options as
keyword arguments, so their names and defaults are read from its signature; a factory that refuses
a value raises :class:`~learnkit.errors.ArgumentError`. Register the class itself where you can:
only then can a component be described, saved and loaded again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pluggy

__all__ = ["HOOKS", "KINDS", "Register", "hookimpl"]

hookspec = pluggy.HookspecMarker("learnkit")

#: Marks a function as a hook implementation. Only needed for pluggy's options, such as ``specname``.
hookimpl = pluggy.HookimplMarker("learnkit")


class Register(Protocol):
    """What a hook is given: call it once for each component."""

    def __call__(self, name: str, factory: Callable[..., Any]) -> None:
        """Offer ``factory`` under ``name``.

        Args:
            name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
            factory: a class, or a function that returns the component.

        Raises:
            PluginError: the name is malformed or taken, or the factory cannot be called.
        """


@hookspec
def learnkit_register_activations(register: Register) -> None:
    """Offer elementwise nonlinearities: ``register("swish", Swish)``.

    Args:
        register: takes a name and a class; an object of it maps an array to one of the same shape.
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
    """Offer what watches a training run: ``register("csvlog", CsvLog)``.

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
        register: takes a name and a function that returns the data set as in ``learnkit.data``.
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
}

#: The kinds of component.
KINDS: tuple[str, ...] = tuple(HOOKS)

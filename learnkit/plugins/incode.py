"""Registration in code, for notebooks, programs and tests.

::

    lk.register_loss("pinball", pinball)              # for the rest of the process
    with lk.registered(loss={"pinball": pinball}):    # for a block
        lk.Trainer(model, loss="pinball:q=0.9").fit(x, y)

There is one function for each kind of component; each takes a class, a function that makes a component, or,
for a loss, metric, activation, schedule or optimizer, the plain function itself
(:mod:`learnkit.plugins.functions`). Wherever a name is taken the component then has it, saving and loading
included: a program that loads a saved model registers what it needs first.

* What is built in is replaced with ``override=True`` only.
* A name that was registered in code can be registered again from the same place, a function or class of
  the same name in the same module: running a cell of a notebook again replaces what it registered. From
  another place it takes ``override=True``.
* What is registered in code hides a component of an installed plugin with that name;
  ``learnkit.plugins.records`` says so.
* It is the process's own, for all threads. ``learnkit_local.py`` and plugins may call these functions when
  they are imported; then what they register is a part of the plugin, with its rules: a name that is taken
  is an error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from learnkit.plugins import registry

__all__ = [
    "register_activation",
    "register_augmentation",
    "register_backend",
    "register_callback",
    "register_command",
    "register_constraint",
    "register_dataset",
    "register_exporter",
    "register_initializer",
    "register_kernel",
    "register_layer",
    "register_loss",
    "register_metric",
    "register_optimizer",
    "register_reader",
    "register_schedule",
    "register_transform",
    "registered",
]

#: What is registered: a class, a function that makes a component, or one that is it.
Factory = Callable[..., Any]


@contextlib.contextmanager
def registered(*, override: bool = False, **components: Mapping[str, Factory]) -> Iterator[None]:
    """Register components for the length of a block; afterwards everything is as before.

    Args:
        override: whether a name may be one that is built in or registered already.
        **components: by kind, ``loss={"mine": f}, optimizer={"yours": Yours}``.

    Raises:
        ArgumentError: a kind is unknown, or a component cannot be registered; then none of them is.

    >>> import learnkit as lk
    >>> def fourth(y_pred, y_true, *, scale=1.0):
    ...     return scale * (y_pred - y_true) ** 4
    >>> with lk.registered(loss={"fourth": fourth}):
    ...     lk.plugins.create("loss", "fourth:scale=2")
    fourth(reduction='mean', scale=2)
    """
    with registry.registered(components, override=override):
        yield


def register_activation(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register an activation under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a ``Module`` class, or a function ``f(x, *, ...)`` from an array to an array of the
            same shape.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("activation", name, factory, override=override)


def register_layer(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register a layer under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a subclass of ``learnkit.nn.Module``, or a function that makes one.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("layer", name, factory, override=override)


def register_initializer(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register an initializer under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a class of the kind in ``learnkit.nn.init``, or a function that makes one.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("initializer", name, factory, override=override)


def register_loss(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register a loss under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a subclass of ``learnkit.losses.Loss``, or a function ``f(y_pred, y_true, *, ...)``
            that returns a number for each example or element.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("loss", name, factory, override=override)


def register_optimizer(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register an optimizer under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a subclass of ``learnkit.optim.Optimizer``, or a function ``f(theta, grad, *slots,
            *, lr=0.1, ..., step)`` with its slots written out, that returns the new theta and
            slots.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("optimizer", name, factory, override=override)


def register_transform(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register a transform of the gradient under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a class whose objects ``learnkit.optim.chain`` accepts in front of an optimizer.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("transform", name, factory, override=override)


def register_constraint(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register a constraint under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a subclass of ``learnkit.nn.Constraint``.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("constraint", name, factory, override=override)


def register_schedule(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register a schedule under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a subclass of ``learnkit.schedules.Schedule``, or a function ``f(step, *, ...)``
            that returns the learning rate.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("schedule", name, factory, override=override)


def register_metric(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register a metric under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a subclass of ``learnkit.metrics.Metric``, or a function ``f(y_pred, y_true, *,
            ...)`` that returns a number for each example or element.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("metric", name, factory, override=override)


def register_callback(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register a callback under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a subclass of ``learnkit.training.Callback``.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("callback", name, factory, override=override)


def register_backend(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register a backend under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a subclass of ``learnkit.backends.Backend``.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("backend", name, factory, override=override)


def register_kernel(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register kernels under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a class with the methods of ``learnkit.backends.kernels.Kernels`` that it replaces.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("kernel", name, factory, override=override)


def register_dataset(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register a data set under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: a function that returns the data as in ``learnkit.data``.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("dataset", name, factory, override=override)


def register_reader(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register a reader of files under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: what ``learnkit_register_readers`` takes.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("reader", name, factory, override=override)


def register_augmentation(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register an augmentation under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: what ``learnkit_register_augmentations`` takes.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("augmentation", name, factory, override=override)


def register_exporter(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register an exporter under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: what ``learnkit_register_exporters`` takes.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("exporter", name, factory, override=override)


def register_command(name: str, factory: Factory, *, override: bool = False) -> None:
    """Register a command under a name.

    Args:
        name: begins with a letter or digit; letters, digits, ``_``, ``-`` and ``.`` may follow.
        factory: what ``learnkit_register_commands`` takes.
        override: whether the name may be one that is built in or registered already.

    Raises:
        ArgumentError: the name is taken, or one of the arguments cannot be registered.
    """
    registry.register("command", name, factory, override=override)

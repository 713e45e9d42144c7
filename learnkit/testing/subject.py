"""What is checked: a component, what it needs, and how it is called."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from learnkit.errors import ArgumentError
from learnkit.testing.author import Author
from learnkit.testing.matrix import BackendUnderTest

__all__ = ["Case", "Subject", "kind_of", "short"]


@dataclass
class Case:
    """One way of calling a component, on any library.

    Attributes:
        inputs: arrays on the host by name; floating-point ones are cast to the dtype of the run.
        call: ``(component, arrays, backend) -> arrays by name``.
        differentiable: the inputs that a gradient is taken for.
        dtype: of the outputs: ``"same"`` as that of the floating-point inputs, ``"float64"``, or ``"any"``;
            or a function of the name and the array that says so for each.
        method: the method that the author wrote, to point to.
        prepare: makes the component ready on a backend, with the dtype; its result is what is called.
    """

    inputs: dict[str, Any]
    call: Callable[[Any, dict[str, Any], BackendUnderTest], dict[str, Any]]
    differentiable: tuple[str, ...] = ()
    dtype: str | Callable[[str, Any], str] = "same"
    method: str = "__call__"
    prepare: Callable[[Any, BackendUnderTest, str], Any] | None = None

    def on(
        self, backend: BackendUnderTest, dtype: str, inputs: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The inputs as arrays of a backend."""
        given = self.inputs if inputs is None else inputs
        return {
            name: None
            if x is None
            else backend.asarray(x, dtype if np.asarray(x).dtype.kind == "f" else None)
            for name, x in given.items()
        }

    def ready(self, component: Any, backend: BackendUnderTest, dtype: str) -> Any:
        """The component to call on a backend."""
        return component if self.prepare is None else self.prepare(component, backend, dtype)

    def run(self, component: Any, backend: BackendUnderTest, dtype: str = "float64", **other: Any) -> Any:
        """Outputs on a backend; ``other`` inputs replace those of the case."""
        arrays = self.on(backend, dtype, {**self.inputs, **other})
        return self.call(self.ready(component, backend, dtype), arrays, backend)


@dataclass
class Subject:
    """A component under check.

    Attributes:
        component: the object.
        kind: of it.
        needs: what the author gave, such as inputs.
        name: what it is called in reports.
        cases: the ways it is called, found by the checks of its kind when they are first needed.
        problem: why there are none.
    """

    component: Any
    kind: str
    needs: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    cases: list[Case] | None = None
    problem: Exception | None = None

    def __post_init__(self) -> None:
        self.name = self.name or short(self.component)
        self.author = Author(self.component)
        self.label = type(self.component).__name__
        if inspect.isroutine(self.component) or inspect.isclass(self.component):
            self.label = self.component.__name__

    def fresh(self) -> Any:
        """A copy that nothing was done to."""
        try:
            return copy.deepcopy(self.component)
        except Exception:
            return self.component

    def need(self, name: str, default: Any = None) -> Any:
        """What the author gave under a name."""
        found = self.needs.get(name)
        return default if found is None else found


def short(component: Any) -> str:
    """The component in at most 80 characters."""
    if inspect.isroutine(component) or inspect.isclass(component):
        return str(component.__name__)
    try:
        text = " ".join(repr(component).split())
    except Exception:
        text = type(component).__name__
    if text.startswith("<") and " object at 0x" in text:
        text = type(component).__name__
    return text if len(text) <= 80 else text[:77] + "..."


def kind_of(component: Any) -> str:
    """The kind of a component, from the class it derives from.

    Raises:
        ArgumentError: it derives from none.
    """
    from learnkit.augment import Augmentation
    from learnkit.backends.base import Backend
    from learnkit.losses.base import Loss
    from learnkit.metrics.base import Metric
    from learnkit.nn import activations
    from learnkit.nn.constraints import Constraint
    from learnkit.nn.init import Initializer
    from learnkit.nn.module import Module
    from learnkit.optim.base import Optimizer
    from learnkit.optim.transforms import Transform
    from learnkit.schedules.base import Schedule
    from learnkit.training.callbacks import Callback

    bases: list[tuple[type, str]] = [
        (Augmentation, "augmentation"),
        (Loss, "loss"),
        (Optimizer, "optimizer"),
        (Transform, "transform"),
        (Schedule, "schedule"),
        (Metric, "metric"),
        (Constraint, "constraint"),
        (Initializer, "initializer"),
        (Module, "layer"),
        (Callback, "callback"),
        (Backend, "backend"),
    ]
    cls = component if inspect.isclass(component) else type(component)
    for base, kind in bases:
        if issubclass(cls, base):
            if kind == "layer" and getattr(activations, cls.__name__, None) is cls:
                return "activation"
            return kind
    if isinstance(getattr(cls, "backend", None), str) and not callable(component):
        return "kernel"
    if inspect.isclass(component) and isinstance(getattr(component, "backend", None), str):
        return "kernel"
    if hasattr(component, "callback") and hasattr(component, "params"):
        return "command"
    raise ArgumentError(
        f"the kind of {short(component)} is not known",
        hint="say it: checks_for(f, kind='loss'); the kinds are those of learnkit.plugins.KINDS",
    )

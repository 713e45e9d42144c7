"""What an optimizer is: one equation, and the state it carries from step to step."""

from __future__ import annotations

import copy
import dataclasses
import functools
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.backends.tree import Leaves, flatten
from learnkit.errors import ArgumentError, ShapeError
from learnkit.schedules.base import Schedule, positive, value_at

__all__ = ["Optimizer", "State", "check_betas"]


@dataclass
class State:
    """What an optimizer remembers.

    Attributes:
        step: updates made so far.
        slots: for each slot name a list of arrays, one for each leaf of the parameters.
    """

    step: int = 0
    slots: dict[str, list[Array]] = field(default_factory=dict)


@dataclass(frozen=True)
class Optimizer:
    """Base of optimizers: a frozen dataclass of its hyper-parameters.

    A subclass has a field ``lr``, names its slots, and writes :meth:`update` as the textbook equation in
    standard array code. Any hyper-parameter may be a :class:`~learnkit.schedules.Schedule` of the
    step, counted from 0.

    It works alone on anybody's arrays, and inside a ``Trainer`` on the one vector theta:

    >>> import numpy as np
    >>> from learnkit.optim import SGD
    >>> sgd = SGD(lr=0.5)
    >>> params = {"w": np.asarray([1.0, 2.0])}
    >>> state = sgd.init(params)
    >>> params, state = sgd.apply(params, {"w": np.asarray([1.0, 1.0])}, state)
    >>> params["w"]
    array([0.5, 1.5])
    """

    #: Names of the arrays kept for each parameter; each starts at zero with the parameter's shape.
    slots: ClassVar[tuple[str, ...]] = ()
    #: Whether each element is updated by itself. Then the rule may be given all parameters as one
    #: vector, or a block of it; otherwise it is given one leaf at a time, in its shape.
    elementwise: ClassVar[bool] = True

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        """One step for one array.

        Args:
            theta, grad: parameters and gradient, of equal shape; never changed.
            slots: in the order of :attr:`slots`; never changed.
            lr: the learning rate at this step.
            step: counts from 1.

        Returns:
            The new theta and the new slots.
        """
        raise TypeError(f"{type(self).__name__} defines no update(self, theta, grad, *slots, lr, step)")

    def slot_names(self) -> tuple[str, ...]:
        """The names under which :class:`State` keeps the slots."""
        return self.slots

    def init(self, params: Any) -> State:
        """The state before the first step, for an array or a tree (list, tuple, dict) of arrays."""
        leaves, _ = flatten(params)
        return State(0, {name: [_zeros_like(p) for p in leaves] for name in self.slot_names()})

    def apply(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """New parameters and state; the given ones are left as they are.

        Args:
            params: an array or a tree of arrays of NumPy, CuPy, torch, JAX, ...
            grads: a tree of the same structure and shapes.
            state: from :meth:`init` or the last call.

        Raises:
            ShapeError: the trees do not fit each other.
        """
        given, gradients = Leaves(params), Leaves(grads)
        _check_fit(given, gradients)
        new_leaves, new_slots = self.apply_leaves(given.values, gradients.values, state)
        return given.rebuild(new_leaves), State(state.step + 1, new_slots)

    def apply_leaves(
        self, leaves: list[Array], gradients: list[Array], state: State
    ) -> tuple[list[Array], dict[str, list[Array]]]:
        """:meth:`apply` on flat lists; what a transform in front of a rule builds on."""
        rule, lr = self.at(state.step)
        names = self.slot_names()
        new_leaves: list[Array] = []
        new_slots: dict[str, list[Array]] = {name: [] for name in names}
        for i, (theta, grad) in enumerate(zip(leaves, gradients, strict=True)):
            old = [state.slots[name][i] for name in names]
            theta, *slots = rule.update(theta, grad, *old, lr=lr, step=state.step + 1)
            new_leaves.append(theta)
            for name, value in zip(names, slots, strict=True):
                new_slots[name].append(value)
        return new_leaves, new_slots

    def at(self, step: int) -> tuple[Self, float]:
        """The rule with its scheduled hyper-parameters set, and the learning rate, at ``step`` (from 0)."""
        rule = self
        if self._scheduled:
            # A copy, not replace(): what a schedule gives is not an argument. A momentum that a schedule
            # takes down to 0 is fine, though Nesterov's form is not made with it.
            rule = copy.copy(self)
            for name in self._scheduled:
                object.__setattr__(rule, name, getattr(self, name)(step))
        return rule, value_at(getattr(self, "lr"), step)  # noqa: B009  (the field is the subclass's)

    @functools.cached_property
    def _scheduled(self) -> tuple[str, ...]:
        """The hyper-parameters beside lr that are schedules; looked up once, not at every step."""
        names = (f.name for f in dataclasses.fields(self) if f.name != "lr")
        return tuple(name for name in names if isinstance(getattr(self, name), Schedule))

    def lr_at(self, step: int) -> float:
        """The learning rate at ``step``, counted from 0."""
        return value_at(getattr(self, "lr"), step)  # noqa: B009

    def resolve(self, total_steps: int) -> Self:
        """This optimizer with the length of the run filled into its schedules."""
        changes = {
            f.name: getattr(self, f.name).resolve(total_steps)
            for f in dataclasses.fields(self)
            if isinstance(getattr(self, f.name), Schedule)
        }
        return dataclasses.replace(self, **changes) if changes else self

    def check_lr(self) -> None:
        """For ``__post_init__``: lr is a schedule or a number > 0.

        Raises:
            ArgumentError: it is not.
        """
        lr = getattr(self, "lr")  # noqa: B009
        if not isinstance(lr, Schedule):
            positive(type(self).__name__, "lr", lr)


def check_betas(owner: str, betas: Any) -> None:
    """Check that ``betas`` is a pair of numbers in [0, 1).

    Raises:
        ArgumentError: it is not.
    """
    pair = isinstance(betas, (tuple, list)) and len(betas) == 2
    if not pair or not all(type(b) in (int, float) and 0 <= b < 1 for b in betas):
        raise ArgumentError(f"{owner}: betas is {betas!r}, expected two numbers in [0, 1)")


def _zeros_like(p: Array) -> Array:
    xp = array_namespace(p)
    return xp.zeros(tuple(p.shape), dtype=p.dtype, device=array_api_compat.device(p))


def _check_fit(params: Leaves, grads: Leaves) -> None:
    known, given = [[_name(path) for path in leaves.paths] for leaves in (params, grads)]
    if known != given:
        missing = [p for p in known if p not in given]
        unexpected = [p for p in given if p not in known]
        what = f"no gradient for {missing[0]!r}" if missing else f"no parameter for {unexpected[0]!r}"
        raise ShapeError(
            f"{len(known)} parameters and {len(given)} gradients, {what}; give trees of one structure"
        )
    for path, p, g in zip(known, params.values, grads.values, strict=True):
        if tuple(p.shape) != tuple(g.shape):
            which = f"parameter {path!r}" if path else "the parameter"
            raise ShapeError(
                f"{which} has shape {tuple(p.shape)}, its gradient {tuple(g.shape)}; expected equal shapes"
            )


def _name(path: str) -> str:
    """A path in a dict as the dotted path of a model's leaf: ``['0.weight']`` is ``0.weight``."""
    return path.replace("['", ".").replace("']", "").removeprefix(".")

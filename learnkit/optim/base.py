"""What an optimizer is: one equation, and the state it carries from step to step."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.backends.layout import Layout
from learnkit.backends.tree import Leaves
from learnkit.errors import ArgumentError, ShapeError
from learnkit.optim.scheduled import Scheduled
from learnkit.schedules.base import Schedule, positive, value_at

__all__ = [
    "LeafGradient",
    "Optimizer",
    "State",
    "advanced",
    "check_betas",
    "check_in",
    "fitting",
    "leafwise",
    "zeros_like",
]

#: ``leaves -> (value, gradients)``: what a step asks for gradients.
LeafGradient = Callable[[list[Array]], tuple[Array, list[Array]]]


@dataclass
class State:
    """What an optimizer remembers.

    Attributes:
        step: updates made so far.
        slots: for each slot name a list of arrays, as a rule one for each leaf of the parameters.
        layout: paths and shapes of the leaves, for parts that tell leaves apart by name or shape.
        flat: whether parameters, gradient and elementwise slots are one vector of that layout (as in a
            ``Trainer``) and not one array for each leaf.
        pending: gradients accumulated since the last update; see ``Accumulate``.
    """

    step: int = 0
    slots: dict[str, list[Array]] = field(default_factory=dict)
    layout: Layout = field(default_factory=Layout)
    flat: bool = False
    pending: int = 0
    #: The update as the engine last ran it, for as long as rule and arrays are the same.
    bound: Any = field(default=None, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "bound": None}


@dataclass(frozen=True)
class Optimizer(Scheduled):
    """Base of optimizers: a frozen dataclass of its hyper-parameters.

    A subclass has a field ``lr``, names its slots, and writes :meth:`update` as the textbook equation in
    standard array code. Any hyper-parameter may be a :class:`~learnkit.schedules.Schedule` of the
    step, counted from 0; one in a tuple too.

    It works alone on anybody's arrays, and inside a ``Trainer`` on the one vector theta:

    >>> import numpy as np
    >>> from learnkit.optim import SGD
    >>> sgd = SGD(lr=0.5)
    >>> params = {"w": np.asarray([1.0, 2.0])}
    >>> state = sgd.init(params)
    >>> params, state = sgd.apply(params, {"w": np.asarray([1.0, 1.0])}, state)
    >>> params["w"]
    array([0.5, 1.5])

    Beside :meth:`update` a rule may define

    * :meth:`init_slots`, if its slots do not start at zero with the parameter's shape;
    * :meth:`lookahead_point`, if the gradient is to be taken elsewhere (Nesterov's literal form);
    * :meth:`evaluation_point`, if another point than theta is the result (an average);
    * :meth:`apply_leaves`, if it must see all leaves at once;
    * :meth:`step_leaves`, if it needs several gradients in a step (L-BFGS).
    """

    #: Names of the arrays kept for each parameter; see :meth:`init_slots` for how they start.
    slots: ClassVar[tuple[str, ...]] = ()
    #: Whether each element is updated by itself. Then the rule may be given all parameters as one
    #: vector, or a block of it; otherwise it is given one leaf at a time, in its shape. A rule that
    #: overrides ``apply_leaves`` and is elementwise but for sums over all parameters leaves it at True.
    elementwise: ClassVar[bool] = True
    #: Whether one gradient at the parameters themselves suffices for a step, so that ``apply`` may be
    #: called with it. Found out from what the class overrides; a rule whose options decide sets it itself.
    plain: ClassVar[bool] = True
    #: Names of slots whose lists become longer, or arrays of another shape, as the run goes on.
    growing: ClassVar[tuple[str, ...]] = ()
    #: Whether ``evaluation_params`` gives anything but the parameters; found out in the same way.
    averages: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "plain" not in cls.__dict__:
            cls.plain = not _overrides(cls, "lookahead_point", "lookahead_leaves", "step_leaves")
        if "averages" not in cls.__dict__:
            cls.averages = _overrides(cls, "evaluation_point", "evaluation_leaves")

    # What a rule defines

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        """One step for one array.

        Args:
            theta, grad: parameters and gradient, of equal shape; never changed.
            slots: in the order of :meth:`slot_names`; never changed.
            lr: the learning rate at this step.
            step: counts from 1.

        Returns:
            The new theta and the new slots.
        """
        raise TypeError(f"{type(self).__name__} defines no update(self, theta, grad, *slots, lr, step)")

    def slot_names(self) -> tuple[str, ...]:
        """The names under which :class:`State` keeps the slots."""
        return self.slots

    def init_slots(self, theta: Array) -> tuple[Array, ...]:
        """The slots of one array before the first step; by default zeros like it.

        Args:
            theta: the parameters as they start; a slot that starts as theta is a copy of it.

        Returns:
            New arrays in the order of :meth:`slot_names`: of theta's shape in an elementwise rule, of
            any shape in others. They are as many for every theta; a slot that a leaf does not
            need may be empty, of shape (0,).
        """
        return tuple(zeros_like(theta) for _ in self.slot_names())

    def lookahead_point(self, theta: Array, *slots: Array, lr: float, step: int) -> Array:
        """Where the gradient of this step is to be taken, for one array; by default at theta itself."""
        return theta

    def evaluation_point(self, theta: Array, *slots: Array, lr: float, step: int) -> Array:
        """What to evaluate and deploy in theta's place, after ``step`` >= 1 updates; by default theta."""
        return theta

    # The same for lists of leaves: what a rule overrides that must see all of them

    def init_leaves(self, leaves: list[Array], state: State) -> dict[str, list[Array]]:
        """The slots before the first step; ``state`` holds the layout and no slots yet."""
        names = self.slot_names()
        made: dict[str, list[Array]] = {name: [] for name in names}
        for theta in leaves:
            for name, slot in zip(names, self.init_slots(theta), strict=True):
                made[name].append(slot)
        return made

    def apply_leaves(
        self, leaves: list[Array], gradients: list[Array], state: State
    ) -> tuple[list[Array], dict[str, list[Array]]]:
        """:meth:`apply` on flat lists: the new leaves and slots; what a transform in front builds on."""
        rule, lr = self.at(state.step), self.lr_at(state.step)
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

    def lookahead_leaves(self, leaves: list[Array], state: State) -> list[Array]:
        """:meth:`lookahead_point` of all leaves."""
        rule, lr = self.at(state.step), self.lr_at(state.step)
        slots = [state.slots[name] for name in self.slot_names()]
        return [
            rule.lookahead_point(theta, *(s[i] for s in slots), lr=lr, step=state.step + 1)
            for i, theta in enumerate(leaves)
        ]

    def evaluation_leaves(self, leaves: list[Array], state: State) -> list[Array]:
        """:meth:`evaluation_point` of all leaves."""
        if state.step == 0 or not self.averages:
            return leaves
        rule, lr = self.at(state.step - 1), self.lr_at(state.step - 1)
        slots = [state.slots[name] for name in self.slot_names()]
        return [
            rule.evaluation_point(theta, *(s[i] for s in slots), lr=lr, step=state.step)
            for i, theta in enumerate(leaves)
        ]

    def step_leaves(
        self, value_and_grad: LeafGradient, leaves: list[Array], state: State
    ) -> tuple[Array, list[Array], dict[str, list[Array]]]:
        """:meth:`step_with` on flat lists: the value, the new leaves and slots."""
        value, gradients = value_and_grad(self.lookahead_leaves(leaves, state))
        return value, *self.apply_leaves(leaves, gradients, state)

    # What a user calls, on an array or a tree (list, tuple, dict) of arrays

    def init(self, params: Any) -> State:
        """The state before the first step, for an array or a tree (list, tuple, dict) of arrays."""
        given = Leaves(params)
        state = State(layout=_layout(given))
        state.slots = self.init_leaves(given.values, state)
        return state

    def apply(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """New parameters and state; the given ones are left as they are.

        Args:
            params: an array or a tree of arrays of NumPy, CuPy, torch, JAX, ...
            grads: a tree of the same structure and shapes, taken at ``params``, or for a rule that is
                not :attr:`plain` at ``lookahead_params(params, state)``.
            state: from :meth:`init` or the last call.

        Raises:
            ShapeError: the trees do not fit each other.
        """
        given, gradients = fitting(params, grads)
        if not state.layout.paths:  # a state that somebody put together
            state = dataclasses.replace(state, layout=_layout(given))
        new_leaves, new_slots = self.apply_leaves(given.values, gradients.values, state)
        return given.rebuild(new_leaves), advanced(state, new_slots)

    def step_with(
        self, value_and_grad: Callable[[Any], tuple[Array, Any]], params: Any, state: State
    ) -> tuple[Array, Any, State]:
        """A step of any rule: it asks for the gradient where, and as often as, it needs it.

        Args:
            value_and_grad: ``params -> (value, grads)``, such as ``lk.value_and_grad(loss)``.
            params: an array or a tree of arrays.
            state: from :meth:`init` or the last call.

        Returns:
            The value where the gradient was taken first, the new parameters and the new state.

        >>> import numpy as np
        >>> from learnkit.optim import SGD
        >>> sgd = SGD(lr=0.25)
        >>> w = np.asarray([1.0, 2.0])
        >>> value, w, state = sgd.step_with(lambda w: (w @ w, 2 * w), w, sgd.init(w))
        >>> w
        array([0.5, 1. ])
        """
        given = Leaves(params)
        gradient = leafwise(value_and_grad, given)
        value, new_leaves, new_slots = self.step_leaves(gradient, given.values, state)
        return value, given.rebuild(new_leaves), advanced(state, new_slots)

    def lookahead_params(self, params: Any, state: State) -> Any:
        """Where the next gradient is to be taken."""
        given = Leaves(params)
        return given.rebuild(self.lookahead_leaves(given.values, state))

    def evaluation_params(self, params: Any, state: State) -> Any:
        """The parameters to evaluate and deploy: an average where the optimizer keeps one, else the given."""
        given = Leaves(params)
        return given.rebuild(self.evaluation_leaves(given.values, state))

    def lr_at(self, step: int) -> float:
        """The learning rate at ``step``, counted from 0."""
        return value_at(getattr(self, "lr"), step)  # noqa: B009  (the field is the subclass's)

    def with_lr(self, change: Callable[[Any], Any]) -> Optimizer:
        """This optimizer with ``change(lr)`` in the place of its lr, in all its groups."""
        return dataclasses.replace(self, lr=change(getattr(self, "lr")))  # type: ignore[call-arg]  # noqa: B009

    def frozen(self, layout: Layout) -> tuple[bool, ...] | None:
        """For each leaf whether it never moves; ``None`` if all do. See :meth:`freeze`.

        Raises:
            ArgumentError: a pattern fits no leaf.
        """
        return None

    def freeze(self, paths: tuple[str, ...]) -> Optimizer:
        """This optimizer without the leaves at ``paths``: they stay as they are, whatever else is said."""
        from learnkit.optim.grouping import Groups

        return Groups(self, tuple((path, None) for path in paths)) if paths else self

    def check_lr(self) -> None:
        """For ``__post_init__``: lr is a schedule or a number > 0.

        Raises:
            ArgumentError: it is not.
        """
        lr = getattr(self, "lr")  # noqa: B009
        if not isinstance(lr, Schedule):
            positive(type(self).__name__, "lr", lr)


def _overrides(cls: type[Optimizer], *names: str) -> bool:
    return any(getattr(cls, name) is not getattr(Optimizer, name) for name in names)


def advanced(state: State, slots: dict[str, list[Array]]) -> State:
    """The state one update later, with its new slots."""
    return dataclasses.replace(state, step=state.step + 1, slots=slots)


def fitting(params: Any, grads: Any) -> tuple[Leaves, Leaves]:
    """The leaves of both.

    Raises:
        ShapeError: the trees do not fit each other.
    """
    given, gradients = Leaves(params), Leaves(grads)
    _check_fit(given, gradients)
    return given, gradients


def leafwise(value_and_grad: Callable[[Any], tuple[Array, Any]], given: Leaves) -> LeafGradient:
    """A function of a tree like ``given`` as one of its list of leaves."""

    def gradient(leaves: list[Array]) -> tuple[Array, list[Array]]:
        value, grads = value_and_grad(given.rebuild(leaves))
        found = Leaves(grads)
        _check_fit(given, found)
        return value, found.values

    return gradient


def check_in(owner: str, name: str, value: Any, interval: str) -> None:
    """Check that a hyper-parameter is a number in ``interval``, or a schedule.

    Args:
        interval: for instance ``"[0, 1)"``, ``"(0, inf)"`` or ``"[0, inf)"``.

    Raises:
        ArgumentError: it is neither.

    >>> check_in("SGD", "momentum", 0.9, "[0, 1)")
    """
    if isinstance(value, Schedule):
        return
    low, high = (float(end) for end in interval[1:-1].split(","))
    if high == math.inf:
        positive(owner, name, value, zero=interval[0] == "[")
        return
    inside = type(value) in (int, float) and low <= value <= high
    if not inside or (value == low and interval[0] == "(") or (value == high and interval[-1] == ")"):
        raise ArgumentError(f"{owner}: {name} is {value!r}, expected a number in {interval}")


def check_betas(owner: str, betas: Any, count: int = 2) -> None:
    """Check that ``betas`` is a tuple of ``count`` numbers in [0, 1) or schedules.

    Raises:
        ArgumentError: it is not.
    """
    fits = isinstance(betas, (tuple, list)) and len(betas) == count
    if not fits or not all(
        isinstance(b, Schedule) or (type(b) in (int, float) and 0 <= b < 1) for b in betas
    ):
        number = {2: "two", 3: "three"}.get(count, str(count))
        raise ArgumentError(f"{owner}: betas is {betas!r}, expected {number} numbers in [0, 1)")


def zeros_like(p: Array) -> Array:
    """A new array of zeros with the shape, dtype and device of ``p``."""
    xp = array_namespace(p)
    return xp.zeros(tuple(p.shape), dtype=p.dtype, device=array_api_compat.device(p))


def _layout(leaves: Leaves) -> Layout:
    return Layout(tuple(map(_name, leaves.paths)), tuple(tuple(p.shape) for p in leaves.values))


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
    """A path in a tree as the dotted path of a model's leaf: ``['b'][0]`` is ``b.0``."""
    return path.replace("['", ".").replace("']", "").replace("[", ".").replace("]", "").removeprefix(".")

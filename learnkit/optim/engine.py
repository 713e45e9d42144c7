"""Running an optimizer in place on the one vector of parameters.

An elementwise rule runs as one kernel (``learnkit.fusion``). One that cannot be fused makes a dozen temporary
arrays: run over the whole vector each of them goes through main memory; run over blocks they stay in the
cache, which is several times faster. The numbers are the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Any

from learnkit.backends.base import Array, array_namespace
from learnkit.backends.layout import Layout
from learnkit.fusion import FusedUpdate, bound_update
from learnkit.optim.base import Optimizer, State
from learnkit.optim.compose import Chain
from learnkit.optim.grouping import Groups

__all__ = [
    "BLOCK",
    "asked_in_place",
    "averaged",
    "gather_in_place",
    "gathered",
    "init_state",
    "prepared_update",
    "step_in_place",
    "update_in_place",
]

#: Elements in a block on the host, about: with its temporaries about half of a usual second-level cache.
BLOCK = 16384

#: ``vector -> list of leaves``, which are views of it.
Views = Callable[[Array], list[Array]]


def init_state(optimizer: Optimizer, theta: Array, layout: Layout) -> State:
    """The state before the first step, for parameters that are one vector.

    Slots of an elementwise rule are vectors too; those of another are kept leaf by leaf, in their shapes.
    """
    state = State(layout=layout, flat=optimizer.elementwise)
    leaves = [theta] if state.flat else list(layout.views(theta).values())
    state.slots = _apart(optimizer.init_leaves(leaves, state), leaves)
    return state


def _apart(slots: dict[str, list[Array]], leaves: list[Array]) -> dict[str, list[Array]]:
    """Slots of which none is a parameter or another slot: each is overwritten by itself."""
    seen = {id(a) for a in leaves}
    made: dict[str, list[Array]] = {}
    for name, arrays in slots.items():
        made[name] = [_copy(a) if id(a) in seen else a for a in arrays]
        seen |= {id(a) for a in made[name]}
    return made


def update_in_place(
    optimizer: Optimizer,
    theta: Array,
    grad: Array,
    state: State,
    *,
    views: Views | None = None,
    blocks: bool = False,
) -> None:
    """One step: ``theta`` is overwritten with its new values, and ``state`` with the new state.

    Args:
        optimizer: the rule, with transforms in front or without.
        theta, grad: vectors of one layout.
        state: from :func:`init_state`, or ``optimizer.init(theta)``.
        views: ``vector -> list of leaves``, for a rule that needs the shape of each leaf.
        blocks: whether to go block by block, which pays on the host and not on a GPU.
    """
    chained = optimizer if isinstance(optimizer, Chain) else None
    if chained is None or chained.simple:
        if chained is not None:
            grads = [grad]
            for t in chained.transforms:
                grads = t.at(state.step).transform(grads)
            (grad,) = grads
            optimizer = chained.rule
        if optimizer.elementwise:
            _rule_in_place(optimizer, [theta], [grad], state, blocks)
        else:
            _rule_in_place(optimizer, *_leaves(theta, grad, state, views), state, blocks)
    else:
        _chain_in_place(chained, *_leaves(theta, grad, state, views), state, blocks)
    state.step += 1


def _leaves(theta: Array, grad: Array, state: State, views: Views | None) -> tuple[list[Array], list[Array]]:
    if state.flat or views is None:
        return [theta], [grad]
    return views(theta), views(grad)


def _rule_in_place(
    rule: Optimizer, leaves: list[Array], grads: list[Array], state: State, blocks: bool
) -> None:
    """A rule without transforms; the step is counted by the caller."""
    if isinstance(rule, Groups) and state.flat and rule.elementwise and rule.plain:
        for part in rule.parts(state.layout):
            if part.rule is not None:
                slots = [state.slots[name][0] for name in part.rule.slot_names()]
                for start, stop in part.stretches:
                    vectors = [v[start:stop] for v in (leaves[0], grads[0], *slots)]
                    _elementwise(part.rule, vectors, state, blocks)
    elif len(leaves) == 1 and rule.elementwise and type(rule).apply_leaves is Optimizer.apply_leaves:
        slots = [state.slots[name][0] for name in rule.slot_names()]
        _elementwise(rule, [leaves[0], grads[0], *slots], state, blocks)
    else:
        new_leaves, new_slots = rule.apply_leaves(leaves, grads, state)
        state.slots |= _own(new_slots, leaves)
        _write(leaves, new_leaves)


def prepared_update(optimizer: Optimizer, theta: Array, grad: Array, state: State) -> Array | None:
    """The step of :func:`update_in_place` as a compiled program that is still to be run.

    Whoever runs it counts the step. ``None`` if it cannot be told in advance.
    """
    if not optimizer.elementwise or isinstance(optimizer, (Chain, Groups)) or not state.flat:
        return None
    if type(optimizer).apply_leaves is not Optimizer.apply_leaves:
        return None
    slots = [state.slots[name][0] for name in optimizer.slot_names()]
    bound = _bound(optimizer.at(state.step), [theta, grad, *slots], state)
    return None if bound is None else bound.prepared(optimizer.lr_at(state.step), state.step + 1)


def _bound(rule: Optimizer, vectors: list[Array], state: State) -> FusedUpdate | None:
    """The rule as one kernel on these vectors, kept with the state."""
    bound = state.bound
    if bound is None or bound[0] is not rule or not all(map(is_, bound[1], vectors)):
        bound = state.bound = (rule, vectors, bound_update(rule, vectors))
    kernel: FusedUpdate | None = bound[2]
    return kernel


def _elementwise(optimizer: Optimizer, vectors: list[Array], state: State, blocks: bool) -> None:
    """``vectors``: theta, gradient and slots; all but the gradient are overwritten."""
    rule, lr, step = optimizer.at(state.step), optimizer.lr_at(state.step), state.step + 1
    bound = _bound(rule, vectors, state)
    if bound is not None and bound(lr, step):
        return
    n = vectors[0].shape[0] if vectors[0].shape else 1
    parts = [vectors]
    if blocks and n > BLOCK * 3 // 2:
        size = -(-n // round(n / BLOCK))  # equal blocks: a short last one costs as many calls as a full one
        starts = range(0, n, size)
        parts = [[v[start : min(start + size, n)] for v in vectors] for start in starts]
    for theta, grad, *old_slots in parts:
        new_theta, *new_slots = rule.update(theta, grad, *old_slots, lr=lr, step=step)
        places, values = [*old_slots, theta], [*new_slots, new_theta]
        # What moves from one slot to another, or to theta, may be overwritten before it is read.
        written = {id(place) for place, value in zip(places, values, strict=True) if value is not place}
        values = [_copy(v) if id(v) in written else v for v in values]
        for place, value in zip(places, values, strict=True):
            place[...] = value


def _chain_in_place(
    chain: Chain, leaves: list[Array], grads: list[Array], state: State, blocks: bool
) -> None:
    """Transforms that do more than to map gradients, around a rule that still runs in place."""
    grads, own, go = chain.gradients(grads, leaves, state)
    rule_state = chain.rule_state(state)
    before, old_slots = leaves, state.slots
    if go is not None or chain.needs_before:
        before = [_copy(a) for a in leaves]
    if go is not None:
        old_slots = old_slots | {n: [_copy(a) for a in arrays] for n, arrays in rule_state.slots.items()}
    _rule_in_place(chain.scheduled_rule, leaves, grads, rule_state, blocks)
    new, slots = chain.finish(before, leaves, own | rule_state.slots, state)
    if go is not None:
        new, slots = chain.only_if(go, before, new, old_slots, slots)
    state.slots = _own(slots, leaves)
    _write(leaves, new)


def gather_in_place(chain: Chain, grad: Array, state: State, weight: Array | float) -> bool:
    """For a chain with ``Accumulate`` in front: take a gradient in; whether an update is due.

    Args:
        chain: with ``Accumulate`` in front.
        grad: the vector.
        state: from :func:`init_state`.
        weight: what the gradient counts.
    """
    gathers: Any = chain.accumulate
    grads = [grad] if state.flat else list(state.layout.views(grad).values())
    added = gathers.added(chain.own_slots(0, state.slots), grads, weight)
    state.slots |= {f"0.{name}": _own({name: arrays}, grads)[name] for name, arrays in added.items()}
    state.pending += 1
    return bool(state.pending >= gathers.every)


def gathered(chain: Chain, state: State) -> Array:
    """The reduced gradient of what has been gathered, as a vector; nothing is pending afterwards."""
    gathers: Any = chain.accumulate
    grads, own = gathers.taken(chain.own_slots(0, state.slots))
    state.slots |= {f"0.{name}": arrays for name, arrays in own.items()}
    state.pending = 0
    if state.flat:
        return grads[0]
    return _joined(grads)


def step_in_place(
    optimizer: Optimizer,
    value_and_grad: Callable[[], tuple[Array, Array]],
    theta: Array,
    state: State,
    *,
    views: Views,
) -> Array:
    """One step of a rule that asks for gradients itself: the value; ``theta`` and ``state`` are overwritten.

    Args:
        optimizer: the rule, with transforms in front or without.
        value_and_grad: the value and the gradient, a vector, of theta as it is when it is called.
        theta: the vector; while the step is made it is where the gradient is wanted.
        state: from :func:`init_state`.
        views: ``vector -> list of leaves``.
    """
    with _Walk(value_and_grad, theta, state, views) as walk:
        value, new, slots = optimizer.step_leaves(walk.gradient, walk.start, state)
    _write(walk.places, new)
    state.slots = _own(slots, walk.places)
    state.step += 1
    return value


def asked_in_place(
    chain: Chain,
    value_and_grad: Callable[[], tuple[Array, Array]],
    theta: Array,
    state: State,
    *,
    views: Views,
) -> tuple[Array, Array]:
    """The value and the gradient that the transforms of ``chain`` ask for; theta is as it was afterwards.

    The arguments are those of :func:`step_in_place`.
    """
    if chain.plain:
        return value_and_grad()
    with _Walk(value_and_grad, theta, state, views) as walk:
        value, grads = chain.asked(walk.gradient, state)(chain.lookahead_leaves(walk.start, state))
    return value, grads[0] if state.flat else _joined(grads)


class _Walk:
    """Takes theta to where gradients are wanted, and back to its start."""

    def __init__(
        self, value_and_grad: Callable[[], tuple[Array, Array]], theta: Array, state: State, views: Views
    ) -> None:
        self._ask, self._flat, self._views = value_and_grad, state.flat, views
        self._theta, self._start = theta, _copy(theta)
        self.places = self._leaves(theta)
        self.start = self._leaves(self._start)

    def __enter__(self) -> _Walk:
        return self

    def __exit__(self, *exc: object) -> None:
        self._theta[...] = self._start

    def gradient(self, points: list[Array]) -> tuple[Array, list[Array]]:
        """Value and gradient with theta at ``points``."""
        _write(self.places, points)
        value, vector = self._ask()
        return value, self._leaves(_copy(vector))  # the next one is written over it

    def _leaves(self, vector: Array) -> list[Array]:
        return [vector] if self._flat else self._views(vector)


def averaged(optimizer: Optimizer, theta: Array, state: State, *, views: Views) -> Array:
    """The parameters to evaluate, a new vector."""
    leaves = optimizer.evaluation_leaves([theta] if state.flat else views(theta), state)
    return _copy(leaves[0]) if state.flat else _joined(leaves)


def _write(places: list[Array], values: list[Array]) -> None:
    for place, value in zip(places, values, strict=True):
        if value is not place:
            place[...] = value


def _own(slots: dict[str, list[Array]], taken: list[Array]) -> dict[str, list[Array]]:
    """Slots, with copies of those that are arrays which are about to be written to."""
    ids = {id(a) for a in taken}
    return {name: [_copy(a) if id(a) in ids else a for a in arrays] for name, arrays in slots.items()}


def _joined(leaves: list[Array]) -> Array:
    xp: Any = array_namespace(*leaves)
    return xp.concat([xp.reshape(leaf, (-1,)) for leaf in leaves], axis=0)


def _copy(a: Array) -> Array:
    xp: Any = array_namespace(a)
    return xp.asarray(a, copy=True)

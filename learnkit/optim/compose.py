"""``chain``: transforms around a rule, as one optimizer."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.backends.layout import Layout
from learnkit.backends.tree import Leaves
from learnkit.errors import ArgumentError
from learnkit.optim.accumulate import Accumulate
from learnkit.optim.base import LeafGradient, Optimizer, State, advanced, fitting, leafwise
from learnkit.optim.transforms import Moment, Slots, Transform, on_selected
from learnkit.plugins import registry

__all__ = ["Chain", "chain"]


@dataclass(frozen=True)
class Chain(Optimizer):
    """Transforms, one after another, around a rule; made by :func:`chain`.

    The gradient passes through the transforms from the first to the last and then reaches the rule;
    what they do after the rule happens in the opposite order. So the first is the outermost.

    Slots of the transforms are kept under their number and name, ``"0.average"``; those of the rule
    under their own.

    Args:
        transforms: transforms, or names with options.
        rule: an optimizer, or a name with options.
    """

    transforms: tuple[Transform, ...] = ()
    rule: Optimizer = None  # type: ignore[assignment]

    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        transforms = tuple(named("transform", t) for t in self.transforms)
        rule = named("optimizer", self.rule)
        for t in transforms:
            if not isinstance(t, Transform):
                raise ArgumentError(f"chain: {t!r} is not a Transform; the optimizer comes last")
        if not isinstance(rule, Optimizer):
            raise ArgumentError(f"chain: the last part is {rule!r}, expected an Optimizer")
        if isinstance(rule, Chain):  # one chain, so that the numbers of the transforms are unique
            transforms, rule = (*transforms, *rule.transforms), rule.rule
        gathers = bool(transforms) and isinstance(transforms[0], Accumulate)
        if gathers and type(rule).step_leaves is not Optimizer.step_leaves:
            raise ArgumentError(
                f"chain: Accumulate in front of {type(rule).__name__}, which asks for several gradients of "
                "one loss; give it the whole batch"
            )
        if any(isinstance(t, Accumulate) for t in transforms[1:]):
            raise ArgumentError(
                "chain: Accumulate is not the first part",
                hint="gradients are gathered before anything is done with their mean: put it in front, once",
            )
        changed = any(type(t).gradient is not Transform.gradient for t in transforms)
        for name, value in (
            ("transforms", transforms),
            ("rule", rule),
            ("elementwise", rule.elementwise),
            ("plain", rule.plain and not changed),
            ("growing", rule.growing),
            ("averages", rule.averages or any(t.averages for t in transforms)),
        ):
            object.__setattr__(self, name, value)

    @property
    def lr(self) -> Any:
        """The rule's learning rate."""
        return getattr(self.scheduled_rule, "lr")  # noqa: B009

    @functools.cached_property
    def scheduled_rule(self) -> Optimizer:
        """The rule with the learning rate that the transforms make of its own."""
        changing = [t for t in self.transforms if type(t).with_lr is not Transform.with_lr]
        rule = self.rule
        for t in reversed(changing):
            rule = rule.with_lr(t.with_lr)
        return rule

    @functools.cached_property
    def simple(self) -> bool:
        """Whether all transforms are simple: they map gradients, and that is all."""
        return all(t.simple for t in self.transforms)

    @functools.cached_property
    def needs_before(self) -> bool:
        """Whether the parameters before a step are needed after it."""
        return any(t.needs_before for t in self.transforms)

    @functools.cached_property
    def may_skip(self) -> bool:
        """Whether a step may be called off."""
        return any(type(t).go is not Transform.go and not t.simple for t in self.transforms)

    @functools.cached_property
    def scales_loss(self) -> bool:
        """Whether :meth:`loss_scale` gives a number."""
        return any(type(t).loss_scale is not Transform.loss_scale for t in self.transforms)

    @property
    def accumulate(self) -> Accumulate | None:
        """The part in front that gathers gradients, if there is one."""
        first = self.transforms[0] if self.transforms else None
        return first if isinstance(first, Accumulate) else None

    # Slots

    def slot_names(self) -> tuple[str, ...]:
        own = [f"{i}.{name}" for i, t in enumerate(self.transforms) for name in t.slots]
        return (*own, *self.rule.slot_names())

    def init_leaves(self, leaves: list[Array], state: State) -> dict[str, list[Array]]:
        made: dict[str, list[Array]] = {}
        for i, t in enumerate(self.transforms):
            t.check_slots(state.layout)
            for name, arrays in t.init_slots(self._seen_by(t, leaves, state)).items():
                made[f"{i}.{name}"] = arrays
        return made | self.rule.init_leaves(leaves, state)

    def own_slots(self, i: int, slots: dict[str, list[Array]]) -> Slots:
        """The slots of transform ``i`` by their own names."""
        return {name: slots[f"{i}.{name}"] for name in self.transforms[i].slots}

    def rule_state(self, state: State) -> State:
        """The state as the rule sees it."""
        return dataclasses.replace(state, slots={name: state.slots[name] for name in self.rule.slot_names()})

    # The parts of a step

    def moment(self, state: State) -> Moment:
        """The step that ``state`` is about to make."""
        return Moment(state.step + 1, self.lr_at(state.step), state.layout, state.flat)

    def gradients(
        self, gradients: list[Array], leaves: list[Array], state: State
    ) -> tuple[list[Array], dict[str, list[Array]], Array | None]:
        """What reaches the rule, the new slots of the transforms, and whether the step is to be made."""
        now = self.moment(state)
        new: dict[str, list[Array]] = {}
        go: Array | None = None
        for i, transform in enumerate(self.transforms):
            t = transform.at(state.step)
            slots = self.own_slots(i, state.slots)
            split = t.needs_leaves and state.flat
            given = self._seen_by(t, gradients, state)
            gradients, slots = t.update(given, self._seen_by(t, leaves, state), slots, now)
            if split:
                gradients = [_joined(gradients)] if gradients else []
            new.update({f"{i}.{name}": arrays for name, arrays in slots.items()})
            wanted = t.go(slots)
            if wanted is not None:
                go = wanted if go is None else array_namespace(go).logical_and(go, wanted)
        return gradients, new, go

    def finish(
        self, before: list[Array], leaves: list[Array], slots: dict[str, list[Array]], state: State
    ) -> tuple[list[Array], dict[str, list[Array]]]:
        """What the transforms make of the rule's result; ``slots`` holds those of all parts."""
        now = self.moment(state)
        for i in range(len(self.transforms) - 1, -1, -1):
            t = self.transforms[i].at(state.step)
            if type(t).after is Transform.after:
                continue
            leaves, own = t.after(before, leaves, self.own_slots(i, slots), now)
            slots = slots | {f"{i}.{name}": arrays for name, arrays in own.items()}
        return _hold(self.frozen(state.layout), before, leaves, now), slots

    # A step

    def apply(self, params: Any, grads: Any, state: State, weight: Array | float = 1.0) -> tuple[Any, State]:
        """See :meth:`Optimizer.apply`.

        Args:
            params, grads, state: as there.
            weight: with ``Accumulate`` in front, what the gradient counts: its number of samples.
        """
        if self.accumulate is None:
            return super().apply(params, grads, state)
        given, gradients = fitting(params, grads)
        return self._gathered(given, gradients.values, state, weight)

    def step_with(self, value_and_grad: Any, params: Any, state: State) -> tuple[Array, Any, State]:
        if self.accumulate is None:
            return super().step_with(value_and_grad, params, state)
        given = Leaves(params)
        asked = self.asked(leafwise(value_and_grad, given), state)
        value, gradients = asked(self.lookahead_leaves(given.values, state))
        return value, *self._gathered(given, gradients, state, 1.0)

    def flush(self, params: Any, state: State) -> tuple[Any, State]:
        """With ``Accumulate`` in front: the update for what was gathered since the last one, if anything."""
        gathers = self.accumulate
        if gathers is None or state.pending == 0:
            return params, state
        given = Leaves(params)
        mean, own = gathers.taken(self.own_slots(0, state.slots))
        state = self._with_own(state, own, pending=0)
        new_leaves, new_slots = self.apply_leaves(given.values, mean, state)
        return given.rebuild(new_leaves), advanced(state, new_slots)

    def _gathered(
        self, given: Leaves, gradients: list[Array], state: State, weight: Array | float
    ) -> tuple[Any, State]:
        gathers: Any = self.accumulate
        own = gathers.added(self.own_slots(0, state.slots), gradients, weight)
        state = self._with_own(state, own, pending=state.pending + 1)
        params = given.rebuild(given.values)
        return (params, state) if state.pending < gathers.every else self.flush(params, state)

    def _with_own(self, state: State, own: Slots, pending: int) -> State:
        slots = state.slots | {f"0.{name}": arrays for name, arrays in own.items()}
        return dataclasses.replace(state, slots=slots, pending=pending)

    def apply_leaves(
        self, leaves: list[Array], gradients: list[Array], state: State
    ) -> tuple[list[Array], dict[str, list[Array]]]:
        gradients, own, go = self.gradients(gradients, leaves, state)
        made = self.scheduled_rule.apply_leaves(leaves, gradients, self.rule_state(state))
        return self._completed(leaves, *made, own, go, state)

    def step_leaves(
        self, value_and_grad: LeafGradient, leaves: list[Array], state: State
    ) -> tuple[Array, list[Array], dict[str, list[Array]]]:
        asked = self.asked(value_and_grad, state)
        if type(self.rule).step_leaves is Optimizer.step_leaves:
            value, gradients = asked(self.lookahead_leaves(leaves, state))
            return value, *self.apply_leaves(leaves, gradients, state)
        # A rule that asks for gradients itself: all are transformed from the slots before the step.
        last: list[Any] = [{}, None]

        def transformed(points: list[Array]) -> tuple[Array, list[Array]]:
            value, gradients = asked(points)
            gradients, *last[:] = self.gradients(gradients, points, state)
            return value, gradients

        value, new_leaves, new_slots = self.scheduled_rule.step_leaves(
            transformed, leaves, self.rule_state(state)
        )
        own, go = last
        return value, *self._completed(leaves, new_leaves, new_slots, own, go, state)

    def asked(self, value_and_grad: LeafGradient, state: State) -> LeafGradient:
        """How the gradient is asked for: as the transforms do it, the first of them outermost."""
        now = self.moment(state)
        for i in range(len(self.transforms) - 1, -1, -1):
            if type(self.transforms[i]).gradient is not Transform.gradient:
                value_and_grad = functools.partial(
                    self.transforms[i].at(state.step).gradient,
                    value_and_grad,
                    slots=self.own_slots(i, state.slots),
                    now=now,
                )
        return value_and_grad

    def _completed(
        self,
        leaves: list[Array],
        new_leaves: list[Array],
        new_slots: dict[str, list[Array]],
        own: dict[str, list[Array]],
        go: Array | None,
        state: State,
    ) -> tuple[list[Array], dict[str, list[Array]]]:
        new_leaves, slots = self.finish(leaves, new_leaves, own | new_slots, state)
        if go is not None:
            new_leaves, slots = self.only_if(go, leaves, new_leaves, state.slots, slots)
        return new_leaves, {name: slots[name] for name in self.slot_names()}

    def only_if(
        self,
        go: Array,
        leaves: list[Array],
        new_leaves: list[Array],
        slots: dict[str, list[Array]],
        new_slots: dict[str, list[Array]],
    ) -> tuple[list[Array], dict[str, list[Array]]]:
        """The new parameters and slots where ``go``, else the old; counts of who called it off stay new."""
        kept = self._counts
        return _chosen(go, new_leaves, leaves), {
            name: arrays if name in kept else _chosen(go, arrays, slots[name])
            for name, arrays in new_slots.items()
        }

    @functools.cached_property
    def _counts(self) -> set[str]:
        calling = [i for i, t in enumerate(self.transforms) if type(t).go is not Transform.go]
        return {f"{i}.{name}" for i in calling for name in self.transforms[i].slots}

    # What else an optimizer answers

    def lookahead_leaves(self, leaves: list[Array], state: State) -> list[Array]:
        return self.scheduled_rule.lookahead_leaves(leaves, self.rule_state(state))

    def evaluation_leaves(self, leaves: list[Array], state: State) -> list[Array]:
        if state.step == 0:
            return leaves
        now = Moment(state.step, self.lr_at(state.step - 1), state.layout, state.flat)
        for i, t in enumerate(self.transforms):
            if t.averages:  # the outermost has averaged what the others made
                return t.at(state.step - 1).average(leaves, self.own_slots(i, state.slots), now)
        return self.scheduled_rule.evaluation_leaves(leaves, self.rule_state(state))

    def frozen(self, layout: Layout) -> tuple[bool, ...] | None:
        return self.rule.frozen(layout)

    def with_lr(self, change: Any) -> Chain:
        return type(self)(self.transforms, self.rule.with_lr(change))

    def freeze(self, paths: tuple[str, ...]) -> Chain:
        return type(self)(self.transforms, self.rule.freeze(paths))

    def loss_scale(self, state: State) -> Array | None:
        """What to multiply the loss by before it is differentiated; ``None`` without ``LossScale``."""
        for i, t in enumerate(self.transforms):
            scale = t.at(state.step).loss_scale(self.own_slots(i, state.slots))
            if scale is not None:
                return scale
        return None

    def lr_at(self, step: int) -> float:
        return self.scheduled_rule.lr_at(step)

    def _seen_by(self, t: Transform, arrays: list[Array], state: State) -> list[Array]:
        if t.needs_leaves and state.flat and arrays:
            return list(state.layout.views(arrays[0]).values())
        return arrays


def _hold(
    frozen: tuple[bool, ...] | None, before: list[Array], leaves: list[Array], now: Moment
) -> list[Array]:
    """Frozen leaves as they were before the step, the others as they are now."""
    if frozen is None or not any(frozen):
        return leaves
    return on_selected(lambda new, old: old, frozen, now, leaves, before)


def _chosen(go: Array, new: list[Array], old: list[Array]) -> list[Array]:
    """The new arrays where ``go``, a 0-d boolean, else the old."""
    xp: Any = array_namespace(go)
    return [xp.where(go, n, o) for n, o in zip(new, old, strict=True)]


def _joined(leaves: list[Array]) -> Array:
    xp: Any = array_namespace(*leaves)
    return xp.concat([xp.reshape(leaf, (-1,)) for leaf in leaves], axis=0)


def named(kind: str, spec: Any) -> Any:
    """A component that is given by name, ``"ema:decay=0.99"``; anything else as it is."""
    return registry.create(kind, spec) if isinstance(spec, str | Mapping) else spec


def chain(*parts: Transform | Optimizer | str) -> Chain:
    """Transforms followed by one optimizer, as one optimizer.

    Transforms of one kind may be given several times. A chain as the last part is continued. Parts may be
    names with options, ``chain("ema:decay=0.99", "adam:lr=0.01")``.

    Raises:
        ArgumentError: the last part is no optimizer, or one before it is no transform.

    >>> from learnkit.optim import AdamW, ClipByGlobalNorm
    >>> chain(ClipByGlobalNorm(1.0), AdamW(3e-4)).lr
    0.0003
    """
    if not parts:
        raise ArgumentError("chain needs at least an optimizer")
    return Chain(parts[:-1], parts[-1])  # type: ignore[arg-type]

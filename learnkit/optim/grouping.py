"""Parameter groups: other hyper-parameters, or another rule, or no update at all, for some leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.backends.layout import Layout
from learnkit.errors import ArgumentError, did_you_mean
from learnkit.optim.base import LeafGradient, Optimizer, State, zeros_like
from learnkit.optim.compose import Chain, named
from learnkit.optim.paths import check_pattern, matches, runs, selection

__all__ = ["Groups", "groups", "no_decay"]

#: What may be said of the leaves of a pattern.
Change = Mapping[str, Any] | Optimizer | None


class _Options(dict[str, Any]):
    """Hyper-parameters of a group, hashable because nobody changes them."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items(), key=lambda item: item[0])))


class Part(NamedTuple):
    """A rule and what it is for.

    Attributes:
        rule: or ``None``: these leaves are frozen.
        leaves: numbers of the leaves.
        stretches: the same in the vector, as (start, stop).
    """

    rule: Optimizer | None
    leaves: tuple[int, ...]
    stretches: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Groups(Optimizer):
    """A rule, and what is different for the leaves that fit a pattern; made by :func:`groups`."""

    rule: Optimizer = None  # type: ignore[assignment]
    patterns: tuple[tuple[str, Change], ...] = ()

    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        rule, patterns = named("optimizer", self.rule), _pairs(self.patterns)
        if not isinstance(rule, Optimizer):
            raise ArgumentError(f"groups: the rule is {rule!r}, expected an Optimizer")
        if isinstance(rule, Chain):
            raise ArgumentError(
                "groups: the rule is a chain",
                hint="groups stand inside of a chain: chain(transform, groups(rule, ...)), or call groups()",
            )
        if isinstance(rule, Groups):  # one list of patterns: the new ones come first
            patterns = (*patterns, *rule.patterns)
            rule = rule.rule
        rules = [r for r in (*(_rule_for(rule, p, c) for p, c in patterns), rule) if r is not None]
        asking = [r for r in rules if type(r).step_leaves is not Optimizer.step_leaves]
        if asking and len(set(rules)) > 1:
            raise ArgumentError(
                f"groups: {type(asking[0]).__name__} takes several gradients in a step and cannot be mixed",
                hint="with it, leaves can be frozen, but all others are in one group",
            )
        alone = all(_elementwise(r) for r in rules)
        for name, value in (
            ("rule", rule),
            ("patterns", patterns),
            ("elementwise", alone or bool(asking)),
            ("plain", all(r.plain for r in rules)),
            ("growing", rule.growing),
            ("averages", any(r.averages for r in rules)),
            ("_rules", (*(_rule_for(rule, p, c) for p, c in patterns), rule)),
            ("_asking", bool(asking)),
            ("_parts", None),
        ):
            object.__setattr__(self, name, value)

    @property
    def lr(self) -> Any:
        """The learning rate of the leaves that fit no pattern."""
        return getattr(self.rule, "lr")  # noqa: B009

    # Who is in which group

    def parts(self, layout: Layout) -> tuple[Part, ...]:
        """The groups that have leaves; the first pattern that fits a leaf counts.

        Raises:
            ArgumentError: a pattern fits no leaf at all.
        """
        known = self._parts  # type: ignore[attr-defined]
        if known is not None and known[0] is layout:
            return known[1]  # type: ignore[no-any-return]
        patterns = [pattern for pattern, _ in self.patterns]
        selection("groups", patterns, layout)
        labels = [
            next((i for i, p in enumerate(patterns) if matches(p, *leaf)), len(patterns))
            for leaf in zip(layout.paths, layout.shapes, strict=True)
        ]
        # Groups of equal rules are one, so that their leaves make longer stretches.
        rules: tuple[Optimizer | None, ...] = self._rules  # type: ignore[attr-defined]
        labels = [rules.index(rules[label]) for label in labels]
        stretches = list(runs(labels, layout))
        found = tuple(
            Part(
                rules[label],
                tuple(i for i, other in enumerate(labels) if other == label),
                tuple((start, stop) for other, start, stop in stretches if other == label),
            )
            for label in sorted(set(labels))
        )
        object.__setattr__(self, "_parts", (layout, found))
        return found

    def frozen(self, layout: Layout) -> tuple[bool, ...] | None:
        if all(rule is not None for rule in self._rules):  # type: ignore[attr-defined]
            return None
        still = {i for part in self.parts(layout) if part.rule is None for i in part.leaves}
        return tuple(i in still for i in range(len(layout.paths)))

    # Slots: those of all rules, each for all leaves, so that a leaf can be frozen for a while

    def slot_names(self) -> tuple[str, ...]:
        rules = [rule for rule in self._rules if rule is not None]  # type: ignore[attr-defined]
        return tuple(dict.fromkeys(name for rule in reversed(rules) for name in rule.slot_names()))

    def init_leaves(self, leaves: list[Array], state: State) -> dict[str, list[Array]]:
        if self._asking:  # type: ignore[attr-defined]
            (moving,) = self._moving(state.layout)
            return self.rule.init_leaves(self._taken(moving, leaves, state), state)
        names = self.slot_names()
        if state.flat:
            return {name: [vector] for name, vector in self._init_vectors(leaves[0], state).items()}
        made: dict[str, list[Array]] = {name: [None] * len(leaves) for name in names}
        for part in self.parts(state.layout):
            rule = part.rule or self.rule
            for i in part.leaves:
                slots = dict(zip(rule.slot_names(), rule.init_slots(leaves[i]), strict=True))
                for name in names:
                    made[name][i] = slots[name] if name in slots else _empty(leaves[i])
        return made

    def _init_vectors(self, theta: Array, state: State) -> dict[str, Array]:
        vectors = {name: zeros_like(theta) for name in self.slot_names()}
        for part in self.parts(state.layout):
            rule = part.rule or self.rule
            for start, stop in part.stretches:
                slots = rule.init_slots(theta[start:stop])
                for name, slot in zip(rule.slot_names(), slots, strict=True):
                    vectors[name][start:stop] = slot
        return vectors

    # A step, group by group

    def apply_leaves(
        self, leaves: list[Array], gradients: list[Array], state: State
    ) -> tuple[list[Array], dict[str, list[Array]]]:
        new_leaves, new_slots = list(leaves), {name: list(a) for name, a in state.slots.items()}
        for part, own in self._with_state(state):
            rule: Any = part.rule
            given = self._taken(part, leaves, state), self._taken(part, gradients, state)
            made, slots = rule.apply_leaves(*given, own)
            new_leaves = self._put(part, new_leaves, made, state)
            if self._asking:  # type: ignore[attr-defined]
                new_slots = slots
                continue
            for name, arrays in slots.items():
                new_slots[name] = self._put(part, new_slots[name], arrays, state)
        return new_leaves, new_slots

    def step_leaves(
        self, value_and_grad: LeafGradient, leaves: list[Array], state: State
    ) -> tuple[Array, list[Array], dict[str, list[Array]]]:
        if not self._asking:  # type: ignore[attr-defined]
            return super().step_leaves(value_and_grad, leaves, state)
        (moving,) = self._moving(state.layout)

        def gradient(points: list[Array]) -> tuple[Array, list[Array]]:
            value, gradients = value_and_grad(self._put(moving, leaves, points, state))
            return value, self._taken(moving, gradients, state)

        value, made, slots = self.rule.step_leaves(gradient, self._taken(moving, leaves, state), state)
        return value, self._put(moving, leaves, made, state), slots

    def lookahead_leaves(self, leaves: list[Array], state: State) -> list[Array]:
        return self._by_group(lambda rule, part, own: rule.lookahead_leaves(part, own), leaves, state)

    def evaluation_leaves(self, leaves: list[Array], state: State) -> list[Array]:
        return self._by_group(lambda rule, part, own: rule.evaluation_leaves(part, own), leaves, state)

    def _by_group(
        self,
        function: Callable[[Optimizer, list[Array], State], list[Array]],
        leaves: list[Array],
        state: State,
    ) -> list[Array]:
        new = list(leaves)
        for part, own in self._with_state(state):
            rule: Any = part.rule
            new = self._put(part, new, function(rule, self._taken(part, leaves, state), own), state)
        return new

    def _moving(self, layout: Layout) -> list[Part]:
        return [part for part in self.parts(layout) if part.rule is not None]

    def _with_state(self, state: State) -> Iterator[tuple[Part, State]]:
        """Each group that moves, with its part of the state."""
        for part in self._moving(state.layout):
            rule: Any = part.rule
            slots = {
                name: state.slots[name]
                if self._asking  # type: ignore[attr-defined]
                else self._taken(part, state.slots[name], state)
                for name in rule.slot_names()
            }
            paths, shapes = state.layout.paths, state.layout.shapes
            layout = Layout(tuple(paths[i] for i in part.leaves), tuple(shapes[i] for i in part.leaves))
            yield part, dataclasses.replace(state, slots=slots, layout=layout, flat=False)

    def _taken(self, part: Part, arrays: list[Array], state: State) -> list[Array]:
        """The arrays of a group; of the vector, one slice for each of its stretches."""
        if state.flat:
            return [arrays[0][start:stop] for start, stop in part.stretches]
        return [arrays[i] for i in part.leaves]

    def _put(self, part: Part, arrays: list[Array], new: list[Array], state: State) -> list[Array]:
        """``arrays`` with those of a group replaced; never written to."""
        if state.flat:
            vector = array_namespace(arrays[0]).asarray(arrays[0], copy=True)
            for (start, stop), values in zip(part.stretches, new, strict=True):
                vector[start:stop] = values
            return [vector]
        out = list(arrays)
        for i, values in zip(part.leaves, new, strict=True):
            out[i] = values
        return out

    # What else an optimizer answers

    def with_lr(self, change: Callable[[Any], Any]) -> Groups:
        patterns = []
        for pattern, what in self.patterns:
            if isinstance(what, Optimizer):
                what = what.with_lr(change)
            elif what is not None and "lr" in what:
                what = {**what, "lr": change(what["lr"])}
            patterns.append((pattern, what))
        return Groups(self.rule.with_lr(change), tuple(patterns))

    def freeze(self, paths: tuple[str, ...]) -> Groups:
        return Groups(self, tuple((path, None) for path in paths)) if paths else self

    def lr_at(self, step: int) -> float:
        return self.rule.lr_at(step)

    def _mapped(self, change: Callable[[Any], Any]) -> Groups:
        patterns = []
        for pattern, what in self.patterns:
            new: Change = what
            if isinstance(what, Optimizer):
                new = change(what)
            elif what is not None:
                new = _Options({name: change(value) for name, value in what.items()})
            patterns.append((pattern, new))
        rule = change(self.rule)
        same = rule is self.rule and tuple(patterns) == self.patterns
        return self if same else Groups(rule, tuple(patterns))

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, with the patterns as a list of pairs, which keeps their order."""
        return {"rule": self.rule, "patterns": [list(pair) for pair in self.patterns]}


def _elementwise(rule: Optimizer) -> bool:
    own = ("apply_leaves", "lookahead_leaves", "evaluation_leaves", "init_leaves")
    return rule.elementwise and all(getattr(type(rule), n) is getattr(Optimizer, n) for n in own)


def _pairs(patterns: Any) -> tuple[tuple[str, Change], ...]:
    pairs = patterns.items() if isinstance(patterns, Mapping) else patterns
    if not isinstance(patterns, (Mapping, Sequence)) or isinstance(patterns, str):
        raise ArgumentError(f"groups: patterns is {patterns!r}, expected a dict from pattern to changes")
    made = []
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ArgumentError(f"groups: {pair!r} is no pair of a pattern and what is different for it")
        pattern, what = pair
        check_pattern("groups", pattern)
        if what == "frozen":
            what = None
        elif isinstance(what, Mapping):
            # A description has lists where the options are tuples.
            what = _Options({k: tuple(v) if isinstance(v, list) else v for k, v in what.items()})
        elif what is not None and not isinstance(what, Optimizer):
            raise ArgumentError(
                f"groups: {pattern!r} has {what!r}, expected a dict of hyper-parameters, an Optimizer, "
                "or None for frozen parameters"
            )
        made.append((pattern, what))
    return tuple(made)


def _rule_for(rule: Optimizer, pattern: str, what: Change) -> Optimizer | None:
    if what is None:
        return None
    if isinstance(what, Optimizer):
        if isinstance(what, (Chain, Groups)):
            raise ArgumentError(
                f"groups: {pattern!r} has a {type(what).__name__.lower()}, expected a plain rule"
            )
        return what
    known = [f.name for f in dataclasses.fields(rule) if f.init]
    for name in what:
        if name not in known:
            raise ArgumentError(
                f"groups: {pattern!r}: {type(rule).__name__} has no option {name!r}"
                f"{did_you_mean(name, known)}",
                hint=f"options: {', '.join(known)}",
            )
    try:
        return dataclasses.replace(rule, **what)
    except ArgumentError as error:
        raise ArgumentError(f"groups: {pattern!r}: {error.message}", hint=error.hint) from None


def _empty(like: Array) -> Array:
    return array_namespace(like).zeros((0,), dtype=like.dtype, device=array_api_compat.device(like))


def groups(
    rule: Optimizer | str, patterns: Mapping[str, Change] | Sequence[tuple[str, Change]]
) -> Groups | Chain:
    """A rule with other hyper-parameters, another rule, or no update, for some of the parameters.

    Args:
        rule: for all leaves that fit no pattern; or its name with options. Of a ``chain(...)`` it is
            the chain's rule.
        patterns: from pattern to what is different for the leaves that fit it; the first that fits counts.

            * a pattern is a dotted path with wild cards, ``"*.bias"``, ``"0.*"``; or ``"ndim<=1"`` (any
              comparison) for leaves with so many axes, ``"matrix"`` for ``"ndim>=2"``;
            * what is different is a dict of hyper-parameters, ``{"lr": 1e-4}``, numbers or schedules; or
              another rule; or ``None`` (in a file ``"frozen"``): these leaves never move.

    Returns:
        One optimizer, that of the chain if ``rule`` is one.

    Raises:
        ArgumentError: the rule has no such hyper-parameter, or refuses the value. When the parameters are
            known: a pattern of paths fits none of them.

    >>> import numpy as np
    >>> from learnkit.optim import SGD
    >>> optimizer = groups(SGD(1.0), {"*.bias": {"lr": 0.5}, "1.*": None})
    >>> params = {"0": {"bias": np.zeros(1), "weight": np.zeros(1)}, "1": {"bias": np.zeros(1)}}
    >>> ones = {"0": {"bias": np.ones(1), "weight": np.ones(1)}, "1": {"bias": np.ones(1)}}
    >>> new, _ = optimizer.apply(params, ones, optimizer.init(params))
    >>> new["0"]["bias"], new["0"]["weight"], new["1"]["bias"]
    (array([-0.5]), array([-1.]), array([-0.5]))

    The bias of the second layer fits both patterns, and the first of them counts.
    """
    rule = named("optimizer", rule)
    if isinstance(rule, Chain):
        return Chain(rule.transforms, Groups(rule.rule, patterns))  # type: ignore[arg-type]
    return Groups(rule, patterns)  # type: ignore[arg-type]


def no_decay(rule: Optimizer, patterns: Sequence[str] = ("ndim<=1",)) -> Groups | Chain:
    """``rule`` without weight decay on biases and scales of normalisation: leaves with at most one axis.

    Args:
        rule: one with an option ``weight_decay``, alone or in a chain.
        patterns: which leaves do not decay; default those with at most one axis.

    Raises:
        ArgumentError: the rule has no option ``weight_decay``.

    >>> from learnkit.optim import AdamW
    >>> no_decay(AdamW(1e-3, weight_decay=0.1)).patterns
    (('ndim<=1', {'weight_decay': 0.0}),)
    """
    return groups(rule, [(pattern, {"weight_decay": 0.0}) for pattern in patterns])

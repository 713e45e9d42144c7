"""What is asked of optimizers and of transforms, which stand in a chain in front of SGD."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np

from learnkit.autodiff import plain_value
from learnkit.backends.base import array_namespace
from learnkit.backends.layout import Layout
from learnkit.errors import ArgumentError
from learnkit.optim import SGD, chain
from learnkit.optim.base import Optimizer
from learnkit.optim.engine import init_state, update_in_place
from learnkit.schedules.base import fill_in
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.arrays import array_checks, cases_of
from learnkit.testing.checks.calculus import check_extremes
from learnkit.testing.checks.common import common_checks
from learnkit.testing.checks.training import resumes
from learnkit.testing.diagnosis import fingerprint, returned
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Case, Subject
from learnkit.testing.tracing import first_line

__all__ = ["checks", "transform_checks"]

_rng = np.random.default_rng(11)
_INPUTS = {
    "w": _rng.normal(size=(3, 2)),
    "b": _rng.normal(size=2),
    "s": np.asarray(0.7),
    "grad w": _rng.normal(size=(3, 2)),
    "grad b": _rng.normal(size=2),
    "grad s": np.asarray(-0.4),
}
_LEAVES = ("w", "b", "s")
#: What the gradient is multiplied by in each step.
_FACTORS = (1.0, 0.5, -0.75)
_STEPS = len(_FACTORS)


def checks() -> list[Check]:
    """The checks of optimizers."""
    return [
        *common_checks(),
        Check(
            "slots",
            _slots,
            "name every array that is kept in slots = (...), and let update return the new theta and "
            "then the new slots "
            "in that order",
        ),
        Check(
            "elementwise",
            _elementwise,
            "a rule that looks at whole leaves, such as a norm, says so: elementwise: ClassVar[bool] = False",
        ),
        *array_checks(_cases),
        Check("state", _kept, patterns.REMEDIES["inplace"]),
        Check(
            "in-place",
            _in_place,
            "let update depend on its arguments and the options alone: in training it is run once "
            "with symbols, "
            "fused, and writes into theta and the slots",
        ),
        Check("extremes", _extremes, patterns.REMEDIES["singular"]),
        Check("descends", _descends, "is the sign of the step right? theta - lr * direction goes down"),
        Check("resumes", _resumes, patterns.REMEDIES["state"]),
    ]


def transform_checks() -> list[Check]:
    """The checks of transforms."""
    return [
        *common_checks(),
        *array_checks(_cases),
        Check("state", _kept, patterns.REMEDIES["inplace"]),
        Check("extremes", _extremes, patterns.REMEDIES["singular"]),
        Check("resumes", _resumes, patterns.REMEDIES["state"]),
    ]


def _optimizer(component: Any) -> Optimizer:
    """An optimizer for a run of known length."""
    made = component if isinstance(component, Optimizer) else chain(component, SGD(0.1))
    return fill_in(made, 8, 4)  # type: ignore[no-any-return]


def _inputs(subject: Subject) -> dict[str, Any]:
    """Parameters, and gradients for each."""
    given = {k: np.asarray(v) for k, v in subject.need("params", {}).items()}
    if not given:
        return dict(_INPUTS)
    grads = subject.need("grads", {})
    return given | {f"grad {k}": np.asarray(grads[k]) if k in grads else np.cos(v) for k, v in given.items()}


def _cases(subject: Subject) -> list[Case]:
    method = "update" if subject.kind == "optimizer" else "transform"
    inputs = _inputs(subject)
    shapes = {tuple(np.shape(x)) for x in inputs.values()} - {()}

    def dtype(name: str, value: Any) -> str:
        """Parameters and slots of their shape have the dtype of the parameters; counts may have their own."""
        return "same" if name.startswith("parameter") or tuple(value.shape) in shapes else "any"

    return [Case(inputs, _some_steps, dtype=dtype, method=method)]


def _some_steps(component: Any, arrays: dict[str, Any], backend: Any) -> dict[str, Any]:
    """Parameters and slots after some steps."""
    optimizer = _optimizer(component)
    leaves = [name for name in arrays if not name.startswith("grad ")]
    params = {name: arrays[name] for name in leaves}
    grads = {name: arrays[f"grad {name}"] for name in leaves}
    state = optimizer.init(params)
    for factor in _FACTORS:
        if optimizer.plain:
            now = {name: array_namespace(g).multiply(g, factor) for name, g in grads.items()}
            params, state = optimizer.apply(params, now, state)
        else:
            _, params, state = optimizer.step_with(lambda p: _bowl(p, grads), params, state)
    outputs = {f"parameter {name!r}": value for name, value in params.items()}
    for name, slots in state.slots.items():
        outputs.update({f"slot {name!r}, {i}": slot for i, slot in enumerate(slots)})
    return outputs


def _bowl(params: dict[str, Any], centre: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """``sum (p - c)^2 / 2`` and its gradient."""
    grads = {}
    total: Any = None
    for name, p in params.items():
        xp = array_namespace(p)
        d = xp.subtract(p, centre[name])
        grads[name] = d
        term = xp.multiply(xp.sum(xp.multiply(d, d)), 0.5)
        total = term if total is None else xp.add(total, term)
    return total, grads


def _kept(subject: Subject, row: str) -> None:
    """A step leaves the slots that it is given as they are: a caller may take it once more from there."""
    cases_of(subject, _cases)
    inputs = _inputs(subject)
    params: Any = {name: np.array(x) for name, x in inputs.items() if not name.startswith("grad ")}
    grads = {name: np.array(inputs[f"grad {name}"]) for name in params}
    optimizer = _optimizer(subject.fresh())
    state = optimizer.init(params)
    for _ in range(2):
        given, new = copy.deepcopy(state), _step(optimizer, params, grads, state)
        name = _changed_slot(state, given)
        if name is not None:
            place = _where_changed(subject, optimizer, params, grads, given)
            raise CheckFailure(f"a step changes the slot {name!r} that it is given", where=place)
        params, state = new


def _step(optimizer: Optimizer, params: Any, grads: Any, state: Any) -> Any:
    if optimizer.plain:
        return optimizer.apply(params, grads, state)
    return optimizer.step_with(functools.partial(_bowl, centre=grads), params, state)[1:]


def _where_changed(subject: Subject, optimizer: Optimizer, params: Any, grads: Any, given: Any) -> Any:
    again = copy.deepcopy(given)
    step = functools.partial(_step, optimizer, params, grads, again)
    return first_line(subject.author, step, lambda _, __: _changed_slot(again, given) is not None)


def _changed_slot(state: Any, before: Any) -> str | None:
    for name, slots in state.slots.items():
        for a, b in zip(slots, before.slots[name], strict=True):
            if fingerprint(np.asarray(a)) != fingerprint(np.asarray(b)):
                return str(name)
    return None


def _in_place(subject: Subject, row: str) -> None:
    """What a trainer makes of one vector, fused and in place, is what ``apply`` gives."""
    cases_of(subject, _cases)
    optimizer = _optimizer(subject.fresh())
    if not (optimizer.plain and optimizer.elementwise):
        raise NotApplicable("it is not run on one vector")
    theta, grad = np.sin(1.0 + np.arange(64.0)), np.cos(2.0 + 3.0 * np.arange(64.0))
    layout = Layout(("w",), ((64,),))
    params: Any = {"w": theta.copy()}
    state, flat = optimizer.init(params), init_state(optimizer, theta, layout)
    for factor in _FACTORS:
        params, state = optimizer.apply(params, {"w": grad * factor}, state)
        update_in_place(optimizer, theta, grad * factor, flat)
    if not np.allclose(theta, params["w"], rtol=1e-6, atol=1e-9, equal_nan=True):
        i = int(np.argmax(np.abs(theta - params["w"])))
        raise CheckFailure(
            f"{_STEPS} steps in place make an element {theta[i]:.9g}, by apply() {params['w'][i]:.9g}",
            where=subject.author.definition("update"),
        )


def _slots(subject: Subject, row: str) -> None:
    """As many slots come back as are named, in their shapes, and each of them moves."""
    rule = subject.fresh()
    names = rule.slot_names()
    own = type(rule).update is not Optimizer.update
    inputs = _inputs(subject)
    theta = next(iter(inputs.values()))
    grad = np.cos(theta)

    def call() -> Any:
        old = rule.init_slots(theta.copy())
        return rule.at(0).update(theta.copy(), grad.copy(), *old, lr=rule.lr_at(0), step=1)

    def place() -> Any:
        return returned(subject.author, call, "update")

    if own and type(rule).apply_leaves is Optimizer.apply_leaves:
        old = rule.init_slots(theta.copy())
        if len(old) != len(names):
            raise CheckFailure(
                f"init_slots makes {len(old)} arrays for the {len(names)} slots {names}",
                where=subject.author.definition("init_slots"),
            )
        try:
            result = call()
        except ArgumentError as error:
            if subject.author.place_of(error) is not None:
                raise
            raise CheckFailure(error.message, where=place()) from None
        except TypeError as error:
            if subject.author.place_of(error) is not None:
                raise
            raise CheckFailure(
                f"update(theta, grad, {', '.join((*names, 'lr=, step='))}) cannot be called: {error}",
                where=subject.author.definition("update"),
            ) from None
        parts = result if isinstance(result, tuple) else (result,)
        if len(parts) != 1 + len(names):
            raise CheckFailure(
                f"update returns {len(parts)} arrays, expected {1 + len(names)}: theta"
                + (f" and the slots {', '.join(names)}" if names else ", as slots = ()"),
                where=place(),
            )
        for name, before, after in zip(("theta", *names), (theta, *old), parts, strict=True):
            if tuple(np.shape(after)) != tuple(np.shape(before)):
                raise CheckFailure(
                    f"update returns {name} of shape {np.shape(after)}, it was {np.shape(before)}",
                    where=place(),
                )
    for name in _never_moved(rule, inputs):
        raise CheckFailure(
            f"the slot {name!r} is after {_STEPS} steps what it was at the start: it is never updated",
            f"return the new value of {name!r}, or leave the slot out",
            place(),
        )


def _never_moved(rule: Optimizer, inputs: dict[str, Any]) -> list[str]:
    """Slots that start at 0 and are 0 after each step. Others may be meant to stay, as a start point."""
    params = {name: np.array(x) for name, x in inputs.items() if not name.startswith("grad ")}
    state = rule.init(params)
    still = {n: slots for n, slots in state.slots.items() if sum(np.size(a) for a in slots)}
    still = {n: slots for n, slots in still.items() if not any(np.any(np.asarray(a)) for a in slots)}
    for factor in _FACTORS:
        grads = {name: np.asarray(inputs[f"grad {name}"]) * factor for name in params}
        if rule.plain:
            params, state = rule.apply(params, grads, state)
        else:
            bowl = functools.partial(_bowl, centre=grads)
            _, params, state = rule.step_with(bowl, params, state)
        for name in list(still):
            if any(np.any(np.asarray(a)) for a in state.slots[name]):
                del still[name]
    return list(still)


def _elementwise(subject: Subject, row: str) -> None:
    """A rule that says it is elementwise gives the same for a vector and for its halves."""
    cases_of(subject, _cases)
    rule = subject.fresh()
    whole = type(rule).apply_leaves is not Optimizer.apply_leaves
    if not rule.elementwise or whole or type(rule).update is Optimizer.update:
        raise NotApplicable("it does not say that each element is updated by itself")
    theta, grad = np.sin(1.0 + np.arange(8.0)), np.cos(2.0 + 3.0 * np.arange(8.0))

    def after(part: slice) -> list[Any]:
        t, slots = theta[part].copy(), rule.init_slots(theta[part].copy())
        for step in range(1, 3):
            result = rule.at(step - 1).update(t, grad[part], *slots, lr=rule.lr_at(step - 1), step=step)
            t, *slots = result if isinstance(result, tuple) else (result,)
        return [t, *slots]

    halves = [after(slice(0, 4)), after(slice(4, 8))]
    for i, value in enumerate(after(slice(0, 8))):
        joined = np.concatenate([np.atleast_1d(half[i]) for half in halves])
        if np.shape(value) == (8,) and not np.allclose(value, joined, rtol=1e-9, atol=1e-12):
            what = "theta" if i == 0 else f"the slot {rule.slot_names()[i - 1]!r}"
            raise CheckFailure(
                f"it says that it is elementwise, and {what} of a vector is not that of its two halves",
                where=returned(subject.author, lambda: after(slice(0, 8)), "update"),
            )


def _extremes(subject: Subject, row: str) -> None:
    case = cases_of(subject, _cases)[0]
    grads = [name for name in case.inputs if name.startswith("grad ")]
    others = [name for name in case.inputs if not name.startswith("grad ")]

    def filled(names: list[str], value: float) -> dict[str, Any]:
        return {name: np.full_like(np.asarray(case.inputs[name]), value) for name in names}

    check_extremes(
        subject,
        case,
        {
            "a gradient of 0": filled(grads, 0.0),
            "a gradient of 0 at parameters of 0": filled(grads, 0.0) | filled(others, 0.0),
            "a gradient of 1e4": filled(grads, 1e4),
            "a gradient of 1e-20": filled(grads, 1e-20),
        },
        gradient=False,
    )


def _descends(subject: Subject, row: str) -> None:
    """Down a bowl, a little at least."""
    cases_of(subject, _cases)
    rule = subject.fresh()
    params: Any = {"w": np.full((3, 2), 2.0), "b": np.asarray([1.5, -1.0])}
    centre = {"w": np.zeros((3, 2)), "b": np.zeros(2)}
    state = rule.init(params)
    start = float(_bowl(params, centre)[0])
    for _ in range(20):
        _, params, state = rule.step_with(lambda p: _bowl(p, centre), params, state)
    end = float(plain_value(_bowl(rule.evaluation_params(params, state), centre)[0]))
    if not end < start:
        order = "do the new slots come back in the order in which they are named? is what a root is of >= 0?"
        raise CheckFailure(
            f"20 steps down a bowl took the value from {start:.6g} to {end:.6g}",
            order if end != end and rule.slots else None,
            where=returned(
                subject.author, lambda: rule.step_with(lambda p: _bowl(p, centre), params, state), "update"
            ),
        )


def _resumes(subject: Subject, row: str) -> None:
    cases_of(subject, _cases)
    resumes(subject, optimizer=_optimizer(subject.fresh()))

"""All array code: one value on every library, in dtype and place of the inputs, and no side effects."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import array_api_compat
import numpy as np

from learnkit.autodiff import plain_value, value_and_grad
from learnkit.backends.base import array_namespace
from learnkit.errors import LearnkitError
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.common import plain_state
from learnkit.testing.diagnosis import (
    fingerprint,
    is_array,
    returned,
    where_different,
    where_first,
    where_spot,
)
from learnkit.testing.matrix import BackendUnderTest, open_backend
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Case, Subject
from learnkit.testing.tracing import Place, first_line, lines_run

__all__ = ["array_checks", "cases_of", "here", "host", "loss_of", "runs_check", "spotted"]

ROWS = ("numpy", "strict", "torch", "cupy", "fakecupy")

#: Finds the cases of a subject.
Finder = Callable[[Subject], list[Case]]


def array_checks(find: Finder) -> list[Check]:
    """The checks of components that compute with arrays.

    Args:
        find: gives the ways in which a component is called.
    """

    def over(check: Callable[[Subject, Case, str], None]) -> Callable[[Subject, str], None]:
        def run(subject: Subject, row: str) -> None:
            for case in cases_of(subject, find):
                check(subject, case, row)

        return run

    return [
        runs_check(find),
        Check(
            "library",
            over(_library),
            "use functions of the standard only, xp = array_namespace(x), and keep dtype and device: "
            "every new array "
            "gets dtype=x.dtype and device=array_api_compat.device(x)",
            ROWS,
        ),
        Check("deterministic", over(_deterministic), patterns.REMEDIES["state"]),
        Check("inputs", over(_inputs_unchanged), patterns.REMEDIES["inplace"]),
    ]


def cases_of(subject: Subject, find: Finder) -> list[Case]:
    """The cases of a subject, found once.

    Raises:
        NotApplicable: there are none; the check ``runs`` says why.
    """
    if subject.cases is None:
        subject.cases = []
        try:
            found = find(subject)
            for case in found:
                with np.errstate(all="ignore"):
                    case.run(subject.fresh(), host())
            subject.cases = found
        except Exception as error:
            subject.problem = error
    if not subject.cases:
        raise NotApplicable("it does not run, see the check 'runs'")
    return subject.cases


def runs_check(find: Finder) -> Check:
    """The check that stands in front of the others: the component can be called at all."""

    def run(subject: Subject, row: str) -> None:
        try:
            cases_of(subject, find)
        except NotApplicable:
            if subject.problem is None:
                raise
            raise subject.problem from None

    return Check(
        "runs",
        run,
        "does the component take what others of its kind take? If it needs other inputs, give them: "
        "checks_for(component, ...), or a class method for_checks() that returns (component, {name: array})",
    )


def host() -> BackendUnderTest:
    """NumPy, under test."""
    with open_backend("numpy") as backend:
        return backend


def here(backend: BackendUnderTest, value: Any) -> str | None:
    """What is wrong with the place of an array, in words; ``None`` if nothing is."""
    value = plain_value(value)
    if isinstance(value, np.generic) and backend.name == "numpy":
        return None
    if not is_array(value):
        return f"is of type {type(value).__name__}, expected an array of {backend.name}"
    try:
        xp = array_namespace(value)
    except LearnkitError:
        return f"is of type {type(value).__name__}, expected an array of {backend.name}"
    if xp is not backend.xp:
        return f"is an array of {_library_name(xp)}, expected one of {_library_name(backend.xp)}"
    device = array_api_compat.device(value)
    if device != backend.device:
        return f"is on the device {device}, expected {backend.device}"
    return None


def _library_name(xp: Any) -> str:
    return str(getattr(xp, "__name__", xp)).removeprefix("array_api_compat.")


def _library(subject: Subject, case: Case, row: str) -> None:
    """In float32 and float64: value of NumPy, dtype, device and library of the inputs, and no waits."""
    for dtype in ("float32", "float64"):
        with open_backend(row) as backend:
            component = case.ready(subject.fresh(), backend, dtype)
            arrays = case.on(backend, dtype)
            # Once before: constants that are kept, such as class weights, may be copied to the device then.
            outputs = case.call(component, arrays, backend)
            _judge(subject, case, backend, component, arrays, outputs, dtype)
            with backend.no_sync():
                outputs = case.call(component, arrays, backend)
                if case.differentiable:
                    value_and_grad(loss_of(case, component, arrays, backend))(
                        {name: arrays[name] for name in case.differentiable}
                    )
            got = {name: backend.to_numpy(plain_value(y)) for name, y in outputs.items()}
        wanted = case.run(subject.fresh(), host(), dtype) if row != "numpy" else got
        for name, y in got.items():
            _agree(subject, case, row, name, y, np.asarray(plain_value(wanted[name])), dtype)


def _judge(
    subject: Subject,
    case: Case,
    backend: BackendUnderTest,
    component: Any,
    arrays: Any,
    outputs: Any,
    dtype: str,
) -> None:
    def call() -> Any:
        return case.call(component, arrays, backend)

    for name, y in outputs.items():
        wrong = here(backend, y)
        if wrong is not None:
            place = where_first(subject.author, call, lambda v: here(backend, v) is not None)
            place = place or returned(subject.author, call, case.method)
            where, remedy = spotted(place, "creation", "numpy", "host", "wide")
            raise CheckFailure(
                f"{name} {wrong}", remedy or patterns.REMEDIES["creation"].format(name="zeros"), where
            )
        found = str(plain_value(y).dtype).rsplit(".", 1)[-1]
        said = case.dtype if isinstance(case.dtype, str) else case.dtype(name, plain_value(y))
        expected = dtype if said == "same" else said
        if said != "any" and found != expected:
            floating = found.startswith(("float", "complex", "bfloat"))
            sorts = ("wide", "creation", "numpy", "integer") if floating else ("integer", "creation", "numpy")

            def is_wrong(v: Any, found: str = found) -> bool:
                return str(plain_value(v).dtype).rsplit(".", 1)[-1] == found

            place = None
            if floating:
                place = where_first(subject.author, call, is_wrong)
            place = place or returned(subject.author, call, case.method)
            where, remedy = spotted(place, *sorts)
            if said == "float64":
                remedy = (
                    "add up in double precision: in_double(x) and count(y_pred, n) of learnkit.metrics.base"
                )
            sort = "wide" if floating else "integer"
            raise CheckFailure(
                f"{name} has dtype {found}, expected {expected}"
                + (f", that of the inputs, on {backend.name}" if said == "same" else f" on {backend.name}"),
                remedy or patterns.REMEDIES[sort],
                where,
            )


def spotted(place: Place | None, *sorts: str) -> tuple[Place | None, str | None]:
    """The line of a construct of one of ``sorts`` at a place, and its remedy; or the place as it is."""
    if place is None:
        return None, None
    spot = patterns.at(*place, *sorts)
    return (place, None) if spot is None else ((place[0], spot.line), spot.remedy)


def _agree(subject: Subject, case: Case, row: str, name: str, got: Any, wanted: Any, dtype: str) -> None:
    where, remedy = subject.author.definition(case.method), None
    if got.shape != wanted.shape:
        raise CheckFailure(
            f"{name} has shape {got.shape} on {row} and {wanted.shape} on numpy",
            "the shape follows from the shapes of the inputs alone, on every library",
            where,
        )
    if got.dtype.kind not in "fc" or wanted.dtype.kind not in "fc":
        same = bool(np.all(got == wanted))
    else:
        finite = wanted[np.isfinite(wanted)]
        size = float(np.max(np.abs(finite), initial=0.0))
        loose = 1e-3 if dtype == "float32" else 1e-9
        same = bool(np.allclose(got, wanted, rtol=loose, atol=loose * max(size, 1e-3), equal_nan=True))
    if not same:
        run = lines_run(subject.author, functools.partial(case.run, subject.fresh(), host(), dtype))
        drawn = where_spot(run, "random")
        if drawn is not None:
            where, remedy = (drawn[0], drawn[1].line), drawn[1].remedy
        raise CheckFailure(
            f"{name} on {row} is another number than on numpy: {_sample(got, wanted)}",
            remedy
            or "does a function behave differently there, or does the result depend on more than the inputs?",
            where,
        )


def _sample(got: Any, wanted: Any) -> str:
    different = np.argwhere(~np.isclose(got, wanted, equal_nan=True))
    index = tuple(int(i) for i in different[0]) if len(different) else ()
    return f"{got[index]} and {wanted[index]}" if got.shape else f"{got} and {wanted}"


def loss_of(
    case: Case, component: Any, arrays: dict[str, Any], backend: BackendUnderTest
) -> Callable[..., Any]:
    """A function of the differentiable inputs to one number, for gradients."""

    def scalar(values: dict[str, Any]) -> Any:
        outputs = case.call(component, {**arrays, **values}, backend)
        total: Any = None
        for name in sorted(outputs):
            y = outputs[name]
            xp = array_namespace(y)
            if not xp.isdtype(y.dtype, "real floating"):
                continue
            term = y if not tuple(y.shape) else xp.sum(y)
            total = term if total is None else array_namespace(total, term).add(total, term)
        return total

    return scalar


def _deterministic(subject: Subject, case: Case, row: str) -> None:
    """The same call, once more and on a copy, gives the same bits, and leaves no trace in the object."""
    backend = host()
    component = case.ready(subject.fresh(), backend, "float64")
    other = case.ready(subject.fresh(), backend, "float64")
    arrays = case.on(backend, "float64")
    first = _prints(case.call(component, arrays, backend))
    before = _attributes(component)
    run = lines_run(subject.author, functools.partial(case.call, component, arrays, backend))
    drawn = where_spot(run, "random") is not None  # what is drawn may be the same a few times by accident
    for again in (component, component, other, *[component] * (12 if drawn else 0)):
        second = _prints(case.call(again, arrays, backend))
        if second != first:
            name = next(n for n in first if second.get(n) != first[n])
            call = functools.partial(
                case.call, case.ready(subject.fresh(), backend, "float64"), arrays, backend
            )
            where, remedy = where_different(subject.author, call, call)
            raise CheckFailure(
                f"called twice with the same arguments, {name} is another number", remedy, where
            )
    fresh = case.ready(subject.fresh(), backend, "float64")
    untouched = _attributes(fresh)
    case.call(fresh, arrays, backend)
    changed = [n for n, v in _attributes(fresh).items() if untouched.get(n, v) != v]
    changed += [n for n, v in _attributes(component).items() if before.get(n, v) != v]
    if changed:
        made = case.ready(subject.fresh(), backend, "float64")
        start = _attributes(made)
        place = first_line(
            subject.author,
            lambda: case.call(made, arrays, backend),
            lambda _, __: any(start.get(n, v) != v for n, v in _attributes(made).items()),
        )
        raise CheckFailure(f"the call changes the attribute {changed[0]} of the object", where=place)


def _attributes(component: Any) -> dict[str, Any]:
    """The plain values among an object's attributes, without those that are computed when first asked for."""
    held = getattr(component, "__dict__", {})
    cached = {
        name
        for cls in type(component).__mro__
        for name, value in vars(cls).items()
        if isinstance(value, functools.cached_property)
    }
    return {
        name: repr(plain_state(value))
        for name, value in held.items()
        if name not in cached and not name.startswith("_")
    }


def _prints(outputs: dict[str, Any]) -> dict[str, Any]:
    return {name: fingerprint(np.asarray(plain_value(y))) for name, y in outputs.items()}


def _inputs_unchanged(subject: Subject, case: Case, row: str) -> None:
    """What is passed in is as it was after the call, and so is the component."""
    backend = host()
    component = case.ready(subject.fresh(), backend, "float64")
    arrays = case.on(backend, "float64")
    before = {name: fingerprint(x) for name, x in arrays.items()}
    kept = copy.deepcopy(arrays)

    def changed() -> str | None:
        return next((name for name, x in arrays.items() if fingerprint(x) != before[name]), None)

    case.call(component, arrays, backend)
    name = changed()
    if name is None:
        return
    for key, x in arrays.items():
        if x is not None:
            x[...] = kept[key]

    def call() -> Any:
        return case.call(component, arrays, backend)

    place = first_line(subject.author, call, lambda _, __: changed() is not None)
    if place is None:
        found = where_spot(lines_run(subject.author, call), "inplace")
        place = (found[0], found[1].line) if found else subject.author.definition(case.method)
    raise CheckFailure(f"the argument {name} is changed by the call", where=place)

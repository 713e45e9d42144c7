"""Gradients against differences, values at extremes, and rows that stand for themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from learnkit.autodiff import plain_value, value_and_grad
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.arrays import Finder, cases_of, host, loss_of
from learnkit.testing.diagnosis import returned, where_first, where_spot
from learnkit.testing.differences import contracted, mismatches
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Case, Subject
from learnkit.testing.tracing import Place, last_lines, lines_run

__all__ = ["check_extremes", "gradient_checks"]


def gradient_checks(find: Finder) -> list[Check]:
    """The checks of what is differentiated."""

    def of_order(order: int) -> Callable[[Subject, str], None]:
        def run(subject: Subject, row: str) -> None:
            cases = [case for case in cases_of(subject, find) if case.differentiable]
            if not cases:
                raise NotApplicable("it has no inputs that a gradient is taken for")
            for case in cases:
                _gradient(subject, case, order)

        return run

    remedy = (
        "a rule written by hand has to be the derivative; leave it out, and the gradient follows from the "
        "functions of the standard"
    )
    return [
        Check("gradient", of_order(1), remedy),
        Check(
            "second-order",
            of_order(2),
            "write the rule of the gradient in functions of the standard on the arrays that it is "
            "given (the result, "
            "the arguments), so that it is differentiated in its turn",
        ),
    ]


def _gradient(subject: Subject, case: Case, order: int) -> None:
    backend = host()
    component = case.ready(subject.fresh(), backend, "float64")
    arrays = case.on(backend, "float64")
    at = {name: arrays[name] for name in case.differentiable}

    def scalar(values: dict[str, Any]) -> Any:
        outputs = case.call(component, {**arrays, **values}, backend)
        return contracted([outputs[n] for n in sorted(outputs) if _floating(outputs[n])])

    with np.errstate(all="ignore"):
        wrong = mismatches(scalar, at, order)
    if not wrong:
        return
    mine = [m for m in wrong if m.computed == 0.0 and m.slope != 0.0]
    detached = len(mine) == len(wrong)
    where, remedy = _rule_at_fault(subject, lambda: scalar(at), lambda: value_and_grad(scalar)(at), detached)
    text = str(wrong[0]) + (f"; {len(wrong) - 1} more entries are wrong" if len(wrong) > 1 else "")
    raise CheckFailure(text if order == 1 else f"the gradient of the gradient: {text}", remedy, where)


def _floating(y: Any) -> bool:
    return bool(plain_value(y).dtype.kind == "f")


def _rule_at_fault(
    subject: Subject, forward: Callable[[], Any], backward: Callable[[], Any], detached: bool
) -> tuple[Place | None, str | None]:
    """Where the rule of a gradient returns; for a gradient of 0, where the tape was left."""
    run = lines_run(subject.author, forward)
    if detached:
        found = where_spot(run, "detach", "host", "integer")
        if found is not None:
            return (found[0], found[1].line), patterns.REMEDIES["detach"]
    before = set(run)
    rules = [place for place in last_lines(subject.author, backward) if place not in before]
    if rules:
        return rules[-1], None
    found = where_spot(run, "detach", "host")
    if found is not None:
        return (found[0], found[1].line), found[1].remedy
    return returned(subject.author, forward), None


def check_extremes(
    subject: Subject, case: Case, points: dict[str, dict[str, Any]], *, gradient: bool = True
) -> None:
    """Value and gradient are finite at each of ``points``, in float32.

    Args:
        points: inputs by name, under words for what is extreme about them.
        gradient: whether the gradient is looked at too.
    """
    backend = host()
    for words, inputs in points.items():
        component = case.ready(subject.fresh(), backend, "float32")
        arrays = case.on(backend, "float32", {**case.inputs, **inputs})

        def call(made: Any = component, given: Any = arrays) -> Any:
            return case.call(made, given, backend)

        with np.errstate(all="ignore"):
            outputs = call()
            bad = [n for n, y in outputs.items() if not _finite(y)]
            if bad:
                place = where_first(subject.author, call, lambda v: not _finite(v))
                place = place or returned(subject.author, call, case.method)
                where, remedy = _singular(subject, call, place)
                raise CheckFailure(f"{bad[0]} is {_worst(outputs[bad[0]])} for {words}", remedy, where)
            if not (gradient and case.differentiable):
                continue
            at = {name: arrays[name] for name in case.differentiable}
            _, slopes = value_and_grad(loss_of(case, component, arrays, backend))(at)
        for name, slope in slopes.items():
            if not _finite(slope):
                place = returned(subject.author, call, case.method)
                where, remedy = _singular(subject, call, place, anywhere=True)
                raise CheckFailure(
                    f"the gradient with respect to {name} is {_worst(slope)} for {words}", remedy, where
                )


def _singular(
    subject: Subject, call: Callable[[], Any], place: Place | None, *, anywhere: bool = False
) -> tuple[Place | None, str | None]:
    """The function without a finite value there: at the place, or, for a gradient, the first that was run."""
    if place is not None and not anywhere:
        spot = patterns.at(*place, "singular")
        if spot is not None:
            return (place[0], spot.line), spot.remedy
    for names in ({"sqrt", "log", "log2", "log10", "log1p", "pow", "power", "norm", "vector_norm"}, None):
        for file, line in lines_run(subject.author, call):
            spot = patterns.at(file, line, "singular")
            if spot is not None and (names is None or spot.name in names):
                return (file, spot.line), spot.remedy
    return place, None


def _finite(y: Any) -> bool:
    y = np.asarray(plain_value(y))
    return y.dtype.kind not in "fc" or bool(np.isfinite(y).all())


def _worst(y: Any) -> str:
    y = np.asarray(plain_value(y)).ravel()
    return str(y[~np.isfinite(y)][0])

"""What is asked of losses."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from learnkit.autodiff import plain_value, value_and_grad
from learnkit.errors import ArgumentError, DataError
from learnkit.losses.base import ElementwiseLoss, Loss
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.arrays import array_checks, cases_of, host, spotted
from learnkit.testing.checks.calculus import check_extremes, gradient_checks
from learnkit.testing.checks.common import common_checks
from learnkit.testing.diagnosis import is_array, returned, where_spot
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Case, Subject
from learnkit.testing.tracing import first_difference, first_line, lines_run
from learnkit.testing.written import as_fused

__all__ = ["checks"]

_rng = np.random.default_rng(7)
_Z, _FAR = _rng.normal(size=(5, 3)), _rng.normal(size=(5, 3)) * 1.7 + 0.3
_P = _rng.uniform(0.1, 0.9, size=(5, 3))
_YES = (_rng.uniform(size=(5, 3)) < 0.5).astype("int64")
_LABELS = np.asarray([0, 2, 1, 1, 0])

#: ``(y_pred, y_true)`` that are tried, the first that fits is taken.
_GUESSES: tuple[tuple[Any, Any], ...] = (
    (_Z, _FAR),
    (_Z[:, 0], _FAR[:, 0]),
    (_Z, _LABELS),
    (_P, _YES.astype("float64")),
    (_P[:, 0], _YES[:, 0].astype("float64")),
    (_P / _P.sum(axis=1, keepdims=True), _FAR**2 / (_FAR**2).sum(axis=1, keepdims=True)),
    (_P / _P.sum(axis=1, keepdims=True), _LABELS),
    (_P + 0.5, _FAR**2 + 0.5),
    (_P[:, 0] + 0.5, _FAR[:, 0] ** 2 + 0.5),
    (_Z[:, :1], _FAR[:, :1]),
    (_rng.normal(size=(4, 1, 6, 6)), (_rng.uniform(size=(4, 1, 6, 6)) < 0.4).astype("float64")),
    (_rng.normal(size=(4, 3, 6, 6)), _rng.integers(0, 3, size=(4, 6, 6))),
    (_rng.normal(size=(4, 6, 6)), (_rng.uniform(size=(4, 6, 6)) < 0.4).astype("float64")),
    (_rng.normal(size=(5, 2, 4)), np.asarray([1, 0, 1, 0, 0])),
    (_rng.normal(size=(5, 3, 4)), None),
    (_Z[:, :2], np.asarray([1, -1, 1, -1, -1])),
)


def checks() -> list[Check]:
    """The checks of losses."""
    return [
        *common_checks(),
        Check("shape", _shape, "per_example gives one number for each example: reduce over axis=1 and later"),
        Check(
            "rows",
            _rows,
            "compute each example from its own row: reduce over axis=1 and later, never over the "
            "whole batch. If the "
            "batch is meant to be one thing, as in a contrastive loss, say checks_for(..., "
            "independent=False)",
        ),
        Check(
            "reductions", _reductions, "leave __call__ to the base class, and write per_example or formula"
        ),
        *array_checks(_cases),
        *gradient_checks(_cases),
        Check(
            "fused",
            _fused,
            "let the formula depend on its arguments and the options alone: it is run once with symbols, and "
            "what it looked up elsewhere then stays as it was",
        ),
        Check("extremes", _extremes, patterns.REMEDIES["singular"]),
        Check(
            "empty",
            _empty,
            "let a batch without rows pass through: an array of shape (0,), and no division by 0",
        ),
    ]


def _cases(subject: Subject) -> list[Case]:
    loss = subject.component
    if subject.needs.get("y_pred") is not None:
        given = [(np.asarray(subject.needs["y_pred"]), subject.needs.get("y_true"))]
        given = [(p, None if t is None else np.asarray(t)) for p, t in given]
    else:
        given = [_guess(loss)]
    return [_case(loss, p, t) for p, t in given]


def _case(loss: Any, y_pred: Any, y_true: Any) -> Case:
    method = "formula" if isinstance(loss, ElementwiseLoss) else "per_example"

    def call(component: Any, arrays: dict[str, Any], backend: Any) -> dict[str, Any]:
        return {"the loss": component(arrays["y_pred"], arrays["y_true"])}

    def prepare(component: Any, backend: Any, dtype: str) -> Any:
        """What depends on the training targets is filled in, as a trainer does."""
        return component if y_true is None else component.resolve(y_pred.shape, y_true)

    return Case({"y_pred": y_pred, "y_true": y_true}, call, ("y_pred",), method=method, prepare=prepare)


def _guess(loss: Any) -> tuple[Any, Any]:
    """The first inputs that the loss takes, and makes a finite number for each example of."""
    runs: list[tuple[Any, Any]] = []
    refusal: Exception | None = None
    for y_pred, y_true in _GUESSES:
        try:
            made = loss if y_true is None else loss.resolve(y_pred.shape, y_true)
        except Exception as error:
            refusal = refusal or error
            continue
        try:
            with np.errstate(all="ignore"):
                value = made(y_pred, y_true)
                each = made.per_example(y_pred, y_true) if _has_per_example(loss) else None
        except (ArgumentError, DataError, ValueError, IndexError) as error:
            refusal = refusal or error
            continue
        except Exception:
            if y_true is None:
                continue
            return y_pred, y_true  # the mistake that is looked for
        if not np.isfinite(np.asarray(value)).all():
            continue
        runs.append((y_pred, y_true))
        if each is None or tuple(getattr(each, "shape", ())) == y_pred.shape[:1]:
            return runs[-1]
    if not runs and refusal is not None:
        raise refusal
    return runs[0] if runs else _GUESSES[0]


def _has_per_example(loss: Any) -> bool:
    return isinstance(loss, ElementwiseLoss) or type(loss).per_example is not Loss.per_example


def _given(subject: Subject) -> tuple[Any, Case, Any, Any]:
    """The loss, ready for its case, and the inputs on the host."""
    case = cases_of(subject, _cases)[0]
    loss = case.ready(subject.component, host(), "float64")
    return loss, case, case.inputs["y_pred"], case.inputs["y_true"]


def _shape(subject: Subject, row: str) -> None:
    loss, case, y_pred, y_true = _given(subject)
    value = loss(y_pred, y_true)
    if loss.reduction != "none" and tuple(np.shape(plain_value(value))):
        raise CheckFailure(
            f"the loss of a batch has shape {np.shape(value)}, expected one number, shape ()",
            where=returned(subject.author, lambda: loss(y_pred, y_true), case.method),
        )
    if not _has_per_example(loss) or getattr(loss, "batch", False):
        return
    each = loss.per_example(y_pred, y_true)
    n = y_pred.shape[0]

    def call() -> Any:
        return loss.per_example(y_pred, y_true)

    if is_array(each) and np.asarray(plain_value(each)).dtype.kind not in "fc":
        where, remedy = spotted(returned(subject.author, call, case.method), "integer")
        raise CheckFailure(
            f"per_example gives numbers of {each.dtype}, which have no gradient",
            remedy or patterns.REMEDIES["integer"],
            where,
        )
    if tuple(np.shape(each)) == (n,):
        return
    place = None
    if not tuple(np.shape(each)):
        place = first_line(
            subject.author,
            call,
            lambda name, v: bool(name) and is_array(v) and not tuple(np.shape(plain_value(v))),
        )
        spot = where_spot(lines_run(subject.author, call), "reduction")
        if place is None and spot is not None:
            place = (spot[0], spot[1].line)
    place = place or returned(subject.author, call, case.method)
    raise CheckFailure(
        f"per_example gives shape {tuple(np.shape(each))} for {n} examples, expected ({n},)",
        patterns.REMEDIES["reduction"],
        place,
    )


def _rows(subject: Subject, row: str) -> None:
    """The loss of an example does not depend on the others."""
    loss, _, y_pred, y_true = _given(subject)
    if not _has_per_example(loss):
        raise NotApplicable("it has no per_example")
    if not subject.need("independent", True) or getattr(loss, "batch", False):
        raise NotApplicable("the batch is one thing for this loss")
    whole = np.asarray(plain_value(loss.per_example(y_pred, y_true)))
    if whole.shape != y_pred.shape[:1]:
        raise NotApplicable("it does not give one number for each example")
    for i in range(min(3, len(y_pred))):
        part = (y_pred[i : i + 1], None if y_true is None else y_true[i : i + 1])
        alone = np.asarray(plain_value(loss.per_example(*part)))
        if alone.shape == (1,) and not np.allclose(alone[0], whole[i], rtol=1e-9, atol=1e-12, equal_nan=True):
            calls = [functools.partial(loss.per_example, *given) for given in ((y_pred, y_true), part)]
            spot = where_spot(lines_run(subject.author, calls[0]), "reduction")
            raise CheckFailure(
                f"the loss of example {i} is {whole[i]:.6g} among the others and {alone[0]:.6g} alone",
                where=(spot[0], spot[1].line)
                if spot is not None
                else _where_mixed(subject, calls[0], calls[1], i, len(y_pred)),
            )


def _where_mixed(subject: Subject, whole: Any, alone: Any, i: int, n: int) -> tuple[str, int] | None:
    """The first line that holds another value for row ``i`` of ``n`` than for that row alone."""

    def of_row(k: int, length: int) -> Any:
        def key(value: Any) -> Any:
            if not is_array(value) or tuple(np.shape(plain_value(value)))[:1] != (length,):
                return None
            row = np.asarray(plain_value(value))[k]
            return np.array2string(np.asarray(row, dtype="float64"), precision=6, threshold=1000)

        return key

    return first_difference(subject.author, whole, alone, of_row(i, n), of_row(0, 1))


def _reductions(subject: Subject, row: str) -> None:
    """``"sum"`` is the sum of ``"none"``, and weights multiply both."""
    loss, _, y_pred, y_true = _given(subject)
    try:
        none = dataclasses.replace(loss, reduction="none")
        total = dataclasses.replace(loss, reduction="sum")
        each = np.asarray(plain_value(none(y_pred, y_true)))
    except (ArgumentError, TypeError) as error:
        raise NotApplicable(f"it has one reduction only ({error})") from None
    if not each.shape or each.shape[0] != y_pred.shape[0]:
        raise NotApplicable("it does not give one number for each example")
    value = float(plain_value(total(y_pred, y_true)))
    if not np.allclose(value, each.sum(), rtol=1e-9, atol=1e-12):
        raise CheckFailure(
            f"reduction='sum' gives {value:.9g}, and the sum of reduction='none' is {each.sum():.9g}",
            where=subject.author.definition("__call__", "mean", "terms"),
        )
    weight = np.arange(1.0, 1.0 + len(y_pred))
    weighted = np.asarray(plain_value(none(y_pred, y_true, weight)))
    expected = each * weight.reshape((-1,) + (1,) * (each.ndim - 1))
    if weighted.shape != each.shape or not np.allclose(weighted, expected, rtol=1e-9, atol=1e-12):
        raise CheckFailure(
            "sample_weight does not multiply the loss of each example",
            where=subject.author.definition("__call__", "mean", "terms"),
        )


def _fused(subject: Subject, row: str) -> None:
    """Fused into a kernel, value and gradient are those of the code as it is written."""
    loss, case, y_pred, y_true = _given(subject)

    def both() -> tuple[Any, Any]:
        value, slope = value_and_grad(lambda p: loss(p, y_true))(y_pred.astype("float64"))
        return np.asarray(plain_value(value)), np.asarray(plain_value(slope))

    if loss.reduction == "none":
        raise NotApplicable("it gives no single number")
    with as_fused():
        fused = both()
    for what, a, b in zip(("value", "gradient"), fused, both(), strict=True):
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True):
            raise CheckFailure(
                f"fused, the {what} is {a.ravel()[:3]}, and as it is written {b.ravel()[:3]}",
                where=subject.author.definition(case.method),
            )


def _extremes(subject: Subject, row: str) -> None:
    _, case, y_pred, y_true = _given(subject)
    given = subject.needs.get("extremes")
    if given is False:
        raise NotApplicable("extremes=False was given")
    if given is not None:
        points = {f"extremes[{i}]": {"y_pred": np.asarray(p)} for i, p in enumerate(given)}
    else:
        points = _extreme_points(y_pred, y_true)
    check_extremes(subject, case, points)


def _extreme_points(y_pred: Any, y_true: Any) -> dict[str, dict[str, Any]]:
    """The ends of where ``y_pred`` seems to live: probabilities, positive numbers, or any numbers."""
    signs = np.where(np.arange(y_pred.size).reshape(y_pred.shape) % 2 == 0, 1.0, -1.0)
    points: dict[str, dict[str, Any]] = {}
    if y_pred.min() >= 0.0 and y_pred.max() <= 1.0:
        if np.allclose(y_pred.sum(axis=-1), 1.0) and y_pred.ndim > 1:
            corner = np.zeros_like(y_pred)
            corner[..., 0] = 1.0
            points["probabilities of 0 and 1"] = {"y_pred": corner}
        else:
            points["probabilities of 0 and 1"] = {"y_pred": (signs + 1.0) / 2.0}
            points["probabilities of 1 and 0"] = {"y_pred": (1.0 - signs) / 2.0}
    elif y_pred.min() > 0.0:
        points["y_pred near 1e4 and 1e-6"] = {"y_pred": np.where(signs > 0, 1e4, 1e-6)}
    elif y_pred.max() <= 0.0:
        points["y_pred of -1e4"] = {"y_pred": np.full_like(y_pred, -1e4)}
    else:
        points["y_pred of 1e4 and -1e4"] = {"y_pred": signs * 1e4}
        points["y_pred of -1e4 and 1e4"] = {"y_pred": -signs * 1e4}
        points["y_pred of 0"] = {"y_pred": np.zeros_like(y_pred)}
    if y_true is not None and y_true.shape == y_pred.shape and y_true.dtype.kind == "f":
        points["y_pred equal to y_true"] = {"y_pred": y_true.copy()}
        if min(y_pred.min(), y_true.min()) < 0.0 < max(y_pred.max(), y_true.max()):
            points["y_pred and y_true of 0"] = {
                "y_pred": np.zeros_like(y_pred),
                "y_true": np.zeros_like(y_true),
            }
    return points


def _empty(subject: Subject, row: str) -> None:
    loss, case, y_pred, y_true = _given(subject)
    if subject.needs.get("empty") is False:
        raise NotApplicable("empty=False was given")
    none = {"y_pred": y_pred[:0], "y_true": None if y_true is None else y_true[:0]}
    with np.errstate(all="ignore"):
        value, slope = value_and_grad(lambda p: loss(p, none["y_true"]))(none["y_pred"])
    value = float(plain_value(value)) if loss.reduction != "none" else 0.0
    if value != 0.0:
        raise CheckFailure(
            f"the loss of an empty batch is {value}, expected 0",
            where=returned(subject.author, lambda: case.call(loss, none, host()), case.method),
        )
    if tuple(slope.shape) != tuple(none["y_pred"].shape):
        raise CheckFailure(f"the gradient of an empty batch has shape {tuple(slope.shape)}")

"""What is asked of constraints and augmentations."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from learnkit.augment import Augmentation
from learnkit.autodiff import plain_value
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.arrays import array_checks, cases_of, host
from learnkit.testing.checks.calculus import check_extremes
from learnkit.testing.checks.common import common_checks
from learnkit.testing.diagnosis import fingerprint, returned, where_spot
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Case, Subject
from learnkit.testing.tracing import lines_run

__all__ = ["augmentation_checks", "constraint_checks"]


# Constraints


def constraint_checks() -> list[Check]:
    """The checks of constraints."""
    return [
        *common_checks(),
        Check("shape", _same_shape, "return an array of the shape of w"),
        Check(
            "projects",
            _projects,
            "a constraint brings back what is outside and leaves what is inside: c(c(w)) is c(w)",
        ),
        *array_checks(_weights),
        Check("extremes", _extreme_weights, patterns.REMEDIES["singular"]),
    ]


def _weights(subject: Subject) -> list[Case]:
    def call(constraint: Any, arrays: dict[str, Any], backend: Any) -> dict[str, Any]:
        return {"the result": constraint(arrays["w"])}

    given = subject.needs.get("w")
    arrays = (
        [np.asarray(given)] if given is not None else [np.random.default_rng(19).normal(size=(5, 4)) * 2.0]
    )
    return [Case({"w": w}, call) for w in arrays]


def _same_shape(subject: Subject, row: str) -> None:
    for case in cases_of(subject, _weights):
        y = case.run(subject.component, host())["the result"]
        if tuple(y.shape) != tuple(case.inputs["w"].shape):
            raise CheckFailure(
                f"for w of shape {tuple(case.inputs['w'].shape)} it gives {tuple(y.shape)}",
                where=returned(subject.author, lambda: case.run(subject.component, host())),  # noqa: B023
            )


def _projects(subject: Subject, row: str) -> None:
    for case in cases_of(subject, _weights):
        once = case.run(subject.component, host())["the result"]
        twice = case.run(subject.component, host(), w=np.asarray(once))["the result"]
        if not np.allclose(once, twice, rtol=1e-6, atol=1e-9):
            raise CheckFailure(
                "applied to its own result it changes it again",
                where=returned(subject.author, lambda: case.run(subject.component, host())),  # noqa: B023
            )


def _extreme_weights(subject: Subject, row: str) -> None:
    for case in cases_of(subject, _weights):
        w = case.inputs["w"]
        points = {"weights of 0": {"w": np.zeros_like(w)}, "weights of 1e6": {"w": np.full_like(w, 1e6)}}
        check_extremes(subject, case, points, gradient=False)


# Augmentations


def augmentation_checks() -> list[Check]:
    """The checks of augmentations."""
    return [
        *common_checks(),
        Check(
            "shape", _keeps_shape, "return an array of the shape of x: as many rows as came in, and as large"
        ),
        Check("seeded", _seeded, patterns.REMEDIES["random"]),
        *array_checks(_batches),
    ]


def _batches(subject: Subject) -> list[Case]:
    targets = type(subject.component).rows is not Augmentation.rows

    def call(augmentation: Any, arrays: dict[str, Any], backend: Any) -> dict[str, Any]:
        if not targets:
            return {"the result": augmentation(arrays["x"], seed=3, step=5)}
        x, y, _ = augmentation.rows(arrays["x"], arrays["y"], None, seed=3, step=5)
        return {"the result": x, "the targets": y}

    def case(x: Any) -> Case:
        y = np.random.default_rng(29).normal(size=(x.shape[0], 2))
        inputs = {"x": x, "y": y} if targets else {"x": x}
        return Case(inputs, call, method="rows" if targets else "__call__")

    given = subject.needs.get("x")
    if given is not None:
        return [case(np.asarray(given))]
    rng = np.random.default_rng(19)
    error: Exception | None = None
    for shape in ((6, 3, 8, 8), (6, 5), (6, 64), (6, 8, 8, 3), (6, 8, 8), (6, 3, 12)):
        x = rng.normal(size=shape)
        try:
            y = subject.component(x, seed=3, step=5)
        except (ValueError, IndexError) as refused:
            error = error or refused
            continue
        except Exception:  # the mistake that is looked for
            return [case(x)]
        if tuple(getattr(y, "shape", ()))[:1] == (6,):
            return [case(x)]
    if error is not None:
        raise error
    return [case(rng.normal(size=(6, 5)))]


def _keeps_shape(subject: Subject, row: str) -> None:
    for case in cases_of(subject, _batches):
        for name, y in case.run(subject.component, host()).items():
            wanted = tuple(case.inputs["x" if name == "the result" else "y"].shape)
            if tuple(y.shape) != wanted:
                raise CheckFailure(
                    f"{name} has shape {tuple(y.shape)}, expected {wanted}",
                    where=returned(subject.author, functools.partial(case.run, subject.component, host())),
                )


def _seeded(subject: Subject, row: str) -> None:
    """Where numbers are drawn, another step and another seed give others."""
    for case in cases_of(subject, _batches):
        x = case.inputs["x"]

        def of(seed: int, step: int, x: Any = x) -> Any:
            return fingerprint(np.asarray(plain_value(subject.component(x.copy(), seed=seed, step=step))))

        base, seeds, steps = of(3, 5), [of(s, 5) for s in range(4, 12)], [of(3, s) for s in range(6, 14)]
        by_seed, by_step = any(s != base for s in seeds), any(s != base for s in steps)
        drawn = where_spot(lines_run(subject.author, lambda: of(3, 5)), "random", "draws")
        if by_step and not by_seed and drawn is None:
            continue  # it takes turns, and draws nothing
        if by_seed != by_step:
            what, other = ("seed", "step") if by_step else ("step", "seed")
            raise CheckFailure(
                f"another {what} changes nothing, although another {other} does: draw from both",
                where=returned(subject.author, lambda: of(3, 5)),
            )
        if not by_seed and subject.need("random", True) is True:
            if base == fingerprint(np.asarray(x)):
                raise NotApplicable("it left the sample as it is; give one that it changes, x=array")
            if drawn is not None:
                raise CheckFailure(
                    "numbers are drawn, and neither another seed nor another step gives others",
                    where=(drawn[0], drawn[1].line),
                )

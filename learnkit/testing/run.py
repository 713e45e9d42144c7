"""Runs the checks of a component: here, and on the stand-in for CuPy in a process of its own."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from learnkit.errors import ArgumentError, MissingDependencyError, did_you_mean
from learnkit.testing import matrix
from learnkit.testing.check import Check
from learnkit.testing.diagnosis import diagnose
from learnkit.testing.results import NotApplicable, Result
from learnkit.testing.subject import Subject, kind_of
from learnkit.testing.written import as_written

__all__ = ["LIBRARIES", "Plan", "plan_for", "run_checks", "run_one"]

#: The rows of the matrix that the checks of array code run on.
LIBRARIES = ("numpy", "strict", "torch", "fakecupy")


_ARRAY = ("extremes", "empty")
#: What the checks of each kind may be given by name.
NEEDS: dict[str, tuple[str, ...]] = {
    "activation": ("x", *_ARRAY),
    "layer": ("x", *_ARRAY),
    "initializer": ("shape",),
    "loss": ("y_pred", "y_true", "independent", *_ARRAY),
    "optimizer": ("params", "grads"),
    "transform": ("params", "grads"),
    "constraint": ("w",),
    "schedule": (),
    "metric": ("y_pred", "y_true", "empty"),
    "callback": (),
    "backend": (),
    "dataset": ("options",),
    "kernel": ("arguments",),
    "reader": ("files",),
    "augmentation": ("x",),
    "exporter": ("trainer",),
    "command": ("arguments",),
}


class Plan:
    """The checks of some components, run one at a time or all at once.

    The first check that needs the stand-in for CuPy runs all of those that do, in one process.

    Args:
        subjects: the components.
        libraries: rows of the matrix to run on.
    """

    def __init__(self, subjects: Sequence[Subject], libraries: Sequence[str] = LIBRARIES) -> None:
        self.items: list[tuple[Subject, Check, str]] = []
        for subject in subjects:
            for check in checks_of(subject):
                for row in [r for r in libraries if r in check.rows] if check.rows else [""]:
                    self.items.append((subject, check, row))
        self._elsewhere: dict[int, Result] | None = None

    def name(self, i: int) -> str:
        """The name of a check, with the library it runs on."""
        _, check, row = self.items[i]
        return f"{check.name}-{row}" if row else check.name

    def result(self, i: int) -> Result:
        """Run a check, unless it was run already."""
        subject, check, row = self.items[i]
        if row != "fakecupy" or matrix.under_fake_cupy():
            return run_one(subject, check, row)
        if self._elsewhere is None:
            from learnkit.testing.process import run_on_fake_cupy

            chosen = [j for j, item in enumerate(self.items) if item[2] == "fakecupy"]
            self._elsewhere = run_on_fake_cupy(self, chosen)
        return self._elsewhere[i]

    def results(self) -> list[Result]:
        """Run all of them."""
        return [self.result(i) for i in range(len(self.items))]


def run_checks(
    component: Any,
    *others: Any,
    kind: str | None = None,
    libraries: Sequence[str] = LIBRARIES,
    **needs: Any,
) -> list[Result]:
    """Check components, one result for each check.

    Args:
        component, others: objects, classes whose options all have defaults, or functions.
        kind: what they are, where it does not follow from the class, as for functions.
        libraries: where array code is run: ``"numpy"``, ``"strict"``, ``"torch"``, ``"fakecupy"`` and, with a
            GPU, ``"cupy"``. One that is not installed is skipped.
        needs: what cannot be guessed; see :func:`~learnkit.testing.checks_for`.

    Returns:
        The results, :class:`~learnkit.testing.Result`.

    >>> import learnkit as lk
    >>> results = lk.testing.run_checks(lk.losses.Huber(), libraries=["numpy"])
    >>> all(result.ok for result in results), "gradient" in [result.name for result in results]
    (True, True)
    """
    return plan_for((component, *others), kind, libraries, needs).results()


def plan_for(
    components: Sequence[Any], kind: str | None, libraries: Sequence[str], needs: dict[str, Any]
) -> Plan:
    """The plan for components as a user gives them.

    Raises:
        ArgumentError: a component cannot be made, its kind is not known, or a library or need is unknown.
    """
    known = (*LIBRARIES, "cupy")
    for row in libraries:
        if row not in known:
            raise ArgumentError(f"libraries holds {row!r}", hint=f"known: {', '.join(known)}")
    return Plan([_subject(component, kind, needs) for component in components], libraries)


def _subject(component: Any, kind: str | None, needs: dict[str, Any]) -> Subject:
    from learnkit.plugins.hookspecs import KINDS

    if kind is not None and kind not in KINDS:
        raise ArgumentError(f"kind is {kind!r}", hint=f"known: {', '.join(KINDS)}")
    kind = kind or kind_of(component)
    from learnkit.testing.making import made

    found, more = made(component, kind)
    given = {**more, **needs}
    for name in given:
        if name not in NEEDS[kind]:
            raise ArgumentError(
                f"checks of a {kind} take no {name!r}{did_you_mean(name, NEEDS[kind])}",
                hint=f"they take: {', '.join(NEEDS[kind]) or 'nothing'}",
            )
    return Subject(found, kind, given)


def checks_of(subject: Subject) -> list[Check]:
    """The checks that components of this kind have to pass."""
    from learnkit.testing.checks import CHECKS

    return list(CHECKS[subject.kind]())


def run_one(subject: Subject, check: Check, row: str = "") -> Result:
    """Run one check here."""
    name = f"{check.name}-{row}" if row else check.name
    about: dict[str, Any] = {"component": subject.name, "kind": subject.kind, "name": name}
    reason = matrix.unavailable(row) if row and row != "fakecupy" else None
    if reason is not None:
        return Result(**about, ok=True, skipped=reason)
    try:
        with _quietly(), as_written():
            check.run(subject, row)
    except NotApplicable as error:
        return Result(**about, ok=True, skipped=str(error))
    except MissingDependencyError as error:
        return Result(**about, ok=True, skipped=error.message)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        found = diagnose(subject.author, error, check.remedy)
        file, line = found.place or ("", 0)
        return Result(
            **about,
            ok=False,
            message=found.message,
            remedy=found.remedy,
            file=file,
            line=line,
            traceback=found.trace,
        )
    return Result(**about, ok=True)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """What a component prints or warns of during a check is not the output of the program."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield

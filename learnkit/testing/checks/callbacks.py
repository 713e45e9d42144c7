"""What is asked of callbacks: they see a run, and what they remember survives saving and loading."""

from __future__ import annotations

import copy
import inspect
import json
import tempfile
from pathlib import Path
from typing import Any

from learnkit.errors import CallbackError, MissingDependencyError
from learnkit.nn import Linear
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.common import common_checks, plain_state
from learnkit.testing.checks.training import data
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Subject
from learnkit.training import Callback, Trainer

__all__ = ["checks"]

_HOOKS = ("on_fit_begin", "on_step_end", "on_epoch_end", "on_fit_end")


def checks() -> list[Check]:
    """The checks of callbacks."""
    return [
        *common_checks(),
        Check(
            "hooks", _hooks, f"callbacks have the methods {', '.join(_HOOKS)}; see learnkit.training.Callback"
        ),
        Check(
            "runs", _runs, "look at the trainer and the report, and change nothing that the next step needs"
        ),
        Check("state", _state, "return plain values from state(): numbers, texts, lists and dicts of them"),
        Check(
            "resumes",
            _resumes,
            "return what is remembered from state(), and take it back in load_state(state)",
        ),
    ]


def _trainer(callback: Any, optimizer: str = "sgd:lr=0.1") -> Trainer:
    metrics = (
        [callback.monitor] if getattr(callback, "monitor", "loss") not in ("loss", "val_loss") else ["mae"]
    )
    try:
        return Trainer(Linear(3, 1), "mse", optimizer, metrics=metrics, backend="numpy", callbacks=[callback])
    except Exception:
        return Trainer(Linear(3, 1), "mse", optimizer, backend="numpy", callbacks=[callback])


def _fit(trainer: Trainer, epochs: int) -> None:
    """``epochs`` more epochs."""
    x, y = data()
    try:
        trainer.fit(
            x[:16],
            y[:16],
            validation_data=(x[16:], y[16:]),
            epochs=epochs,
            batch_size=8,
            shuffle=True,
            verbose=False,
        )
    except CallbackError as error:
        if error.__cause__ is not None:
            raise error.__cause__ from None
        raise


def _hooks(subject: Subject, row: str) -> None:
    """Its hooks have the names and the arguments that a trainer calls."""
    cls = type(subject.component)
    for name in dir(cls):
        if name.startswith("on_") and callable(getattr(cls, name)) and name not in _HOOKS:
            raise CheckFailure(f"no trainer calls {name}", where=subject.author.definition(name))
    for name in _HOOKS:
        given = 1 if name == "on_fit_begin" else 2
        try:
            inspect.signature(getattr(subject.component, name)).bind(*range(given))
        except TypeError as error:
            wanted = inspect.signature(getattr(Callback, name))
            raise CheckFailure(
                f"{name} cannot be called with {given} arguments ({error}), expected {name}{wanted}",
                where=subject.author.definition(name),
            ) from None


def _runs(subject: Subject, row: str) -> None:
    """Twice over the same run it does and remembers the same."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            _fit(_trainer(_moved(subject.fresh(), folder)), 2)


def _moved(callback: Any, folder: str) -> Any:
    """With its files in another folder."""
    for name in ("path", "directory", "folder", "dirpath", "filename"):
        value = getattr(callback, name, None)
        if isinstance(value, str | Path) and value:
            moved = Path(folder) / Path(value).name
            setattr(callback, name, moved if isinstance(value, Path) else str(moved))
    return callback


def _state(subject: Subject, row: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        callback = _moved(subject.fresh(), folder)
        _fit(_trainer(callback), 2)
        state = callback.state()
    place = subject.author.definition("state")
    if not isinstance(state, dict):
        raise CheckFailure(f"state() returns {type(state).__name__}, expected a dict", where=place)
    try:
        text = json.dumps(state)
    except (TypeError, ValueError) as error:
        raise CheckFailure(f"state() is no JSON: {error}", where=place) from None
    other = subject.fresh()
    if state:
        other.load_state(json.loads(text))
        if json.dumps(other.state()) != text:
            raise CheckFailure(
                f"load_state() of {text} gives a callback whose state() is {json.dumps(other.state())}",
                where=subject.author.definition("load_state"),
            )


def _resumes(subject: Subject, row: str) -> None:
    """It remembers in a run whose loss falls, and in one whose loss rises."""
    _resumes_at(subject, "sgd:lr=0.1")
    _resumes_at(subject, "sgd:lr=2.5", numbers=True)


def _resumes_at(subject: Subject, optimizer: str, numbers: bool = False) -> None:
    """Two epochs, a file and two more leave it as four epochs do, as far as plain values tell.

    Args:
        numbers: look at numbers and texts alone: the weights of the best epoch, say, are no JSON.
    """
    with tempfile.TemporaryDirectory() as folder:

        def straight() -> Any:
            callback = _moved(subject.fresh(), folder)
            trainer = _trainer(callback, optimizer)
            _fit(trainer, 2)
            _fit(trainer, 2)
            return callback

        one, two = straight(), straight()
        before = _moved(subject.fresh(), folder)
        trainer = _trainer(before, optimizer)
        _fit(trainer, 2)
        try:
            path = trainer.save(Path(folder) / "run.safetensors")
        except MissingDependencyError as error:
            raise NotApplicable(error.message) from None
        after = _moved(subject.fresh(), folder)
        loaded = Trainer.load(path, backend="numpy", callbacks=[after])
        _fit(loaded, 2)
    # One that two equal runs leave different, such as a time, is no state.
    sure = {
        name: value
        for name, value in _remembered(one).items()
        if value is not None
        and _remembered(two).get(name) == value
        and (isinstance(value, str) or not numbers)
    }
    found = _remembered(after)
    fresh = _remembered(subject.fresh())
    for name, value in sure.items():
        if found.get(name) != value and name not in ("path", "directory", "folder", "dirpath", "filename"):
            if fresh.get(name) == value:
                continue
            raise CheckFailure(
                f"after saving and loading between two epochs {name} is {_shown(found.get(name))}, "
                f"without them it is {_shown(value)}",
                where=_assignment(subject, name),
            )


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def _remembered(callback: Any) -> dict[str, Any]:
    return {name: plain_state(copy.copy(value)) for name, value in vars(callback).items()}


def _assignment(subject: Subject, name: str) -> tuple[str, int] | None:
    """Where a hook writes to the attribute."""
    place = subject.author.definition(*_HOOKS)
    if place is None:
        return None
    lines: list[int] = []
    for hook in _HOOKS:
        start = subject.author.definition(hook)
        if start is None or start[1] == (subject.author.definition() or ("", 0))[1]:
            continue
        first, last = patterns.function_around(start[0], start[1] + 1)
        for spot in patterns.spots(start[0]):
            if spot.sort == "state" and first <= spot.line <= last and _mentions(start[0], spot.line, name):
                lines.append(spot.line)
    return (place[0], min(lines)) if lines else place


def _mentions(file: str, line: int, name: str) -> bool:
    import linecache

    return f"self.{name}" in linecache.getline(file, line)

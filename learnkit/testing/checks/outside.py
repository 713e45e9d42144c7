"""What is asked of exporters and commands."""

from __future__ import annotations

import inspect
import tempfile
from pathlib import Path
from typing import Any

from learnkit.errors import LearnkitError, MissingDependencyError
from learnkit.nn import Linear, Sequential, Tanh
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.training import data
from learnkit.testing.diagnosis import fingerprint, returned
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Subject
from learnkit.training import Trainer

__all__ = ["command_checks", "exporter_checks"]


# Exporters


def exporter_checks() -> list[Check]:
    """The checks of exporters."""
    return [
        Check(
            "parameters",
            _parameters,
            "write def export(trainer, path, *, extra=None), with further keyword parameters for "
            "options, each with a default",
        ),
        Check("writes", _writes, "write the file, or a folder, at the path that is given"),
        Check(
            "leaves",
            _leaves_alone,
            "read the trainer and change nothing in it; trainer.backend.to_numpy(x) gives a copy to write",
        ),
        Check("same", _same, "write the same bytes for the same model: no time, no random name, sorted keys"),
    ]


def _parameters(subject: Subject, row: str) -> None:
    signature = inspect.signature(subject.component)
    try:
        signature.bind(None, None, **({"extra": {}} if "extra" in signature.parameters else {}))
    except TypeError as error:
        raise CheckFailure(
            f"it cannot be called as export(trainer, path, extra=...): {error}",
            where=subject.author.definition(),
        ) from None


def _trainer(subject: Subject) -> Trainer:
    if subject.needs.get("trainer") is not None:
        given: Trainer = subject.needs["trainer"]
        return given
    trainer = Trainer(Sequential(Linear(3, 4), Tanh(), Linear(4, 1)), "mse", "adam", backend="numpy", seed=2)
    x, y = data()
    trainer.step(x[:8], y[:8])
    return trainer


def _export(subject: Subject, trainer: Trainer, path: Path) -> None:
    extra = {"extra": {"note": "a run"}} if "extra" in inspect.signature(subject.component).parameters else {}
    try:
        subject.component(trainer, path, **extra)
    except MissingDependencyError as error:
        raise NotApplicable(error.message) from None


def _writes(subject: Subject, row: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.out"
        trainer = _trainer(subject)
        _export(subject, trainer, path)
        if not path.exists() or (path.is_file() and not path.stat().st_size):
            left = ", ".join(sorted(p.name for p in Path(folder).iterdir())) or "nothing"
            raise CheckFailure(
                f"asked to write {path.name} it wrote {left}",
                where=returned(subject.author, lambda: _export(subject, trainer, path)),
            )


def _leaves_alone(subject: Subject, row: str) -> None:
    trainer = _trainer(subject)

    def state() -> Any:
        arrays = trainer.model.arrays()
        return {name: fingerprint(trainer.backend.to_numpy(a)) for name, a in arrays.items()}

    before = state()
    with tempfile.TemporaryDirectory() as folder:
        _export(subject, trainer, Path(folder) / "model.out")
    after = state()
    changed = [name for name, value in before.items() if after.get(name) != value]
    if changed:
        place = subject.author.definition()
        spot = (
            patterns.near(place[0], patterns.function_around(place[0], place[1] + 1)[1], "inplace")
            if place
            else None
        )
        raise CheckFailure(
            f"the export changes {changed[0]!r}", where=(place[0], spot.line) if place and spot else place
        )


def _same(subject: Subject, row: str) -> None:
    trainer = _trainer(subject)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}" / "model.out" for i in range(2)]
        for path in paths:
            path.parent.mkdir()
            _export(subject, trainer, path)
        files = [p for p in paths if p.is_file()]
        if len(files) == 2 and files[0].read_bytes() != files[1].read_bytes():
            raise CheckFailure("written twice the file has other bytes", where=subject.author.definition())


# Commands


def command_checks() -> list[Check]:
    """The checks of commands."""
    return [
        Check("command", _is_command, "make it with @click.command(), and register what that gives"),
        Check("help", _help, "give the function a docstring: its first line stands in learnkit --help"),
        Check(
            "errors",
            _errors,
            "raise a learnkit.errors.LearnkitError, which becomes a message and an exit code",
        ),
    ]


def _click() -> Any:
    try:
        import click
    except ImportError as error:
        raise NotApplicable(str(error)) from None
    return click


def _is_command(subject: Subject, row: str) -> None:
    if not isinstance(subject.component, _click().Command):
        raise CheckFailure(
            f"it is of type {type(subject.component).__name__}, expected a click.Command",
            where=subject.author.definition(),
        )


def _help(subject: Subject, row: str) -> None:
    click = _click()
    command = subject.component
    place = subject.author.definition()
    if not isinstance(command, click.Command):
        raise NotApplicable("it is no command")
    if not (command.help or command.short_help):
        raise CheckFailure("it has no help", where=place)
    from click.testing import CliRunner

    result = CliRunner().invoke(command, ["--help"])
    if result.exit_code != 0:
        raise CheckFailure(f"--help ends with code {result.exit_code}: {result.output}", where=place)


def _errors(subject: Subject, row: str) -> None:
    """Called as the author says, it ends well or with a message."""
    click = _click()
    arguments = subject.needs.get("arguments")
    if arguments is None or not isinstance(subject.component, click.Command):
        raise NotApplicable("no arguments were given to call it with: checks_for(..., arguments=['--flag'])")
    from click.testing import CliRunner

    result = CliRunner().invoke(subject.component, [str(a) for a in arguments])
    error = result.exception
    if error is not None and not isinstance(error, SystemExit | LearnkitError):
        raise error
    if result.exit_code not in (0, None) and error is None:
        raise CheckFailure(
            f"it ends with code {result.exit_code}: {result.output}", where=subject.author.definition()
        )

"""The curves of learnkit's runs as TensorBoard event files.

For every run of the process, where the environment asks for it::

    LEARNKIT_TENSORBOARD=logs learnkit train data.csv --target price
    tensorboard --logdir logs

or for one fit, as a callback: ``trainer.fit(x, y, callbacks=[TensorBoard("logs")])``. Without either nothing
is written, and TensorBoard's package is not imported.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from learnkit.checks import at_least
from learnkit.errors import ArgumentError
from learnkit.training import Callback

__all__ = ["TensorBoard"]

#: The variable that names the directory. Points of steps are written if it is set when the first run begins.
VARIABLE = "LEARNKIT_TENSORBOARD"
#: The variable that says how many steps lie between two points of ``step/loss``.
EVERY = "LEARNKIT_TENSORBOARD_EVERY"


class TensorBoard(Callback):
    """Writes a run as event files: what TensorBoard shows as curves over the steps, and as text.

    =====================  ==================================================================
    ``epoch/loss`` ...     loss, val_loss and each metric that is one number, after each epoch
    ``epoch/lr``           the learning rate of the epoch's last step
    ``epoch/grad_norm``    the norm of its gradient, before any clipping
    ``epoch/seconds``      what the epoch took
    ``step/loss``, ``lr``  of every so many steps
    ``model``, ``config``  text: the layers with the shapes of their parameters; the settings
    ``error``              text: what ended the run, if it failed
    =====================  ==================================================================

    Each run has a directory of its own below ``directory``; a run that goes on, in this process or after it
    was loaded, goes on in the same one.

    Args:
        directory: what ``tensorboard --logdir`` is given.
        run: its name; a number is added where there is such a run already.
        every: steps between two points of ``step/...``, >= 1. Reading the loss waits for the device, so a
            small number slows a GPU down.

    Raises:
        ArgumentError: ``directory`` is no path, or ``every`` is below 1.
    """

    def __init__(self, directory: str | os.PathLike[str], run: str = "fit", every: int = 50) -> None:
        if not isinstance(directory, str | os.PathLike):
            raise ArgumentError(f"TensorBoard: directory is {directory!r}, expected a path")
        at_least("TensorBoard", "every", every, 1)
        self.directory = Path(directory)
        self.run = run
        self.every = every
        self.path: Path | None = None
        self._writer: Any = None

    @classmethod
    def for_checks(cls) -> TensorBoard:
        """One that learnkit's checks may use."""
        return cls(tempfile.mkdtemp(prefix="learnkit-tensorboard-"))

    def start(self, trainer: Any, config: Mapping[str, Any]) -> None:
        """Open the file and write what is known before the first step."""
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if self.path is None:
            self.path = self._place(goes_on=trainer.steps_done > 0)
        self._writer = EventFileWriter(str(self.path))
        self._text("model", _model_text(trainer.model), trainer.steps_done)
        if config:
            self._text("config", _table(("setting", "value"), config.items()), trainer.steps_done)

    def step(self, report: Any) -> None:
        """Write a point of ``step/...``, if it is time for one."""
        if self._writer is not None and report.step % self.every == 0:
            self._scalars("step", {"loss": float(report.loss), "lr": report.lr}, report.step)

    def epoch(self, report: Any) -> None:
        """Write the numbers of an epoch, and see that they are on the disk."""
        if self._writer is None:
            return
        more = {"lr": report.lr, "grad_norm": report.grad_norm, "seconds": report.seconds}
        self._scalars("epoch", {**report.numbers(), **more}, report.step)
        self._writer.flush()

    def end(self, trainer: Any, error: BaseException | None) -> None:
        """Write what ended the run, and close the file."""
        if self._writer is None:
            return
        if error is not None:
            self._text("error", f"{type(error).__name__}: {error}", trainer.steps_done)
        self._writer.close()
        self._writer = None

    def on_fit_begin(self, trainer: Any) -> None:
        self.start(trainer, {})

    def on_step_end(self, trainer: Any, report: Any) -> None:
        self.step(report)

    def on_epoch_end(self, trainer: Any, report: Any) -> None:
        self.epoch(report)

    def on_fit_end(self, trainer: Any, history: Any) -> None:
        self.end(trainer, None)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"directory": str(self.directory), "run": self.run, "every": self.every}

    def state(self) -> dict[str, Any]:
        """Where it writes, so that a run that is loaded goes on there."""
        return {"path": None if self.path is None else str(self.path)}

    def load_state(self, state: dict[str, Any]) -> None:
        self.path = None if state["path"] is None else Path(state["path"])

    def _place(self, goes_on: bool) -> Path:
        """The directory of the run: a new one, or the last of its name for a run that was loaded."""
        number, path = 1, self.directory / self.run
        while path.exists():
            number, last = number + 1, path
            path = self.directory / f"{self.run}-{number}"
        return last if goes_on and number > 1 else path

    def _scalars(self, group: str, values: Mapping[str, float], step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        points = [Summary.Value(tag=f"{group}/{name}", simple_value=value) for name, value in values.items()]
        self._write(Summary(value=points), step)

    def _text(self, tag: str, text: str, step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.text.metadata import create_summary_metadata
        from tensorboard.util.tensor_util import make_tensor_proto

        metadata = create_summary_metadata(display_name=tag, description="")
        value = Summary.Value(tag=tag, metadata=metadata, tensor=make_tensor_proto([text]))
        self._write(Summary(value=[value]), step)

    def _write(self, summary: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))


def _model_text(model: Any) -> str:
    """The layers, and a table of the parameters."""
    leaves = model.parameters()
    rows = [(path, str(tuple(leaf.shape))) for path, leaf in leaves.items()]
    return f"`{model!r}`\n\n{_table(('parameter', 'shape'), rows)}"


def _table(heads: tuple[str, str], rows: Any) -> str:
    """Rows of two cells in Markdown, which is how TensorBoard reads a text."""
    lines = [heads, ("---", "---"), *((str(a), str(b).replace("|", "\\|")) for a, b in rows)]
    return "\n".join(f"| {a} | {b} |" for a, b in lines)


# What learnkit calls, which knows this module by its entry points.


def learnkit_register_callbacks(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """``"tensorboard:directory=logs"`` is a callback wherever one is named."""
    register("tensorboard", TensorBoard)


#: What writes for each trainer: a second fit of one goes on in the same directory.
_logs: WeakKeyDictionary[Any, TensorBoard] = WeakKeyDictionary()


def learnkit_run_started(trainer: Any, run: Any) -> None:
    """Begin the directory of a trainer, or go on in it."""
    directory = os.environ.get(VARIABLE)
    if directory:
        if trainer not in _logs:
            _logs[trainer] = TensorBoard(directory, run.name, _every())
        _logs[trainer].start(trainer, run.config)


if os.environ.get(VARIABLE):  # a hook that is not there costs nothing at a step

    def learnkit_step_ended(trainer: Any, report: Any) -> None:
        """See a step."""
        if trainer in _logs:
            _logs[trainer].step(report)


def learnkit_epoch_ended(trainer: Any, report: Any) -> None:
    """See an epoch."""
    if trainer in _logs:
        _logs[trainer].epoch(report)


def learnkit_run_ended(trainer: Any, error: BaseException | None) -> None:
    """See the end."""
    if trainer in _logs:
        _logs[trainer].end(trainer, error)


def _every() -> int:
    """How many steps lie between two points.

    Raises:
        ArgumentError: the variable is no integer.
    """
    text = os.environ.get(EVERY, "50")
    if not text.isdecimal():
        raise ArgumentError(f"{EVERY} is {text!r}, expected an integer >= 1")
    return int(text)

"""One line for each epoch: live on a terminal, plain in a pipe."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from learnkit.training.callbacks import Callback
from learnkit.training.history import EpochReport, History, StepReport

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["PlainProgress", "RichProgress", "epoch_line", "progress_for"]


def epoch_line(report: EpochReport, seconds_left: float | None = None) -> str:
    """The report of an epoch in one line, without colour; ``*`` marks the best so far.

    A metric of many numbers, such as a confusion matrix, has no place in a line and is left out.

    >>> r = EpochReport(1, 20, 10, 0.5, 0.4, {"accuracy": 0.9}, 1e-3, 1.5, 2.0, 640, True)
    >>> epoch_line(r)
    'epoch  1/20  loss 0.5000  val_loss 0.4000  accuracy 0.9000  lr 1.00e-03  |grad| 1.50  320 rows/s *'
    """
    width = len(str(report.epochs))
    parts = [f"epoch {report.epoch:>{width}}/{report.epochs}", f"loss {_number(report.loss)}"]
    if report.val_loss is not None:
        parts.append(f"val_loss {_number(report.val_loss)}")
    parts += [
        f"{name} {_number(value)}" for name, value in report.metrics.items() if not isinstance(value, list)
    ]
    parts.append(f"lr {report.lr:.2e}")
    parts.append(f"|grad| {report.grad_norm:{'.3g' if report.grad_norm < 1 else '.2f'}}")
    if report.seconds > 0:
        parts.append(f"{report.rows / report.seconds:,.0f} rows/s")
    if seconds_left is not None and report.epoch < report.epochs:
        parts.append(f"{_duration(seconds_left)} left")
    return "  ".join(parts) + (" *" if report.best else "")


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.6g}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


class _Progress(Callback):
    """What both kinds share: the time that is left, from the epochs of this fit."""

    def __init__(self) -> None:
        self._begun = 0.0
        self._epochs = 0

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._begun = time.perf_counter()
        self._epochs = 0

    def _line(self, report: EpochReport) -> str:
        self._epochs += 1
        each = (time.perf_counter() - self._begun) / self._epochs
        return epoch_line(report, each * (report.epochs - report.epoch))


class PlainProgress(_Progress):
    """Prints a line for each epoch, with no escape codes.

    Args:
        stream: where to; default ``sys.stdout``, looked up when printing.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream

    def _print(self, line: str) -> None:
        print(line, file=self._stream or sys.stdout, flush=True)

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> None:
        self._print(self._line(report))

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        if trainer.stop_reason is not None:
            self._print(f"stopped early: {trainer.stop_reason}")


class RichProgress(_Progress):
    """The same lines on a terminal, the best in bold, with a bar for the running epoch below them.

    Args:
        steps: in an epoch.
        stream: a terminal.
    """

    def __init__(self, steps: int, stream: TextIO) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.text import Text

        self._text = Text
        self._steps = steps
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._bar: Any = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed}/{task.total} steps"),
            console=self._console,
            transient=True,
        )
        self._task: Any = None
        self._done = 0
        self._shown = 0.0

    def on_fit_begin(self, trainer: Trainer) -> None:
        super().on_fit_begin(trainer)
        self._bar.start()
        self._task = self._bar.add_task(f"epoch {trainer.epochs_done + 1}", total=self._steps)

    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        self._done += 1
        now = time.perf_counter()
        if now - self._shown > 0.1:  # the bar costs more than a small step
            self._shown = now
            self._bar.update(self._task, completed=self._done)

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> None:
        line = self._line(report)
        self._console.print(line, style="bold" if report.best else "", markup=False)
        self._done = 0
        self._bar.reset(self._task, description=f"epoch {report.epoch + 1}", total=self._steps)

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        self._bar.stop()
        if trainer.stop_reason is not None:
            self._console.print(f"stopped early: {trainer.stop_reason}", markup=False)


def progress_for(epochs: int, steps: int, stream: TextIO | None = None) -> Callback:
    """The kind that suits the stream: rich on a terminal if it is installed, else plain lines.

    ``NO_COLOR`` is respected by rich itself; ``TERM=dumb`` gets plain lines.
    """
    target = stream or sys.stdout
    if target.isatty() and os.environ.get("TERM") != "dumb":
        try:
            return RichProgress(steps, target)
        except ImportError:
            pass  # the extra is not installed; plain lines say the same
    return PlainProgress(stream)

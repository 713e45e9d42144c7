"""Ctrl-C between two steps, so that what is saved is whole."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from learnkit.training.callbacks import Callback
from learnkit.training.history import StepReport

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["Interruptible"]


class Interruptible(Callback):
    """Within the block, the first SIGINT or SIGTERM ends the fit after the running step, with
    ``KeyboardInterrupt``; the second acts at once.

    Attributes:
        signal: the number of the first signal, or 0.
        impatient: whether there was a second.
    """

    def __init__(self) -> None:
        self.signal = 0
        self.impatient = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._before[number] = signal.signal(number, self._received)
            except ValueError:  # not the main thread, which alone gets signals
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            self.impatient = True
            raise KeyboardInterrupt
        self.signal = number

    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        if self.signal:
            raise KeyboardInterrupt

    @property
    def exit_code(self) -> int:
        """128 + the signal, as a shell says it: 130 for Ctrl-C."""
        return 128 + (self.signal or signal.SIGINT)

"""The learning-rate finder: a short run in which the rate grows until the loss diverges."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from learnkit.checks import positive
from learnkit.errors import ArgumentError
from learnkit.schedules.base import Schedule
from learnkit.training.restoring import Before, endless
from learnkit.training.rows import Rows, check_at_least_one, place

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["LRCurve", "find_lr"]

Method = Literal["valley", "steepest", "minimum"]
METHODS: tuple[Method, ...] = ("valley", "steepest", "minimum")
#: A fall of less than this, relative to the loss, is noise and no descent.
_FLAT = 1e-3
#: The part of the fall that lies before the valley.
_EDGE = 0.05


@dataclass(frozen=True)
class _Ramp(Schedule):
    """From ``start`` at step ``first`` to ``end`` at ``first + steps - 1``, evenly in lr or in log lr."""

    start: float
    end: float
    steps: int
    first: int
    kind: Literal["exponential", "linear"]

    def __call__(self, step: int) -> float:
        part = min(1.0, max(0, step - self.first) / max(1, self.steps - 1))
        if self.kind == "linear":
            return self.start + (self.end - self.start) * part
        return self.start * float((self.end / self.start) ** part)


@dataclass(frozen=True)
class LRCurve:
    """What :func:`find_lr` saw.

    Attributes:
        lrs: the learning rate of each step, rising.
        losses: the loss of each step, before its update.
        smoothed: their exponential average, without the bias towards 0 that it has in the first steps: a
            constant loss stays the constant.
        stopped: why the run ended, in words.
        method: the one that :attr:`suggestion` takes.
    """

    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    stopped: str
    method: Method = "valley"

    @property
    def suggestion(self) -> float | None:
        """The suggested learning rate, or ``None`` if the loss never fell."""
        return self.suggestions[self.method]

    @property
    def suggestions(self) -> dict[Method, float | None]:
        """By each method; ``None`` where the loss never fell.

        * ``"valley"``: the middle, in log lr, of the descent of the smoothed loss, from where a twentieth of
          the fall is done to the lowest point.
        * ``"steepest"``: where d loss / d log lr is smallest in that descent.
        * ``"minimum"``: a tenth of the rate at which the loss is smallest.
        """
        descent = self._descent()
        if descent is None:
            return dict.fromkeys(METHODS)
        return {
            "valley": self._valley(*descent),
            "steepest": self._steepest(*descent),
            "minimum": self.lrs[descent[1]] / 10,
        }

    def _descent(self) -> tuple[int, int] | None:
        """Where the fall of the smoothed loss begins and ends; ``None`` if it does not fall.

        It falls from the level of the first half of the way down, their median: the averages of the first
        steps are of few numbers, and noisy. It begins where it is above 95 % of its height for the last time.
        """
        losses = self.smoothed
        if len(losses) < 3:
            return None
        low = losses.index(min(losses))
        level = statistics.median(losses[: low // 2 + 1])
        fall = level - losses[low]
        if fall <= _FLAT * abs(level):
            return None
        return max(i for i in range(low) if i == 0 or losses[i] >= level - _EDGE * fall), low

    def _valley(self, start: int, low: int) -> float:
        return math.sqrt(self.lrs[start] * self.lrs[low])

    def _steepest(self, start: int, low: int) -> float:
        def slope(i: int) -> float:
            rise = self.smoothed[min(i + 1, low)] - self.smoothed[max(i - 1, start)]
            return rise / math.log(self.lrs[min(i + 1, low)] / self.lrs[max(i - 1, start)])

        return self.lrs[min(range(start, low + 1), key=slope)]

    def text(self, width: int = 72, height: int = 14) -> str:
        """The curve for a terminal: the smoothed loss over log lr, ``|`` at the suggestion."""
        if not self.smoothed:
            return "no loss was finite"
        low, high = min(self.smoothed), max(self.smoothed)
        # What lies above the start by far is the divergence, which would flatten all the rest.
        high = min(high, self.smoothed[0] + 0.5 * (self.smoothed[0] - low) or high)
        span = (high - low) or 1.0
        first, last = math.log(self.lrs[0]), math.log(self.lrs[-1])
        scale = (width - 1) / ((last - first) or 1.0)
        rows = [[" "] * width for _ in range(height)]
        if self.suggestion is not None:
            column = min(width - 1, max(0, round((math.log(self.suggestion) - first) * scale)))
            for row in rows:
                row[column] = "|"
        for lr, loss in zip(self.lrs, self.smoothed, strict=True):
            if loss <= high:
                y = min(height - 1, round((high - loss) / span * (height - 1)))
                rows[y][round((math.log(lr) - first) * scale)] = "*"
        labels = [f"{high:.4g}", *[""] * (height - 2), f"{low:.4g}"]
        lines = [f"{label:>9} {''.join(row).rstrip()}" for label, row in zip(labels, rows, strict=True)]
        left, right = f"lr {self.lrs[0]:.1e}", f"{self.lrs[-1]:.1e}"
        return "\n".join([*lines, f"{'':>9} {left}{right:>{max(1, width - len(left))}}"])


def find_lr(
    trainer: Trainer,
    x: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    start_lr: float = 1e-7,
    end_lr: float = 10.0,
    num_steps: int = 100,
    batch_size: int = 32,
    ramp: Literal["exponential", "linear"] = "exponential",
    smoothing: float = 0.9,
    divergence: float = 4.0,
    method: Method = "valley",
) -> LRCurve:
    """Train with a growing learning rate and suggest one from how the loss falls.

    The trainer is left as it was: parameters, buffers, optimizer state, history and step count come back,
    also if something raises. Callbacks are not called. Batches are those that the next epoch would take.

    ::

        lr_t = start_lr (end_lr / start_lr)^(t / (num_steps - 1))
        a_t = smoothing a_(t-1) + (1 - smoothing) loss_t        smoothed_t = a_t / (1 - smoothing^t)

    Args:
        trainer: with the optimizer whose rate is sought.
        x, y, sample_weight: training data, as for ``fit``.
        start_lr, end_lr: 0 < start_lr < end_lr.
        num_steps: at most so many steps, >= 3; the data are gone through as often as that takes.
        batch_size: that of the training to come, >= 1.
        ramp: how the rate grows.
        smoothing: in [0, 1).
        divergence: the run ends when the smoothed loss exceeds so many times its smallest value, > 1,
            or when the loss is not finite; what came after is left out.
        method: ``"valley"``, ``"steepest"`` or ``"minimum"``; see :attr:`LRCurve.suggestions`.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError, DataError: the data do not fit, as for ``fit``.

    Source: Smith 2017, "Cyclical learning rates", arXiv:1506.01186, section 3.3; smoothing and stopping
    after fastai.

    >>> import numpy as np, learnkit as lk
    >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> trainer = lk.Trainer(lk.nn.Linear(1, 1), loss="mse", optimizer="sgd")
    >>> curve = find_lr(trainer, x, 3 * x + 1, batch_size=64)
    >>> 0.01 < curve.suggestion < 1
    True
    """
    for name, value in (("start_lr", start_lr), ("end_lr", end_lr), ("divergence", divergence)):
        positive("find_lr", name, value)
    check_at_least_one("find_lr", "batch_size", batch_size)
    if start_lr >= end_lr:
        raise ArgumentError(f"find_lr: start_lr {start_lr!r} is not below end_lr {end_lr!r}")
    if type(num_steps) is not int or num_steps < 3:
        raise ArgumentError(f"find_lr: num_steps is {num_steps!r}, expected an integer >= 3")
    if ramp not in ("exponential", "linear"):
        raise ArgumentError(f"find_lr: ramp is {ramp!r}, expected 'exponential' or 'linear'")
    if type(smoothing) not in (int, float) or not 0 <= smoothing < 1:
        raise ArgumentError(f"find_lr: smoothing is {smoothing!r}, expected a number in [0, 1)")
    if divergence <= 1:
        raise ArgumentError(f"find_lr: divergence is {divergence!r}, expected a number > 1")
    if method not in METHODS:
        raise ArgumentError(f"find_lr: method is {method!r}, expected one of {', '.join(METHODS)}")
    trainer.backend.activate()
    rows = place(trainer.backend, x, y, sample_weight, dtype=trainer.dtype)
    trainer.check(rows, fitting=True)
    before = Before(trainer)
    rate = _Ramp(start_lr, end_lr, num_steps, trainer.steps_done, ramp)
    try:
        trainer._scheduled = trainer.optimizer.with_lr(lambda lr: rate)
        lrs, losses, smoothed, stopped = _run(
            trainer, rows, rate, num_steps, batch_size, smoothing, divergence
        )
    finally:
        before.restore(trainer)
    return LRCurve(tuple(lrs), tuple(losses), tuple(smoothed), stopped, method)


def _run(
    trainer: Trainer,
    rows: Rows,
    rate: _Ramp,
    num_steps: int,
    batch_size: int,
    smoothing: float,
    divergence: float,
) -> tuple[list[float], list[float], list[float], str]:
    """Rates, losses and smoothed losses of the steps, and why they ended."""
    lrs: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    average = 0.0
    for batch in endless(trainer, rows, batch_size):
        lr = rate(trainer.steps_done)
        loss = float(trainer.step_rows(batch))
        if not math.isfinite(loss):
            return lrs, losses, smoothed, f"the loss was {loss} at lr {lr:.3g}"
        average = smoothing * average + (1 - smoothing) * loss
        lrs.append(lr)
        losses.append(loss)
        smoothed.append(average / (1 - smoothing ** len(lrs)))
        best = min(smoothed)
        if best > 0 and smoothed[-1] > divergence * best:
            return lrs, losses, smoothed, f"the loss exceeded {divergence:g} times its best at lr {lr:.3g}"
        if len(lrs) == num_steps:
            break
    return lrs, losses, smoothed, f"all {num_steps} steps were made"

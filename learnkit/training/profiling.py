"""Where the time of a training step goes, by layer and operation: as a table and as a drawing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnkit.checks import positive
from learnkit.plugins import registry
from learnkit.training.flame import draw
from learnkit.training.recording import (
    BACKWARD,
    FORWARD,
    LOSS,
    OPTIMIZER,
    OWN,
    REST,
    Recorder,
    Stack,
    Watch,
    label,
)
from learnkit.training.restoring import Before, endless
from learnkit.training.rows import check_at_least_one, place

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["Frame", "Profile", "profile"]

#: Steps before anything is measured: they compile, allocate and warm the caches.
_WARM_UP = 3
#: Steps that are measured, at least and at most.
_STEPS = (5, 2000)
_WIDEST = 46
#: What is in no layer, in place of its label.
_BETWEEN = "between layers"


@dataclass(frozen=True)
class Frame:
    """A place in a step, and what it takes there.

    Attributes:
        stack: the phase (``"forward"``, ``"backward"``, ``"optimizer"``, ``"the rest"``), then the model and
            its layers from the outside in by path and class, or ``"loss"``, then the operation; ``""`` stands
            for what is done there between operations.
        seconds: in one step, without what lies deeper.
        calls: in one step.
    """

    stack: tuple[str, ...]
    seconds: float
    calls: float


@dataclass(frozen=True)
class Profile:
    """Where a step's time goes; made by :func:`profile`.

    ``str()`` and :attr:`text` give tables, :attr:`svg` a drawing, which notebooks show by themselves.

    Attributes:
        frames: in the order in which they come in a step.
        layers: the model's layers, the label as in the frames and a description, in the model's order.
        loss, optimizer: their descriptions.
        seconds: of a step that nobody watches, the median.
        steps: how many were watched.
        batch_size: rows in a step.
        backend: library and device.
    """

    frames: tuple[Frame, ...]
    layers: tuple[tuple[str, str], ...]
    loss: str
    optimizer: str
    seconds: float
    steps: int
    batch_size: int
    backend: str

    @property
    def watched(self) -> float:
        """Seconds of a watched step: the sum of all frames. Watching takes time too."""
        return sum(frame.seconds for frame in self.frames)

    def phases(self) -> dict[str, float]:
        """Seconds of a step by what they are for; the loss is not in forward and backward."""
        found = dict.fromkeys((FORWARD, LOSS, BACKWARD, OPTIMIZER, REST), 0.0)
        for frame in self.frames:
            found[LOSS if _of_loss(frame.stack) else frame.stack[0]] += frame.seconds
        return found

    def by_layer(self) -> dict[str, tuple[float, float]]:
        """Seconds forward and backward of each layer, of the loss, and of the tape between them.

        A layer made of layers has what it does itself, without them.
        """
        found = {name: [0.0, 0.0] for name, _ in self.layers}
        for frame in self.frames:
            if frame.stack[0] in (FORWARD, BACKWARD):
                inner = frame.stack[-2] if len(frame.stack) > 2 else _BETWEEN
                found.setdefault(inner, [0.0, 0.0])[frame.stack[0] == BACKWARD] += frame.seconds
        ordered = [name for name in found if name not in (LOSS, _BETWEEN)] + [LOSS, _BETWEEN]
        return {name: (found[name][0], found[name][1]) for name in ordered if any(found.get(name, ()))}

    def by_operation(self) -> dict[str, tuple[float, float, float]]:
        """Calls, seconds forward and seconds backward of each operation on the tape, the longest first."""
        found: dict[str, list[float]] = {}
        for frame in self.frames:
            if frame.stack[0] in (FORWARD, BACKWARD) and frame.stack[-1] != OWN:
                entry = found.setdefault(frame.stack[-1], [0.0, 0.0, 0.0])
                backward = frame.stack[0] == BACKWARD
                entry[0] += 0.0 if backward else frame.calls
                entry[1 + backward] += frame.seconds
        ordered = sorted(found.items(), key=lambda item: -item[1][1] - item[1][2])
        return {name: (entry[0], entry[1], entry[2]) for name, entry in ordered}

    @property
    def text(self) -> str:
        """By phase, by layer and by operation."""
        whole = self.watched or 1.0
        head = f"a step of {self.batch_size} rows on {self.backend}: {_time(self.seconds)}"
        lines = [f"{head}, {_time(self.watched)} while watched ({self.steps} steps)", ""]
        phases = self.phases()
        names = {LOSS: f"loss {self.loss}", OPTIMIZER: f"optimizer {self.optimizer}"}
        rows = [[names.get(name, name), _time(s), _share(s, whole)] for name, s in phases.items()]
        lines += [*_table(["", "time", "share"], rows), ""]
        said = dict(self.layers) | {LOSS: f"loss {self.loss}"}
        rows = [
            [said.get(name, name), _time(f), _time(b), _share(f + b, whole)]
            for name, (f, b) in self.by_layer().items()
        ]
        lines += [*_table(["layer", "forward", "backward", "share"], rows), ""]
        rows = [
            [name, f"{calls:g}", _time(f), _time(b), _share(f + b, whole)]
            for name, (calls, f, b) in self.by_operation().items()
        ]
        lines += _table(["operation", "calls", "forward", "backward", "share"], rows)
        return "\n".join(lines)

    @property
    def svg(self) -> str:
        """A flame graph: a box is as wide as its time, and stands on what it is a part of."""
        title = f"a step of {self.batch_size} rows on {self.backend}: {_time(self.seconds)}"
        return draw(title, [(self._named(frame.stack), frame.seconds) for frame in self.frames], _time)

    def _named(self, stack: Stack) -> Stack:
        """A stack as the drawing shows it: without the places of what is done between operations."""
        named = stack[:-1] if stack[-1] == OWN else stack
        if named[:1] == (OPTIMIZER,):
            return (f"optimizer {self.optimizer}", *named[1:])
        return tuple(f"loss {self.loss}" if part == LOSS and i == 1 else part for i, part in enumerate(named))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "seconds": self.seconds,
            "watched_seconds": self.watched,
            "steps": self.steps,
            "batch_size": self.batch_size,
            "backend": self.backend,
            "phases": self.phases(),
            "layers": {name: {"forward": f, "backward": b} for name, (f, b) in self.by_layer().items()},
            "operations": {
                name: {"calls": calls, "forward": f, "backward": b}
                for name, (calls, f, b) in self.by_operation().items()
            },
            "frames": [
                {"stack": list(frame.stack), "seconds": frame.seconds, "calls": frame.calls}
                for frame in self.frames
            ],
        }

    def save(self, path: str | Path) -> Path:
        """Write the drawing (``.svg``) or the tables (any other ending) to a file."""
        path = Path(path)
        path.write_text(self.svg if path.suffix == ".svg" else self.text + "\n", encoding="utf-8")
        return path

    def _repr_svg_(self) -> str:
        return self.svg

    def __str__(self) -> str:
        return self.text


def profile(
    trainer: Trainer,
    x: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    batch_size: int = 32,
    seconds: float = 1.0,
) -> Profile:
    """Train for about a second and say where the time of a step goes.

    The trainer is left as it was: parameters, buffers, optimizer state and step count come back, also if
    something raises. Callbacks are not called. Batches are those that the next epoch would take; taking them
    is not measured. Every second step is watched, the others are timed as a whole, so that the result says
    what watching adds; of the watched ones the faster half counts, which no other program has disturbed.

    A step that nobody watches may take a shorter way, worked out in advance for plain networks, which the
    parts do not have; then :attr:`Profile.watched` is more than :attr:`Profile.seconds` by what that saves.

    On a GPU the host waits for the device after each operation, so that its time is found where it was asked
    for. That takes away what makes a GPU fast, that host and device work at the same time: the shares are
    those of the parts, and :attr:`Profile.seconds` is what a step takes.

    Args:
        trainer: with the model, loss and optimizer to look at.
        x, y, sample_weight: training data, as for ``fit``; at least one batch.
        batch_size: that of the training, >= 1.
        seconds: to measure for, about, > 0.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError, DataError: the data do not fit, as for ``fit``.

    >>> import numpy as np, learnkit as lk
    >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> trainer = lk.Trainer(lk.nn.MLP((1, 8, 1)), loss="mse", optimizer="adam")
    >>> found = profile(trainer, x, 3 * x + 1, seconds=0.05)
    >>> list(found.by_layer())
    ['MLP', '0 Linear', '1 ReLU', '2 Linear', 'loss', 'between layers']
    >>> list(found.phases())
    ['forward', 'loss', 'backward', 'optimizer', 'the rest']
    """
    check_at_least_one("profile", "batch_size", batch_size)
    positive("profile", "seconds", seconds)
    trainer.backend.activate()
    rows = place(trainer.backend, x, y, sample_weight, dtype=trainer.dtype)
    loss = trainer.loss
    trainer.check(rows, fitting=True)
    recorder = Recorder(trainer.backend)
    watch = Watch(trainer, recorder)
    before = Before(trainer)
    try:
        batches = endless(trainer, rows, batch_size)

        def step() -> float:
            batch = next(batches)
            trainer.backend.synchronize()
            began = time.perf_counter()
            trainer.step_rows(batch)
            trainer.backend.synchronize()
            return time.perf_counter() - began

        def watched_step() -> dict[Stack, list[int]]:
            batch = next(batches)
            with watch:
                recorder.begin()
                trainer.step_rows(batch)
                recorder.end()
            return recorder.taken()

        for _ in range(_WARM_UP):
            estimate = step()
            watched_step()
        count = max(_STEPS[0], min(_STEPS[1], round(seconds / (2.2 * estimate))))
        taken = [(step(), watched_step()) for _ in range(count)]
    finally:
        before.restore(trainer)
        trainer.loss = loss
    modules = trainer.model.modules()
    return Profile(
        frames=_frames([spent for _, spent in taken]),
        layers=tuple((label(path, m), _described(path, m)) for path, m in modules.items()),
        loss=_component(trainer.loss),
        optimizer=_component(trainer.optimizer),
        seconds=statistics.median(plain for plain, _ in taken),
        steps=count,
        batch_size=min(batch_size, len(rows)),
        backend=trainer.backend.describe(),
    )


def _frames(steps: list[dict[Stack, list[int]]]) -> tuple[Frame, ...]:
    """Means over the faster half of the steps."""

    def total(spent: dict[Stack, list[int]]) -> int:
        return sum(ns for ns, _ in spent.values())

    fastest = list(islice(sorted(steps, key=total), (len(steps) + 1) // 2))
    sums: dict[Stack, list[int]] = {}
    for spent in fastest:
        for stack, (ns, calls) in spent.items():
            entry = sums.setdefault(stack, [0, 0])
            entry[0] += ns
            entry[1] += calls
    n = len(fastest)
    return tuple(Frame(stack, ns / n / 1e9, calls / n) for stack, (ns, calls) in sums.items())


def _of_loss(stack: Stack) -> bool:
    return len(stack) > 2 and stack[1] == LOSS


def _described(path: str, module: Any) -> str:
    if module.children():  # they have lines of their own
        return f"{label(path, module)}, without its layers"
    text = f"{path} {module!r}".lstrip()
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _component(part: Any) -> str:
    """The registered name of a loss or an optimizer, or its class."""
    try:
        return str(registry.name_of(part))
    except ValueError:
        return type(part).__name__


def _time(seconds: float) -> str:
    """With three digits, in a unit that fits."""
    if seconds == 0.0:
        return "0"
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            number = seconds / scale
            return f"{number:.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"
    return f"{seconds / 1e-6:.2f} us"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %"


def _table(header: list[str], rows: Iterable[list[str]]) -> list[str]:
    """Lines; all columns but the first are numbers."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return [
        "  ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]

"""Drawing a schedule: as text for a terminal, and as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from learnkit.checks import at_least
from learnkit.errors import ArgumentError
from learnkit.schedules.base import Schedule
from learnkit.schedules.drawing import svg

__all__ = ["Chart", "plot"]

#: Steps that are looked at, at most: more than any drawing has columns.
_LOOKS = 20_000
# The dots of a braille letter by column and row, in the order of Unicode's bits.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BRAILLE = 0x2800


@dataclass(frozen=True)
class Chart:
    """The values of a schedule over a run, drawn; made by :func:`plot`.

    ``str()`` and :attr:`text` give a drawing for a terminal, :attr:`svg` one for a page, which
    notebooks show by themselves.

    Attributes:
        title: the schedule, as it prints.
        steps: the length of the run.
        steps_per_epoch: for a second scale, or ``None``.
        log: whether the scale of the values is logarithmic.
        looked: the steps that were looked at: all of them, or 20 000 from the first to the last.
        values: the values there.
    """

    title: str
    steps: int
    steps_per_epoch: int | None
    log: bool
    looked: Sequence[int] = field(repr=False)
    values: Sequence[float] = field(repr=False)
    width: int = field(repr=False)
    height: int = field(repr=False)

    def table(self) -> list[tuple[int, float, str]]:
        """The values at telling steps: (step, value, why it tells), in order of the steps."""
        low, high = min(self.values), max(self.values)
        last = len(self.values) - 1
        marks: dict[int, list[str]] = {0: ["first"]}
        if high > low:
            marks.setdefault(self.values.index(high), []).append("highest")
        for percent in (25, 50, 75):
            marks.setdefault(round(last * percent / 100), []).append(f"{percent} %")
        if high > low:
            marks.setdefault(self.values.index(low), []).append("lowest")
        marks.setdefault(last, []).append("last")
        return [(self.looked[i], self.values[i], ", ".join(words)) for i, words in sorted(marks.items())]

    @property
    def text(self) -> str:
        """The drawing in braille dots, with the values on the left and the steps below."""
        low, high = self._range()
        ticks = _value_ticks(low, high, self.log, max(2, self.height // 3))
        rows = {round((1 - self._share(v, low, high)) * (self.height - 1)): _number(v) for v in ticks}
        margin = max(map(len, rows.values()))
        columns = max(10, self.width - margin - 2)
        lines = [self.title]
        for i, line in enumerate(self._dots(columns, low, high)):
            label = rows.get(i, "")
            lines.append(f"{label:>{margin}} {'┤' if label else '│'}{line}".rstrip())
        return "\n".join([*lines, *self._below(columns, margin)])

    @property
    def svg(self) -> str:
        """The drawing as SVG, 720 by 340."""
        low, high = self._range()
        return svg(
            self.title,
            list(zip(self.looked, self.values, strict=True)),
            lambda value: self._share(value, low, high),
            [(v, _number(v)) for v in _value_ticks(low, high, self.log, 5)],
            self._step_ticks(8),
            "step" if self.steps_per_epoch is None else f"step (an epoch has {self.steps_per_epoch:,})",
        )

    def save(self, path: str | Path) -> Path:
        """Write the SVG to a file.

        Returns:
            The path.
        """
        path = Path(path)
        path.write_text(self.svg, encoding="utf-8")
        return path

    def __str__(self) -> str:
        return self.text

    def _repr_svg_(self) -> str:
        return self.svg

    def _range(self) -> tuple[float, float]:
        """The lowest and highest value of the scale."""
        low, high = min(self.values), max(self.values)
        if self.log:
            low = min((v for v in self.values if v > 0), default=1.0)
            high = max(high, low)
            return (low, high) if high > low else (low / 10, high * 10)
        if low < high / 2 or low == high:  # a scale that begins at 0 shows how far it falls
            low = 0.0
        return low, high if high > low else low + 1.0

    def _share(self, value: float, low: float, high: float) -> float:
        """The height of a value on the scale, in [0, 1]."""
        if self.log:
            return math.log(max(value, low) / low) / math.log(high / low)
        return (value - low) / (high - low)

    def _dots(self, columns: int, low: float, high: float) -> list[str]:
        """A line of letters for each row."""
        n, across, down = len(self.values), 2 * columns, 4 * self.height
        cells = [[0] * columns for _ in range(self.height)]
        before: int | None = None
        for x in range(across):
            if n >= across:  # all the steps of a column, so that no peak is missed
                inside = self.values[x * n // across : (x + 1) * n // across]
            else:
                inside = [self.values[round(x * (n - 1) / (across - 1))]]
            heights = [round(self._share(v, low, high) * (down - 1)) for v in inside]
            reached = heights if before is None else [*heights, before]
            for y in range(min(reached), max(reached) + 1):
                cells[self.height - 1 - y // 4][x // 2] |= _DOTS[x % 2][3 - y % 4]
            before = heights[-1]
        return ["".join(chr(_BRAILLE + c) if c else " " for c in row).rstrip() for row in cells]

    def _below(self, columns: int, margin: int) -> list[str]:
        """The scale of the steps, and that of the epochs if their length is known."""
        rule, labels = ["─"] * columns, [" "] * (columns + 12)
        free = 0
        for step, label in self._step_ticks(max(2, columns // 12)):
            x = round(step / max(1, self.steps - 1) * (columns - 1))
            start = max(0, min(x - len(label) // 2, columns - len(label)))
            if start < free:
                continue
            rule[x] = "┬"
            labels[start : start + len(label)] = label
            free = start + len(label) + 1
        lines = [f"{'':>{margin}} └{''.join(rule)}", f"{'':>{margin}}  {''.join(labels).rstrip()}"]
        unit = "step" if self.steps_per_epoch is None else f"step; an epoch has {self.steps_per_epoch:,}"
        return [*lines, f"{'':>{margin}}  {unit:^{columns}}".rstrip()]

    def _step_ticks(self, wanted: int) -> list[tuple[int, str]]:
        return [(int(t), f"{int(t):,}") for t in _nice(0, max(1, self.steps - 1), wanted) if t == int(t)]


def plot(
    schedule: Schedule,
    steps: int | None = None,
    *,
    steps_per_epoch: int | None = None,
    log: bool = False,
    width: int = 78,
    height: int = 12,
) -> Chart:
    """The values of a schedule over a run, to print, to show in a notebook or to save as SVG.

    Args:
        schedule: what is missing in it is filled in for this run, as a trainer does.
        steps: the length of the run, >= 1; default the schedule's ``total_steps``.
        steps_per_epoch: for durations in epochs, and named below the steps.
        log: a logarithmic scale for the values; zeros lie at its lower end.
        width, height: letters across, and lines for the values, of the text; >= 20 and >= 3.

    Returns:
        A chart: ``print(plot(...))``, ``plot(...).svg``, ``plot(...).save("lr.svg")``.

    Raises:
        ArgumentError: ``steps`` is neither given nor known, or a value is out of range.

    >>> from learnkit.schedules import Linear
    >>> print(plot(Linear(1.0), 101, width=40, height=4))
    Linear(lr=1.0, total_steps=101)
    1.0 ┤⠉⠙⠒⠒⠦⠤⣄⣀⣀
        │        ⠈⠉⠉⠓⠒⠲⠤⢤⣀⣀⡀
    0.5 ┤                  ⠉⠉⠓⠒⠲⠤⢤⣀⣀⡀
    0.0 ┤                           ⠉⠉⠙⠒⠲⠤⠤⣄
        └┬────────────────┬────────────────┬
         0               50              100
                        step
    """
    if not isinstance(schedule, Schedule):
        raise ArgumentError(f"plot: schedule is {schedule!r}, expected a Schedule")
    if steps is None:
        steps = getattr(schedule, "total_steps", None)
        if type(steps) is not int:
            raise ArgumentError("plot: steps is not known", hint="write plot(schedule, 1000)")
    at_least("plot", "steps", steps, 1)
    at_least("plot", "width", width, 20)
    at_least("plot", "height", height, 3)
    if steps_per_epoch is not None:
        at_least("plot", "steps_per_epoch", steps_per_epoch, 1)
    run: Any = schedule.resolve(steps, steps_per_epoch)
    looks = min(steps, _LOOKS)
    looked = [round(i * (steps - 1) / max(1, looks - 1)) for i in range(looks)]
    values = [float(run(step)) for step in looked]
    return Chart(_short(run), steps, steps_per_epoch, log, looked, values, width, height)


def _short(value: Any) -> str:
    """A schedule as it prints, without what is at its default."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_short, value))}{',' if len(value) == 1 else ''})"
    if not isinstance(value, Schedule):
        return repr(value)
    given = [f for f in fields(value) if f.init and getattr(value, f.name) != f.default]
    return f"{type(value).__name__}({', '.join(f'{f.name}={_short(getattr(value, f.name))}' for f in given)})"


def _value_ticks(low: float, high: float, log: bool, wanted: int) -> list[float]:
    """Round values between two, at the ends at least if there are no others."""
    if log:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        step = max(1, -(-(last - first) // wanted))
        ticks = [10.0**e for e in range(last, first - 1, -step)]
        return ticks if len(ticks) > 1 else [low, high]
    ticks = _nice(low, high, wanted)
    return ticks if len(ticks) > 1 else [low, high]


def _nice(low: float, high: float, wanted: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from ``low`` to ``high``, about ``wanted`` of them."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def _number(value: float) -> str:
    """A value in few letters."""
    return f"{value:.1e}" if value and not 1e-3 <= abs(value) < 1e5 else repr(float(f"{value:.4g}"))

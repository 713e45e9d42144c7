"""A drawing of a recorded graph: boxes in rows, values flowing down and gradients up.

Every box stands below all that it was computed from. A line that passes rows by is given a lane of its
own between their boxes, so that no line goes through a box. Text is set in a typeface of fixed width, so
the size of a box follows from the number of letters in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Protocol

__all__ = ["Box", "draw"]

_FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_LETTER = 7.4  # width at 12 pixels, a little more than the usual 0.6 em
_HEIGHT, _GAP_X, _GAP_Y, _LANE = 46.0, 26.0, 52.0, 18.0
_MARGIN, _PADDING, _LEGEND = 20.0, 10.0, 26.0
_APART = 5.0  # half the distance between a value's line and its gradient's
_GREY, _RED = "#777777", "#c0392b"
_LONGEST = 30


class Box(Protocol):
    """What is drawn as a box; a :class:`~learnkit.autodiff.explain.Step` is one."""

    @property
    def number(self) -> int:
        """Place in the sequence."""

    @property
    def inputs(self) -> tuple[int, ...]:
        """The numbers of the boxes above."""

    @property
    def turn(self) -> int | None:
        """Place in the reverse pass, if it takes part."""

    @property
    def label(self) -> str:
        """First line."""

    @property
    def kind(self) -> str:
        """Second line."""

    @property
    def saved(self) -> int:
        """Bytes kept."""


@dataclass
class _Item:
    """A box, or the lane of a line (``box`` is ``None``), in a row."""

    width: float
    box: Box | None = None
    x: float = 0.0
    above: list[_Item] = field(default_factory=list)
    below: list[_Item] = field(default_factory=list)

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    def port(self, neighbours: list[_Item], other: _Item) -> float:
        """Where the line to ``other`` ends on this side: neighbours share the width of the box."""
        if self.box is None:
            return self.middle
        ordered = sorted(neighbours, key=lambda n: n.middle)
        place = next(i for i, n in enumerate(ordered) if n is other)
        return self.x + self.width * (place + 1) / (len(ordered) + 1)


def draw(boxes: Sequence[Box]) -> str:
    """The drawing as SVG."""
    rows, chains = _rows(boxes)
    width = max((_width(row) for row in rows), default=0.0) + 2 * _MARGIN
    for row in rows:
        _arrange(row, width)
    height = len(rows) * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN + _LEGEND
    width = max(width, 320.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="{_FONT}" font-size="12">',
        f"<defs>{_marker('value', _GREY)}{_marker('gradient', _RED)}</defs>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
    ]
    place = {id(item): i for i, row in enumerate(rows) for item in row}
    for chain in chains:
        points = _points(chain, place[id(chain[0])])
        turn = None if chain[-1].box is None else chain[-1].box.turn
        if turn is None:
            parts.append(_line(points, _GREY, "value"))
        else:
            parts.append(_line([(x - _APART, y) for x, y in points], _GREY, "value"))
            parts.append(_line([(x + _APART, y) for x, y in reversed(points)], _RED, "gradient"))
    for i, row in enumerate(rows):
        parts += [_drawn(item.box, item.x, _top(i), item.width) for item in row if item.box is not None]
    parts.append(_legend(height - _MARGIN))
    parts.append("</svg>")
    return "\n".join(parts)


def _rows(boxes: Sequence[Box]) -> tuple[list[list[_Item]], list[list[_Item]]]:
    """Boxes in rows by the longest way down, and each line as a chain of items from row to row."""
    items = {b.number: _Item(_box_width(b), b) for b in boxes}
    depth: dict[int, int] = {}
    rows: list[list[_Item]] = []
    for b in boxes:
        depth[b.number] = 1 + max((depth[i] for i in b.inputs), default=-1)
        while len(rows) <= depth[b.number]:
            rows.append([])
        rows[depth[b.number]].append(items[b.number])
    chains = []
    for b in boxes:
        for i in dict.fromkeys(b.inputs):
            chain = [items[i]]
            for row in range(depth[i] + 1, depth[b.number]):
                lane = _Item(_LANE)
                rows[row].append(lane)
                chain.append(lane)
            chain.append(items[b.number])
            for upper, lower in pairwise(chain):
                upper.below.append(lower)
                lower.above.append(upper)
            chains.append(chain)
    _order(rows)
    return rows, chains


def _order(rows: list[list[_Item]]) -> None:
    """Sort each row by where its neighbours are, down and up a few times: that unties most crossings."""
    for _ in range(4):
        for side, sequence in (("above", rows[1:]), ("below", rows[-2::-1])):
            place = {id(item): (k + 0.5) / len(row) for row in rows for k, item in enumerate(row)}
            for row in sequence:
                row.sort(key=lambda item: _mean([place[id(n)] for n in getattr(item, side)], place[id(item)]))
                place.update((id(item), (k + 0.5) / len(row)) for k, item in enumerate(row))


def _mean(numbers: list[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise


def _width(row: list[_Item]) -> float:
    return sum(item.width for item in row) + _GAP_X * (len(row) - 1)


def _arrange(row: list[_Item], width: float) -> None:
    x = (width - _width(row)) / 2
    for item in row:
        item.x = x
        x += item.width + _GAP_X


def _top(row: int) -> float:
    return _MARGIN + row * (_HEIGHT + _GAP_Y)


def _points(chain: list[_Item], row: int) -> list[tuple[float, float]]:
    """The corners of a line: out of the lower edge of a box, down its lanes, into the next box."""
    points = []
    for k, (upper, lower) in enumerate(pairwise(chain)):
        points.append((upper.port(upper.below, lower), _top(row + k) + _HEIGHT))
        points.append((lower.port(lower.above, upper), _top(row + k + 1)))
    return points


def _line(points: list[tuple[float, float]], colour: str, marker: str) -> str:
    """Straight down within a row, curved between rows."""
    (x0, y0), *rest = points
    path = f"M{x0:.1f} {y0:.1f}"
    for k, (x, y) in enumerate(rest):
        if k % 2:
            path += f"L{x:.1f} {y:.1f}"
        else:
            half = (y0 + y) / 2
            path += f"C{x0:.1f} {half:.1f} {x:.1f} {half:.1f} {x:.1f} {y:.1f}"
        x0, y0 = x, y
    return f'<path d="{path}" fill="none" stroke="{colour}" marker-end="url(#{marker})"/>'


def _marker(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
    )


def _lines(box: Box) -> tuple[tuple[str, str], tuple[str, str]]:
    """What is written left and right, on the first line and on the second."""
    name = box.label if len(box.label) <= _LONGEST else box.label[: _LONGEST - 1] + "…"
    turn = "" if box.turn is None else f"back {box.turn}"
    saved = f"saves {box.saved:,} B" if box.saved else ""
    return (f"#{box.number} {name}", turn), (box.kind, saved)


def _box_width(box: Box) -> float:
    letters = max(len(left) + (2 + len(right) if right else 0) for left, right in _lines(box))
    return max(96.0, letters * _LETTER + 2 * _PADDING)


def _drawn(box: Box, x: float, y: float, width: float) -> str:
    fill, edge = ("#eef4fb", "#4a6d93") if box.inputs else ("#eef7ee", "#5a8a5a")
    (name, turn), (kind, saved) = _lines(box)
    left, right = f'x="{x + _PADDING:.1f}"', f'x="{x + width - _PADDING:.1f}" text-anchor="end"'
    first, second = f'y="{y + 19:.1f}"', f'y="{y + 36:.1f}"'
    texts = [f'<text {left} {first} font-weight="bold" fill="#222222">{escape(name)}</text>']
    texts.append(f'<text {left} {second} fill="#444444">{escape(kind)}</text>')
    if turn:
        texts.append(f'<text {right} {first} fill="{_RED}">{turn}</text>')
    if saved:
        texts.append(f'<text {right} {second} fill="#444444">{saved}</text>')
    return (
        f"<g><title>#{box.number} {escape(box.label)}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_HEIGHT:.0f}" rx="6" '
        f'fill="{fill}" stroke="{edge}"/>{"".join(texts)}</g>'
    )


def _legend(y: float) -> str:
    return (
        f'<text x="{_MARGIN:.0f}" y="{y:.0f}" fill="{_GREY}">↓ values</text>'
        f'<text x="{_MARGIN + 90:.0f}" y="{y:.0f}" fill="{_RED}">↑ gradients, in turn</text>'
    )

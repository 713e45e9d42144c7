"""A curve over its axes as SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

__all__ = ["svg"]

_FONT = "system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
_WIDTH, _HEIGHT = 720.0, 340.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 70.0, 24.0, 44.0, 52.0
_INK, _GREY, _LINE = "#222222", "#dddddd", "#1f6fb2"
_LONGEST = 96


def svg(
    title: str,
    points: Sequence[tuple[int, float]],
    share: Callable[[float], float],
    value_ticks: Sequence[tuple[float, str]],
    step_ticks: Sequence[tuple[int, str]],
    unit: str,
) -> str:
    """The drawing.

    Args:
        title: above it, shortened if it is long.
        points: (step, value), by rising step from 0.
        share: the height of a value, in [0, 1].
        value_ticks, step_ticks: where lines go across, with their labels.
        unit: below the steps.
    """
    last = max(1, points[-1][0])
    wide, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def across(step: int) -> float:
        return _LEFT + wide * step / last

    def down(value: float) -> float:
        return _TOP + tall * (1 - share(value))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" '
        f'width="{_WIDTH:g}" height="{_HEIGHT:g}" font-family="{_FONT}" font-size="12" fill="{_INK}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH:g}" height="{_HEIGHT:g}" fill="white"/>',
        _text(_LEFT, _TOP - 20, title if len(title) <= _LONGEST else title[: _LONGEST - 1] + "…", "start"),
    ]
    for value, label in value_ticks:
        y = down(value)
        parts += [_line(_LEFT, y, _LEFT + wide, y, _GREY), _text(_LEFT - 8, y + 4, label, "end")]
    for step, label in step_ticks:
        x = across(step)
        parts += [
            _line(x, _TOP, x, _TOP + tall, _GREY),
            _text(x, _TOP + tall + 18, label, "middle"),
        ]
    parts += [
        _line(_LEFT, _TOP, _LEFT, _TOP + tall, _INK),
        _line(_LEFT, _TOP + tall, _LEFT + wide, _TOP + tall, _INK),
        _text(_LEFT + wide / 2, _HEIGHT - 12, unit, "middle"),
        f'<g transform="translate(16 {_TOP + tall / 2:g}) rotate(-90)">{_text(0, 0, "value", "middle")}</g>',
    ]
    kept = _thinned([(across(step), down(value)) for step, value in points])
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y in kept)
    parts.append(
        f'<polyline points="{path}" fill="none" stroke="{_LINE}" stroke-width="2" stroke-linejoin="round"/>'
    )
    x, y = kept[0]
    if len(kept) == 1 or all(point == kept[0] for point in kept):
        parts.append(f'<circle cx="{x:.2f}" cy="{y:.2f}" r="3" fill="{_LINE}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of the points in each half pixel the first, the highest, the lowest and the last: what can be seen."""
    kept: list[tuple[float, float]] = []
    start = 0
    for i in range(1, len(points) + 1):
        if i < len(points) and int(2 * points[i][0]) == int(2 * points[start][0]):
            continue
        here = range(start, i)
        seen = {start, i - 1, min(here, key=lambda j: points[j][1]), max(here, key=lambda j: points[j][1])}
        kept += [points[j] for j in sorted(seen)]
        start = i
    return kept


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}">{escape(text)}</text>'

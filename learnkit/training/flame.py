"""A flame graph as SVG, drawn downwards: boxes as wide as their time, each under what it is a part of.

Boxes that stand side by side are in the order in which they first came, so a step reads from left to right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html import escape

__all__ = ["draw"]

_FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
_WIDTH, _MARGIN, _TOP, _ROW = 1000.0, 12.0, 36.0, 24.0
_LETTER = 6.3  # width at 12 pixels, about the mean of such typefaces
#: Of the phases in their order; what lies deeper is a little lighter.
_COLOURS = ("#7fb3d9", "#e8a87c", "#9ccc9c", "#c3a6d8", "#bdbdbd")
#: A box that is narrower is left out, and no text is written into one that is narrower than three letters.
_NARROWEST = 0.4


@dataclass
class _Box:
    """A place, and what it holds; ``seconds`` is the sum of all below it and its own."""

    name: str
    seconds: float = 0.0
    parts: dict[str, _Box] = field(default_factory=dict)

    def depth(self) -> int:
        return 1 + max((part.depth() for part in self.parts.values()), default=0)


def draw(title: str, places: Iterable[tuple[tuple[str, ...], float]], shown: Callable[[float], str]) -> str:
    """The drawing as SVG.

    Args:
        title: the first line.
        places: each a path of names from the outside in, and the seconds spent there and not deeper.
        shown: seconds as text.
    """
    whole = _Box(title)
    for path, seconds in places:
        box = whole
        box.seconds += seconds
        for name in path:
            box = box.parts.setdefault(name, _Box(name))
            box.seconds += seconds
    height = _TOP + _ROW * (whole.depth() - 1) + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" '
        f'width="{_WIDTH:.0f}" height="{height:.0f}" font-family="{_FONT}" font-size="12">',
        f'<rect width="{_WIDTH:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        f'<text x="{_MARGIN:.0f}" y="22" font-weight="600" fill="#222222">{escape(title)}</text>',
    ]
    scale = (_WIDTH - 2 * _MARGIN) / (whole.seconds or 1.0)
    x = _MARGIN
    for i, phase in enumerate(whole.parts.values()):
        parts += _drawn(phase, x, 0, scale, whole.seconds or 1.0, _COLOURS[i % len(_COLOURS)], shown)
        x += phase.seconds * scale
    return "\n".join([*parts, "</svg>"]) + "\n"


def _drawn(
    box: _Box, x: float, row: int, scale: float, whole: float, colour: str, shown: Callable[[float], str]
) -> list[str]:
    """The box and those below it; what a box does itself is left free at its right end."""
    width = box.seconds * scale
    if width < _NARROWEST:
        return []
    y = _TOP + row * _ROW
    tip = f"{box.name}: {shown(box.seconds)}, {100 * box.seconds / whole:.1f} %"
    parts = [
        f"<g><title>{escape(tip)}</title>",
        f'<rect x="{x:.2f}" y="{y:.1f}" width="{width:.2f}" height="{_ROW:.0f}" fill="{colour}" '
        f'fill-opacity="{max(0.45, 1 - 0.18 * row):.2f}" stroke="#ffffff"/>',
    ]
    text = _fitting(f"{box.name}  {shown(box.seconds)}", box.name, width - 8)
    if text:
        parts.append(f'<text x="{x + 4:.1f}" y="{y + 16:.1f}" fill="#1b1b1b">{escape(text)}</text>')
    parts.append("</g>")
    for part in box.parts.values():
        parts += _drawn(part, x, row + 1, scale, whole, colour, shown)
        x += part.seconds * scale
    return parts


def _fitting(long: str, short: str, width: float) -> str:
    """As much as fits: name and time, or the name, or its beginning, or nothing."""
    letters = int(width / _LETTER)
    for text in (long, short):
        if len(text) <= letters:
            return text
    return f"{short[: letters - 1]}…" if letters >= 3 else ""

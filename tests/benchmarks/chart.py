"""The ratios of ``all.py`` as a drawing: a bar for each work and peer, the limit as a mark on it.

``all.py --chart FILE.svg`` writes it. The colours follow the reader's scheme, light or dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import groupby

from measure import Line

from learnkit.bench.turns import format_ratio

__all__ = ["draw"]

_WIDTH, _LEFT, _RIGHT = 900.0, 440.0, 90.0
_BAR, _STEP, _TOP, _BOTTOM = 11.0, 19.0, 58.0, 30.0
_LOWEST = 0.05  # the scale goes no further down; a bar that would stops there, with its number beside it
_TICKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_STYLE = """
svg { font-family: system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; font-size: 12px }
.text { fill: #1f2328 } .soft { fill: #59636e } .grid { stroke: #d1d9e0 } .one { stroke: #59636e }
.good { fill: #2f7fb8 } .over { fill: #c9701f } .none { fill: #9aa4ae } .limit { stroke: #1f2328 }
.spread { stroke: #1f2328; stroke-opacity: 0.55 }
@media (prefers-color-scheme: dark) {
.text { fill: #e6edf3 } .soft { fill: #9198a1 } .grid { stroke: #3d444d } .one { stroke: #9198a1 }
.good { fill: #4a9ad4 } .over { fill: #e08a3c } .none { fill: #656c76 } .limit { stroke: #e6edf3 }
.spread { stroke: #e6edf3; stroke-opacity: 0.6 }
}"""


def draw(lines: Sequence[Line]) -> str:
    """The drawing as SVG. The scale is logarithmic: twice as fast and twice as slow are as far from 1."""
    values = [v for line in lines for v in (line.ratio.median, line.limit or 1.0)] + [1.0]
    low, high = max(min(values) / 1.15, _LOWEST), max(values) * 1.15

    def x(value: float) -> float:
        share = math.log(min(max(value, low), high) / low) / math.log(high / low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    groups = [(work, list(found)) for work, found in groupby(lines, key=lambda line: line.work)]
    height = _TOP + _STEP * len(lines) + 8 * len(groups) + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" '
        f'width="{_WIDTH:.0f}" height="{height:.0f}" role="img">',
        f"<style>{_STYLE}</style>",
        "<title>learnkit beside its peers: time or memory over the peer's</title>",
        '<text class="text" x="12" y="20" font-weight="600">learnkit over its peer: '
        "to the left of 1 it is faster, or takes less memory</text>",
        _legend(),
    ]
    bottom = height - _BOTTOM
    for tick in (t for t in _TICKS if low <= t <= high):
        kind = "one" if tick == 1 else "grid"
        parts.append(f'<path class="{kind}" d="M{x(tick):.1f} {_TOP - 4:.1f}V{bottom:.1f}"/>')
        label = f'<text class="soft" x="{x(tick):.1f}" y="{bottom + 16:.1f}" text-anchor="middle">'
        parts.append(f"{label}{tick:g}</text>")
    y = _TOP
    for work, found in groups:
        for i, line in enumerate(found):
            parts += _row(line, work if i == 0 else "", y, x)
            y += _STEP
        y += 8
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> str:
    y = 38.0
    items = []
    at = 12.0
    for kind, text in (("good", "within its limit"), ("over", "above its limit"), ("none", "no limit")):
        items.append(
            f'<rect class="{kind}" x="{at:.0f}" y="{y - 9:.0f}" width="{_BAR}" height="{_BAR}" rx="2"/>'
        )
        items.append(f'<text class="soft" x="{at + 16:.0f}" y="{y:.0f}">{text}</text>')
        at += 34 + 6.5 * len(text)
    items.append(f'<path class="limit" stroke-width="2" d="M{at:.0f} {y - 10:.0f}v13"/>')
    items.append(f'<text class="soft" x="{at + 8:.0f}" y="{y:.0f}">the limit</text>')
    items.append(f'<path class="spread" stroke-width="1.5" d="M{at + 82:.0f} {y - 3.5:.0f}h18"/>')
    items.append(f'<text class="soft" x="{at + 106:.0f}" y="{y:.0f}">quartiles over rounds</text>')
    return "".join(items)


def _row(line: Line, work: str, y: float, x: Callable[[float], float]) -> list[str]:
    """Bar, spread, limit and number; ``x`` is the place of a ratio."""
    middle = y + _BAR / 2
    kind = "none" if line.holds is None else "good" if line.holds else "over"
    ratio = line.ratio
    left, right = sorted((x(1.0), x(ratio.median)))
    tip = f"{line.work} / {line.peer}: {ratio}" + ("" if line.limit is None else f", at most {line.limit:g}")
    text = f'y="{middle + 4:.1f}"'
    parts = [f"<g><title>{escape(tip)}</title>"]
    if work:
        parts.append(f'<text class="text" x="12" {text}>{escape(_short(work))}</text>')
    place = f'x="{_LEFT - 10:.1f}" {text} text-anchor="end"'
    parts.append(f'<text class="soft" {place}>{escape(_short(line.peer))}</text>')
    size = f'width="{max(right - left, 1):.1f}" height="{_BAR}" rx="2"'
    parts.append(f'<rect class="{kind}" x="{left:.1f}" y="{y:.1f}" {size}/>')
    if ratio.high > ratio.low:
        path = f"M{x(ratio.low):.1f} {middle:.1f}H{x(ratio.high):.1f}"
        parts.append(f'<path class="spread" stroke-width="1.5" d="{path}"/>')
    if line.limit is not None:
        path = f"M{x(line.limit):.1f} {y - 2:.1f}v{_BAR + 4:.1f}"
        parts.append(f'<path class="limit" stroke-width="2" d="{path}"/>')
    # The number stands behind the bar, or behind the line of 1 if the bar ends there.
    edge = max(right, x(ratio.high), x(line.limit or ratio.median)) + 7
    parts.append(f'<text class="text" x="{edge:.1f}" {text}>{format_ratio(ratio.median)}</text></g>')
    return parts


def _short(work: str) -> str:
    return work.replace("`", "").replace(", forward and backward", "").replace(" parameters", "")

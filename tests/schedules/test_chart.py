"""Drawings: every peak is in them, and both scales say what the values are."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest

from learnkit.errors import ArgumentError
from learnkit.schedules import Constant, Cosine, CosineWarmRestarts, OneCycle, Step, Warmup, plot

SVG = "{http://www.w3.org/2000/svg}"


def heights(chart):
    """The highest and lowest drawn dot of each column of letters, as a share of the height from below."""
    lines = chart.text.splitlines()[1 : 1 + chart.height]
    start = max(max(line.find("│"), line.find("┤")) for line in lines) + 1
    rows = [line[start:] for line in lines]
    wide, down = max(map(len, rows)), 4 * chart.height
    found = []
    for x in range(wide):
        dots = []
        for i, row in enumerate(rows):
            bits = ord(row[x]) - 0x2800 if x < len(row) and row[x] != " " else 0
            left = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)
            dots += [down - 1 - 4 * i - k for side in left for k, bit in enumerate(side) if bits & bit]
        found.append((max(dots) / (down - 1), min(dots) / (down - 1)))
    return found


@pytest.mark.parametrize("steps", [1, 2, 3, 50, 1000, 100_000])
@pytest.mark.parametrize("log", [False, True])
def test_every_length_fills_the_chart(steps, log):
    chart = plot(OneCycle(0.1), steps, log=log)
    lines = chart.text.splitlines()
    assert len(lines) == 1 + 12 + 3
    assert all(len(line) <= 78 for line in lines[1:])
    drawn = heights(chart)
    assert len(drawn) == max(len(line) for line in lines[1:13]) - lines[-3].index("└") - 1
    assert all(high >= low for high, low in drawn)


def test_the_curve_is_where_the_values_are():
    chart = plot(Cosine(1.0), 1000, height=20)
    drawn = heights(chart)
    for x, (high, low) in enumerate(drawn):
        value = Cosine(1.0, 1000)(round((x + 0.5) / len(drawn) * 999))
        assert low - 0.04 <= value <= high + 0.04


def test_no_peak_is_missed():
    """Spikes of one step in a run of thousands reach the top."""
    chart = plot(CosineWarmRestarts(1.0, 100, min_lr=0.0), 10_000)
    assert sum(high == 1.0 for high, _ in heights(chart)) == len(heights(chart))
    warm = heights(plot(Warmup(1.0, 20), 1000))
    assert warm[0][1] < 0.1 and all(high == 1.0 for high, _ in warm[2:])  # noqa: PT018


def test_scales():
    text = plot(OneCycle(0.1), 1000, steps_per_epoch=100).text
    for label in (" 0.1 ┤", "0.05 ┤", " 0.0 ┤", "step; an epoch has 100", " 200 ", " 800"):
        assert label in text
    assert plot(OneCycle(1.0).momentum(), 100).text.splitlines()[1].startswith("0.95 ┤")
    assert "0.85 ┤" in plot(OneCycle(1.0).momentum(), 100).text
    logarithmic = plot(OneCycle(0.1), 1000, log=True).text
    assert "1.0e-05 ┤" in logarithmic
    assert "3.0e-04" in plot(Constant(3e-4), 10).text
    assert str(plot(Cosine(1.0, total_steps=7))).splitlines()[0] == "Cosine(lr=1.0, total_steps=7)"
    assert plot(Constant(0.0), 10).text
    assert plot(Constant(0.0), 10, log=True).text


def test_telling_steps():
    assert plot(OneCycle(1.0), 100).table() == [
        (0, pytest.approx(0.04), "first"),
        (25, pytest.approx(OneCycle(1.0, 100)(25)), "25 %"),
        (29, 1.0, "highest"),
        (50, pytest.approx(OneCycle(1.0, 100)(50)), "50 %"),
        (74, pytest.approx(OneCycle(1.0, 100)(74)), "75 %"),
        (99, pytest.approx(4e-6), "lowest, last"),
    ]
    assert plot(Constant(0.5), 1).table() == [(0, 0.5, "first, 25 %, 50 %, 75 %, last")]


@pytest.mark.parametrize("steps", [1, 10, 5000, 100_000])
def test_svg(steps, tmp_path):
    """Well-formed, within its frame, with axes and labels, and no larger than can be seen."""
    chart = plot(Warmup(Step(0.1, "30%"), "2%"), steps, steps_per_epoch=50)
    root = ET.fromstring(chart.svg)
    points = [tuple(map(float, p.split(","))) for p in root.find(f"{SVG}polyline").get("points").split()]
    assert all(70 <= x <= 696.01 and 44 <= y <= 288.01 for x, y in points)
    assert min(y for _, y in points) == 44, "the peak is at the top"
    assert len(points) <= 4 * 2 * 626 + 4
    words = [t.text for t in root.iter(f"{SVG}text")]
    assert words[0].startswith("Warmup(schedule=Step(")
    assert {"0.1", "0.0", "0", "value", "step (an epoch has 50)"} <= set(words)
    assert chart.save(tmp_path / "lr.svg").read_text(encoding="utf-8") == chart.svg == chart._repr_svg_()


def test_texts_are_escaped():
    from learnkit.schedules import Lambda

    ET.fromstring(plot(Lambda(1.0, lambda t: 1.0), 10).svg)


def test_what_is_missing_is_said():
    with pytest.raises(ArgumentError, match=r"plot: steps is not known\n  write plot\(schedule, 1000\)"):
        plot(Cosine(1.0))
    with pytest.raises(ArgumentError, match="plot: steps is 0, expected an integer >= 1"):
        plot(Cosine(1.0), 0)
    with pytest.raises(ArgumentError, match=r"plot: schedule is 0\.1, expected a Schedule"):
        plot(0.1, 10)
    with pytest.raises(ArgumentError, match="plot: width is 3, expected an integer >= 20"):
        plot(Cosine(1.0), 10, width=3)
    assert math.isclose(plot(Step(1.0, "1ep"), 10, steps_per_epoch=5).values[-1], 0.1)

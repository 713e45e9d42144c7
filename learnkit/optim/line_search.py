"""A line search for a step that meets the strong Wolfe conditions, with cubic interpolation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from learnkit.backends.base import Array

__all__ = ["Point", "strong_wolfe"]


class Point(NamedTuple):
    """A point on the line.

    Attributes:
        t: step length.
        value: of the function, a host number.
        gradient: the vector there.
        slope: the derivative along the line.
    """

    t: float
    value: float
    gradient: Array
    slope: float


def _interpolate(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points with these slopes is least, within ``bounds`` or between them."""
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    if a.t > b.t:
        a, b = b, a
    if a.t == b.t:
        return (low + high) / 2
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    divisor = b.slope - a.slope + 2 * d2
    if divisor == 0:
        return (low + high) / 2
    return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / divisor), low), high)


def strong_wolfe(
    at: Callable[[float], Point],
    start: Point,
    t: float,
    size: float,
    *,
    max_evals: int,
    tolerance_change: float,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> tuple[Point, int]:
    """A point with ``f(t) <= f(0) + c1 t f'(0)`` and ``|f'(t)| <= c2 |f'(0)|``, and evaluations made.

    Args:
        at: evaluates the function on the line.
        start: the point at t = 0, with slope < 0.
        t: first step to try.
        size: largest element of the direction: intervals shorter than ``tolerance_change / size`` end it.
        max_evals: >= 1; then the better end of the interval is taken.

    The steps are those of ``torch.optim.LBFGS``, which has them from Schmidt's minFunc.
    Nocedal and Wright 2006, "Numerical optimization", algorithms 3.5 and 3.6.
    """
    new, evals, previous, ends = at(t), 1, start, None
    for i in range(max_evals):
        if new.value > start.value + c1 * new.t * start.slope or (i > 1 and new.value >= previous.value):
            ends = [previous, new]
        elif abs(new.slope) <= -c2 * start.slope:
            return new, evals
        elif new.slope >= 0:
            ends = [previous, new]
        if ends is not None:
            tries = i
            break
        bounds = (new.t + 0.01 * (new.t - previous.t), new.t * 10)
        t = _interpolate(previous, new, bounds)
        previous, new, evals = new, at(t), evals + 1
    else:
        return (start if start.value <= new.value else new), evals

    stuck = False
    low, high = (0, 1) if ends[0].value <= ends[1].value else (1, 0)
    while tries < max_evals:
        least, most = min(ends[0].t, ends[1].t), max(ends[0].t, ends[1].t)
        if (most - least) * size < tolerance_change:
            break
        t = _interpolate(ends[0], ends[1])
        # Close to an end, and not for the first time: a tenth of the interval away from it.
        margin = 0.1 * (most - least)
        if min(most - t, t - least) < margin:
            if stuck or t >= most or t <= least:
                t = most - margin if abs(t - most) < abs(t - least) else least + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        new, evals, tries = at(t), evals + 1, tries + 1
        if new.value > start.value + c1 * new.t * start.slope or new.value >= ends[low].value:
            ends[high] = new
            low, high = (0, 1) if ends[0].value <= ends[1].value else (1, 0)
            continue
        done = abs(new.slope) <= -c2 * start.slope
        if not done and new.slope * (ends[high].t - ends[low].t) >= 0:
            ends[high] = ends[low]
        ends[low] = new
        if done:
            break
    return ends[low], evals

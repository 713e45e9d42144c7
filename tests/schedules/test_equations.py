"""The equations of learning-rate schedules as textbooks write them, evaluated as they stand."""

from __future__ import annotations

import math

import pytest

from learnkit.schedules import Constant, Cosine, Exponential, Step, Warmup

ETA_0, ETA_MIN, GAMMA, S, LAMBDA, T = 0.3, 0.01, 0.5, 7, 0.05, 40

#: name: the schedule, and eta_t.
EQUATIONS = {
    "fixed": (Constant(ETA_0), lambda t: ETA_0),
    "step decay": (Step(ETA_0, S, GAMMA), lambda t: ETA_0 * GAMMA ** math.floor(t / S)),
    "exponential decay": (Exponential(ETA_0, rate=LAMBDA), lambda t: ETA_0 * math.exp(-LAMBDA * t)),
    "cosine annealing": (
        Cosine(ETA_0, T, ETA_MIN),
        lambda t: ETA_MIN + (ETA_0 - ETA_MIN) / 2 * (1 + math.cos(t / T * math.pi)),
    ),
    "linear warm-up": (Warmup(ETA_0, T, start=0.0), lambda t: ETA_0 * t / T),
    "cosine warm-up": (
        Warmup(ETA_0, T, start=0.0, shape="cosine"),
        lambda t: ETA_0 / 2 * (1 + math.cos(math.pi - t / T * math.pi)),
    ),
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_every_step(name):
    schedule, equation = EQUATIONS[name]
    for t in range(T + 1):
        assert schedule(t) == pytest.approx(equation(t), rel=1e-12, abs=1e-15)

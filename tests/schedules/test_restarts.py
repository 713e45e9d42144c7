"""Warm restarts: exact at every one."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from learnkit.plugins import registry
from learnkit.schedules import CosineWarmRestarts, Warmup


@pytest.mark.parametrize("t_mult", range(1, 6))
@pytest.mark.parametrize("t_0", [1, 2, 3, 7, 10])
def test_every_restart_of_ten_cycles_is_exact(t_0, t_mult):
    """The peak itself at the restart; the end of the cycle, and not the peak, one step before."""
    schedule = CosineWarmRestarts(1.0, t_0, t_mult, M_mult=0.5)
    start, length = 0, t_0
    for cycle in range(10):
        assert schedule(start) == 0.5**cycle, (cycle, start)
        assert schedule(start + length) == 0.5 ** (cycle + 1)
        if length > 1:
            assert 0 < schedule(start + length - 1) < 0.5**cycle * 0.6
            assert schedule(start + 1) < schedule(start)
        start, length = start + length, length * t_mult


@pytest.mark.parametrize("t_mult", [Fraction(3, 2), Fraction(11, 10), Fraction(4, 3), Fraction(10001, 10000)])
def test_fractions(t_mult):
    """Against cycles added up one by one; a cycle may begin between two steps."""
    schedule = CosineWarmRestarts(1.0, 4, t_mult)
    start, length, cycle = Fraction(0), Fraction(4), 0
    for t in range(400):
        while t >= start + length:
            start, length, cycle = start + length, length * t_mult, cycle + 1
        assert schedule._place(t) == (cycle, t - start, length)
    assert 0 <= schedule(10**6) <= 1


def test_ways_to_write_t_mult():
    exact = CosineWarmRestarts(1.0, 4, Fraction(3, 2))
    for same in (1.5, "3/2", "1.5", Fraction(6, 4)):
        assert CosineWarmRestarts(1.0, 4, same) == exact
    assert CosineWarmRestarts(1.0, 4, 1.1).T_mult == Fraction(11, 10), "the decimal digits count"
    assert type(CosineWarmRestarts(1.0, 4, Fraction(2)).T_mult) is int
    described = json.loads(json.dumps(registry.describe(CosineWarmRestarts(1.0, 4, Fraction(4, 3)))))
    assert registry.create("schedule", described).T_mult == Fraction(4, 3)
    assert registry.create("schedule", "cosine_warm_restarts:lr=1,T_0=4,T_mult=4/3").T_mult == Fraction(4, 3)


@pytest.mark.parametrize("start", [None, 0.0, 0.25])
def test_each_cycle_may_warm_up(start):
    schedule = CosineWarmRestarts(1.0, 10, 2, min_lr=0.1, M_mult=0.5, warmup_steps=3, start=start)
    begin, length = 0, 10
    for cycle in range(4):
        peak = 0.1 + 0.9 * 0.5**cycle
        rise = Warmup(peak, 3, start)
        ours = [schedule(begin + i) for i in range(4)]
        assert ours == pytest.approx([rise(i) for i in range(4)], rel=1e-12)
        begin, length = begin + length, 2 * length


def test_a_cycle_may_follow_each_step():
    assert [CosineWarmRestarts(1.0, 1)(t) for t in range(3)] == [1.0, 1.0, 1.0]

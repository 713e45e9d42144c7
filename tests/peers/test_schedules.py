"""Schedules compared with PyTorch, Optax and the formulas of transformers."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from learnkit.schedules import (
    WSD,
    Constant,
    Cosine,
    CosineWarmRestarts,
    Cyclic,
    Exponential,
    InverseSqrt,
    Join,
    Lambda,
    Linear,
    MultiStep,
    OneCycle,
    Polynomial,
    ReduceOnPlateau,
    Step,
    Warmup,
)


def same(ours, theirs, steps, rtol=1e-12):
    """A schedule's values at the steps 0, 1, ..., and the peer's."""
    found = [ours(t) for t in range(steps)]
    np.testing.assert_allclose(found, [float(v) for v in theirs][:steps], rtol=rtol, atol=1e-15)


# PyTorch


def torch_rates(make, steps, lr=1.0, momentum=0.5):
    """Learning rates and momenta of ``steps`` steps."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr, momentum=momentum)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about epoch numbers, which PyTorch's own SequentialLR hands on
        schedule = make(torch.optim.lr_scheduler, optimizer)
        found = []
        for _ in range(steps):
            found.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
            optimizer.step()
            if len(found) < steps:
                schedule.step()
    return list(zip(*found, strict=True))


TORCH = [
    *(
        (Step(0.3, n, g), lambda s, o, n=n, g=g: s.StepLR(o, n, g))
        for n in (1, 3, 50)
        for g in (0.1, 0.9, 2.0)
    ),
    (MultiStep(0.3, (0, 4, 4, 30), 0.5), lambda s, o: s.MultiStepLR(o, [0, 4, 4, 30], 0.5)),
    (MultiStep(0.3, (), 0.5), lambda s, o: s.MultiStepLR(o, [], 0.5)),
    *((Exponential(0.3, g), lambda s, o, g=g: s.ExponentialLR(o, g)) for g in (0.5, 0.99, 1.05)),
    *(
        (Polynomial(0.3, n, power=p), lambda s, o, n=n, p=p: s.PolynomialLR(o, n, p))
        for n in (1, 7, 59, 100)
        for p in (0.5, 1.0, 3.0)
    ),
    (Linear(0.3, 20, min_lr=0.03), lambda s, o: s.LinearLR(o, 1.0, 0.1, 20)),
    *((Warmup(0.3, n, 1 / 3), lambda s, o, n=n: s.LinearLR(o, total_iters=n)) for n in (1, 5, 40)),
    (Join((0.3 / 4, 0.3), (7,)), lambda s, o: s.ConstantLR(o, 0.25, 7)),
    *(
        (
            CosineWarmRestarts(0.3, a, b, 0.01),
            lambda s, o, a=a, b=b: s.CosineAnnealingWarmRestarts(o, a, b, 0.01),
        )
        for a in (1, 2, 5, 10)
        for b in (1, 2, 3)
    ),
    *(
        (
            Cyclic(0.3, 0.01, up, down, mode, **({"gamma": 0.95} if mode == "exp_range" else {})),
            lambda s, o, up=up, down=down, mode=mode: s.CyclicLR(o, 0.01, 0.3, up, down, mode, 0.95),
        )
        for up, down in ((1, None), (3, 5), (8, 2))
        for mode in ("triangular", "triangular2", "exp_range")
    ),
    (
        Cyclic(0.3, 0.01, 3, mode="exp_range", gamma=0.7, scale_mode="cycle"),
        lambda s, o: s.CyclicLR(o, 0.01, 0.3, 3, scale_fn=lambda n: 0.7**n, scale_mode="cycle"),
    ),
    (Lambda(0.3, lambda t: 1 / (1 + t)), lambda s, o: s.LambdaLR(o, lambda t: 1 / (1 + t))),
    (
        Join((Warmup(0.3, 5, 0.1), Exponential(0.3, 0.9)), (8,)),
        lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, total_iters=5), s.ExponentialLR(o, 0.9)], [8]),
    ),
    (
        Warmup(1.0, 6, 0.5) * Exponential(0.3, 0.9),
        lambda s, o: s.ChainedScheduler([s.LinearLR(o, 0.5, total_iters=6), s.ExponentialLR(o, 0.9)]),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs"), TORCH, ids=[repr(ours).partition("<")[0] for ours, _ in TORCH])
def test_equal_to_torch_at_every_step(ours, theirs):
    rates, momenta = torch_rates(theirs, 60, lr=0.3)
    same(ours, rates, 60)
    if isinstance(ours, Cyclic):
        same(ours.momentum(), momenta, 60)


def test_cosine_beyond_its_end_rises_again_where_asked():
    """PyTorch's own form adds up step by step; its rounding grows with the steps."""
    rates, _ = torch_rates(lambda s, o: s.CosineAnnealingLR(o, 20, 0.01), 60, lr=0.3)
    same(Cosine(0.3, 20, 0.01, after="mirror"), rates, 60, rtol=1e-9)
    same(Cosine(0.3, 20, 0.01), [*rates[:21], *[0.01] * 39], 60, rtol=1e-9)


@pytest.mark.parametrize("three_phase", [False, True])
def test_the_momentum_of_one_cycle(three_phase):
    for total in (2, 3, 5, 10, 37):
        for pct_start in (0.2, 0.3, 0.45):
            if pct_start * total in (0.5, 1.0):
                continue  # PyTorch divides by zero
            rates, momenta = torch_rates(
                lambda s, o, n=total, p=pct_start: s.OneCycleLR(
                    o, 0.3, n, pct_start=p, three_phase=three_phase
                ),
                total,
            )  # fmt: skip
            ours = OneCycle(0.3, total, pct_start, three_phase=three_phase)
            same(ours, rates, total)
            same(ours.momentum(), momenta, total)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_plateau_on_random_losses(mode, threshold_mode):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    rng = np.random.default_rng(4)
    for patience in (0, 1, 3):
        for cooldown in (0, 2):
            for min_lr, eps in ((0.0, 1e-8), (1e-3, 1e-8), (0.0, 0.01)):
                options = {
                    "mode": mode, "patience": patience, "cooldown": cooldown, "min_lr": min_lr, "factor": 0.3,
                    "threshold": 0.01, "threshold_mode": threshold_mode, "eps": eps,
                }  # fmt: skip
                optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
                theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
                ours = ReduceOnPlateau(0.5, **options)
                for step in range(1, 60):
                    value = float(rng.choice([rng.normal() + 5 / step, math.nan, 1.0], p=[0.8, 0.1, 0.1]))
                    theirs.step(value)
                    ours = ours.observe({"loss": value}, step)
                    assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)


# Optax


def optax_cases(optax):
    """Ours and theirs."""
    return [
        (Constant(0.3), optax.constant_schedule(0.3)),
        (Exponential(0.3, 0.9), optax.exponential_decay(0.3, 1, 0.9)),
        (
            Exponential(0.3, 0.5, decay_steps=7, staircase=True, min_lr=0.02),
            optax.exponential_decay(0.3, 7, 0.5, staircase=True, end_value=0.02),
        ),
        (Cosine(0.3, 40, min_lr=0.03), optax.cosine_decay_schedule(0.3, 40, 0.1)),
        (Linear(0.3, 40, min_lr=0.03), optax.linear_schedule(0.3, 0.03, 40)),
        (Polynomial(0.3, 40, 0.03, power=2.0), optax.polynomial_schedule(0.3, 0.03, 2.0, 40)),
        (MultiStep(0.3, (4, 9), (0.5, 0.1)), optax.piecewise_constant_schedule(0.3, {4: 0.5, 9: 0.1})),
        (
            Warmup(Cosine(0.3, 30, 0.01), 10, start=0.1),
            optax.warmup_cosine_decay_schedule(0.03, 0.3, 10, 40, 0.01),
        ),
        (
            Warmup(Exponential(0.3, 0.5, decay_steps=5), 10, start=0.0),
            optax.warmup_exponential_decay_schedule(0.0, 0.3, 10, 5, 0.5),
        ),
        (Warmup(0.3, 8, start=0.0), optax.warmup_constant_schedule(0.0, 0.3, 8)),
        (
            Join((Constant(0.1), Linear(0.3, 20)), (13,)),
            optax.join_schedules([optax.constant_schedule(0.1), optax.linear_schedule(0.3, 0.0, 20)], [13]),
        ),
        *(
            (
                OneCycle(0.3, n, p, end_inclusive=False),
                optax.cosine_onecycle_schedule(n, 0.3, p),
            )
            for n in (10, 37, 50)
            for p in (0.1, 0.3, 0.77)
        ),
        (
            OneCycle(0.3, 50, 0.3, "linear", three_phase=True, pct_final=0.85, end_inclusive=False),
            optax.linear_onecycle_schedule(50, 0.3),
        ),
        (
            CosineWarmRestarts(0.3, 10, 2, warmup_steps=3, start=0.0),
            optax.sgdr_schedule(
                [
                    {"init_value": 0.0, "peak_value": 0.3, "warmup_steps": 3, "decay_steps": 10 * 2**i}
                    for i in range(4)
                ]
            ),
        ),
    ]  # fmt: skip


def test_equal_to_optax_at_every_step():
    optax = pytest.importorskip("optax", reason="optax is not installed")
    import jax

    with jax.enable_x64(True):
        for ours, theirs in optax_cases(optax):
            same(ours, jax.jit(jax.vmap(theirs))(jax.numpy.arange(60)), 60)


def test_plateau_as_optax_counts():
    pytest.importorskip("optax", reason="optax is not installed")
    import jax
    import jax.numpy as jnp
    from optax.contrib import reduce_on_plateau

    losses = [1.0, 1.0, 1.0, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.1, 0.2, 0.2, 0.2, 0.2]
    for patience in (1, 2, 3):
        for cooldown in (0, 1):
            theirs = reduce_on_plateau(factor=0.5, patience=patience, cooldown=cooldown)
            state = theirs.init(jnp.zeros(1))
            update = jax.jit(lambda s, v, o=theirs: o.update(jnp.zeros(1), s, value=v)[1])
            ours = ReduceOnPlateau(1.0, 0.5, patience, cooldown=cooldown, inclusive=True)
            for step, loss in enumerate(losses, start=1):
                state = update(state, loss)
                ours = ours.observe({"loss": loss}, step)
                assert ours(step) == pytest.approx(float(state.scale), rel=1e-6)


# Hugging Face's transformers, optimization.py at commit 005edac: what LambdaLR multiplies lr by


def warmed(t, w):
    return t / max(1, w)


def hf_linear(t, w, n):
    return warmed(t, w) if t < w else max(0.0, (n - t) / max(1, n - w))


def hf_cosine(t, w, n):
    if t < w:
        return warmed(t, w)
    progress = (t - w) / max(1, n - w)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * 0.5 * 2.0 * progress)))


def hf_hard_restarts(t, w, n, cycles):
    if t < w:
        return warmed(t, w)
    progress = (t - w) / max(1, n - w)
    return 0.0 if progress >= 1 else max(0.0, 0.5 * (1.0 + math.cos(math.pi * ((cycles * progress) % 1.0))))


def hf_polynomial(t, w, n, end, power, lr):
    if t < w:
        return warmed(t, w)
    if t > n:
        return end / lr
    return ((lr - end) * (1 - (t - w) / (n - w)) ** power + end) / lr


def hf_inverse_sqrt(t, w, timescale):
    return warmed(t, w) if t < w else 1.0 / math.sqrt((t + timescale - w) / timescale)


def hf_wsd(t, w, stable, decay, warmup_type, decay_type, low):
    if t < w:
        progress = t / max(1, w)
        factor = {
            "linear": progress,
            "cosine": 0.5 * (1.0 - math.cos(math.pi * progress)),
            "1-sqrt": 1.0 - math.sqrt(1.0 - progress),
        }[warmup_type]
        return max(0.0, factor * (1.0 - low) + low)
    if t < w + stable:
        return 1.0
    if t < w + stable + decay:
        progress = (t - w - stable) / max(1, decay)
        factor = {
            "linear": 1.0 - progress,
            "cosine": 0.5 * (1.0 + math.cos(math.pi * progress)),
            "1-sqrt": 1.0 - math.sqrt(progress),
        }[decay_type]
        return max(0.0, factor * (1.0 - low) + low)
    return low


SHAPES = ("linear", "cosine", "1-sqrt")
TRANSFORMERS = [
    *(
        case
        for w in (0, 1, 7)
        for case in (
            (Warmup(Linear(0.3, 40 - w), w, 0.0), lambda t, w=w: hf_linear(t, w, 40)),
            (Warmup(Cosine(0.3, 40 - w, after="mirror"), w, 0.0), lambda t, w=w: hf_cosine(t, w, 40)),
            (
                Warmup(Polynomial(0.3, 40 - w, 1e-7, power=2.0), w, 0.0),
                lambda t, w=w: hf_polynomial(t, w, 40, 1e-7, 2.0, 0.3),
            ),
            (
                Warmup(InverseSqrt(0.3, w or 10_000), w, 0.0),
                lambda t, w=w: hf_inverse_sqrt(t, w, w or 10_000),
            ),
        )
    ),
    (
        Warmup(Join((CosineWarmRestarts(0.3, 10), 0.0), (30,)), 10, 0.0),
        lambda t: hf_hard_restarts(t, 10, 40, 3),
    ),
    *(
        (
            WSD(0.3, 40, 5, 12, 0.03, 0.1, rise, fall),
            lambda t, rise=rise, fall=fall: hf_wsd(t, 5, 23, 12, rise, fall, 0.1),
        )
        for rise in SHAPES
        for fall in SHAPES
    ),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "factor"), TRANSFORMERS, ids=[repr(ours) for ours, _ in TRANSFORMERS])
def test_equal_to_the_formulas_of_transformers(ours, factor):
    same(ours, [0.3 * factor(t) for t in range(50)], 50)

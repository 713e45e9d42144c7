"""Prodigy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import positive
from learnkit.optim.base import Optimizer, State
from learnkit.optim.parts import Hyper, check_betas, check_fields, check_flags, scalar_like
from learnkit.schedules.base import Schedule

__all__ = ["Prodigy"]


@dataclass(frozen=True)
class Prodigy(Optimizer):
    """Prodigy: Adam that finds its learning rate, from how far the parameters have come.

    ::

        eta = d lr                                      use_bias_correction: times sqrt(1 - b2^t) / (1 - b1^t)
        m = b1 m + (1 - b1) d grad
        v = b2 v + (1 - b2) (d grad)^2
        s = b3 s + d / d0 eta grad                      safeguard_warmup: d in place of eta
        n = b3 n + d / d0 eta <grad, theta_0 - theta>   over all parameters together
        d = max(d, d_coef n / |s|_1)                    at most growth_rate d
        theta = theta (1 - eta weight_decay) - eta m / (sqrt(v) + d eps)

    The sums go over all leaves. One estimate d serves them all and only grows; leave lr at 1, or give a
    schedule that falls from 1.

    Args:
        lr: factor of the estimate, > 0, or a schedule; default 1.0.
        betas: in [0, 1); default (0.9, 0.999).
        beta3: decay rate of the two sums, in [0, 1); ``None``, the default, is ``sqrt(b2)``.
        eps: > 0, default 1e-8.
        weight_decay: decoupled, >= 0, default 0.
        use_bias_correction: Adam's corrections; default false.
        safeguard_warmup: leave lr out of s, for a warm-up; default false.
        d0: first estimate, > 0, default 1e-6; too small does no harm.
        d_coef: > 0, default 1.0; the way to change the size of steps.
        growth_rate: largest factor of d from step to step, > 0, and of use above 1; ``None``, the
            default, is no limit.

    Raises:
        ArgumentError: a value is out of range.

    Source: Mishchenko and Defazio 2023, arXiv:2306.06101, as in its authors' code.

    >>> Prodigy(weight_decay=0.01).lr
    1.0
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v", "s", "start", "d", "d_max", "n")

    lr: float | Schedule = 1.0
    betas: tuple[Hyper, Hyper] = (0.9, 0.999)
    beta3: Hyper = None
    eps: Hyper = 1e-8
    weight_decay: Hyper = 0.0
    use_bias_correction: bool = False
    safeguard_warmup: bool = False
    d0: float = 1e-6
    d_coef: Hyper = 1.0
    growth_rate: Hyper = None

    def __post_init__(self) -> None:
        self.check_lr()
        check_betas(self)
        positive("Prodigy", "d0", self.d0)
        check_fields(self, "(0, inf)", "eps", "d_coef")
        check_fields(self, "[0, inf)", "weight_decay")
        if self.beta3 is not None:
            check_fields(self, "[0, 1)", "beta3")
        if self.growth_rate is not None:
            check_fields(self, "(0, inf)", "growth_rate")
        check_flags(self, "use_bias_correction", "safeguard_warmup")

    def init_slots(self, theta: Array) -> tuple[Array, ...]:
        """Three moments, the start, and the three numbers that are the same for all leaves."""
        xp = array_namespace(theta)
        zeros = [xp.zeros_like(theta) for _ in range(3)]
        d, d_max, n = (scalar_like(theta, value) for value in (self.d0, self.d0, 0.0))
        return *zeros, xp.asarray(theta, copy=True), d, d_max, n

    def apply_leaves(
        self, leaves: list[Array], gradients: list[Array], state: State
    ) -> tuple[list[Array], dict[str, list[Array]]]:
        rule, lr = self.at(state.step), self.lr_at(state.step)
        old = state.slots
        if not leaves or lr == 0:
            return list(leaves), {name: list(arrays) for name, arrays in old.items()}
        xp = array_namespace(*leaves)
        b1, b2 = rule.betas
        b3 = math.sqrt(b2) if rule.beta3 is None else rule.beta3
        step = state.step + 1
        d, d_max, n = (old[name][0] for name in ("d", "d_max", "n"))
        eta = d * (lr * (math.sqrt(1 - b2**step) / (1 - b1**step) if rule.use_bias_correction else 1.0))
        weight = d / rule.d0 * (d if rule.safeguard_warmup else eta)

        m, v, s = [], [], []
        advance, size = xp.zeros_like(d), xp.zeros_like(d)
        for i, (theta, grad) in enumerate(zip(leaves, gradients, strict=True)):
            push = _like(d, grad) * grad
            m.append(b1 * old["m"][i] + (1 - b1) * push)
            v.append(b2 * old["v"][i] + (1 - b2) * (push * push))
            s.append(b3 * old["s"][i] + _like(weight, grad) * grad)
            advance = advance + _like(xp.sum(grad * (old["start"][i] - theta)), d)
            size = size + _like(xp.sum(xp.abs(s[i])), d)

        # Without any gradient so far there is nothing to estimate from, and nothing to move.
        moved = size > 0
        n = xp.where(moved, b3 * n + d / rule.d0 * eta * advance, n)
        estimate = rule.d_coef * n / xp.where(moved, size, xp.ones_like(size))
        first = d == scalar_like(d, rule.d0)
        raised = xp.where(first, xp.maximum(d, estimate), d)
        d_max = xp.where(moved, xp.maximum(d_max, estimate), d_max)
        grown = d_max if rule.growth_rate is None else xp.minimum(d_max, raised * rule.growth_rate)
        d = xp.where(moved, grown, d)
        eta = xp.where(moved, eta, xp.zeros_like(eta))

        new_leaves = []
        for i, theta in enumerate(leaves):
            rate = _like(eta, theta)
            kept = theta if rule.weight_decay == 0 else theta * (1 - rate * rule.weight_decay)
            new_leaves.append(kept - rate * m[i] / (xp.sqrt(v[i]) + _like(d, theta) * rule.eps))
        shared = {"d": d, "d_max": d_max, "n": n}
        new = {name: [_like(value, theta) for theta in leaves] for name, value in shared.items()}
        return new_leaves, {"m": m, "v": v, "s": s, "start": list(old["start"]), **new}


def _like(x: Array, other: Array) -> Array:
    """``x`` in the dtype of another array: leaves may differ in theirs."""
    return array_namespace(x).astype(x, other.dtype, copy=False)

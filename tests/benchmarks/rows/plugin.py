"""A loss that a plugin brings, written as an equation: forward and backward on a million elements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from measure import Bench, Line, Peer

import learnkit as lk
from learnkit.bench.peers import torch_threads
from learnkit.bench.worker import Run, Value
from learnkit.plugins import registry


def logcosh(y_pred: Any, y_true: Any, *, scale: float = 1.0) -> Any:
    """log cosh((y_pred - y_true) / scale), the plugin of the README: a function of elements."""
    xp = lk.array_namespace(y_pred, y_true)
    d = xp.abs(y_pred - y_true) / scale
    return d + xp.log1p(xp.exp(-2 * d)) - math.log(2)


@dataclass(frozen=True)
class LogCosh(lk.losses.Loss):
    """The same as a class that takes the mean of each row itself. Shapes (batch, k) -> (batch,)."""

    def per_example(self, y_pred: Any, y_true: Any) -> Any:
        xp = lk.array_namespace(y_pred, y_true)
        d = xp.abs(y_pred - y_true)
        return xp.mean(d + xp.log1p(xp.exp(-2 * d)) - math.log(2), axis=1)


def inputs(rows: int, width: int) -> tuple[Any, Any]:
    """Predictions and targets."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((rows, width), dtype=np.float32) for _ in range(2))
    return a, b


def our_run(rows: int, width: int, as_class: bool = False) -> Run:
    """Loss and gradient. The value is the sum of both, so that neither can be wrong."""
    y_pred, y_true = inputs(rows, width)
    with lk.registered(loss={"logcosh_of_a_plugin": logcosh}):
        loss = LogCosh() if as_class else registry.create("loss", "logcosh_of_a_plugin")
    both = lk.value_and_grad(lambda p: loss(p, y_true))

    def run(times: int) -> Value:
        for _ in range(times):
            value, gradient = both(y_pred)
        return lambda: float(value) + float(np.vdot(gradient, gradient))

    return run


def torch_run(rows: int, width: int) -> Run:
    """The same equation in PyTorch eager."""
    import torch

    torch_threads()
    y_pred, y_true = map(torch.asarray, inputs(rows, width))
    y_pred.requires_grad_()

    def run(times: int) -> Value:
        for _ in range(times):
            y_pred.grad = None
            d = torch.abs(y_pred - y_true)
            loss = (d + torch.log1p(torch.exp(-2 * d)) - math.log(2)).mean()
            loss.backward()
        return lambda: float(loss.detach()) + float((y_pred.grad**2).sum())

    return run


def measure(bench: Bench) -> list[Line]:
    """The loss of the README's plugin."""
    rows, width = (100, 10) if bench.quick else (10_000, 100)
    lines = []
    for as_class, limit in ((False, 0.5), (True, None)):
        peer = Peer("PyTorch", "rows.plugin:torch_run", limit, needs=("torch",))
        form = "class" if as_class else "function"
        lines += bench.compare(
            f"a plugin's loss (log cosh, a {form}), {rows * width:,} elements, forward and backward",
            "rows.plugin:our_run",
            [peer],
            first=1,
            ours_options={"as_class": as_class},
            rows=rows,
            width=width,
        )
    return lines

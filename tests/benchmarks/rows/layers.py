"""Layers and losses alone, forward and backward: softmax cross-entropy, GELU, norms, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
from measure import Bench, Line, Peer

import learnkit as lk
from learnkit.bench.peers import torch_threads
from learnkit.bench.worker import Run, Value

LAYERS = {"GELU": "gelu", "layer norm": "layer_norm", "batch norm": "batch_norm", "dropout": "dropout"}


def logits(rows: int, classes: int) -> tuple[Any, Any]:
    """Numbers for each class, and the class."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, classes), dtype=np.float32), rng.integers(0, classes, rows)


def our_softmax(rows: int, classes: int) -> Run:
    """Loss and gradient by the logits. The value is their sum of squares beside the loss."""
    x, y = logits(rows, classes)
    loss = lk.losses.CrossEntropy()
    both = lk.value_and_grad(lambda z: loss(z, y))

    def run(times: int) -> Value:
        for _ in range(times):
            value, gradient = both(x)
        return lambda: float(value) + float(np.vdot(gradient, gradient))

    return run


def torch_softmax(rows: int, classes: int) -> Run:
    """The same of PyTorch."""
    import torch

    torch_threads()
    x, y = map(torch.asarray, logits(rows, classes))
    x.requires_grad_()

    def run(times: int) -> Value:
        for _ in range(times):
            x.grad = None
            loss = torch.nn.functional.cross_entropy(x, y)
            loss.backward()
        return lambda: float(loss.detach()) + float((x.grad**2).sum())

    return run


def inputs(rows: int, width: int) -> tuple[Any, Any]:
    """Values, and the gradient that arrives at the result."""
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((rows, width), dtype=np.float32) for _ in range(2))
    return x, g


def our_layer(kind: str, rows: int, width: int) -> Run:
    """Value and gradients, of the input and of the parameters if there are any, in training.

    The value is the sum of squares of the gradient of the input.
    """
    x, g = inputs(rows, width)
    layer: Any = {
        "gelu": lk.nn.GELU,
        "layer_norm": lambda: lk.nn.LayerNorm(width),
        "batch_norm": lambda: lk.nn.BatchNorm1d(width),
        "dropout": lambda: lk.nn.Dropout(0.5),
    }[kind]()
    lk.nn.initialize(layer, seed=0)

    def run(times: int) -> Value:
        for step in range(times):
            with lk.nn.training(seed=0, step=step):
                if layer.parameters():
                    _, pullback = lk.vjp(lambda m, z: m(z), layer, x)
                    _, d = pullback(g)
                else:
                    _, pullback = lk.vjp(layer, x)
                    (d,) = pullback(g)
        return lambda: float(np.vdot(d, d))

    return run


def torch_layer(kind: str, rows: int, width: int) -> Run:
    """The same of PyTorch."""
    import torch

    torch_threads()
    x, g = map(torch.asarray, inputs(rows, width))
    x.requires_grad_()
    layer: Any = {
        "gelu": torch.nn.GELU,
        "layer_norm": lambda: torch.nn.LayerNorm(width),
        "batch_norm": lambda: torch.nn.BatchNorm1d(width),
        "dropout": lambda: torch.nn.Dropout(0.5),
    }[kind]()

    def run(times: int) -> Value:
        for _ in range(times):
            x.grad = None
            for parameter in layer.parameters():
                parameter.grad = None
            layer(x).backward(g)
        return lambda: float((x.grad**2).sum())

    return run


def measure_softmax(bench: Bench) -> list[Line]:
    """Softmax cross-entropy."""
    rows, classes = (64, 10) if bench.quick else (8192, 1000)
    peer = Peer("PyTorch", "rows.layers:torch_softmax", 0.8, needs=("torch",))
    work = f"softmax cross-entropy {rows} x {classes}, forward and backward"
    return bench.compare(work, "rows.layers:our_softmax", [peer], first=1, rows=rows, classes=classes)


def measure_layers(bench: Bench) -> list[Line]:
    """GELU, layer norm, batch norm, dropout."""
    rows, width = (64, 32) if bench.quick else (4096, 1024)
    lines = []
    for title, kind in LAYERS.items():
        peer = Peer("PyTorch", "rows.layers:torch_layer", 1.0, needs=("torch",))
        lines += bench.compare(
            f"{title} {rows} x {width}, forward and backward",
            "rows.layers:our_layer",
            [peer],
            # Masks are drawn at random, each library has its own: half of the sum is kept, about.
            same=0.2 if kind == "dropout" else 1e-3,
            first=1,
            kind=kind,
            rows=rows,
            width=width,
        )
    return lines

"""The update alone: Adam, AdamW, SGD with momentum and Lion on three sizes, with the tensors of a network."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
from measure import Bench, Line, Peer

from learnkit.bench.case import Case
from learnkit.bench.peers import counterpart, torch_model, torch_optimizer, torch_threads
from learnkit.bench.steps import trainer_for
from learnkit.bench.worker import Run, Value

#: Numbers of parameters as they are printed, the network that has so many, and the limit beside PyTorch.
SIZES = [
    ("17k", (64, 128, 64, 10), 0.5),
    ("535k", (784, 512, 256, 10), 0.8),
    ("10M", (1024, 2304, 2304, 1000), 1.0),
]
RULES = {"Adam": "adam", "AdamW": "adamw", "SGD with momentum": "momentum", "Lion": "lion"}


def gradients(case: Case) -> list[Any]:
    """One array for each parameter."""
    rng = np.random.default_rng(2)
    return [rng.standard_normal(a.shape, dtype=np.float32) for a in case.weights()]


def our_run(**case: Any) -> Run:
    """Updates as a trainer makes them, of one gradient. The value is how far parameters moved, on average."""
    from learnkit.optim.engine import update_in_place

    of = Case(**case)
    trainer = trainer_for(of)
    theta, vector = trainer.parameters.theta, trainer.gradient.vector
    for place, value in zip(trainer.leaf_views(vector), gradients(of), strict=True):
        place[...] = value
    optimizer, state = trainer._current(), trainer.optimizer_state
    start = theta.copy()

    def moved() -> float:
        return float(np.mean(np.abs(theta - start), dtype=np.float64))

    def run(times: int) -> Value:
        with trainer.backend.quiet():
            for _ in range(times):
                update_in_place(optimizer, theta, vector, state, views=trainer.leaf_views, blocks=True)
        return moved

    return run


def torch_run(compiled: bool = False, **case: Any) -> Run:
    """The same of PyTorch's fused optimizer; for Lion, which it lacks, foreach functions, or compiled."""
    import torch

    torch_threads()
    of = Case(**case)
    parameters = list(torch_model(of, "cpu").parameters())
    for parameter, value in zip(parameters, gradients(of), strict=True):
        parameter.grad = torch.asarray(value.T.copy() if value.ndim == 2 else value)
    optimizer = torch_optimizer(counterpart("torch", of.rule()), parameters)
    start = [p.detach().clone() for p in parameters]
    step = torch.compile(optimizer.step) if compiled else optimizer.step

    def moved() -> float:
        with torch.no_grad():
            far = sum(float((p - s).abs().double().sum()) for p, s in zip(parameters, start, strict=True))
        return far / of.parameters

    def run(times: int) -> Value:
        for _ in range(times):
            step()
        return moved

    return run


def measure(bench: Bench) -> list[Line]:
    """Times of the updates."""
    lines = []
    compiles = shutil.which("g++") is not None and not bench.quick
    if not compiles and not bench.quick:
        bench.note("PyTorch's compiled Lion was left out: there is no g++")
    for title, sizes, limit in SIZES[: 1 if bench.quick else None]:
        for label, rule in RULES.items():
            kind = "foreach" if rule == "lion" else "fused"
            peers = [Peer(f"PyTorch {kind}", "rows.optimizer:torch_run", limit, needs=("torch",))]
            if rule == "lion" and compiles:
                peers.append(
                    Peer(
                        "PyTorch compiled",
                        "rows.optimizer:torch_run",
                        None,
                        needs=("torch",),
                        options={"compiled": True},
                    )
                )
            lines += bench.compare(
                f"update {label}, {title} parameters",
                "rows.optimizer:our_run",
                peers,
                same=1e-3,
                sizes=sizes,
                batch_size=1,
                optimizer=rule,
                lr=1e-3,
            )
    return lines

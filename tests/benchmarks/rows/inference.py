"""Prediction: one row, and 4,096 rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from measure import Bench, Line, Peer

from learnkit.bench.case import Case
from learnkit.bench.peers import torch_model, torch_threads
from learnkit.bench.steps import trainer_for
from learnkit.bench.worker import Run, Value

NETWORKS = [(64, 128, 64, 10), (784, 512, 256, 10)]


def features(case: Case) -> Any:
    """A batch."""
    shape = (case.batch_size, case.sizes[0])
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def our_run(**case: Any) -> Run:
    """``trainer.predict``. The value is the sum of the outputs' sizes."""
    of = Case(**case)
    trainer, x = trainer_for(of), features(of)

    def run(times: int) -> Value:
        for _ in range(times):
            out = trainer.predict(x, batch_size=of.batch_size)
        return lambda: float(np.abs(out).sum())

    return run


def torch_run(**case: Any) -> Run:
    """The model under ``inference_mode``."""
    import torch

    torch_threads()
    of = Case(**case)
    model, x = torch_model(of, "cpu").eval(), torch.asarray(features(of))

    def run(times: int) -> Value:
        for _ in range(times):
            with torch.inference_mode():
                out = model(x)
        return lambda: float(out.abs().sum())

    return run


def measure(bench: Bench) -> list[Line]:
    """Both networks."""
    lines = []
    for sizes in NETWORKS[: 1 if bench.quick else None]:
        for batch_size, limit in ((1, 0.5), (4096, 1.0)):
            peer = Peer("PyTorch", "rows.inference:torch_run", limit, needs=("torch",))
            lines += bench.compare(
                f"inference {'-'.join(map(str, sizes))}, batch {batch_size}",
                "rows.inference:our_run",
                [peer],
                first=1,
                sizes=sizes,
                batch_size=batch_size,
            )
    return lines

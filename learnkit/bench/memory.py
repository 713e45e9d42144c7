"""What a training step needs beside the data and the parameters: gradients, slots, activations, temporaries.

Both libraries are asked for what they allocate: NumPy reports every array to ``tracemalloc``, which counts
the Python objects that come and go within the step too; of PyTorch the profiler sees every tensor. What the
matrix products allocate inside of BLAS is seen of neither.
"""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np

from learnkit.bench.case import Case
from learnkit.bench.peers import counterpart, torch_model, torch_optimizer, torch_threads
from learnkit.bench.steps import placed_batches, trainer_for

__all__ = ["numpy_bytes", "torch_bytes"]

#: Steps before the one that is looked at: everything that is kept has been made by then.
_WARM_UP = 3


def numpy_bytes(**case: Any) -> int:
    """The most that learnkit on NumPy holds during a step, less data and parameters, in bytes."""
    of = Case(**case)
    _warm(of)
    batches = of.batches()
    tracemalloc.start()
    try:
        trainer = trainer_for(of)
        for i in range(_WARM_UP):
            trainer.step(*batches[i])
        arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
        kept = tracemalloc.take_snapshot().filter_traces([arrays])
        held = sum(trace.size for trace in kept.traces)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        trainer.step(*batches[_WARM_UP])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return held + peak - before - 4 * of.parameters


def _warm(case: Case) -> None:
    """Load every module that a step loads, before anything is counted."""
    trainer = trainer_for(Case((2, 2, 2), 4, case.optimizer, case.lr))
    for x, y in placed_batches(Case((2, 2, 2), 4), trainer.backend):
        trainer.step(x, y)


def torch_bytes(**case: Any) -> int:
    """The same of PyTorch."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    torch_threads()
    of = Case(**case)
    model = torch_model(of, "cpu")
    optimizer = torch_optimizer(counterpart("torch", of.rule()), model.parameters())
    loss_of = torch.nn.CrossEntropyLoss()
    batches = [(torch.asarray(x), torch.asarray(y)) for x, y in of.batches()]

    def step(i: int) -> None:
        x, y = batches[i]
        optimizer.zero_grad(set_to_none=True)
        loss_of(model(x), y).backward()
        optimizer.step()

    for i in range(_WARM_UP):
        step(i)
    held = sum(_size(p.grad) for p in model.parameters() if p.grad is not None)
    if hasattr(optimizer, "momenta"):
        held += sum(map(_size, optimizer.momenta))
    else:
        held += sum(
            _size(value)
            for slots in optimizer.state.values()
            for value in slots.values()
            if isinstance(value, torch.Tensor)
        )
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        step(_WARM_UP)
    now = most = 0
    events = recorded.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    if not changes:
        raise RuntimeError("PyTorch's profiler reported no allocation")
    for _, change in sorted(changes, key=lambda c: c[0]):
        now += change
        most = max(most, now)
    return held + most


def _size(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size())

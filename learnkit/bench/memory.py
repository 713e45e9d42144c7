"""What a training step needs beside the data and the parameters: gradients, slots, activations, temporaries.

Each library is asked for what it allocates. NumPy reports every array to ``tracemalloc``, which counts the
Python objects that come and go within the step too; of PyTorch on the host the profiler sees every tensor,
and on a GPU its allocator keeps the peak; CuPy's memory pool says what it holds, which is the peak, rounded
up to its blocks. What the matrix products allocate inside of BLAS is seen of none.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from learnkit.bench.case import Case
from learnkit.bench.peers import counterpart, torch_model, torch_optimizer, torch_threads
from learnkit.bench.steps import placed_batches, trainer_for

__all__ = ["step_bytes", "torch_bytes"]

#: Steps before the one that is looked at: everything that is kept has been made by then.
_WARM_UP = 3

Step = Callable[[int], Any]


def step_bytes(backend: str = "numpy", device: str | None = None, **case: Any) -> int | None:
    """The most that learnkit holds during a step, less data and parameters, in bytes.

    Returns:
        The bytes, or ``None`` for a library that does not say.
    """
    of = Case(**case)
    if backend == "numpy":
        return _numpy_bytes(of)
    if backend == "cupy":
        return _cupy_bytes(of, device)
    if backend != "torch":
        return None
    trainer = trainer_for(of, backend, device)
    batches = placed_batches(of, trainer.backend)

    def step(i: int) -> None:
        trainer.step(*batches[i])

    if not trainer.backend.on_host:
        return _cuda_peak(step) - _data(of) - 4 * of.parameters
    kept = [trainer.gradient.vector, *(a for slots in trainer.optimizer_state.slots.values() for a in slots)]
    for i in range(_WARM_UP):
        step(i)
    return sum(map(_size, kept)) + _profiled_peak(step)


def _numpy_bytes(case: Case) -> int:
    _warm(case)
    batches = case.batches()
    tracemalloc.start()
    try:
        trainer = trainer_for(case)
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
    return held + peak - before - 4 * case.parameters


def _warm(case: Case) -> None:
    """Load every module that a step loads, before anything is counted."""
    small = Case((2, 2, 2), 4, case.optimizer, case.lr)
    trainer = trainer_for(small)
    for x, y in placed_batches(small, trainer.backend):
        trainer.step(x, y)


def _cupy_bytes(case: Case, device: str | None) -> int | None:
    import cupy

    if not hasattr(cupy, "get_default_memory_pool"):  # the stand-in has no memory of its own
        return None
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    trainer = trainer_for(case, "cupy", device)
    batches = placed_batches(case, trainer.backend)
    for i in range(_WARM_UP):
        trainer.step(*batches[i])
    trainer.backend.synchronize()
    return int(pool.total_bytes()) - _data(case) - 4 * case.parameters


def torch_bytes(device: str = "cpu", **case: Any) -> int:
    """The same of PyTorch.

    Args:
        device: ``"cpu"`` or ``"cuda"``.
    """
    import torch

    torch_threads()
    of = Case(**case)
    model = torch_model(of, device)
    optimizer = torch_optimizer(counterpart("torch", of.rule()), model.parameters())
    loss_of = torch.nn.CrossEntropyLoss()
    batches = [(torch.asarray(x, device=device), torch.asarray(y, device=device)) for x, y in of.batches()]

    def step(i: int) -> None:
        x, y = batches[i]
        optimizer.zero_grad(set_to_none=True)
        loss_of(model(x), y).backward()
        optimizer.step()

    if device != "cpu":
        return _cuda_peak(step) - _data(of) - 4 * of.parameters
    for i in range(_WARM_UP):
        step(i)
    kept = [p.grad for p in model.parameters()]
    if hasattr(optimizer, "momenta"):
        kept += optimizer.momenta
    else:
        slots = [value for slots in optimizer.state.values() for value in slots.values()]
        kept += [value for value in slots if isinstance(value, torch.Tensor)]
    return sum(map(_size, kept)) + _profiled_peak(step)


def _profiled_peak(step: Step) -> int:
    """Bytes that a step of PyTorch on the host adds at its peak to what is there when it begins."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        step(_WARM_UP)
    events = recorded.profiler.kineto_results.events()
    changes = [(event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"]
    if not changes:
        raise RuntimeError("PyTorch's profiler reported no allocation")
    now = most = 0
    for _, change in sorted(changes, key=lambda c: c[0]):
        now += change
        most = max(most, now)
    return most


def _cuda_peak(step: Step) -> int:
    """The most that PyTorch holds on the GPU during a step."""
    import torch

    for i in range(_WARM_UP):
        step(i)
    torch.cuda.reset_peak_memory_stats()
    step(_WARM_UP)
    return int(torch.cuda.max_memory_allocated())


def _data(case: Case) -> int:
    """Bytes of all batches."""
    return sum(x.nbytes + y.nbytes for x, y in case.batches())


def _size(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size())

"""A training step of learnkit, and the matrix products of a step alone."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np

from learnkit.backends import get_backend
from learnkit.backends.base import Backend
from learnkit.bench.case import BATCHES, Case
from learnkit.bench.worker import Run
from learnkit.nn import MLP
from learnkit.training import Trainer, profile

__all__ = ["launches", "placed_batches", "product_run", "profiled", "step_run", "trainer_for"]


def trainer_for(case: Case, backend: str | Backend = "numpy", device: str | None = None) -> Trainer:
    """A trainer of the case's network, at its start values."""
    trainer = Trainer(MLP(case.sizes), "cross_entropy", case.rule(), backend=backend, device=device, seed=0)
    own = trainer.backend
    arrays = dict(zip(trainer.model.arrays(), map(own.asarray, case.weights()), strict=True))
    trainer.model.load_arrays(arrays)
    return trainer


def placed_batches(case: Case, backend: Backend) -> list[tuple[Any, Any]]:
    """The case's batches on the device."""
    return [(backend.asarray(x), backend.asarray(y)) for x, y in case.batches()]


def step_run(backend: str = "numpy", device: str | None = None, **case: Any) -> Run:
    """Training steps: forward, softmax cross-entropy, backward, update. The value is the last loss.

    The batches are on the device already, and nobody fetches a loss but the last. The products have the
    threads that they have in ``fit``.
    """
    of = Case(**case)
    trainer = trainer_for(of, backend, device)
    batches = placed_batches(of, trainer.backend)

    def run(times: int) -> float:
        with trainer.backend.threads_for(of.largest_product):
            for i in range(times):
                loss = trainer.step(*batches[i % BATCHES])
            trainer.backend.synchronize()
        return float(loss)

    return run


def product_run(backend: str = "numpy", device: str | None = None, **case: Any) -> Run:
    """The matrix products of a step, into arrays that exist: what no step on the same library can beat."""
    of = Case(**case)
    on = get_backend(backend, device)
    into = on.name in ("numpy", "cupy")
    # NumPy itself, not its wrapper for the standard: the limit is that of the library.
    xp: Any = np if on.name == "numpy" else on.xp
    rng = np.random.default_rng(0)

    def random(*shape: int) -> Any:
        return on.asarray(rng.standard_normal(shape, dtype=np.float32))

    acts = [random(of.batch_size, size) for size in of.sizes]
    weights = [random(*shape) for shape in itertools.pairwise(of.sizes)]
    products = [(acts[i], w, xp.empty_like(acts[i + 1])) for i, w in enumerate(weights)]
    products += [(acts[i].T, acts[i + 1], xp.empty_like(w)) for i, w in enumerate(weights)]
    products += [(acts[i + 1], w.T, xp.empty_like(acts[i])) for i, w in enumerate(weights) if i]

    def run(times: int) -> None:
        with on.threads_for(of.largest_product):
            for _ in range(times):
                for a, b, out in products:
                    if into:
                        xp.matmul(a, b, out=out)
                    else:
                        xp.matmul(a, b)
            on.synchronize()

    return run


def launches(**case: Any) -> dict[str, int]:
    """What a step launches on a GPU, by operation: counted on the stand-in for CuPy, so without a GPU too.

    A process that has imported CuPy cannot count. CuPy itself may launch a little more where it composes a
    function of several kernels.
    """
    from learnkit.testing import fakecupy

    fakecupy.install()
    import cupy

    of = Case(**case)
    trainer = trainer_for(of, "cupy")
    batches = placed_batches(of, trainer.backend)
    trainer.step(*batches[0])  # compiles and allocates
    with cupy.audit.counting() as launched:
        trainer.step(*batches[1])
    return dict(Counter(launched))


def profiled(backend: str = "numpy", device: str | None = None, **case: Any) -> dict[str, Any]:
    """Where the time of a step goes: :func:`learnkit.profile` as plain values, with its text and drawing."""
    of = Case(**case)
    trainer = trainer_for(of, backend, device)
    threads = trainer.backend.threads_for(of.largest_product)
    x, y = (np.concatenate(parts) for parts in zip(*of.batches(), strict=True))
    with threads:
        found = profile(trainer, x, y, batch_size=of.batch_size)
    return {**found.as_dict(), "text": found.text, "svg": found.svg}

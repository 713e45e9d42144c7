"""What one training step launches on a GPU, by operation, counted on the stand-in for CuPy.

    python tests/benchmarks/launches.py

The step is that of a network with three layers, softmax cross-entropy, clipping by the global norm and
AdamW, after a first step that compiles and allocates. Inside the step the host must not wait for the
device; the stand-in raises if it does. On a real GPU the numbers may differ a little where CuPy itself
composes a function of several kernels.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

import learnkit as lk
from learnkit.testing import fakecupy


def main() -> None:
    fakecupy.install()
    import cupy

    model = lk.nn.Sequential(
        lk.nn.Linear(64, 128), lk.nn.ReLU(), lk.nn.Linear(128, 64), lk.nn.ReLU(), lk.nn.Linear(64, 10)
    )
    optimizer = lk.optim.chain(lk.optim.ClipByGlobalNorm(1.0), lk.optim.AdamW(1e-3))
    trainer = lk.Trainer(model, loss="cross_entropy", optimizer=optimizer, backend="cupy")
    rng = np.random.default_rng(0)
    x = trainer.backend.asarray(rng.standard_normal((64, 64), dtype=np.float32))
    y = trainer.backend.asarray(rng.integers(0, 10, 64))
    trainer.step(x, y)
    with cupy.audit.no_sync(), cupy.audit.counting() as launched:
        trainer.step(x, y)
    print("launches of one step: 64-128-64-10, batch 64, clip + AdamW, no wait for the device")
    for name, count in Counter(launched).most_common():
        print(f"{count:4}  {name}")
    print(f"{len(launched):4}  in all")


if __name__ == "__main__":
    main()

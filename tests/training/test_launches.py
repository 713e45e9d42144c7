"""What a training step costs on a GPU, on the stand-in for CuPy: launches counted, no wait of the host."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from learnkit import nn
from learnkit.optim import SGD, AdamW, ClipByGlobalNorm, chain
from learnkit.training import Trainer

#: name of the step: loss, optimizer, dropout, most launches
STEPS = {
    "AdamW with clipping": ("cross_entropy", chain(ClipByGlobalNorm(1.0), AdamW(1e-3)), False, 60),
    "AdamW": ("cross_entropy", AdamW(1e-3), False, 46),
    "SGD with dropout": ("cross_entropy", SGD(1e-2, momentum=0.9), True, 42),
    "regression": ("mse", SGD(1e-2), False, 35),
}


@pytest.mark.parametrize("name", STEPS)
def test_launches_of_a_step(backend, name):
    """A three-layer network: at most so many launches, and the loss stays on the device unseen."""
    loss, optimizer, dropout, most = STEPS[name]
    outputs = 10 if loss == "cross_entropy" else 1
    layers = [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, outputs)]
    if dropout:
        layers.insert(2, nn.Dropout(0.1))
    trainer = Trainer(nn.Sequential(*layers), loss, optimizer, backend=backend.backend)
    rng = np.random.default_rng(0)
    x = backend.asarray(rng.normal(size=(32, 64)))
    y = backend.asarray(rng.integers(0, 10, 32) if outputs == 10 else rng.normal(size=32))
    trainer.step(x, y)  # compiles and allocates
    with backend.no_sync(), backend.counting() as launched:
        trainer.step(x, y)
    if launched is not None:
        print(f"{name}: {len(launched)} launches: {dict(Counter(launched).most_common())}")
        assert len(launched) <= most


def test_a_fit_waits_at_the_end_of_an_epoch_only(backend, classifier, plane):
    """However many steps an epoch has: the host looks at sums of losses and metrics, not at each loss."""
    if backend.name != "fakecupy":
        pytest.skip("only the stand-in for CuPy counts")
    import cupy

    waits = []
    for batch_size in (48, 4):
        trainer = classifier(backend=backend.backend, metrics=["accuracy"])
        before = len(cupy.audit.syncs)
        trainer.fit(*plane, epochs=3, batch_size=batch_size, verbose=False)
        waits.append(cupy.audit.syncs[before:])
    print(f"waits of 3 epochs: {dict(Counter(waits[1]))}")
    assert len(waits[0]) == len(waits[1])

"""Imports, in fresh processes."""

from __future__ import annotations

import import_time
from measure import Bench, Line

from learnkit.bench import take_turns
from learnkit.bench.environment import installed

TRAINER = (
    "import learnkit as lk\nlk.Trainer(lk.nn.Linear(64, 10), 'mse', 'adam').step([[0.0] * 64], [[0.0] * 10])"
)
TORCH = (
    "import torch\nm = torch.nn.Linear(64, 10)\no = torch.optim.Adam(m.parameters())\n"
    "torch.nn.functional.mse_loss(m(torch.zeros(1, 64)), torch.zeros(1, 10)).backward()\no.step()"
)


def measure(bench: Bench) -> list[Line]:
    """The import alone, and up to the end of the first training step."""
    if not installed("torch"):
        bench.note("imports were left out: torch is not installed")
        return []
    lines = []
    for work, ours, theirs, limit in (
        ("`import learnkit`", "import learnkit", "import torch", 0.15),
        ("import and one training step", TRAINER, TORCH, None),
    ):
        codes = {"learnkit": ours, "torch": theirs}
        times = take_turns(
            {name: import_time.several(import_time.inside, code) for name, code in codes.items()},
            rounds=1 if bench.quick else bench.rounds,
            seconds=1e-3,  # one process in a turn
        )
        ratio = times.ratio("learnkit", "torch")
        peer = "`import torch`" if limit else "PyTorch"
        lines.append(Line(work, peer, times.median("learnkit"), times.median("torch"), ratio, limit))
    return lines

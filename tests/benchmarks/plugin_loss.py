"""A loss as a plugin writes it, three lines of standard array code, beside the built-in one.

    python tests/benchmarks/plugin_loss.py                   # on the CPU, one thread
    python tests/benchmarks/plugin_loss.py --write           # and keep the result in results/
    python tests/benchmarks/plugin_loss.py --backend cupy    # on a GPU

A plain function of predictions and targets, registered by name, is differentiated by the tape; the built-in
loss of the same formula may be a primitive with a gradient written by hand. Both train a network in turns:
in each round each makes the same number of whole steps (forward, loss, backward, Adam), in float32, on the
same batches. Printed are medians, and the median and the quartiles of each round's ratio.

Times are of the processor where one thread computes on it, so that other programs do not count, and else of
the clock. Cross-entropy stands in the table without a limit: the built-in one is one pass over the logits for
value and gradient, and functions of the standard, one after the other, cost more beside a small network.

First both are trained on every array library there is, the stand-in for CuPy among them, and must report
equal losses step by step. Exits with 1 if they do not, or if a step costs more than 1.5 times the built-in's.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import learnkit as lk
from learnkit.bench import describe, limited_to, take_turns
from learnkit.testing import matrix

RESULTS = Path(__file__).parent / "results"
MOST = 1.5
STEPS = 20
HEAD = """\
| loss | network | built-in, us | plugin, us | plugin / built-in (quartiles) |
|---|---|---|---|---|"""


def huber(y_pred: Any, y_true: Any, *, delta: float = 1.0) -> Any:
    xp = lk.array_namespace(y_pred, y_true)
    d = xp.abs(y_pred - y_true)
    return xp.where(d <= delta, 0.5 * d**2, delta * (d - 0.5 * delta))


def log_cosh(y_pred: Any, y_true: Any) -> Any:
    xp = lk.array_namespace(y_pred, y_true)
    d = xp.abs(y_pred - y_true)
    return d + xp.log1p(xp.exp(-2.0 * d)) - 0.6931471805599453


def bernoulli(y_pred: Any, y_true: Any) -> Any:
    xp = lk.array_namespace(y_pred, y_true)
    a = xp.abs(y_pred)
    return 0.5 * (a + y_pred) - y_pred * y_true + xp.log1p(xp.exp(-a))


def softmax_cross_entropy(y_pred: Any, y_true: Any) -> Any:
    xp = lk.array_namespace(y_pred, y_true)
    z = y_pred - xp.max(y_pred, axis=1, keepdims=True)
    log_p = z - xp.log(xp.sum(xp.exp(z), axis=1, keepdims=True))
    return -xp.take_along_axis(log_p, y_true[:, None], axis=1)[:, 0]


#: The function, and the built-in loss of the same formula.
LOSSES: dict[str, tuple[Callable[..., Any], str]] = {
    "Huber": (huber, "huber"),
    "log cosh": (log_cosh, "log_cosh"),
    "binary cross-entropy": (bernoulli, "binary_cross_entropy"),
    "cross-entropy, no limit": (softmax_cross_entropy, "cross_entropy"),
}
WITHOUT_LIMIT = ("cross_entropy",)
#: Widths of the layers, and the rows of a batch.
CASES = [((64, 128, 64, 1), 64), ((784, 512, 256, 10), 128)]


def batches(built_in: str, sizes: tuple[int, ...], rows: int, count: int) -> list[tuple[Any, Any]]:
    """Features, and class numbers or targets in (0, 1)."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        x = rng.standard_normal((rows, sizes[0]), dtype=np.float32)
        classes = built_in == "cross_entropy"
        found.append(
            (x, rng.integers(0, sizes[-1], rows) if classes else rng.random((rows, sizes[-1]), np.float32))
        )
    return found


def sizes_for(built_in: str, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The widths, with ten outputs where there are classes."""
    return (*sizes[:-1], 10) if built_in == "cross_entropy" else sizes


def trained(loss: Any, sizes: tuple[int, ...], backend: lk.backends.Backend, lr: float) -> lk.Trainer:
    layers: list[lk.nn.Module] = []
    for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        layers += [lk.nn.ReLU()] if i else []
        layers.append(lk.nn.Linear(n_in, n_out))
    return lk.Trainer(lk.nn.Sequential(*layers), loss, lk.optim.Adam(lr=lr), backend=backend, seed=0)


def agree(under_test: matrix.BackendUnderTest) -> float:
    """The largest relative difference of the losses of 20 steps, over all pairs."""
    worst = 0.0
    for name, pair in LOSSES.items():
        sizes, rows = sizes_for(pair[1], CASES[0][0]), CASES[0][1]
        data = [tuple(map(under_test.asarray, batch)) for batch in batches(pair[1], sizes, rows, STEPS)]
        curves = []
        for loss in ("plugin_" + pair[1], pair[1]):
            trainer = trained(loss, sizes, under_test.backend, 1e-3)
            curves.append([float(trainer.step(*batch)) for batch in data])
        ours, theirs = map(np.asarray, curves)
        if not theirs[-1] < theirs[0]:
            raise SystemExit(f"{under_test.name}: {name} does not train: {theirs[0]} -> {theirs[-1]}")
        worst = max(worst, float(np.max(np.abs(ours - theirs) / theirs)))
    return worst


def check_backends() -> list[str]:
    """A sentence for each library."""
    found = []
    for name in (*matrix.names(), "fakecupy"):
        reason = None if name == "fakecupy" else matrix.unavailable(name)
        if reason is not None:
            found.append(f"{name}: left out, {reason}")
            continue
        # In a process of its own, as the stand-in cannot share one with the real CuPy.
        environment = os.environ | ({"LEARNKIT_FAKE_CUPY": "1"} if name == "fakecupy" else {})
        done = subprocess.run(
            [sys.executable, __file__, "--agree", name], env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr or done.stdout}")
        worst = float(done.stdout)
        if worst > 1e-4:
            raise SystemExit(f"{name}: the losses of plugin and built-in differ by {worst:.2g}")
        found.append(f"{name}: equal losses to {worst:.1e} over {STEPS} steps")
    return found


def timed(
    trainer: lk.Trainer, data: list[Any], backend: lk.backends.Backend, threads: int
) -> Callable[[int], float]:
    clock = time.process_time if backend.on_host and threads == 1 else time.perf_counter

    def run(times: int) -> float:
        began = clock()
        for i in range(times):
            trainer.step(*data[i % len(data)])
        backend.synchronize()
        return clock() - began

    return run


def measure(
    backend: lk.backends.Backend, threads: int, rounds: int, seconds: float
) -> tuple[list[str], float]:
    """The lines of the table, and the largest ratio that has a limit."""
    lines, worst = [], 0.0
    for widths, rows in CASES:
        for name, (_, built_in) in LOSSES.items():
            sizes = sizes_for(built_in, widths)
            data = [tuple(map(backend.asarray, batch)) for batch in batches(built_in, sizes, rows, 8)]
            # The rate is small, so that the weights stay where they are.
            subjects = {
                loss: timed(trained(loss, sizes, backend, 1e-6), data, backend, threads)
                for loss in ("plugin_" + built_in, built_in)
            }
            times = take_turns(subjects, rounds=rounds, seconds=seconds)
            plugin, ours = subjects
            ratio = times.ratio(plugin, ours)
            if built_in not in WITHOUT_LIMIT:
                worst = max(worst, ratio.median)
            net = "-".join(map(str, sizes))
            lines.append(
                f"| {name} | {net}, {rows} rows | {times.median(ours) * 1e6:.0f} | "
                f"{times.median(plugin) * 1e6:.0f} | {ratio} |"
            )
            print(lines[-1], flush=True)
    return lines, worst


def main() -> None:
    parser = argparse.ArgumentParser(description="A plugin's loss beside the built-in one.")
    parser.add_argument("--backend", default="numpy", help="numpy (default), cupy or torch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=0.1, help="of a turn, about")
    parser.add_argument("--write", action="store_true", help="keep the result in results/")
    parser.add_argument("--agree", metavar="LIBRARY", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for function, built_in in LOSSES.values():
        lk.register_loss("plugin_" + built_in, function)
    if arguments.agree:
        with matrix.open_backend(arguments.agree) as under_test:
            print(agree(under_test))
        return
    if os.environ.get("OMP_NUM_THREADS") != str(arguments.threads):
        # Libraries read these when they are loaded, so begin again.
        again = subprocess.run(
            [sys.executable, *sys.argv], env=os.environ | limited_to(arguments.threads), check=False
        )
        raise SystemExit(again.returncode)
    about = [f"{key}: {value}" for key, value in describe(arguments.threads).items()]
    print("\n".join(about))
    libraries = check_backends()
    print("\n".join(libraries))
    print(HEAD)
    lines, worst = measure(
        lk.get_backend(arguments.backend), arguments.threads, arguments.rounds, arguments.seconds
    )
    holds = worst <= MOST
    verdict = f"largest ratio {worst:.2f}; at most {MOST} {'holds' if holds else 'DOES NOT HOLD'}"
    print(verdict)
    if arguments.write:
        path = RESULTS / f"plugin-loss-{date.today().isoformat()}.md"
        parts = [
            "# A loss as a plugin writes it, beside the built-in one",
            f"`python tests/benchmarks/plugin_loss.py --backend {arguments.backend}`: whole steps, in turns; "
            "the time of the processor where one thread computes on it, else of the clock.",
            "\n".join(f"- {line}" for line in about),
            "\n".join([HEAD, *lines]),
            verdict + ".",
            "Trained on every library:",
            "\n".join(f"- {line}" for line in libraries),
        ]
        path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        print(f"written: {path}")
    if not holds:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

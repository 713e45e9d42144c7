"""Convolution, pooling and embedding gradients: learnkit, with the kernels of its plugins, and PyTorch.

    python tests/benchmarks/convolution.py                   # one thread for everybody
    python tests/benchmarks/convolution.py --threads 2
    python tests/benchmarks/convolution.py --write           # and keep the result in results/

Rows are a layer forward and backward (a convolution with the gradients of x, weight and bias), in float32 on
NumPy's arrays; the gradient of an embedding; and a training step of ``examples/06_convolution.py``. Subjects
are learnkit as it is, learnkit with ``learnkit-torch-conv``, learnkit with ``learnkit-numba``, and PyTorch,
each in a process of its own, taking turns. Results are compared before anything is timed.

Printed are the medians, and the median and the quartiles of each round's ratio to PyTorch (below 1: faster).
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import learnkit as lk
from learnkit.autodiff import vjp
from learnkit.bench import Worker, describe, limited_to, take_turns

RESULTS = Path(__file__).parent / "results"
PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
PEER = "PyTorch"

#: The layer's class, its arguments, and the shape of x.
LAYERS: dict[str, tuple[str, list[Any], tuple[int, ...]]] = {
    "conv 1 to 32, 3 x 3, 64 x 28 x 28": ("Conv2d", [1, 32, 3, 1, 1], (64, 1, 28, 28)),
    "conv 16 to 32, 3 x 3, 64 x 32 x 32": ("Conv2d", [16, 32, 3, 1, 1], (64, 16, 32, 32)),
    "conv 64 to 64, 3 x 3, 32 x 16 x 16": ("Conv2d", [64, 64, 3, 1, 1], (32, 64, 16, 16)),
    "conv 32 to 64, 3 x 3 by 2, 64 x 16 x 16": ("Conv2d", [32, 64, 3, 2, 1], (64, 32, 16, 16)),
    "max-pool 2 x 2, 64 x 32 x 32 x 32": ("MaxPool2d", [2], (64, 32, 32, 32)),
    "max-pool 3 x 3 by 2, 64 x 32 x 32 x 32": ("MaxPool2d", [3, 2, 1], (64, 32, 32, 32)),
    "mean-pool 2 x 2, 64 x 32 x 32 x 32": ("AvgPool2d", [2], (64, 32, 32, 32)),
}
EMBEDDING = "gradient of 32000 x 256 at 4096 ids"
STEP = "step of the network of example 06, batch 64"
CASES = (*LAYERS, EMBEDDING, STEP)


def _numbers(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def _ids() -> Any:
    return np.random.default_rng(1).integers(0, 32_000, 4_096)


def _digits() -> Any:
    x, y = lk.data.load_digits()
    return (x[:64] / 8.0 - 1.0).astype(np.float32), y[:64]


def _weights(layer: Any) -> None:
    """The same for both libraries: PyTorch's axes are ours in the opposite order, and the window's turned."""
    for path, array in layer.arrays().items():
        array[...] = 0.1 * _numbers(*array.shape) if path.endswith("weight") else 0.0


def ours(case: str, kernels: str | None) -> Callable[[int], float]:
    """``run(times)`` of learnkit; the value is a sum over results, to be compared."""
    if kernels == "torch_conv":
        from learnkit_torch_conv import TorchConv

        lk.use_kernels(TorchConv())
    elif kernels == "numba":
        from learnkit_numba import NumbaKernels

        lk.use_kernels(NumbaKernels())
    if case == STEP:
        return _step()
    if case == EMBEDDING:
        table, ids, values = np.zeros((32_000, 256), np.float32), _ids(), _numbers(4_096, 256)
        k = lk.backends.kernels_of(table)
        return _repeated(
            lambda: float(np.abs(k.index_add(table, ids, values)).sum()),
            lambda: k.index_add(table, ids, values),
        )
    name, arguments, shape = LAYERS[case]
    layer = getattr(lk.nn, name)(*arguments)
    lk.nn.initialize(layer)
    _weights(layer)
    x = _numbers(*shape)
    g = _numbers(*layer(x).shape)

    def once() -> Any:
        if layer.parameters():
            return vjp(lambda m, x: m(x), layer, x)[1](g)
        return vjp(layer, x)[1](g)

    return _repeated(lambda: float(np.abs(once()[-1]).sum()), once)


def _repeated(value: Callable[[], float], once: Callable[[], Any]) -> Callable[[int], float]:
    found = value()

    def run(times: int) -> float:
        for _ in range(times):
            once()
        return found

    return run


def _model(nn: Any, ours: bool) -> list[Any]:
    return [
        nn.Reshape((1, 8, 8)) if ours else nn.Unflatten(1, (1, 8, 8)),
        *(nn.Conv2d(1, 16, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(128, 10)),
    ]


def _step() -> Callable[[int], float]:
    model = lk.nn.Sequential(*_model(lk.nn, True))
    lk.nn.initialize(model)
    _weights(model)
    trainer = lk.Trainer(model, "cross_entropy", "adam", backend="numpy")
    x, y = _digits()
    first = float(trainer.step(x, y))

    def run(times: int) -> float:
        for _ in range(times):
            trainer.step(x, y)
        return first

    return run


def theirs(case: str, threads: int) -> Callable[[int], float]:
    """``run(times)`` of PyTorch."""
    import torch

    torch.set_num_threads(threads)
    if case == STEP:
        return _their_step()
    if case == EMBEDDING:
        table = torch.zeros(32_000, 256)
        ids, values = torch.from_numpy(_ids()), torch.from_numpy(_numbers(4_096, 256))
        return _repeated(
            lambda: float(table.index_add(0, ids, values).abs().sum()),
            lambda: table.index_add(0, ids, values),
        )
    name, arguments, shape = LAYERS[case]
    layer = getattr(torch.nn, name)(*arguments)
    _their_weights(layer)
    x = torch.from_numpy(_numbers(*shape)).requires_grad_()
    g = torch.from_numpy(_numbers(*layer(x).shape))
    wanted = [*layer.parameters(), x]

    def once() -> Any:
        return torch.autograd.grad(layer(x), wanted, g)

    return _repeated(lambda: float(once()[-1].abs().sum()), once)


def _their_weights(model: Any) -> None:
    import torch

    with torch.no_grad():
        for name, p in model.named_parameters():
            shape = tuple(p.shape)
            if not name.endswith("weight"):
                p.zero_()
            elif p.ndim == 4:
                o, i, h, w = shape
                p.copy_(torch.from_numpy(0.1 * _numbers(h, w, i, o)).permute(3, 2, 0, 1))
            else:
                p.copy_(torch.from_numpy(0.1 * _numbers(shape[1], shape[0])).T)


def _their_step() -> Callable[[int], float]:
    import torch

    model = torch.nn.Sequential(*_model(torch.nn, False))
    _their_weights(model)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    x, y = map(torch.from_numpy, _digits())

    def once() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    first = float(once().detach())

    def run(times: int) -> float:
        for _ in range(times):
            once()
        return first

    return run


def subjects() -> dict[str, tuple[str, dict[str, Any]]]:
    """Of those that are installed: a factory and its arguments."""
    found: dict[str, tuple[str, dict[str, Any]]] = {"learnkit": ("convolution:ours", {"kernels": None})}
    if importlib.util.find_spec("torch"):
        found["with torch_conv"] = ("convolution:ours", {"kernels": "torch_conv"})
    if importlib.util.find_spec("numba"):
        found["with numba"] = ("convolution:ours", {"kernels": "numba"})
    if importlib.util.find_spec("torch"):
        found[PEER] = ("convolution:theirs", {})
    return found


def measure(cases: list[str], threads: int, rounds: int, seconds: float) -> list[str]:
    """A line of the table for each case."""
    known = subjects()
    paths = (Path(__file__).parent, *sorted(PLUGINS.glob("learnkit-*")))
    workers = {name: Worker(name, environment=limited_to(threads), paths=paths) for name in known}
    lines = []
    try:
        for case in cases:
            values = {}
            for name, (factory, arguments) in known.items():
                more = {"threads": threads} if name == PEER else {}
                workers[name].make(factory, case=case, **arguments, **more)
                values[name] = workers[name].run(0)
            if not np.allclose(list(values.values()), values["learnkit"], rtol=1e-4):
                raise SystemExit(f"{case}: the results differ: {values}")
            times = take_turns({n: w.timed for n, w in workers.items()}, rounds=rounds, seconds=seconds)
            cells = [case]
            for name in known:
                cell = f"{1e3 * times.median(name):.3g}"
                if name != PEER and PEER in known:
                    cell += f", {times.ratio(name, PEER)}"
                cells.append(cell)
            lines.append("| " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    finally:
        for worker in workers.values():
            worker.end()
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Convolution, pooling and embedding gradients, side by side."
    )
    parser.add_argument("--threads", type=int, default=1, help="for everybody; default 1")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.2, help="of a turn, about")
    parser.add_argument("--only", default="", help="cases whose names have this in them")
    parser.add_argument("--write", action="store_true", help="keep the result in results/")
    arguments = parser.parse_args()
    about = [f"- {key}: {value}" for key, value in describe(arguments.threads).items()]
    names = list(subjects())
    shown = [
        f"{name}, ms" + (f", / {PEER} (quartiles)" if name != PEER and PEER in names else "")
        for name in names
    ]
    head = ["| forward and backward | " + " | ".join(shown) + " |", "|---" * (len(names) + 1) + "|"]
    print("\n".join([*about, "", *head]), flush=True)
    chosen = [case for case in CASES if arguments.only in case]
    lines = measure(chosen, arguments.threads, arguments.rounds, arguments.seconds)
    print(f"\nload at the end: {describe(arguments.threads).get('load', '?')}")
    if arguments.write:
        page = RESULTS / f"convolution-{date.today().isoformat()}.md"
        page.write_text("\n".join(["# Convolution", "", *about, "", *head, *lines, ""]), encoding="utf-8")
        print(f"wrote {page}")


if __name__ == "__main__":
    main()

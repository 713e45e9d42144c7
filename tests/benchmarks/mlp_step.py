"""One training step of a small multi-layer perceptron: learnkit, PyTorch, JAX, and the matrix products alone.

    python tests/benchmarks/mlp_step.py                      # on the CPU
    python tests/benchmarks/mlp_step.py --threads 1          # with one thread for everybody
    python tests/benchmarks/mlp_step.py --backend cupy       # on a GPU: learnkit on CuPy, PyTorch on CUDA

A step is forward, softmax cross-entropy, backward and Adam, in float32, on batches that are on the device
already; nobody fetches the loss. All start from the same weights and see the same batches, and the script
fails unless their losses agree. PyTorch is eager with the fused Adam; JAX is one jitted function with
donated buffers and optax; whoever is not installed is left out. "products" is the time of the matrix
products of the step alone, which no implementation on the same library can beat.

The subjects take turns, each in a process of its own: in each round everyone runs the same number of steps,
so that a disturbance hits all alike, and no library's threads get in another's way. Printed are the median
over rounds, the tenth and ninetieth percentile, and the median of each round's ratio to learnkit (above 1:
slower than learnkit).
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

import learnkit as lk

CASES = [((64, 128, 64, 10), 64), ((784, 512, 256, 10), 128)]
#: Small, so that the weights hardly move: a network that has learned its batches by heart has gradients so
#: close to 0 that the arithmetic itself becomes slower.
LR = 1e-6
BATCHES = 8
#: Seconds before each turn, in which the idle threads of the last subject stop looking for work.
PAUSE = 0.1

Run = Callable[[int], Any]  # runs so many steps, waits for the device, returns the last loss


def learnkit_steps(
    sizes: tuple[int, ...], data: list[Any], backend: lk.backends.Backend
) -> tuple[Run, list[Any]]:
    layers: list[lk.nn.Module] = []
    for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        layers += [lk.nn.ReLU()] if i else []
        layers.append(lk.nn.Linear(n_in, n_out))
    trainer = lk.Trainer(
        lk.nn.Sequential(*layers), "cross_entropy", lk.optim.Adam(lr=LR), backend=backend, seed=0
    )
    start = [backend.to_numpy(a).copy() for a in trainer.model.arrays().values()]
    batches = [(backend.asarray(x), backend.asarray(y)) for x, y in data]

    def run(steps: int) -> float:
        for i in range(steps):
            loss = trainer.step(*batches[i % BATCHES])
        backend.synchronize()
        return float(loss)

    return run, start


def torch_steps(sizes: tuple[int, ...], data: list[Any], start: list[Any], device: str) -> Run:
    import torch

    layers: list[Any] = []
    for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        layers += [torch.nn.ReLU()] if i else []
        layers.append(torch.nn.Linear(n_in, n_out))
    model = torch.nn.Sequential(*layers).to(device)
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), start, strict=True):
            parameter.copy_(torch.asarray(value.T.copy() if value.ndim == 2 else value))
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    loss_of = torch.nn.CrossEntropyLoss()
    batches = [(torch.asarray(x, device=device), torch.asarray(y, device=device)) for x, y in data]

    def run(steps: int) -> float:
        for i in range(steps):
            x, y = batches[i % BATCHES]
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        return float(loss.detach())

    return run


def jax_steps(sizes: tuple[int, ...], data: list[Any], start: list[Any]) -> Run:
    import jax
    import jax.numpy as jnp
    import optax

    optimizer = optax.adam(LR)
    state = {"params": [jnp.asarray(a) for a in start]}
    state["slots"] = optimizer.init(state["params"])
    batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in data]

    def loss_of(params: list[Any], x: Any, y: Any) -> Any:
        for i in range(0, len(params), 2):
            x = (jax.nn.relu(x) if i else x) @ params[i] + params[i + 1]
        return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()

    def step(params: list[Any], slots: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        loss, gradient = jax.value_and_grad(loss_of)(params, x, y)
        updates, slots = optimizer.update(gradient, slots, params)
        return optax.apply_updates(params, updates), slots, loss

    jitted = jax.jit(step, donate_argnums=(0, 1))

    def run(steps: int) -> float:
        params, slots = state["params"], state["slots"]
        for i in range(steps):
            params, slots, loss = jitted(params, slots, *batches[i % BATCHES])
        jax.block_until_ready((params, slots, loss))
        state["params"], state["slots"] = params, slots
        return float(loss)

    return run


def product_steps(sizes: tuple[int, ...], data: list[Any], backend: lk.backends.Backend) -> Run:
    """The matrix products of a step, into arrays that exist; the first layer needs no gradient of x."""
    xp = backend.xp if backend.name != "numpy" else np
    n = data[0][0].shape[0]
    rng = np.random.default_rng(0)
    acts = [backend.asarray(rng.standard_normal((n, size), dtype=np.float32)) for size in sizes]
    weights = [
        backend.asarray(rng.standard_normal(shape, dtype=np.float32)) for shape in itertools.pairwise(sizes)
    ]
    forward = [(acts[i], w, xp.empty_like(acts[i + 1])) for i, w in enumerate(weights)]
    backward = [(acts[i].T, acts[i + 1], xp.empty_like(w)) for i, w in enumerate(weights)]
    backward += [(acts[i + 1], w.T, xp.empty_like(acts[i])) for i, w in enumerate(weights) if i]
    products = forward + backward
    into = backend.name in ("numpy", "cupy")

    def run(steps: int) -> None:
        for _ in range(steps):
            for a, b, out in products:
                if into:
                    xp.matmul(a, b, out=out)
                else:
                    xp.matmul(a, b)
        backend.synchronize()

    return run


def serve(
    connection: Connection, name: str, sizes: tuple[int, ...], batch_size: int, backend_name: str
) -> None:
    """A subject in its process: for each number of steps received, sends the seconds and the last loss."""
    backend = lk.get_backend(backend_name)
    rng = np.random.default_rng(0)
    data = [
        (
            rng.standard_normal((batch_size, sizes[0]), dtype=np.float32),
            rng.integers(0, sizes[-1], batch_size),
        )
        for _ in range(BATCHES)
    ]
    if name == "products":
        run = product_steps(sizes, data, backend)
    else:
        run, start = learnkit_steps(sizes, data, backend)
        if name == "PyTorch":
            run = torch_steps(sizes, data, start, "cuda" if backend.name == "cupy" else "cpu")
        elif name == "JAX":
            run = jax_steps(sizes, data, start)
    connection.send(None)
    while steps := connection.recv():
        began = time.perf_counter()
        loss = run(steps)
        connection.send(((time.perf_counter() - began) / steps * 1e6, loss))


class Subject:
    """The other end of :func:`serve`."""

    def __init__(self, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, *arguments))
        self.process.start()
        theirs.close()
        self.connection.recv()

    def run(self, steps: int) -> tuple[float, Any]:
        """Microseconds for each of so many steps, and the last loss."""
        time.sleep(PAUSE)
        self.connection.send(steps)
        answer: tuple[float, Any] = self.connection.recv()
        return answer

    def end(self) -> None:
        self.connection.send(0)
        self.process.join()


def installed(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


def main() -> None:
    parser = argparse.ArgumentParser(description="A training step, side by side.")
    parser.add_argument("--backend", default="numpy", help="of learnkit: numpy, cupy or torch")
    parser.add_argument("--threads", type=int, help="for everybody; default: what each library chooses")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=0.2, help="of learnkit in one round, about")
    arguments = parser.parse_args()
    if arguments.threads:  # the libraries read these when they are loaded, in the subjects' processes
        names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
        os.environ |= dict.fromkeys(names, str(arguments.threads))
    if arguments.threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    names = ["learnkit"]
    names += ["PyTorch"] if installed("torch") else []
    names += ["JAX"] if installed("jax", "optax") and arguments.backend != "cupy" else []
    print(
        f"{lk.get_backend(arguments.backend).describe()}; Python {platform.python_version()}; "
        f"{os.cpu_count()} CPUs; threads: {arguments.threads or 'default'}"
    )
    versions = [f"{m} {metadata.version(m)}" for m in ("torch", "jax", "optax") if installed(m)]
    print("; ".join([*versions, f"load {os.getloadavg()[0]:.2f} at the start"]))

    for sizes, batch_size in CASES:
        subjects = {name: Subject(name, sizes, batch_size, arguments.backend) for name in names}
        losses = {name: subject.run(2 * BATCHES)[1] for name, subject in subjects.items()}
        expected = losses["learnkit"]
        for name, loss in losses.items():
            if abs(loss - expected) > 1e-4 * abs(expected):
                raise SystemExit(f"{name} computes something else: loss {loss}, learnkit {expected}")
        subjects["products"] = Subject("products", sizes, batch_size, arguments.backend)
        subjects["products"].run(10)

        steps = max(10, round(arguments.seconds * 1e6 / subjects["learnkit"].run(50)[0]))
        times: dict[str, list[float]] = {name: [] for name in subjects}
        for _ in range(arguments.rounds):
            for name, subject in subjects.items():
                times[name].append(subject.run(steps)[0])
        for subject in subjects.values():
            subject.end()

        print(
            f"\n{'-'.join(map(str, sizes))}, batch {batch_size}: {arguments.rounds} rounds of {steps} steps"
        )
        print(f"{'':10} {'median us':>10} {'p10':>9} {'p90':>9} {'x learnkit':>11}")
        for name, values in times.items():
            deciles = statistics.quantiles(values, n=10, method="inclusive")
            ratio = statistics.median(v / own for v, own in zip(values, times["learnkit"], strict=True))
            median = statistics.median(values)
            print(f"{name:10} {median:10.1f} {deciles[0]:9.1f} {deciles[-1]:9.1f} {ratio:11.2f}")
    print(f"\nload {os.getloadavg()[0]:.2f} at the end")


if __name__ == "__main__":
    main()

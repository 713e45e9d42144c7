"""What recording and going back costs: learnkit's tape beside PyTorch's and beside compiled JAX.

    python tests/benchmarks/autodiff.py               # with one thread, then with two, for everybody
    python tests/benchmarks/autodiff.py --threads 1

Three questions:

chain     1000 multiplications of an array of 16 numbers by a constant, forward and backward: nothing but
          overhead.
plain     a step of a 64-128-64-10 network on a batch of 64, written in plain operators on the tape, with
          Adam, beside PyTorch eager with its fused Adam.
coarse    the same step with learnkit's layers and trainer, beside PyTorch and jax.jit with optax.

Subjects take turns within each round, so a disturbance hits all alike. Printed are the median and the tenth
and ninetieth percentile over rounds, and the median of each round's ratio of learnkit's time to the other's:
below 1, learnkit is faster.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import learnkit as lk
from learnkit.optim.engine import update_in_place
from learnkit.training.rows import place

LR = 1e-6  # so small that the weights hardly move, and the numbers stay ordinary
SIZES, BATCH, BATCHES = (64, 128, 64, 10), 64, 8

Run = Callable[[int], None]


def chain_learnkit(n: int = 1000) -> Run:
    x, c = np.linspace(0.9, 1.1, 16), np.linspace(0.99, 1.01, 16)

    def product(x: Any) -> Any:
        y = x
        for _ in range(n):
            y = y * c
        return lk.array_namespace(y).sum(y)

    gradient = lk.grad(product)

    def run(times: int) -> None:
        for _ in range(times):
            gradient(x)

    return run


def chain_torch(n: int = 1000) -> Run:
    import torch

    x = torch.linspace(0.9, 1.1, 16, dtype=torch.float64, requires_grad=True)
    c = torch.linspace(0.99, 1.01, 16, dtype=torch.float64)

    def run(times: int) -> None:
        for _ in range(times):
            y = x
            for _ in range(n):
                y = y * c
            y.sum().backward()
            x.grad = None

    return run


def network() -> tuple[Any, list[Any], list[Any]]:
    """A trainer, its first weights, and batches."""
    rng = np.random.default_rng(0)
    layers: list[Any] = []
    for i in range(3):
        layers += [lk.nn.ReLU()] if i else []
        layers.append(lk.nn.Linear(SIZES[i], SIZES[i + 1]))
    trainer = lk.Trainer(lk.nn.Sequential(*layers), "cross_entropy", lk.optim.Adam(lr=LR), seed=0)
    start = [a.copy() for a in trainer.model.arrays().values()]
    data = [
        (rng.standard_normal((BATCH, SIZES[0]), dtype=np.float32), rng.integers(0, SIZES[-1], BATCH))
        for _ in range(BATCHES)
    ]
    return trainer, start, data


def step_coarse(trainer: Any, data: list[Any]) -> Run:
    rows = [place(trainer.backend, x, y, None, dtype="float32") for x, y in data]

    def run(times: int) -> None:
        for i in range(times):
            trainer.step_rows(rows[i % BATCHES])

    return run


def step_plain(start: list[Any], data: list[Any]) -> Run:
    """Every operation of the formulas is a node; the parameters are one vector, as for everybody."""
    theta = np.concatenate([a.ravel() for a in start])
    bounds = np.cumsum([0, *(a.size for a in start)])
    params = [
        theta[a:b].reshape(p.shape) for a, b, p in zip(bounds, bounds[1:], start, strict=False)
    ]  # views of theta
    optimizer = lk.optim.Adam(lr=LR)
    state = optimizer.init(theta)
    flat = np.empty_like(theta)
    onehot = [np.eye(SIZES[-1], dtype=np.float32)[y] for _, y in data]

    def loss(p: list[Any], x: Any, target: Any) -> Any:
        xp = lk.array_namespace(p[0])
        for i in range(0, 6, 2):
            x = x @ p[i] + p[i + 1]
            if i < 4:
                x = xp.maximum(x, 0.0)
        shifted = x - xp.max(x, axis=1, keepdims=True)
        return xp.mean(xp.log(xp.sum(xp.exp(shifted), axis=1)) - xp.sum(shifted * target, axis=1))

    gradient = lk.value_and_grad(loss)

    def run(times: int) -> None:
        for i in range(times):
            _, gs = gradient(params, data[i % BATCHES][0], onehot[i % BATCHES])
            for a, b, g in zip(bounds, bounds[1:], gs, strict=False):
                flat[a:b] = g.ravel()
            update_in_place(optimizer, theta, flat, state, blocks=True)

    return run


def step_torch(start: list[Any], data: list[Any]) -> Run:
    import torch

    layers: list[Any] = []
    for i in range(3):
        layers += [torch.nn.ReLU()] if i else []
        layers.append(torch.nn.Linear(SIZES[i], SIZES[i + 1]))
    model = torch.nn.Sequential(*layers)
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), start, strict=True):
            parameter.copy_(torch.asarray(value.T.copy() if value.ndim == 2 else value))
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    loss_of = torch.nn.CrossEntropyLoss()
    batches = [(torch.asarray(x), torch.asarray(y)) for x, y in data]

    def run(times: int) -> None:
        for i in range(times):
            x, y = batches[i % BATCHES]
            optimizer.zero_grad(set_to_none=True)
            loss_of(model(x), y).backward()
            optimizer.step()

    return run


def step_jax(start: list[Any], data: list[Any]) -> Run:
    import jax
    import jax.numpy as jnp
    import optax

    optimizer = optax.adam(LR)
    state: dict[str, Any] = {"params": [jnp.asarray(a) for a in start]}
    state["slots"] = optimizer.init(state["params"])
    batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in data]

    def loss_of(params: list[Any], x: Any, y: Any) -> Any:
        for i in range(0, len(params), 2):
            x = (jax.nn.relu(x) if i else x) @ params[i] + params[i + 1]
        return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()

    def step(params: list[Any], slots: Any, x: Any, y: Any) -> tuple[Any, Any]:
        gradient = jax.grad(loss_of)(params, x, y)
        updates, slots = optimizer.update(gradient, slots, params)
        return optax.apply_updates(params, updates), slots

    jitted = jax.jit(step, donate_argnums=(0, 1))

    def run(times: int) -> None:
        params, slots = state["params"], state["slots"]
        for i in range(times):
            params, slots = jitted(params, slots, *batches[i % BATCHES])
        jax.block_until_ready((params, slots))
        state["params"], state["slots"] = params, slots

    return run


def compare(title: str, subjects: dict[str, Run], rounds: int, seconds: float) -> None:
    """The first subject against the others, in turns."""
    times: dict[str, list[float]] = {name: [] for name in subjects}
    counts = {}
    for name, run in subjects.items():
        run(2 * BATCHES)
        began = time.perf_counter()
        run(BATCHES)
        counts[name] = max(1, round(seconds / ((time.perf_counter() - began) / BATCHES)))
    for _ in range(rounds):
        for name, run in subjects.items():
            began = time.perf_counter()
            run(counts[name])
            times[name].append((time.perf_counter() - began) / counts[name] * 1e6)
    first = next(iter(subjects))
    print(f"\n{title}: {rounds} rounds of about {seconds} s each")
    print(f"{'':14} {'median us':>10} {'p10':>9} {'p90':>9}   {first} / it (p10 - p90)")
    for name, values in times.items():
        deciles = statistics.quantiles(values, n=10, method="inclusive")
        ratios = [own / v for own, v in zip(times[first], values, strict=True)]
        spread = statistics.quantiles(ratios, n=10, method="inclusive")
        ratio = (
            f"{statistics.median(ratios):.2f} ({spread[0]:.2f} - {spread[-1]:.2f})" if name != first else ""
        )
        print(f"{name:14} {statistics.median(values):10.1f} {deciles[0]:9.1f} {deciles[-1]:9.1f}   {ratio}")


def run_with_threads(threads: int, arguments: argparse.Namespace) -> None:
    """The libraries read these when they are loaded, so each number of threads has a process of its own."""
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LEARNKIT_BENCHMARK_THREADS"]
    environment = os.environ | dict.fromkeys(names, str(threads))
    if threads == 1:
        environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    options = ["--rounds", str(arguments.rounds), "--seconds", str(arguments.seconds)]
    subprocess.run([sys.executable, __file__, *options], env=environment, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="The cost of the tape, side by side.")
    parser.add_argument("--threads", type=int, help="for everybody; default: 1, then 2")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=0.1, help="of one subject in one round, about")
    arguments = parser.parse_args()
    if "LEARNKIT_BENCHMARK_THREADS" not in os.environ:
        for threads in [arguments.threads] if arguments.threads else [1, 2]:
            run_with_threads(threads, arguments)
        return

    threads = int(os.environ["LEARNKIT_BENCHMARK_THREADS"])
    versions = [f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    have = {name: importlib.util.find_spec(name) is not None for name in ("torch", "jax", "optax")}
    versions += [f"{name} {importlib.import_module(name).__version__}" for name in have if have[name]]
    if have["torch"]:
        import torch

        torch.set_num_threads(threads)
    print(f"\n=== {threads} thread(s); {', '.join(versions)}; load {os.getloadavg()[0]:.2f} at the start")
    common = (arguments.rounds, arguments.seconds)
    trainer, start, data = network()
    chain: dict[str, Run] = {"learnkit": chain_learnkit()}
    plain: dict[str, Run] = {"learnkit": step_plain(start, data)}
    coarse: dict[str, Run] = {"learnkit": step_coarse(trainer, data)}
    if have["torch"]:
        chain["PyTorch"] = chain_torch()
        plain["PyTorch"] = coarse["PyTorch"] = step_torch(start, data)
    if have["jax"] and have["optax"]:
        coarse["JAX, compiled"] = step_jax(start, data)
    compare("chain", chain, *common)
    compare("plain", plain, *common)
    compare("coarse", coarse, *common)
    print(f"\nload {os.getloadavg()[0]:.2f} at the end")


if __name__ == "__main__":
    main()

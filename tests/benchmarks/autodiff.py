"""What recording and going back costs: learnkit's tape beside PyTorch's and beside compiled JAX.

    python tests/benchmarks/autodiff.py               # with one thread, then with two, for everybody
    python tests/benchmarks/autodiff.py --threads 1

Three questions:

chain     1000 multiplications of an array of 16 numbers by a constant, forward and backward: nothing but
          overhead.
plain     a step of a 64-128-64-10 network on a batch of 64, written in plain operators on the tape, with
          Adam, beside PyTorch eager with its fused Adam.
coarse    the same step with learnkit's layers and trainer, beside PyTorch and jax.jit with optax.

Subjects take turns within each round, here in one process, so a disturbance hits all alike. Printed are the
median and the quartiles over rounds, and those of each round's ratio of learnkit's time to the other's: below
1, learnkit is faster.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from measure import machine, table

import learnkit as lk
from learnkit.bench import Case, limited_to, take_turns
from learnkit.bench.case import BATCHES
from learnkit.bench.environment import installed
from learnkit.bench.peers import jax_run, torch_run, torch_threads
from learnkit.bench.steps import step_run
from learnkit.bench.turns import Timed
from learnkit.optim.engine import update_in_place

CASE = Case((64, 128, 64, 10), 64)

Run = Callable[[int], Any]


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


def step_plain(case: Case) -> Run:
    """Every operation of the formulas is a node; the parameters are one vector, as for everybody."""
    start, data = case.weights(), case.batches()
    theta = np.concatenate([a.ravel() for a in start])
    bounds = np.cumsum([0, *(a.size for a in start)])
    params = [
        theta[a:b].reshape(p.shape) for a, b, p in zip(bounds, bounds[1:], start, strict=False)
    ]  # views of theta
    optimizer = case.rule()
    state = optimizer.init(theta)
    flat = np.empty_like(theta)
    onehot = [np.eye(case.sizes[-1], dtype=np.float32)[y] for _, y in data]

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


def compare(title: str, subjects: dict[str, Run], rounds: int, seconds: float) -> None:
    """The first subject against the others, in turns."""
    for run in subjects.values():
        run(2 * BATCHES)
    times = take_turns({name: timed(run) for name, run in subjects.items()}, rounds=rounds, seconds=seconds)
    first = next(iter(subjects))
    print(f"\n{title}: {rounds} rounds of about {seconds} s each\n")
    rows = []
    for name in subjects:
        low, high = times.quartiles(name)
        ratio = "" if name == first else str(times.ratio(first, name))
        rows.append([name, *(f"{value * 1e6:.1f}" for value in (times.median(name), low, high)), ratio])
    print(table(["", "median us", "quartile", "quartile", f"{first} / it (quartiles)"], rows))


def timed(run: Run) -> Timed:
    """``run`` with a clock around it."""

    def measured(times: int) -> float:
        began = time.perf_counter()
        run(times)
        return time.perf_counter() - began

    return measured


def run_with_threads(threads: int, arguments: argparse.Namespace) -> None:
    """The libraries read these when they are loaded, so each number of threads has a process of its own."""
    environment = os.environ | limited_to(threads) | {"LEARNKIT_BENCHMARK_THREADS": str(threads)}
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
    print(f"\n{machine(threads)}")
    common = (arguments.rounds, arguments.seconds)
    case = {"sizes": CASE.sizes, "batch_size": CASE.batch_size}
    chain: dict[str, Run] = {"learnkit": chain_learnkit()}
    plain: dict[str, Run] = {"learnkit": step_plain(CASE)}
    coarse: dict[str, Run] = {"learnkit": step_run(**case)}
    if installed("torch"):
        torch_threads()
        chain["PyTorch"] = chain_torch()
        plain["PyTorch"] = coarse["PyTorch"] = torch_run(**case)
    if installed("jax", "optax"):
        coarse["JAX, compiled"] = jax_run(**case)
    compare("chain", chain, *common)
    compare("plain", plain, *common)
    compare("coarse", coarse, *common)
    print(f"\nload {os.getloadavg()[0]:.2f} at the end")


if __name__ == "__main__":
    main()

"""One training step of a small multi-layer perceptron: learnkit, PyTorch, JAX, and the matrix products alone.

    python tests/benchmarks/mlp_step.py                      # on the CPU
    python tests/benchmarks/mlp_step.py --threads 1          # with one thread for everybody
    python tests/benchmarks/mlp_step.py --backend cupy       # on a GPU: learnkit on CuPy, PyTorch on CUDA

A step is forward, softmax cross-entropy, backward and Adam, in float32, on batches that are on the device
already; nobody fetches the loss. All start from the same weights and see the same batches, and the script
fails unless their losses agree. PyTorch is eager with the fused Adam; JAX is one jitted function with
donated buffers and optax; whoever is not installed is left out. "products" is the time of the matrix
products of the step alone, which no implementation on the same library can beat.

Printed are the median over rounds and its quartiles, and learnkit's time over that of each peer in the same
round (below 1: learnkit is faster). ``all.py`` measures these steps too, beside their limits.
"""

from __future__ import annotations

import argparse

from measure import Bench, Peer, add_options, load_text, machine, results

import learnkit as lk

CASES = [((64, 128, 64, 10), 64), ((784, 512, 256, 10), 128)]


def main() -> None:
    parser = argparse.ArgumentParser(description="A training step, side by side.")
    parser.add_argument("--backend", default="numpy", help="of learnkit: numpy, cupy or torch")
    add_options(parser, rounds=25, seconds=0.2)
    arguments = parser.parse_args()
    on = {"backend": arguments.backend}
    gpu = arguments.backend.partition(":")[0] == "cupy"
    peers = [
        Peer(
            "PyTorch",
            "learnkit.bench.peers:torch_run",
            None,
            needs=("torch",),
            options={"device": "cuda" if gpu else "cpu"},
        )
    ]
    if not gpu:
        peers.append(Peer("JAX", "learnkit.bench.peers:jax_run", None, needs=("jax", "optax")))
    peers.append(Peer("its products", "learnkit.bench.steps:product_run", None, options=on))
    print(machine(arguments.threads))
    print(f"- backend: {lk.get_backend(arguments.backend).describe()}\n")
    bench = Bench(threads=arguments.threads, rounds=arguments.rounds, seconds=arguments.seconds)
    lines = []
    try:
        for sizes, batch_size in CASES:
            lines += bench.compare(
                f"step {'-'.join(map(str, sizes))}, batch {batch_size}",
                "learnkit.bench.steps:step_run",
                peers,
                ours_options=on,
                sizes=sizes,
                batch_size=batch_size,
            )
    finally:
        bench.close()
    print(results(lines))
    print("".join(f"\n{note}" for note in bench.notes))
    print(f"load {load_text()} at the end")


if __name__ == "__main__":
    main()

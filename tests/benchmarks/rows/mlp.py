"""Training steps of three networks, and what they allocate."""

from __future__ import annotations

from typing import Any

from measure import Bench, Line, Peer

#: Sizes, batch; limits beside PyTorch, JAX and the products, with the extra fast and, if that differs,
#: without.
CASES: list[tuple[tuple[int, ...], int, list[tuple[float, float | None]]]] = [
    ((64, 128, 64, 10), 64, [(0.40, 0.55), (0.65, 0.85), (1.9, None)]),
    ((784, 512, 256, 10), 128, [(0.95, 1.4), (0.90, None), (1.25, None)]),
    ((1024, 4096, 4096, 1000), 512, [(1.00, None), (1.00, None), (1.10, None)]),
]
PEERS = [
    ("PyTorch", "learnkit.bench.peers:torch_run", ("torch",)),
    ("JAX", "learnkit.bench.peers:jax_run", ("jax", "optax")),
    ("its products in NumPy", "learnkit.bench.steps:product_run", ()),
]


def cases(bench: Bench) -> list[tuple[str, dict[str, Any], list[Peer]]]:
    """Name, arguments and peers; only the first when it must be quick."""
    found = []
    for sizes, batch_size, limits in CASES[: 1 if bench.quick else None]:
        peers = [Peer(*peer[:2], *limit, peer[2]) for peer, limit in zip(PEERS, limits, strict=True)]
        name = f"{'-'.join(map(str, sizes))}, batch {batch_size}"
        found.append((name, {"sizes": sizes, "batch_size": batch_size}, peers))
    return found


def measure(bench: Bench) -> list[Line]:
    """Times of the steps, with Adam."""
    lines = []
    for name, case, peers in cases(bench):
        large = case["batch_size"] > 128
        lines += bench.compare(
            f"step {name}",
            "learnkit.bench.steps:step_run",
            peers,
            first=2 if large else 16,
            rounds=min(bench.rounds, 9) if large else None,
            **case,
        )
    return lines


def measure_memory(bench: Bench) -> list[Line]:
    """Bytes beyond data and parameters."""
    peer = Peer("PyTorch", "learnkit.bench.memory:torch_bytes", 1.0, needs=("torch",))
    lines = []
    for name, case, _ in cases(bench):
        lines += bench.compare_bytes(
            f"memory of a step {name}", "learnkit.bench.memory:step_bytes", [peer], **case
        )
    return lines

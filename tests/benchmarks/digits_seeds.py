"""Held-out accuracy of ``learnkit train digits`` for several seeds, and how long a run takes.

    python tests/benchmarks/digits_seeds.py

Each run is a whole process, as a shell starts it, in a folder of its own that is removed afterwards. The
seed draws the split, the start values and the order of the batches, so the spread is that of all three.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description="learnkit train digits, several seeds.")
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    print(f"learnkit train digits; load {os.getloadavg()[0]:.2f}")
    accuracies, times = [], []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "learnkit.cli", "train", "digits", "--seed", str(seed), "--json"],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                capture_output=True,
                text=True,
                check=False,
            )
            times.append(time.perf_counter() - began)
        if done.returncode:
            raise SystemExit(done.stderr)
        accuracies.append(json.loads(done.stdout)["metrics"]["accuracy"])
        print(f"seed {seed}  accuracy {accuracies[-1]:.4f}  {times[-1]:.2f} s", flush=True)
    print(
        f"mean {statistics.mean(accuracies):.4f}, lowest {min(accuracies):.4f}; "
        f"median {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})"
    )


if __name__ == "__main__":
    main()

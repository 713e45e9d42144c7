"""Diamonds, a table with numbers and categories: ``learnkit train diamonds.csv --target price``.

    python tests/benchmarks/diamonds.py FILE

FILE is ``diamonds.csv``: 53,940 rows, ten columns, the target ``price``. The package plotnine contains it::

    pip download --no-deps plotnine==0.15.9 && unzip plotnine-0.15.9-*.whl plotnine/data/diamonds.csv
    python tests/benchmarks/diamonds.py plotnine/data/diamonds.csv

Printed are the error on the rows that the run held out and the time of the whole process, for several seeds.
Then the last model predicts two files of the same rows, the second with its columns in another order; the
predictions must be equal, byte for byte.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def learnkit(folder: str, *arguments: str) -> str:
    """What the command prints on standard output."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "learnkit.cli", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def shuffled_columns(source: Path, target: Path) -> None:
    """The same table with its columns in another order."""
    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    random.Random(0).shuffle(names)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="learnkit train diamonds.csv, several seeds.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    source = arguments.file.resolve()
    print(f"learnkit train {source.name} --target price; load {os.getloadavg()[0]:.2f}")
    errors, times = [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds):
            began = time.perf_counter()
            printed = learnkit(
                folder, "train", str(source), "--target", "price", "--seed", str(seed), "--json"
            )
            times.append(time.perf_counter() - began)
            result: dict[str, Any] = json.loads(printed)
            errors.append(result["metrics"]["rmse"])
            print(f"seed {seed}  rmse {errors[-1]:.1f}  {times[-1]:.2f} s", flush=True)
        print(f"mean rmse {statistics.mean(errors):.1f}; median {statistics.median(times):.2f} s")

        other = Path(folder) / "shuffled.csv"
        shuffled_columns(source, other)
        run = str(result["run"])
        predictions = [learnkit(folder, "predict", run, str(file)) for file in (source, other)]
        if predictions[0] != predictions[1]:
            raise SystemExit("the order of the columns changes the predictions")
        print("predictions are the same for columns in another order")


if __name__ == "__main__":
    main()

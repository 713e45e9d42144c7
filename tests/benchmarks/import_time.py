"""What importing learnkit costs, in fresh processes, beside importing NumPy.

    python tests/benchmarks/import_time.py

The processes take turns. The first three rows are measured inside the process, without the start of Python;
the last two are whole processes, as a shell sees them, and need the command line (``pip install
".[cli]"``).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSIDE = {
    "import numpy": "import numpy",
    "import learnkit": "import learnkit",
    "import learnkit, make a Trainer": "import learnkit as lk\nlk.Trainer(lk.nn.Linear(1, 1), 'mse', 'adam')",
}
WHOLE = {
    "python -c pass": ["-c", "pass"],
    "learnkit --help": ["-m", "learnkit.cli", "--help"],
}


def environment() -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def inside(code: str) -> float:
    """Milliseconds that ``code`` takes in a fresh process."""
    timed = f"import time\nbegan = time.perf_counter()\n{code}\nprint(time.perf_counter() - began)"
    done = subprocess.run(
        [sys.executable, "-c", timed], env=environment(), check=True, capture_output=True, text=True
    )
    return float(done.stdout) * 1e3


def whole(arguments: list[str]) -> float:
    """Milliseconds of a whole process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environment(), check=True, capture_output=True)
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description="Import times in fresh processes.")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in (*INSIDE, *WHOLE)}
    for number in range(rounds + 1):
        for name, code in INSIDE.items():
            value = inside(code)
            if number:  # the first round warms the file cache and writes bytecode
                times[name].append(value)
        for name, arguments in WHOLE.items():
            value = whole(arguments)
            if number:
                times[name].append(value)
    print(f"{rounds} rounds; load {os.getloadavg()[0]:.2f}")
    print(f"{'':34} {'median ms':>9} {'min':>7} {'max':>7}")
    for name, values in times.items():
        print(f"{name:34} {statistics.median(values):9.1f} {min(values):7.1f} {max(values):7.1f}")


if __name__ == "__main__":
    main()

"""What importing learnkit costs, in fresh processes, beside importing NumPy.

    python tests/benchmarks/import_time.py

The processes take turns. The first three rows are measured inside the process, without the start of Python;
the last two are whole processes, as a shell sees them, and need the command line (``pip install
".[cli]"``).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import load_text, table

from learnkit.bench import take_turns
from learnkit.bench.turns import Timed

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
    """Seconds that ``code`` takes in a fresh process."""
    timed = f"import time\nbegan = time.perf_counter()\n{code}\nprint(time.perf_counter() - began)"
    done = subprocess.run(
        [sys.executable, "-c", timed], env=environment(), check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def whole(arguments: list[str]) -> float:
    """Seconds of a whole process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environment(), check=True, capture_output=True)
    return time.perf_counter() - began


def several(measure: Callable[[Any], float], subject: Any) -> Timed:
    """``measure(subject)`` so many times."""
    return lambda times: sum(measure(subject) for _ in range(times))


def main() -> None:
    parser = argparse.ArgumentParser(description="Import times in fresh processes.")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    subjects = {name: several(inside, code) for name, code in INSIDE.items()}
    subjects |= {name: several(whole, arguments) for name, arguments in WHOLE.items()}
    # A turn is one process. The runs before the first turn warm the file cache and write bytecode.
    times = take_turns(subjects, rounds=rounds, seconds=1e-3)
    print(f"{rounds} rounds; load {load_text()}\n")
    rows = [
        [name, *(f"{value * 1e3:.1f}" for value in (times.median(name), *times.quartiles(name)))]
        for name in subjects
    ]
    print(table(["", "median ms", "quartile", "quartile"], rows))


if __name__ == "__main__":
    main()

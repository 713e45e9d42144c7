"""What 200 installed plugins cost a command that uses none of them.

    python tests/benchmarks/plugin_startup.py [--plugins 200] [--rounds 15] [--out FILE]

The plugins are distributions in a temporary folder, each with a module that registers a loss and a metric.
A command runs with that folder on ``sys.path`` and with an empty one in its place; the two take turns, each
run a process of its own, and the ratio is that of the same round. ``learnkit --help`` and ``learnkit train``
are to take at most 1.2 times as long; the exit code is 1 if they take longer. The processor's time is printed
beside that of the clock, as it depends less on what else the machine does. The last two rows import all
the plugins, and have no limit: they show what the others are spared.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import load_text, table

from learnkit.bench import describe, take_turns
from learnkit.bench.turns import Timed, Times

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1.2
TRAIN = ["train", "digits", "--epochs", "1", "--overwrite", "--name", "one", "--quiet"]
#: name: arguments, and whether they need a plugin.
COMMANDS: dict[str, tuple[list[str], bool]] = {
    "learnkit --help": (["--help"], False),
    "learnkit train digits --epochs 1": (TRAIN, False),
    "learnkit train digits --epochs 1 --loss wave0": ([*TRAIN, "--loss", "wave0"], True),
    "learnkit plugins list": (["plugins", "list"], True),
}

MODULE = '''
from learnkit.backends import array_namespace


def wave(y_pred, y_true, *, rate=1.0):
    """Cross-entropy, a plugin's."""
    xp = array_namespace(y_pred)
    top = xp.max(y_pred, axis=1, keepdims=True)
    total = xp.log(xp.sum(xp.exp(y_pred - top), axis=1)) + top[:, 0]
    return rate * (total - xp.take_along_axis(y_pred, y_true[:, None], axis=1)[:, 0])


def error(y_pred, y_true, *, larger_is_better=False):
    """An error, a plugin's."""
    return abs(y_pred - y_true)


def learnkit_register_losses(register):
    register("wave{n}", wave)


def learnkit_register_metrics(register):
    register("error{n}", error)
'''


def install(folder: Path, count: int) -> None:
    """Put so many distributions into a folder, as an installer leaves them."""
    for n in range(count):
        name = f"learnkit_bench{n}"
        (folder / f"{name}.py").write_text(MODULE.replace("{n}", str(n)), encoding="utf-8")
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: learnkit-bench{n}\nVersion: 1.0\nRequires-Dist: pylearnkit>=0.1\n"
        )
        (info / "entry_points.txt").write_text(f"[learnkit]\nbench{n} = {name}\n")


def command(arguments: list[str], folder: Path, work: Path, spent: list[float]) -> Timed:
    """The command, so many times, with the folder on ``sys.path``; ``spent`` gets the processor's seconds."""
    paths = [str(folder), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LEARNKIT_")}
    environment["PYTHONPATH"] = os.pathsep.join(paths)

    def run(times: int) -> float:
        began, before = time.perf_counter(), processor_seconds()
        for _ in range(times):
            subprocess.run(
                [sys.executable, "-m", "learnkit.cli", *arguments],
                cwd=work,
                env=environment,
                check=True,
                capture_output=True,
            )
        spent.append((processor_seconds() - before) / times)
        return time.perf_counter() - began

    return run


def processor_seconds() -> float:
    """What the processes that have ended took of the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


HEAD = [
    "command",
    "with: clock, processor in ms",
    "without",
    "ratio of the clock (quartiles)",
    "of the processor",
    "limit",
]


def both(times: Times, busy: Times, which: str) -> str:
    """Medians of the clock and of the processor, in milliseconds."""
    return f"{times.median(which) * 1e3:.0f}, {busy.median(which) * 1e3:.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description="What installed plugins cost a command that uses none of them."
    )
    parser.add_argument("--plugins", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, help="write the result to this file too")
    given = parser.parse_args()
    before, rows, kept = load_text(), [], True
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        full, empty, work = root / "full", root / "empty", root / "work"
        for folder in (full, empty, work):
            folder.mkdir()
        install(full, given.plugins)
        for label, (arguments, needs) in COMMANDS.items():
            folders = {"with": full} if "--loss" in arguments else {"with": full, "without": empty}
            spent: dict[str, list[float]] = {which: [] for which in folders}
            subjects = {
                which: command(arguments, folder, work, spent[which]) for which, folder in folders.items()
            }
            # A turn is one process. The runs before the first turn warm the file cache and write bytecode.
            times = take_turns(subjects, rounds=given.rounds, seconds=1e-3)
            # Of the processor: without the runs that were made to see how long one takes.
            busy = Times({which: tuple(values[-given.rounds :]) for which, values in spent.items()})
            row = [label, both(times, busy, "with"), "", "", "", ""]
            if "without" in subjects:
                ratio = times.ratio("with", "without")
                row[2:5] = both(times, busy, "without"), str(ratio), str(busy.ratio("with", "without"))
                if not needs:
                    kept = kept and ratio.median <= LIMIT
                    row[5] = f"{LIMIT}: {'holds' if ratio.median <= LIMIT else 'MISSED'}"
            rows.append(row)
    lines = [f"# Startup with {given.plugins} installed plugins", ""]
    lines += [f"- {key}: {value}" for key, value in describe(1).items() if key not in ("threads", "load")]
    lines += [f"- {given.rounds} rounds; load before {before}, after {load_text()}", ""]
    lines += [table(HEAD, rows)]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

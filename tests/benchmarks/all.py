"""Every figure that learnkit is to keep, beside its peers: one command, one table.

    python tests/benchmarks/all.py                                   # a quarter of an hour on two cores
    python tests/benchmarks/all.py --fashion DIR                     # with the fit of Fashion-MNIST
    python tests/benchmarks/all.py --only mlp,softmax                # some rows
    python tests/benchmarks/all.py --out results/FILE.md --chart FILE.svg

The top of ``fashion_mnist.py`` says where DIR comes from. Printed are, for each work and each peer, medians
over rounds, the median and the quartiles of learnkit's time over the peer's in the same round, the limit, and
whether the median is within it. Whoever is not installed is left out, with a note. Where the extra ``fast``
is installed, learnkit is measured without it as well, in a process with ``LEARNKIT_FUSE=blocks``.

All peers have the same work, dtype, start values and number of threads, and the values that they compute are
compared before anything is timed. Exits with 1 if a limit does not hold and ``--strict`` was given.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import chart
from measure import Bench, Line, Measure, add_options, load_text, machine, results
from rows import fit, imports, inference, layers, mlp, optimizer, plugin

ROWS: dict[str, tuple[str, Measure]] = {
    "mlp": ("Training steps", mlp.measure),
    "optimizer": ("Optimizer updates", optimizer.measure),
    "softmax": ("Softmax cross-entropy", layers.measure_softmax),
    "layers": ("Layers", layers.measure_layers),
    "plugin": ("A plugin's loss", plugin.measure),
    "fit": ("A whole fit", fit.measure),
    "inference": ("Inference", inference.measure),
    "import": ("Imports", imports.measure),
    "memory": ("Memory of a step", mlp.measure_memory),
}


def chosen(text: str) -> list[str]:
    """The rows that ``--only`` names."""
    names = text.split(",")
    for name in names:
        if name not in ROWS:
            raise argparse.ArgumentTypeError(f"no row {name!r}, expected some of {','.join(ROWS)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description="learnkit beside its peers.")
    parser.add_argument("--only", type=chosen, default=list(ROWS), metavar="ROWS", help=",".join(ROWS))
    parser.add_argument("--fashion", type=Path, metavar="DIR", help="folder of Fashion-MNIST")
    parser.add_argument("--quick", action="store_true", help="see that it runs; the numbers say nothing")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write the result there too")
    parser.add_argument("--chart", type=Path, metavar="FILE.svg", help="draw the ratios")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a limit does not hold")
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="give the subjects real-time priority while they take turns, on a machine that others use too; "
        "needs Linux and root, lets the others wait, and is no match for a quiet machine",
    )
    add_options(parser, rounds=15, seconds=0.2)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = min(arguments.rounds, 3), min(arguments.seconds, 0.02)
    bench = Bench(
        threads=arguments.threads,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        quick=arguments.quick,
        fashion=arguments.fashion,
        realtime=arguments.realtime,
    )
    about, began = machine(arguments.threads), time.perf_counter()
    sections: list[str] = []
    lines: list[Line] = []
    for name in arguments.only:
        title, measure = ROWS[name]
        print(f"{title} ...", file=sys.stderr, flush=True)
        try:
            found = measure(bench)
        finally:
            bench.close()
        if found:
            sections.append(f"## {title}\n\n{results(found)}")
            print(f"\n{sections[-1]}", flush=True)
            lines += found
    text = report(bench, about, sections, lines, time.perf_counter() - began)
    print(f"\n{text.partition(chr(10) * 2 + '## ')[0]}")
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    if arguments.chart:
        arguments.chart.write_text(chart.draw(lines), encoding="utf-8")
    if arguments.strict and not all(line.holds is not False for line in lines):
        raise SystemExit(1)


def report(bench: Bench, about: str, sections: list[str], lines: list[Line], seconds: float) -> str:
    """The result as a page."""
    limited = [line for line in lines if line.holds is not None]
    kept = sum(bool(line.holds) for line in limited)
    head = ["# learnkit beside its peers"]
    if bench.quick:
        head.append("**A quick run, which only shows that everything works: these numbers say nothing.**")
    head.append(
        f"{about}\n- load at the end: {load_text()}; {seconds:.0f} s in all\n"
        f"- the extra `fast`: {'there; also measured without it' if bench.fast else 'not in use'}"
    )
    given = [
        Path(word).name if "/" in word else word for word in sys.argv[1:]
    ]  # folders are nobody's business
    head.append(
        f"`{' '.join(['python', 'tests/benchmarks/all.py', *given])}`: up to {bench.rounds} rounds of "
        f"about {bench.seconds} s for each subject. A ratio is learnkit's time over the peer's: below 1, "
        "learnkit is faster. It is the median over rounds, with the quartiles behind it."
    )
    head.append(f"**{kept} of {len(limited)} limits hold.**")
    if bench.notes:
        head.append("\n".join(f"- {note}" for note in bench.notes))
    return "\n\n".join([*head, *sections]) + "\n"


if __name__ == "__main__":
    main()

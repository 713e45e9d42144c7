"""What the scripts of this folder share: peers side by side, limits, and the result as Markdown.

The timing itself is in ``learnkit.bench``: each subject runs in a process of its own, they take turns, and
ratios are those of the same round.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learnkit.backends.engine import engine
from learnkit.bench import Ratio, Worker, describe, take_turns
from learnkit.bench.environment import installed, load, processors
from learnkit.bench.turns import format_ratio

HERE = Path(__file__).resolve().parent

#: The environment of the subject "learnkit without fast".
WITHOUT_FAST = {"LEARNKIT_FUSE": "blocks"}
OURS, PLAIN = "learnkit", "learnkit without fast"


@dataclass(frozen=True)
class Peer:
    """Whom learnkit is measured against.

    Attributes:
        name: as it is printed; one process serves all peers of that name.
        factory: ``module:function`` of its subject; for memory, of the function that gives the bytes.
        limit: learnkit's time over this one's, at most; ``None`` is no limit.
        without_fast: the same without the extra ``fast``.
        needs: modules that must be installed.
        options: arguments of the factory beside those of the case.
    """

    name: str
    factory: str
    limit: float | None
    without_fast: float | None = None
    needs: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """One ratio of the table.

    Attributes:
        work, peer: what, and beside whom.
        ours, theirs: medians in seconds, or bytes.
        ratio: ours over theirs.
        limit: at most, or ``None``.
        plain: the ratio without the extra ``fast``, if it was measured.
        plain_limit: the limit of that.
        unit: ``"s"`` or ``"bytes"``.
    """

    work: str
    peer: str
    ours: float
    theirs: float
    ratio: Ratio
    limit: float | None
    plain: Ratio | None = None
    plain_limit: float | None = None
    unit: str = "s"

    @property
    def holds(self) -> bool | None:
        """Whether the ratio is within its limit."""
        return None if self.limit is None else self.ratio.median <= self.limit

    @property
    def plain_holds(self) -> bool | None:
        """Whether the ratio without the extra is within its limit."""
        if self.plain is None or self.plain_limit is None:
            return None
        return self.plain.median <= self.plain_limit


class Bench:
    """The settings of a run, and the processes of its subjects.

    Args:
        threads: for everybody.
        rounds: in which each subject has one turn.
        seconds: of a turn, about.
        quick: a smoke test: smaller cases, so the numbers say nothing.
        fashion: folder of Fashion-MNIST, or ``None``.
        realtime: give the subjects real-time priority while they take turns.
    """

    def __init__(
        self,
        *,
        threads: int,
        rounds: int,
        seconds: float,
        quick: bool = False,
        fashion: Path | None = None,
        realtime: bool = False,
    ) -> None:
        self.threads, self.rounds, self.seconds, self.quick = threads, rounds, seconds, quick
        self.fashion, self.realtime = fashion, realtime
        self.notes: list[str] = []
        self._workers: dict[str, Worker] = {}

    @property
    def fast(self) -> bool:
        """Whether the extra ``fast`` is there, and not switched off for the whole run."""
        return engine() == "numba"

    def worker(self, name: str) -> Worker:
        """The process of a subject."""
        if name not in self._workers:
            environment = WITHOUT_FAST if name == PLAIN else {}
            self._workers[name] = Worker(name, threads=self.threads, environment=environment, paths=(HERE,))
        return self._workers[name]

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()

    def note(self, text: str) -> None:
        """Say something beside the results, once."""
        if text not in self.notes:
            self.notes.append(text)

    def subjects(
        self, ours: str, peers: Iterable[Peer], options: dict[str, Any] | None = None
    ) -> dict[str, tuple[str, dict[str, Any]]]:
        """Factory and its options by subject: learnkit, without fast if that differs, and the peers."""
        found = {OURS: (ours, options or {})}
        if self.fast:
            found[PLAIN] = (ours, options or {})
        for peer in peers:
            missing = [module for module in peer.needs if not installed(module)]
            if missing:
                self.note(f"{peer.name} was left out: {', '.join(missing)} is not installed")
            else:
                found[peer.name] = (peer.factory, peer.options)
        return found

    def compare(
        self,
        work: str,
        ours: str,
        peers: list[Peer],
        *,
        same: float | None = 1e-4,
        absolute: float = 0.0,
        first: int = 16,
        rounds: int | None = None,
        ours_options: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> list[Line]:
        """Time the subjects of one work beside each other.

        Args:
            work: its name.
            ours: factory of learnkit's subject.
            peers: the others.
            same: how far, relatively, the values of the first runs may differ; ``None`` compares none. A
                subject without a value, such as the bare matrix products, is not compared.
            absolute: how far beside that.
            first: how many runs those are.
            rounds: instead of the run's number.
            ours_options: arguments of learnkit's factory alone.
            arguments: of all factories.
        """
        subjects = self.subjects(ours, peers, ours_options)
        values = {}
        for name, (factory, options) in subjects.items():
            self.worker(name).make(factory, **arguments, **options)
            values[name] = self.worker(name).run(first)
        for name, value in values.items():
            expected = values[OURS]
            if same is None or value is None:
                continue
            if not abs(value - expected) <= same * abs(expected) + absolute:  # nor does NaN agree
                raise SystemExit(f"{work}: {name} computes something else: {value}, learnkit {expected}")
        with self._first_of_all(subjects):
            times = take_turns(
                {name: self.worker(name).timed for name in subjects},
                rounds=rounds or self.rounds,
                seconds=self.seconds,
            )
        return [
            Line(
                work,
                peer.name,
                times.median(OURS),
                times.median(peer.name),
                times.ratio(OURS, peer.name),
                *self._limits(peer, times.ratio(PLAIN, peer.name) if PLAIN in subjects else None),
            )
            for peer in peers
            if peer.name in subjects
        ]

    @contextlib.contextmanager
    def _first_of_all(self, names: Iterable[str]) -> Iterator[None]:
        """Within the block other programs wait while these subjects want to run, if that was asked for."""
        if not self.realtime:
            yield
            return
        workers = [self.worker(name) for name in names]
        for worker in workers:
            _schedule(worker.process_id, os.SCHED_FIFO, 1)
        try:
            yield
        finally:
            for worker in workers:
                _schedule(worker.process_id, os.SCHED_OTHER, 0)

    def compare_bytes(self, work: str, ours: str, peers: list[Peer], **arguments: Any) -> list[Line]:
        """The same for functions that give a number of bytes."""
        subjects = self.subjects(ours, peers)
        found = {
            name: float(self.worker(name).call(function, **arguments, **options))
            for name, (function, options) in subjects.items()
        }

        def ratio(name: str, peer: str) -> Ratio:
            return Ratio(*[found[name] / found[peer]] * 3)

        return [
            Line(
                work,
                peer.name,
                found[OURS],
                found[peer.name],
                ratio(OURS, peer.name),
                *self._limits(peer, ratio(PLAIN, peer.name) if PLAIN in subjects else None),
                unit="bytes",
            )
            for peer in peers
            if peer.name in subjects
        ]

    def _limits(self, peer: Peer, plain: Ratio | None) -> tuple[float | None, Ratio | None, float | None]:
        """Limit of the ratio, the ratio without fast, and its limit."""
        return (peer.limit if self.fast else peer.without_fast), plain, peer.without_fast


def _schedule(process: int, policy: int, priority: int) -> None:
    """Set how the threads of a process are scheduled; those that it starts later follow."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setscheduler(int(thread.name), policy, os.sched_param(priority))


def add_options(parser: Any, *, rounds: int, seconds: float) -> None:
    """``--threads``, ``--rounds`` and ``--seconds``."""
    parser.add_argument("--threads", type=int, default=processors(), help="for everybody; default: all")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=float, default=seconds, help="of one turn, about")


def machine(threads: int) -> str:
    """What the numbers were made with, as a Markdown list."""
    return "\n".join(f"- {name}: {value}" for name, value in describe(threads).items())


def shown(value: float, unit: str = "s") -> str:
    """A time or a size with three digits, in a unit that fits it.

    >>> shown(0.00012345), shown(3.5e6, "bytes")
    ('123 us', '3.5 MB')
    """
    scales = [(1, "s"), (1e-3, "ms"), (1e-6, "us")] if unit == "s" else [(1e6, "MB"), (1e3, "kB"), (1, "B")]
    scale, name = next((s for s in scales if value >= s[0]), scales[-1])
    number = value / scale
    return f"{number:.0f} {name}" if number >= 100 else f"{number:.3g} {name}"


def table(header: list[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def results(lines: list[Line]) -> str:
    """The table of ratios."""
    with_plain = any(line.plain is not None for line in lines)
    header = ["work", "peer", "learnkit", "peer's", "ratio (quartiles)", "at most", "holds"]
    if with_plain:
        header += ["without `fast`", "at most", "holds"]
    rows = []
    for line in lines:
        row = [line.work, line.peer, shown(line.ours, line.unit), shown(line.theirs, line.unit)]
        row += [_spread(line.ratio), _limit(line.limit), _verdict(line.holds)]
        if with_plain:
            row += [_spread(line.plain), _limit(line.plain_limit), _verdict(line.plain_holds)]
        rows.append(row)
    return table(header, rows)


def _spread(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    return str(ratio) if ratio.high > ratio.low else format_ratio(ratio.median)


def _limit(limit: float | None) -> str:
    return "" if limit is None else f"{limit:.2f}"


def _verdict(holds: bool | None) -> str:
    return "" if holds is None else "yes" if holds else "**no**"


def load_text() -> str:
    """The load now."""
    now = load()
    return "unknown" if now is None else f"{now:.2f}"


Measure = Callable[[Bench], list[Line]]

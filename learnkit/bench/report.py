"""A case measured on this machine beside its limit and its peers, as values and as text."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from learnkit.backends.engine import engine
from learnkit.bench.case import Case
from learnkit.bench.environment import installed, processors, versions
from learnkit.bench.peers import MODULES, counterpart
from learnkit.bench.turns import Times, take_turns
from learnkit.bench.worker import Worker
from learnkit.errors import ArgumentError, BackendError, MissingDependencyError, did_you_mean

__all__ = ["Measured", "Settings", "advice", "fast", "measure", "peers_named"]

LEARNKIT, PRODUCTS = "learnkit", "matrix products alone"
#: Runs whose loss is compared with that of learnkit before anything is timed.
_FIRST = 16
#: How far the losses of float32 may be apart.
_APART = 1e-4
#: A spread between the quartiles, relative to the median, that is called noise.
_NOISY = 0.1


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        backend, device: of learnkit.
        threads: for everybody.
        against: peers by the names of :data:`~learnkit.bench.peers.MODULES`.
        rounds: in which each subject has one turn.
        seconds: of one turn, about.
        variables: for the environment of all processes, beside those of the threads.
    """

    backend: str = "numpy"
    device: str | None = None
    threads: int = 1
    against: tuple[str, ...] = ()
    rounds: int = 15
    seconds: float = 0.1
    variables: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Measured:
    """What one case gave.

    Attributes:
        case: what was measured.
        times: by subject; the bare products and the peers beside learnkit.
        memory: bytes beyond data and parameters in a step, by subject, where it can be counted.
        launches: of one step on a GPU, by operation, where they are counted.
        profile: the parts of a step, as :meth:`~learnkit.training.Profile.as_dict` gives them, with
            ``"text"`` and ``"svg"``; ``None`` if it was not asked for.
    """

    case: Case
    times: Times
    memory: dict[str, int]
    launches: dict[str, int] | None
    profile: dict[str, Any] | None

    @property
    def step(self) -> float:
        """Seconds of a step."""
        return self.times.median(LEARNKIT)

    @property
    def noisy(self) -> bool:
        """Whether the rounds differ so much that a median says little."""
        low, high = self.times.quartiles(LEARNKIT)
        return high - low > _NOISY * self.step

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        subjects, ratios = {}, {}
        for name in self.times.seconds:
            low, high = self.times.quartiles(name)
            median = self.times.median(name)
            subjects[name] = {"seconds": median, "quartiles": [low, high]}
            if name != PRODUCTS:
                subjects[name]["rows_per_second"] = self.case.batch_size / median
            if name != LEARNKIT:
                ratio = self.times.ratio(LEARNKIT, name)
                ratios[name] = {"median": ratio.median, "quartiles": [ratio.low, ratio.high]}
        products = self.times.median(PRODUCTS)
        profile = self.profile
        if profile is not None:
            profile = {key: value for key, value in profile.items() if key not in ("text", "svg")}
        return {
            "case": asdict(self.case),
            "parameters": self.case.parameters,
            "subjects": subjects,
            "ratios": ratios,
            "share_of_products": 1 / self.times.ratio(LEARNKIT, PRODUCTS).median,
            "products_flop_per_second": 2 * self.case.multiplications / products,
            "memory": self.memory,
            "launches": self.launches,
            "noisy": self.noisy,
            "profile": profile,
        }

    def lines(self) -> list[str]:
        """The same for people."""
        case = self.case
        found = [f"{case.name}, {case.optimizer}: {case.parameters:,} parameters", ""]
        rows = [["", "a step", "quartiles", "rows/s", "learnkit / it (quartiles)"]]
        for name in self.times.seconds:
            low, high = self.times.quartiles(name)
            median = self.times.median(name)
            rows.append(
                [
                    name,
                    microseconds(median),
                    f"{microseconds(low)} - {microseconds(high)}",
                    "" if name == PRODUCTS else f"{case.batch_size / median:,.0f}",
                    "" if name == LEARNKIT else str(self.times.ratio(LEARNKIT, name)),
                ]
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        for name, *rest in rows:
            cells = [cell.rjust(w) for cell, w in zip(rest, widths[1:], strict=True)]
            found.append("  ".join([name.ljust(widths[0]), *cells]).rstrip())
        share = 1 / self.times.ratio(LEARNKIT, PRODUCTS).median
        rate = 2 * case.multiplications / self.times.median(PRODUCTS) / 1e9
        found += ["", f"{share:.0%} of a step is its matrix products, which run at {rate:.3g} GFLOP/s"]
        if self.memory:
            each = ", ".join(f"{name} {_bytes(size)}" for name, size in self.memory.items())
            found.append(f"memory beyond data and parameters in a step: {each}")
        if self.launches:
            most = sorted(self.launches.items(), key=lambda item: -item[1])[:4]
            each = ", ".join(f"{name} {count}" for name, count in most)
            found.append(f"launches in a step: {sum(self.launches.values())} ({each}, ...)")
        return found


def measure(case: Case, settings: Settings, *, profile: bool = False) -> Measured:
    """Measure a case; what is compared must compute the same loss.

    Args:
        case: the network, batch and optimizer.
        settings: where and beside whom.
        profile: whether to look at the parts of a step too.

    Raises:
        ArgumentError: a peer has no such optimizer.
        WorkerError: a process failed.
        BackendError: a peer computes something else.
    """
    for peer in settings.against:
        counterpart(peer, case.rule())
    of = asdict(case)
    on = {"backend": settings.backend, "device": settings.device}
    gpu = settings.backend.partition(":")[0] == "cupy"
    torch_on = {"device": "cuda" if gpu else "cpu"}
    makers: dict[str, tuple[str, dict[str, Any]]] = {
        LEARNKIT: ("learnkit.bench.steps:step_run", on),
        PRODUCTS: ("learnkit.bench.steps:product_run", on),
    }
    for peer in settings.against:
        options = torch_on if peer == "torch" else {}
        makers[MODULES[peer][2]] = (f"learnkit.bench.peers:{peer}_run", options)
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(
                Worker(name, threads=settings.threads, environment=settings.variables, quiet=True)
            )
            for name in makers
        }
        for name, (factory, options) in makers.items():
            workers[name].make(factory, **of, **options)
        losses = {name: worker.run(_FIRST) for name, worker in workers.items()}
        _compare(losses)
        times = take_turns(
            {name: worker.timed for name, worker in workers.items()},
            rounds=settings.rounds,
            seconds=settings.seconds,
        )
        memory = _memory(workers, settings, torch_on, of)
        launches = None
        if gpu:
            counter = stack.enter_context(Worker("launches", environment=settings.variables, quiet=True))
            launches = counter.call("learnkit.bench.steps:launches", **of)
        found = workers[LEARNKIT].call("learnkit.bench.steps:profiled", **of, **on) if profile else None
    return Measured(case, times, memory, launches, found)


def _compare(losses: Mapping[str, float | None]) -> None:
    expected = losses[LEARNKIT]
    assert expected is not None
    for name, loss in losses.items():
        if loss is not None and not abs(loss - expected) <= _APART * abs(expected):
            raise BackendError(f"{name} computes something else: loss {loss}, learnkit {expected}")


def _memory(
    workers: Mapping[str, Worker], settings: Settings, torch_on: dict[str, Any], case: dict[str, Any]
) -> dict[str, int]:
    """Bytes by subject, where they can be counted."""
    on = {"backend": settings.backend, "device": settings.device}
    found = {LEARNKIT: workers[LEARNKIT].call("learnkit.bench.memory:step_bytes", **on, **case)}
    if "torch" in settings.against:
        title = MODULES["torch"][2]
        found[title] = workers[title].call("learnkit.bench.memory:torch_bytes", **torch_on, **case)
    return {name: size for name, size in found.items() if size is not None}


def advice(measured: Sequence[Measured], started: float | None) -> list[str]:
    """What to know about the numbers.

    Args:
        measured: all of them.
        started: the load before anything was measured.
    """
    lines = [
        "A time is the median over rounds in which all take turns; half of them lie between the quartiles."
    ]
    if any(one.noisy for one in measured):
        busy = "" if started is None else f" (load {started:.1f} on {processors()} processors at the start)"
        lines.append(
            f"Noise: the rounds of learnkit differ by more than {_NOISY:.0%}; the machine was busy or "
            f"changed its clock{busy}. End other programs and measure longer with --seconds. On a busy "
            "machine threads wait for each other most of the time, which spoils ratios too: --threads 1 is "
            "steadier there."
        )
    else:
        lines.append("Differences below the spread of the quartiles say nothing.")
    return [part for line in lines for part in textwrap.wrap(line, 100)]


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.2f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"


def microseconds(seconds: float) -> str:
    """In microseconds, or milliseconds if there are thousands of them.

    >>> microseconds(226.4e-6), microseconds(12.3456e-3)
    ('226 us', '12.3 ms')
    """
    if seconds >= 10e-3:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds * 1e6:,.0f} us" if seconds >= 100e-6 else f"{seconds * 1e6:.3g} us"


def peers_named(names: Sequence[str]) -> tuple[str, ...]:
    """The peers of ``--against``, if all are known and installed.

    Raises:
        ArgumentError: a name is not known.
        MissingDependencyError: a library is not installed.
    """
    for name in names:
        if name not in MODULES:
            raise ArgumentError(
                f"--against: unknown peer {name!r}{did_you_mean(name, MODULES)}, "
                f"expected some of {', '.join(MODULES)}"
            )
        modules, distributions, title = MODULES[name]
        if not installed(*modules):
            raise MissingDependencyError(
                f"--against: {title} is not installed", hint=f"pip install {distributions}"
            )
    return tuple(dict.fromkeys(names))


def fast() -> str:
    """Whether the extra ``fast`` is in use."""
    chosen = engine()
    if chosen == "numba":
        return f"numba {versions().get('numba', '?')}"
    if installed("numba"):
        return f"switched off: LEARNKIT_FUSE is {os.environ['LEARNKIT_FUSE']}"
    return 'not installed: pip install "pylearnkit[fast]" compiles updates, losses and activations'

"""Measuring: turns, processes, cases, and that peers compute what learnkit computes."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from learnkit.bench import Case, Times, Worker, WorkerError, limited_to, take_turns
from learnkit.bench.environment import describe, installed, processors
from learnkit.bench.memory import step_bytes
from learnkit.bench.report import Measured, advice
from learnkit.bench.steps import product_run, step_run
from learnkit.bench.turns import Ratio, format_ratio
from learnkit.errors import ArgumentError

SMALL = {"sizes": (5, 7, 3), "batch_size": 4}


def test_turns_are_counted_and_taken_by_everybody():
    """A clock that the subjects move themselves: b is three times as slow as a, and what is said is so."""
    asked = []

    def subject(name, seconds):
        def timed(times):
            asked.append((name, times))
            return seconds * times

        return timed

    subjects = {"a": subject("a", 1e-3), "b": subject("b", 3e-3), "slow": subject("slow", 10.0)}
    times = take_turns(subjects, rounds=4, seconds=0.06, pause=0)
    assert times.median("a") == pytest.approx(1e-3)
    assert times.ratio("a", "b").median == pytest.approx(1 / 3)
    assert {name: len(values) for name, values in times.seconds.items()} == {"a": 4, "b": 4, "slow": 4}
    assert [name for name, _ in asked[-12:]] == [
        "a",
        "b",
        "slow",
        "b",
        "slow",
        "a",
        "slow",
        "a",
        "b",
        "a",
        "b",
        "slow",
    ]
    assert dict(asked[-3:]) == {"a": 60, "b": 20, "slow": 1}
    assert asked.count(("slow", 1)) == 5  # tried once, not again


def test_times_by_round():
    times = Times({"a": (1.0, 2.0, 3.0, 4.0), "b": (2.0, 2.0, 2.0, 2.0)})
    assert times.median("a") == 2.5
    assert times.quartiles("a") == (1.75, 3.25)
    assert times.ratio("a", "b") == Ratio(1.25, 0.875, 1.625)
    assert str(times.ratio("a", "b")) == "1.25 (0.88 - 1.62)"
    assert Times({"a": (3.0,)}).quartiles("a") == (3.0, 3.0)
    assert [format_ratio(r) for r in (1.0, 0.456, 0.0123)] == ["1.00", "0.46", "0.012"]


def subject(start: int) -> object:
    """For a worker: adds up what it was run for, and prints what must not get among the answers."""
    total = [start]

    def run(times: int) -> int:
        print("noise")
        total[0] += times
        return total[0]

    return run


def slow_value() -> object:
    """For a worker: the value takes time, the run does not."""

    def value() -> str:
        time.sleep(0.2)
        return "worked out"

    return lambda times: value


def broken() -> None:
    """For a worker."""
    raise ValueError("on purpose")


def variable(name: str) -> str | None:
    """For a worker."""
    return os.environ.get(name)


def leave() -> None:
    """For a worker: ends its process."""
    import sys

    print("the last words", file=sys.stderr, flush=True)
    os._exit(7)


def test_a_worker_makes_runs_and_answers():
    with Worker(
        "w", environment={"LEARNKIT_TEST": "1"}, paths=(Path(__file__).parent,), quiet=True
    ) as worker:
        worker.make("test_bench:subject", start=10)
        assert worker.run(3) == 13
        assert worker.timed(2) > 0
        assert worker.run(1) == 16
        assert worker.call("test_bench:variable", name="LEARNKIT_TEST") == "1"
        worker.make("test_bench:slow_value")
        assert worker.run(1) == "worked out"
        assert worker.timed(1) < 0.2
        worker.make("test_bench:subject", start=16)
        with pytest.raises(WorkerError, match="w: ValueError: on purpose"):
            worker.call("test_bench:broken")
        assert worker.run(1) == 17  # it goes on
        with pytest.raises(WorkerError, match="w: its process ended with exit code 7") as caught:
            worker.call("test_bench:leave")
        assert caught.value.hint.splitlines() == ["noise", "noise", "the last words"]


def test_everybody_gets_the_same_threads(monkeypatch):
    with Worker("one", threads=1, quiet=True) as worker:
        assert worker.call("learnkit.bench.environment:processors") == 1
        assert "multi_thread_eigen" in worker.call("os:getenv", key="XLA_FLAGS")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with Worker("all", threads=processors(), quiet=True) as worker:
        assert worker.call("learnkit.bench.environment:processors") == processors()
        assert worker.call("os:getenv", key="OMP_NUM_THREADS") is None
    assert limited_to(3) == dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "3"
    )
    assert "multi_thread_eigen=false" in limited_to(1)["XLA_FLAGS"]
    assert processors() >= 1
    about = describe(2)
    assert about["threads"] == "2 at most for everybody"
    assert f"numpy {np.__version__}" in about["versions"]
    json.dumps(about)


def test_cases():
    case = Case((5, 7, 3), 4)
    assert case.name == "5-7-3, batch 4"
    assert case.parameters == sum(a.size for a in case.weights()) == 5 * 7 + 7 + 7 * 3 + 3
    # forward 4 x 5 x 7 and 4 x 7 x 3; for the weights the same; for the first layer's output 4 x 3 x 7
    assert case.multiplications == 2 * (4 * 5 * 7 + 4 * 7 * 3) + 4 * 3 * 7
    assert [x.shape for x, _ in case.batches()] == [(4, 5)] * 8
    assert case.largest_product == 4 * 5 * 7
    assert case.rule().lr == 1e-6
    assert Case((5, 3), 4, "adam:lr=0.5").rule().lr == 0.5
    for sizes, batch_size in (((5,), 4), ((5, 0), 4), ((5, 3), 0)):
        with pytest.raises(ArgumentError):
            Case(sizes, batch_size)


def test_a_step_of_learnkit_is_that_of_the_formula():
    """The loss of the first step by hand."""
    case = Case(**SMALL)
    w1, b1, w2, b2 = (a.astype(np.float64) for a in case.weights())
    x, y = case.batches()[0]
    z = np.maximum(x @ w1 + b1, 0) @ w2 + b2
    expected = np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(4), y])
    assert step_run(**SMALL)(1) == pytest.approx(expected, rel=1e-5)
    product_run(**SMALL)(2)


RULES = ["adam", "adamw", "sgd", "momentum", "nesterov", "lion", "adamw:weight_decay=0.5"]


@pytest.mark.parametrize(
    ("peer", "rule"),
    [*(("torch", rule) for rule in RULES), ("jax", "adamw"), ("jax", "nesterov"), ("jax", "lion")],
)
def test_peers_compute_the_same(peer, rule):
    """With a rate at which the weights move, so that the update counts."""
    from learnkit.bench import peers

    if not installed(*peers.MODULES[peer][0]):
        pytest.skip(f"{peer} is not installed")
    if peer == "jax":
        pytest.importorskip("optax")
    case = {**SMALL, "optimizer": rule, "lr": 1e-2}
    run = getattr(peers, f"{peer}_run")(**case)
    assert run(50) == pytest.approx(step_run(**case)(50), rel=1e-4)


@pytest.mark.parametrize("rule", ["adam", "momentum", "nesterov"])
def test_scikit_learn_steps(rule):
    """It starts from values of its own, so what it computes is not compared."""
    if not installed("sklearn"):
        pytest.skip("scikit-learn is not installed")
    from learnkit.bench.peers import sklearn_run

    assert sklearn_run(**SMALL, optimizer=rule)(3) is None


def test_what_a_peer_lacks_is_refused():
    from learnkit.bench.peers import counterpart

    with pytest.raises(ArgumentError, match="optimizer 'yogi' has no counterpart"):
        counterpart("torch", Case((2, 2), 1, "yogi").rule())
    with pytest.raises(ArgumentError, match="adam with amsgrad=True"):
        counterpart("jax", Case((2, 2), 1, "adam:amsgrad=true").rule())
    with pytest.raises(ArgumentError, match="expected a number"):
        counterpart("torch", Case((2, 2), 1, "adam:lr=cosine").rule())


def test_memory_counts_gradient_slots_and_activations():
    case = Case((50, 200, 10), 100)
    kept = 3 * 4 * case.parameters  # the gradient and two slots
    activations = 4 * 100 * (200 + 10)
    most = kept + 8 * (activations + 4 * case.parameters)
    assert kept + activations < step_bytes(sizes=case.sizes, batch_size=100) < most
    if installed("torch"):
        assert kept + activations < step_bytes("torch", sizes=case.sizes, batch_size=100) < most
    assert step_bytes("strict", **SMALL) is None


def test_memory_of_torch_counts_the_same_things():
    if not installed("torch"):
        pytest.skip("torch is not installed")
    from learnkit.bench.memory import torch_bytes

    case = Case((50, 200, 10), 100)
    kept = 3 * 4 * case.parameters
    for rule, least in (("adam", kept), ("lion", kept - 4 * case.parameters)):
        found = torch_bytes(sizes=case.sizes, batch_size=100, optimizer=rule)
        assert least < found < kept + 8 * (4 * 100 * 210 + 4 * case.parameters)


@pytest.mark.skipif(
    shutil.which("g++") is None, reason="the stand-in's kernels need a C++ compiler to be counted"
)
def test_launches_are_counted_without_a_gpu():
    with Worker("launches", quiet=True) as worker:
        found = worker.call("learnkit.bench.steps:launches", **SMALL)
    assert found["matmul"] >= 4
    assert all(count > 0 for count in found.values())


def test_noise_is_said():
    times = {"learnkit": (1.0, 1.01, 1.02, 1.0), "matrix products alone": (0.5, 0.5, 0.5, 0.5)}
    calm = Measured(Case(**SMALL), Times(times), {}, None, None)
    assert not calm.noisy
    assert "say nothing" in advice([calm], 0.5)[-1]
    wild = Measured(Case(**SMALL), Times({**times, "learnkit": (1.0, 2.0, 3.0, 4.0)}), {}, None, None)
    assert wild.noisy
    assert "(load 5.0 on" in " ".join(advice([calm, wild], 5.0))
    assert "50% of a step is its matrix products" in "\n".join(calm.lines())
    assert calm.as_dict()["share_of_products"] == pytest.approx(0.5, rel=0.02)


def test_whether_compiled_code_is_in_use(monkeypatch):
    from learnkit.bench import report

    for chosen, there, said in (
        ("numba", True, r"numba [\d.?]+"),
        ("blocks", True, "switched off: LEARNKIT_FUSE is blocks"),
        ("blocks", False, r'not installed: pip install "pylearnkit\[fast\]".*'),
    ):
        monkeypatch.setenv("LEARNKIT_FUSE", chosen)
        monkeypatch.setattr(report, "engine", lambda chosen=chosen: chosen)
        monkeypatch.setattr(report, "installed", lambda *modules, there=there: there)
        assert re.fullmatch(said, report.fast())

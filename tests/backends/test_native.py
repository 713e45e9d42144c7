"""Compiled programs: each call against NumPy, shared or not, and the team that works them off."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import threading

import numpy as np
import pytest

pytest.importorskip("numba")

from learnkit.backends.native import pace as pace_of
from learnkit.backends.native import team as team_of
from learnkit.backends.native.blas import blas
from learnkit.backends.native.layers import ADD, ADD_RELU, MASK, NOTHING, address
from learnkit.backends.native.pace import Pace
from learnkit.backends.native.perceptron import Perceptron
from learnkit.backends.native.prediction import Prediction
from learnkit.backends.native.program import Call, Given, Program

LIBRARY = blas()
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="the BLAS of this NumPy has no names that are known")
TOLERANCE = {"f": 3e-5, "d": 1e-12}


def draw(*shape, kind="f", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(kind)


@pytest.fixture(params=[1, 2, 5])
def threads(request, monkeypatch):
    """A team of so many, in parts for as many."""
    monkeypatch.setenv("LEARNKIT_THREADS", str(request.param))
    monkeypatch.setattr(team_of, "_team", None)
    yield request.param
    team_of._team = None


# One call


def product(a, b, out, *, flips=(False, False), follows=NOTHING, extra=0, by="rows", each=None):
    """``out = a b`` by a call over rows or columns, in parts of ``each``."""
    kind = out.dtype.char
    (m, n), k = out.shape, a.shape[0] if flips[0] else a.shape[1]
    addresses = LIBRARY.address("gemm", kind), LIBRARY.address("gemv", kind)
    sides = (a, a.shape[1], b, b.shape[1], out, n, follows, extra)
    whole, other = (m, n) if by == "rows" else (n, m)
    call = Call(address(f"product_{by}", kind), (*addresses, LIBRARY.wide, *flips, k, *sides, other))
    Program([[(call, whole, each or whole)]]).run()
    return out


@pytest.mark.parametrize("kind", "fd")
@pytest.mark.parametrize("by", ["rows", "columns"])
@pytest.mark.parametrize("flips", list(itertools.product((False, True), repeat=2)))
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 33, 7), (33, 1, 5), (48, 20, 64), (17, 40, 3)])
def test_products(shape, flips, by, kind):
    m, n, k = shape
    a, b = draw(m, k, kind=kind), draw(k, n, kind=kind, seed=1)
    given = [np.ascontiguousarray(x.T if flip else x) for x, flip in zip((a, b), flips, strict=True)]
    for each in (None, 16):
        out = np.full((m, n), np.nan, kind)
        product(*given, out, flips=flips, by=by, each=each)
        np.testing.assert_allclose(out, a.astype("d") @ b, rtol=TOLERANCE[kind], atol=TOLERANCE[kind])


@pytest.mark.parametrize("by", ["rows", "columns"])
@pytest.mark.parametrize("kind", "fd")
def test_what_follows_a_product(kind, by):
    a, b, bias, y = (draw(*s, kind=kind, seed=i) for i, s in enumerate([(37, 6), (6, 21), (21,), (37, 21)]))
    wanted = a @ b
    cases = {
        ADD: (bias, wanted + bias),
        ADD_RELU: (bias, np.maximum(wanted + bias, 0)),
        MASK: (y, np.where(y > 0, wanted, 0)),
    }
    for follows, (extra, expected) in cases.items():
        out = product(a, b, np.empty_like(wanted), follows=follows, extra=extra, by=by, each=16)
        np.testing.assert_allclose(out, expected, rtol=TOLERANCE[kind], atol=TOLERANCE[kind])


def test_not_a_number_passes_a_relu_and_is_not_hidden_by_a_mask():
    a, b, bias = np.array([[np.nan], [1.0]]), np.array([[1.0]]), np.zeros(1)
    out = product(a, b, np.empty((2, 1)), follows=ADD_RELU, extra=bias)
    assert np.isnan(out[0, 0])
    assert out[1, 0] == 1
    out = product(b, b, np.empty((1, 1)), follows=MASK, extra=np.array([[np.nan]]))
    assert out[0, 0] == 1


# The team


def adding(total, each):
    """A program of three phases, each of which needs the one before: products by twos."""
    n = total.shape[0]
    two, one = np.array([[2.0]]), np.array([[1.0]])
    half, whole = np.empty((n, 1)), np.empty((n, 1))
    kind = "d"
    addresses = LIBRARY.address("gemm", kind), LIBRARY.address("gemv", kind), LIBRARY.wide

    def call(a, b, out):
        return (
            Call(address("product_rows", kind), (*addresses, 0, 0, 1, a, 1, b, 1, out, 1, 0, 0, 1)),
            n,
            each,
        )

    return Program([[call(total, one, half)], [call(half, two, whole)], [call(whole, one, total)]])


def test_phases_wait_for_each_other(threads):
    """Whoever takes which part: a thousand runs of many small parts."""
    total = np.ones((64, 1))
    program = adding(total, 2)
    for _ in range(1000):
        program.run()
        total /= 2
    np.testing.assert_array_equal(total, 1)


def test_several_threads_may_run_programs_at_once(threads):
    results = {}

    def run(i):
        total = np.full((32, 1), float(i))
        program = adding(total, 4)
        for _ in range(300):
            program.run()
            total /= 2
        results[i] = total

    others = [threading.Thread(target=run, args=(i,)) for i in range(1, 5)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join()
    for i in range(1, 5):
        np.testing.assert_array_equal(results[i], i)


def forked(connection):
    total = np.ones((64, 1))
    adding(total, 2).run()
    connection.send(float(total.sum()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # of JAX, if a test before has imported it
def test_after_a_fork_there_is_a_new_team(threads):
    adding(np.ones((64, 1)), 2).run()
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=forked, args=(theirs,))
    child.start()
    assert ours.poll(60)
    assert ours.recv() == 128
    child.join(60)


def test_products_of_a_program_have_one_thread_each_and_others_what_they_had():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    seen = []

    class Looking(type(team_of.team())):
        def run(self, *given, **options):
            seen.append(LIBRARY._threads())
            super().run(*given, **options)

    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        before = LIBRARY._threads()
        team_of._team, saved = Looking(2), team_of._team
        try:
            adding(np.ones((64, 1)), 2).run()
        finally:
            team_of._team = saved
        assert LIBRARY._threads() == before
        with pytest.raises(ZeroDivisionError), LIBRARY, LIBRARY:
            raise ZeroDivisionError
        assert LIBRARY._threads() == before
    assert seen == [1]


def test_a_shared_call_gets_its_numbers(threads):
    """By a kernel of ``learnkit.fusion``, which has an entry of this form."""
    import learnkit as lk

    fused = lk.fuse(lambda x, y, *, a: a * x + y)
    x, y = draw(300_001), draw(300_001, seed=1)
    np.testing.assert_allclose(fused(x, y, a=3.0), 3 * x + y, rtol=1e-6, atol=1e-6)


# Perceptrons


class Layer:
    def __init__(self, shape, rows, relu, bias, kind, seed):
        inputs, outputs = shape
        self.weight = draw(inputs, outputs, kind=kind, seed=seed) / np.array(inputs, kind) ** 0.5
        self.bias = draw(outputs, kind=kind, seed=seed + 1) if bias else None
        if relu and not bias:
            self.bias = np.zeros(outputs, kind)
        self.relu = relu
        self.out, self.back = np.empty((rows, outputs), kind), np.empty((rows, inputs), kind)
        self.to_weight = np.full(shape, np.nan, kind)
        self.to_bias = np.full(outputs, np.nan, kind) if bias else None
        self.transposed = self.to_weight.reshape(outputs, inputs) if self.weight.size < 2000 else None


def network(sizes, rows, kind="f", bias=True, seed=0):
    shapes = list(itertools.pairwise(sizes))
    last = len(shapes) - 1
    return [Layer(s, rows, i < last, bias, kind, seed + 10 * i) for i, s in enumerate(shapes)]


def by_numpy(layers, x, labels):
    """Loss, and gradients of weights and biases, in double precision."""
    h, seen = x.astype("d"), []
    for layer in layers:
        seen.append(h)
        h = h @ layer.weight + (0 if layer.bias is None else layer.bias)
        h = np.maximum(h, 0) if layer.relu else h
    p = np.exp(h - h.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    rows = np.arange(len(x))
    loss = -np.log(p[rows, labels]).mean()
    g = p
    g[rows, labels] -= 1
    g /= len(x)
    found = []
    for i in range(len(layers) - 1, -1, -1):
        found.append((seen[i].T @ g, g.sum(0)))
        g = (g @ layers[i].weight.T.astype("d")) * (seen[i] > 0)
    return loss, found[::-1], h


SIZES = {
    "small": ((12, 16, 8, 4), 32),
    "one layer": ((6, 3), 10),
    "one row": ((5, 7, 2), 1),
    "one output": ((9, 8, 1), 20),
    "shared by rows": ((64, 96, 96, 10), 96),
    "shared by blocks": ((300, 280, 17), 50),
    "a large layer first": ((900, 90, 30), 33),
}


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("kind", "fd")
@pytest.mark.parametrize("case", SIZES)
def test_a_step_of_a_perceptron(case, kind, bias, threads):
    sizes, n = SIZES[case]
    x, labels = draw(n, sizes[0], kind=kind, seed=5), np.arange(n) % sizes[-1]
    layers = network(sizes, n, kind, bias)
    loss, gradients, outputs = by_numpy(layers, x, labels)
    losses, g, outside = np.empty(n, kind), np.empty((n, sizes[-1]), kind), np.zeros(1, np.int8)
    value = np.empty(1, kind)
    program = Perceptron(layers, n, LIBRARY).whole(losses, g, outside, value)
    for _ in range(3):  # arrays are used again
        program.run(x, labels)
        close(value[0], loss, kind)
        assert not outside[0]
        for layer, (weight, total) in zip(layers, gradients, strict=True):
            close(layer.to_weight, weight, kind)
            if layer.to_bias is not None:
                close(layer.to_bias, total, kind)
    again = network(sizes, n, kind, bias)
    parts = Perceptron(again, n, LIBRARY)
    parts.forward().run(x)
    close(again[-1].out, outputs, kind)
    parts.backward().run(x, g)
    for one, two in zip(layers, again, strict=True):
        close(one.to_weight, two.to_weight, kind)


def close(a, b, kind):
    np.testing.assert_allclose(a, b, rtol=TOLERANCE[kind], atol=TOLERANCE[kind])


@pytest.mark.parametrize("sizes", [(64, 96, 10), (300, 90, 17), (700, 300, 5)])
def test_bits_of_short_programs_do_not_depend_on_the_machine(sizes, monkeypatch):
    """However many threads there are."""
    n = 100
    x, labels = draw(n, sizes[0], seed=5), np.arange(n) % sizes[-1]
    found = []
    for count in (1, 2, 3, 8):
        monkeypatch.setenv("LEARNKIT_THREADS", str(count))
        monkeypatch.setattr(team_of, "_team", None)
        layers = network(sizes, n)
        g, value = np.empty((n, sizes[-1]), "f"), np.empty(1, "f")
        program = Perceptron(layers, n, LIBRARY).whole(np.empty(n, "f"), g, np.zeros(1, np.int8), value)
        for _ in range(20):  # with helpers and without
            program.run(x, labels)
        found.append([value, *(layer.to_weight for layer in layers)])
    monkeypatch.setattr(team_of, "_team", None)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("label", [-1, 4, 10**12])
def test_a_label_outside_the_classes_is_told(label):
    layers = network((12, 8, 4), 6)
    outside = np.zeros(1, np.int8)
    g, value = np.empty((6, 4), "f"), np.empty(1, "f")
    program = Perceptron(layers, 6, LIBRARY).whole(np.empty(6, "f"), g, outside, value)
    program.run(draw(6, 12), np.array([0, 1, 2, label, 3, 0]))
    assert outside[0]


def test_predictions_are_arrays_of_their_own(threads):
    layers = network((30, 40, 5), 3)
    arrays = [a for layer in layers for a in (layer.weight, layer.bias)]
    predict = Prediction(LIBRARY)
    x = draw(3, 30)
    first = predict(x, arrays, [True, False])
    kept = first.copy()
    for rows in range(1, Prediction.most + 1):
        x = draw(rows, 30, seed=rows)
        out = predict(x, arrays, [True, False])
        wanted = np.maximum(x @ arrays[0] + arrays[1], 0) @ arrays[2] + arrays[3]
        close(out, wanted, "f")
    np.testing.assert_array_equal(first, kept)
    arrays[3] = arrays[3] + 1  # another array: the program is made anew
    close(predict(x, arrays, [True, False]), wanted + 1, "f")


def test_arguments_of_calls_of_calls():
    """A call is an argument like a number: its address, then that of its own arguments."""
    a, b, c = np.ones((8, 1)), np.full((1, 1), 3.0), np.empty((8, 1))
    head = LIBRARY.address("gemm", "d"), LIBRARY.address("gemv", "d"), LIBRARY.wide, 0, 0, 1

    def call(x, out):
        return Call(address("product_rows", "d"), (*head, x, 1, b, 1, out, 1, 0, 0, 1))

    d = np.empty((8, 1))
    both = Call(address("in_turn"), (2, call(Given(0), c), call(c, d)))
    Program([[(both, 8, 3)]]).run(a)
    np.testing.assert_array_equal(d, 9)
    Program([[(both, 8, 3)]]).run(2 * a)
    np.testing.assert_array_equal(d, 18)


# Whether helpers pay


@pytest.mark.parametrize("faster", [True, False])
def test_the_faster_way_is_taken_and_tried_again(faster, monkeypatch):
    now, ways = [0.0], []
    monkeypatch.setattr(pace_of, "perf_counter", lambda: now[0])
    pace = Pace()

    def runs(count, helped_is_faster):
        for i in range(count):
            helped = pace.helped()
            ways.append(helped)
            now[0] += (1.0 if helped == helped_is_faster else 2.0) + (5.0 if i % 4 == 0 else 0.0)

    runs(400, faster)
    assert {True, False} <= set(ways[:12])
    assert set(ways[14:]) == {faster}
    ways.clear()
    runs(1000, not faster)
    assert set(ways[-100:]) == {not faster}

"""The tape: depth, order, and that memory goes when it is no longer needed."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest

from learnkit.autodiff import checkpoint, custom_vjp, grad, primitive, value_and_grad, vjp
from learnkit.autodiff.tape import Leaf, Node, backpropagate, new_level
from learnkit.autodiff.variable import Variable
from learnkit.backends import array_namespace

X = np.asarray([1.0, 2.0])
DEEP = 100_000


def total(x):
    return array_namespace(x).sum(x)


@contextmanager
def no_collector():
    """Only reference counting frees memory inside."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def nodes_alive():
    """Nodes are counted, not weakly referred to: they have no room for that."""
    return sum(type(o) in (Node, Leaf) for o in gc.get_objects())


def deep(x):
    for _ in range(DEEP // 2):
        x = x * 1.0 + 1e-4
    return x


def test_a_deep_graph_needs_no_recursion():
    value, gradient = value_and_grad(lambda x: total(deep(x)))(X)
    assert float(value) == pytest.approx(3.0 + 2 * 1e-4 * DEEP / 2)
    assert gradient.tolist() == [1.0, 1.0]


def test_a_deep_graph_is_dropped_without_recursion():
    """Also one that was never passed, and one that is kept for a second pull-back."""
    with no_collector():
        before = nodes_alive()
        _, pullback = vjp(deep, X)
        assert pullback(X)[0].tolist() == [1.0, 2.0]
        assert pullback(2 * X)[0].tolist() == [2.0, 4.0]
        del pullback, _
        vjp(deep, X)
        assert nodes_alive() == before


def test_a_deep_gradient_of_a_gradient():
    def f(x):
        for _ in range(300):
            x = x * x * 0.5 + 0.4
        return total(x)

    second = grad(lambda x: total(grad(f)(x)))(np.asarray([0.5]))
    assert np.isfinite(second).all()


def test_graphs_are_freed_by_reference_counting():
    """After a gradient, of any order, and after a failure, no node is left for the cycle collector."""
    with no_collector():
        before = nodes_alive()
        grad(lambda x: total(x * x + x))(X)
        assert nodes_alive() == before
        grad(lambda x: total(grad(lambda y: total(x * y * y))(X)))(X)
        assert nodes_alive() == before
        _, pullback = vjp(lambda x: x * x, X)
        pullback(X)
        assert nodes_alive() > before
        del pullback
        assert nodes_alive() == before


def through_checkpoint(x):
    return total(checkpoint(lambda y: y * y * x)(x * 2.0))


def through_several_results(x):
    xp = array_namespace(x)
    values, vectors = xp.linalg.eigh(xp.linalg.outer(x, x) + np.diag([1.0, 5.0]))
    return total(values * values) + total(vectors[:, 0])


def through_constants(x):
    xp = array_namespace(x)
    return total(xp.where(x > 1.5, x * xp.ones_like(x), xp.floor(x) * x))


def through_assignment(x):
    y = x * 1.0
    y[0] = y[1] * y[1]
    return total(y[y > 0.0])


def through_a_rule_by_hand(x):
    twice = custom_vjp(lambda x: x * 2.0)
    twice.rule(lambda g, value, x: g * 2.0)
    return total(twice(x))


ROUND_ABOUT = [
    through_checkpoint,
    through_several_results,
    through_constants,
    through_assignment,
    through_a_rule_by_hand,
]


@pytest.mark.parametrize("fn", ROUND_ABOUT)
def test_nothing_is_left_for_the_cycle_collector(fn):
    """Neither nodes nor memory, after a gradient, a gradient of one, and a value that nobody pulled back."""
    with no_collector():
        grad(fn)(X)  # what is made once and kept
        before = nodes_alive()
        grad(fn)(X)
        assert nodes_alive() == before
        grad(lambda x: total(grad(fn)(x)))(X)
        assert nodes_alive() == before
        vjp(fn, X)
        assert nodes_alive() == before


def test_no_object_is_left_of_many_gradients():
    gradient = grad(lambda x: sum(fn(x) for fn in ROUND_ABOUT))
    with no_collector():
        gradient(X)
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(100):
            gradient(X)
        assert len(gc.get_objects()) - before < 20
        assert gc.collect() < 20


def test_memory_falls_during_the_reverse_pass():
    """Of 50 layers that keep an array each, half are gone when the pass is half way."""
    size = 100_000
    x = np.full(size, 0.5)
    measured = []

    @primitive()
    def gauge(xp, x, /):
        return xp.positive(x), None

    @gauge.rule
    def _(xp, g, saved, parents):
        measured.append(tracemalloc.get_traced_memory()[0])
        return (g,)

    def network(x):
        for _ in range(50):
            x = gauge(array_namespace(x).tanh(x))
        return total(x)

    tracemalloc.start()
    try:
        grad(network)(x)
    finally:
        tracemalloc.stop()
    layer = x.nbytes
    kept = [m - measured[-1] for m in measured]
    print("arrays kept, from the last layer to the first:", [round(k / layer) for k in kept])
    assert all(a >= b - 0.01 * layer for a, b in pairwise(kept)), "as it goes, not at the end"
    assert kept[0] > 45 * layer
    assert kept[25] < 0.55 * kept[0]


def test_values_on_the_way_are_freed_with_the_graph():
    seen = []

    def fn(x):
        y = array_namespace(x).exp(x)
        seen.append(weakref.ref(y.data))
        return total(y * y)

    with no_collector():
        grad(fn)(X)
        assert seen[0]() is None


def test_saved_arrays_are_dropped_as_the_pass_goes():
    """When the first operation is reached, all later ones hold nothing any more."""
    nodes = []
    found = []

    @primitive()
    def probe(xp, x, /):
        return xp.exp(x), None

    @probe.rule
    def _(xp, g, saved, parents):
        found.extend((n.saved, n.operation, n.parents, n.gradient) for n in nodes)
        return (g,)

    def fn(x):
        y = probe(x)
        for _ in range(5):
            y = y * y
            nodes.append(y.node)
        return total(y)

    grad(fn)(X)
    assert found == [(None, None, (), None)] * 5


def test_each_operation_is_passed_once_and_after_all_that_use_it():
    order = []

    @primitive(1)
    def noted(xp, x, name, /):
        return xp.positive(x), name

    @noted.rule
    def _(xp, g, name, parents):
        order.append(name)
        return (g,)

    def diamond(x):
        a = noted(x, "a")
        b, c = noted(a, "b"), noted(a, "c")
        return total(noted(b + c, "d") + noted(a, "e"))

    assert grad(diamond)(X).tolist() == [3.0, 3.0]
    assert order == ["e", "d", "c", "b", "a"]


def test_gradients_that_two_operations_share_are_not_changed_in_place():
    """``a + b`` hands one array to both sides; adding to one side's must not reach the other."""

    def fn(x, y):
        s = x * 1.0
        t = y * 1.0
        u = s + t  # the same array g goes to s and t
        return total(u * 2.0 + s * 3.0 + s * 5.0 + t * 7.0)

    gx, gy = grad(fn, (0, 1))(X, X)
    assert gx.tolist() == [10.0, 10.0]
    assert gy.tolist() == [9.0, 9.0]


def test_gradients_that_are_given_are_not_changed_in_place():
    """A result that others are computed from gets more gradients; the first is the caller's array."""

    def fn(x):
        y = x * 2.0
        return y, y * 3.0, y * 5.0

    _, pullback = vjp(fn, X)
    given = tuple(np.full(2, v) for v in (1.0, 10.0, 100.0))
    for _ in range(2):
        assert pullback(given)[0].tolist() == [1062.0, 1062.0]
    assert [g.tolist() for g in given] == [[1.0, 1.0], [10.0, 10.0], [100.0, 100.0]]


def test_a_used_up_tape_says_so():
    level = new_level()
    x = Variable(X, Leaf(level))
    y = x * x
    xp = array_namespace(X)
    backpropagate([(y.node, X)], xp)
    with pytest.raises(RuntimeError, match="already used up by an earlier reverse pass"):
        backpropagate([(y.node, X)], xp)


def test_a_leaf_writes_into_its_buffer():
    """The first gradient overwrites what was there, later ones are added."""
    buffer = np.full(2, 99.0)
    level = new_level()
    x = Variable(X, Leaf(level, buffer))
    y = total(x * x + x * 3.0)
    backpropagate([(y.node, np.asarray(1.0))], array_namespace(X))
    assert buffer.tolist() == [5.0, 7.0]
    assert x.node.gradient is None
    assert x.node.claim() is None, "it was written already"
    assert Leaf(level, buffer).claim() is buffer
    assert Leaf(level).claim() is None


def test_threads_do_not_disturb_each_other():
    def work(k):
        x = np.asarray([float(k), 1.0])
        return grad(lambda x: total(grad(lambda y: total(x * y * y * y))(x)))(x).tolist()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(40)))
    assert found == [[9.0 * k * k, 9.0] for k in range(40)]

"""``checkpoint``: the same gradients from less memory."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

import learnkit as lk
from learnkit import nn
from learnkit.autodiff import check_grads, checkpoint, grad, hvp, jvp, stop_gradient, value_and_grad, vjp
from learnkit.backends import array_namespace
from learnkit.errors import GradientError
from learnkit.nn.scope import training

X = np.asarray([0.4, -1.2, 2.0])


def total(x):
    return array_namespace(x).sum(x)


def bend(x):
    xp = array_namespace(x)
    return xp.tanh(x) * x + xp.exp(-x * x)


FUNCTIONS = {
    "one segment": lambda x: total(checkpoint(bend)(x)),
    "segment in segment": lambda x: total(
        checkpoint(lambda y: checkpoint(bend)(y) * checkpoint(bend)(y + 1.0))(x)
    ),
    "one after another": lambda x: total(checkpoint(bend)(checkpoint(bend)(checkpoint(bend)(x)))),
    "used twice": lambda x: (lambda y: total(y * y + y))(checkpoint(bend)(x)),
    "argument and surroundings": lambda x: (
        lambda s: total(checkpoint(lambda y: y * s + bend(y) * x)(x * 2.0))
    )(total(x)),
    "surroundings only": lambda x: total(checkpoint(lambda: bend(x))()),
    "several arguments": lambda x: total(
        checkpoint(lambda a, b, scale: a * b * scale)(x, bend(x), scale=3.0)
    ),
    "nothing computed": lambda x: total(checkpoint(lambda y: y)(x) * x),
    "a constant": lambda x: total(checkpoint(lambda y: array_namespace(y).ones_like(y))(x) * x),
    "a gradient inside": lambda x: total(checkpoint(lambda y: grad(lambda z: total(z * z * y))(y))(x)),
}


def plainly(fn):
    """``fn`` with checkpoints that do nothing."""
    return fn.__class__(fn.__code__, {**fn.__globals__, "checkpoint": lambda f: f}, fn.__name__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_those_without(backend, name):
    """Bit for bit, since the same operations are run; and right to second order."""
    fn = FUNCTIONS[name]
    x = backend.asarray(X, "float64")
    value, gradient = value_and_grad(fn)(x)
    value_plain, gradient_plain = value_and_grad(plainly(fn))(x)
    backend.assert_array(value, backend.to_numpy(value_plain), dtype="float64", rtol=0, atol=0)
    backend.assert_array(gradient, backend.to_numpy(gradient_plain), dtype="float64", rtol=1e-15, atol=1e-15)
    check_grads(fn, x, order=2, rtol=1e-5)
    assert value == fn(x), "on plain arrays it is the function itself"


def test_forward_and_second_order_products_go_through():
    fn = FUNCTIONS["one after another"]
    v = np.asarray([1.0, 0.5, -1.0])
    assert jvp(fn, (X,), (v,))[1] == pytest.approx(jvp(plainly(fn), (X,), (v,))[1], rel=1e-13)
    np.testing.assert_allclose(hvp(fn, (X,), (v,))[0], hvp(plainly(fn), (X,), (v,))[0], rtol=1e-12)


def test_it_may_be_pulled_back_more_than_once():
    _, pullback = vjp(lambda x: checkpoint(bend)(x), X)
    first = pullback(np.ones(3))[0]
    np.testing.assert_array_equal(pullback(np.full(3, 2.0))[0], 2 * first)
    np.testing.assert_array_equal(pullback(np.ones(3))[0], first)


def test_the_function_runs_once_forward_and_once_backward():
    calls = []

    def noted(x):
        calls.append(1)
        return bend(x)

    value, pullback = vjp(checkpoint(noted), X)
    assert len(calls) == 1
    pullback(value)
    assert len(calls) == 2


def test_parameters_of_a_model_are_found_in_the_surroundings(backend):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
    nn.initialize(model, seed=0, backend=backend.backend)
    x = backend.asarray(np.linspace(-1, 1, 6).reshape(2, 3))

    def loss(m, x, wrap):
        return total(wrap(lambda x: m(x))(x) * x)

    plain = grad(loss, (0, 1))(model, x, lambda f: f)
    small = grad(loss, (0, 1))(model, x, checkpoint)
    backend.assert_array(small[1], backend.to_numpy(plain[1]), like=x)
    for path, g in plain[0].items():
        backend.assert_array(small[0][path], backend.to_numpy(g), like=x)


class Dropped(nn.Module):
    """Dropout between two layers, each half behind a checkpoint or not."""

    def __init__(self, wrap):
        self.first, self.drop, self.last = nn.Linear(4, 64), nn.Dropout(0.5), nn.Linear(64, 2)
        self.wrap = wrap

    def __call__(self, x):
        hidden = self.wrap(lambda x: self.drop(self.first(x)))(x)
        return self.last(self.drop(hidden))  # the second use of one layer has a mask of its own


def test_dropout_draws_the_same_masks_again(backend):
    """Also for a layer that is used before, inside and after a segment, and if the step is repeated."""
    x = backend.asarray(np.linspace(-1, 1, 12).reshape(3, 4))
    found = []
    for wrap in (lambda f: f, checkpoint, lambda f: checkpoint(checkpoint(f)), checkpoint):
        model = Dropped(wrap)
        nn.initialize(model, seed=0, backend=backend.backend)
        with training(seed=3, step=5):
            found.append(value_and_grad(lambda m, x: total(m(x) * m(x)))(model, x))
    for value, gradient in found[1:]:
        assert float(value) == float(found[0][0])
        for path, g in gradient.items():
            want = backend.to_numpy(found[0][1][path])
            backend.assert_array(g, want, dtype="float32", rtol=1e-6, atol=1e-6)
    with training(seed=3, step=6):
        assert float(total(model(x))) != float(found[0][0])


def test_assignments_to_an_argument_are_not_seen_when_it_is_computed_again():
    """Neither those of the function itself nor later ones: the argument is as it was at the call."""

    def doubled_first(t):
        x = t["x"][0]
        x[0] = x[1] * 2.0
        return total(x * x)

    def assigned_later(call):
        def fn(x):
            y = x * 1.0
            z = call(lambda y: y * y * y)(y)
            y[1] = 0.0
            return total(z) + total(y)

        return fn

    wanted = grad(lambda x: doubled_first({"x": [x * 1.0]}))(X)
    got = grad(lambda x: checkpoint(doubled_first)({"x": [x * 1.0]}))(X)
    np.testing.assert_allclose(got, wanted, rtol=1e-14)
    wanted = grad(assigned_later(lambda f: f))(X)
    np.testing.assert_allclose(grad(assigned_later(checkpoint))(X), wanted, rtol=1e-14)


def test_values_of_the_surroundings_that_are_constants_stay_so():
    def fn(x):
        c = stop_gradient(x * 2.0)
        return total(checkpoint(lambda y: y * c)(x))

    assert grad(fn)(X).tolist() == (2 * X).tolist()


def test_stored_memory_grows_as_the_square_root_of_the_depth():
    """Twelve times the layers in segments of the square root take about three and a half times the memory."""
    x = np.full(20_000, 0.5)

    def layer(x):
        return array_namespace(x).tanh(x)

    def repeated(n):
        def run(x):
            for _ in range(n):
                x = layer(x)
            return x

        return run

    def in_segments(depth):
        n = math.isqrt(depth)

        def run(x):
            for _ in range(n):
                x = checkpoint(repeated(n))(x)
            return total(x)

        return run

    def peak(fn):
        gradient = grad(fn)
        tracemalloc.start()
        try:
            gradient(x)
            return tracemalloc.get_traced_memory()[1] / x.nbytes
        finally:
            tracemalloc.stop()

    depths = (16, 64, 144)
    plain = [peak(lambda x, d=d: total(repeated(d)(x))) for d in depths]
    small = [peak(in_segments(d)) for d in depths]
    for d, p, s in zip(depths, plain, small, strict=True):
        print(f"depth {d}: {p:.1f} arrays at the peak, {s:.1f} in segments")
    assert plain[2] > 0.9 * 144
    assert small[2] / small[0] < 3.6
    assert small[2] < 0.3 * plain[2]
    for depth, s in zip(depths, small, strict=True):
        assert s < 2 * math.isqrt(depth) + 6


def test_two_results_are_refused():
    with pytest.raises(GradientError, match="checkpoint expects a function that returns one array"):
        grad(lambda x: total(checkpoint(lambda y: (y * 2.0, y))(x)[0]))(X)


def test_it_is_at_the_top_level():
    assert lk.checkpoint is checkpoint

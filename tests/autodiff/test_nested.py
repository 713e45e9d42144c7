"""Gradients of gradients: levels must not be confused, in whatever order variables meet."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import check_grads, grad, is_variable, value_and_grad, vjp
from learnkit.autodiff.rules import layers
from learnkit.backends import array_namespace


def total(x):
    return array_namespace(x).sum(x)


ONE, TWO = np.asarray(1.0), np.asarray(2.0)
X = np.asarray([0.5, -1.2, 2.0])


def test_derivatives_of_any_order():
    f = lambda x: x**4  # noqa: E731
    expected = [16.0, 32.0, 48.0, 48.0, 24.0, 0.0]
    for order, value in enumerate(expected):
        assert f(TWO) == value, f"order {order}"
        f = grad(f)


def test_perturbations_are_not_confused():
    """d/dx (x d/dy (x + y)) is 1; a tape without levels gives 2."""
    assert grad(lambda x: x * grad(lambda y: x + y)(ONE))(ONE) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(ONE))(np.asarray(3.0)) == 6.0
    assert (
        grad(lambda x: grad(lambda y: grad(lambda z: x * y * z)(ONE) * y)(TWO) * x)(np.asarray(3.0)) == 24.0
    )


def test_the_argument_of_the_outer_level_may_be_that_of_the_inner():
    """d/dx of d/dy (y^3) at y = x^2 is 12 x^3."""
    assert grad(lambda x: grad(lambda y: y**3)(x * x))(TWO) == 96.0


def of(x, y):
    """The namespace of ``x``, if it is a variable, without a look at ``y``."""
    return array_namespace(x if is_variable(x) else y)


MIXED = {
    "constant of the outer level": lambda x, y: x * y,
    "namespace of the inner variable": lambda x, y: of(y, x).multiply(x, y),
    "namespace of the outer variable": lambda x, y: of(x, y).multiply(y, x),
    "comparison across levels": lambda x, y: of(y, x).where(x < x * y, x * y, y),
    "comparison of the inner namespace": lambda x, y: of(y, x).where(of(y, x).greater(x * y, 0.7), x * y, y),
    "comparison of the outer namespace": lambda x, y: of(x, y).where(of(x, y).greater(x * y, 0.7), x * y, y),
    "zeros like an outer variable": lambda x, y: of(y, x).maximum(x * y, of(y, x).zeros_like(x)),
    "zeros like an inner variable": lambda x, y: of(x, y).maximum(x * y, of(x, y).zeros_like(y)),
    "floor across levels": lambda x, y: x * y + (x * y) // (y * 10.0),
    "remainder across levels": lambda x, y: (x * y + 3.0) % (y * y + 10.0),
    "concatenation": lambda x, y: array_namespace(x, y).concat([x, y, X, x * y]),
    "matrix product": lambda x, y: array_namespace(x, y).matmul(x, y) * X,
    "indexing": lambda x, y: (x * y)[1:] * y[:-1] * X[1:],
    "plain arrays on the left": lambda x, y: X * y + X * x - X / (y + 10.0),
}


@pytest.mark.parametrize("name", MIXED)
def test_variables_of_two_levels_meet(name):
    """Second derivatives across the levels agree with differences."""
    mix = MIXED[name]

    def inner(x):
        return grad(lambda y: total(mix(x, y) * mix(x, y)))(X + 0.1)

    check_grads(inner, X)
    check_grads(lambda x: grad(lambda y: total(mix(y, x) * mix(y, x)))(X + 0.1), X)


def test_vjp_inside_a_gradient():
    """The pull-back of a function that uses an outer variable, given plain arrays only."""
    check_grads(lambda a: vjp(lambda y: a * y * y, X)[1](np.ones(3))[0], X)
    check_grads(lambda a: vjp(lambda y: a * y * y, X)[0], X)


def test_gradient_inside_a_vjp_pulled_back_twice():
    value, pullback = vjp(lambda x: grad(lambda y: total(x * y**3))(X), X)
    np.testing.assert_allclose(value, 3 * X**3)
    for scale in (1.0, 2.0):
        (g,) = pullback(np.full(3, scale))
        np.testing.assert_allclose(g, scale * 3 * X**2)


def test_hessian_vector_product(backend):
    """(d/dx) (grad f . v) is H v, on every library."""
    x, v = backend.asarray([0.5, -1.0, 2.0], "float64"), backend.asarray([1.0, 2.0, 3.0], "float64")

    def f(x):
        xp = array_namespace(x)
        return xp.sum(xp.exp(x[:2]) * x[1:]) + x[0] * x[2]

    product = grad(lambda x: total(grad(f)(x) * v))(x)
    e0, e1 = np.exp(0.5), np.exp(-1.0)
    hessian = np.asarray([[-1.0 * e0, e0, 1.0], [e0, 2.0 * e1, e1], [1.0, e1, 0.0]])
    backend.assert_array(product, hessian @ np.asarray([1.0, 2.0, 3.0]), dtype="float64", rtol=1e-12)


def test_gradient_penalty_of_a_model(backend):
    """The gradient of the norm of a gradient, with respect to a model, agrees with differences."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    nn.initialize(model, seed=3, backend=backend.backend, dtype="float64")
    x = backend.asarray([[0.3, -0.5], [1.0, 0.2]], "float64")

    def penalty(m):
        slope = grad(lambda x: total(m(x)))(x)
        return total(slope * slope)

    def by_parameters(m):
        return sum(total(g * g) for g in grad(lambda inner: total(inner(x)))(m).values())

    check_grads(penalty, model)
    check_grads(by_parameters, model)


def test_the_choice_of_relu_at_zero_holds_on_every_level():
    """Where relu is computed on an outer variable, its derivative at 0 is 0 too, not 1/2."""
    x = np.zeros(2)
    assert grad(lambda v: total(value_and_grad(lambda u: total(layers.relu(u)))(v)[0]))(x).tolist() == [
        0.0,
        0.0,
    ]
    assert grad(lambda v: total(vjp(layers.relu, v)[0]))(x).tolist() == [0.0, 0.0]


def test_inner_gradients_of_zero_do_not_stop_the_outer():
    assert grad(lambda x: total(grad(lambda y: total(x * x))(X) + x))(X).tolist() == [1.0, 1.0, 1.0]

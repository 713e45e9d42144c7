"""``custom_vjp``: rules given by hand, and what is said about wrong ones."""

from __future__ import annotations

import numpy as np
import pytest

import learnkit as lk
from learnkit.autodiff import check_grads, custom_vjp, grad, is_variable, jvp, value_and_grad
from learnkit.backends import array_namespace
from learnkit.errors import GradientError

X = np.asarray([0.5, -2.0, 30.0])


def total(x):
    return array_namespace(x).sum(x)


def log1pexp():
    """``log(1 + exp(x))``, which plainly written overflows in its gradient."""

    @custom_vjp
    def log1pexp(x):
        """Softplus."""
        assert not is_variable(x) or x.node.level, "the function sees what the tape wraps"
        xp = array_namespace(x)
        return xp.where(x > 20.0, x, xp.log1p(xp.exp(xp.minimum(x, xp.full_like(x, 20.0)))))

    @log1pexp.rule
    def _(g, value, x):
        xp = array_namespace(g, x)
        return (xp.multiply(g, xp.divide(1.0, xp.add(1.0, xp.exp(xp.negative(x))))),)

    return log1pexp


def scaled():
    """``a x^power`` with a rule for both, and an option."""

    @custom_vjp
    def scaled(a, x, *, power=2.0):
        return a * x**power

    @scaled.rule
    def _(g, value, a, x, *, power=2.0):
        xp = array_namespace(g, a, x)
        da = xp.sum(xp.multiply(g, xp.pow(x, power)))
        dx = xp.multiply(g, xp.multiply(a, xp.multiply(power, xp.pow(x, power - 1.0))))
        return da, dx

    return scaled


def test_values_and_gradients_on_every_library(backend):
    fn = log1pexp()
    x = backend.asarray(X, "float64")
    s = 1 / (1 + np.exp(-X))
    backend.assert_array(fn(x), np.log1p(np.exp(X)), dtype="float64", rtol=1e-8)
    value, gradient = value_and_grad(lambda x: total(fn(x)))(x)
    backend.assert_array(value, np.log1p(np.exp(X)).sum(), dtype="float64", rtol=1e-8)
    backend.assert_array(gradient, s, dtype="float64", rtol=1e-12)


def test_a_rule_can_be_differentiated_in_its_turn(backend):
    fn = log1pexp()
    x = backend.asarray(X[:2], "float64")
    check_grads(fn, x, order=3, modes=("fwd", "rev"), rtol=1e-5)


def test_several_arguments_and_an_option():
    fn = scaled()
    check_grads(lambda a, x: fn(a, x, power=3.0), np.asarray(1.5), X / 10, order=2)
    assert grad(lambda x: total(fn(3.0, x)))(np.asarray([2.0])).tolist() == [12.0], "a number is a constant"


def test_the_rule_is_used_and_not_the_derivative_of_the_function():
    twice = custom_vjp(lambda x: x * 2.0)
    twice.rule(lambda g, value, x: g * 100.0)  # a bare array will do for one argument
    assert grad(lambda x: total(twice(x)))(X).tolist() == [100.0] * 3
    assert jvp(twice, (X,), (np.ones(3),))[1].tolist() == [100.0] * 3


def test_none_is_no_gradient():
    fn = custom_vjp(lambda x, y: x * y)
    fn.rule(lambda g, value, x, y: (g * y, None))
    gx, gy = grad(lambda x, y: total(fn(x, y)), (0, 1))(X, X)
    assert gx.tolist() == X.tolist()
    assert gy.tolist() == [0.0] * 3


def test_the_wrapper_keeps_name_and_description():
    fn = log1pexp()
    assert fn.__name__ == "log1pexp"
    assert fn.__doc__ == "Softplus."
    assert lk.custom_vjp is custom_vjp


def test_the_gradient_of_a_rule_comes_in_the_dtype_of_its_argument(backend):
    """A rule may compute in another precision, or in complex numbers for a real argument."""

    @custom_vjp
    def rounded(x):
        return x * 1.0

    @rounded.rule
    def _(g, value, x):
        xp = array_namespace(g)
        return xp.astype(g, xp.complex64) * (3.0 + 1.0j)

    x = backend.asarray([1.0, 2.0], "float64")
    backend.assert_array(grad(lambda x: total(rounded(x * x)))(x), [6.0, 12.0], dtype="float64")


def with_rule(rule):
    fn = custom_vjp(lambda x, y: x * y)
    fn.__wrapped__.__name__ = "product"
    made = custom_vjp(fn.__wrapped__)
    made.rule(rule)
    return lambda: grad(lambda x: total(made(x, X)))(X)


def without_rule():
    @custom_vjp
    def lonely(x):
        return x

    return grad(lambda x: total(lonely(x)))(X)


def gives_a_list():
    fn = custom_vjp(lambda x: [x])
    fn.rule(lambda g, value, x: g)
    return fn(X)


def variable_as_option():
    fn = scaled()
    return grad(lambda x: total(fn(1.0, x, power=x)))(X)


MISTAKES = {
    "too few gradients": (
        with_rule(lambda g, value, x, y: (g,)),
        "the rule of product returned 1 gradients, expected 2: one for each positional argument, None for",
    ),
    "too many gradients": (
        with_rule(lambda g, value, x, y: (g, g, g)),
        "the rule of product returned 3 gradients, expected 2",
    ),
    "wrong shape": (
        with_rule(lambda g, value, x, y: (g[:1], None)),
        "the rule of product returned a gradient of shape (1,) for argument 0 of shape (3,)",
    ),
    "a number for a gradient": (
        with_rule(lambda g, value, x, y: (2.0, None)),
        "the rule of product returned float for argument 0, expected an array of shape (3,), or None",
    ),
    "no rule": (without_rule, "lonely has no rule yet\n  give it one: @lonely.rule above def backward"),
    "no array": (gives_a_list, "<lambda> returned list, expected one array"),
    "variable as option": (variable_as_option, "option 'power' of scaled is a variable\n  pass what"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_explained(name):
    call, text = MISTAKES[name]
    with pytest.raises(GradientError) as caught:
        call()
    assert text in str(caught.value)

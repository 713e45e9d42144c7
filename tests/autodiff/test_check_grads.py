"""``check_grads`` must fail when it should: a checker that passes everything proves nothing."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import check_grads, primitive, stop_gradient
from learnkit.backends import array_namespace
from learnkit.errors import GradientError


@primitive()
def wrong_slope(xp, x, /):
    return xp.square(x), x


@wrong_slope.rule
def _(xp, g, x, parents):
    slope = np.asarray([2.0, 2.0, 2.1])  # the last entry is 5 % off
    return (xp.multiply(g, xp.multiply(slope, x)),)


@primitive()
def wrong_curvature(xp, x, /):
    return xp.square(x), x


@wrong_curvature.rule
def _(xp, g, x, parents):
    return (xp.multiply(g, xp.multiply(2.0, stop_gradient(x))),)  # right, but the tape ends here


@primitive()
def not_a_number(xp, x, /):
    return xp.square(x), x


@not_a_number.rule
def _(xp, g, x, parents):
    return (xp.multiply(g, float("nan")),)


@primitive()
def wrong_shape(xp, x, /):
    return xp.sum(x), x


@wrong_shape.rule
def _(xp, g, x, parents):
    return (g,)


X = np.asarray([1.0, 2.0, 3.0])


def test_a_wrong_entry_is_named_with_both_numbers():
    with pytest.raises(GradientError) as caught:
        check_grads(lambda a, tree: wrong_slope(tree["x"]) + a, X, {"x": X})
    text = str(caught.value)
    assert text.startswith("gradient of argument [1]['x'], entry 2: reverse ")
    reverse, differences = (float(part.split()[-1]) for part in text.split(",")[1:3])
    assert reverse == pytest.approx(1.05 * differences)


def test_a_wrong_second_derivative_passes_the_first_order_and_fails_the_second():
    check_grads(wrong_curvature, X)
    with pytest.raises(GradientError, match=r"entry 0: reverse 0\.0, differences "):
        check_grads(wrong_curvature, X, order=2)


def test_nan_fails():
    with pytest.raises(GradientError, match=r"entry 0: reverse nan, differences .*; not finite"):
        check_grads(not_a_number, X)


def test_a_value_that_is_not_finite_fails():
    def undefined(x):
        return x * float("inf")

    with pytest.raises(GradientError, match="not finite"):
        check_grads(undefined, X)


def test_a_gradient_of_another_shape_fails():
    with pytest.raises(GradientError, match=r"argument \[0\] has shape \(\), the argument \(3,\)"):
        check_grads(wrong_shape, X)


@pytest.mark.parametrize(
    ("fn", "args", "message"),
    [
        (lambda x: x, (np.empty((0, 3)),), "compared nothing: the arguments have no entries"),
        (list, (), "compared nothing: the function returned no array"),
        (lambda x: [], (X,), "compared nothing: the function returned no array"),
        (lambda x: x, (X.astype("float32"),), "argument 0 has dtype float32; differences need float64"),
        (lambda x: x["a"], ({"a": X.astype("float32")},), "argument 0['a'] has dtype float32"),
    ],
)
def test_what_cannot_be_compared_fails(fn, args, message):
    with pytest.raises(GradientError) as caught:
        check_grads(fn, *args)
    assert message in str(caught.value)


def test_order_below_one_is_refused():
    with pytest.raises(GradientError, match="order is 0, expected 1 or more"):
        check_grads(lambda x: x, X, order=0)


def test_the_entry_is_found_at_the_tolerance():
    """A slope that is off by 2e-6 relative fails the default of 1e-6 and passes 1e-5."""

    @primitive()
    def nearly(xp, x, /):
        return xp.square(x), x

    nearly.rule(lambda xp, g, x, parents: (xp.multiply(g, xp.multiply(2.0 * (1 + 2e-6), x)),))
    with pytest.raises(GradientError):
        check_grads(nearly, X)
    check_grads(nearly, X, rtol=1e-5)


def test_models_trees_and_several_results_are_checked(backend):
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    nn.initialize(model, seed=1, backend=backend.backend, dtype="float64")
    x = backend.asarray([[0.1, -0.4, 0.3], [1.0, 0.2, -0.7]], "float64")

    def fn(model, tree):
        y = model(tree["x"])
        return {"y": y, "total": array_namespace(y).sum(y * y)}

    check_grads(fn, model, {"x": x}, order=2)


def test_arguments_are_left_as_they_were():
    x = X.copy()
    check_grads(lambda x: x * x, x, order=2)
    np.testing.assert_array_equal(x, X)

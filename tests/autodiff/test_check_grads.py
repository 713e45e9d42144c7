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
    assert text.startswith("gradient of argument [1]['x'], entry (2,): reverse ")
    reverse, differences = (float(part.split()[-1]) for part in text.split(",")[-2:])
    assert reverse == pytest.approx(1.05 * differences)


def test_a_wrong_second_derivative_passes_the_first_order_and_fails_the_second():
    check_grads(wrong_curvature, X)
    with pytest.raises(GradientError, match=r"entry \(0,\): reverse 0\.0, differences "):
        check_grads(wrong_curvature, X, order=2)


def test_nan_fails():
    with pytest.raises(GradientError, match=r"entry \(0,\): reverse nan, differences .*; not finite"):
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
        (list, (), "compared nothing: the arguments have no entries"),
        (lambda x: x[:0], (X,), "compared nothing: the function returned no entries"),
        (lambda x: [], (X,), "compared nothing: the function returned no array"),
        (
            lambda x: x,
            (X.astype("float32"),),
            "argument 0 has dtype float32; differences need float64 or complex128",
        ),
        (lambda x: x["a"], ({"a": X.astype("float32")},), "argument 0['a'] has dtype float32"),
        (lambda x: None, (X,), "result 0 is of type NoneType, expected an array"),
        (lambda x: (x, 2.0), (X,), "result 1 is of type float, expected an array"),
        (
            lambda x: (x, array_namespace(x).argmax(x)),
            (X,),
            "result 1 has dtype int64, which has no gradient to compare\n  leave it out",
        ),
        (lambda x: x > 0.5, (X,), "result 0 has dtype bool, which has no gradient to compare"),
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


# Complex arguments, forward mode, single precision

Z = np.asarray([[1.0 + 2.0j, -0.5 + 0.1j], [0.3 - 0.7j, 2.0 + 0.0j]])


def test_complex_arguments_pass_in_both_modes():
    check_grads(lambda z: array_namespace(z).exp(z) / (z + 5.0), Z, order=2, modes=("fwd", "rev"))
    check_grads(lambda z: {"size": array_namespace(z).abs(z), "square": z * z}, Z, modes=("fwd", "rev"))
    check_grads(lambda x, z: x * z, X[:2], Z, modes=("fwd", "rev"))


@primitive()
def holomorphic_without_conjugate(xp, z, /):
    return xp.square(z), z


@holomorphic_without_conjugate.rule
def _(xp, g, z, parents):
    return (xp.multiply(g, xp.multiply(2.0, z)),)  # the conjugate of z is right


def test_a_missing_conjugate_is_found_and_the_part_named():
    with pytest.raises(GradientError) as caught:
        check_grads(holomorphic_without_conjugate, Z)
    text = str(caught.value)
    assert text.startswith("gradient of argument [0], entry (0, 0), real part: reverse ")
    with pytest.raises(GradientError, match=r"entry \(0, 0\), imaginary part: reverse"):
        check_grads(lambda z: array_namespace(z).real(holomorphic_without_conjugate(z)), Z)


def test_forward_mode_finds_the_wrong_entry():
    with pytest.raises(GradientError, match=r"^tangent of result 0, entry \(2,\): forward .*, differences "):
        check_grads(wrong_slope, X, modes=("fwd",))
    with pytest.raises(GradientError, match=r"tangent of result 0, entry \(0,\): forward nan, .*not finite"):
        check_grads(not_a_number, X, modes=("fwd",))


@primitive()
def always_double(xp, x, /):
    return xp.square(x), x


@always_double.rule
def _(xp, g, x, parents):
    return (xp.multiply(xp.astype(g, xp.float64), xp.multiply(2.0, xp.astype(x, xp.float64))),)


@primitive()
def wrong_in_single(xp, x, /):
    return xp.square(x), x


@wrong_in_single.rule
def _(xp, g, x, parents):
    factor = 2.0 if x.dtype == xp.float64 else 2.1
    return (xp.multiply(g, xp.multiply(factor, x)),)


def test_single_precision_is_compared_with_double():
    both = ("float32", "float64")
    check_grads(lambda x: x * x * x, X, dtypes=both)
    check_grads(lambda z: z * z, Z, dtypes=both, order=2)
    check_grads(wrong_in_single, X)
    with pytest.raises(GradientError, match=r"entry \(0,\): single precision .*, double "):
        check_grads(wrong_in_single, X, dtypes=both)
    check_grads(always_double, X, dtypes=both)  # the gradient is brought back to the dtype of the argument


def test_a_model_cannot_be_cast():
    model = nn.Linear(2, 1)
    nn.initialize(model, dtype="float64")
    with pytest.raises(GradientError, match="a model cannot be checked in float32 beside float64"):
        check_grads(lambda m: m(np.ones((1, 2))), model, dtypes=("float32", "float64"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modes": ("forward",)}, "modes is ('forward',), expected a tuple of 'fwd' and 'rev'"),
        ({"modes": ()}, "modes is (), expected a tuple"),
        ({"modes": "rev"}, "modes is 'rev', expected a tuple"),
        ({"atol": float("nan")}, "atol is nan, expected a number 0 or more"),
        ({"rtol": float("inf")}, "rtol is inf, expected a number 0 or more"),
        ({"rtol": -1e-6}, "rtol is -1e-06, expected a number 0 or more"),
        ({"step": 0.0}, "step is 0.0, expected a number above 0"),
        ({"dtypes": ("float16",)}, "dtypes is ('float16',), expected a tuple of 'float32' and 'float64'"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(GradientError) as caught:
        check_grads(lambda x: x, X, **options)
    assert message in str(caught.value)

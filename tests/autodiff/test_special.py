"""Special functions: values, gradients, and the ends of the real line."""

from __future__ import annotations

import math

import numpy as np
import pytest

from learnkit.autodiff import grad, namespace, vjp
from learnkit.autodiff.rules.special import SPECIAL
from learnkit.backends import array_namespace, get_backend

rng = np.random.default_rng(23)


def normal(*shape):
    return rng.normal(size=shape)


def between(low, high, *shape):
    return rng.uniform(low, high, size=shape)


def special(name, **options):
    return lambda xp, *arrays: SPECIAL[name](*arrays, **options)


CASES = {
    "digamma": (special("digamma"), between(0.3, 4.0, 2, 3)),
    "digamma negative": (special("digamma"), np.asarray([-0.4, -1.6, -2.3])),
    "entr": (special("entr"), between(0.2, 2.0, 2, 3)),
    "erf": (special("erf"), normal(2, 3)),
    "erf pieces": (special("erf"), np.asarray([-4.2, -4.0, -0.46875, 0.0, 0.46875, 4.0, 5.0])),
    "erfc": (special("erfc"), normal(2, 3)),
    "erfc pieces": (special("erfc"), np.asarray([-4.2, -4.0, -0.46875, 0.0, 0.46875, 4.0, 5.0])),
    "expit": (special("expit"), normal(2, 3)),
    "expit far": (special("expit"), np.asarray([-9.0, 0.0, 9.0])),
    "gammaln": (special("gammaln"), between(0.3, 4.0, 2, 3)),
    "gammaln negative": (special("gammaln"), np.asarray([-0.4, -1.6, -2.3])),
    "gammaln joint": (special("gammaln"), np.asarray([0.5, 1.0, 2.0])),
    "log_expit": (special("log_expit"), normal(2, 3)),
    "log_expit far": (special("log_expit"), np.asarray([-30.0, 0.0, 12.0])),
    "log_ndtr": (special("log_ndtr"), normal(2, 3)),
    "log_ndtr far": (special("log_ndtr"), np.asarray([-12.0, -3.0, 0.0, 4.0])),
    "logit": (special("logit"), between(0.1, 0.9, 2, 3)),
    "ndtr": (special("ndtr"), normal(2, 3)),
    "polygamma 1": (special("polygamma", order=1), between(0.4, 4.0, 2, 2)),
    "polygamma 2": (special("polygamma", order=2), np.asarray([-0.6, 0.7, 3.0])),
    "xlogy": (special("xlogy"), normal(2, 3), between(0.3, 2.0, 2, 3)),
    "xlogy broadcast": (special("xlogy"), normal(2, 1), between(0.3, 2.0, 3)),
    "xlogy of a number": (lambda xp, y: SPECIAL["xlogy"](1.7, y), between(0.3, 2.0, 3)),
    "xlogy with a number": (lambda xp, x: SPECIAL["xlogy"](x, 1.7) * x, normal(3)),
}

#: From 50 digits.
RECORDED = {
    "erf": {
        -2.5: -0.999593047982555,
        -0.3: -0.3286267594591274,
        1e-09: 1.1283791670955127e-09,
        0.46875: 0.49261347321793797,
        1.7: 0.9837904585907745,
        4.5: 0.9999999998033839,
    },
    "erfc": {
        -2.5: 1.999593047982555,
        0.3: 0.6713732405408726,
        1.7: 0.01620954140922544,
        4.5: 1.9661604415428876e-10,
        20.0: 5.395865611607901e-176,
    },
    "expit": {
        -40.0: 4.248354255291589e-18,
        -1.3: 0.2141650169574414,
        0.0: 0.5,
        2.5: 0.9241418199787564,
    },
    "logit": {
        1e-08: -18.420680733952366,
        0.2: -1.3862943611198906,
        0.75: 1.0986122886681098,
    },
    "log_expit": {
        -40.0: -40.0,
        -1.3: -1.5410084538329922,
        0.0: -0.6931471805599453,
        2.5: -0.07888973429254963,
        40.0: -4.248354255291589e-18,
    },
    "gammaln": {
        1e-06: 13.815509980749432,
        0.3: 1.0957979948180756,
        1.5: -0.12078223763524522,
        2.5: 0.2846828704729192,
        30.0: 71.25703896716801,
        1000000.0: 12815504.569147611,
        -1.3: 1.2024757863901114,
        -7.6: -8.56298627582828,
    },
    "digamma": {
        1e-06: -1000000.5772140201,
        0.3: -3.502524222200133,
        1.0: -0.5772156649015329,
        2.5: 0.7031566406452432,
        30.0: 3.384438132685525,
        1000000.0: 13.815510057964191,
        -1.3: 2.8825405488661673,
        -7.6: 1.071732116277544,
    },
    "entr": {
        1e-09: 2.072326583694641e-08,
        0.3: 0.3611918412977808,
        2.0: -1.3862943611198906,
    },
    "ndtr": {
        -20.0: 2.7536241186062337e-89,
        -1.3: 0.09680048458561033,
        0.4: 0.6554217416103242,
        3.0: 0.9986501019683699,
    },
    "log_ndtr": {
        -200.0: -20006.21728089819,
        -20.0: -203.91715537109727,
        -1.3: -2.3351032786624426,
        0.4: -0.42247637022777607,
        3.0: -0.0013508099647481938,
        9.0: -1.1285884059538405e-19,
    },
}
POLYGAMMA = [
    (1, 0.3, 12.245364546107732),
    (1, 2.5, 0.49035775610023485),
    (1, -1.3, 14.53687624413708),
    (2, 0.3, -75.27253658872604),
    (2, 2.5, -0.2362040516417274),
    (2, -1.3, 68.54941347116214),
    (3, 0.3, 743.1417646550498),
    (3, 2.5, 0.22390584881725206),
    (3, -1.3, 768.7206571990426),
]

ONE_ARGUMENT = sorted(set(SPECIAL) - {"polygamma", "xlogy"})


@pytest.mark.parametrize("row", CASES)
def test_gradient_and_its_gradient_agree_with_differences(row, check_row):
    """Within 1e-6 relative of central differences in float64, and so is the derivative of the gradient."""
    check_row(CASES[row])


@pytest.mark.parametrize("row", CASES)
def test_gradient_on_every_backend(backend, row, same_as_numpy):
    """Values and gradients elsewhere are those of NumPy, at home, in float64 and float32."""
    same_as_numpy(backend, CASES[row], rtol=1e-9)


@pytest.mark.parametrize("name", RECORDED)
def test_values_are_those_of_fifty_digits(backend, name):
    """To 1e-12 relative, except next to a zero of the function, where it is 1e-14 absolute."""
    points = list(RECORDED[name])
    got = SPECIAL[name](backend.asarray(points, "float64"))
    backend.assert_array(got, list(RECORDED[name].values()), dtype="float64", rtol=1e-12, atol=0)


@pytest.mark.parametrize(("order", "x", "want"), POLYGAMMA)
def test_polygamma_of_every_order(order, x, want):
    """Its values, on both sides of 0, are those of 50 digits."""
    np.testing.assert_allclose(SPECIAL["polygamma"](np.asarray(x), order=order), want, rtol=1e-12)


RANGES = {
    "digamma": (np.linspace(0.05, 40.0, 201), np.linspace(-4.45, -0.05, 101)),
    "entr": (np.linspace(0.0, 5.0, 101), np.asarray([-1.0, 1e-300])),
    "erf": (np.linspace(-7.0, 7.0, 301), np.asarray([1e-300, 40.0])),
    "erfc": (np.linspace(-7.0, 26.0, 301),),
    "expit": (np.linspace(-700.0, 700.0, 301),),
    "gammaln": (np.linspace(0.05, 40.0, 301), np.linspace(-4.45, -0.05, 101), 10.0 ** np.arange(2, 300, 20)),
    "log_expit": (np.linspace(-700.0, 36.0, 301),),
    "log_ndtr": (np.linspace(-60.0, 30.0, 301), np.asarray([-1e9, -1e4])),
    "logit": (np.linspace(0.01, 0.99, 101), 10.0 ** np.arange(-300.0, -1.0, 20.0)),
    "ndtr": (np.linspace(-37.0, 9.0, 301),),
}


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_values_are_those_of_scipy(name):
    """To 1e-12 relative over the range, and 1e-15 absolute at a zero of the function."""
    theirs = pytest.importorskip("scipy.special", reason="scipy is not installed")
    for x in RANGES[name]:
        wanted = getattr(theirs, name)(x)
        np.testing.assert_allclose(SPECIAL[name](x), wanted, rtol=1e-12, atol=1e-15)


def test_xlogy_of_nothing():
    """0 where x is 0 whatever y is, unless y is NaN; and 0 is then the gradient of y, without a warning."""
    x = np.asarray([0.0, 0.0, 0.0, 0.0, 0.0])
    y = np.asarray([0.0, 2.0, math.inf, -1.0, math.nan])
    value, pullback = vjp(SPECIAL["xlogy"], x, y)
    np.testing.assert_array_equal(value, [0.0, 0.0, 0.0, 0.0, math.nan])
    dx, dy = pullback(np.asarray([1.0, 1.0, 1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(dy, 0.0)
    np.testing.assert_array_equal(dx[:2], [0.0, math.log(2.0)])


ENDS = {  # at -inf, -1e300 (or the like), 1e300 and inf: the value, the gradient
    "erf": ([-math.inf, -1e150, 1e150, math.inf], [-1.0, -1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]),
    "erfc": ([-math.inf, -1e150, 1e150, math.inf], [2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]),
    "expit": ([-math.inf, -1e300, 1e300, math.inf], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]),
    "log_expit": ([-math.inf, -1e300, 1e300, math.inf], [-math.inf, -1e300, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]),
    "ndtr": ([-math.inf, -1e150, 1e150, math.inf], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]),
    "log_ndtr": (
        [-math.inf, -1e8, 1e300, math.inf],
        [-math.inf, -5000000000000019.0, 0.0, 0.0],
        [math.inf, 1e8, 0.0, 0.0],
    ),
    "gammaln": (
        [0.0, -1.0, 1e300, math.inf],
        [math.inf, math.inf, 6.897755278982138e302, math.inf],
        [-math.inf, math.nan, 690.7755278982137, math.inf],
    ),
    "digamma": (
        [0.0, -1.0, 1e300, math.inf],
        [-math.inf, math.nan, 690.7755278982137, math.inf],
        [math.inf, math.inf, 1e-300, 0.0],
    ),
    "entr": ([-1.0, 0.0, 1.0, 2.0], [-math.inf, 0.0, 0.0, -2 * math.log(2.0)], None),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_ends_of_the_line(name):
    """Limits, without a warning, and so in the gradient."""
    points, values, slopes = ENDS[name]
    value, pullback = vjp(SPECIAL[name], np.asarray(points))
    np.testing.assert_allclose(value, values, rtol=1e-12)
    if slopes is not None:
        np.testing.assert_allclose(pullback(np.ones(4))[0], slopes, rtol=1e-12)


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_nan_goes_through(name):
    """NaN in, NaN out, in value and gradient."""
    value, pullback = vjp(SPECIAL[name], np.asarray([math.nan]))
    assert np.isnan(value).all()
    assert np.isnan(pullback(np.ones(1))[0]).all()


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_arguments_of_every_shape(backend, name):
    """0-d, empty and non-contiguous arguments give values and gradients of their shape, dtype and device."""
    whole = np.linspace(0.2, 0.8, 24).reshape(4, 6)
    wanted = SPECIAL[name](whole)
    slopes = vjp(SPECIAL[name], whole)[1](np.ones((4, 6)))[0]
    x = backend.asarray(whole, "float64")
    xp = backend.xp
    views = {
        "0-d": (x[1, 2], (1, 2)),
        "turned": (xp.permute_dims(x, (1, 0)), "T"),
        "strided": (x[::2, 1::3], (slice(None, None, 2), slice(1, None, 3))),
        "empty": (xp.zeros((0, 3), dtype=x.dtype, device=backend.device), None),
    }
    for label, (view, key) in views.items():
        value, pullback = vjp(SPECIAL[name], view)
        (gradient,) = pullback(xp.ones_like(value))
        if key is None:
            assert tuple(value.shape) == tuple(gradient.shape) == (0, 3), label
            continue
        backend.assert_array(value, wanted.T if key == "T" else wanted[key], like=x, rtol=1e-12)
        backend.assert_array(gradient, slopes.T if key == "T" else slopes[key], like=x, rtol=1e-11)


def _corner_functions():
    """The functions that are computed piece by piece, with their joints, and derivatives of order 1 to 4."""
    sqrt_pi = math.sqrt(math.pi)
    return {
        ("expit", 0.0): [0.25, 0.0, -0.125, 0.0],
        ("log_expit", 0.0): [0.5, -0.25, 0.0, 0.125],
        ("erf", 0.0): [2 / sqrt_pi, 0.0, -4 / sqrt_pi, 0.0],
        ("erfc", 0.0): [-2 / sqrt_pi, 0.0, 4 / sqrt_pi, 0.0],
        ("ndtr", 0.0): [1 / math.sqrt(2 * math.pi), 0.0, -1 / math.sqrt(2 * math.pi), 0.0],
        ("gammaln", 1.0): [-0.5772156649015329, math.pi**2 / 6, -2.4041138063191886, math.pi**4 / 15],
        ("log_ndtr", 0.0): [
            math.sqrt(2 / math.pi),
            -2 / math.pi,
            math.sqrt(2 / math.pi) * (4 / math.pi - 1),
            -8 / math.pi * (3 / math.pi - 1),
        ],
    }


@pytest.mark.parametrize(("name", "x"), _corner_functions())
def test_higher_orders_where_pieces_meet(name, x):
    """Gradients up to the fourth order, of the function and not of its approximation."""
    fn = SPECIAL[name]
    for wanted in _corner_functions()[name, x]:
        fn = grad(fn)
        np.testing.assert_allclose(fn(np.asarray(x)), wanted, rtol=1e-11, atol=1e-12)


def test_the_namespace_has_them():
    """``special`` of the differentiable namespace holds every one under SciPy's name."""
    xp = namespace(get_backend("numpy").xp)
    for name in SPECIAL:
        assert getattr(xp.special, name) is SPECIAL[name]
    with pytest.raises(AttributeError):
        _ = xp.special.bessel


def test_scipy_code_finds_them_through_the_namespace():
    """``array_namespace(x).special.erf(x)`` is differentiable."""
    gradient = grad(lambda x: array_namespace(x).special.erf(x) * x)(np.asarray(0.5))
    want = math.erf(0.5) + 0.5 * 2 / math.sqrt(math.pi) * math.exp(-0.25)
    np.testing.assert_allclose(gradient, want, rtol=1e-14)

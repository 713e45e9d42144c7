"""Where a derivative is infinite or there are several: gradients stay finite where they are not asked for.

``where(condition, f(x), 0)`` sends an exact 0 into the rule of ``f`` wherever the condition is false, and
the rule gives 0 back, and not ``0 * inf``, in the first order and in the second. RuntimeWarnings are errors.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from learnkit.autodiff import grad, vjp
from learnkit.backends import array_namespace

# name: (function of xp and x that is singular at the bad points, bad points, good points)
SAFE = {
    "sqrt": (lambda xp, x: xp.sqrt(x), [0.0], [0.7]),
    "power one half": (lambda xp, x: x**0.5, [0.0], [0.7]),
    "power 1.5": (lambda xp, x: x**1.5, [0.0], [0.7]),
    "power with an array": (lambda xp, x: xp.pow(x, xp.full_like(x, 0.5)), [0.0], [0.7]),
    "norm of a number": (
        lambda xp, x: xp.linalg.vector_norm(xp.expand_dims(x, axis=-1), axis=-1),
        [0.0],
        [0.7],
    ),
    "norm 3": (lambda xp, x: xp.linalg.vector_norm(xp.expand_dims(x, axis=-1), axis=-1, ord=3), [0.0], [0.7]),
    "norm 0.5": (
        lambda xp, x: xp.linalg.vector_norm(xp.expand_dims(x, axis=-1), axis=-1, ord=0.5),
        [0.0],
        [0.7],
    ),
    "hypot": (lambda xp, x: xp.hypot(x, 2.0 * x), [0.0], [0.7]),
    "atan2": (lambda xp, x: xp.atan2(x, xp.square(x)), [0.0], [0.7]),
    "acos": (lambda xp, x: xp.acos(x), [1.0, -1.0], [0.7]),
    "asin": (lambda xp, x: xp.asin(x), [1.0, -1.0], [0.7]),
    "acosh": (lambda xp, x: xp.acosh(x), [1.0], [1.7]),
    "std": (lambda xp, x: xp.std(xp.stack([x, 2.0 * x]), axis=0), [0.0], [0.7]),
    "abs": (lambda xp, x: xp.abs(x), [0.0], [0.7]),
}


#: The same where the value itself is not finite, of which the libraries warn.
SAFE_WITH_A_WARNING = {
    "log": (lambda xp, x: xp.log(x), [0.0, -1.0], [0.7]),
    "log of a square": (lambda xp, x: xp.log(x * x), [0.0], [0.7]),
    "log1p": (lambda xp, x: xp.log1p(x), [-1.0, -2.0], [0.7]),
    "log2": (lambda xp, x: xp.log2(x), [0.0], [0.7]),
    "log10": (lambda xp, x: xp.log10(x), [0.0], [0.7]),
    "sqrt": (lambda xp, x: xp.sqrt(x), [-1.0], [0.7]),
    "reciprocal": (lambda xp, x: xp.reciprocal(x), [0.0], [0.7]),
    "divide": (lambda xp, x: xp.divide(xp.sin(x), x), [0.0], [0.7]),
    "divide by a square": (lambda xp, x: 1.0 / (x * x), [0.0], [0.7]),
    "negative power": (lambda xp, x: x**-1.5, [0.0, -1.0], [0.7]),
    "power of itself": (lambda xp, x: xp.pow(x, x), [-0.5], [0.7]),
    "power 1.5": (lambda xp, x: x**1.5, [-1.0], [0.7]),
    "powers in an array": (
        lambda xp, x: xp.pow(
            x, xp.asarray([1.5, -1.0, 2.5, 2.5], dtype=x.dtype, device=x.device)[4 - x.shape[0] :]
        ),
        [-1.0, 0.0],
        [0.7, 0.8],
    ),
    "atanh": (lambda xp, x: xp.atanh(x), [1.0, 2.0], [0.7]),
    "acosh": (lambda xp, x: xp.acosh(x), [0.5], [1.7]),
    "acos": (lambda xp, x: xp.acos(x), [2.0], [0.7]),
    "square": (lambda xp, x: xp.square(x), [1e200], [0.7]),
}


def _masked(fn, good):
    def masked(x):
        xp = array_namespace(x)
        keep = xp.asarray(good, dtype=xp.bool, device=x.device)
        return xp.sum(xp.where(keep, fn(xp, x), xp.zeros_like(x)))

    return masked


def _check_masked(backend, fn, bad, good):
    points = [*bad, *good]
    x = backend.asarray(points, "float64")
    alone = backend.asarray(good, "float64")
    masked, plain = _masked(fn, [False] * len(bad) + [True] * len(good)), _masked(fn, [True] * len(good))
    first = grad(masked)(x)
    wanted = backend.to_numpy(grad(plain)(alone))
    backend.assert_array(first, [0.0] * len(bad) + wanted.tolist(), dtype="float64", rtol=1e-14, atol=0)

    def slope(f):
        return lambda x: array_namespace(x).sum(grad(f)(x))

    second = grad(slope(masked))(x)
    wanted = backend.to_numpy(grad(slope(plain))(alone))
    backend.assert_array(second, [0.0] * len(bad) + wanted.tolist(), dtype="float64", rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", SAFE)
def test_a_branch_not_taken_has_no_gradient(backend, name):
    """The gradient at a masked singular point is 0; elsewhere it is what it is without the masked points."""
    _check_masked(backend, *SAFE[name])


@pytest.mark.parametrize("name", SAFE_WITH_A_WARNING)
def test_a_branch_not_taken_and_not_finite_has_no_gradient(backend, name):
    """The same where the value that is not taken is infinite or NaN."""
    with np.errstate(all="ignore"):
        _check_masked(backend, *SAFE_WITH_A_WARNING[name])


# name: (function of xp and the array x, x, gradient of the sum)
POINTS = {
    "abs at 0": (lambda xp, x: xp.abs(x), [0.0, -0.0, 2.0], [0.0, 0.0, 1.0]),
    "norm at 0": (lambda xp, x: xp.linalg.vector_norm(x), [0.0, 0.0], [0.0, 0.0]),
    "norm 1 at 0": (lambda xp, x: xp.linalg.vector_norm(x, ord=1), [0.0, 2.0], [0.0, 1.0]),
    "norm 3 at 0": (lambda xp, x: xp.linalg.vector_norm(x, ord=3), [0.0, 0.0], [0.0, 0.0]),
    "norm inf at 0": (lambda xp, x: xp.linalg.vector_norm(x, ord=math.inf), [0.0, 0.0], [0.0, 0.0]),
    "norm inf, tie": (lambda xp, x: xp.linalg.vector_norm(x, ord=math.inf), [2.0, -2.0], [0.5, -0.5]),
    "norm 1.5, one 0": (
        lambda xp, x: xp.linalg.vector_norm(x, ord=1.5),
        [0.0, 2.0],
        [0.0, 1.0],
    ),
    "norm 0.5 at 0": (lambda xp, x: xp.linalg.vector_norm(x, ord=0.5), [0.0, 0.0], [0.0, 0.0]),
    "norm 0.5, one 0": (lambda xp, x: xp.linalg.vector_norm(x, ord=0.5), [0.0, 4.0], [0.0, 1.0]),
    "norm -1, one 0": (lambda xp, x: xp.linalg.vector_norm(x, ord=-1), [0.0, 4.0], [0.0, 0.0]),
    "matrix norm at 0": (lambda xp, x: xp.linalg.matrix_norm(xp.reshape(x, (1, 2))), [0.0, 0.0], [0.0, 0.0]),
    "std of equal values": (lambda xp, x: xp.std(x), [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]),
    "std of equal values that are rounded": (lambda xp, x: xp.std(x), [0.1, 0.1, 0.1], [0.0, 0.0, 0.0]),
    "var of equal values": (lambda xp, x: xp.var(x), [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]),
    "hypot at 0": (lambda xp, x: xp.hypot(x, x), [0.0], [0.0]),
    "atan2 at 0": (lambda xp, x: xp.atan2(x, 0.0 * x), [0.0], [0.0]),
    "pow 0 at 0": (lambda xp, x: xp.pow(x, 0.0), [0.0, 1.0], [0.0, 0.0]),
    "pow 1 at 0": (lambda xp, x: xp.pow(x, 1.0), [0.0, 1.0], [1.0, 1.0]),
    "pow 2 at 0": (lambda xp, x: xp.pow(x, 2.0), [0.0, 1.0], [0.0, 2.0]),
    "0 to a power": (lambda xp, x: xp.pow(0.0 * x, xp.full_like(x, 2.0) * x), [1.0], [0.0]),
    "prod with a 0": (lambda xp, x: xp.prod(x), [2.0, 0.0, 3.0], [0.0, 6.0, 0.0]),
    "prod with two": (lambda xp, x: xp.prod(x), [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    "max, tie": (lambda xp, x: xp.max(x), [2.0, 2.0, 1.0, 2.0], [1 / 3, 1 / 3, 0.0, 1 / 3]),
    "min, tie": (lambda xp, x: xp.min(x), [2.0, 1.0, 1.0], [0.0, 0.5, 0.5]),
    "maximum, tie": (lambda xp, x: xp.maximum(x, 1.0), [1.0, 2.0], [0.5, 1.0]),
    "minimum, tie": (lambda xp, x: xp.minimum(x, 1.0), [1.0, 2.0], [0.5, 0.0]),
    "clip, ties": (lambda xp, x: xp.clip(x, 0.0, 1.0), [0.0, 0.5, 1.0, 2.0], [1.0, 1.0, 1.0, 0.0]),
    "sort, ties": (
        lambda xp, x: xp.sort(x) * xp.asarray([1.0, 2.0, 3.0], dtype=x.dtype, device=x.device),
        [2.0, 1.0, 1.0],
        [3.0, 1.0, 2.0],
    ),
    "sign": (lambda xp, x: xp.sign(x) * x, [0.0, -2.0], [0.0, -1.0]),
    "copysign at 0": (lambda xp, x: xp.copysign(x, -1.0), [0.0, 2.0, -2.0], [0.0, -1.0, 1.0]),
    "logaddexp of nothing": (
        lambda xp, x: xp.logaddexp(x, xp.full_like(x, -math.inf)),
        [1.0, 2.0],
        [1.0, 1.0],
    ),
    "floor and round": (lambda xp, x: (xp.floor(x) + xp.round(x) + xp.trunc(x)) * x, [1.7], [4.0]),
}


@pytest.mark.parametrize("name", POINTS)
def test_subgradients(backend, name):
    """The documented choice at corners and ties, exactly; every value is finite, and no library warns."""
    fn, x, wanted = POINTS[name]

    def total(x):
        xp = array_namespace(x)
        return xp.sum(fn(xp, x))

    got = grad(total)(backend.asarray(x, "float64"))
    backend.assert_array(got, wanted, dtype="float64", rtol=1e-15, atol=0)


@pytest.mark.parametrize("name", POINTS)
def test_second_order_at_corners_is_finite(backend, name):
    """No NaN, no infinity and no warning in the gradient of the gradient either."""
    fn, x, _ = POINTS[name]

    def total(x):
        xp = array_namespace(x)
        return xp.sum(fn(xp, x))

    got = grad(lambda x: array_namespace(x).sum(grad(total)(x)))(backend.asarray(x, "float64"))
    assert np.isfinite(backend.to_numpy(got)).all()


def test_extremes_of_nan(backend):
    """An extreme that is NaN has its gradient at the NaN; a bound that is NaN takes the place of all."""
    nan = math.nan
    x = backend.asarray([[1.0, nan, 2.0], [1.0, 2.0, 0.0]], "float64")
    for name, row in (("max", [0.0, 1.0, 0.0]), ("min", [0.0, 0.0, 1.0])):
        got = grad(lambda x, name=name: array_namespace(x).sum(getattr(array_namespace(x), name)(x, axis=1)))(
            x
        )
        backend.assert_array(got, [[0.0, 1.0, 0.0], row], like=x)
    a, b = backend.asarray([nan, 1.0, 1.0], "float64"), backend.asarray([1.0, nan, 1.0], "float64")
    for name in ("maximum", "minimum"):  # as PyTorch: a NaN does not stop the gradient, it has it
        _, pullback = vjp(lambda a, b, name=name: getattr(array_namespace(a), name)(a, b), a, b)
        for g in pullback(backend.xp.ones_like(a)):
            backend.assert_array(g, [1.0, 1.0, 0.5], like=a)
    for low in (nan, backend.asarray([nan, 0.0, nan], "float64")):
        fn = lambda x, low=low: array_namespace(x).clip(x, low, 1.5)  # noqa: E731
        value, pullback = vjp(fn, x)
        number = isinstance(low, float)
        backend.assert_array(value, [[nan, nan, nan], [nan, nan if number else 1.5, nan]])
        backend.assert_array(
            pullback(backend.xp.ones_like(x))[0], [[0.0, 0.0 if number else 1.0, 0.0], [0.0, 0.0, 0.0]]
        )


def test_logaddexp_of_minus_infinity(backend):
    """``log(0 + e^b)`` is b, with the gradient 0 and 1, and both ways; two nothings share it."""
    inf = math.inf
    a = backend.asarray([-inf, 1.0, -inf, inf, 0.0], "float64")
    b = backend.asarray([1.0, -inf, -inf, 0.0, 0.0], "float64")
    value, pullback = vjp(lambda a, b: array_namespace(a).logaddexp(a, b), a, b)
    backend.assert_array(value, [1.0, 1.0, -inf, inf, math.log(2.0)], rtol=1e-15)
    da, db = pullback(backend.xp.ones_like(a))
    backend.assert_array(da, [0.0, 1.0, 0.5, 1.0, 0.5], rtol=1e-15, atol=0)
    backend.assert_array(db, [1.0, 0.0, 0.5, 0.0, 0.5], rtol=1e-15, atol=0)


def test_second_order_of_ties():
    """log(2 e^0) curves like every other point: 1/4 in each argument, -1/4 between them."""
    second = grad(grad(lambda x: array_namespace(x).logaddexp(x, 0.0)))(np.asarray(0.0))
    np.testing.assert_allclose(second, 0.25, rtol=1e-15)
    mixed = grad(lambda b: grad(lambda a: array_namespace(a, b).logaddexp(a, b))(np.asarray(0.0)))
    np.testing.assert_allclose(mixed(np.asarray(0.0)), -0.25, rtol=1e-15)


def test_second_order_at_zero():
    """x^n at 0 has the second derivative n (n - 1) 0^(n - 2), for number and array exponents."""
    for n, want in ((0.0, 0.0), (1.0, 0.0), (2.0, 2.0), (3.0, 0.0)):
        power = lambda x, n=n: array_namespace(x).pow(x, n)  # noqa: E731
        assert grad(grad(power))(np.asarray(0.0)) == want
        array_power = lambda x, n=n: array_namespace(x).pow(x, array_namespace(x).full_like(x, n))  # noqa: E731
        assert grad(grad(array_power))(np.asarray(0.0)) == want


def test_infinite_derivatives_say_so():
    """A singular point that does count gives inf, with the warning of the plain formula, and not a number."""
    for fn in (lambda xp, x: xp.sqrt(x), lambda xp, x: x**0.5):
        with np.errstate(all="ignore"):
            assert grad(lambda x, fn=fn: fn(array_namespace(x), x))(np.asarray(0.0)) == math.inf


def test_products_with_zeros_have_all_mixed_derivatives():
    """The Hessian of a product with zeros: the product of the others, also where that is all of them."""
    hessian = [
        [
            grad(lambda x, i=i, j=j: grad(lambda y: array_namespace(y).prod(y))(x)[i])(
                np.asarray([0.0, 0.0, 3.0])
            )[j]
            for j in range(3)
        ]
        for i in range(3)
    ]
    assert hessian == [[0.0, 3.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


EMPTY = {
    "sum": lambda xp, x: xp.sum(x),
    "prod": lambda xp, x: xp.prod(x, axis=0),
    "cumulative_sum": lambda xp, x: xp.cumulative_sum(x, axis=0),
    "cumulative_prod": lambda xp, x: xp.cumulative_prod(x, axis=0),
    "sort": lambda xp, x: xp.sort(x, axis=0),
    "exp": lambda xp, x: xp.exp(x),
    "concat": lambda xp, x: xp.concat([x, x]),
    "stack": lambda xp, x: xp.stack([x, x]),
    "reshape": lambda xp, x: xp.reshape(x, (3, 0)),
    "matmul": lambda xp, x: xp.matmul(xp.matrix_transpose(x), x),
    "diff": lambda xp, x: xp.diff(x, axis=0),
    "roll": lambda xp, x: xp.roll(x, 1),
    "flip": lambda xp, x: xp.flip(x),
    "tile": lambda xp, x: xp.tile(x, (2, 2)),
    "repeat": lambda xp, x: xp.repeat(x, 2, axis=0),
    "tril": lambda xp, x: xp.tril(x),
    "unstack": lambda xp, x: xp.unstack(x, axis=1)[0],
    "take": lambda xp, x: xp.take(x, xp.asarray([0, 2], device=x.device), axis=1),
    "clip": lambda xp, x: xp.clip(x, 0.0, 1.0),
    "tensordot": lambda xp, x: xp.tensordot(x, x, axes=((0,), (0,))),
    "vecdot": lambda xp, x: xp.vecdot(x, x, axis=-2),
    "getitem": lambda xp, x: x[:, 1],
    "vector_norm": lambda xp, x: xp.linalg.vector_norm(x),
    "moveaxis": lambda xp, x: xp.moveaxis(x, 0, 1),
    "broadcast_to": lambda xp, x: xp.broadcast_to(x, (2, 0, 3)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_arrays_without_elements(backend, name):
    """Shape (0, 3): a value of the right shape, a gradient of shape (0, 3), in both orders."""
    x = backend.xp.zeros((0, 3), dtype=backend.xp.float64, device=backend.device)

    def total(x):
        xp = array_namespace(x)
        return xp.sum(EMPTY[name](xp, x) * 1.0)

    plain = EMPTY[name](backend.xp, x)
    value = vjp(lambda x: EMPTY[name](array_namespace(x), x), x)[0]
    assert tuple(value.shape) == tuple(plain.shape)
    assert tuple(grad(total)(x).shape) == (0, 3)
    assert tuple(grad(lambda x: array_namespace(x).sum(grad(total)(x)))(x).shape) == (0, 3)

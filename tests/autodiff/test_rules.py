"""Every rule of the reverse pass against central differences, first and second order.

One row of ``CASES`` a case, under the name of the function that it exercises. A new differentiable
function without a row fails ``test_every_differentiable_function_has_a_row``.
"""

from __future__ import annotations

import numpy as np
import pytest

from learnkit.autodiff import check_grads, is_variable, namespace, vjp
from learnkit.autodiff.rules import indexing, layers
from learnkit.autodiff.rules.elementwise import BINARY, UNARY
from learnkit.backends import array_namespace, get_backend

rng = np.random.default_rng(7)


def normal(*shape):
    return rng.normal(size=shape)


def between(low, high, *shape):
    return rng.uniform(low, high, size=shape)


def away_from_zero(*shape):
    return between(0.3, 2.0, *shape) * rng.choice([-1.0, 1.0], size=shape)


def on_grid(*shape):
    """Multiples of 1/2 but for a little, so that none ties with ``grid_between``."""
    return 0.5 * rng.integers(-3, 4, size=shape) + between(-0.1, 0.1, *shape)


def grid_between(*shape):
    return on_grid(*shape) + 0.25


def integers(x, values):
    """An index array beside ``x``."""
    xp = array_namespace(x)
    return xp.asarray(values, dtype=xp.int64, device=x.device)


DOMAIN = {
    "abs": away_from_zero,
    "acos": lambda *s: between(-0.9, 0.9, *s),
    "acosh": lambda *s: between(1.2, 3.0, *s),
    "asin": lambda *s: between(-0.9, 0.9, *s),
    "atanh": lambda *s: between(-0.9, 0.9, *s),
    "log": lambda *s: between(0.3, 3.0, *s),
    "log10": lambda *s: between(0.3, 3.0, *s),
    "log1p": lambda *s: between(-0.7, 3.0, *s),
    "log2": lambda *s: between(0.3, 3.0, *s),
    "reciprocal": away_from_zero,
    "sqrt": lambda *s: between(0.3, 3.0, *s),
    "tan": lambda *s: between(-1.2, 1.2, *s),
}

# function: (arguments, ...) to which it is applied with both operands as variables; 2 x 3 against each shape
LEFT = {
    "maximum": lambda *s: on_grid(*s),
    "minimum": lambda *s: on_grid(*s),
    "pow": lambda *s: between(0.3, 2.0, *s),
    "remainder": lambda *s: rng.integers(-3, 3, size=s) + between(0.2, 0.8, *s),
}
RIGHT = {
    "divide": away_from_zero,
    "maximum": lambda *s: grid_between(*s),
    "minimum": lambda *s: grid_between(*s),
    "remainder": lambda *s: np.ones(s),
    "pow": lambda *s: between(-2.0, 3.0, *s),
}
SCALAR = {"remainder": 1.0, "pow": 2.5}


def unary(name):
    return {name: (lambda xp, x: getattr(xp, name)(x), DOMAIN.get(name, normal)(2, 3))}


def binary(name):
    call = lambda xp, a, b: getattr(xp, name)(a, b)  # noqa: E731
    left, right = LEFT.get(name, normal), RIGHT.get(name, normal)
    number = SCALAR.get(name, 1.3)
    rows = {
        f"{name} of {a} and {b}": (call, left(*a), right(*b))
        for a, b in [
            ((2, 3), (2, 3)),
            ((2, 3), (3,)),
            ((2, 1), (1, 3)),
            ((), (2, 2)),
            ((2, 1, 2), ()),
            ((), ()),
        ]
    }
    rows[f"{name} with a number"] = (lambda xp, x: getattr(xp, name)(x, number), left(2, 3))
    rows[f"{name} of a number"] = (lambda xp, x: getattr(xp, name)(number + 0.17, x), right(2, 3))
    if name == "remainder":
        rows[f"{name} of a number"] = (lambda xp, x: xp.remainder(7.3, x), between(2.1, 2.4, 3))
    return rows


def reduction(name, **options):
    x = normal(2, 3, 2)
    return {
        f"{name} {axis} {keep or ''}": (
            lambda xp, x, axis=axis, keep=keep: getattr(xp, name)(x, axis=axis, keepdims=keep, **options),
            x,
        )
        for axis, keep in [(None, False), (0, False), (-1, False), ((0, 2), False), (1, True), (None, True)]
    }


def product(a, b):
    return {f"matmul {a} {b}": (lambda xp, x, y: xp.matmul(x, y), normal(*a), normal(*b))}


def reading(label, key, shape=(3, 4)):
    return {f"getitem {label}": (lambda xp, x: x[key], normal(*shape))}


LABELS = [2, 0, 2, 1]

CASES = {
    # imag takes complex arrays only, see test_complex.py
    **{row: case for name in UNARY if name != "imag" for row, case in unary(name).items()},
    **{row: case for name in BINARY for row, case in binary(name).items()},
    "pow cube of negative": (lambda xp, x: x**3, away_from_zero(4)),
    "pow square at 0": (lambda xp, x: x**2, np.asarray([-1.0, 0.0, 2.0])),
    "pow first power": (lambda xp, x: x**1, normal(3)),
    "pow power zero": (lambda xp, x: x**0 * x, normal(3)),
    "pow inverse": (lambda xp, x: x**-2, away_from_zero(3)),
    "pow array of powers": (
        lambda xp, x: xp.pow(x, xp.asarray([0.0, 1.0, 2.0], dtype=x.dtype, device=x.device)),
        normal(3),
    ),
    "where": (lambda xp, a, b: xp.where(a > b, a * b, b), normal(2, 3), normal(3)),
    "where with numbers": (
        lambda xp, a: xp.where(a > 0.0, a * a, 2.0) + xp.where(a > 0.0, 1.0, a),
        normal(5),
    ),
    **{
        row: case
        for name in ("sum", "mean", "var", "std", "max", "min")
        for row, case in reduction(name).items()
    },
    **{f"{row} correction": case for row, case in reduction("var", correction=1.0).items()},
    **{f"{row} correction": case for row, case in reduction("std", correction=1.0).items()},
    "sum no axis": (lambda xp, x: xp.sum(x, axis=()), normal(2, 3)),
    "sum into another dtype": (lambda xp, x: xp.sum(x * x, dtype=xp.float64), normal(2, 3)),
    "cumulative_sum": (lambda xp, x: xp.cumulative_sum(x * x), normal(4)),
    "cumulative_sum axis": (lambda xp, x: xp.cumulative_sum(x * x, axis=1), normal(2, 3)),
    "cumulative_sum initial": (
        lambda xp, x: xp.cumulative_sum(x * x, axis=-2, include_initial=True),
        normal(2, 3),
    ),
    **product((3,), (3,)),
    **product((2, 3), (3,)),
    **product((3,), (3, 2)),
    **product((2, 3), (3, 2)),
    **product((2, 2, 3), (3,)),
    **product((3,), (2, 3, 2)),
    **product((2, 2, 3), (3, 2)),
    **product((2, 3), (2, 3, 2)),
    **product((2, 2, 3), (2, 3, 2)),
    **product((2, 1, 2, 3), (2, 3, 2)),
    "matmul with itself": (lambda xp, x: x @ x, normal(3, 3)),
    "matrix_transpose": (lambda xp, x: xp.matrix_transpose(x) @ x, normal(2, 2, 3)),
    "matrix_transpose T and mT": (lambda xp, x: x.T @ x.mT.mT, normal(2, 3)),
    "vecdot": (lambda xp, a, b: xp.vecdot(a, b), normal(2, 3), normal(2, 3)),
    "vecdot axis": (lambda xp, a, b: xp.vecdot(a, b, axis=-2), normal(2, 3, 2), normal(3, 2)),
    "reshape": (lambda xp, x: xp.reshape(x * x, (3, -1)), normal(2, 3)),
    "broadcast_to": (lambda xp, x: xp.broadcast_to(x * x, (2, 3, 4)), normal(3, 1)),
    "expand_dims": (lambda xp, x: xp.expand_dims(x * x, axis=1), normal(2, 3)),
    "expand_dims last": (lambda xp, x: xp.expand_dims(x * x, axis=-1), normal(2, 3)),
    "squeeze": (lambda xp, x: xp.squeeze(x * x, axis=(0, 2)), normal(1, 3, 1)),
    "permute_dims": (lambda xp, x: xp.permute_dims(x * x, (2, 0, 1)), normal(2, 3, 2)),
    "permute_dims from the end": (lambda xp, x: xp.permute_dims(x * x, (-1, 0, 1)), normal(2, 3, 2)),
    "flip": (lambda xp, x: xp.flip(x * x), normal(2, 3)),
    "flip axis": (lambda xp, x: xp.flip(x * x, axis=1), normal(2, 3)),
    "astype": (lambda xp, x: xp.astype(xp.astype(x * x, xp.float64, copy=False), x.dtype) * x, normal(3)),
    "concat": (lambda xp, a, b: xp.concat([a * a, b]), normal(2, 3), normal(1, 3)),
    "concat axis": (lambda xp, a, b: xp.concat([a * a, b, a], axis=-1), normal(2, 1), normal(2, 2)),
    "concat flat": (lambda xp, a, b: xp.concat([a * a, b], axis=None), normal(2, 1), normal(3)),
    "concat constant": (lambda xp, a: xp.concat([a * a, xp.zeros_like(a)]), normal(2)),
    "stack": (lambda xp, a, b: xp.stack([a * a, b, a]), normal(2, 3), normal(2, 3)),
    "stack axis": (lambda xp, a, b: xp.stack([a * a, b], axis=-1), normal(2, 3), normal(2, 3)),
    **reading("row", (1, ...)),
    **reading("number", (1, -1)),
    **reading("slices", (slice(0, 2), slice(None, None, 2))),
    **reading("backwards", (slice(None, None, -1), slice(3, 0, -2))),
    **reading("new axis", (None, slice(1, 3), None, 2)),
    **reading("last axis", (..., 0), (2, 2, 3)),
    **reading("nothing", (slice(0, 0), ...)),
    "getitem integers": (lambda xp, x: (x * x)[integers(x, [1, 0, 1])], normal(3)),
    "take": (lambda xp, x: xp.take(x * x, integers(x, [2, 0, 2]), axis=1), normal(2, 3)),
    "take first axis": (lambda xp, x: xp.take(x * x, integers(x, [1, 1, 0]), axis=0), normal(2, 3)),
    "take middle axis": (lambda xp, x: xp.take(x * x, integers(x, [1, 1, 0]), axis=1), normal(2, 3, 2)),
    "take from the end": (lambda xp, x: xp.take(x * x, integers(x, [-1, 0]), axis=-1), normal(2, 3)),
    "take_along_axis": (
        lambda xp, x: xp.take_along_axis(x * x, integers(x, [[0, 2], [1, 1]]), axis=1),
        normal(2, 3),
    ),
    "take_along_axis first axis": (
        lambda xp, x: xp.take_along_axis(x * x, integers(x, [[0, -1, 1]]), axis=0),
        normal(2, 3),
    ),
    "index_add": (
        lambda xp, x, v: indexing.index_add(x * x, integers(x, [1, 0, 1]), v * v),
        normal(2, 3),
        normal(3, 3),
    ),
    "index_add axis": (
        lambda xp, x, v: indexing.index_add(x * x, integers(x, [1, 0]), v * v, axis=1),
        normal(2, 3),
        normal(2, 2),
    ),
    "linear": (lambda xp, x, w, b: layers.linear(x, w, b), normal(4, 3), normal(3, 2), normal(2)),
    "linear without bias": (lambda xp, x, w: layers.linear(x, w), normal(4, 3), normal(3, 2)),
    "linear weight twice": (
        lambda xp, x, w: layers.linear(layers.linear(x, w), w),
        normal(4, 3),
        normal(3, 3),
    ),
    "relu": (lambda xp, x: layers.relu(x) * x, away_from_zero(2, 3)),
    "dropout": (lambda xp, x: layers.dropout(x * x, p=0.4, seed=1, stream=2, step=3), normal(3, 5)),
    "sigmoid": (lambda xp, x: layers.sigmoid(x), normal(2, 3)),
    "softmax": (lambda xp, x: layers.softmax(x), normal(2, 3)),
    "softmax axis": (lambda xp, x: layers.softmax(x, axis=0), normal(2, 3)),
    "log_softmax": (lambda xp, x: layers.log_softmax(x), normal(2, 3)),
    "log_softmax axis": (lambda xp, x: layers.log_softmax(x, axis=0), normal(2, 3)),
    "softmax_cross_entropy": (
        lambda xp, z: layers.softmax_cross_entropy(z, integers(z, LABELS)),
        normal(4, 3),
    ),
    "bce_with_logits": (
        lambda xp, z, t: layers.bce_with_logits(z, t),
        away_from_zero(2, 3),
        between(0.0, 1.0, 2, 3),
    ),
}


def function(case):
    """The row as a function of arrays only."""
    return lambda *arrays: case[0](array_namespace(*arrays), *arrays)


@pytest.mark.parametrize("row", CASES)
def test_gradient_and_its_gradient_agree_with_differences(row):
    """Within 1e-6 relative of central differences in float64, and so is the derivative of the gradient."""
    case = CASES[row]
    if row == "getitem nothing":  # no entry comes out, so every gradient is an exact zero
        (gradient,) = vjp(function(case), *case[1:])[1](np.empty((0, 4)))
        assert not gradient.any()
        return
    check_grads(function(case), *case[1:], order=2)


@pytest.mark.parametrize("row", CASES)
def test_gradient_on_every_backend(backend, row):
    """The same on other libraries: value and gradient are those of NumPy, at home, in float64 and float32."""
    if backend.name == "torch" and row == "getitem backwards":
        pytest.skip("torch does not read backwards")
    case = CASES[row]
    wanted, pullback = vjp(function(case), *case[1:])
    g = np.cos(1.0 + np.arange(wanted.size)).reshape(wanted.shape)
    gradients = pullback(np.asarray(g))
    for dtype, rtol in (("float64", 1e-10), ("float32", 2e-4)):
        arguments = [backend.asarray(a, dtype) for a in case[1:]]
        before = [np.array(backend.to_numpy(a)) for a in arguments]
        value, pullback = vjp(function(case), *arguments)
        if row != "sum into another dtype":
            backend.assert_array(value, wanted, dtype=dtype, rtol=rtol, atol=rtol)
        found = pullback(backend.asarray(g, str(value.dtype).rsplit(".", 1)[-1]))
        for got, want, argument in zip(found, gradients, arguments, strict=True):
            backend.assert_array(got, want, like=argument, rtol=10 * rtol, atol=10 * rtol)
        for argument, old in zip(arguments, before, strict=True):
            np.testing.assert_array_equal(backend.to_numpy(argument), old)


TIES = {
    "maximum": (lambda xp, a, b: xp.maximum(a, b), ([0.5], [0.5])),
    "minimum": (lambda xp, a, b: xp.minimum(a, b), ([0.5], [0.5])),
    "max": (lambda xp, a, b: xp.max(xp.concat([a, b])), ([0.5], [0.5])),
    "min": (lambda xp, a, b: xp.min(xp.concat([a, b])), ([0.5], [0.5])),
    "abs": (lambda xp, a, b: xp.abs(a - b), ([0.0], [0.0])),
    "relu": (lambda xp, a, b: layers.relu(a - b), ([0.0], [0.0])),
    "std": (lambda xp, a, b: xp.std(xp.concat([a, b])), ([0.0], [0.0])),
    "pow": (lambda xp, a, b: xp.pow(a - b, 2.0), ([0.0], [0.0])),
}


@pytest.mark.parametrize("name", TIES)
def test_subgradients_are_those_of_pytorch(backend, name):
    """Ties share the gradient equally; |x|, relu and the standard deviation have 0 at their corner."""
    fn, expected = TIES[name]
    one = backend.asarray([1.0], "float64")
    value, pullback = vjp(lambda a, b: fn(array_namespace(a), a, b), one, backend.asarray([1.0], "float64"))
    for got, want in zip(pullback(backend.xp.ones_like(value)), expected, strict=True):
        backend.assert_array(got, want, dtype="float64", rtol=0, atol=0)


def test_functions_without_a_gradient_give_constants():
    """floor, comparisons, integers and their like are constants of the namespace, not on the tape."""
    x = np.asarray([1.5, -2.5])

    def fn(x):
        xp = array_namespace(x)
        for y in (
            xp.floor(x),
            xp.sign(x),
            x > 0,
            xp.argmax(x),
            xp.zeros_like(x),
            x // 1.0,
            xp.astype(x, xp.int64),
            *xp.nonzero(x),
            *xp.unique_all(x)[1:],
            xp.asarray([1.0]),
            xp.linalg.matrix_rank(xp.reshape(x, (2, 1))),
            xp.fft.fftfreq(3),
        ):
            assert array_namespace(y) is xp, type(y)
            assert not is_variable(y)
            assert isinstance(np.asarray(y), np.ndarray)
        return xp.sum(x * xp.astype(xp.astype(x, xp.int64), xp.float64))

    (gradient,) = vjp(fn, x)[1](np.asarray(1.0))
    assert gradient.tolist() == [1.0, -2.0]


def test_large_arguments_give_no_warning_and_no_nan():
    """Sigmoid, softmax and the losses from logits neither overflow nor lose the sign, at any logit."""
    x = np.asarray([[-1e4, 0.0, 1e4], [800.0, -800.0, 1.0]])
    for fn in (layers.sigmoid, layers.softmax, layers.log_softmax):
        value, pullback = vjp(fn, x)
        assert np.isfinite(value).all()
        assert np.isfinite(pullback(np.ones_like(x))[0]).all()
    labels = np.asarray([0, 1])
    for fn in (lambda z: layers.softmax_cross_entropy(z, labels), lambda z: layers.bce_with_logits(z, z * 0)):
        value, pullback = vjp(fn, x)
        assert np.isfinite(value).all()
        assert np.isfinite(pullback(np.ones_like(value))[0]).all()


def test_the_numpy_backend_is_the_one_of_the_table():
    assert (
        namespace(get_backend("numpy").xp).__name__ == "learnkit.autodiff.namespace(array_api_compat.numpy)"
    )

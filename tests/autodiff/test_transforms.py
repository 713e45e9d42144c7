"""``jvp``, ``jacobian``, ``hessian``, ``hvp`` and per-example gradients: closed forms, and each other."""

from __future__ import annotations

import math

import array_api_compat
import numpy as np
import pytest

import learnkit as lk
from learnkit import nn
from learnkit.autodiff import check_grads, grad, hessian, hvp, jacobian, jvp, per_example_grad, vjp
from learnkit.autodiff.rules import layers
from learnkit.backends import array_namespace
from learnkit.backends.tree import flatten
from learnkit.errors import ArgumentError, GradientError, ShapeError


def total(x):
    return array_namespace(x).sum(x)


A = np.asarray([[1.0, -2.0, 0.5], [0.3, 0.7, -1.1]])
X = np.asarray([0.4, -1.3, 2.1])
V = np.asarray([1.0, -0.5, 0.25])


def linear_map(x):
    xp = array_namespace(x)
    a = xp.asarray(A.tolist(), dtype=x.dtype, device=array_api_compat.device(x))
    return xp.matmul(a, x)


def softmax_by_hand(x):
    xp = array_namespace(x)
    e = xp.exp(x)
    return e / xp.sum(e)


S = np.exp(X) / np.exp(X).sum()

#: A function of a vector of 3 with its Jacobian.
JACOBIANS = {
    "elementwise": (lambda x: x * x * x, np.diag(3 * X**2)),
    "linear": (linear_map, A),
    "softmax": (softmax_by_hand, np.diag(S) - np.outer(S, S)),
    "coarse softmax": (lambda x: layers.softmax(x), np.diag(S) - np.outer(S, S)),
    "logarithm": (lambda x: array_namespace(x).log(x * x), np.diag(2 / X)),
    "root": (lambda x: array_namespace(x).sqrt(x * x + 1.0), np.diag(X / np.sqrt(X**2 + 1))),
    "reversed and doubled": (
        lambda x: array_namespace(x).flip(x) * 2.0,
        2 * np.eye(3)[::-1],
    ),
    "relu": (lambda x: layers.relu(x), np.diag([1.0, 0.0, 1.0])),
    "a number": (lambda x: total(x * x), 2 * X),
    "outer product": (
        lambda x: array_namespace(x).linalg.outer(x, x),
        np.einsum("ik,j->ijk", np.eye(3), X) + np.einsum("jk,i->ijk", np.eye(3), X),
    ),
    "independent": (lambda x: array_namespace(x).ones_like(x), np.zeros((3, 3))),
}


@pytest.mark.parametrize("name", JACOBIANS)
def test_jacobian_and_products_with_it(backend, name):
    """The Jacobian is the closed form, ``jvp`` and ``vjp`` give its products with a vector."""
    fn, expected = JACOBIANS[name]
    x, v = backend.asarray(X, "float64"), backend.asarray(V, "float64")
    backend.assert_array(jacobian(fn)(x), expected, dtype="float64", rtol=1e-12, atol=1e-12)
    value, tangent = jvp(fn, (x,), (v,))
    backend.assert_array(value, backend.to_numpy(fn(x)), dtype="float64", rtol=0, atol=0)
    backend.assert_array(tangent, expected @ V, dtype="float64", rtol=1e-12, atol=1e-12)
    shape = expected.shape[:-1]
    weights = np.arange(1.0, 1.0 + math.prod(shape)).reshape(shape)
    (pulled,) = vjp(fn, x)[1](backend.asarray(weights, "float64"))
    wanted = np.tensordot(weights, expected, len(shape))
    backend.assert_array(pulled, wanted, dtype="float64", rtol=1e-12, atol=1e-12)


#: A loss of a vector of 3 with its Hessian.
HESSIANS = {
    "cubes": (lambda x: total(x * x * x), np.diag(6 * X)),
    "square of a linear map": (lambda x: total(linear_map(x) * linear_map(x)), 2 * A.T @ A),
    "log-sum-exp": (
        lambda x: array_namespace(x).log(total(array_namespace(x).exp(x))),
        np.diag(S) - np.outer(S, S),
    ),
    "product": (lambda x: x[0] * x[1] * x[2], [[0, X[2], X[1]], [X[2], 0, X[0]], [X[1], X[0], 0]]),
    "linear": (lambda x: total(x), np.zeros((3, 3))),
    "reciprocal": (lambda x: total(1.0 / x), np.diag(2 / X**3)),
}


@pytest.mark.parametrize("name", HESSIANS)
def test_hessian_and_products_with_it(backend, name):
    """The Hessian is the closed form; ``hvp`` is its product; ``jvp`` of the gradient is the same again."""
    fn, expected = HESSIANS[name]
    expected = np.asarray(expected)
    x, v = backend.asarray(X, "float64"), backend.asarray(V, "float64")
    backend.assert_array(hessian(fn)(x), expected, dtype="float64", rtol=1e-10, atol=1e-12)
    (product,) = hvp(fn, (x,), (v,))
    backend.assert_array(product, expected @ V, dtype="float64", rtol=1e-10, atol=1e-12)
    _, along = jvp(grad(fn), (x,), (v,))
    backend.assert_array(along, expected @ V, dtype="float64", rtol=1e-10, atol=1e-12)


def test_a_gradient_of_zero_still_has_a_derivative():
    """At a = 0 the gradient through log(x) is 0, but its derivative with respect to a is 1 / x."""
    for inner, slope in [
        (lambda xp, x: xp.log(x), lambda x: 1 / x),
        (lambda xp, x: xp.log1p(x), lambda x: 1 / (1 + x)),
        (lambda xp, x: xp.sqrt(x), lambda x: 0.5 / np.sqrt(x)),
        (lambda xp, x: 1.0 / x, lambda x: -1 / x**2),
        (lambda xp, x: xp.reciprocal(x), lambda x: -1 / x**2),
        (lambda xp, x: x**2.0, lambda x: 2 * x),
        (lambda xp, x: x**-1.5, lambda x: -1.5 * x**-2.5),
        (lambda xp, x: xp.pow(2.0 + 0.0 * x, x), lambda x: np.log(2.0) * 2**x),
        (lambda xp, x: xp.asin(x), lambda x: 1 / np.sqrt(1 - x**2)),
        (lambda xp, x: xp.acos(x), lambda x: -1 / np.sqrt(1 - x**2)),
        (lambda xp, x: xp.atanh(x), lambda x: 1 / (1 - x**2)),
        (lambda xp, x: xp.acosh(x + 1.0), lambda x: 1 / np.sqrt((x + 1) ** 2 - 1)),
    ]:
        point = np.asarray([0.0, 0.6])
        mixed = hessian(lambda t, inner=inner: t[0] * inner(array_namespace(t), t[1]))(point)
        np.testing.assert_allclose(mixed, [[0, slope(0.6)], [slope(0.6), 0]], rtol=1e-12, atol=1e-12)


def test_a_branch_not_taken_has_no_say_in_any_derivative():
    """Also where the derivative of the other branch is infinite or NaN, and in every mode."""

    def guarded(x):
        xp = array_namespace(x)
        positive = x > 0.0
        root = xp.where(positive, xp.sqrt(x), 0.0 * x)
        log = xp.where(positive, xp.log(xp.where(positive, x, xp.ones_like(x))), 0.0 * x)
        return total(root * root * root + log)

    x = np.asarray([0.0, 4.0])
    assert grad(guarded)(x).tolist() == [0.0, 3.25]
    np.testing.assert_allclose(hessian(guarded)(x), [[0, 0], [0, 0.375 - 1 / 16]], atol=1e-15)
    assert jvp(guarded, (x,), (np.ones(2),))[1] == pytest.approx(3.25)


def test_coarse_primitives_to_second_order(backend):
    """Linear, relu and softmax cross-entropy: Hessian-vector products agree with differences of gradients."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))
    nn.initialize(model, seed=2, backend=backend.backend, dtype="float64")
    x = backend.asarray(np.linspace(-1.0, 1.2, 15).reshape(5, 3), "float64")
    labels = backend.asarray([0, 2, 1, 1, 0])

    def loss(m, x):
        return total(layers.softmax_cross_entropy(m(x), labels))

    check_grads(loss, model, x, modes=("rev",), order=2)
    check_grads(lambda x: loss(model, x), x, modes=("fwd", "rev"), order=2)
    check_grads(lambda m: m(x), model, modes=("fwd",))
    vectors = {path: leaf * 0.3 + 0.1 for path, leaf in model.leaves().items()}
    (product,) = hvp(lambda m: loss(m, x), (model,), (vectors,))
    _, along = jvp(grad(lambda m: loss(m, x)), (model,), (vectors,))
    assert list(product) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    for path, array in product.items():
        backend.assert_array(array, backend.to_numpy(along[path]), dtype="float64", rtol=1e-9, atol=1e-12)


def test_trees_of_arguments_and_results(backend):
    """A tree of results of trees of arguments, each of shape result + argument."""
    a, b = backend.asarray([1.0, 2.0], "float64"), backend.asarray([[3.0]], "float64")

    def fn(tree):
        return {"product": tree["a"] * tree["b"][0], "sum": [total(tree["a"])]}

    found = jacobian(fn)({"a": a, "b": [b]})
    backend.assert_array(found["product"]["a"], [[[3.0, 0.0], [0.0, 3.0]]])
    backend.assert_array(found["product"]["b"][0], [[[[1.0]], [[2.0]]]])
    backend.assert_array(found["sum"][0]["a"], [1.0, 1.0])
    backend.assert_array(found["sum"][0]["b"][0], [[0.0]])
    value, tangent = jvp(fn, ({"a": a, "b": [b]},), ({"a": a, "b": [b]},))
    backend.assert_array(tangent["product"], 2 * backend.to_numpy(value["product"]))
    backend.assert_array(tangent["sum"][0], 3.0)


def test_jacobian_of_a_model(backend):
    """By leaf path, and equal to the closed form of a linear layer."""
    model = nn.Linear(2, 2)
    nn.initialize(model, seed=0, backend=backend.backend, dtype="float64")
    x = backend.asarray([[1.0, -3.0]], "float64")
    found = jacobian(lambda m: m(x))(model)
    expected = np.zeros((1, 2, 2, 2))
    for o in range(2):
        expected[0, o, :, o] = [1.0, -3.0]
    backend.assert_array(found["weight"], expected)
    backend.assert_array(found["bias"], np.eye(2)[None])


def test_hvp_of_several_arguments_is_a_row_of_the_whole_hessian():
    def fn(a, b):
        return total(a * b * b) + total(a * a)

    a, b = X, V
    da, db = np.asarray([1.0, 0.0, 2.0]), np.asarray([0.0, 1.0, -1.0])
    pa, pb = hvp(fn, (a, b), (da, db))
    np.testing.assert_allclose(pa, 2 * da + 2 * b * db)
    np.testing.assert_allclose(pb, 2 * b * da + 2 * a * db)


def test_argnums_choose_the_argument():
    fn = lambda a, b: a * b  # noqa: E731
    np.testing.assert_array_equal(jacobian(fn, 1)(X, V), np.diag(X))
    np.testing.assert_array_equal(jacobian(fn, -1)(X, V), np.diag(X))
    np.testing.assert_array_equal(hessian(lambda a, b: total(a * b * b), 1)(X, V), np.diag(2 * X))


def test_complex_numbers_go_forward():
    """``jvp`` of a holomorphic function is the product with its derivative."""
    z, t = np.asarray([1.0 + 2.0j, -0.5j]), np.asarray([0.3 - 1.0j, 2.0 + 0.1j])
    value, tangent = jvp(lambda z: array_namespace(z).exp(z) * z, (z,), (t,))
    np.testing.assert_allclose(value, np.exp(z) * z)
    np.testing.assert_allclose(tangent, (np.exp(z) * z + np.exp(z)) * t)


def test_transforms_of_transforms():
    """The gradient of a tangent, a Jacobian of a tangent, a tangent of a Jacobian."""
    cube = lambda x: x * x * x  # noqa: E731
    np.testing.assert_allclose(grad(lambda x: total(jvp(cube, (x,), (V,))[1]))(X), 6 * X * V)
    np.testing.assert_allclose(jacobian(lambda x: jvp(cube, (x,), (V,))[1])(X), np.diag(6 * X * V))
    np.testing.assert_allclose(jvp(jacobian(cube), (X,), (V,))[1], np.diag(6 * X * V))
    np.testing.assert_allclose(jvp(lambda x: jvp(cube, (x,), (V,))[1], (X,), (V,))[1], 6 * X * V * V)
    third = jacobian(hessian(lambda x: total(cube(x) * x)))(X)
    assert third[1, 1, 1] == pytest.approx(24 * X[1])


# Per-example gradients


def test_per_example_gradients_are_those_of_batches_of_one(backend):
    """They average to the gradient of the mean loss; for a linear model they are error times input."""
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(6, 3)), rng.normal(size=6), rng.normal(size=3)
    xs, ys, ws = (backend.asarray(a, "float64") for a in (x, y, w))

    def loss(w, x, y):
        xp = array_namespace(w)
        error = xp.matmul(x, w) - y
        return xp.mean(error * error)

    each = per_example_grad(loss)(ws, xs, ys)
    backend.assert_array(each, 2 * (x @ w - y)[:, None] * x, dtype="float64", rtol=1e-12)
    whole = backend.to_numpy(grad(loss)(ws, xs, ys))
    np.testing.assert_allclose(backend.to_numpy(each).mean(axis=0), whole, rtol=1e-12)


def test_per_example_gradients_of_a_model(backend):
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    nn.initialize(model, seed=1, backend=backend.backend)
    x = backend.asarray(np.linspace(-1, 1, 8).reshape(4, 2))
    labels = backend.asarray([0, 1, 1, 0])
    loss = lk.losses.CrossEntropy()

    def fn(m, x, labels):
        return loss(m(x), labels)

    each = per_example_grad(fn)(model, x, labels)
    whole = grad(fn)(model, x, labels)
    for path, g in whole.items():
        assert tuple(each[path].shape) == (4, *g.shape)
        mean = backend.to_numpy(each[path]).mean(axis=0)
        np.testing.assert_allclose(mean, backend.to_numpy(g), rtol=1e-5, atol=1e-6)


# Mistakes


def rows(n):
    return np.ones((n, 2))


MISTAKES = {
    "tangents missing": (lambda: jvp(total, (X,), ()), ShapeError, "1 primals but 0 tangents"),
    "tangent of another shape": (
        lambda: jvp(total, (X,), (np.ones(2),)),
        ShapeError,
        "tangent 0 has shape (2,), expected (3,)",
    ),
    "tree of another size": (
        lambda: jvp(lambda t: t["a"], ({"a": X},), ([X, X],)),
        ShapeError,
        "1 arrays but 2 tangents; expected one for each",
    ),
    "vectors missing": (lambda: hvp(total, (X,), (X, X)), ShapeError, "1 primals but 2 vectors"),
    "vector of another shape": (
        lambda: hvp(total, (X,), (np.ones(4),)),
        ShapeError,
        "vector 0 has shape (4,)",
    ),
    "integer result": (
        lambda: jvp(lambda x: array_namespace(x).argmax(x), (X,), (V,)),
        GradientError,
        "jvp: result 0 has dtype int64, expected real floating or complex floating",
    ),
    "result without dtype": (
        lambda: jacobian(lambda x: 3.0)(X),
        GradientError,
        "jacobian: result 0 is of type float, expected an array",
    ),
    "complex Jacobian": (
        lambda: jacobian(lambda z: z * z)(X * 1j),
        GradientError,
        "jacobian: argument 0 has dtype complex128, expected real floating\n  complex numbers can be",
    ),
    "complex result": (
        lambda: jacobian(lambda x: x * 1j)(X),
        GradientError,
        "jacobian: result 0 has dtype complex128, expected real floating",
    ),
    "missing argument": (lambda: jacobian(total, 2)(X), ArgumentError, "argnums asks for argument 2"),
    "Hessian of a vector": (
        lambda: hessian(lambda x: x * x)(X),
        GradientError,
        "only a 0-d value has a gradient",
    ),
    "rows differ": (
        lambda: per_example_grad(lambda w, x, y: total(w))(X, rows(3), rows(4)),
        ShapeError,
        "the batch arrays have [3, 4] rows, expected one number",
    ),
    "no batch": (lambda: per_example_grad(total)(X), ShapeError, "the batch arrays have [] rows"),
    "empty batch": (
        lambda: per_example_grad(lambda w, x: total(w))(X, rows(0)),
        GradientError,
        "a batch of 0 examples",
    ),
    "a number in the batch": (
        lambda: per_example_grad(lambda w, x, scale: total(w))(X, rows(3), 2.0),
        ShapeError,
        "argument 2 has no rows, expected one for each example\n  pass what all examples share as a keyword",
    ),
    "no such argument": (
        lambda: per_example_grad(lambda w, x: total(w), 5)(X, rows(3)),
        ArgumentError,
        "argnums asks for argument 5",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_explained(name):
    call, kind, text = MISTAKES[name]
    with pytest.raises(kind) as caught:
        call()
    assert text in str(caught.value)


def test_the_transforms_are_at_the_top_level():
    for fn in (jvp, jacobian, hessian, hvp, per_example_grad):
        assert getattr(lk, fn.__name__) is fn
        assert fn.__name__ in dir(lk)


def test_results_hold_no_variables():
    """What comes back belongs to the library below."""
    for result in (jacobian(linear_map)(X), jvp(linear_map, (X,), (V,)), hvp(total, (X,), (V,))):
        assert all(isinstance(leaf, (np.ndarray, np.generic)) for leaf in flatten(result)[0])

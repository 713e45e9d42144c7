"""Activations: one row each in ``ACTIVATIONS``, what they become far out in ``FAR``, one test a property."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import check_grads, grad, value_and_grad, vjp
from learnkit.backends import array_namespace
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn import activations
from learnkit.plugins import registry

erf = np.vectorize(math.erf)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def elu(x, alpha=1.0, rate=1.0):
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0) * rate) - 1))


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def halves(x, axis=-1):
    return np.split(x, 2, axis=axis)


#: name of the row, whose first word is registered: layer, shape of x, the formula in NumPy of (x, arrays)
ACTIVATIONS = {
    "identity": (nn.Identity, (4, 3), lambda x, a: x),
    "relu": (nn.ReLU, (4, 3), lambda x, a: np.maximum(x, 0)),
    "relu of a number": (nn.ReLU, (), lambda x, a: np.maximum(x, 0)),
    "relu6": (nn.ReLU6, (4, 3), lambda x, a: np.clip(x, 0, 6)),
    "leaky_relu": (nn.LeakyReLU, (4, 3), lambda x, a: np.where(x > 0, x, 0.01 * x)),
    "leaky_relu slope": (lambda: nn.LeakyReLU(-0.3), (4, 3), lambda x, a: np.where(x > 0, x, -0.3 * x)),
    "prelu": (nn.PReLU, (4, 3), lambda x, a: np.where(x > 0, x, a["weight"] * x)),
    "prelu of channels": (
        lambda: nn.PReLU(3, init=0.1),
        (2, 3, 4),
        lambda x, a: np.where(x > 0, x, a["weight"][:, None] * x),
    ),
    "prelu of the last": (
        lambda: nn.PReLU(4, axis=-1),
        (2, 3, 4),
        lambda x, a: np.where(x > 0, x, a["weight"] * x),
    ),
    "prelu of a vector": (nn.PReLU, (5,), lambda x, a: np.where(x > 0, x, a["weight"] * x)),
    "elu": (nn.ELU, (4, 3), lambda x, a: elu(x)),
    "elu alpha": (lambda: nn.ELU(0.3), (4, 3), lambda x, a: elu(x, 0.3)),
    "celu": (nn.CELU, (4, 3), lambda x, a: elu(x)),
    "celu alpha": (lambda: nn.CELU(2.5), (4, 3), lambda x, a: elu(x, 2.5, 1 / 2.5)),
    "selu": (nn.SELU, (4, 3), lambda x, a: 1.0507009873554805 * elu(x, 1.6732632423543772)),
    "gelu": (nn.GELU, (4, 3), lambda x, a: gelu(x)),
    "gelu tanh": (lambda: nn.GELU(approximate="tanh"), (4, 3), lambda x, a: gelu_tanh(x)),
    "silu": (nn.SiLU, (4, 3), lambda x, a: x * sigmoid(x)),
    "swish": (nn.SiLU, (4, 3), lambda x, a: x * sigmoid(x)),
    "mish": (nn.Mish, (4, 3), lambda x, a: x * np.tanh(np.log(1 + np.exp(x)))),
    "softplus": (nn.Softplus, (4, 3), lambda x, a: np.log(1 + np.exp(x))),
    "softplus beta": (
        lambda: nn.Softplus(2.5, 99),
        (4, 3),
        lambda x, a: np.log(1 + np.exp(2.5 * x)) / 2.5,
    ),
    "softplus threshold": (
        lambda: nn.Softplus(2.0, threshold=1.0),
        (4, 3),
        lambda x, a: np.where(2 * x > 1, x, np.log(1 + np.exp(2 * x)) / 2),
    ),
    "squareplus": (nn.Squareplus, (4, 3), lambda x, a: (x + np.sqrt(x**2 + 4)) / 2),
    "squareplus b": (lambda: nn.Squareplus(0.2), (4, 3), lambda x, a: (x + np.sqrt(x**2 + 0.2)) / 2),
    "sigmoid": (nn.Sigmoid, (4, 3), lambda x, a: sigmoid(x)),
    "log_sigmoid": (nn.LogSigmoid, (4, 3), lambda x, a: np.log(sigmoid(x))),
    "tanh": (nn.Tanh, (4, 3), lambda x, a: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))),
    "softsign": (nn.Softsign, (4, 3), lambda x, a: x / (1 + np.abs(x))),
    "hard_sigmoid": (nn.HardSigmoid, (4, 3), lambda x, a: np.clip(x + 3, 0, 6) / 6),
    "hard_sigmoid of old": (lambda: nn.HardSigmoid(0.2), (4, 3), lambda x, a: np.clip(0.2 * x + 0.5, 0, 1)),
    "hard_sigmoid offset": (
        lambda: nn.HardSigmoid(2.0, -0.3),
        (4, 3),
        lambda x, a: np.clip(2 * x - 0.3, 0, 1),
    ),
    "hard_swish": (nn.HardSwish, (4, 3), lambda x, a: x * np.clip(x + 3, 0, 6) / 6),
    "hard_silu": (nn.HardSwish, (4, 3), lambda x, a: x * np.clip(x + 3, 0, 6) / 6),
    "hard_tanh": (nn.HardTanh, (4, 3), lambda x, a: np.clip(x, -1, 1)),
    "hard_tanh bounds": (lambda: nn.HardTanh(-0.5, 2), (4, 3), lambda x, a: np.clip(x, -0.5, 2)),
    "hardshrink": (nn.Hardshrink, (4, 3), lambda x, a: np.where(np.abs(x) > 0.5, x, 0)),
    "softshrink": (nn.Softshrink, (4, 3), lambda x, a: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0)),
    "threshold": (nn.Threshold, (4, 3), lambda x, a: np.maximum(x, 0)),
    "threshold value": (lambda: nn.Threshold(0.3, -7), (4, 3), lambda x, a: np.where(x > 0.3, x, -7)),
    "softmax": (nn.Softmax, (4, 3), lambda x, a: softmax(x)),
    "softmax axis": (lambda: nn.Softmax(axis=1), (2, 3, 2), lambda x, a: softmax(x, 1)),
    "log_softmax": (nn.LogSoftmax, (4, 3), lambda x, a: np.log(softmax(x))),
    "log_softmax axis": (lambda: nn.LogSoftmax(0), (4, 3), lambda x, a: np.log(softmax(x, 0))),
    "softmin": (nn.Softmin, (4, 3), lambda x, a: softmax(-x)),
    "softmin axis": (lambda: nn.Softmin(-2), (4, 3), lambda x, a: softmax(-x, 0)),
    "glu": (nn.GLU, (4, 6), lambda x, a: halves(x)[0] * sigmoid(halves(x)[1])),
    "glu axis": (lambda: nn.GLU(1), (2, 4, 3), lambda x, a: halves(x, 1)[0] * sigmoid(halves(x, 1)[1])),
    "glu gate": (lambda: nn.GLU(gate="first"), (4, 6), lambda x, a: halves(x)[1] * sigmoid(halves(x)[0])),
    "swiglu": (nn.SwiGLU, (4, 6), lambda x, a: halves(x)[0] * sigmoid(halves(x)[0]) * halves(x)[1]),
    "swiglu gate": (
        lambda: nn.SwiGLU(-2, gate="second"),
        (2, 4, 3),
        lambda x, a: halves(x, 1)[0] * halves(x, 1)[1] * sigmoid(halves(x, 1)[1]),
    ),
    "geglu": (nn.GEGLU, (4, 6), lambda x, a: gelu(halves(x)[0]) * halves(x)[1]),
    "geglu tanh": (
        lambda: nn.GEGLU(gate="second", approximate="tanh"),
        (4, 6),
        lambda x, a: halves(x)[0] * gelu_tanh(halves(x)[1]),
    ),
    "maxout": (nn.Maxout, (4, 6), lambda x, a: np.maximum(x[:, ::2], x[:, 1::2])),
    "maxout axis": (
        lambda: nn.Maxout(3, axis=0),
        (6, 2),
        lambda x, a: np.stack([x[:3].max(axis=0), x[3:].max(axis=0)]),
    ),
}
#: Rows whose layer works element by element, on any shape.
ELEMENTWISE = [
    row
    for row, (make, _, _) in ACTIVATIONS.items()
    if row.split()[0] not in ("softmax", "log_softmax", "softmin", "glu", "swiglu", "geglu", "maxout")
    and "channels" not in row
    and "last" not in row
]
#: Registered names that another name stands for in a description.
ALIASES = {"swish": "silu", "hard_silu": "hard_swish"}


def built(row, backend=None, dtype="float64"):
    """The layer with start values, and an input away from every corner."""
    make, shape, _ = ACTIVATIONS[row]
    layer = make()
    nn.initialize(layer, seed=4, backend=backend and backend.backend, dtype=dtype)
    x = np.asarray(np.random.default_rng(1).normal(size=shape) * 1.5)
    for corner in (0.0, 0.5, -0.5, 1.0, -1.0, 0.3, 2.0, 3.0, -3.0, 0.15, 0.65, 2.5, -2.5, 6.0):
        x = np.where(np.abs(x - corner) < 0.02, x + 0.05, x)
    return layer, x


def formula(row, layer, x, backend=None):
    to_numpy = np.asarray if backend is None else backend.to_numpy
    arrays = {path: to_numpy(p.array).astype("float64") for path, p in layer.parameters().items()}
    return ACTIVATIONS[row][2](x, arrays)


def total(y):
    """The sum of the squares."""
    return array_namespace(y).sum(y * y)


def slope_of(layer, x):
    """The derivative of an elementwise layer, by one reverse pass."""
    y, pullback = vjp(layer, x)
    (g,) = pullback(array_namespace(y).ones_like(y))
    return g


def test_every_registered_activation_has_a_row():
    assert {row.split()[0] for row in ACTIVATIONS} == set(registry.names("activation", third_party=False))


def test_every_activation_is_a_function_and_a_layer():
    """``nn.hard_tanh`` and ``nn.HardTanh``, of the same values, and both are public."""
    for row in ACTIVATIONS:
        name = row.split()[0]
        if name == row and name not in ALIASES:
            layer, x = built(row)
            function = getattr(nn, name)
            assert name in activations.__all__
            assert type(layer).__name__ in activations.__all__
            arguments = (layer.weight,) if name == "prelu" else ()
            np.testing.assert_array_equal(function(x, *arguments), layer(x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", ACTIVATIONS)
def test_values(backend, row, dtype):
    """Those of the formula, in the dtype of the input, on the device, without a wait for it."""
    layer, x = built(row, backend, dtype)
    there = backend.asarray(x, dtype)
    with backend.no_sync():
        y = layer(there)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    want = formula(row, layer, x, backend)
    backend.assert_array(y, want, like=there, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(backend.to_numpy(there), x.astype(dtype))


@pytest.mark.parametrize("row", ACTIVATIONS)
def test_gradients_agree_with_differences(row):
    """With respect to the input and the weights, up to the second order."""
    layer, x = built(row)
    if "weight" in dict(layer.parameters()):
        check_grads(lambda m, x: m(x), layer, x, order=2)
    else:
        check_grads(layer, x, order=2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", ACTIVATIONS)
def test_gradients_on_every_backend(backend, row, dtype):
    """Equal to NumPy's in float64, of the first and second order, without a wait for the device."""
    host, x = built(row)
    layer, _ = built(row, backend, dtype)
    there = backend.asarray(x, dtype)

    def first(layer, x):
        return vjp(lambda x: layer(x) * layer(x), x)

    def second(layer):
        return grad(lambda x: total(grad(lambda x: total(layer(x)))(x)))

    with backend.no_sync():
        y, pullback = first(layer, there)
        (g,) = pullback(y)
        gg = second(layer)(there)
    y, pullback = first(host, x)
    (want,) = pullback(y)
    tolerance = {"rtol": 1e-10, "atol": 1e-11} if dtype == "float64" else {"rtol": 1e-4, "atol": 1e-4}
    backend.assert_array(g, want, like=there, **tolerance)
    backend.assert_array(gg, second(host)(x), like=there, **tolerance)


@pytest.mark.parametrize("row", ACTIVATIONS)
def test_descriptions(row):
    """A layer prints as it is written, and is built again from its description."""
    layer = ACTIVATIONS[row][0]()
    name = row.split()[0]
    described = registry.describe(layer)
    assert described["kind"] == "activation"
    assert described["name"] == ALIASES.get(name, name)
    again = registry.create("activation", described)
    assert type(again) is type(layer) is type(registry.create("activation", name))
    assert repr(again) == repr(layer)
    assert again.config() == layer.config()


@pytest.mark.parametrize("row", ACTIVATIONS)
def test_copies_and_empty_batches(row):
    layer, x = built(row)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(other(x), layer(x))
    if x.ndim > 1 and "axis=0" not in repr(layer) and row not in ("log_softmax axis", "softmin axis"):
        assert layer(x[:0]).shape == (0, *layer(x).shape[1:])


def test_weights_are_saved_and_loaded():
    """The slopes of prelu are a leaf like any other: learned, saved and loaded by path."""
    model = nn.Sequential(nn.Linear(3, 2), nn.PReLU(2))
    nn.initialize(model)
    assert model.arrays()["1.weight"].tolist() == [0.25, 0.25]
    model.load_arrays({**model.arrays(), "1.weight": np.asarray([0.5, -1.0], dtype="float32")})
    np.testing.assert_array_equal(model[1](np.asarray([[-2.0, -2.0]], dtype="float32")), [[-1.0, 2.0]])


@pytest.mark.parametrize("row", ELEMENTWISE)
def test_shapes(row):
    """Any shape, one element after the other."""
    layer, _ = built(row)
    x = np.linspace(-4.03, 4.07, 24)
    want = layer(x)
    for shape in ((24,), (2, 3, 4), (24, 1), (1, 2, 3, 2, 2)):
        np.testing.assert_array_equal(layer(x.reshape(shape)).reshape(-1), want)
    assert layer(np.asarray(0.7)).shape == ()


#: name of a row: value and slope far out on the left, and far out on the right
X, ZERO, ONE = (lambda x: x), (lambda x: 0 * abs(x) if math.isfinite(x) else 0.0), (lambda x: 1.0)
FAR = {
    "identity": (X, ONE, X, ONE),
    "relu": (ZERO, ZERO, X, ONE),
    "relu6": (ZERO, ZERO, lambda x: 6.0, ZERO),
    "leaky_relu": (lambda x: 0.01 * x, lambda x: 0.01, X, ONE),
    "prelu": (lambda x: 0.25 * x, lambda x: 0.25, X, ONE),
    "elu alpha": (lambda x: -0.3, ZERO, X, ONE),
    "celu alpha": (lambda x: -2.5, ZERO, X, ONE),
    "selu": (
        lambda x: -1.7580993408473766,
        ZERO,
        lambda x: 1.0507009873554805 * x,
        lambda x: 1.0507009873554805,
    ),
    "gelu": (ZERO, ZERO, X, ONE),
    "gelu tanh": (ZERO, ZERO, X, ONE),
    "silu": (ZERO, ZERO, X, ONE),
    "mish": (ZERO, ZERO, X, ONE),
    "softplus": (ZERO, ZERO, X, ONE),
    "softplus beta": (ZERO, ZERO, X, ONE),
    "squareplus": (lambda x: 1 / abs(x), lambda x: 1 / abs(x) ** 2, X, ONE),
    "sigmoid": (ZERO, ZERO, ONE, ZERO),
    "log_sigmoid": (X, ONE, ZERO, ZERO),
    "tanh": (lambda x: -1.0, ZERO, ONE, ZERO),
    "softsign": (
        lambda x: -1 / (1 + 1 / abs(x)),
        lambda x: 1 / (1 + abs(x)) ** 2,
        lambda x: 1 / (1 + 1 / x),
        lambda x: 1 / (1 + x) ** 2,
    ),
    "hard_sigmoid": (ZERO, ZERO, ONE, ZERO),
    "hard_sigmoid offset": (ZERO, ZERO, ONE, ZERO),
    "hard_swish": (ZERO, ZERO, X, ONE),
    "hard_tanh bounds": (lambda x: -0.5, ZERO, lambda x: 2.0, ZERO),
    "hardshrink": (X, ONE, X, ONE),
    "softshrink": (lambda x: x + 0.5, ONE, lambda x: x - 0.5, ONE),
    "threshold value": (lambda x: -7.0, ZERO, X, ONE),
}


def test_every_elementwise_activation_is_seen_far_out():
    assert {row.split()[0] for row in FAR} | set(ALIASES) == {row.split()[0] for row in ELEMENTWISE}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", FAR)
def test_far_out(backend, row, dtype):
    """Value, slope and second derivative at +-1e4, +-1e30 and at infinity: right, and without a warning."""
    layer, _ = built(row, backend, dtype)
    points = [-1e4, -1e30, -math.inf, 1e4, 1e30, math.inf]
    x = backend.asarray(points, dtype)
    left, left_slope, right, right_slope = FAR[row]
    values = [(left if p < 0 else right)(p) for p in points]
    slopes = [(left_slope if p < 0 else right_slope)(p) for p in points]
    tolerance = {"rtol": 1e-6 if dtype == "float32" else 1e-7, "atol": 1e-30}
    backend.assert_array(layer(x), values, like=x, **tolerance)
    backend.assert_array(slope_of(layer, x), slopes, like=x, **tolerance)
    second = backend.to_numpy(slope_of(lambda x: slope_of(layer, x), x))
    np.testing.assert_allclose(second, np.zeros(6), atol=1e-11)


@pytest.mark.parametrize("row", ELEMENTWISE)
def test_zeros_of_both_signs_have_the_same_finite_derivatives(row):
    layer, _ = built(row)
    for dtype in ("float32", "float64"):
        x = np.asarray([0.0, -0.0], dtype=dtype)
        for found in (layer(x), slope_of(layer, x), slope_of(lambda x: slope_of(layer, x), x)):
            assert np.isfinite(found).all()
            assert found[0] == found[1]


@pytest.mark.parametrize("row", ELEMENTWISE)
def test_nan_stays_nan(backend, row):
    """What comes in broken goes out broken, so that a run is stopped where it broke."""
    layer, _ = built(row, backend, "float32")
    y = backend.to_numpy(layer(backend.asarray([math.nan, 1.0])))
    assert np.isnan(y).tolist() == [True, False]


#: name of a row: {corner: subgradient there}, those of PyTorch
CORNERS = {
    "relu": {0.0: 0.0},
    "relu6": {0.0: 0.0, 6.0: 0.0},
    "leaky_relu": {0.0: 0.01},
    "prelu": {0.0: 0.25},
    "elu alpha": {0.0: 0.3},
    "celu alpha": {0.0: 1.0},
    "selu": {0.0: 1.7580993408473766},
    "hard_sigmoid": {-3.0: 0.0, 3.0: 0.0},
    "hard_swish": {-3.0: 0.0, 3.0: 1.0},
    "hard_tanh": {-1.0: 0.0, 1.0: 0.0},
    "hardshrink": {-0.5: 0.0, 0.5: 0.0},
    "softshrink": {-0.5: 0.0, 0.5: 0.0},
    "threshold value": {0.3: 0.0},
    "softsign": {0.0: 1.0},
}


@pytest.mark.parametrize("row", CORNERS)
def test_subgradients_at_corners(backend, row):
    """PyTorch's choice, on every library; tests/peers asks PyTorch itself."""
    for dtype in ("float32", "float64"):
        layer, _ = built(row, backend, dtype)
        x = backend.asarray(list(CORNERS[row]), dtype)
        backend.assert_array(slope_of(layer, x), list(CORNERS[row].values()), like=x, rtol=1e-6)


def test_equal_pieces_of_maxout_share_the_gradient():
    assert slope_of(nn.Maxout(2), np.asarray([1.0, 1.0, 3.0, 2.0])).tolist() == [0.5, 0.5, 1.0, 0.0]


@pytest.mark.parametrize(
    "name",
    "relu relu6 leaky_relu elu celu selu gelu silu mish softplus squareplus sigmoid log_sigmoid tanh "
    "softsign hard_sigmoid hard_swish hard_tanh hardshrink softshrink threshold softmax log_softmax".split(),
)
def test_an_activation_is_one_node(name):
    """The tape holds one operation, whatever the number of steps of the formula."""
    seen = []

    def fn(x):
        y = getattr(nn, name)(x)
        seen.append(y.node.parents == (x.node,))
        return y

    vjp(fn, np.asarray([-1.0, 2.0]))
    assert seen == [True]


def test_small_values_keep_their_digits():
    """Where 1 + exp(x) would round to 1, or x + sqrt(x^2 + b) to 0."""
    x = np.asarray([-40.0])
    np.testing.assert_allclose(nn.softplus(x), np.exp(x), rtol=1e-15)
    np.testing.assert_allclose(nn.sigmoid(x), np.exp(x), rtol=1e-15)
    np.testing.assert_allclose(nn.log_sigmoid(-x), -np.exp(x), rtol=1e-15)
    np.testing.assert_allclose(nn.mish(x), x * np.exp(x), rtol=1e-15)
    np.testing.assert_allclose(nn.elu(np.asarray([-1e-12])), [-1e-12], rtol=1e-11)
    np.testing.assert_allclose(nn.squareplus(np.asarray([-1e9])), [1e-9], rtol=1e-15)


def test_softmax_with_a_mask(backend):
    """Minus infinity is left out, with gradient 0, and large logits do not overflow."""
    x = backend.asarray([[1e4, -math.inf, 1e4], [-1e30, 0.0, 1e30]])
    backend.assert_array(nn.softmax(x), [[0.5, 0.0, 0.5], [0.0, 0.0, 1.0]], like=x)
    y, pullback = vjp(nn.softmax, x)
    (g,) = pullback(backend.asarray([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    backend.assert_array(g, [[0.25, 0.0, -0.25], [0.0, 0.0, 0.0]], like=x)
    y = backend.to_numpy(nn.log_softmax(x))
    np.testing.assert_allclose(y[0], [-math.log(2), -math.inf, -math.log(2)], rtol=1e-6)
    backend.assert_array(nn.softmin(x[1:, ...]), [[1.0, 0.0, 0.0]], like=x)


def test_activations_in_a_network(backend):
    """Each trains inside a model: gradients for the weights before it, finite and not all 0."""
    for name in registry.names("activation", third_party=False):
        model = nn.Sequential(nn.Linear(5, 4), registry.create("activation", name))
        nn.initialize(model, backend=backend.backend)
        x = backend.asarray(np.random.default_rng(0).normal(size=(6, 5)))
        _, g = value_and_grad(lambda m, x: total(m(x)))(model, x)
        found = backend.to_numpy(g["0.weight"])
        assert np.isfinite(found).all()
        assert found.any() or name in ("hardshrink",), name


WRONG = [
    (lambda: nn.LeakyReLU("steep"), "LeakyReLU: negative_slope is 'steep', expected a number"),
    (lambda: nn.LeakyReLU(math.nan), "LeakyReLU: negative_slope is nan, expected a number"),
    (lambda: nn.leaky_relu(1.0, True), "leaky_relu: negative_slope is True, expected a number"),
    (lambda: nn.PReLU(0), "PReLU: num_parameters is 0, expected an integer >= 1"),
    (lambda: nn.PReLU(2.0), "PReLU: num_parameters is 2.0, expected an integer >= 1"),
    (lambda: nn.PReLU(init=None), "PReLU: init is None, expected a number"),
    (lambda: nn.PReLU(axis="last"), "PReLU: axis is 'last', expected an integer"),
    (lambda: nn.ELU(math.inf), "ELU: alpha is inf, expected a number"),
    (lambda: nn.CELU(0), "CELU: alpha is 0, expected a number > 0"),
    (lambda: nn.celu(1.0, -1.0), "celu: alpha is -1.0, expected a number > 0"),
    (lambda: nn.GELU("erf"), "GELU: approximate is 'erf', expected 'none' or 'tanh'"),
    (lambda: nn.GELU(True), "GELU: approximate is True, expected 'none' or 'tanh'"),
    (lambda: nn.gelu(1.0, "tan"), "gelu: approximate is 'tan', expected 'none' or 'tanh'"),
    (lambda: nn.GEGLU(approximate="erf"), "GEGLU: approximate is 'erf', expected 'none' or 'tanh'"),
    (lambda: nn.Softplus(beta=0.0), "Softplus: beta is 0.0, expected a number > 0"),
    (lambda: nn.Softplus(threshold=None), "Softplus: threshold is None, expected a number"),
    (lambda: nn.Squareplus(-4), "Squareplus: b is -4, expected a number > 0"),
    (lambda: nn.HardTanh(1.0, -1.0), "HardTanh: min_val is 1.0 and max_val -1.0, expected a smaller min_val"),
    (lambda: nn.hard_tanh(1.0, 2, 2), "hard_tanh: min_val is 2 and max_val 2, expected a smaller min_val"),
    (lambda: nn.HardSigmoid(slope=0), "HardSigmoid: slope is 0, expected a number > 0"),
    (lambda: nn.HardSigmoid(offset="half"), "HardSigmoid: offset is 'half', expected a number"),
    (lambda: nn.Hardshrink(-0.5), "Hardshrink: lambd is -0.5, expected a number >= 0"),
    (lambda: nn.Softshrink(-0.5), "Softshrink: lambd is -0.5, expected a number >= 0"),
    (lambda: nn.Threshold(None), "Threshold: threshold is None, expected a number"),
    (lambda: nn.Threshold(0.0, "low"), "Threshold: value is 'low', expected a number"),
    (lambda: nn.LogSoftmax(axis=None), "LogSoftmax: axis is None, expected an integer"),
    (lambda: nn.Softmin(axis=(0, 1)), "Softmin: axis is (0, 1), expected an integer"),
    (lambda: nn.GLU(gate="left"), "GLU: gate is 'left', expected 'first' or 'second'"),
    (lambda: nn.SwiGLU(axis=1.5), "SwiGLU: axis is 1.5, expected an integer"),
    (lambda: nn.Maxout(0), "Maxout: pieces is 0, expected an integer >= 1"),
    (lambda: nn.Maxout(2.0), "Maxout: pieces is 2.0, expected an integer >= 1"),
    (lambda: registry.create("activation", "leakyrelu"), "did you mean 'leaky_relu'?"),
    (lambda: registry.create("activation", "elu:alhpa=2"), "did you mean 'alpha'?"),
    (lambda: registry.create("activation", "celu:alpha=-2"), "CELU: alpha is -2, expected a number > 0"),
]


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_values_out_of_range_are_refused(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)


WRONG_SHAPES = [
    (lambda x: nn.softmax(x, axis=2), "softmax got x of shape (2, 3), which has no axis 2"),
    (lambda x: nn.log_softmax(x, axis=-3), "log_softmax got x of shape (2, 3), which has no axis -3"),
    (lambda x: nn.softmin(x, 2), "softmin got x of shape (2, 3), which has no axis 2"),
    (lambda x: nn.glu(x), "glu got x of shape (2, 3), expected an even length of axis -1"),
    (lambda x: nn.SwiGLU(axis=5)(x), "swiglu got x of shape (2, 3), which has no axis 5"),
    (lambda x: nn.geglu(x), "the axis holds two halves, one of which gates the other"),
    (
        lambda x: nn.maxout(x),
        "maxout got x of shape (2, 3), expected a length of axis -1 that is a multiple of 2",
    ),
    (
        lambda x: nn.prelu(x, np.ones(4)),
        "x of shape (2, 3) and a weight of shape (4,), expected a vector",
    ),
    (lambda x: nn.prelu(x, np.ones((1, 3))), "with one for each channel on axis 1"),
    (lambda x: nn.prelu(x[0], np.ones(3)), "prelu got x of shape (3,) and a weight of shape (3,)"),
]


@pytest.mark.parametrize(("call", "text"), WRONG_SHAPES)
def test_shapes_that_do_not_fit_are_refused(call, text):
    x = np.ones((2, 3))
    with pytest.raises(ShapeError) as caught:
        call(x)
    assert text in str(caught.value)
    with pytest.raises(ShapeError):
        vjp(call, x)

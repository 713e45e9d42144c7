"""Layers, activations and containers: one row each in ``LAYERS``, one test a property."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import check_grads
from learnkit.backends import array_namespace
from learnkit.errors import ArgumentError, ShapeError
from learnkit.plugins import registry

rng = np.random.default_rng(9)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


#: name of the row, whose first word is registered: layer, shape of x, the formula in NumPy of (x, arrays)
LAYERS = {
    "relu": (lambda: nn.ReLU(), (4, 3), lambda x, a: np.maximum(x, 0)),
    "sigmoid": (lambda: nn.Sigmoid(), (4, 3), lambda x, a: sigmoid(x)),
    "tanh": (lambda: nn.Tanh(), (4, 3), lambda x, a: np.tanh(x)),
    "softmax": (lambda: nn.Softmax(), (4, 3), lambda x, a: softmax(x)),
    "softmax axis": (lambda: nn.Softmax(axis=0), (4, 3), lambda x, a: softmax(x, 0)),
    "softmax of a block": (lambda: nn.Softmax(axis=1), (2, 3, 2), lambda x, a: softmax(x, 1)),
    "linear": (lambda: nn.Linear(3, 2), (4, 3), lambda x, a: x @ a["weight"] + a["bias"]),
    "linear without bias": (lambda: nn.Linear(3, 2, bias=False), (4, 3), lambda x, a: x @ a["weight"]),
    "linear of a vector": (lambda: nn.Linear(3, 2), (3,), lambda x, a: x @ a["weight"] + a["bias"]),
    "linear of a block": (lambda: nn.Linear(3, 2), (2, 2, 3), lambda x, a: x @ a["weight"] + a["bias"]),
    "linear by name": (
        lambda: nn.Linear(3, 2, weight_init="xavier_uniform:gain=1.5"),
        (4, 3),
        lambda x, a: x @ a["weight"] + a["bias"],
    ),
    "dropout": (lambda: nn.Dropout(0.4), (4, 3), lambda x, a: x),
    "dropout of nothing": (lambda: nn.Dropout(0), (4, 3), lambda x, a: x),
    "flatten": (lambda: nn.Flatten(), (2, 3, 2), lambda x, a: x.reshape(2, 6)),
    "flatten of a matrix": (lambda: nn.Flatten(), (2, 3), lambda x, a: x),
    "flatten of a vector": (lambda: nn.Flatten(), (3,), lambda x, a: x.reshape(3, 1)),
    "sequential": (
        lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)),
        (5, 3),
        lambda x, a: np.tanh(x @ a["0.weight"] + a["0.bias"]) @ a["2.weight"] + a["2.bias"],
    ),
    "sequential of nothing": (lambda: nn.Sequential(), (2, 3), lambda x, a: x),
    "sequential in a sequential": (
        lambda: nn.Sequential(nn.Sequential(nn.Linear(3, 2), nn.Sigmoid()), nn.Softmax()),
        (5, 3),
        lambda x, a: softmax(sigmoid(x @ a["0.0.weight"] + a["0.0.bias"])),
    ),
}


def built(row, backend=None, dtype="float64"):
    """The layer with start values, a bias that is not 0, and an input."""
    make, shape, _ = LAYERS[row]
    layer = make()
    nn.initialize(layer, seed=4, backend=backend and backend.backend, dtype=dtype)
    noise = np.random.default_rng(0)
    for path, p in layer.parameters().items():
        values = noise.normal(size=p.shape)
        if path.endswith("bias"):
            p.array[...] = values if backend is None else backend.asarray(values, dtype)
    x = np.random.default_rng(1).normal(size=shape)
    x += 0.1 * np.sign(x)  # away from the corner of relu
    return layer, x


def test_every_registered_layer_has_a_row():
    """Activations have a table of their own; some of them are here too."""
    names = {row.split()[0] for row in LAYERS}
    assert names - set(registry.names("activation", third_party=False)) == set(
        registry.names("layer", third_party=False)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", LAYERS)
def test_values(backend, row, dtype):
    """Those of the formula in NumPy, in the dtype of the input, on the device, without a wait for it."""
    layer, x = built(row, backend, dtype)
    arrays = {path: backend.to_numpy(p.array).astype("float64") for path, p in layer.parameters().items()}
    there = backend.asarray(x, dtype)
    with backend.no_sync():
        y = layer(there)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    backend.assert_array(y, LAYERS[row][2](x, arrays), like=there, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(backend.to_numpy(there), x.astype(dtype))


@pytest.mark.parametrize("row", LAYERS)
def test_gradients_agree_with_differences(row):
    """With respect to the input and to all parameters, first and second order; in training too."""
    layer, x = built(row)
    check_grads(lambda m, x: m(x), layer, x, order=2)

    def in_training(m, x):
        with nn.training(seed=1, step=2):
            return m(x)

    check_grads(in_training, layer, x, order=2)


@pytest.mark.parametrize("row", LAYERS)
def test_gradients_on_every_backend(backend, row):
    layer, x = built(row, backend)
    if backend.name == "numpy":
        return  # done above
    check_grads(lambda m, x: m(x) * m(x), layer, backend.asarray(x, "float64"))


@pytest.mark.parametrize("row", LAYERS)
def test_descriptions(row):
    """A layer prints as it is written, and is built again from its description."""
    layer = LAYERS[row][0]()
    described = registry.describe(layer)
    again = registry.create(described["kind"], described)
    assert type(again) is type(layer)
    assert repr(again) == repr(layer)
    assert again.config() == layer.config() or row.startswith("sequential")
    assert [p.shape for p in again.parameters().values()] == [p.shape for p in layer.parameters().values()]


@pytest.mark.parametrize("row", LAYERS)
def test_layers_can_be_copied_and_pickled(row):
    layer, x = built(row)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(other(x), layer(x))
        for path, array in other.arrays().items():
            array[...] = 0.0
            assert layer.arrays()[path] is not array
    assert all(a.any() for p, a in layer.arrays().items() if p.endswith("weight"))


@pytest.mark.parametrize("row", [r for r in LAYERS if r.split()[0] not in ("flatten", "sequential")])
def test_an_empty_batch_goes_through(row):
    layer, x = built(row)
    if x.ndim > 1 and "axis" not in row:
        assert layer(x[:0]).shape == (0, *layer(x).shape[1:])


def test_functions_and_layers_are_the_same():
    x = np.asarray([[-1.0, 0.5, 2.0]])
    for name in ("relu", "sigmoid", "tanh", "softmax"):
        np.testing.assert_array_equal(getattr(nn, name)(x), registry.create("activation", name)(x))
    np.testing.assert_allclose(nn.log_softmax(x), np.log(nn.softmax(x)), rtol=1e-14)
    assert nn.linear(x, np.ones((3, 2))).tolist() == [[1.5, 1.5]]


def test_extreme_values_neither_overflow_nor_warn(backend):
    x = backend.asarray([[-1e30, -100.0, 0.0, 100.0, 1e30]])
    for layer in (nn.ReLU(), nn.Sigmoid(), nn.Tanh(), nn.Softmax()):
        assert np.isfinite(backend.to_numpy(layer(x))).all()
    tiny = backend.to_numpy(nn.sigmoid(backend.asarray([-80.0])))
    np.testing.assert_allclose(tiny, [np.exp(-80.0)], rtol=1e-6)


def test_nan_stays_nan(backend):
    x = backend.asarray([float("nan"), 1.0])
    for layer in (nn.ReLU(), nn.Sigmoid(), nn.Tanh()):
        assert np.isnan(backend.to_numpy(layer(x))).tolist() == [True, False]


def test_a_layer_of_ones_own(backend):
    """Leaves in ``__init__``, array code in ``__call__``: start values, gradients, a place in a model."""

    class Scale(nn.Module):
        """y = a x."""

        def __init__(self, size, start=2.0):
            self.a = nn.Parameter((size,), nn.init.Constant(start))

        def __call__(self, x):
            xp = array_namespace(x, self.a)
            return xp.multiply(x, self.a)

    model = nn.Sequential(Scale(3), nn.Linear(3, 1))
    nn.initialize(model, backend=backend.backend, dtype="float64")
    assert list(model.parameters()) == ["0.a", "1.weight", "1.bias"]
    assert repr(model) == "Sequential(Scale(size=3), Linear(in_features=3, out_features=1))"
    backend.assert_array(model[0](backend.asarray([[1.0, 2.0, 3.0]], "float64")), [[2.0, 4.0, 6.0]])
    check_grads(lambda m, x: m(x), model, backend.asarray([[1.0, 2.0, 3.0]], "float64"), order=2)


def test_sequential_is_a_sequence():
    first, second = nn.Linear(2, 3), nn.ReLU()
    model = nn.Sequential(first, second)
    assert len(model) == 2
    assert model[0] is first
    assert model[-1] is second
    assert list(model) == [first, second]
    assert model.children() == {"0": first, "1": second}


WRONG = [
    (lambda: nn.Linear(0, 3), "Linear: in_features is 0, expected an integer >= 1"),
    (lambda: nn.Linear(3, 2.0), "Linear: out_features is 2.0, expected an integer >= 1"),
    (lambda: nn.Linear(True, 3), "Linear: in_features is True, expected an integer >= 1"),
    (lambda: nn.Linear(3, 2, weight_init="he_norml"), "did you mean 'he_normal'?"),
    (lambda: nn.Dropout(1.0), "Dropout: p is 1.0, expected a number in [0, 1)"),
    (lambda: nn.Dropout(-0.1), "Dropout: p is -0.1, expected a number in [0, 1)"),
    (lambda: nn.Dropout("half"), "Dropout: p is 'half', expected a number in [0, 1)"),
    (lambda: nn.Softmax(axis=1.0), "Softmax: axis is 1.0, expected an integer"),
    (lambda: nn.Softmax(axis=True), "Softmax: axis is True, expected an integer"),
    (
        lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU),
        "Sequential: layer 1 is <class 'learnkit.nn.activations.rectifiers.ReLU'>",
    ),
    (lambda: nn.Sequential(nn.ReLU), "write ReLU(...) with parentheses"),
    (lambda: nn.Sequential([nn.ReLU()]), "Sequential: layer 0 is [ReLU()], expected a Module"),
    (lambda: nn.Sequential(np.tanh), "expected a Module"),
    (lambda: nn.training(seed=-1).__enter__(), "seed is -1, expected an integer >= 0"),
    (lambda: nn.training(step=0.5).__enter__(), "step is 0.5, expected an integer >= 0"),
]


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_values_out_of_range_are_refused(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)


def test_shapes_that_do_not_fit_name_the_layer():
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), nn.Linear(5, 1)))
    nn.initialize(model)
    with pytest.raises(ShapeError) as caught:
        model(np.ones((2, 3), dtype="float32"))
    assert str(caught.value).splitlines() == [
        "layer 1.1 (Linear(in_features=5, out_features=1)): linear got x of shape (2, 4), expected (..., 5)",
        "  the last axis of x must have in_features entries; Flatten() makes one axis of several",
    ]
    with pytest.raises(ShapeError, match=r"linear got x of shape \(\), expected \(\.\.\., 3\)"):
        nn.linear(np.asarray(1.0), np.ones((3, 2)))
    with pytest.raises(ShapeError, match=r"Flatten got an array without axes, expected \(batch, \.\.\.\)"):
        nn.Flatten()(np.asarray(1.0))


def test_a_layer_that_was_not_initialised_says_what_to_do():
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(ArgumentError) as caught:
        model(np.ones((1, 2)))
    assert "leaf 'weight' of Linear has no array yet\n  give the model to a Trainer" in str(caught.value)
    with pytest.raises(ArgumentError, match=r"leaf '0\.weight' has no array yet"):
        model.arrays()
    with pytest.raises(ArgumentError, match=r"leaf '0\.weight' has no array yet"):
        model.leaves()


def test_a_module_without_a_forward_function_says_so():
    class Empty(nn.Module):
        pass

    with pytest.raises(TypeError, match=r"Empty defines no forward function: give it a __call__\(self, x\)"):
        Empty()(np.ones(2))

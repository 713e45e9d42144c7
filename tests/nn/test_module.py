"""Module: the tree of leaves, reading and writing them, sharing, and standing in for them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import grad
from learnkit.backends import array_namespace
from learnkit.errors import ArgumentError, CheckpointError, ShapeError
from learnkit.nn.leaves import substituting


def ones(shape):
    return nn.Parameter(shape, nn.init.Ones())


class Counted(nn.Module):
    """A layer with a parameter and a buffer."""

    def __init__(self, size=2):
        self.scale = ones((size,))
        self.seen = nn.Buffer((), nn.init.Zeros())
        self.name = "plain"

    def __call__(self, x):
        return array_namespace(x, self.scale).multiply(x, self.scale)


class Tied(nn.Module):
    """An encoder and a decoder that share one weight, and a sub-module used twice."""

    def __init__(self):
        self.inner = nn.Linear(2, 2, bias=False)
        self.again = self.inner
        self.tied = self.inner._leaves["weight"]
        self.out = Counted()

    def __call__(self, x):
        xp = array_namespace(x, self.tied)
        return self.out(xp.matmul(self.again(self.inner(x)), self.tied))


def test_leaves_have_dotted_paths_in_order_of_definition():
    model = nn.Sequential(nn.Linear(2, 3), Counted(3), nn.Sequential(nn.Linear(3, 1, bias=False)))
    assert list(model.parameters()) == ["0.weight", "0.bias", "1.scale", "2.0.weight"]
    assert list(model.buffers()) == ["1.seen"]
    assert list(model.modules()) == ["", "0", "1", "2", "2.0"]
    nn.initialize(model)
    assert list(model.arrays()) == ["0.weight", "0.bias", "1.scale", "1.seen", "2.0.weight"]


def test_shared_leaves_and_modules_are_listed_once():
    assert list(Tied().parameters()) == ["tied", "out.scale"]
    assert list(Tied().modules()) == ["", "inner", "out"]


def test_gradients_of_shared_leaves_accumulate(backend):
    """Three uses of one weight give the sum of three gradients, in ``grad`` and in a gradient vector."""
    model = Tied()
    parameters = nn.initialize(model, seed=0, backend=backend.backend, dtype="float64")
    model.tied = backend.asarray([[1.0, 2.0], [0.5, -1.0]], "float64")
    x = backend.asarray([[1.0, 3.0]], "float64")

    def loss():
        y = model(x)
        return array_namespace(y).sum(y)

    w = np.asarray([[1.0, 2.0], [0.5, -1.0]])
    h = 1e-6
    wanted = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            up, down = w.copy(), w.copy()
            up[i, j] += h
            down[i, j] -= h
            power = np.linalg.matrix_power
            wanted[i, j] = (([[1.0, 3.0]] @ (power(up, 3) - power(down, 3))).sum()) / (2 * h)
    backend.assert_array(grad(lambda m: loss())(model)["tied"], wanted, dtype="float64", rtol=1e-8, atol=1e-8)
    vector = nn.GradientVector(model, parameters)
    for _ in range(2):  # the second call must not add to the first
        vector.value_and_grad(loss)
        found = parameters.layout.views(vector.vector)["tied"]
        backend.assert_array(found, wanted, dtype="float64", rtol=1e-8, atol=1e-8)


def test_assigning_to_a_leaf_writes_its_values(backend):
    """In place: theta sees it, and another dtype or library's own array is cast."""
    model = nn.Linear(2, 2)
    parameters = nn.initialize(model, backend=backend.backend)
    model.bias = backend.asarray([1.0, 2.0], "float64")
    backend.assert_array(model.bias, [1.0, 2.0], dtype="float32")
    backend.assert_array(parameters.theta[4:], [1.0, 2.0], dtype="float32")
    with pytest.raises(ShapeError, match=r"leaf 'bias' of Linear has shape \(2,\), got \(3,\)"):
        model.bias = backend.asarray([1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match=r"leaf 'bias' of Linear has shape \(2,\), got NoneType"):
        model.bias = None


def test_attributes_can_be_replaced():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model.extra = nn.Tanh()
    assert "extra" in model.children()
    model.extra = 3
    assert "extra" not in model.children()
    model.extra = ones((2,))
    assert "extra" in model.parameters()
    model.head = nn.Linear(1, 1)
    model.head = ones((1,))
    assert "head" not in model.children()
    assert "head" in model.parameters()


def test_an_unknown_attribute_is_answered_with_the_nearest():
    with pytest.raises(AttributeError, match=r"Linear has no attribute 'wieght' \(did you mean 'weight'\?\)"):
        _ = nn.Linear(1, 1).wieght


def test_arrays_come_and_go(backend):
    model = nn.Sequential(nn.Linear(2, 3), Counted(3))
    other = nn.Sequential(nn.Linear(2, 3), Counted(3))
    nn.initialize(model, seed=1, backend=backend.backend)
    nn.initialize(other, seed=2, backend=backend.backend)
    other.load_arrays(model.arrays())
    for path, array in other.arrays().items():
        backend.assert_array(array, backend.to_numpy(model.arrays()[path]), like=array, rtol=0, atol=0)
        assert array is not model.arrays()[path]
    other.load_arrays({path: backend.to_numpy(a) for path, a in model.arrays().items()})


def test_arrays_that_do_not_fit_are_all_named_and_nothing_is_changed():
    model = nn.Sequential(nn.Linear(2, 3))
    nn.initialize(model)
    before = {path: a.copy() for path, a in model.arrays().items()}
    wrong = {"0.weight": np.ones((3, 3)), "0.bais": np.ones(3)}
    with pytest.raises(CheckpointError) as caught:
        model.load_arrays(wrong)
    assert str(caught.value) == (
        "arrays do not fit this Sequential: missing '0.bias'; unexpected '0.bais' (did you mean '0.bias'?); "
        "'0.weight' has shape (3, 3), expected (2, 3)"
    )
    with pytest.raises(CheckpointError, match=r"and 2 more"):
        model.load_arrays({str(i): np.ones(1) for i in range(5)})
    for path, array in model.arrays().items():
        np.testing.assert_array_equal(array, before[path])


def test_leaves_can_be_stood_in_for():
    model = nn.Linear(1, 1)
    nn.initialize(model, dtype="float64")
    x = np.asarray([[2.0]])
    before = model(x)
    with model.substituted({"weight": np.asarray([[10.0]]), "bias": np.asarray([1.0])}):
        assert model(x).tolist() == [[21.0]]
        with model.substituted({"bias": np.asarray([5.0])}):
            assert model(x).tolist() == [[25.0]]
        assert model(x).tolist() == [[21.0]]
    np.testing.assert_array_equal(model(x), before)
    with (
        pytest.raises(ArgumentError, match=r"no parameter 'wieght' \(did you mean 'weight'\?\)"),
        model.substituted({"wieght": x}),
    ):
        pass


def test_threads_do_not_see_each_others_stand_ins():
    model = nn.Linear(1, 1, bias=False)
    nn.initialize(model, dtype="float64")
    leaf = model.parameters()["weight"]

    def work(k):
        with substituting({leaf: np.asarray([[float(k)]])}):
            return [float(model(np.ones((1, 1)))[0, 0]) for _ in range(50)]

    with ThreadPoolExecutor(4) as pool:
        for k, found in enumerate(pool.map(work, range(20))):
            assert found == [float(k)] * 50


def test_descriptions_hold_what_differs_from_the_defaults():
    assert nn.Linear(2, 3).config() == {"in_features": 2, "out_features": 3}
    assert nn.Linear(2, out_features=3, bias=False).config()["bias"] is False
    assert repr(nn.Softmax(axis=0)) == "Softmax(axis=0)"
    assert repr(nn.ReLU()) == "ReLU()"

    class Open(nn.Module):
        def __init__(self, first, *layers, **options):
            self.layers = layers

    assert Open(1, nn.ReLU(), depth=3).config()["depth"] == 3


def test_shapes_of_leaves_are_checked():
    with pytest.raises(ArgumentError, match=r"shape is \(2, -1\), expected a tuple of integers >= 0"):
        nn.Parameter((2, -1), nn.init.Zeros())
    assert repr(nn.Buffer((2,), nn.init.Zeros())) == "Buffer(shape=(2,))"

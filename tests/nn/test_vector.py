"""One model, one vector: theta, its layout, and the gradient vector."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import grad
from learnkit.backends import array_namespace
from learnkit.errors import ArgumentError, GradientError


def model_of():
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))


def test_leaves_are_views_of_theta(backend):
    """Writing to theta changes the model, and the other way round."""
    model = model_of()
    parameters = nn.initialize(model, seed=0, backend=backend.backend)
    assert parameters.layout.paths == ("0.weight", "0.bias", "2.weight", "2.bias")
    assert parameters.layout.shapes == ((2, 3), (3,), (3, 1), (1,))
    assert parameters.layout.size == 13
    parameters.theta[...] = backend.asarray(np.arange(13.0))
    backend.assert_array(model[0].weight, [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], dtype="float32")
    backend.assert_array(model[2].bias, [12.0], dtype="float32")
    model[0].bias = backend.asarray([-1.0, -2.0, -3.0])
    backend.assert_array(parameters.theta[6:9], [-1.0, -2.0, -3.0], dtype="float32")
    assert "13 float32 on" in repr(parameters)


def test_vectors_of_the_same_layout(backend):
    model = model_of()
    parameters = nn.initialize(model, backend=backend.backend, dtype="float64")
    zeros = parameters.zeros()
    backend.assert_array(zeros, np.zeros(13), dtype="float64")
    views = parameters.layout.views(zeros)
    assert list(views) == list(model.parameters())
    views["0.bias"][...] = backend.asarray([1.0, 2.0, 3.0], "float64")
    backend.assert_array(zeros[6:9], [1.0, 2.0, 3.0])
    with pytest.raises(ArgumentError, match=r"vector has shape \(2,\), the layout needs \(13,\)"):
        parameters.layout.views(backend.asarray([1.0, 2.0]))


def test_the_gradient_vector_is_the_gradient(backend):
    """Leaf by leaf that of ``grad``, call after call in the same memory, without a wait for the device."""
    model = model_of()
    parameters = nn.initialize(model, seed=1, backend=backend.backend, dtype="float64")
    gradient = nn.GradientVector(model, parameters)
    x = backend.asarray(np.random.default_rng(0).normal(size=(5, 2)), "float64")

    def loss():
        y = model(x)
        return array_namespace(y).mean(y * y)

    vector = gradient.vector
    for _ in range(3):
        with backend.no_sync():
            value = gradient.value_and_grad(loss)
        assert gradient.vector is vector
        backend.assert_array(value, backend.to_numpy(loss()), dtype="float64")
        wanted = grad(lambda m: loss())(model)
        for path, view in parameters.layout.views(vector).items():
            backend.assert_array(
                view, backend.to_numpy(wanted[path]), dtype="float64", rtol=1e-12, atol=1e-14
            )
        parameters.theta[...] = parameters.theta - 0.1 * vector


def test_parameters_that_the_loss_does_not_reach_get_zeros(backend):
    """Also if an earlier loss reached them: nothing of an old gradient stays."""
    model = model_of()
    parameters = nn.initialize(model, seed=1, backend=backend.backend)
    gradient = nn.GradientVector(model, parameters)
    x = backend.asarray([[1.0, 2.0]])
    gradient.value_and_grad(lambda: array_namespace(model[0].weight).sum(model(x)))
    assert backend.to_numpy(gradient.vector).any()
    gradient.value_and_grad(lambda: array_namespace(model[2].bias).sum(model[2].bias * 3.0))
    backend.assert_array(gradient.vector, [0.0] * 12 + [3.0], dtype="float32", rtol=0, atol=0)
    value = gradient.value_and_grad(lambda: backend.xp.sum(x))
    backend.assert_array(value, 3.0)
    backend.assert_array(gradient.vector, np.zeros(13), dtype="float32", rtol=0, atol=0)


def test_a_loss_with_axes_is_refused():
    model = model_of()
    gradient = nn.GradientVector(model, nn.initialize(model))
    with pytest.raises(GradientError, match=r"the loss has shape \(1, 1\), expected a 0-d array"):
        gradient.value_and_grad(lambda: model(np.ones((1, 2), dtype="float32")))


def test_a_weight_used_twice_in_one_layer_after_another(backend):
    """The first use writes into the vector, the second adds to it."""
    layer = nn.Linear(2, 2)
    parameters = nn.initialize(layer, seed=2, backend=backend.backend, dtype="float64")
    gradient = nn.GradientVector(layer, parameters)
    x = backend.asarray([[0.5, -1.0], [2.0, 1.0]], "float64")

    def loss():
        y = layer(layer(x))
        return array_namespace(y).sum(y * y)

    gradient.value_and_grad(loss)
    wanted = grad(lambda m: loss())(layer)
    for path, view in parameters.layout.views(gradient.vector).items():
        backend.assert_array(view, backend.to_numpy(wanted[path]), dtype="float64", rtol=1e-12, atol=1e-14)

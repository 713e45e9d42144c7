"""Forward and backward propagation as the textbook writes them, evaluated literally beside the library.

    z(l) = W(l) a(l-1) + b(l)            a(l) = f(z(l))
    delta(L) = dL/da(L) * f'(z(L))       delta(l) = W(l+1)^T delta(l+1) * f'(z(l))
    dL/dW(l) = delta(l) a(l-1)^T         dL/db(l) = delta(l)

There an example is a column and W has a row for each output; here an example is a row: W(l) is ``weight.T``.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import learnkit as lk
from learnkit.nn.gradient import GradientVector

SIZES = (4, 6, 5, 3)
FUNCTIONS = {
    "relu": (lambda z: np.maximum(0, z), lambda z: (z > 0) * 1.0),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (
        lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)),
        lambda z: 1 - np.tanh(z) ** 2,
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_delta_rule(backend, name):
    """Activations, and the gradient of every weight and bias, for L = 1/2 |a(L) - y|^2 summed."""
    f, slope = FUNCTIONS[name]
    layers = []
    for i, o in itertools.pairwise(SIZES):
        layers += [
            lk.nn.Linear(i, o),
            {"relu": lk.nn.ReLU, "sigmoid": lk.nn.Sigmoid, "tanh": lk.nn.Tanh}[name](),
        ]
    model = lk.nn.Sequential(*layers)
    vector = lk.nn.initialize(model, seed=3, backend=backend.backend, dtype="float64")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, SIZES[0])), rng.normal(size=(7, SIZES[-1]))

    arrays = {path: backend.to_numpy(a) for path, a in model.arrays().items()}
    weights = [arrays[f"{2 * i}.weight"].T for i in range(3)]
    biases = [arrays[f"{2 * i}.bias"][:, None] + 0.0 for i in range(3)]
    a, z = [x.T], []
    for w, b in zip(weights, biases, strict=True):
        z.append(w @ a[-1] + b)
        a.append(f(z[-1]))
    delta = [np.empty(0)] * 3
    delta[2] = (a[3] - y.T) * slope(z[2])
    for i in (1, 0):
        delta[i] = weights[i + 1].T @ delta[i + 1] * slope(z[i])

    target = backend.asarray(y, "float64")
    features = backend.asarray(x, "float64")

    def loss():
        out = model(features)
        xp = lk.array_namespace(out)
        return xp.multiply(0.5, xp.sum(xp.square(xp.subtract(out, target))))

    gradient = GradientVector(model, vector)
    value = gradient.value_and_grad(loss)
    backend.assert_array(value, 0.5 * ((a[3] - y.T) ** 2).sum(), rtol=1e-12, atol=1e-12)
    backend.assert_array(model(features), a[3].T, rtol=1e-12, atol=1e-12)
    found = vector.layout.views(gradient.vector)
    for i in range(3):
        backend.assert_array(found[f"{2 * i}.weight"], (delta[i] @ a[i].T).T, rtol=1e-12, atol=1e-12)
        backend.assert_array(found[f"{2 * i}.bias"], delta[i].sum(axis=1), rtol=1e-12, atol=1e-12)


def test_softmax():
    """f(x_i) = exp(x_i) / sum_j exp(x_j)."""
    x = np.random.default_rng(1).normal(size=(3, 5))
    np.testing.assert_allclose(lk.nn.softmax(x), np.exp(x) / np.exp(x).sum(axis=1, keepdims=True), rtol=1e-14)


def test_vanishing_gradients():
    """What the tips are for: with sigmoids a deep net's first gradient vanishes; relu with He keeps it."""

    def first_gradient(activation, init, depth=20, width=64):
        layers = []
        for _ in range(depth):
            layers += [lk.nn.Linear(width, width, weight_init=init), activation()]
        model = lk.nn.Sequential(*layers)
        vector = lk.nn.initialize(model, seed=0, dtype="float64")
        x = np.random.default_rng(0).normal(size=(32, width))
        gradient = GradientVector(model, vector)
        gradient.value_and_grad(lambda: (lambda out: lk.array_namespace(out).mean(out))(model(x)))
        views = list(vector.layout.views(gradient.vector).values())
        return np.linalg.norm(views[0]) / np.linalg.norm(views[-2])

    assert first_gradient(lk.nn.Sigmoid, "normal:std=0.1") < 1e-6
    assert 1e-2 < first_gradient(lk.nn.ReLU, "he_normal") < 1e2

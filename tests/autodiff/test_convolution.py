"""Convolution and pooling as primitives: gradients of any order, one node each, results where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import check_grads, grad, hvp, jvp, per_example_grad, value_and_grad
from learnkit.autodiff.rules import convolution as rules
from learnkit.backends import array_namespace
from learnkit.backends.windows import Window

rng = np.random.default_rng(0)
WINDOW = Window((2, 3), (1, 2), ((1, 0), (1, 1)), (2, 1))
X, W, B = rng.normal(size=(2, 4, 4, 5)), rng.normal(size=(2, 3, 2, 4)), rng.normal(size=4)
G = rng.normal(size=(2, 4, *WINDOW.outputs((4, 5))))

#: The function, and its arguments.
CASES = {
    "conv2d": (lambda x, w, b: rules.conv2d(x, w, b, window=WINDOW, groups=2), (X, W, B)),
    "conv2d without bias": (lambda x, w: rules.conv2d(x, w, window=WINDOW, groups=2), (X, W)),
    "conv2d_input": (lambda g, w: rules.conv2d_input(g, w, window=WINDOW, groups=2, size=(4, 5)), (G, W)),
    "conv2d_weight": (lambda x, g: rules.conv2d_weight(x, g, window=WINDOW, groups=2), (X, G)),
    "max_pool2d": (lambda x: rules.max_pool2d(x, window=WINDOW), (X,)),
    "window_sum": (lambda x: rules.window_sum(x, window=WINDOW), (X,)),
    "conv2d of its own gradient": (
        lambda x, w: rules.conv2d(grad(lambda x: cubes(rules.conv2d(x, w, window=WINDOW, groups=2)))(x), w,
                                  window=WINDOW, groups=2),
        (X, W),
    ),
    "max_pool2d of its own gradient": (
        lambda x: rules.max_pool2d(grad(lambda x: cubes(rules.max_pool2d(x, window=WINDOW)))(x),
                                   window=WINDOW),
        (X,),
    ),
}  # fmt: skip


def cubes(y):
    xp = array_namespace(y)
    return xp.sum(xp.multiply(y, xp.multiply(y, y)))


@pytest.mark.parametrize("case", CASES)
def test_gradients_agree_with_differences(case):
    """With respect to every argument, first and second order."""
    function, arguments = CASES[case]
    check_grads(function, *arguments, order=2, rtol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_gradients_on_every_backend(backend, case):
    """In the dtype and on the device of the arguments, without a wait for it; equal to NumPy's."""
    function, arguments = CASES[case]
    there = [backend.asarray(a, "float64") for a in arguments]
    places = tuple(range(len(arguments)))
    with backend.no_sync():
        value, gradients = value_and_grad(lambda *a: cubes(function(*a)), places)(*there)
    want, wanted = value_and_grad(lambda *a: cubes(function(*a)), places)(*arguments)
    backend.assert_array(value, want, like=there[0], rtol=1e-10)
    for g, w, a in zip(gradients, wanted, there, strict=True):
        backend.assert_array(g, w, like=a, rtol=1e-9, atol=1e-9 * np.abs(w).max())


def test_the_three_maps_are_one_form():
    """``sum(g conv(x, w)) = sum(x input(g, w)) = sum(w weight(x, g))``."""
    options = {"window": WINDOW, "groups": 2}
    values = [
        np.sum(G * rules.conv2d(X, W, **options)),
        np.sum(X * rules.conv2d_input(G, W, size=(4, 5), **options)),
        np.sum(W * rules.conv2d_weight(X, G, **options)),
    ]
    np.testing.assert_allclose(values, values[0], rtol=1e-12)


def small():
    layers = nn.Conv2d(1, 2, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(2, 1, 2), nn.Flatten()
    model = nn.Sequential(*layers)
    nn.initialize(model, seed=1, dtype="float64")
    return model


def loss(model, x):
    return cubes(model(x))


def test_gradients_of_single_examples_add_up():
    model, x = small(), rng.normal(size=(3, 1, 5, 5))
    each, whole = per_example_grad(loss)(model, x), grad(loss)(model, x)
    for path, g in whole.items():
        np.testing.assert_allclose(each[path].sum(axis=0), g, rtol=1e-10, atol=1e-12)


def test_second_order_products_and_forward_derivatives_agree_with_differences():
    model, x, v = small(), rng.normal(size=(2, 1, 5, 5)), rng.normal(size=(2, 1, 5, 5))
    slope, h = grad(lambda x: loss(model, x)), 1e-6
    (product,) = hvp(lambda x: loss(model, x), (x,), (v,))
    np.testing.assert_allclose(product, (slope(x + h * v) - slope(x - h * v)) / (2 * h), rtol=1e-5, atol=1e-6)
    value, change = jvp(lambda x: model(x), (x,), (v,))
    np.testing.assert_allclose(value, model(x))
    np.testing.assert_allclose(change, (model(x + h * v) - model(x - h * v)) / (2 * h), rtol=1e-5, atol=1e-7)


def test_the_gradient_of_a_kernel_is_written_into_the_vector(backend):
    """A kernel that is used once, and one that is used twice, whose gradients add up."""

    class Twice(nn.Module):
        def __init__(self):
            self.one = nn.Conv2d(2, 2, 3, padding=1)

        def __call__(self, x):
            return self.one(self.one(x))

    x = rng.normal(size=(2, 2, 4, 4))
    for model in (nn.Conv2d(2, 2, 3, padding=1), Twice()):
        parameters = nn.initialize(model, backend=backend.backend, dtype="float64")
        vector, there = nn.GradientVector(model, parameters), backend.asarray(x, "float64")
        for _ in range(2):  # the second pass writes over the first
            vector.value_and_grad(lambda model=model, x=there: loss(model, x))
        for path, g in grad(loss)(model, there).items():
            backend.assert_array(vector.views[path], backend.to_numpy(g), rtol=1e-10, atol=1e-10)

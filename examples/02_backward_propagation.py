"""Backward propagation: the gradient of the loss, by hand and by learnkit.

With delta^(l) = dL/dz^(l), the error of layer l, the chain rule gives, for rows as examples::

    delta^(L) = dL/da^(L) * f'(z^(L))                       the last layer
    delta^(l) = (delta^(l+1) W^(l+1)^T) * f'(z^(l))         each layer before it
    dL/dW^(l) = a^(l-1)^T delta^(l)
    dL/db^(l) = the sum of delta^(l) over the batch

Run it: ``python examples/02_backward_propagation.py``; ``--backend`` takes torch, strict or cupy.
"""

from __future__ import annotations

import argparse

import learnkit as lk
from learnkit.backends import Array, array_namespace


def loss_of(params: dict[str, Array], x: Array, y: Array) -> Array:
    """Two layers, tanh and sigmoid, and the mean squared error."""
    xp = array_namespace(
        x, *params.values()
    )  # differentiable functions when the params are being differentiated
    a1 = xp.tanh(xp.matmul(x, params["W1"]) + params["b1"])
    a2 = lk.nn.sigmoid(xp.matmul(a1, params["W2"]) + params["b2"])
    return lk.losses.MSE()(a2, y)


def gradient_by_hand(params: dict[str, Array], x: Array, y: Array) -> dict[str, Array]:
    """The delta rule, line by line."""
    xp = array_namespace(x)
    a1 = xp.tanh(x @ params["W1"] + params["b1"])
    a2 = 1 / (1 + xp.exp(-(a1 @ params["W2"] + params["b2"])))

    dloss = 2 * (a2 - y) / (y.shape[0] * y.shape[1])  # L = mean (a2 - y)^2
    delta2 = dloss * a2 * (1 - a2)  #                   sigmoid' = a (1 - a)
    delta1 = (delta2 @ params["W2"].T) * (1 - a1 * a1)  # tanh'  = 1 - a^2
    return {
        "W1": x.T @ delta1,
        "b1": xp.sum(delta1, axis=0),
        "W2": a1.T @ delta2,
        "b2": xp.sum(delta2, axis=0),
    }


def main(backend_name: str) -> None:
    backend = lk.get_backend(backend_name)
    xp = backend.xp
    print(f"backend: {backend.describe()}")

    # float64, so that what is left of a difference is rounding and not a mistake.
    params = {
        "W1": backend.asarray([[0.1, -0.4, 0.3], [0.7, 0.2, -0.6]], dtype="float64"),
        "b1": backend.asarray([0.0, 0.1, -0.1], dtype="float64"),
        "W2": backend.asarray([[0.5], [-0.3], [0.8]], dtype="float64"),
        "b2": backend.asarray([0.2], dtype="float64"),
    }
    x = backend.asarray([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype="float64")
    y = backend.asarray([[0.0], [1.0], [1.0], [0.0]], dtype="float64")  # exclusive or

    # 1. value_and_grad differentiates any function written in standard array code: here for its first
    #    argument, a dict of arrays, so the gradient is a dict of the same arrays.
    loss, gradient = lk.value_and_grad(loss_of)(params, x, y)
    by_hand = gradient_by_hand(params, x, y)
    print(f"\n1. Loss {float(loss):.6f}; the gradient by hand and by value_and_grad")
    for name in params:
        difference = float(xp.max(xp.abs(gradient[name] - by_hand[name])))
        print(f"   dL/d{name}  norm {float(norm(gradient[name])):.6f}  differs by {difference:.1e}")

    # 2. Neither has to be believed: check_grads compares every entry with central differences,
    #    (8 f(x+h) - 8 f(x-h) - f(x+2h) + f(x-2h)) / 12 h, and raises if one is off.
    lk.check_grads(lambda p: loss_of(p, x, y), params)
    print("\n2. check_grads: every entry agrees with differences of the loss")

    # 3. The gradient points uphill, so a small step against it makes the loss smaller:
    #    L(theta - lr g) is about L - lr |g|^2.
    lr = 0.01
    smaller = loss_of({name: params[name] - lr * gradient[name] for name in params}, x, y)
    square = sum(float(norm(g)) ** 2 for g in gradient.values())
    print(f"\n3. One step of lr {lr}: the loss falls by {float(loss) - float(smaller):.3e}")
    print(f"   lr |gradient|^2 promises           {lr * square:.3e}")

    # 4. The same for a model: its gradient is a dict by leaf path.
    model = lk.nn.Sequential(lk.nn.Linear(2, 3), lk.nn.Tanh(), lk.nn.Linear(3, 1), lk.nn.Sigmoid())
    lk.nn.initialize(model, seed=0, backend=backend, dtype="float64")
    model.load_arrays(
        {
            "0.weight": params["W1"],
            "0.bias": params["b1"],
            "2.weight": params["W2"],
            "2.bias": params["b2"],
        }
    )
    _, of_model = lk.value_and_grad(lambda m: lk.losses.MSE()(m(x), y))(model)
    print("\n4. Gradient of the model by leaf path")
    for (path, got), name in zip(of_model.items(), params, strict=True):
        print(f"   {path:9} differs from dL/d{name} by {float(xp.max(xp.abs(got - by_hand[name]))):.1e}")


def norm(x: Array) -> Array:
    """The square root of the sum of squares, a 0-d array."""
    xp = array_namespace(x)
    return xp.sqrt(xp.sum(x * x))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Backward propagation, by hand and by learnkit.")
    parser.add_argument("--backend", default="numpy", help="numpy, cupy, torch or strict")
    main(parser.parse_args().backend)

"""Forward propagation: from an input to a prediction, layer by layer.

Each layer of a network makes a weighted sum and bends it::

    z^(l) = a^(l-1) W^(l) + b^(l)        the weighted input of layer l
    a^(l) = f^(l)(z^(l))                 its activation; a^(0) = x is the input

Examples are the rows of x, so a batch is one matrix and a layer is one matrix product. (Texts that write
``W a + b`` have examples as columns; it is the same equation, transposed.)

Run it: ``python examples/01_forward_propagation.py``; ``--backend`` takes torch, strict or cupy.
"""

from __future__ import annotations

import argparse

import learnkit as lk


def main(backend_name: str) -> None:
    backend = lk.get_backend(backend_name)
    xp = backend.xp  # the functions of the Python Array API standard, on this backend
    print(f"backend: {backend.describe()}")

    # 1. A network, and the same network by hand.
    model = lk.nn.Sequential(lk.nn.Linear(3, 4), lk.nn.ReLU(), lk.nn.Linear(4, 2))
    lk.nn.initialize(model, seed=0, backend=backend)
    leaves = model.arrays()  # dotted path -> array
    print("\n1. The leaves of the model")
    for path, array in leaves.items():
        print(f"   {path:9} shape {tuple(array.shape)}")

    x = backend.asarray([[0.5, -1.0, 2.0], [1.5, 0.0, -0.5]], dtype="float32")  # two examples
    z1 = x @ leaves["0.weight"] + leaves["0.bias"]  # z1 = x W1 + b1          (2, 3) (3, 4) -> (2, 4)
    a1 = xp.maximum(z1, xp.zeros_like(z1))  #         a1 = relu(z1) = max(0, z1)
    z2 = a1 @ leaves["2.weight"] + leaves["2.bias"]  # z2 = a1 W2 + b2        (2, 4) (4, 2) -> (2, 2)

    y = model(x)
    difference = float(xp.max(xp.abs(y - z2)))
    print(f"   model(x) and the three equations differ by {difference:.1e}")

    # 2. Activation functions. Without one, a stack of layers would be a single matrix product.
    z = backend.asarray([-2.0, -0.5, 0.0, 0.5, 2.0], dtype="float32")
    print("\n2. Activations          z =", numbers(backend, z))
    print("   relu     max(0, z)       ", numbers(backend, lk.nn.relu(z)))
    print("   sigmoid  1 / (1 + e^-z)  ", numbers(backend, lk.nn.sigmoid(z)))
    print("   tanh                     ", numbers(backend, lk.nn.tanh(z)))

    # 3. Softmax turns the outputs into probabilities: p_i = e^(z_i) / sum_j e^(z_j).
    #    Written like this it overflows for z = 1000. It does not change when a number is subtracted from
    #    all z, so the largest is subtracted first; and losses take log softmax, which cannot underflow.
    large = backend.asarray([[1000.0, 999.0, 0.0]], dtype="float32")
    print("\n3. Softmax of           z =", numbers(backend, large))
    print("   softmax                  ", numbers(backend, lk.nn.softmax(large)))
    print("   log softmax              ", numbers(backend, lk.nn.log_softmax(large)))

    # 4. A batch is only a matter of speed: up to rounding, each row gives what it gives alone.
    alone = xp.concat([model(x[:1, :]), model(x[1:, :])], axis=0)
    print(f"\n4. Rows alone and rows in a batch differ by {float(xp.max(xp.abs(alone - y))):.1e}")

    # 5. Layers that behave differently in training are told by a block, not by a flag that can be forgotten.
    #    Dropout zeroes a fraction p and scales the rest by 1 / (1 - p), so the mean stays.
    dropout = lk.nn.Dropout(0.5)
    ones = xp.ones(8, dtype=xp.float32, device=backend.device)
    with lk.nn.training(seed=0, step=0):
        in_training = dropout(ones)
    print("\n5. Dropout(0.5) of ones, in training ", numbers(backend, in_training))
    print("                         at inference", numbers(backend, dropout(ones)))


def numbers(backend: lk.backends.Backend, x: lk.backends.Array) -> str:
    """The elements of an array, to read."""
    return " ".join(f"{v:8.4g}" for v in backend.to_numpy(x).ravel().tolist())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Forward propagation, layer by layer.")
    parser.add_argument("--backend", default="numpy", help="numpy, cupy, torch or strict")
    main(parser.parse_args().backend)

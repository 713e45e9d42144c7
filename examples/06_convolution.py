"""Convolution: the same small kernel at every place of an image.

::

    y[o, r, q] = b[o] + sum over i, j, c of w[i, j, c, o] x[c, r + i, q + j]         a convolution
    dw[i, j, c, o] = sum over r, q of g[o, r, q] x[c, r + i, q + j]                  its gradient
    y[c, r, q] = max over i, j of x[c, 2 r + i, 2 q + j]                             max-pooling by 2

A kernel of 3 x 3 pixels has 9 weights whatever the size of the image, and finds a stroke wherever it is.

Run it: ``python examples/06_convolution.py``; ``--backend`` takes torch, strict or cupy.
"""

from __future__ import annotations

import argparse

import learnkit as lk
from learnkit import nn


def small_convolutional_network() -> nn.Module:
    """From rows of 64 pixels to 10 classes."""
    return nn.Sequential(
        nn.Reshape((1, 8, 8)),
        nn.Conv2d(1, 16, kernel_size=3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 8 x 8 -> 4 x 4
        nn.Conv2d(16, 32, kernel_size=3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 4 x 4 -> 2 x 2
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def main(backend_name: str, epochs: int) -> None:
    backend = lk.get_backend(backend_name)
    xp = backend.xp
    print(f"backend: {backend.describe()}")
    pixels, digits = lk.data.load_digits()
    image = xp.reshape(backend.asarray(pixels[0] / 16.0, dtype="float64"), (1, 1, 8, 8))

    # 1. A kernel that answers to horizontal edges: light above, dark below.
    layer = nn.Conv2d(1, 1, 3, bias=False)
    nn.initialize(layer, backend=backend, dtype="float64")
    edge = backend.asarray([[1.0] * 3, [0.0] * 3, [-1.0] * 3], dtype="float64")
    layer.weight = xp.reshape(edge, (3, 3, 1, 1))  # height, width, channels in, channels out
    y = layer(image)
    by_hand = xp.zeros_like(y)
    for i in range(3):
        for j in range(3):
            by_hand = by_hand + edge[i, j] * image[:, :, i : i + 6, j : j + 6]
    print(f"\n1. The digit {int(digits[0])}, and where a kernel finds horizontal edges in it")
    shown, answers = backend.to_numpy(image)[0, 0], backend.to_numpy(y)[0, 0]
    for r in range(8):
        left = "".join(" .:-=+*#%@"[int(9 * v)] * 2 for v in shown[r])
        found = answers[r - 1] if 0 < r < 7 else []
        right = "".join("  " if abs(v) < 0.5 else "++" if v > 0 else "--" for v in found)
        print(f"   {left}    {right}")
    print(f"   layer and equation differ by {float(xp.max(xp.abs(y - by_hand))):.1e}")

    # 2. The gradient of the kernel, here of L = sum(y^2) / 2, so that g = y.
    gradient = lk.grad(lambda m, x: 0.5 * lk.array_namespace(m(x)).sum(m(x) ** 2))(layer, image)["weight"]
    rows_of_kernel = [
        [float(xp.sum(y * image[:, :, i : i + 6, j : j + 6])) for j in range(3)] for i in range(3)
    ]
    by_equation = xp.reshape(backend.asarray(rows_of_kernel, dtype="float64"), (3, 3, 1, 1))
    print("\n2. The gradient of the kernel")
    print(f"   autodiff and equation differ by {float(xp.max(xp.abs(gradient - by_equation))):.1e}")

    # 3. The bundled digits, with and without convolution.
    x, labels = pixels / 8.0 - 1.0, digits
    models = {"convolution": small_convolutional_network(), "dense": nn.MLP((64, 64, 10), "relu")}
    print(f"\n3. Digits, {epochs} epochs, a fifth held out")
    print(f"   {'network':13} {'parameters':>10} {'loss':>8} {'val_loss':>9} {'accuracy':>9}")
    for name, model in models.items():
        trainer = lk.Trainer(
            model,
            loss="cross_entropy",
            optimizer=lk.optim.AdamW(lk.schedules.OneCycle(5e-3)),
            metrics=["accuracy"],
            backend=backend,
            seed=0,
        )
        last = trainer.fit(
            x, labels, epochs=epochs, batch_size=32, validation_split=0.2, verbose=False
        ).epochs[-1]
        size = trainer.parameters.layout.size
        print(
            f"   {name:13} {size:10d} {last.loss:8.4f} {last.val_loss:9.4f} {last.metrics['accuracy']:9.4f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Convolution by hand, and a small convolutional network.")
    parser.add_argument("--backend", default="numpy", help="numpy, cupy, torch or strict")
    parser.add_argument("--epochs", type=int, default=8, help="of the training runs of part 3; default 8")
    arguments = parser.parse_args()
    main(arguments.backend, arguments.epochs)

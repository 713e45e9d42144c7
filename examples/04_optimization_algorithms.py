"""Optimization algorithms: how a gradient g = dL/d(theta) becomes a step.

::

    SGD        theta <- theta - lr g
    momentum   v <- mu v + g                      theta <- theta - lr v
    Nesterov   v <- mu v + g                      theta <- theta - lr (g + mu v)
    Adam       m <- b1 m + (1 - b1) g             v <- b2 v + (1 - b2) g^2
               m^ = m / (1 - b1^t)                v^ = v / (1 - b2^t)
               theta <- theta - lr m^ / (sqrt(v^) + eps)
    AdamW      first theta <- theta - lr wd theta, then Adam

Run it: ``python examples/04_optimization_algorithms.py``; ``--backend`` takes torch, strict or cupy.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import learnkit as lk
from learnkit.backends import Array, array_namespace


@dataclass(frozen=True)
class AdaGrad(lk.optim.Optimizer):
    """An optimizer of one's own is its equation: G <- G + g^2, theta <- theta - lr g / (sqrt(G) + eps).

    ``slots`` names what it remembers for each parameter; it starts at zero.
    """

    slots: ClassVar[tuple[str, ...]] = ("G",)
    lr: float = 1e-2
    eps: float = 1e-10

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        xp = array_namespace(theta)
        total = slots[0] + grad * grad
        return theta - lr * grad / (xp.sqrt(total) + self.eps), total


def main(backend_name: str, epochs: int) -> None:
    backend = lk.get_backend(backend_name)
    print(f"backend: {backend.describe()}")

    # 1. Two steps of Adam by hand and by learnkit. An optimizer works on anybody's arrays: `apply` takes
    #    parameters, gradients and state, and returns new ones.
    lr, b1, b2, eps = 0.1, 0.9, 0.999, 1e-8
    adam = lk.optim.Adam(lr=lr, betas=(b1, b2), eps=eps)
    params = {"w": backend.asarray([1.0, -2.0], dtype="float64")}
    state = adam.init(params)
    theta, m, v = [1.0, -2.0], [0.0, 0.0], [0.0, 0.0]
    for t, g in enumerate(([0.5, -1.0], [0.25, 3.0]), start=1):
        params, state = adam.apply(params, {"w": backend.asarray(g, dtype="float64")}, state)
        for i in range(2):
            m[i] = b1 * m[i] + (1 - b1) * g[i]
            v[i] = b2 * v[i] + (1 - b2) * g[i] ** 2
            theta[i] -= lr * (m[i] / (1 - b1**t)) / (math.sqrt(v[i] / (1 - b2**t)) + eps)
    got = backend.to_numpy(params["w"]).tolist()
    print(f"\n1. Adam after two steps  {got[0]:.9f} {got[1]:.9f}")
    print(f"   by hand               {theta[0]:.9f} {theta[1]:.9f}")

    # 2. A long narrow valley, f(x, y) = (x^2 + 25 y^2) / 2, from (10, 1). Plain descent must keep lr below
    #    2 / 25 for the steep y, and then crawls along x; momentum adds up along x and cancels across it.
    print("\n2. Distance to the minimum of (x^2 + 25 y^2) / 2 after 60 steps")
    scale = backend.asarray([1.0, 25.0], dtype="float64")
    for name, rule in (
        ("sgd", lk.optim.SGD(lr=0.035)),
        ("momentum", lk.optim.SGD(lr=0.035, momentum=0.7)),
        ("nesterov", lk.optim.SGD(lr=0.035, momentum=0.7, nesterov=True)),
        ("adagrad", AdaGrad(lr=1.5)),
        ("adam", lk.optim.Adam(lr=0.5)),
    ):
        point = backend.asarray([10.0, 1.0], dtype="float64")
        state = rule.init(point)
        for _ in range(60):
            point, state = rule.apply(point, scale * point, state)
        print(f"   {name:9} {math.hypot(*backend.to_numpy(point).tolist()):.1e}")

    # 3. The same network, from the same start values and with the same batches, trained by each. Momentum
    #    multiplies the step by up to 1 / (1 - mu), so its lr is ten times smaller.
    digits, labels = lk.data.load_digits()
    x, y = digits / 16.0, labels
    optimizers: dict[str, Any] = {
        "sgd": "sgd:lr=0.1",
        "momentum": "sgd:lr=0.01,momentum=0.9",
        "nesterov": "sgd:lr=0.01,momentum=0.9,nesterov=true",
        "adagrad": AdaGrad(lr=0.02),
        "adam": "adam:lr=2e-3",
        "adamw": "adamw:lr=2e-3,weight_decay=0.01",
        "clip + adamw": lk.optim.chain(lk.optim.ClipByGlobalNorm(1.0), lk.optim.AdamW(2e-3)),
    }
    print(f"\n3. Digits, 64-32-10, {epochs} epochs, a tenth held out")
    print(f"   {'optimizer':13} {'loss':>8} {'val_loss':>9} {'accuracy':>9}")
    for name, optimizer in optimizers.items():
        model = lk.nn.Sequential(lk.nn.Linear(64, 32), lk.nn.ReLU(), lk.nn.Linear(32, 10))
        trainer = lk.Trainer(
            model, loss="cross_entropy", optimizer=optimizer, metrics=["accuracy"], backend=backend, seed=0
        )
        last = trainer.fit(x, y, epochs=epochs, batch_size=64, validation_split=0.1, verbose=False).epochs[-1]
        print(f"   {name:13} {last.loss:8.4f} {last.val_loss:9.4f} {last.metrics['accuracy']:9.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Optimization algorithms side by side.")
    parser.add_argument("--backend", default="numpy", help="numpy, cupy, torch or strict")
    parser.add_argument("--epochs", type=int, default=10, help="of the training runs of part 3; default 10")
    arguments = parser.parse_args()
    main(arguments.backend, arguments.epochs)

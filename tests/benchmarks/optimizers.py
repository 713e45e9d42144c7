"""Every optimizer at its defaults, on real images and on a real table.

    python tests/benchmarks/optimizers.py --fashion DIR --diamonds FILE

The tops of ``fashion_mnist.py`` and ``diamonds.py`` say where the data are; either may be left out.

Fashion-MNIST: 784-64-10 with relu, standardised pixels, cross-entropy, batches of 128. Diamonds: 128-128
with relu on the columns as ``learnkit train`` prepares them, mean squared error of the standardised price.
A rule that takes several gradients in a step (L-BFGS), or compares the signs of successive ones (Rprop),
gets batches of 4,096. Printed are, for each optimizer of the registry, the training loss of the first and
the last epoch, the accuracy on the 10,000 test images, or the RMSE in dollars on the held-out fifth, and
the time of the fit. Exits with 1 if for one of them the loss did not fall.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import fashion_mnist
import numpy as np

import learnkit as lk
from learnkit.errors import DivergedError
from learnkit.plugins import registry

#: What trusts single gradients, as the noise of small batches does not deserve.
FOR_LARGE_BATCHES = ("lbfgs", "rprop")


def images(folder: Path) -> tuple[list[Any], Any]:
    x, y, x_test, y_test = fashion_mnist.load(folder)

    def score(trainer: lk.Trainer) -> float:
        return float((trainer.predict(x_test).argmax(axis=1) == y_test).mean())

    return [x, y, 10, "cross_entropy", (64,)], score


def table(file: Path) -> tuple[list[Any], Any]:
    data = lk.data.load_source(str(file), target="price")
    training, _, test = data.split(0.0, 0.2, seed=0)
    prepared = training.fit_preprocessor()
    (x, y), (x_test, y_test) = training.arrays(prepared), test.arrays(prepared)

    def score(trainer: lk.Trainer) -> float:
        error = trainer.predict(x_test).ravel() - np.asarray(y_test).ravel()
        return float(np.sqrt(np.mean(error**2)) * prepared.target.std)

    return [x, y, 1, "mse", (128, 128)], score


def run(name: str, case: list[Any], score: Any, epochs: int, seed: int) -> tuple[float, float, float, float]:
    """Loss of the first and the last epoch, the score, and seconds."""
    x, y, outputs, loss, hidden = case
    layers: list[Any] = []
    width = x.shape[1]
    for size in hidden:
        layers += [lk.nn.Linear(width, size), lk.nn.ReLU()]
        width = size
    model = lk.nn.Sequential(*layers, lk.nn.Linear(width, outputs))
    optimizer = registry.create("optimizer", name)
    trainer = lk.Trainer(model, loss, optimizer, seed=seed, backend="numpy")
    start = trainer.evaluate(x, y)["loss"]
    batch_size = 4096 if name in FOR_LARGE_BATCHES else 128
    began = time.perf_counter()
    try:
        trainer.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=False)
    except DivergedError:
        return start, math.inf, math.nan, time.perf_counter() - began
    seconds = time.perf_counter() - began
    return start, trainer.evaluate(x, y)["loss"], score(trainer), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description="Every optimizer at its defaults.")
    parser.add_argument("--fashion", type=Path, metavar="DIR", help="folder of Fashion-MNIST")
    parser.add_argument("--diamonds", type=Path, metavar="FILE", help="diamonds.csv")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cases = []
    if arguments.fashion:
        cases.append(("Fashion-MNIST", "accuracy", images(arguments.fashion)))
    if arguments.diamonds:
        cases.append(("diamonds", "RMSE", table(arguments.diamonds)))
    if not cases:
        parser.error("give --fashion DIR, --diamonds FILE, or both")
    failed = []
    for title, measure, (case, score) in cases:
        print(f"\n{title}, {arguments.epochs} epochs, seed {arguments.seed}\n")
        print(f"| optimizer | loss before | loss after | {measure} | seconds |\n|---|---|---|---|---|")
        for name in registry.names("optimizer", third_party=False):
            if name in ("chain", "groups"):  # around a rule
                continue
            before, after, value, seconds = run(name, case, score, arguments.epochs, arguments.seed)
            print(f"| {name} | {before:.4f} | {after:.4f} | {value:.4f} | {seconds:.1f} |", flush=True)
            if not after < before:
                failed.append(f"{name} on {title}")
    if failed:
        raise SystemExit(f"the loss did not fall: {', '.join(failed)}")


if __name__ == "__main__":
    main()

"""Fashion-MNIST with a small network: learnkit against scikit-learn's MLPClassifier.

    python tests/benchmarks/fashion_mnist.py DIR

DIR holds the four files ``train-images-idx3-ubyte.gz`` and so on. Debian has them as a package, which needs
not be installed to be unpacked::

    apt-get download dataset-fashion-mnist && dpkg-deb -x dataset-fashion-mnist_*.deb d
    python tests/benchmarks/fashion_mnist.py d/usr/share/datasets/fashion-mnist

Both train 784-128-10 with relu for 5 epochs of batches of 128 with Adam (lr 1e-3), without weight decay, on
the same pixels in float32, standardised by the mean and deviation of all training pixels, which is what
``learnkit train`` does with images. They take turns, a new seed each round; printed are the
accuracies on the 10,000 test images, the times of the fit, and the ratio. Exits with 1 if learnkit's mean
accuracy is below 0.868.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import learnkit as lk

WANTED = 0.868


def load(folder: Path) -> list[Any]:
    """Training images and labels, test images and labels; images as standardised float32."""
    arrays = []
    for part in ("train", "t10k"):
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            found = sorted(folder.glob(f"{part}-{kind}*"))
            if not found:
                raise SystemExit(f"{folder} holds no {part}-{kind}; see the top of {Path(__file__).name}")
            arrays.append(lk.data.read_idx(found[0]))
    images, labels, test_images, test_labels = arrays
    mean, deviation = images.mean(), images.std()
    flat = [((a.reshape(len(a), -1) - mean) / deviation).astype(np.float32) for a in (images, test_images)]
    return [flat[0], labels.astype(np.int64), flat[1], test_labels.astype(np.int64)]


def learnkit_fit(data: list[Any], seed: int, epochs: int) -> Callable[[], float]:
    """Fit; what is returned gives the accuracy on the test images."""
    x, y, x_test, y_test = data
    model = lk.nn.Sequential(lk.nn.Linear(784, 128), lk.nn.ReLU(), lk.nn.Linear(128, 10))
    trainer = lk.Trainer(model, loss="cross_entropy", optimizer="adam:lr=1e-3", seed=seed, backend="numpy")
    trainer.fit(x, y, epochs=epochs, batch_size=128, verbose=False)
    return lambda: float((trainer.predict(x_test).argmax(axis=1) == y_test).mean())


def sklearn_fit(data: list[Any], seed: int, epochs: int) -> Callable[[], float]:
    """The same of scikit-learn."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    x, y, x_test, y_test = data
    model = MLPClassifier(
        (128,),
        solver="adam",
        learning_rate_init=1e-3,
        alpha=0,
        batch_size=128,
        max_iter=epochs,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # five epochs are what was asked for
        model.fit(x, y)
    return lambda: float(model.score(x_test, y_test))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fashion-MNIST: learnkit and scikit-learn.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    data = load(arguments.folder)
    subjects = {"learnkit": learnkit_fit, "scikit-learn": sklearn_fit}
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in subjects}
    print(f"784-128-10, Adam, {arguments.epochs} epochs, batch 128; load {os.getloadavg()[0]:.2f}")
    for seed in range(arguments.rounds):
        for name, subject in subjects.items():
            began = time.perf_counter()
            score = subject(data, seed, arguments.epochs)
            seconds = time.perf_counter() - began
            accuracy = score()
            results[name].append((seconds, accuracy))
            print(f"round {seed + 1}  {name:13} {seconds:6.2f} s  test accuracy {accuracy:.4f}", flush=True)
    for name, rounds in results.items():
        times, accuracies = zip(*rounds, strict=True)
        print(
            f"{name:13} median {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f}),"
            f" mean accuracy {statistics.mean(accuracies):.4f}"
        )
    ratio = statistics.median(
        theirs[0] / ours[0] for ours, theirs in zip(results["learnkit"], results["scikit-learn"], strict=True)
    )
    print(f"scikit-learn takes {ratio:.2f} times as long; load {os.getloadavg()[0]:.2f} at the end")
    accuracy = statistics.mean(accuracy for _, accuracy in results["learnkit"])
    if accuracy < WANTED:
        raise SystemExit(f"learnkit's mean accuracy is {accuracy:.4f}, expected at least {WANTED}")


if __name__ == "__main__":
    main()

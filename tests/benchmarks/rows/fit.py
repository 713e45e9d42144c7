"""A whole fit: Fashion-MNIST, 784-128-10, 5 epochs of batches of 128 with Adam."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import fashion_mnist
import numpy as np
from measure import Bench, Line, Peer

from learnkit.bench.peers import torch_threads
from learnkit.bench.worker import Run, Value

BATCH, LR = 128, 1e-3
#: How far the accuracies on the test images may be apart: seeds alone make a difference of 0.01.
APART = 0.025


def _data(folder: str, quick: bool) -> list[Any]:
    data = fashion_mnist.load(Path(folder))
    return [a[:2000] for a in data] if quick else data


def _accuracy(outputs: Any, y: Any) -> float:
    return float((outputs.argmax(axis=1) == y).mean())


def our_run(folder: str, epochs: int, quick: bool = False) -> Run:
    """``Trainer.fit``. The value is the accuracy on the test images, a new seed each time."""
    return _rounds(fashion_mnist.learnkit_fit, folder, epochs, quick)


def sklearn_run(folder: str, epochs: int, quick: bool = False) -> Run:
    """``MLPClassifier.fit``."""
    return _rounds(fashion_mnist.sklearn_fit, folder, epochs, quick)


def _rounds(fit: Any, folder: str, epochs: int, quick: bool) -> Run:
    """Runs of ``fit(data, seed, epochs) -> a function that gives the accuracy``."""
    data, seeds = _data(folder, quick), itertools.count()

    def run(times: int) -> Value:
        for _ in range(times):
            accuracy = fit(data, next(seeds), epochs)
        return accuracy

    return run


def torch_run(folder: str, epochs: int, quick: bool = False) -> Run:
    """The usual loop over batches of a shuffled tensor; no DataLoader, which would take longer."""
    import torch

    torch_threads()
    x, y, x_test, y_test = map(torch.asarray, _data(folder, quick))
    seeds = itertools.count()

    def fit(seed: int) -> Any:
        torch.manual_seed(seed)
        model = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
        optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
        loss_of = torch.nn.CrossEntropyLoss()
        for _ in range(epochs):
            order = torch.randperm(len(x))
            total = 0.0
            for start in range(0, len(x), BATCH):
                rows = order[start : start + BATCH]
                optimizer.zero_grad(set_to_none=True)
                loss = loss_of(model(x[rows]), y[rows])
                loss.backward()
                optimizer.step()
                total += loss.item() * len(rows)
        return model

    def run(times: int) -> Value:
        for _ in range(times):
            model = fit(next(seeds))

        def accuracy() -> float:
            with torch.inference_mode():
                return _accuracy(model(x_test).numpy(), y_test.numpy())

        return accuracy

    return run


def keras_run(folder: str, epochs: int, quick: bool = False) -> Run:
    """``Model.fit`` of Keras on JAX, with its compilation, which every new model costs."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    x, y, x_test, y_test = _data(folder, quick)
    seeds = itertools.count()

    def run(times: int) -> Value:
        for _ in range(times):
            keras.utils.set_random_seed(next(seeds))
            dense = keras.layers.Dense
            model = keras.Sequential([keras.Input((784,)), dense(128, activation="relu"), dense(10)])
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(optimizer=keras.optimizers.Adam(LR), loss=loss)
            model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
        return lambda: _accuracy(np.asarray(model.predict(x_test, batch_size=10_000, verbose=0)), y_test)

    return run


def measure(bench: Bench) -> list[Line]:
    """The fit beside three peers, each on the same pixels."""
    if bench.fashion is None:
        bench.note("the whole fit was left out: give the folder of Fashion-MNIST with --fashion")
        return []
    peers = [
        Peer("PyTorch loop", "rows.fit:torch_run", 0.6, needs=("torch",)),
        Peer("scikit-learn MLPClassifier", "rows.fit:sklearn_run", 0.5, needs=("sklearn",)),
        Peer("Keras on JAX", "rows.fit:keras_run", 0.3, needs=("keras", "jax")),
    ]
    epochs = 1 if bench.quick else 5
    return bench.compare(
        f"fit Fashion-MNIST 784-128-10, {epochs} epochs, batch {BATCH}",
        "rows.fit:our_run",
        peers,
        same=None if bench.quick else 0.0,
        absolute=APART,
        first=1,
        rounds=1 if bench.quick else max(2, bench.rounds // 3),
        folder=str(bench.fashion),
        epochs=epochs,
        quick=bench.quick,
    )

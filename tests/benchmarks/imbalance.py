"""A rare class: does focal or weighted cross-entropy find more of it than plain cross-entropy?

    python tests/benchmarks/imbalance.py --fashion DIR --diamonds FILE

The tops of ``fashion_mnist.py`` and ``diamonds.py`` say where the data are; either may be left out.

Two classes that are hard to tell apart, one of them thinned out to 5 % of the training rows: shirts (rare)
against T-shirts of Fashion-MNIST, and diamonds of fair cut (rare) against those of good cut. A small
network is trained with each loss, with the same seeds; the test rows hold both classes in the same 5 %
share. Printed are recall and precision of the rare class and balanced accuracy, means over the seeds. Exits
with 1 unless the mean recall with weighted cross-entropy and with focal loss, weighted as well, is above
that with plain cross-entropy.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import fashion_mnist
import numpy as np

import learnkit as lk

SHARE = 0.05
LOSSES = {
    "cross_entropy": "cross_entropy",
    "weighted_cross_entropy": "weighted_cross_entropy",
    "focal": "focal",
    "focal, balanced alpha": "focal:alpha=balanced",
}
MUST_RAISE = ("weighted_cross_entropy", "focal, balanced alpha")


def thinned(x: Any, rare: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Rows of which the share SHARE is rare (class 1)."""
    few, many = np.flatnonzero(rare), np.flatnonzero(~rare)
    n = min(len(few), round(len(many) * SHARE / (1 - SHARE)))
    kept = rng.permutation(np.concatenate([rng.permutation(few)[:n], many]))
    return x[kept], rare[kept].astype(np.int64)


def images(folder: Path, rng: np.random.Generator) -> list[Any]:
    x, y, x_test, y_test = fashion_mnist.load(folder)
    parts: list[Any] = []
    for a, labels in ((x, y), (x_test, y_test)):
        chosen = (labels == 0) | (labels == 6)
        parts += thinned(a[chosen], labels[chosen] == 6, rng)
    return parts


def table(file: Path, rng: np.random.Generator) -> list[Any]:
    data = lk.data.load_source(str(file), target="cut")
    training, _, test = data.split(0.0, 0.3, seed=0)
    prepared = training.fit_preprocessor()
    fair, good = (list(prepared.target.classes).index(name) for name in ("Fair", "Good"))
    parts: list[Any] = []
    for part in (training, test):
        x, y = (np.asarray(a) for a in part.arrays(prepared))
        chosen = (y == fair) | (y == good)
        parts += thinned(x[chosen], y[chosen] == fair, rng)
    return parts


def measures(parts: list[Any], loss: str, seed: int, epochs: int) -> tuple[float, float, float]:
    x, y, x_test, y_test = parts
    model = lk.nn.Sequential(lk.nn.Linear(x.shape[1], 64), lk.nn.ReLU(), lk.nn.Linear(64, 2))
    trainer = lk.Trainer(model, loss, "adam", seed=seed, backend="numpy")
    trainer.fit(x, y, epochs=epochs, batch_size=64, verbose=False)
    said = trainer.predict(x_test).argmax(axis=1)
    hits = float(((said == 1) & (y_test == 1)).sum())
    recall = hits / float((y_test == 1).sum())
    precision = hits / max(1.0, float((said == 1).sum()))
    specificity = float(((said == 0) & (y_test == 0)).sum()) / float((y_test == 0).sum())
    return recall, precision, (recall + specificity) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description="Losses for a rare class.")
    parser.add_argument("--fashion", type=Path, metavar="DIR", help="folder of Fashion-MNIST")
    parser.add_argument("--diamonds", type=Path, metavar="FILE", help="diamonds.csv")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    cases = []
    if arguments.fashion:
        cases.append(("Fashion-MNIST, shirts among T-shirts", images(arguments.fashion, rng)))
    if arguments.diamonds:
        cases.append(("diamonds, fair among good cuts", table(arguments.diamonds, rng)))
    if not cases:
        parser.error("give --fashion DIR, --diamonds FILE, or both")
    failed = []
    for title, parts in cases:
        y, y_test = parts[1], parts[3]
        print(f"\n{title}: {len(y)} training rows, {y.mean():.1%} rare; {len(y_test)} test rows")
        print(f"{arguments.epochs} epochs, means over {arguments.seeds} seeds\n")
        print("| loss | recall | precision | balanced accuracy |\n|---|---|---|---|")
        recalls = {}
        for name, spec in LOSSES.items():
            found = [measures(parts, spec, seed, arguments.epochs) for seed in range(arguments.seeds)]
            means = [statistics.mean(values) for values in zip(*found, strict=True)]
            recalls[name] = means[0]
            print(f"| {name} | {' | '.join(f'{m:.3f}' for m in means)} |", flush=True)
        failed += [f"{n} on {title}" for n in MUST_RAISE if recalls[n] <= recalls["cross_entropy"]]
    if failed:
        raise SystemExit(f"the recall was not raised: {', '.join(failed)}")


if __name__ == "__main__":
    main()

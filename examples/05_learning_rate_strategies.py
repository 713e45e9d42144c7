"""Learning-rate strategies: how long the steps are, as a function of the step t.

::

    constant     lr(t) = lr
    cosine       lr(t) = lr_min + (lr - lr_min) (1 + cos(pi t / T)) / 2
    one cycle    up from lr / 25 to lr in the first 30 % of the run, then down to almost nothing
    step decay   lr(t) = lr gamma^floor(t / s)

A schedule is a function in closed form, so any step may be asked in any order, and a run that is resumed goes
on exactly.

Run it: ``python examples/05_learning_rate_strategies.py``; ``--backend`` takes torch, strict or cupy.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import learnkit as lk


@dataclass(frozen=True)
class StepDecay(lk.schedules.Schedule):
    """A schedule of one's own: its fields, and the closed form."""

    lr: float
    every: int
    gamma: float = 0.5

    def __call__(self, step: int) -> float:
        return self.lr * self.gamma ** (step // self.every)


def main(backend_name: str, epochs: int, peak: float) -> None:
    backend = lk.get_backend(backend_name)
    print(f"backend: {backend.describe()}")

    # 1. The four as functions. total_steps is T; a trainer fills it in where it is left out.
    steps = 100
    schedules = {
        "constant": lk.schedules.Constant(0.1),
        "cosine": lk.schedules.Cosine(0.1, total_steps=steps),
        "one cycle": lk.schedules.OneCycle(0.1, total_steps=steps),
        "step decay": StepDecay(0.1, every=25),
    }
    shown = range(0, steps + 1, 10)
    print("\n1. step      ", *(f"{t:7d}" for t in shown))
    for name, schedule in schedules.items():
        print(f"   {name:10}", *(f"{schedule(t):7.4f}" for t in shown))

    print("\n2. The same, drawn; a column is 2 steps")
    for name, schedule in schedules.items():
        print(f"   {name:10} {drawn([schedule(t) for t in range(0, steps, 2)])}")

    # 3. A schedule stands wherever an optimizer takes lr (or any other number). Here Adam takes steps that
    #    are too large to stay with: they find the region quickly, but only smaller ones settle in it. With
    #    --lr 0.01 there is nothing to settle, and the constant rate is as good. The mean over some seeds,
    #    since one run alone says little.
    digits, labels = lk.data.load_digits()
    x, y = digits / 16.0, labels
    batch_size = 64
    seeds = range(3)
    per_epoch = -(-int(len(y) * 0.8) // batch_size)
    runs = {
        "constant": lk.schedules.Constant(peak),
        "cosine": lk.schedules.Cosine(peak),
        "one cycle": lk.schedules.OneCycle(peak),
        "step decay": StepDecay(peak, every=max(1, epochs * per_epoch // 4)),
    }
    print(f"\n3. Digits, 64-32-10, Adam, lr {peak:g}, {epochs} epochs, a fifth held out, {len(seeds)} seeds")
    print(f"   {'schedule':10} {'last lr':>9} {'loss':>8} {'val_loss':>9} {'accuracy':>9}")
    for name, schedule in runs.items():
        ends = []
        for seed in seeds:
            model = lk.nn.Sequential(lk.nn.Linear(64, 32), lk.nn.ReLU(), lk.nn.Linear(32, 10))
            trainer = lk.Trainer(
                model,
                loss="cross_entropy",
                optimizer=lk.optim.Adam(lr=schedule),
                metrics=["accuracy"],
                backend=backend,
                seed=seed,
            )
            history = trainer.fit(
                x, y, epochs=epochs, batch_size=batch_size, validation_split=0.2, verbose=False
            )
            last = history.epochs[-1]
            ends.append((last.lr, last.loss, last.val_loss or 0.0, last.metrics["accuracy"]))
        lr, loss, val_loss, accuracy = (sum(values) / len(seeds) for values in zip(*ends, strict=True))
        print(f"   {name:10} {lr:9.2e} {loss:8.4f} {val_loss:9.4f} {accuracy:9.4f}")

    # 4. Which rate at all? The finder trains for some steps with a rate that grows, and looks where the loss
    #    falls and where it breaks out. Nothing of that is left in the trainer.
    model = lk.nn.Sequential(lk.nn.Linear(64, 32), lk.nn.ReLU(), lk.nn.Linear(32, 10))
    trainer = lk.Trainer(model, "cross_entropy", "adam", backend=backend, seed=0)
    curve = lk.find_lr(trainer, x, y, batch_size=batch_size)
    print(f"\n4. The finder: {len(curve.lrs)} steps, {curve.stopped}")
    print(curve.text(width=64, height=8))
    print("   suggested:", ", ".join(f"{name} {lr:.2g}" for name, lr in curve.suggestions.items() if lr))


def drawn(values: list[float]) -> str:
    """A line of blocks, as high as the values."""
    blocks = " ▁▂▃▄▅▆▇█"
    highest = max(values)
    return "".join(blocks[round(value / highest * (len(blocks) - 1))] for value in values)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Learning-rate schedules, printed and used.")
    parser.add_argument("--backend", default="numpy", help="numpy, cupy, torch or strict")
    parser.add_argument("--epochs", type=int, default=10, help="of the training runs of part 3; default 10")
    parser.add_argument("--lr", type=float, default=0.1, help="the largest of part 3; default 0.1")
    arguments = parser.parse_args()
    main(arguments.backend, arguments.epochs, arguments.lr)

"""Another library's formulas and defaults, on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_train_with_a_convention(learnkit: Any, table: Path) -> None:
    """The optimizer's own learning rate is that library's; what is given wins."""
    from learnkit.training import Trainer

    for spec, lr, eps in (
        ("rmsprop:convention=keras", 1e-3, 1e-7),
        ("rmsprop:convention=keras,lr=0.02,eps=1e-5", 0.02, 1e-5),
    ):
        result = learnkit(
            "train", str(table), "--target", "kind", "--epochs", "2", "--hidden", "4", "--name", "run",
            "--overwrite", "--optimizer", spec, "--schedule", "constant", "--clip", "0", "--json",
        )  # fmt: skip
        assert result.code == 0, result.err
        optimizer = Trainer.load("runs/run/model.safetensors").optimizer
        assert (optimizer.lr.lr, optimizer.eps, optimizer.lr_in_momentum) == (lr, eps, True)


def test_a_convention_that_is_unknown(learnkit: Any, table: Path) -> None:
    result = learnkit("train", str(table), "--target", "kind", "--optimizer", "adam:convention=kears")
    assert result.code == 2
    assert "--optimizer: unknown convention 'kears' (did you mean 'keras'?)" in result.err
    result = learnkit("train", str(table), "--target", "kind", "--optimizer", "adan:convention=keras")
    assert result.code == 2
    assert "no convention 'keras' for the optimizer 'adan'" in result.err

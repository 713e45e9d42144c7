"""What TensorBoard itself reads of the runs that were written."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learnkit_tensorboard import TensorBoard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import learnkit as lk
from learnkit.errors import ArgumentError
from learnkit.plugins import records, registry
from learnkit.testing import checks_for

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3)).astype(np.float32)
Y = X @ np.asarray([[1.0], [-2.0], [0.5]], dtype=np.float32)

test_it_keeps_the_rules_of_callbacks = checks_for(TensorBoard(tempfile.mkdtemp()))


def trainer(**options: Any) -> lk.Trainer:
    return lk.Trainer(lk.nn.Linear(3, 1), "mse", "adam:lr=0.05", metrics=["r2", "mae"], **options)


def read(path: Path) -> EventAccumulator:
    found = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    return found


def curve(found: EventAccumulator, tag: str) -> tuple[list[int], list[float]]:
    events = found.Scalars(tag)
    return [e.step for e in events], [e.value for e in events]


def text(found: EventAccumulator, tag: str) -> str:
    (event,) = found.Tensors(tag)
    (value,) = event.tensor_proto.string_val
    return str(value, "utf-8")


def run(code: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The code in a process of its own, since the variable is read when the first run begins."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LEARNKIT_TENSORBOARD")}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, cwd=directory, env={**clean, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_plugin_is_installed() -> None:
    (record,) = (record for record in records() if record.distribution == "learnkit-tensorboard")
    assert (record.status, record.detail) == ("ok", "")
    assert record.components == {"callback": ("tensorboard",)}


def test_a_fit_is_written_as_it_was_reported(tmp_path: Path) -> None:
    log = TensorBoard(tmp_path, every=3)
    fitted = trainer()
    history = fitted.fit(X, Y, validation_split=0.25, epochs=4, batch_size=10, callbacks=[log], verbose=False)
    assert log.path == tmp_path / "fit"
    found = read(log.path)
    steps = [3, 6, 9, 12]
    for name in ("loss", "val_loss", "r2", "mae"):
        assert curve(found, f"epoch/{name}") == (steps, pytest.approx(history[name], rel=1e-6))
    for name in ("lr", "grad_norm", "seconds"):
        values = [getattr(report, name) for report in history.epochs]
        assert curve(found, f"epoch/{name}") == (steps, pytest.approx(values, rel=1e-6))
    assert curve(found, "step/lr") == (steps, pytest.approx([0.05] * 4))
    assert curve(found, "step/loss")[0] == steps
    model = text(found, "model")
    assert "Linear(in_features=3, out_features=1)" in model
    assert "| weight | (3, 1) |" in model


def test_each_run_has_a_directory_and_one_that_goes_on_keeps_it(tmp_path: Path) -> None:
    first, second = TensorBoard(tmp_path), TensorBoard(tmp_path)
    fitted = trainer()
    fitted.fit(X, Y, epochs=1, batch_size=20, callbacks=[first], verbose=False)
    trainer().fit(X, Y, epochs=1, batch_size=20, callbacks=[second], verbose=False)
    assert (first.path, second.path) == (tmp_path / "fit", tmp_path / "fit-2")
    fitted.fit(X, Y, epochs=2, batch_size=20, callbacks=[first], verbose=False)
    assert curve(read(tmp_path / "fit"), "epoch/loss")[0] == [2, 4, 6]
    third = TensorBoard(tmp_path)
    fitted.fit(X, Y, epochs=1, batch_size=20, callbacks=[third], verbose=False)  # as after it was loaded
    assert third.path == tmp_path / "fit-2"
    fourth = TensorBoard(tmp_path)
    fourth.load_state(first.state())  # as where it was saved with the run
    fitted.fit(X, Y, epochs=1, batch_size=20, callbacks=[fourth], verbose=False)
    assert fourth.path == tmp_path / "fit"


def test_the_callback_is_made_by_name_and_refuses_a_wrong_interval(tmp_path: Path) -> None:
    made = registry.create("callback", {"name": "tensorboard", "directory": str(tmp_path), "every": 5})
    assert (made.directory, made.every) == (tmp_path, 5)
    with pytest.raises(ArgumentError, match="TensorBoard: directory is 4, expected a path"):
        TensorBoard(4)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="TensorBoard: every is 0, expected an integer >= 1"):
        TensorBoard(tmp_path, every=0)


FIT = """
import numpy as np, learnkit as lk
x = np.linspace(-1, 1, 40, dtype=np.float32).reshape(-1, 1)
for _ in range(2):
    lk.Trainer(lk.nn.Linear(1, 1), "mse").fit(x, 3 * x, epochs=2, batch_size=10, verbose=False)
"""


FAIL = """
try:
    lk.Trainer(lk.nn.Linear(1, 1), "mse", "sgd:lr=1e30").fit(x, x, epochs=5, batch_size=10, verbose=False)
except lk.errors.DivergedError:
    pass
"""


def test_every_run_is_written_where_the_environment_asks_for_it(tmp_path: Path) -> None:
    done = run(FIT + FAIL, tmp_path, LEARNKIT_TENSORBOARD="logs", LEARNKIT_TENSORBOARD_EVERY="4")
    assert (done.stdout, done.stderr) == ("", "")
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["fit", "fit-2", "fit-3"]
    found = read(tmp_path / "logs" / "fit-2")
    assert curve(found, "epoch/loss")[0] == [4, 8]
    assert curve(found, "step/loss")[0] == [4, 8]
    assert "| batch_size | 10 |" in text(found, "config")
    assert text(read(tmp_path / "logs" / "fit-3"), "error").startswith("DivergedError: the loss is ")


def test_nothing_is_written_or_imported_otherwise(tmp_path: Path) -> None:
    code = FIT + "import sys\nprint([m for m in sys.modules if m.partition('.')[0] == 'tensorboard'])"
    done = run(code, tmp_path)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_the_command_line_is_written(tmp_path: Path) -> None:
    code = "from learnkit.cli import main; main()"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LEARNKIT_TENSORBOARD")}
    command = [sys.executable, "-c", code, "train", "digits", "--epochs", "1"]
    subprocess.run(
        command, cwd=tmp_path, env=clean | {"LEARNKIT_TENSORBOARD": "logs"}, check=True, capture_output=True
    )
    (path,) = (tmp_path / "logs").iterdir()
    found = read(path)
    assert "epoch/accuracy" in found.Tags()["scalars"]
    assert "| source | digits |" in text(found, "config")

"""Trained models in other formats: the built-in ones, and those of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import learnkit as lk
from learnkit.errors import ArgumentError, BackendError, PluginError, UnknownNameError
from learnkit.training import Trainer

X = np.random.default_rng(2).normal(size=(24, 3)).astype(np.float32)


def trained(optimizer: Any = "adam:lr=0.1", **options: Any) -> Trainer:
    model = lk.nn.Sequential(lk.nn.Linear(3, 4), lk.nn.BatchNorm1d(4), lk.nn.ReLU(), lk.nn.Linear(4, 1))
    made = Trainer(model, "mse", optimizer, **options)
    made.fit(X, X[:, 0], epochs=3, verbose=False)
    return made


def test_npz_holds_each_array_by_path_and_what_the_model_is(backend: Any, tmp_path: Path) -> None:
    made = trained(backend=backend.backend)
    path = lk.export(made, tmp_path / "new" / "model.npz", extra={"target": "price"})
    with np.load(path, allow_pickle=False) as file:
        loaded = dict(file)
    said = json.loads(str(loaded.pop("learnkit")))
    assert set(loaded) == set(made.model.arrays()) == set(said["arrays"])
    for name, array in made.model.arrays().items():
        np.testing.assert_array_equal(loaded[name], backend.to_numpy(array))
        assert said["arrays"][name] == {"shape": list(loaded[name].shape), "dtype": str(loaded[name].dtype)}
    assert (said["extra"], said["loss"]["name"], said["epochs"]) == ({"target": "price"}, "mse", 3)


def test_a_program_without_learnkit_predicts_from_npz(tmp_path: Path) -> None:
    made = Trainer(lk.nn.MLP([3, 5, 2]), "mse")
    made.fit(X, X[:, :2], epochs=2, verbose=False)
    with np.load(lk.export(made, tmp_path / "m.npz")) as w:
        names = [name for name in w.files if name.endswith("weight")]
        out = X
        for i, name in enumerate(names):
            out = out @ w[name] + w[name.replace("weight", "bias")]
            out = np.maximum(out, 0) if i < len(names) - 1 else out
    np.testing.assert_allclose(out, made.predict(X), rtol=1e-5, atol=1e-6)


def test_json_describes_the_model_without_its_weights(tmp_path: Path) -> None:
    path = lk.export(trained(), tmp_path / "model", format="json:indent=0")
    said = json.loads(path.read_text())
    assert said["model"]["name"] == "sequential"
    assert said["arrays"]["0.weight"] == {"shape": [3, 4], "dtype": "float32"}
    assert "\n " not in path.read_text()


def test_compression_is_an_option(tmp_path: Path) -> None:
    made = Trainer(lk.nn.Linear(200, 100, weight_init="zeros"), "mse")
    plain = lk.export(made, tmp_path / "a.npz")
    packed = lk.export(made, tmp_path / "b.npz", format={"name": "npz", "compress": True})
    assert packed.stat().st_size < plain.stat().st_size / 10


def test_the_averaged_weights_are_written(tmp_path: Path) -> None:
    made = trained(lk.optim.chain(lk.optim.EMA(0.9), lk.optim.SGD(0.05)))
    before = made.copy_arrays()
    with made.averaged_weights():
        averaged = made.copy_arrays()
    with np.load(lk.export(made, tmp_path / "m.npz")) as file:
        for name, array in averaged.items():
            np.testing.assert_array_equal(file[name], array)
        assert not np.array_equal(file["0.weight"], before["0.weight"])
    for name, array in made.copy_arrays().items():
        np.testing.assert_array_equal(array, before[name])


def test_an_exporter_may_write_more_than_one_file_and_need_no_extra(tmp_path: Path) -> None:
    def two(trainer: Any, path: Path, *, note: str = "none") -> None:
        path.write_text(note)
        path.with_suffix(".data").write_text("more")

    with lk.registered(exporter={"two": two}):
        assert (
            lk.export(trained(), tmp_path / "m.txt", format="two:note=hi", extra={"a": 1}).read_text() == "hi"
        )
        assert (tmp_path / "m.data").read_text() == "more"
        lk.export(trained(), tmp_path / "m.two")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.data", "m.two", "m.txt"]


def broken(trainer: Any, path: Path) -> None:
    path.write_text("half")
    raise KeyError("layer")


@pytest.mark.parametrize(
    ("format", "error", "message"),
    [
        ("npy", UnknownNameError, r"unknown exporter 'npy' \(did you mean 'npz'\?\)"),
        ("npz:compres=true", ArgumentError, r"has no option 'compres' \(did you mean 'compress'\?\)"),
        ("npz:extra=1", ArgumentError, "has no option 'extra'"),
        ("json:indent=-1", ArgumentError, "indent is -1"),
        ({"compress": True}, ArgumentError, "has no name"),
        (broken, PluginError, "exporter 'broken' failed: KeyError: 'layer'"),
        (lambda trainer, path: None, PluginError, r"returned without writing m\.npz"),
    ],
)
def test_a_failure_leaves_the_older_file(tmp_path: Path, format: Any, error: Any, message: str) -> None:
    old = tmp_path / "m.npz"
    old.write_text("old")
    with pytest.raises(error, match=message):
        lk.export(Trainer(lk.nn.Linear(1, 1), "mse"), old, format=format)
    assert old.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["m.npz"]


def test_a_path_without_an_ending_needs_a_format(tmp_path: Path) -> None:
    with pytest.raises(
        ArgumentError, match="no ending that would tell the format\n  give format=, one of: json, npz"
    ):
        lk.export(Trainer(lk.nn.Linear(1, 1), "mse"), tmp_path / "m")


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendError, match="cannot write"):
        lk.export(Trainer(lk.nn.Linear(1, 1), "mse"), tmp_path / "file" / "m.npz")

"""From a source to a data set, its parts and its arrays: what a training run does."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learnkit.data import DataSet, load_source
from learnkit.errors import ArgumentError, DataError
from learnkit.plugins import registry

X = np.arange(60.0).reshape(20, 3) % 7
Y = np.arange(20) % 2


def table(count: int = 40, row: Callable[[int], str] = lambda i: f"{i * 0.5},{'rgb'[i % 3]},{i % 4}") -> str:
    return "size,colour,y\n" + "".join(row(i) + "\n" for i in range(count))


class TestTraining:
    """What a training run sees and says."""

    def test_classes(self, write: Any) -> None:
        data = load_source(write(table()))
        assert (data.target, data.task, data.classes) == ("y", "classification", (0, 1, 2, 3))
        assert data.class_counts == {0: 10, 1: 10, 2: 10, 3: 10}
        assert data.where(0).endswith("data.csv, line 2")
        first, *lines = data.summary()
        assert first.endswith("data.csv: 40 rows, 2 feature columns")
        assert lines == [
            "numeric: size",
            "categorical: colour (3)",
            "missing values: none",
            f"target: y, classification: {data.reason}",
            "4 classes: 0 (10), 1 (10), 2 (10), 3 (10)",
        ]

    def test_numbers(self, write: Any) -> None:
        data = load_source(write(table()), target="size", ignore=["y"])
        assert (data.task, data.classes, data.class_counts) == ("regression", (), {})
        assert data.summary()[0].endswith("40 rows, 1 feature columns of 2")
        assert data.summary()[-1] == "mean 9.75, standard deviation 5.77170253, from 0 to 19.5".replace(
            "70253", "7"
        )

    def test_missing_counts(self, write: Any) -> None:
        data = load_source(write(table() + ",r,1\n,,0\n"), missing="mean")
        assert "missing values: size 2, colour 1" in data.summary()

    def test_split(self, write: Any) -> None:
        """The parts are data sets of the same kind; together they have each row once; the split repeats."""
        data = load_source(write(table()))
        parts = data.split(0.2, 0.1, seed=5)
        assert [len(part) for part in parts if part] == [28, 8, 4]
        assert sorted(np.concatenate([part.rows for part in parts if part]).tolist()) == list(range(40))
        for part, again in zip(parts, data.split(0.2, 0.1, seed=5), strict=True):
            assert part is not None
            assert again is not None
            assert part.rows.tolist() == again.rows.tolist()
            assert part.y.tolist() == data.y[part.rows].tolist()
            assert part.class_counts.keys() == {0, 1, 2, 3}
            assert part.where(0).endswith(f"line {part.rows[0] + 2}")

    @pytest.mark.parametrize(
        ("shares", "sizes"),
        [((0.2, 0.0), (32, 8, None)), ((0.0, 0.2), (32, None, 8)), ((0.0, 0.0), (40, None, None))],
    )
    def test_parts_that_were_not_asked_for(self, write: Any, shares: Any, sizes: Any) -> None:
        parts = load_source(write(table())).split(*shares, seed=0)
        assert tuple(part and len(part) for part in parts) == sizes

    def test_regression_is_split_at_random(self, write: Any) -> None:
        parts = load_source(write(table()), target="size").split(0.25, seed=0)
        assert [part and len(part) for part in parts] == [30, 10, None]

    @pytest.mark.parametrize("share", [-0.1, 1.0, 2])
    def test_share_range(self, write: Any, share: float) -> None:
        with pytest.raises(ArgumentError, match="a fraction must be greater than 0 and less than 1"):
            load_source(write(table())).split(share, seed=0)

    def test_a_predefined_test_part_is_kept(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", x=X, y=Y, x_test=X[:4], y_test=Y[:4])
        data = load_source(tmp_path / "a.npz")
        train, validation, test = data.split(0.2, 0.3, seed=0)
        assert (len(train), validation and len(validation), test) == (16, 4, data.test)
        assert (train.test, data.split(0.0, seed=0)[2]) == (None, data.test)

    def test_rows_after_rows_were_left_out(self, write: Any) -> None:
        data = load_source(write("x,y\n1,0\n,1\n2,1\n\n3,0\n4,1\n"), missing="drop")
        assert data.rows.tolist() == [0, 2, 3, 4]
        assert data.where(2).endswith("line 6")

    def test_arrays(self, write: Any) -> None:
        data = load_source(write(table()))
        train, validation, _ = data.split(0.2, seed=0)
        preprocessor = train.fit_preprocessor()
        x, y = train.arrays(preprocessor)
        assert (x.shape, x.dtype, y.dtype) == ((32, 4), np.float32, np.int64)
        assert abs(float(x[:, 0].mean())) < 1e-6
        assert validation is not None
        assert abs(float(validation.arrays(preprocessor)[0][:, 0].mean())) > 1e-4
        assert preprocessor.target.decode(y).tolist() == train.y.tolist()

    @pytest.mark.parametrize(
        ("y", "task", "classes"),
        [
            (Y, "classification", (0, 1)),
            (Y.astype(bool), "classification", ("False", "True")),
            (np.array(["u", "v"])[Y], "classification", ("u", "v")),
            (X[:, 0] + 0.5, "regression", ()),
        ],
    )
    def test_targets_of_arrays(self, tmp_path: Path, y: Any, task: str, classes: Any) -> None:
        np.savez(tmp_path / "a.npz", x=X, y=y, x_test=X[:4], y_test=y[:4])
        data = load_source(tmp_path / "a.npz")
        assert (data.task, data.classes) == (task, classes)
        preprocessor = data.fit_preprocessor()
        _, coded = data.arrays(preprocessor)
        assert data.test is not None
        assert np.array_equal(data.test.arrays(preprocessor)[1], coded[:4])

    def test_a_test_label_outside_training(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", x=X, y=Y, x_test=X[:4], y_test=Y[:4] + 1)
        with pytest.raises(DataError, match=r"a\.npz, row 1: the label '2' of 'y' is not among the classes"):
            load_source(tmp_path / "a.npz")

    def test_options_for_tables_only(self) -> None:
        with pytest.raises(ArgumentError, match="'digits' has no named columns"):
            load_source("digits", ignore=["x"])
        with pytest.raises(
            ArgumentError, match="'digits' comes with its labels, so the target 'z' does not apply"
        ):
            load_source("digits", target="z")

    def test_no_target(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", x=X)
        with pytest.raises(DataError, match=r"a\.npz' has no target to learn from"):
            load_source(tmp_path / "a.npz")


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A registry whose only plugin offers data sets."""
    module = types.ModuleType("data_plugin")

    def two(rows: int = 20) -> Any:
        return X[:rows], Y[:rows]

    def four() -> Any:
        return X, Y, X[:4], Y[:4]

    def learnkit_register_datasets(register: Any) -> None:
        register("two", two)
        register("four", four)
        register("three", lambda: (X, Y, X))
        register("nothing", lambda: None)

    module.learnkit_register_datasets = learnkit_register_datasets  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "data_plugin", module)
    with registry.isolated(("learnkit.plugins.builtin", "data_plugin")):
        registry.disable_third_party()
        yield


@pytest.mark.usefixtures("plugin")
class TestRegistered:
    """Data sets of plugins, by name."""

    def test_arrays(self) -> None:
        assert (len(load_source("two")), load_source("two").test) == (20, None)
        assert len(load_source("four").test or ()) == 4

    def test_options(self) -> None:
        assert len(load_source("two:rows=12")) == 12

    def test_a_file_wins(self, write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A path that exists is taken before a registered name, and ``digits`` before a path."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "two").mkdir()
        (tmp_path / "digits").mkdir()
        with pytest.raises(DataError, match="'two' is a directory without IDX images"):
            load_source("two")
        assert len(load_source("digits")) == 1797
        with pytest.raises(DataError, match="is a directory without IDX images"):
            load_source(f".{os.sep}digits")

    @pytest.mark.parametrize(("name", "got"), [("three", "3 values"), ("nothing", "NoneType")])
    def test_wrong_returns(self, name: str, got: str) -> None:
        with pytest.raises(DataError, match=rf"the data set '{name}' returned {got}, expected \(x, y\)"):
            load_source(name)

    def test_unknown(self) -> None:
        with pytest.raises(
            DataError, match=r"no data set and no file is called 'for' \(did you mean 'four'\?\)"
        ) as e:
            load_source("for")
        assert "known: digits, four, nothing, three, two" in str(e.value)
        with pytest.raises(DataError, match=r"'digitz' \(did you mean 'digits'\?\)"):
            load_source("digitz")


def test_a_file_may_be_meant(write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(table(), "diamonds.csv")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"'diamonds' \(did you mean 'diamonds\.csv'\?\)"):
        load_source("diamonds")


def test_take_keeps_the_order() -> None:
    data = load_source("digits").take(np.array([5, 2]))
    assert isinstance(data, DataSet)
    assert (data.rows.tolist(), data.y.tolist()) == ([5, 2], [5, 2])


def test_importing_is_cheap() -> None:
    """``learnkit.data`` needs no array library but NumPy, and no optional package."""
    code = "import sys, learnkit.data; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    loaded = set(done.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"torch", "cupy", "jax", "scipy", "sklearn", "pandas", "rich", "click", "safetensors"}

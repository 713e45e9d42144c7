"""New data against what training learned: what evaluation and prediction do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learnkit.data import Preprocessor, TablePreprocessor, load_matching, load_source
from learnkit.errors import DataError

X = np.arange(60.0).reshape(20, 3) % 7
Y = np.arange(20) % 2


def table(count: int = 40, row: Callable[[int], str] = lambda i: f"{i * 0.5},{'rgb'[i % 3]},{i % 4}") -> str:
    return "size,colour,y\n" + "".join(row(i) + "\n" for i in range(count))


@pytest.fixture
def trained(write: Any) -> TablePreprocessor:
    """What a model knows that was trained on the table, through a checkpoint."""
    data = load_source(write(table(), "train.csv"))
    preprocessor = Preprocessor.from_dict(data.fit_preprocessor().to_dict())
    assert isinstance(preprocessor, TablePreprocessor)
    return preprocessor


class TestMatchingTables:
    """Faults 17 and 18: labels and columns of new data against those of training."""

    def test_columns_are_found_by_name(self, write: Any, trained: TablePreprocessor) -> None:
        """Another order and other columns change nothing but a notice."""
        plain = load_matching(write("size,colour,y\n1,r,3\n2,g,0\n"), trained)
        other = load_matching(write("y,note,colour,size\n3,hi,r,1\n0,ho,g,2\n", "other.csv"), trained)
        for a, b in zip(plain.arrays(trained), other.arrays(trained), strict=True):
            assert np.array_equal(a, b)
        assert plain.notices == ()
        assert other.notices == ("1 column is ignored, not being among the features of training: 'note'",)
        assert plain.y is not None
        assert plain.y.tolist() == [3, 0]

    def test_one_row_without_target(self, write: Any, trained: TablePreprocessor) -> None:
        data = load_matching(write("size,colour\n1,r\n"), trained, with_target=False)
        x, y = data.arrays(trained)
        assert (x.shape, y, data.notices, len(data.summary())) == ((1, 4), None, (), 1)

    def test_a_target_is_not_looked_at_to_predict(self, write: Any, trained: TablePreprocessor) -> None:
        assert load_matching(write("size,colour,y\n1,r,?\n"), trained, with_target=False).y is None

    def test_unknown_category(self, write: Any, trained: TablePreprocessor) -> None:
        """It counts as no category, and a notice names it, counts it and says where."""
        data = load_matching(write("size,colour\n1,r\n2,pink\n3,black\n4,pink\n"), trained, with_target=False)
        assert data.notices == (
            "column 'colour': 3 of 4 values did not occur in training and count as no category "
            "('black', 'pink'; the first on line 3)",
        )
        assert data.arrays(trained)[0][1:, 1:].tolist() == [[0.0] * 3] * 3

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (
                "size,colour,y\n1,r,3\n2,g,7\n",
                "line 3: the label '7' of 'y' is not among the classes of training",
            ),
            ("size,colour,y\n1,r,cat\n", "line 2: the label 'cat' .*\n  classes: 0, 1, 2, 3"),
            ("size,colour,y\n1,r,-1\n", "line 2: the label '-1'"),
            ("size,colour,y\n1,r,\n", r"1 missing or infinite value in the target 'y', on line 2 \(''\)"),
            ("size,colour\n1,r\n", "no column 'y'"),
            (
                "sise,y\n1,3\n",
                r"lacks 2 of 2 columns of training: 'size' \(did you mean 'sise'\?\), 'colour'",
            ),
            (
                "size,colour,y\n1,r,3\nbig,g,0\n",
                "line 3, column 'size': 'big' is not a number, as the values were",
            ),
            ('size,colour,y\n"1,5",r,3\n', "line 2, column 'size': '1,5' is not a number"),
            ("size,colour,y\n1e999,r,3\n", "line 2, column 'size': '1e999' is not a finite number"),
            (
                "size,colour,y\n1,5,3\n2,6,0\n",
                "line 2, column 'colour': '5' and all other values are numbers",
            ),
            ("size,colour,y\n1,r,3\n,g,0\n", r"line 3: no value in size \(1 such rows\), while no value was"),
            ("size,colour,y\n", "0 data rows; need at least 1"),
        ],
    )
    def test_refused(self, write: Any, trained: TablePreprocessor, text: str, says: str) -> None:
        path = write(text, "new.csv")
        with pytest.raises(DataError, match=says) as caught:
            load_matching(path, trained)
        assert "new.csv" in str(caught.value)

    def test_rows_with_missing_values(self, write: Any) -> None:
        """They are filled in, or left out with a notice, as training did."""
        path = write(table() + ",r,1\n3,,0\n", "train.csv")
        new = write("size,colour\n1,r\n,g\n2,\n", "new.csv")
        mean = load_source(path, missing="mean").fit_preprocessor()
        data = load_matching(new, mean, with_target=False)
        assert data.rows.tolist() == [0, 1, 2]
        assert data.arrays(mean)[0][1, 0] == 0.0
        drop = load_source(path, missing="drop").fit_preprocessor()
        data = load_matching(new, drop, with_target=False)
        assert data.rows.tolist() == [0]
        assert data.notices == ("2 of 3 rows were left out because values are missing",)
        with pytest.raises(DataError, match="values are missing in every row"):
            load_matching(write("size,colour\n,r\n"), drop, with_target=False)

    def test_texts_and_numbers_as_labels(self, write: Any) -> None:
        """A label keeps its meaning when the new file holds only some of the labels."""
        path = write("x,y\n" + "".join(f"{i % 5},{'1ab'[i % 3]}\n" for i in range(30)), "train.csv")
        preprocessor = load_source(path).fit_preprocessor()
        assert preprocessor.target.classes == ("1", "a", "b")
        assert load_matching(write("x,y\n1,1\n2,1\n"), preprocessor).y.tolist() == ["1", "1"]
        with pytest.raises(DataError, match=r"the label '1\.0'"):
            load_matching(write("x,y\n1,1.0\n"), preprocessor)

    def test_regression(self, write: Any) -> None:
        preprocessor = load_source(write(table(), "train.csv"), target="size").fit_preprocessor()
        data = load_matching(write("y,colour,size\n1,r,2.5\n"), preprocessor)
        assert preprocessor.target.decode(data.arrays(preprocessor)[1]) == pytest.approx([2.5])
        with pytest.raises(
            DataError, match="line 2, column 'size': 'big' is not a number, as the target was"
        ):
            load_matching(write("y,colour,size\n1,r,big\n"), preprocessor)

    def test_arrays_do_not_match(self, trained: TablePreprocessor) -> None:
        with pytest.raises(DataError, match="'digits' holds arrays, but the model was trained on a table"):
            load_matching("digits", trained)


class TestMatchingArrays:
    """New arrays against those of training."""

    def test_digits(self) -> None:
        train, _, test = load_source("digits").split(0.1, 0.1, seed=0)
        preprocessor = train.fit_preprocessor()
        data = load_matching("digits", preprocessor)
        assert test is not None
        assert np.array_equal(data.take(test.rows).arrays(preprocessor)[1], test.arrays(preprocessor)[1])
        assert data.where(3) == "digits, row 3"

    def test_a_table_does_not_match(self, write: Any) -> None:
        preprocessor = load_source("digits").fit_preprocessor()
        with pytest.raises(DataError, match="holds a table, but the model was trained on arrays"):
            load_matching(write(table()), preprocessor)

    def test_column_of_the_target_is_remembered(self, tmp_path: Path) -> None:
        """A target in column 0 of an ``.npy`` file is found there again."""
        path = tmp_path / "a.npy"
        np.save(path, np.column_stack([Y, X]))
        preprocessor = load_source(path, target="0").fit_preprocessor()
        assert load_matching(path, preprocessor).y.tolist() == Y.tolist()
        x, _ = load_matching(path, preprocessor, with_target=False).arrays(preprocessor)
        np.save(path, X)
        assert np.array_equal(load_matching(path, preprocessor, with_target=False).arrays(preprocessor)[0], x)

    def test_key_of_the_target_is_remembered(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", x=X, speed=Y)
        preprocessor = load_source(tmp_path / "a.npz", target="speed").fit_preprocessor()
        assert load_matching(tmp_path / "a.npz", preprocessor).y.tolist() == Y.tolist()
        np.savez(tmp_path / "b.npz", x=X, y=Y)
        with pytest.raises(DataError, match=r"b\.npz' has no array 'speed': it holds x, y"):
            load_matching(tmp_path / "b.npz", preprocessor)

    @pytest.mark.parametrize(
        ("arrays", "says"),
        [
            ({"x": X[:, :2], "y": Y}, r"a row has shape \(2,\), expected \(3,\) as in training"),
            ({"x": X, "y": Y + 5}, "row 0: the label '5' of 'y' is not among the classes of training"),
            ({"x": X, "y": np.array(["u"] * 20)}, "row 0: the label 'u'"),
            ({"x": X}, "has no target to compare with"),
        ],
    )
    def test_refused(self, tmp_path: Path, arrays: dict[str, Any], says: str) -> None:
        np.savez(tmp_path / "a.npz", x=X, y=Y)
        preprocessor = load_source(tmp_path / "a.npz").fit_preprocessor()
        np.savez(tmp_path / "b.npz", **arrays)
        with pytest.raises(DataError, match=says):
            load_matching(tmp_path / "b.npz", preprocessor)

    def test_a_test_part_comes_along_to_evaluate(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", x=X, y=Y, x_test=X[:4], y_test=Y[:4])
        preprocessor = load_source(tmp_path / "a.npz").fit_preprocessor()
        data = load_matching(tmp_path / "a.npz", preprocessor)
        assert data.test is not None
        assert data.test.y.tolist() == Y[:4].tolist()
        assert load_matching(tmp_path / "a.npz", preprocessor, with_target=False).test is None

"""Preprocessors: statistics of the training rows only, and a description that comes back bit for bit."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from learnkit.data import (
    ArrayPreprocessor,
    ImagePreprocessor,
    Preprocessor,
    Table,
    TablePreprocessor,
    TargetCode,
    profile_table,
)
from learnkit.data.arrays import fit_array
from learnkit.data.moments import mean_and_std
from learnkit.errors import CheckpointError, DataError, ShapeError

CLASSES = TargetCode("y", "classification", ("a", "b"))
NUMBERS = TargetCode("y", "regression", (), 1 / 3, 0.1)
TABLE = Table.from_columns(
    {
        "size": [1, 2, None, 6],
        "colour": ["red", "blue", None, "red"],
        "y": ["a", "b", "a", "b"],
    }
)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 4, 3), dtype=np.uint8)
MATRIX = RNG.normal(5.0, 3.0, (20, 3))

FITTED: dict[str, tuple[Preprocessor, Any]] = {
    "table": (TablePreprocessor.fit(TABLE, CLASSES, missing="mean"), TABLE),
    "image": (fit_array(IMAGES, TargetCode("y", "classification", (0, 1, 7))), IMAGES),
    "array": (fit_array(MATRIX, NUMBERS), MATRIX),
}


@pytest.mark.parametrize("kind", FITTED)
def test_round_trip(kind: str) -> None:
    """Through JSON and back: equal, with equal bits in the result."""
    preprocessor, features = FITTED[kind]
    plain = preprocessor.to_dict()
    again = Preprocessor.from_dict(json.loads(json.dumps(plain)))
    assert again == preprocessor
    assert again.to_dict() == plain
    assert plain["kind"] == kind
    assert again.transform(features).tobytes() == preprocessor.transform(features).tobytes()


@pytest.mark.parametrize("kind", FITTED)
def test_rows_are_independent(kind: str) -> None:
    """A row gives the same features alone as among others, as float32 of the promised width."""
    preprocessor, features = FITTED[kind]
    whole = preprocessor.transform(features)
    rows = np.array([3, 1])
    part = features.take(rows) if isinstance(features, Table) else features[rows]
    assert whole.dtype == np.float32
    assert whole.shape == (len(features), preprocessor.n_features)
    assert np.array_equal(preprocessor.transform(part), whole[rows])


def test_table_features() -> None:
    """Numbers are standardised, missing ones the mean; categories are one-hot, missing ones their own."""
    preprocessor, _ = FITTED["table"]
    assert isinstance(preprocessor, TablePreprocessor)
    assert preprocessor.feature_names == ("size", "colour=(missing)", "colour=blue", "colour=red")
    std = np.std([1.0, 2.0, 6.0])
    expected = [[(1 - 3) / std, 0, 0, 1], [(2 - 3) / std, 0, 1, 0], [0, 1, 0, 0], [(6 - 3) / std, 0, 0, 1]]
    assert np.array_equal(preprocessor.transform(TABLE), np.array(expected, dtype=np.float32))


def test_statistics_come_from_the_given_rows_only() -> None:
    """Fitting on a part is the same as fitting on a table of only that part."""
    rows = np.array([0, 1, 3])
    profile = profile_table(TABLE, "y")
    part = TablePreprocessor.fit(TABLE.take(rows), CLASSES, profile=profile, missing="mean")
    plain = {"size": [1, 2, 6], "colour": ["red", "blue", "red"], "y": ["a", "b", "b"]}
    assert part == TablePreprocessor.fit(Table.from_columns(plain), CLASSES, missing="mean")
    assert "colour=(missing)" not in part.feature_names


def test_columns_that_are_constant_in_training() -> None:
    """A column that varies in the file and not in the training part becomes zero, not infinite."""
    table = Table.from_columns(
        {"x": [0.1, 0.1, 0.1, 5, 6], "z": [None, None, None, 1, 2], "y": [0, 1, 0, 1, 1]}
    )
    profile = profile_table(table, "y")
    train = table.take(np.arange(3))
    preprocessor = TablePreprocessor.fit(train, CLASSES, profile=profile, missing="mean")
    assert preprocessor.transform(train).tolist() == [[0.0, 0.0]] * 3
    assert preprocessor.transform(table)[3].tolist() == [np.float32(5 - 0.1), 1.0]


def test_images_share_one_scale() -> None:
    preprocessor, _ = FITTED["image"]
    assert isinstance(preprocessor, ImagePreprocessor)
    x = preprocessor.transform(IMAGES)
    assert (preprocessor.shape, preprocessor.n_features, x.shape) == ((4, 3), 12, (20, 12))
    assert preprocessor.mean == pytest.approx(IMAGES.mean(), rel=1e-15)
    assert preprocessor.std == pytest.approx(IMAGES.std(), rel=1e-14)
    assert np.array_equal(preprocessor.transform(IMAGES.reshape(20, 12)), x)
    assert np.allclose(x, ((IMAGES - IMAGES.mean()) / IMAGES.std()).reshape(20, 12), atol=1e-6)


def test_columns_of_a_matrix_have_their_own_scale() -> None:
    preprocessor, _ = FITTED["array"]
    assert isinstance(preprocessor, ArrayPreprocessor)
    x = preprocessor.transform(MATRIX)
    assert np.allclose(x.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(x.std(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.zeros((2, 9), dtype=np.uint8), "image"),
        (np.zeros((2, 3, 3), dtype=np.float32), "image"),
        (np.zeros((2, 9), dtype=np.float32), "array"),
        (np.zeros((2, 9), dtype=np.int64), "array"),
    ],
)
def test_which_kind_an_array_gets(array: Any, kind: str) -> None:
    assert fit_array(array, CLASSES).kind == kind


@pytest.mark.parametrize("kind", ["image", "array"])
@pytest.mark.parametrize(
    ("features", "says"),
    [
        (np.zeros((2, 5)), r"a row has shape \(5,\), expected \((4, 3|3,)\) as in training"),
        (np.full((2, 12), np.nan), r"24 of 24 values are NaN or infinite: \[0, 0\] = nan"),
        (np.array([["a"]]), "expected an array of numbers"),
    ],
)
def test_arrays_that_do_not_fit(kind: str, features: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        FITTED[kind][0].review(features)


def test_values_beyond_float32() -> None:
    """A value that would become infinite is refused with its place."""
    with pytest.raises(DataError, match="row 1: the value of feature 2 is too far from the training data"):
        FITTED["array"][0].transform(np.array([[1, 2, 3], [1, 2, 1e300]]))
    table = Table.from_columns({"size": [1, 1e300], "colour": ["red", "red"]})
    with pytest.raises(DataError, match="line 2: the value of 'size' is too far from the training data"):
        FITTED["table"][0].transform(table)


def test_values_far_from_the_training_data() -> None:
    """A mistyped cell counts as ten standard deviations from the mean, on its side."""
    fitted = FITTED["table"][0]
    near = fitted.transform(Table.from_columns({"size": [1, 2], "colour": ["red", "red"]}))
    far = fitted.transform(Table.from_columns({"size": [1e6, -1e6], "colour": ["red", "red"]}))
    assert np.abs(near[:, 0]).max() < 10
    assert far[:, 0].tolist() == [10.0, -10.0]


def test_a_table_is_expected() -> None:
    with pytest.raises(DataError, match="expected a table with named columns as in training, got ndarray"):
        FITTED["table"][0].transform(MATRIX)


@pytest.mark.parametrize("scale", [1e-300, 1e-8, 1.0, 1e8, 1e200, 1e308])
def test_moments_at_any_scale(scale: float) -> None:
    """Mean and standard deviation neither overflow nor vanish, and equal values have no scale."""
    values = np.array([[0.25, 0.1], [0.5, 0.1], [1.0, 0.1]]) * scale
    mean, std = mean_and_std(values, axis=0)
    assert np.allclose(mean / scale, [7 / 12, 0.1], rtol=1e-14, atol=0)
    if scale > 1e-150:
        assert std[0] / scale == pytest.approx(np.std([0.25, 0.5, 1.0]), rel=1e-14)
    assert std[1] == 1.0


class TestTarget:
    """Labels to class numbers, values to the standard scale, and back."""

    def test_classes(self) -> None:
        labels = np.array(["b", "a", "b"], dtype=object)
        codes = CLASSES.encode(labels, str)
        assert (codes.dtype, codes.tolist(), CLASSES.n_outputs) == (np.int64, [1, 0, 1], 2)
        assert CLASSES.decode(codes).tolist() == labels.tolist()
        assert CLASSES.decode(np.array([[0.1, 0.9], [2.0, 1.0]], dtype=np.float32)).tolist() == ["b", "a"]

    def test_integers_come_back_as_integers(self) -> None:
        answers = TargetCode("y", "classification", (-1, 7)).decode(np.array([1, 0]))
        assert (answers.dtype, answers.tolist()) == (np.int64, [7, -1])

    def test_unknown_label(self) -> None:
        with pytest.raises(
            DataError, match=r"row 1: the label 'c' of 'y' is not among the classes of training \(1"
        ):
            CLASSES.encode(np.array(["a", "c"], dtype=object), "row {}".format)

    def test_numbers(self) -> None:
        values = np.array([1.0, 2.0, 4.0])
        code = TargetCode.fit("y", "regression", values, (), "data.csv")
        encoded = code.encode(values, str)
        assert (encoded.dtype, encoded.shape, code.n_outputs) == (np.float32, (3, 1), 1)
        assert np.allclose(code.decode(encoded), values, rtol=1e-6)
        assert np.allclose(code.decode(encoded[:, 0]), values, rtol=1e-6)

    @pytest.mark.parametrize("shape", [(2, 3), (2, 1), (2, 2, 1), ()])
    def test_shape_of_predictions(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ShapeError, match=r"expected predictions of shape \(n, 2\) or \(n,\)"):
            CLASSES.decode(np.zeros(shape))

    def test_class_numbers_are_integers(self) -> None:
        with pytest.raises(ShapeError, match="got float64 of one dimension"):
            CLASSES.decode(np.zeros(3))


def without(*path: Any) -> Any:
    """A change of a description that deletes the field at ``path``."""
    return path, None, True


def put(value: Any, *path: Any) -> Any:
    """A change of a description that sets the field at ``path``."""
    return path, value, False


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        ("table", without("kind"), "preprocessor.kind is missing"),
        (
            "table",
            put("tables", "kind"),
            "preprocessor.kind: expected one of array, image, table, got 'tables'",
        ),
        ("table", put([], "kind"), r"preprocessor.kind: expected one of .*, got \[\]"),
        ("table", put(1, "extra"), "preprocessor.extra: unknown field"),
        ("table", put(1, "mising"), r"preprocessor.mising: unknown field \(did you mean 'missing'\?\)"),
        ("table", without("target"), "preprocessor.target is missing"),
        ("table", put(3, "target"), "preprocessor.target: expected an object with fields, got 3"),
        (
            "table",
            put("sorting", "target", "task"),
            "preprocessor.target.task: expected one of classification",
        ),
        (
            "table",
            put(["b", "a"], "target", "classes"),
            "preprocessor.target.classes: expected a sorted list",
        ),
        (
            "table",
            put(["a", "a"], "target", "classes"),
            "preprocessor.target.classes: expected a sorted list",
        ),
        ("table", put([1, "a"], "target", "classes"), "preprocessor.target.classes: expected a sorted list"),
        ("table", put(["a"], "target", "classes"), "expected a sorted list of at least 2 distinct texts"),
        ("table", put(True, "target", "name"), "preprocessor.target.name: expected a text, got True"),
        ("table", put("often", "missing"), "preprocessor.missing: expected one of error, mean, drop"),
        ("table", put([], "columns"), "preprocessor.columns: expected a list of objects"),
        ("table", put(7, "columns", 0), r"preprocessor.columns\[0\]: expected an object with fields, got 7"),
        (
            "table",
            put("nan", "columns", 0, "mean"),
            r"columns\[0\].mean: expected a finite number, got 'nan'",
        ),
        (
            "table",
            put(float("nan"), "columns", 0, "mean"),
            r"columns\[0\].mean: expected a finite number, got nan",
        ),
        ("table", put(True, "columns", 0, "mean"), r"columns\[0\].mean: expected a finite number, got True"),
        (
            "table",
            put(0.0, "columns", 0, "std"),
            r"columns\[0\].std: expected a finite number greater than 0, got 0.0",
        ),
        (
            "table",
            put("size", "columns", 1, "name"),
            "preprocessor.columns: expected columns of different names",
        ),
        ("table", put([1, 2], "columns", 1, "categories"), r"columns\[1\].categories: expected texts"),
        ("table", put([], "columns", 1, "categories"), r"columns\[1\].categories: expected a sorted list"),
        ("table", put(1, "columns", 1, "mean"), r"columns\[1\].mean: unknown field"),
        ("image", put([], "shape"), "preprocessor.shape: expected a list of integers greater than 0"),
        ("image", put([4, -3], "shape"), "preprocessor.shape: expected a list of integers greater than 0"),
        (
            "image",
            put(float("inf"), "std"),
            "preprocessor.std: expected a finite number greater than 0, got inf",
        ),
        ("array", put([4], "shape"), "preprocessor.mean: expected a list of 4 numbers"),
        (
            "array",
            put([1.0, None, 2.0], "mean"),
            r"preprocessor.mean\[1\]: expected a finite number, got None",
        ),
        (
            "array",
            put([1.0, 2.0, -1], "std"),
            r"preprocessor.std\[2\]: expected a finite number greater than 0",
        ),
        ("array", without("target", "std"), "preprocessor.target.std is missing"),
    ],
)
def test_damaged_description(kind: str, change: Any, says: str) -> None:
    """A description with a wrong field is a ``CheckpointError`` that names the field."""
    plain = copy.deepcopy(FITTED[kind][0].to_dict())
    (*path, last), value, delete = change
    inner: Any = plain
    for key in path:
        inner = inner[key]
    if delete:
        del inner[last]
    else:
        inner[last] = value
    with pytest.raises(CheckpointError, match=says):
        Preprocessor.from_dict(plain)


@pytest.mark.parametrize("plain", [None, [], "table", 3])
def test_not_a_description(plain: Any) -> None:
    with pytest.raises(CheckpointError, match="preprocessor: expected an object with fields"):
        Preprocessor.from_dict(plain)

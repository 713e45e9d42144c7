"""Which task a target is, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from learnkit.data import infer_task, load_source
from learnkit.data.task import class_labels
from learnkit.errors import ArgumentError

WORDS = np.array(["no", "yes"] * 5, dtype=object)


@pytest.mark.parametrize(
    ("y", "task", "says"),
    [
        (WORDS, "classification", "'t' holds text (2 distinct)"),
        (WORDS.astype("U"), "classification", "'t' holds text (2 distinct)"),
        (np.array([True, False]), "classification", "'t' holds true and false"),
        (np.arange(100) % 10, "classification", "10 distinct in 100 rows; --task regression overrides it"),
        (np.arange(100) % 10 * 1.0, "classification", "10 distinct in 100 rows"),
        (np.arange(100) % 11, "regression", "11 distinct in 100 rows; --task classification overrides it"),
        (np.arange(400) % 20, "classification", "20 distinct in 400 rows"),
        (np.arange(399) % 20, "regression", "20 distinct in 399 rows"),
        (np.arange(4000) % 21, "regression", "21 distinct in 4000 rows"),
        (np.array([0.5, 1.0]), "regression", "a fraction; --task classification overrides it"),
        (np.arange(5000), "regression", "5000 distinct in 5000 rows"),
    ],
)
def test_infer_task(y: Any, task: str, says: str) -> None:
    """The rule at its borders, and a sentence that gives the reason."""
    inferred, reason = infer_task(y, "t")
    assert inferred == task
    assert says in reason


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (np.array([3, 1], dtype=np.uint8), [3, 1]),
        (np.array([3.0, -1.0]), [3, -1]),
        (np.array([0.5, 1.0]), ["0.5", "1.0"]),
        (np.array([True, False]), ["True", "False"]),
        (np.array(["b", "a"]), ["b", "a"]),
    ],
)
def test_class_labels(y: Any, labels: list[Any]) -> None:
    found = class_labels(y)
    assert found.tolist() == labels
    assert found.dtype == (np.int64 if isinstance(labels[0], int) else np.object_)


def test_asking_for_a_task(write: Any) -> None:
    """``task`` overrides what is inferred, both ways, and the reason says so."""
    path = write("x,y\n" + "".join(f"{i},{i % 3}.5\n" for i in range(12)))
    assert load_source(path).task == "regression"
    data = load_source(path, task="classification")
    assert (data.task, data.classes) == ("classification", ("0.5", "1.5", "2.5"))
    assert data.reason == "as asked with --task classification"
    numbers = write("x,y\n" + "".join(f"{i},{i % 3}\n" for i in range(12)), "numbers.csv")
    assert load_source(numbers).classes == (0, 1, 2)
    assert load_source(numbers, task="regression").y.dtype == np.float64


def test_labels_keep_their_spelling_unless_they_are_whole_numbers(write: Any) -> None:
    path = write("x,y\n" + "".join(f"{i},{'1.0' if i % 2 else '2'}\n" for i in range(12)))
    assert load_source(path).classes == (1, 2)
    mixed = write("x,y\n" + "".join(f"{i},{'01' if i % 2 else 'b'}\n" for i in range(12)), "mixed.csv")
    assert load_source(mixed).classes == ("01", "b")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"task": "clustering"}, "task must be 'classification' or 'regression', got 'clustering'"),
        ({"missing": "median"}, "missing must be one of error, mean, drop, got 'median'"),
        ({"sep": "::"}, "sep must be one character, got '::'"),
        ({"ignore": ["y"]}, "column 'y' is the target and cannot be ignored"),
    ],
)
def test_wrong_options(write: Any, options: dict[str, Any], says: str) -> None:
    path = write("x,y\n1,0\n2,1\n3,0\n4,1\n")
    with pytest.raises(ArgumentError, match=says) as caught:
        load_source(path, **options)
    assert caught.value.exit_code == 2

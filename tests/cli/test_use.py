"""evaluate and predict: a run is used on data that it has not seen."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def trained(learnkit: Any, table: Path) -> str:
    """A run on the table of flowers."""
    outcome = learnkit("train", "flowers.csv", "--target", "kind", "--hidden", "8", "--epochs", "30")
    assert outcome.code == 0, outcome.err
    return "runs/flowers"


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def reordered(path: Path, columns: list[str]) -> str:
    with path.open(newline="") as file:
        records = list(csv.DictReader(file))
    return "\n".join([",".join(columns), *(",".join(r[c] for c in columns) for r in records)]) + "\n"


def test_columns_are_found_by_name(
    learnkit: Any, trained: str, table: Path, write: Callable[..., Path]
) -> None:
    """Shuffled, with a stranger among them and without the target: the numbers are identical."""
    write("shuffled.csv", reordered(table, ["colour", "weight", "size"]))
    expected = learnkit("predict", trained, "flowers.csv", "--proba").out
    outcome = learnkit("predict", trained, "shuffled.csv", "--proba")
    assert outcome.out == expected
    header, *body = rows(expected)
    assert header == ["prediction", "probability_rose", "probability_tulip"]
    assert len(body) == 60
    for label, rose, tulip in body:
        assert float(rose) + float(tulip) == pytest.approx(1, abs=1e-5)
        assert label == ("rose" if float(rose) > float(tulip) else "tulip")
    right = sum(row[0] == ("rose" if i % 20 < 10 else "tulip") for i, row in enumerate(body))
    assert right > 50


def test_the_model_file_stands_for_its_run(learnkit: Any, trained: str) -> None:
    expected = learnkit("predict", trained, "flowers.csv").out
    assert learnkit("predict", trained + "/model.safetensors", "flowers.csv").out == expected


def test_predictions_in_a_file(learnkit: Any, trained: str) -> None:
    expected = learnkit("predict", trained, "flowers.csv").out
    outcome = learnkit("predict", trained, "flowers.csv", "-o", "out.csv")
    assert (outcome.code, outcome.out) == (0, "")
    assert Path("out.csv").read_text() == expected


def test_the_source_is_never_overwritten(learnkit: Any, trained: str, table: Path) -> None:
    before = table.read_bytes()
    assert learnkit("predict", trained, "flowers.csv", "-o", "flowers.csv").code == 2
    assert table.read_bytes() == before


def test_rows_that_are_left_out_are_told_apart(
    learnkit: Any, table: Path, write: Callable[..., Path]
) -> None:
    """With --missing drop a column says which row a prediction belongs to."""
    learnkit(
        "train", "flowers.csv", "--target", "kind", "--hidden", "4", "--epochs", "1", "--missing", "drop"
    )
    write("holes.csv", "size,weight,colour\n1,2,red\n,2,red\n3,1,blue\n")
    header, *body = rows(learnkit("predict", "runs/flowers", "holes.csv").out)
    assert header == ["row", "prediction"]
    assert [row[0] for row in body] == ["1", "3"]


FAULTS: list[tuple[str, str, str, int, list[str]]] = [
    ("predict", "a column less", "size,weight\n1,2\n3,4\n", 3, ["lacks", "'colour'"]),
    ("predict", "a column misspelt", "size,weight,color\n1,2,red\n", 3, ["'colour'", "did you mean 'color'"]),
    ("predict", "text for a number", "size,weight,colour\ntall,2,red\n", 3, ["line 2", "'size'", "'tall'"]),
    ("predict", "a missing value", "size,weight,colour\n,2,red\n", 3, ["line 2", "size"]),
    (
        "evaluate",
        "an unknown label",
        "size,weight,colour,kind\n1,2,red,lily\n",
        3,
        ["line 2", "'lily'", "rose"],
    ),
    ("evaluate", "no target", "size,weight,colour\n1,2,red\n", 3, ["'kind'"]),
]


@pytest.mark.parametrize(
    ("command", "content", "code", "parts"), [(f[0], *f[2:]) for f in FAULTS], ids=[f[1] for f in FAULTS]
)
def test_data_that_do_not_fit_the_model(
    learnkit: Any,
    trained: str,
    write: Callable[..., Path],
    command: str,
    content: str,
    code: int,
    parts: list[str],
) -> None:
    write("new.csv", content)
    outcome = learnkit(command, trained, "new.csv")
    assert outcome.code == code, outcome.err
    for part in parts:
        assert part in outcome.err


def test_an_unknown_category_is_a_note(learnkit: Any, trained: str, write: Callable[..., Path]) -> None:
    write("new.csv", "size,weight,colour\n1,2,green\n")
    outcome = learnkit("predict", trained, "new.csv")
    assert (outcome.code, "'green'" in outcome.err) == (0, True)
    assert len(rows(outcome.out)) == 2


def test_evaluate(learnkit: Any, trained: str, table: Path, write: Callable[..., Path]) -> None:
    """Words for people, the same numbers for machines, and a word of warning for the training's own rows."""
    outcome = learnkit("evaluate", trained, "flowers.csv")
    assert "60 rows" in outcome.out
    assert "trained on most of these rows" in outcome.out
    text = reordered(table, ["kind", "colour", "weight", "size"])
    write("new.csv", text.replace("kind", "answer", 1))
    result = learnkit("evaluate", trained, "new.csv", "--target", "answer", "--json").json
    assert result["metrics"]["accuracy"] > 0.8
    assert result["report"]["n"] == 60


def test_runs_that_cannot_be_opened(learnkit: Any, trained: str, write: Callable[..., Path]) -> None:
    """Each with exit code 4."""
    outcome = learnkit("predict", "runs/flower", "flowers.csv")
    assert (outcome.code, "did you mean 'flowers'" in outcome.err) == (4, True)
    assert learnkit("predict", "runs", "flowers.csv").code == 4
    assert learnkit("predict", "flowers.csv", "flowers.csv").code == 4
    model = Path(trained, "model.safetensors")
    damaged = bytearray(model.read_bytes())
    damaged[-5] ^= 1
    model.write_bytes(damaged)
    outcome = learnkit("evaluate", trained, "flowers.csv")
    assert (outcome.code, "checksum" in outcome.err) == (4, True)


def test_a_model_without_preprocessing(learnkit: Any) -> None:
    """One that a program saved is no run of the command line."""
    from learnkit.nn import Linear
    from learnkit.training import Trainer

    Trainer(Linear(2, 1), "mse").save("own.safetensors")
    outcome = learnkit("predict", "own.safetensors", "digits")
    assert (outcome.code, "preprocessing" in outcome.err) == (4, True)


def test_probabilities_need_classes(learnkit: Any, prices: Path) -> None:
    learnkit("train", "prices.csv", "--target", "price", "--hidden", "4", "--epochs", "1")
    outcome = learnkit("predict", "runs/prices", "prices.csv", "--proba")
    assert (outcome.code, "--proba" in outcome.err) == (2, True)


def test_more_metrics_on_request(learnkit: Any, trained: str, table: Path) -> None:
    """Numbers in a line with those of the baseline, a matrix as rows, and all of it as JSON."""
    asked = [
        option
        for name in ("f1:average=macro", "confusion_matrix", "recall:average=None", "roc_auc")
        for option in ("--metric", name)
    ]
    outcome = learnkit("evaluate", trained, "flowers.csv", *asked)
    lines = outcome.out.splitlines()
    assert next(line for line in lines if "f1:average=macro" in line).count("baseline") == 1
    assert next(line for line in lines if "roc_auc" in line).count("baseline") == 0
    result = learnkit("evaluate", trained, "flowers.csv", *asked, "--json").json
    matrix = result["metrics"]["confusion_matrix"]
    assert sum(map(sum, matrix)) == 60
    at = lines.index("  confusion_matrix:")
    assert [[float(n) for n in line.split()] for line in lines[at + 1 : at + 1 + len(matrix)]] == matrix
    assert result["report"]["baseline"]["metrics"]["roc_auc"] is None
    assert len(result["metrics"]["recall:average=None"]) == len(matrix)
    assert result["metrics"]["accuracy"] == sum(matrix[i][i] for i in range(len(matrix))) / 60
    outcome = learnkit("evaluate", trained, "flowers.csv", "--metric", "f2")
    assert (outcome.code, "unknown metric 'f2'" in outcome.err) == (2, True)

"""Every fault of the input ends with its exit code and a message that says where it is; never a traceback."""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HEADER = "size,weight,colour,kind"
COLOURS = ("red", "blue", "white")
ROWS = [
    f"{i % 20 + 0.5},{(i * 7) % 13 / 4},{COLOURS[i % 3]},{'rose' if i % 20 < 10 else 'tulip'}"
    for i in range(60)
]


def text(rows: list[str], header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def changed(row: int, new: str) -> str:
    """The table with one row replaced; row 0 stands on line 2."""
    return text([*ROWS[:row], new, *ROWS[row + 1 :]])


#: name, content of bad.csv, further options, exit code, parts of what is said.
FILES: list[tuple[str, str | bytes, list[str], int, list[str]]] = [
    ("empty", "", [], 3, ["bad.csv", "0 data rows", "need at least 2"]),
    ("header only", HEADER + "\n", [], 3, ["bad.csv", "0 data rows"]),
    ("one row", text(ROWS[:1]), [], 3, ["bad.csv", "1 data row"]),
    ("no such target", text(ROWS), ["--target", "kinds"], 3, ["'kinds'", "did you mean 'kind'"]),
    ("doubled column", text(ROWS, "size,size,colour,kind"), [], 3, ["line 1", "'size'"]),
    ("no header", "\n".join(["1.5,2,3,4"] * 5), [], 3, ["look numeric", "--no-header"]),
    ("long row", changed(3, "1,2,red,rose,9"), [], 3, ["line 5", "5 values, expected 4"]),
    ("short row", changed(3, "1,2,red"), [], 3, ["line 5", "3 values, expected 4"]),
    ("UTF-16", text(ROWS).encode("utf-16"), [], 3, ["UTF-16", "iconv"]),
    ("Latin-1", changed(3, "1,2,grün,rose").encode("latin-1"), [], 3, ["line 5", "Latin-1"]),
    ("gzip", gzip.compress(text(ROWS).encode()), [], 3, ["gzip"]),
    ("semicolons", text(ROWS).replace(",", ";"), [], 3, ["--sep ';'"]),
    ("decimal commas", changed(3, '"1,5",2,red,rose'), [], 3, ["line 5", "'size'", "1,5"]),
    ("text among numbers", changed(30, "tall,2,red,rose"), [], 3, ["line 32", "'size'", "'tall'"]),
    ("missing values", changed(3, ",2,red,rose"), [], 3, ["size: 1", "line 5", "--missing mean"]),
    ("missing target", changed(3, "1,2,red,"), [], 3, ["'kind'", "line", "5"]),
    ("infinite feature", changed(3, "1e999,2,red,rose"), [], 3, ["line 5", "1e999", "not a finite number"]),
    ("one class", text([r.replace("tulip", "rose") for r in ROWS]), [], 3, ["one class", "'rose'"]),
    ("single row of a class", changed(3, "1,2,red,lily"), [], 3, ["'lily'", "single row"]),
    ("unclosed quote", changed(3, '1,2,"red,rose'), [], 3, ["line 5", "quote"]),
    ("ignored column unknown", text(ROWS), ["--ignore", "sise"], 3, ["'sise'", "did you mean 'size'"]),
    ("batch too large", text(ROWS), ["--batch-size", "5000"], 2, ["--batch-size is 5000", "training rows"]),
    ("loss of another task", text(ROWS), ["--loss", "mse"], 2, ["--loss", "'mse'", "classification"]),
]


@pytest.mark.parametrize(
    ("content", "options", "code", "parts"), [f[1:] for f in FILES], ids=[f[0] for f in FILES]
)
def test_a_file_that_cannot_be_used(
    learnkit: Any,
    write: Callable[..., Path],
    content: str | bytes,
    options: list[str],
    code: int,
    parts: list[str],
) -> None:
    """It is refused with its place, and no directory is made for the run."""
    write("bad.csv", content)
    target = [] if "--target" in options else ["--target", "kind"]
    outcome = learnkit("train", "bad.csv", *target, *options)
    assert outcome.code == code, outcome.err
    assert outcome.err.startswith("error: ")
    for part in parts:
        assert part in outcome.err
    assert not Path("runs").exists()


ACCEPTED: list[tuple[str, str | bytes, list[str], list[str]]] = [
    ("byte order mark", b"\xef\xbb\xbf" + text(ROWS).encode(), [], ["60 rows"]),
    ("carriage returns", text(ROWS).replace("\n", "\r\n"), [], ["60 rows"]),
    ("blank lines", text([*ROWS[:5], "", *ROWS[5:]]), [], ["60 rows"]),
    ("trailing commas", text([r + "," for r in ROWS], HEADER + ","), [], ["separator"]),
    ("semicolons", text(ROWS).replace(",", ";"), ["--sep", ";"], ["60 rows"]),
    ("filled in", changed(3, ",2,red,rose"), ["--missing", "mean"], ["filled in (size: 1)"]),
    ("left out", changed(3, ",2,red,rose"), ["--missing", "drop"], ["1 of 60 rows were left out"]),
    (
        "large ids",
        text([f"{2**60 + i * 10**6},{r}" for i, r in enumerate(ROWS)], "id," + HEADER),
        [],
        ["looks like an id"],
    ),
    ("constant column", text([f"7,{r}" for r in ROWS], "c," + HEADER), [], ["'c' is constant"]),
    ("copy of the target", text([f"{r},{r.split(',')[3]}" for r in ROWS], HEADER + ",copy"), [], ["leak"]),
    (
        "few whole numbers",
        text([r.replace("rose", "1").replace("tulip", "2") for r in ROWS]),
        [],
        ["--task regression"],
    ),
]


@pytest.mark.parametrize(
    ("content", "options", "parts"), [f[1:] for f in ACCEPTED], ids=[f[0] for f in ACCEPTED]
)
def test_a_file_that_is_taken_with_a_word(
    learnkit: Any, write: Callable[..., Path], content: str | bytes, options: list[str], parts: list[str]
) -> None:
    """What was decided about it is said before the training."""
    write("odd.csv", content)
    outcome = learnkit("train", "odd.csv", "--target", "kind", "--epochs", "1", "--hidden", "4", *options)
    assert outcome.code == 0, outcome.err
    for part in parts:
        assert part in outcome.out


#: Options that are wrong in themselves: refused although the source does not exist, so before it is read.
OPTIONS: list[tuple[list[str], list[str]]] = [
    (["--batch-size", "0"], ["--batch-size is 0", "integer >= 1"]),
    (["--epochs", "0"], ["--epochs is 0", "integer >= 1"]),
    (["--epochs", "many"], ["--epochs", "many"]),
    (["--lr", "0"], ["--lr is 0", "> 0"]),
    (["--lr", "-1"], ["--lr is -1.0", "> 0"]),
    (["--lr", "nan"], ["--lr is nan", "> 0"]),
    (["--clip", "-1"], ["--clip is -1"]),
    (["--dropout", "1"], ["--dropout is 1", "[0, 1)"]),
    (["--test", "1.5"], ["--test is 1.5", "[0, 1)"]),
    (["--test", "0.6", "--validation", "0.5"], ["--test", "--validation", "no rows to train on"]),
    (["--validation", "0", "--patience", "3"], ["--patience", "validation"]),
    (["--seed", "-1"], ["--seed is -1"]),
    (["--hidden", "12,x"], ["'12,x'", "128,64"]),
    (["--hidden", "0"], ["--hidden is (0,)", ">= 1"]),
    (["--task", "classify"], ["--task is 'classify'", "classification, regression"]),
    (["--missing", "skip"], ["--missing is 'skip'", "mean"]),
    (["--dtype", "float16"], ["--dtype is 'float16'", "float64"]),
    (["--optimizer", "adm"], ["unknown optimizer 'adm'", "did you mean 'adam'"]),
    (["--optimizer", "adam:betas=3"], ["--optimizer", "betas"]),
    (["--optimizer", "adam:lr=0.1", "--lr", "0.2"], ["given twice", "--lr"]),
    (["--schedule", "onecycle:max_lr=1", "--lr", "0.2"], ["given twice", "max_lr"]),
    (["--schedule", "cosin"], ["unknown schedule 'cosin'", "did you mean 'cosine'"]),
    (["--loss", "mze"], ["unknown loss 'mze'"]),
    (["--activation", "rleu"], ["unknown activation 'rleu'", "did you mean 'relu'"]),
    (["--backend", "cuppy"], ["unknown backend 'cuppy'", "did you mean 'cupy'"]),
    (["--name", "a/b"], ["--name is 'a/b'"]),
    (["--overwrite"], ["--overwrite needs --name"]),
    (["--epocs", "3"], ["No such option", "--epochs"]),
    (["--config", "absent.toml"], ["absent.toml"]),
]


@pytest.mark.parametrize(("options", "parts"), OPTIONS, ids=[" ".join(o) for o, _ in OPTIONS])
def test_a_wrong_option_before_any_data_is_read(learnkit: Any, options: list[str], parts: list[str]) -> None:
    """Exit code 2 and the option by its name."""
    outcome = learnkit("train", "absent.csv", *options)
    assert outcome.code == 2, outcome.err
    for part in parts:
        assert part in outcome.err


def test_a_source_that_is_not_there(learnkit: Any, table: Path) -> None:
    outcome = learnkit("train", "flowerz.csv", "--target", "kind")
    assert outcome.code == 3
    assert "did you mean 'flowers.csv'" in outcome.err


def test_a_directory_without_images(learnkit: Any, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    outcome = learnkit("train", "pictures")
    assert outcome.code == 3
    assert "pictures" in outcome.err


def test_no_source_and_no_command(learnkit: Any) -> None:
    assert "SOURCE is missing" in learnkit("train").err
    outcome = learnkit("trian")
    assert (outcome.code, "'train'" in outcome.err) == (2, True)


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
def test_a_backend_that_is_not_installed(learnkit: Any, table: Path) -> None:
    """Nothing falls back to the CPU."""
    outcome = learnkit("train", "flowers.csv", "--target", "kind", "--backend", "cupy")
    assert outcome.code == 5
    assert 'pip install "pylearnkit[cuda' in outcome.err


def test_errors_as_json(learnkit: Any, table: Path) -> None:
    """One document on stdout, and the words on stderr."""
    outcome = learnkit("train", "flowers.csv", "--target", "kinds", "--json")
    error = outcome.json["error"]
    assert (outcome.code, error["type"], error["exit_code"]) == (3, "DataError", 3)
    assert "'kinds'" in error["message"]
    assert error["hint"] in outcome.err
    assert learnkit("train", "digits", "--epocs", "1", "--json").json["error"]["exit_code"] == 2

"""Each fault a data file can have: the exact kind of error and where it points, or what is accepted.

One table for everything that goes wrong, or is made good, between the bytes of a file and a data set to
train on; the numbers are those of the list of faults that a training program must survive.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from learnkit.data import load_source
from learnkit.errors import DataError


def rows(count: int, row: str = "{i},{b}") -> list[str]:
    """Rows with a running number, a changing digit ``b`` and a changing word ``w``."""
    return [row.format(i=i * 1.5, n=i, b=i % 2, w="ab"[i % 2]) for i in range(count)]


def csv(header: str, *lines: str, end: str = "\n") -> bytes:
    return end.join([header, *lines, ""]).encode()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", "x,y\n1,2\n")
    return buffer.getvalue()


GOOD = csv("x,y", *rows(12))


class Fault(NamedTuple):
    """A file, the options it is loaded with, and what the error says."""

    label: str
    content: bytes
    says: tuple[str, ...]
    options: Mapping[str, Any] = MappingProxyType({})
    name: str = "data.csv"


REFUSED = [
    # 2: nothing to learn from
    Fault("2 empty", b"", ("data.csv is empty", "0 data rows; need at least 2")),
    Fault("2 blank", b"\n \n\r\n", ("data.csv is empty",)),
    Fault("2 only a header", b"x,y\n", ("0 data rows; need at least 2", "--no-header")),
    Fault("2 one row", b"x,y\n1,2\n", ("1 data row; need at least 2",)),
    # 3: names
    Fault(
        "3 no such target",
        GOOD,
        ("no column 'yy' (did you mean 'y'?)", "columns: x, y"),
        {"target": "yy"},
    ),
    Fault(
        "3 duplicated",
        csv("a,b,a,y", "1,2,3,4"),
        ("line 1: duplicated column names: 'a' in columns 1, 3",),
    ),
    Fault("3 no target named", csv("a,b", *rows(12)), ("none is called target", "--target", "columns: a, b")),
    Fault("3 two targets", csv("label,y", *rows(12)), ("several could be: label, y",)),
    # 4: no header
    Fault("4 all numbers", csv("1,2", "3,4", "5,6"), ("line 1", "look numeric (1, 2)", "--no-header")),
    Fault(
        "4 iris", csv("5.1,3.5,setosa", "4.9,3.0,setosa"), ("look numeric (5.1, 3.5, setosa)", "--no-header")
    ),
    # 5, 6: ragged
    Fault(
        "5 long row",
        csv("a,b,y", "1,2,3", "", "4,5,6,7", "8,9,1"),
        ("data.csv, line 4: 4 values, expected 3", "'4,5,6,7'"),
    ),
    Fault("6 short row", csv("a,b,y", "1,2,3", "4,5"), ("line 3: 2 values, expected 3", "'4,5'")),
    Fault(
        "6 short row after a quoted line break",
        csv("a,b,y", '1,"p\nq",3', "4,5"),
        ("line 4: 2 values, expected 3", "'4,5'"),
    ),
    Fault("5 first row long", csv("a,y", "1,2,3", "1,2,3"), ("line 2: 3 values, expected 2",)),
    Fault("5 comma on one line", csv("a,y", "1,2,", "1,2"), ("line 3: 2 values, expected 3",)),
    Fault(
        "5 value after the comma", csv("a,y", "1,2,", "1,2,9"), ("line 3: 3 values, expected 2", "'1,2,9'")
    ),
    # 8: encodings and packing
    Fault("8 UTF-16", "x,y\n1,2\n".encode("utf-16"), ("encoded in UTF-16", "iconv -f UTF-16")),
    Fault("8 UTF-16 without a mark", "x,y\n1,2\n3,4\n".encode("utf-16-le"), ("encoded in UTF-16",)),
    Fault("8 UTF-32", "x,y\n1,2\n".encode("utf-32"), ("encoded in UTF-32",)),
    Fault(
        "8 Latin-1",
        "x,y\n1,2\ncaf\xe9,3\n".encode("latin-1"),
        ("line 3: byte 0xe9 is not UTF-8", "Latin-1", "iconv -f LATIN1"),
    ),
    Fault("8 Windows-1252", "x,y\n1,\u20ac\n".encode("cp1252"), ("line 2", "Windows-1252")),
    Fault("8 gzip", gzip.compress(GOOD), ("compressed with gzip", "data.csv.gz", "gunzip")),
    Fault("8 not gzip", GOOD, ("is not compressed with gzip",), name="data.csv.gz"),
    Fault("8 cut gzip", gzip.compress(GOOD)[:-12], ("damaged or truncated gzip",), name="data.csv.gz"),
    Fault("8 bzip2", b"BZh91AY", ("compressed with bzip2", "bunzip2")),
    Fault("8 zip", zipped(), ("a zip archive (or an Excel .xlsx file)",)),
    Fault("8 Parquet", b"PAR1\x15\x04", ("a Parquet file", "to_csv")),
    Fault("8 NUL", csv("x,y", "1,2", "3,\0"), ("line 3: a NUL byte (byte 10 of the file)",)),
    # 9: separators, commas in numbers, quotes
    Fault("9 semicolons", csv("x;y", "1;2", "3;4"), ("one column", "'x;y'", "--sep ';'")),
    Fault("9 tabs", csv("x\ty", "1\t2"), ("--sep '\\t'",)),
    Fault("9 commas", csv("x,y", "1,2"), ("--sep ','",), {"sep": ";"}),
    Fault("9 decimal comma cut in two", csv("x;y", "1,5;0", "2,5;1"), ("one column", "--sep ';'")),
    Fault(
        "9 decimal comma",
        csv("x;y", "1,5;0", "2,5;1", "3;0", "4,25;1"),
        ("line 2, column 'x': '1,5'", "decimal comma (3 such values)", "write 1.5", "--categorical x"),
        {"sep": ";"},
    ),
    Fault(
        "9 thousands",
        csv("x,y", *rows(12), '"1,234",1'),
        ("line 14, column 'x': '1,234'", "thousands separators", "write 1234"),
    ),
    Fault("9 open quote", csv("x,y", "1,2", '"3,4', "5,6"), ("line 3: a quote", "never closed", "'\"3,4'")),
    Fault("9 text after a quote", csv("x,y", "1,2", '"3"a,4'), ("line 3: text follows a closing quote",)),
    Fault("9 endless quote", csv("x,y", '"1,2', *["x" * 99] * 2000), ("line 2: a quote", "never closed")),
    # 10: one string among numbers
    Fault(
        "10 string",
        csv("x,y", *rows(30), "oops,1", *rows(5)),
        ("line 32, column 'x': 'oops' is not a number, while 35 of 36", "others are like 0.0"),
    ),
    Fault(
        "10 string in the target",
        csv("x,y", *rows(30, "{b},{i}"), "1,oops"),
        ("line 32, column 'y': 'oops' is not a number", "--task classification"),
    ),
    # 11: missing features
    Fault(
        "11 missing",
        csv("a,b,y", *rows(12, "{i},{w},{b}"), ",a,1", "NA,b,0", "1,?,0"),
        ("3 missing values (a: 2, b: 1), the first on line 14", "--missing mean", "leaves out 3 of 15 rows"),
    ),
    Fault(
        "11 too few rows left",
        csv("a,b,y", "1,,0", "2,?,1", "NA,u,0", ",v,1", "5,u,0"),
        ("4 of 5 rows have missing values (a: 2, b: 2); fewer than 2 would be left",),
        {"missing": "drop"},
    ),
    Fault(
        "11 infinite", csv("x,y", *rows(12), "inf,1"), ("line 14, column 'x': 'inf' is not a finite number",)
    ),
    # 12: target
    Fault(
        "12 target",
        csv("x,y", "1,0.5", "2,nan", "3,inf", "4,1e999", "5,", "6,2.5"),
        ("4 missing or infinite values in the target 'y'", "3 ('nan'), 4 ('inf'), 5 ('1e999'), 6 ('')"),
        {"missing": "drop"},
    ),
    Fault(
        "12 class",
        csv("x,y", "1,a", "2,b", "3,"),
        ("1 missing or infinite value in the target", "line 4 ('')"),
    ),
    Fault("12 constant", csv("x,y", "1,0.5", "2,0.5"), ("'y' is 0.5 in all 2 rows",)),
    # 13, 14: nothing left
    Fault(
        "14 nothing left",
        csv("a,b,y", *rows(12, "7,{b},{b}")),
        ("no feature column is left", "'a' is constant (7)", "'b' equals the target 'y'"),
    ),
    # 15, 16: classes
    Fault("15 one class", csv("x,y", "1,a", "2,a"), ("'y' has one class: 'a' in all 2 rows",)),
    Fault(
        "15 one row",
        csv("x,y", "1,a", "2,a", "3,b"),
        ("1 of 2 classes with a single row", "'b'; class counts: 'a': 2, 'b': 1"),
    ),
    Fault(
        "15 numbers", csv("x,y", "1,1", "2,2", "4,3"), ("class counts: 1: 1, 2: 1, 3: 1", "--task regression")
    ),
    Fault(
        "16 many labels",
        csv("x,y", *(f"{i % 7},w{i % 1500}" for i in range(3000))),
        ("1500 distinct labels in 3000 rows", "at most 1000 classes"),
    ),
    Fault(
        "16 many numbers as classes",
        csv("x,y", *(f"{i % 7},{i % 1500}" for i in range(3000))),
        ("1500 distinct labels", "--task regression"),
        {"task": "classification"},
    ),
    Fault(
        "16 text as numbers",
        csv("x,y", "1,a", "2,b", "3,a"),
        ("line 2: 'a' in the target 'y' is not a number",),
        {"task": "regression"},
    ),
    Fault("unknown ending", GOOD, ("unknown kind of file '.xlsx'", ".csv (also .gz)"), name="data.xlsx"),
]


@pytest.mark.parametrize("fault", REFUSED, ids=lambda fault: fault.label)
def test_refused(fault: Fault, write: Any) -> None:
    """A faulty file is a ``DataError`` (exit code 3) that names the file and says where and what."""
    path = write(fault.content, fault.name)
    with pytest.raises(DataError) as caught:
        load_source(path, **fault.options).fit_preprocessor()
    text = str(caught.value)
    assert fault.name in text
    for part in fault.says:
        assert part in text
    assert caught.value.exit_code == 3
    assert caught.value.__cause__ is None


class Accepted(NamedTuple):
    """A file that is taken, with the notice that goes with it and the features and rows it has."""

    label: str
    content: bytes
    notice: str
    features: tuple[str, ...]
    count: int
    options: Mapping[str, Any] = MappingProxyType({})
    name: str = "data.csv"


TAKEN = [
    Accepted("7 plain", GOOD, "", ("x",), 12),
    Accepted("7 BOM", b"\xef\xbb\xbf" + GOOD, "", ("x",), 12),
    Accepted("7 CRLF", csv("x,y", *rows(12), end="\r\n"), "", ("x",), 12),
    Accepted("7 CR", csv("x,y", *rows(12), end="\r"), "", ("x",), 12),
    Accepted("7 blank lines", csv("", "x,y", *rows(6), "", "  ", *rows(6), ""), "", ("x",), 12),
    Accepted("7 blanks", csv(" x , y", *rows(12, " {i} , {b}")), "", ("x",), 12),
    Accepted("7 quotes", csv('"x","y"', *rows(12, '"{i}", "{b}"')), "", ("x",), 12),
    Accepted("7 no end of line", GOOD.rstrip(), "", ("x",), 12),
    Accepted("7 commas at the end", csv("x,y,", *rows(12, "{i},{b},")), "every line ends with", ("x",), 12),
    Accepted("7 commas in rows", csv("x,y", *rows(12, "{i},{b},")), "every line ends with", ("x",), 12),
    Accepted("7 comma in the header", csv("x,y,", *rows(12)), "the header ends with", ("x",), 12),
    Accepted("7 row numbers", csv(",x,y", *rows(12, "{n},{i},{b}")), "only numbers the rows", ("x",), 12),
    Accepted(
        "7 unnamed", csv(",x,y", *rows(12, "{w},{i},{b}")), "called 'unnamed_1'", ("unnamed_1", "x"), 12
    ),
    Accepted("8 gzip", gzip.compress(GOOD), "", ("x",), 12, {}, "data.csv.gz"),
    Accepted("9 semicolons", GOOD.replace(b",", b";"), "", ("x",), 12, {"sep": ";"}),
    Accepted("9 tabs", GOOD.replace(b",", b"\t"), "", ("x",), 12, {}, "data.tsv"),
    Accepted("9 tabs by name", GOOD.replace(b",", b"\t"), "", ("x",), 12, {"sep": "tab"}),
    Accepted(
        "9 commas in names",
        csv("x,z,y", *rows(12, '{i},"1,{b}",{b}')),
        "",
        ("x", "z"),
        12,
        {"categorical": ["z"]},
    ),
    Accepted("4 no header", csv(*rows(12)), "", ("c0",), 12, {"header": False, "target": "c1"}),
    Accepted(
        "4 years are names", csv("country,1990,y", *rows(12, "{w},{i},{b}")), "", ("country", "1990"), 12
    ),
    Accepted("3 usual target", csv("x,Label", *rows(12)), "'Label' is taken as the target", ("x",), 12),
    Accepted(
        "10 mixed names",
        csv("x,y", *rows(8, "{b},{b}"), *rows(6, "{w},{b}")),
        "mixes numbers (8 of 14 values) and text",
        ("x",),
        14,
    ),
    Accepted(
        "10 numbers as names",
        csv("x,z,y", *rows(12, "{i},{b},{w}")),
        "",
        ("x", "z"),
        12,
        {"categorical": ["z"]},
    ),
    Accepted(
        "11 filled in",
        csv("a,b,y", *rows(12, "{i},{w},{b}"), ",a,1", "NA,,0"),
        "missing values are filled in (a: 2, b: 1)",
        ("a", "b"),
        14,
        {"missing": "mean"},
    ),
    Accepted(
        "11 left out",
        csv("a,b,y", *rows(12, "{i},{w},{b}"), ",a,1", "NA,,0"),
        "2 of 14 rows were left out because values are missing (a: 2, b: 1)",
        ("a", "b"),
        12,
        {"missing": "drop"},
    ),
    Accepted(
        "13 large numbers",
        csv("id,x,y", *rows(12, "9007199254740993{n},{i},{b}")),
        "'id' looks like an id (whole numbers above 2**53) and was dropped",
        ("x",),
        12,
    ),
    Accepted(
        "13 texts",
        csv("id,x,y", *rows(60, "k{n},{i},{b}")),
        "'id' looks like an id (every text is different) and was dropped",
        ("x",),
        60,
    ),
    Accepted(
        "13 free text",
        csv("t,x,y", *rows(60, "k{n},{i},{b}"), "k1,1,1"),
        "'t' looks like free text (60 different in 61 rows)",
        ("x",),
        61,
    ),
    Accepted(
        "13 increasing",
        csv("id,x,y", *rows(60, "1{n:03},{i},{b}")),
        "'id' looks like an id (whole numbers that only increase); --ignore id leaves it out",
        ("id", "x"),
        60,
    ),
    Accepted(
        "13 ignored",
        csv("id,x,y", *rows(60, "1{n:03},{i},{b}")),
        "column 'id' is ignored as asked",
        ("x",),
        60,
        {"ignore": ["id"]},
    ),
    Accepted("14 constant", csv("c,x,y", *rows(12, "7,{i},{b}")), "'c' is constant (7) and was", ("x",), 12),
    Accepted("14 word", csv("c,x,y", *rows(12, "w,{i},{b}")), "'c' is constant ('w') and was", ("x",), 12),
    Accepted("14 no values", csv("c,x,y", *rows(12, "NA,{i},{b}")), "'c' has no values and was", ("x",), 12),
    Accepted(
        "14 leak",
        csv("c,x,y", *rows(12, "{b}.0,{i},{b}")),
        "'c' equals the target 'y' and would leak",
        ("x",),
        12,
    ),
    Accepted(
        "too many categories",
        csv("c,x,y", *(f"k{i % 1200},{i % 5},{i % 2}" for i in range(2600))),
        "'c' has 1200 categories, more than 1000",
        ("x",),
        2600,
    ),
]


@pytest.mark.parametrize("case", TAKEN, ids=lambda case: case.label)
def test_accepted(case: Accepted, write: Any) -> None:
    """What is accepted with a change says so, and only then; the features are those that remain."""
    data = load_source(write(case.content, case.name), **case.options)
    assert len(data) == case.count
    assert tuple(column.name for column in data.profile.used) == case.features
    assert case.notice in " | ".join(data.notices)
    if not case.notice:
        assert data.notices in ((), ("column 'y' is taken as the target; --target names another",))
    x, y = data.arrays(data.fit_preprocessor())
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    assert len(x) == len(y) == case.count

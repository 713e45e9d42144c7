"""Components written as text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnkit.errors import ArgumentError
from learnkit.plugins.spec import parse_spec, parse_value

READ: list[tuple[str, str, dict[str, Any]]] = [
    ("huber", "huber", {}),
    (" huber ", "huber", {}),
    ("huber:delta=2", "huber", {"delta": 2}),
    ("huber: delta = 2 , reduction = mean", "huber", {"delta": 2, "reduction": "mean"}),
    ("adamw:betas=(0.9,0.95),lr=3e-3", "adamw", {"betas": (0.9, 0.95), "lr": 3e-3}),
    ("net:sizes=[1,[2,3]],f=g(1,2)", "net", {"sizes": [1, [2, 3]], "f": "g(1,2)"}),
    ("csv:path='a,b.csv',sep=\";\"", "csv", {"path": "a,b.csv", "sep": ";"}),
    ("csv:path=it's,n=1", "csv", {"path": "it's", "n": 1}),
    (r"csv:path='it\'s, all'", "csv", {"path": "it's, all"}),
    ("csv:path=/data/x=1.csv", "csv", {"path": "/data/x=1.csv"}),
    (r"csv:path=C:\data\x.csv", "csv", {"path": r"C:\data\x.csv"}),
    ("x:a=true,b=False,c=NONE,d=None", "x", {"a": True, "b": False, "c": None, "d": None}),
    ("x:a='true',b=-1,c=+2.5,d=", "x", {"a": "true", "b": -1, "c": 2.5, "d": ""}),
    ("x:a={'k':1,'l':2}", "x", {"a": {"k": 1, "l": 2}}),
    ("x:a='(',b=1", "x", {"a": "(", "b": 1}),
]

REFUSED = [
    ("", "'' has no name"),
    (":delta=2", "':delta=2' has no name"),
    ("huber:", "'huber:' has no options after the colon"),
    ("huber:delta", "'delta' in 'huber:delta' is not option=value"),
    ("huber:delta=2,", "'' in 'huber:delta=2,' is not option=value"),
    ("huber:2=delta", "'2=delta' in 'huber:2=delta' is not option=value"),
    ("huber:delta=1,delta=2", "'huber:delta=1,delta=2' gives the option 'delta' twice"),
    ("adam:betas=(0.9,0.95", "'adam:betas=(0.9,0.95' lacks a closing )"),
    ("csv:path='a", "\"csv:path='a\" lacks a closing '"),
]


@pytest.mark.parametrize(("text", "name", "options"), READ)
def test_a_component_is_read_from_text(text: str, name: str, options: dict[str, Any]) -> None:
    found = parse_spec(text)
    assert found == (name, options)
    assert [type(value) for value in found[1].values()] == [type(value) for value in options.values()]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_malformed_is_named(text: str, message: str) -> None:
    with pytest.raises(ArgumentError) as info:
        parse_spec(text)
    assert info.value.message == message


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    )
)
def test_every_python_literal_is_read_back_from_its_repr(value: Any) -> None:
    assert parse_spec(f"x:a={value!r},b=1") == ("x", {"a": value, "b": 1})


@given(st.text())
def test_no_text_makes_a_value_fail(text: str) -> None:
    parse_value(text)

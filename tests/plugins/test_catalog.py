"""The catalogue: every built-in component says what it is, and the page in the package is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

import learnkit
from learnkit.errors import ArgumentError
from learnkit.plugins import registry
from learnkit.plugins.catalog import catalog, markdown, plural
from learnkit.plugins.hookspecs import KINDS

PAGE = Path(learnkit.__file__).parent / "docs" / "components.md"
ENTRIES = catalog(third_party=False)
#: What is registered among the optimizers and is no equation of its own.
COMBINING = ("chain", "groups")


def test_every_name_is_in_it_once():
    for kind in KINDS:
        names = [name for entry in ENTRIES if entry.kind == kind for name in (entry.name, *entry.aliases)]
        assert sorted(names) == registry.names(kind, third_party=False)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind} {entry.name}")
def test_every_component_says_what_it_is(entry):
    """A sentence; and a formula where there is one to say. Most losses and optimizers name their source."""
    assert len(entry.summary) > 10, "the docstring is missing, or begins with no sentence"
    assert ":func:" not in entry.summary
    if entry.kind in ("activation", "loss"):
        assert entry.formula or "``" in entry.summary
    if entry.kind == "optimizer" and entry.name not in COMBINING:
        assert entry.source
        assert entry.formula


def test_the_page_is_up_to_date():
    """`learnkit components --markdown --no-plugins > learnkit/docs/components.md` makes it."""
    assert PAGE.read_text(encoding="utf-8").strip() == markdown(ENTRIES).strip()


def test_what_is_read_from_a_docstring():
    (entry,) = [entry for entry in catalog("optimizer", third_party=False) if entry.name == "adam"]
    assert entry.formula[-1].startswith("theta = theta - lr m_hat")
    assert entry.source.startswith("Kingma and Ba 2015")
    assert ("eps", "1e-08") in entry.options
    assert entry.tested_on == ("numpy", "strict", "torch", "cupy (stand-in)")


def test_plurals():
    assert [plural(kind) for kind in ("loss", "optimizer")] == ["losses", "optimizers"]


def test_an_unknown_kind():
    with pytest.raises(ArgumentError, match="unknown kind of component 'los'"):
        catalog("los")

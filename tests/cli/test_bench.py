"""learnkit bench measures: what it prints is whole, and what cannot be measured is refused with a remedy."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from learnkit.bench import environment

QUICK = ("--sizes", "4,6,3", "--batch-size", "8", "--seconds", "0.02", "--threads", "1")


def test_networks_as_text_and_a_profile(learnkit: Any, tmp_path: Path) -> None:
    options = ("--optimizer", "sgd:momentum=0.9", "--profile", "step.svg")
    result = learnkit("bench", *QUICK, "--sizes", "2,2", *options)
    assert result.code == 0, result.err
    assert "2-2, batch 8, sgd:momentum=0.9: 6 parameters" in result.out
    assert "4-6-3, batch 8, sgd:momentum=0.9: 51 parameters" in result.out
    assert re.search(r"^learnkit +[\d.,]+ us +[\d.,]+ us - [\d.,]+ [um]s +[\d,]+$", result.out, re.MULTILINE)
    assert re.search(r"^matrix products alone +[\d.,]+ us .*\d\)$", result.out, re.MULTILINE)
    assert re.search(r"^\d+% of a step is its matrix products", result.out, re.MULTILINE)
    assert re.search(r"^threads: +1 at most for everybody$", result.out, re.MULTILINE)
    assert result.out.endswith("wrote step.svg\n")
    assert "0 Linear(in_features=4, out_features=6)" in result.out
    ET.parse(tmp_path / "step.svg")


def test_json(learnkit: Any) -> None:
    result = learnkit("bench", *QUICK, "--optimizer", "lion", "--no-plugins", "--json")
    assert result.code == 0, result.err
    assert "rows/s" in result.err
    found = result.json
    assert found["environment"]["threads"] == "1 at most for everybody"
    (first,) = found["cases"]
    assert first["case"] == {"sizes": [4, 6, 3], "batch_size": 8, "optimizer": "lion", "lr": 1e-6}
    assert first["parameters"] == 51
    ours, products = first["subjects"]["learnkit"], first["subjects"]["matrix products alone"]
    assert ours["seconds"] > products["seconds"] > 0
    assert ours["rows_per_second"] == pytest.approx(8 / ours["seconds"])
    assert 0 < first["share_of_products"] < 1
    assert first["memory"]["learnkit"] > 2 * 4 * 51  # the gradient and the momentum at least
    assert first["launches"] is None
    assert first["profile"] is None


def test_beside_a_peer(learnkit: Any) -> None:
    if not environment.installed("torch"):
        pytest.skip("torch is not installed")
    result = learnkit("bench", *QUICK, "--against", "torch", "--json")
    assert result.code == 0, result.err
    (case,) = result.json["cases"]
    assert set(case["ratios"]) == {"matrix products alone", "PyTorch"}
    assert set(case["memory"]) == {"learnkit", "PyTorch"}


def test_a_peer_that_is_not_installed(learnkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from learnkit.bench import report

    monkeypatch.setattr(report, "installed", lambda *modules: False)
    result = learnkit("bench", *QUICK, "--against", "jax")
    assert result.code == 5
    assert result.err.splitlines() == ["error: --against: JAX is not installed", "  pip install jax optax"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--against", "tensorflow"), "--against: unknown peer 'tensorflow', expected some of torch, jax"),
        (("--against", "torhc"), "did you mean 'torch'?"),
        (("--sizes", "4;5"), "'4;5' is no list of sizes"),
        (("--sizes", "4"), "sizes is (4,), expected two or more integers"),
        (("--batch-size", "-1"), "batch_size is -1"),
        (("--optimizer", "adm"), "unknown optimizer 'adm'"),
        (("--threads", "0"), "--threads"),
        (("--backend", "numpi"), "numpi"),
    ],
)
def test_what_is_refused(learnkit: Any, arguments: tuple[str, ...], message: str) -> None:
    result = learnkit("bench", *arguments)
    assert result.code == 2
    assert message in result.err
    assert result.out == ""


def test_an_optimizer_that_the_peer_lacks(learnkit: Any) -> None:
    if not environment.installed("torch"):
        pytest.skip("torch is not installed")
    result = learnkit("bench", *QUICK, "--against", "torch", "--optimizer", "yogi")
    assert result.code == 2
    assert "against torch: optimizer 'yogi' has no counterpart there" in result.err
    result = learnkit("bench", *QUICK, "--against", "torch", "--optimizer", "adam:amsgrad=true")
    assert "adam with amsgrad=True has no counterpart there" in result.err

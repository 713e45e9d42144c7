"""The golden files are what the installed libraries compute today."""

from __future__ import annotations

import json

import numpy as np
import pytest

NEEDS = {
    "losses": "torch",
    "optimizers": "torch",
    "schedules": "torch",
    "metrics": "sklearn",
    "start": "numpy",
}


def same(recorded, computed, where):
    """Numbers within 1e-12, everything else equal."""
    if isinstance(recorded, dict):
        assert set(recorded) == set(computed), where
        for key, value in recorded.items():
            if key not in ("versions", "about"):
                same(value, computed[key], f"{where}.{key}")
    elif isinstance(recorded, list):
        assert len(recorded) == len(computed), where
        for i, (a, b) in enumerate(zip(recorded, computed, strict=True)):
            same(a, b, f"{where}[{i}]")
    elif isinstance(recorded, (float, np.ndarray)):
        np.testing.assert_allclose(computed, recorded, rtol=1e-12, atol=1e-14, err_msg=where)
    else:
        assert recorded == computed, where


@pytest.mark.parametrize("name", NEEDS)
def test_the_file_is_what_the_peer_computes(made, made_numpy, name):
    pytest.importorskip(NEEDS[name], reason=f"{NEEDS[name]} is not installed")
    if name in ("optimizers", "schedules"):
        with np.load(made.HERE / f"{name}.npz") as file:
            recorded = dict(file)
    else:
        recorded = json.loads((made.HERE / f"{name}.json").read_text())
    same(recorded, {**made.MAKERS, **made_numpy.MAKERS}[name](), name)


def test_every_file_is_covered(made, made_numpy):
    assert set(NEEDS) == {*made.MAKERS, *made_numpy.MAKERS} == {p.stem for p in made.HERE.glob("*.[jn][sp]*")}

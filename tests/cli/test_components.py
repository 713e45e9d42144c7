"""``learnkit components`` and ``learnkit find-lr``."""

from __future__ import annotations

import pytest


def test_all_components(learnkit):
    done = learnkit("components")
    assert done.code == 0
    for heading in ("activations (", "losses (", "optimizers (", "schedules ("):
        assert heading in done.out


@pytest.mark.parametrize("kind", ["loss", "losses"])
def test_a_kind(learnkit, kind):
    done = learnkit("components", kind)
    assert done.code == 0
    assert "  mse" in done.out
    assert "adamw" not in done.out


def test_one_component(learnkit):
    done = learnkit("components", "optimizer", "adamw")
    assert done.code == 0
    assert "options: lr=0.001" in done.out
    assert "source: Loshchilov and Hutter" in done.out


def test_as_json(learnkit):
    done = learnkit("components", "loss", "--json")
    assert done.code == 0
    (mse,) = [entry for entry in done.json["components"] if entry["name"] == "mse"]
    assert mse["formula"] == ["(y_pred - y_true)^2"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["components", "los"], "unknown kind of component 'los' (did you mean 'loss'?)"),
        (["components", "loss", "mze"], "unknown loss 'mze' (did you mean 'mse'?)"),
        (["find-lr", "digits", "--method", "best"], "--method is 'best'"),
        (["find-lr", "digits", "--steps", "1"], "--steps is 1"),
        (["find-lr", "digits", "--start", "0"], "--start is 0"),
        (["find-lr", "digits", "--loss", "none_such"], "unknown loss"),
    ],
)
def test_mistakes(learnkit, arguments, text):
    done = learnkit(*arguments)
    assert done.code == 2
    assert text in done.err


def test_find_lr(learnkit, tmp_path):
    """A curve and a number, and nothing is written."""
    done = learnkit("find-lr", "digits", "--optimizer", "adam", "--steps", "60")
    assert done.code == 0, done.err
    assert "suggested lr: " in done.out
    assert "*" in done.out
    assert list(tmp_path.iterdir()) == []


def test_find_lr_as_json(learnkit):
    done = learnkit("find-lr", "digits", "--steps", "40", "--json")
    assert done.code == 0, done.err
    assert len(done.json["lrs"]) == len(done.json["losses"]) <= 40
    assert set(done.json["suggestions"]) == {"valley", "steepest", "minimum"}

"""The checks as a whole: results, inputs that are given, pytest, and the process for CuPy's stand-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import learnkit as lk
from learnkit.backends import array_namespace
from learnkit.errors import ArgumentError
from learnkit.losses import Huber, Loss
from learnkit.testing import process, run_checks
from learnkit.testing.checks import CHECKS
from learnkit.testing.run import NEEDS, plan_for

REPOSITORY = Path(lk.__file__).resolve().parent.parent


def failed(results):
    return [result for result in results if not result.ok]


@dataclass(frozen=True)
class Cubes(Loss):
    """Of positive numbers only, and of two columns."""

    def per_example(self, y_pred, y_true):
        if y_pred.shape[1:] != (2,):
            raise ArgumentError("Cubes: two columns are needed")
        xp = array_namespace(y_pred)
        return xp.sum(xp.abs(y_pred - y_true) ** 3, axis=1)


def test_every_kind_has_checks():
    from learnkit.plugins import KINDS

    assert set(CHECKS) == set(KINDS) == set(NEEDS)
    for kind in KINDS:
        checks = CHECKS[kind]()
        names = [check.name for check in checks]
        assert len(names) == len(set(names)) > 1, kind
        assert all(check.remedy for check in checks)


def test_a_result_says_what_where_and_what_to_do():
    class Halves(Loss):
        def per_example(self, y_pred, y_true):
            return array_namespace(y_pred).mean(np.abs(y_pred - y_true), axis=1)  # the line

    results = run_checks(Halves(), libraries=["numpy"])
    (bad,) = [r for r in failed(results) if r.name == "library-numpy"]
    line = next(
        i for i, text in enumerate(Path(__file__).read_text().splitlines(), 1) if text.endswith("# the line")
    )
    assert (Path(bad.file).name, bad.line, bad.kind) == ("test_checks.py", line, "loss")
    assert "xp.abs(...)" in bad.remedy
    assert "GradientError" in bad.message
    assert "np.abs(y_pred - y_true)" in bad.traceback
    assert "site-packages" not in bad.traceback.splitlines()[1], "the traceback begins in the author's code"
    assert f"test_checks.py:{line}" in str(bad)
    assert json.loads(json.dumps(bad.as_dict()))["status"] == "failed"


def test_inputs_that_cannot_be_guessed_are_asked_for_and_taken():
    (bad,) = failed(run_checks(Cubes(), libraries=["numpy"]))
    assert bad.name == "runs"
    assert "two columns are needed" in bad.message
    rng = np.random.default_rng(0)
    given = {"y_pred": rng.normal(size=(4, 2)), "y_true": rng.normal(size=(4, 2))}
    assert not failed(run_checks(Cubes(), libraries=["numpy", "strict"], **given))


def test_a_class_may_say_how_it_is_checked():
    class Columns(Cubes):
        @classmethod
        def for_checks(cls):
            rng = np.random.default_rng(0)
            return cls(), {"y_pred": rng.normal(size=(4, 2)), "y_true": rng.normal(size=(4, 2))}

    assert not failed(run_checks(Columns, libraries=["numpy"]))
    assert not failed(run_checks(Columns(), libraries=["numpy"]))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"kind": "los"}, "kind is 'los'"),
        ({"libraries": ["numpi"]}, "libraries holds 'numpi'"),
        ({"y_prd": np.ones(3)}, "take no 'y_prd' .did you mean 'y_pred'"),
    ],
)
def test_what_is_given_by_mistake_is_refused(given, text):
    with pytest.raises(ArgumentError, match=text):
        run_checks(Huber(), **given)


def test_a_thing_of_no_kind_is_refused():
    with pytest.raises(ArgumentError, match="the kind of int is not known"):
        run_checks(int)


def test_a_class_that_cannot_be_made_says_how():
    class Needs(Loss):
        def __init__(self, table):
            raise ValueError(f"no table {table}")

    with pytest.raises(ArgumentError, match="cannot be made") as caught:
        run_checks(Needs)
    assert "for_checks()" in caught.value.hint


# The process for the stand-in for CuPy


def loss_of_a_function(y_pred, y_true):
    return (y_pred - y_true) ** 2


def test_all_components_share_one_process(monkeypatch):
    """And a class that exists in a function only, or in a notebook, is known there."""

    class Here(Loss):
        def per_example(self, y_pred, y_true):
            return array_namespace(y_pred).mean((y_pred - y_true) ** 2, axis=1)

    started = []
    real = process.run_on_fake_cupy
    monkeypatch.setattr(process, "run_on_fake_cupy", lambda *a: started.append(1) or real(*a))
    results = run_checks(Here(), Huber(), lk.optim.SGD(0.1), libraries=["fakecupy"])
    names = [r.name for r in results if r.name.endswith("-fakecupy")]
    assert (len(started), len(names)) == (1, 3)
    assert not failed(results)
    assert "cupy" not in sys.modules, "this process is left as it was"


def test_a_fresh_process_does_the_same(monkeypatch):
    """Where there is no fork: components travel as pickles."""

    class Local(Loss):
        pass

    monkeypatch.setattr(sys, "platform", "other")
    plan = plan_for((Huber(), Cubes(), Local()), None, ["fakecupy"], {})
    chosen = [i for i, item in enumerate(plan.items) if item[2] == "fakecupy"]
    huber, cubes, local = (process.run_on_fake_cupy(plan, chosen)[i] for i in chosen)
    assert (huber.ok, huber.skipped) == (True, "")
    assert cubes.skipped == "it does not run, see the check 'runs'"
    assert "cannot be sent to another process" in local.skipped


class Leaves(Loss):
    def per_example(self, y_pred, y_true):
        if type(y_pred).__module__ == "cupy":
            os._exit(3)
        return array_namespace(y_pred).mean((y_pred - y_true) ** 2, axis=1)


def test_a_component_that_ends_the_process_is_a_failure():
    (bad,) = failed(run_checks(Leaves(), libraries=["fakecupy"]))
    assert bad.name == "library-fakecupy"
    assert "ended before this check was done" in bad.message


class Hangs(Loss):
    def per_example(self, y_pred, y_true):
        while type(y_pred).__module__ == "cupy":
            pass
        return array_namespace(y_pred).mean((y_pred - y_true) ** 2, axis=1)


def test_a_component_that_hangs_is_a_failure(monkeypatch):
    monkeypatch.setattr(process, "TIMEOUT", 1.0)
    (bad,) = failed(run_checks(Hangs(), libraries=["fakecupy"]))
    assert bad.name == "library-fakecupy"


# pytest

PLUGIN_TESTS = """
import sys
assert "numpy" not in sys.modules, "learnkit's pytest plugin imports something heavy"
import learnkit as lk
from learnkit.losses import Loss, Huber

class Wrong(Loss):
    def per_example(self, y_pred, y_true):
        return (y_pred - y_true).mean(axis=1)

test_good = lk.testing.checks_for(Huber(delta=2.0), libraries=["numpy", "strict"])
test_wrong = lk.testing.checks_for(Wrong(), libraries=["strict"])

def test_fixtures(xp, backend):
    assert backend.xp is xp
    backend.assert_array(xp.sum(backend.asarray([1.0, 2.0])), 3.0, dtype="float32")

def test_own_components(isolated_plugins):
    isolated_plugins.plugins.register("loss", "wrong", Wrong)
    assert "wrong" in lk.plugins.names("loss")

def test_are_gone():
    assert "wrong" not in lk.plugins.names("loss")
"""


def test_in_a_project_of_its_own(tmp_path):
    """The entry point brings the fixtures, each check is a test, and a failure names the line."""
    (tmp_path / "test_it.py").write_text(PLUGIN_TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-W", "error", "test_it.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert "PASSED test_it.py::test_good[gradient]" in done.stdout, done.stdout + done.stderr
    assert "PASSED test_it.py::test_good[library-strict]" in done.stdout
    assert "FAILED test_it.py::test_wrong[library-strict]" in done.stdout
    assert "test_it.py:9\n  arrays have no methods in the standard: write xp.mean(x, ...)" in done.stdout
    for name in ("test_fixtures[numpy]", "test_fixtures[strict]", "test_own_components", "test_are_gone"):
        assert f"PASSED test_it.py::{name}" in done.stdout
    assert "FAILED test_it.py::test_good" not in done.stdout


def test_the_entry_point_is_announced():
    from importlib.metadata import entry_points

    found = {e.value for e in entry_points(group="pytest11") if e.name == "learnkit"}
    assert found == {"learnkit.testing.pytest_plugin"}, "install learnkit once more: pip install -e ."


def test_the_page_on_checks_names_each_check():
    text = (REPOSITORY / "learnkit" / "docs" / "checks.md").read_text(encoding="utf-8")
    for kind in NEEDS:
        assert kind in text
        for check in CHECKS[kind]():
            assert f"**{check.name}**" in text, f"{kind}: {check.name}"

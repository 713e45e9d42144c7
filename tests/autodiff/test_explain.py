"""``explain``: what was recorded, as a table and as a drawing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise

import numpy as np
import pytest

import learnkit as lk
from learnkit import nn
from learnkit.autodiff import checkpoint, custom_vjp, explain, grad
from learnkit.autodiff.tape import observer
from learnkit.backends import array_namespace

SVG = "{http://www.w3.org/2000/svg}"


def total(x):
    return array_namespace(x).sum(x)


def network(backend=None):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    nn.initialize(model, seed=0, **({} if backend is None else {"backend": backend.backend}))
    return model


def mlp_loss(m, x):
    y = m(x)
    return array_namespace(y).mean(y * y)


MLP = """\
forward
  step  operation   value           from        saved for backward
  #0    0.bias      (4,) float32    argument
  #1    0.weight    (3, 4) float32  argument
  #2    2.bias      (2,) float32    argument
  #3    2.weight    (4, 2) float32  argument
  #4    argument 1  (5, 3) float32  argument
  #5    linear      (5, 4) float32  #4, #1, #0  108 B
  #6    relu        (5, 4) float32  #5          80 B
  #7    linear      (5, 2) float32  #6, #3, #2  112 B
  #8    multiply    (5, 2) float32  #7, #7      80 B
  #9    mean        () float32      #8          0 B
  380 B kept in all
backward
  1. #9 mean passes the gradient on to #8 multiply (5, 2)
  2. #8 multiply passes the gradient on to #7 linear (5, 2)
  3. #7 linear passes the gradient on to #6 relu (5, 4), #3 2.weight (4, 2), #2 2.bias (2,)
  4. #6 relu passes the gradient on to #5 linear (5, 4)
  5. #5 linear passes the gradient on to #4 argument 1 (5, 3), #1 0.weight (3, 4), #0 0.bias (4,)"""


def test_the_text_of_a_small_network(backend):
    """The same on every library."""
    found = explain(mlp_loss)(network(backend), backend.asarray(np.ones((5, 3))))
    assert found.text == MLP
    assert str(found) == MLP


def several(a, b):
    xp = array_namespace(a)
    return {"u": checkpoint(lambda t: t * t * xp.exp(t))(a) @ b, "v": xp.linalg.eigh(a).eigenvectors + a}


def deep(x):
    first = x * 2.0
    y = first
    for _ in range(6):
        y = array_namespace(x).tanh(y) + first
    return total(y * x)


@custom_vjp
def a_function_with_a_name_that_is_longer_than_any_box_should_be(x):
    return x * 1.0


a_function_with_a_name_that_is_longer_than_any_box_should_be.rule(lambda g, value, x: g)

A = np.asarray([[2.0, 0.5], [0.5, 1.0]])
GRAPHS = {
    "network": lambda: explain(mlp_loss)(network(), np.ones((5, 3), "float32")),
    "several results": lambda: explain(several)(A, A),
    "lines that pass rows by": lambda: explain(deep)(np.ones(3)),
    "long names": lambda: explain(
        lambda t: (
            a_function_with_a_name_that_is_longer_than_any_box_should_be(t["<a & b>"])
            + a_function_with_a_name_that_is_longer_than_any_box_should_be(t["with a rather long name"])
        )
    )({"<a & b>": np.ones((2, 3, 4, 5)), "with a rather long name": np.ones((2, 3, 4, 5))}),
    "a gradient inside": lambda: explain(lambda x: total(grad(lambda y: total(y * y * x))(x)))(np.ones(2)),
    "one argument": lambda: explain(lambda x: x * 2.0)(np.asarray(1.0)),
    "nothing recorded": lambda: explain(lambda x: array_namespace(x).ones_like(x))(np.ones(2)),
}


def boxes(root):
    """Left, top, right and bottom of every box."""
    found = []
    for group in root.iter(f"{SVG}g"):
        r = group.find(f"{SVG}rect")
        x, y, w, h = (float(r.get(k)) for k in ("x", "y", "width", "height"))
        found.append((x, y, x + w, y + h))
    return found


def samples(path):
    """Points along a path of lines and cubic curves."""
    x0 = y0 = None
    for command, numbers in re.findall(r"([MLC])([^MLC]*)", path.get("d")):
        n = [float(s) for s in numbers.split()]
        if command == "M":
            x0, y0 = n
            continue
        controls = [(x0, y0), *zip(n[::2], n[1::2], strict=True)]
        for t in np.linspace(0, 1, 41):
            points = controls
            while len(points) > 1:
                points = [((1 - t) * a + t * c, (1 - t) * b + t * d) for (a, b), (c, d) in pairwise(points)]
            yield points[0]
        x0, y0 = controls[-1]


@pytest.mark.parametrize("name", GRAPHS)
def test_the_drawing_is_sound(name):
    """Well-formed; boxes and texts inside it and apart; no line through a box."""
    found = GRAPHS[name]()
    root = ET.fromstring(found.svg)
    assert root.tag == f"{SVG}svg"
    _, _, width, height = (float(n) for n in root.get("viewBox").split())
    drawn = boxes(root)
    assert len(drawn) == len(found.steps)
    for left, top, right, bottom in drawn:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    for (l1, t1, r1, b1), (l2, t2, r2, b2) in combinations(drawn, 2):
        assert r1 <= l2 or r2 <= l1 or b1 <= t2 or b2 <= t1, "two boxes overlap"
    for group, (left, _, right, _) in zip(root.iter(f"{SVG}g"), drawn, strict=True):
        lines = {}
        for text in group.findall(f"{SVG}text"):
            lines.setdefault(text.get("y"), []).append(text)
        for texts in lines.values():
            letters = sum(len(t.text) + 1 for t in texts) - 1
            assert letters * 7.3 <= right - left - 16, f"{[t.text for t in texts]} do not fit"
    for path in root.findall(f"{SVG}path"):
        for x, y in samples(path):
            for left, top, right, bottom in drawn:
                assert not (left < x < right and top + 0.5 < y < bottom - 0.5), "a line goes through a box"


@pytest.mark.parametrize("name", GRAPHS)
def test_the_steps_hang_together(name):
    """Numbered in order, computed from earlier ones, and passed back after all that use them."""
    steps = GRAPHS[name]().steps
    assert [s.number for s in steps] == list(range(len(steps)))
    for s in steps:
        assert all(i < s.number for i in s.inputs)
        for i in s.inputs:
            if steps[i].turn is not None:
                assert s.turn < steps[i].turn
    turns = sorted(s.turn for s in steps if s.turn is not None)
    assert turns == list(range(1, len(turns) + 1))


def test_keyword_arguments_are_passed_on():
    """Integer labels, for instance: they have no gradient and no step."""
    made = explain(lambda x, labels: array_namespace(x).sum(x[labels]))(np.ones(3), labels=np.asarray([0, 2]))
    assert [s.name for s in made.steps] == ["argument 0", "gather", "sum"]


def test_nothing_recorded_says_so():
    for fn in (lambda x: array_namespace(x).ones_like(x), lambda x: x):
        assert str(explain(fn)(np.ones(2))) == "nothing was recorded: no result was computed from an argument"


def test_only_what_is_kept_is_shown():
    """Not what a checkpoint computes in passing, nor what the result does not depend on."""
    names = [s.name for s in explain(several)(A, A).steps]
    assert names == ["argument 0", "argument 1", "checkpoint", "matmul", "eigh", "eigh result", "add"]


def test_an_inner_gradient_is_shown_as_the_operations_it_runs():
    """The outer differentiation records what the inner reverse pass computes."""
    steps = GRAPHS["a gradient inside"]().steps
    assert {s.name for s in steps} >= {"argument 0", "multiply", "sum"}
    assert steps[0].shape == (2,)


def test_inside_of_a_gradient_only_its_own_operations_are_shown():
    found = []

    def fn(x):
        found.append(explain(lambda y: y * x)(np.ones(2)))
        return total(x * x)

    grad(fn)(np.ones(2))
    assert [s.name for s in found[0].steps] == ["argument 0", "multiply"]


def test_saving(tmp_path):
    found = GRAPHS["network"]()
    assert found.save(tmp_path / "graph.svg").read_text(encoding="utf-8") == found.svg
    assert found.save(str(tmp_path / "graph.txt")).read_text(encoding="utf-8") == MLP + "\n"
    assert found._repr_svg_() == found.svg


def test_nobody_watches_afterwards():
    def fails(x):
        raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        explain(fails)(np.ones(2))
    assert observer.get() is None
    assert lk.explain is explain

"""``value_and_grad``, ``grad``, ``vjp`` and ``stop_gradient``: arguments, trees, results."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from learnkit import nn
from learnkit.autodiff import grad, is_variable, stop_gradient, value_and_grad, vjp
from learnkit.backends import array_namespace


def total(x):
    return array_namespace(x).sum(x)


A, B = np.asarray([1.0, 2.0]), np.asarray([3.0, 5.0])


def test_value_and_gradient(backend):
    """The value is a 0-d array and the gradient an array like the argument, both at home."""
    x = backend.asarray([1.0, -2.0, 3.0])
    value, gradient = value_and_grad(lambda x: total(x * x))(x)
    backend.assert_array(value, 14.0, like=x, rtol=0, atol=0)
    backend.assert_array(gradient, [2.0, -4.0, 6.0], like=x, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("argnums", "expected"),
    [
        (0, [3.0, 5.0]),
        (1, [1.0, 2.0]),
        (-1, [1.0, 2.0]),
        ((1, 0), ([1.0, 2.0], [3.0, 5.0])),
        ((0,), ([3.0, 5.0],)),
    ],
)
def test_argnums(argnums, expected):
    gradient = grad(lambda a, b: total(a * b), argnums)(A, B)
    if isinstance(argnums, tuple):
        assert isinstance(gradient, tuple)
        assert tuple(g.tolist() for g in gradient) == expected
    else:
        assert gradient.tolist() == expected


def test_keyword_arguments_are_passed_on():
    assert grad(lambda a, *, scale: total(a * scale))(A, scale=3.0).tolist() == [3.0, 3.0]


def test_aux_comes_along_without_variables():
    def fn(x):
        return total(x * x), {"half": x * 0.5, "note": "text"}

    (value, aux), gradient = value_and_grad(fn, has_aux=True)(A)
    assert value == 5.0
    assert aux["half"].tolist() == [0.5, 1.0]
    assert not is_variable(aux["half"])
    assert aux["note"] == "text"
    assert gradient.tolist() == [2.0, 4.0]


class Pair(NamedTuple):
    left: object
    right: object


TREES = {
    "dict": ({"a": A, "b": B}, lambda t: total(t["a"] * t["b"]), {"a": [3.0, 5.0], "b": [1.0, 2.0]}),
    "list": ([A, B], lambda t: total(t[0] * t[1]), [[3.0, 5.0], [1.0, 2.0]]),
    "tuple": ((A, B), lambda t: total(t[0] * t[1]), ([3.0, 5.0], [1.0, 2.0])),
    "named tuple": (Pair(A, B), lambda t: total(t.left * t.right), Pair([3.0, 5.0], [1.0, 2.0])),
    "nested": (
        {"x": [A, (B,)]},
        lambda t: total(t["x"][0] * t["x"][1][0]),
        {"x": [[3.0, 5.0], ([1.0, 2.0],)]},
    ),
    "unused leaf": ({"a": A, "b": B}, lambda t: total(t["a"]), {"a": [1.0, 1.0], "b": [0.0, 0.0]}),
}


def to_lists(tree):
    if isinstance(tree, dict):
        return {k: to_lists(v) for k, v in tree.items()}
    if hasattr(tree, "_fields"):
        return type(tree)(*map(to_lists, tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(map(to_lists, tree))
    return tree.tolist()


@pytest.mark.parametrize("name", TREES)
def test_trees_of_arguments_give_trees_of_gradients(name):
    tree, fn, expected = TREES[name]
    gradient = grad(fn)(tree)
    assert type(gradient) is type(expected)
    assert to_lists(gradient) == expected


def test_a_model_is_an_argument_and_its_gradient_a_dict_by_path(backend):
    model = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Linear(1, 1))
    nn.initialize(model, seed=0, backend=backend.backend)
    model.load_arrays(
        {
            "0.weight": backend.asarray([[1.0], [2.0]]),
            "1.weight": backend.asarray([[3.0]]),
            "1.bias": backend.asarray([0.5]),
        }
    )
    x = backend.asarray([[1.0, 1.0], [0.0, 2.0]])
    value, gradient = value_and_grad(lambda m, x: total(m(x)))(model, x)
    assert float(value) == 22.0
    assert list(gradient) == ["0.weight", "1.weight", "1.bias"]
    backend.assert_array(gradient["0.weight"], [[3.0], [9.0]], dtype="float32")
    backend.assert_array(gradient["1.weight"], [[7.0]], dtype="float32")
    backend.assert_array(gradient["1.bias"], [2.0], dtype="float32")
    assert not is_variable(model[0].weight), "the model reads as arrays again"


def test_a_model_that_fails_inside_reads_as_arrays_again():
    model = nn.Linear(2, 2)
    nn.initialize(model)

    def fails(m):
        assert is_variable(m.weight)
        raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        grad(fails)(model)
    assert not is_variable(model.weight)


GIVE_AND_TAKE = {
    "sum": lambda x, y: total(x + y),
    "the same array to both": lambda x, y: total((x + y) * 1.0),
    "mean": lambda x, y: array_namespace(x).mean(x) + total(y),
    "transposed": lambda x, y: total(
        array_namespace(x).permute_dims(array_namespace(x).stack([x, y]), (1, 0))
    ),
}


@pytest.mark.parametrize("name", GIVE_AND_TAKE)
def test_gradients_belong_to_the_caller(backend, name):
    """They can be written to, and writing to one changes no other; 0-d results cannot alias either."""
    x, y = backend.asarray([1.0, 2.0]), backend.asarray([3.0, 4.0])
    first, second = grad(GIVE_AND_TAKE[name], (0, 1))(x, y)
    before = backend.to_numpy(second).copy()
    first[...] = backend.asarray([7.0, 7.0])
    backend.assert_array(second, before, rtol=0, atol=0)
    g = backend.asarray([1.0, 2.0])
    _, pullback = vjp(lambda x: x, x)
    (back,) = pullback(g)
    back[...] = backend.asarray([0.0, 0.0])
    backend.assert_array(g, [1.0, 2.0], rtol=0, atol=0)


def test_a_gradient_has_the_dtype_of_its_argument(backend):
    """Also where the function computes in double precision with it."""
    weight = backend.asarray([3.0, 5.0], "float64")
    x = backend.asarray([1.0, 2.0], "float32")
    for fn in (
        lambda x: total(array_namespace(x).astype(x, backend.xp.float64) * weight),
        lambda x: array_namespace(x).sum(x * x, dtype=backend.xp.float64),
    ):
        backend.assert_here(grad(fn)(x))
        assert grad(fn)(x).dtype == backend.xp.float32
    backend.assert_array(grad(lambda x: total(x * weight))(x), [3.0, 5.0], dtype="float32")


def test_a_constant_function_has_a_gradient_of_zeros(backend):
    x = backend.asarray([[1.0, 2.0]])
    backend.assert_array(grad(lambda x: backend.xp.sum(backend.asarray([1.0])))(x), [[0.0, 0.0]], like=x)


def test_a_repeated_argument_accumulates(backend):
    x = backend.asarray([1.0, 2.0])
    backend.assert_array(grad(lambda x: total(x * x + x * x * x + x))(x), [6.0, 17.0], like=x)


def test_vjp_may_be_pulled_back_more_than_once(backend):
    x = backend.asarray([1.0, 2.0])
    value, pullback = vjp(lambda x: x * x, x)
    backend.assert_array(value, [1.0, 4.0], like=x)
    for seed in ([1.0, 0.0], [0.0, 1.0], [1.0, 0.0]):
        (gradient,) = pullback(backend.asarray(seed))
        backend.assert_array(gradient, [2.0 * seed[0], 4.0 * seed[1]], like=x)


def test_vjp_of_several_arguments_and_results():
    value, pullback = vjp(lambda a, b: {"p": a * b, "q": [a]}, A, B)
    assert to_lists(value) == {"p": [3.0, 10.0], "q": [[1.0, 2.0]]}
    ga, gb = pullback({"p": np.asarray([1.0, 0.0]), "q": [np.asarray([0.0, 1.0])]})
    assert ga.tolist() == [3.0, 1.0]
    assert gb.tolist() == [1.0, 0.0]


def test_dicts_pair_by_key_and_not_by_order():
    """Whatever order they were made in, and also if keys are of several types."""
    tree, backwards = {"b": A, "a": B, 3: A}, {3: A * 0.0, "a": A, "b": A * 2.0}
    value, pullback = vjp(lambda t: {k: t[k] * t[k] for k in reversed(t)}, tree)
    assert list(value) == [3, "a", "b"]
    (gradient,) = pullback(backwards)
    assert list(gradient) == ["b", "a", 3]
    assert to_lists(gradient) == {"b": [4.0, 16.0], "a": [6.0, 20.0], 3: [0.0, 0.0]}


def test_stop_gradient_makes_a_constant(backend):
    x = backend.asarray([2.0, 3.0])
    backend.assert_array(grad(lambda x: total(x * stop_gradient(x)))(x), [2.0, 3.0], like=x)
    tree = stop_gradient({"x": x, "y": [x]})
    assert tree["y"][0] is x


def test_stop_gradient_reaches_through_all_levels():
    def outer(x):
        return total(grad(lambda y: total(y * stop_gradient(y) * x))(A))

    assert grad(outer)(A).tolist() == [1.0, 2.0]

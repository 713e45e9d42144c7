"""The variable as an array of the standard: attributes, operators, namespace, and the closed ways."""

from __future__ import annotations

import copy
import pickle

import array_api_compat
import numpy as np
import pytest

from learnkit.autodiff import (
    Variable,
    grad,
    is_variable,
    namespace,
    primitive,
    stop_gradient,
    value_and_grad,
    vjp,
)
from learnkit.backends import array_namespace
from learnkit.errors import ArgumentError, GradientError, LearnkitError, ShapeError

X = np.asarray([1.0, 2.0])


def total(x):
    return array_namespace(x).sum(x)


def on_tape(look, x=X):
    """What ``look`` returns of a variable with the values ``x``."""
    return value_and_grad(lambda v: (total(v * 1.0), look(v)), has_aux=True)(x)[0][1]


def test_attributes_are_those_of_the_array(backend):
    x = backend.asarray([[1.0, 2.0, 3.0]])

    def look(v):
        assert (v.shape, v.ndim, v.size, len(v)) == ((1, 3), 2, 3, 1)
        assert v.dtype == x.dtype
        assert v.device == array_api_compat.device(x)
        assert is_variable(v)
        assert array_namespace(v) is namespace(backend.xp)
        assert v.T.shape == v.mT.shape == (3, 1)
        assert repr(v).startswith("Variable(")

    on_tape(look, x)


OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "%": lambda a, b: a % b,
    "//": lambda a, b: a // b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
PLAIN = {"//", "<", "<=", ">", ">=", "==", "!="}


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("other", ["number", "array", "variable"])
def test_operators(backend, symbol, other):
    """Each gives the values of plain arrays, on either side; those without a gradient leave the tape."""
    call = OPERATORS[symbol]
    x = backend.asarray([1.5, 2.0, 3.5])
    y = backend.asarray([2.0, 2.0, 2.0])
    number = 2.0

    def look(v):
        right = {"number": number, "array": y, "variable": v * 0.0 + 2.0}[other]
        results = [call(v, right), call(right, v)]
        if other == "array" and backend.name == "strict":
            results.pop()
        for r in results:
            assert is_variable(r) == (symbol not in PLAIN)
        return results

    try:
        results = on_tape(look, x)
    except TypeError:
        # array-api-strict raises where Python expects NotImplemented, so array * variable cannot reach us.
        assert backend.name == "strict"
        assert other == "array"
        results = [on_tape(lambda v: call(v, y), x)]
    backend.assert_array(results[0], backend.to_numpy(call(x, number if other == "number" else y)))
    if len(results) == 2:
        backend.assert_array(results[1], backend.to_numpy(call(number if other == "number" else y, x)))


def test_matrix_product_operator(backend):
    x = backend.asarray([[1.0, 2.0], [3.0, 4.0]])
    backend.assert_array(grad(lambda v: total(v @ x))(x), [[3.0, 7.0], [3.0, 7.0]])
    if backend.name in ("numpy", "torch"):  # the others refuse to look at what is on the right
        backend.assert_array(grad(lambda v: total(x @ v))(x), [[4.0, 4.0], [6.0, 6.0]])


def test_unary_operators(backend):
    x = backend.asarray([1.5, -2.0])
    for fn, value, slope in [
        (lambda v: -v, [-1.5, 2.0], [-1.0, -1.0]),
        (lambda v: +v, [1.5, -2.0], [1.0, 1.0]),
        (abs, [1.5, 2.0], [1.0, -1.0]),
    ]:
        backend.assert_array(on_tape(fn, x), value)
        backend.assert_array(grad(lambda v, fn=fn: total(fn(v)))(x), slope)


def test_in_place_operators_make_a_new_variable():
    def fn(v):
        w = v
        w += 1.0
        w *= 2.0
        assert w is not v
        return total(w * v)

    x = X.copy()
    assert grad(fn)(x).tolist() == [6.0, 10.0]
    assert x.tolist() == [1.0, 2.0]


def test_copies_are_at_the_same_place_of_the_graph():
    """``copy`` and ``deepcopy`` of a variable, lose no gradient; constants may be pickled."""
    assert grad(lambda v: total(copy.copy(v) * copy.deepcopy({"a": v})["a"]))(X).tolist() == [2.0, 4.0]
    assert grad(lambda v: changed(copy.copy(v)) + total(v))(X).tolist() == [1.0, 2.0]

    def look(v):
        again = pickle.loads(pickle.dumps(v > 1.5))
        assert not is_variable(again)
        return array_namespace(v).where(again, v, 0.0)

    assert on_tape(look).tolist() == [0.0, 2.0]


def changed(v):
    v[0] = 0.0
    return total(v)


def test_a_variable_can_be_printed(backend):
    """With a format where it is one number, real or complex; this is not a way out of the tape."""

    def look(v):
        assert f"{v[0]:.2f} {total(v):6.1f}|" == "1.00    3.0|"
        assert f"{v}" == str(v) == repr(v)
        z = array_namespace(v).astype(v[1], array_namespace(v).complex128) * 1j
        assert f"{z:.1f}" == "0.0+2.0j"
        assert is_variable(v[0])

    on_tape(look, backend.asarray([1.0, 2.0]))


def test_rows_can_be_iterated():
    assert grad(lambda v: sum(total(row * row) for row in v))(np.eye(2)).tolist() == [[2.0, 0.0], [0.0, 2.0]]


def test_an_operand_of_another_kind_is_refused_by_python():
    for wrong in ("text", [1.0, 2.0], None):
        with pytest.raises(TypeError, match="unsupported operand"):
            grad(lambda v, wrong=wrong: v + wrong)(X)
        with pytest.raises(TypeError, match="unsupported operand"):
            grad(lambda v, wrong=wrong: v // wrong)(X)


# Indexing and functional assignment


def test_a_mask_reads_and_its_gradient_goes_back():
    assert grad(lambda v: total(v[v > 1.5] * 3.0))(X).tolist() == [0.0, 3.0]


def test_several_integer_arrays_index_together():
    """Positions that are read twice add up."""
    rows, columns = np.asarray([0, 1, 0]), np.asarray([1, 0, 1])
    weights = np.asarray([1.0, 10.0, 100.0])
    gradient = grad(lambda v: total(v[rows, columns] * weights))(np.eye(2))
    assert gradient.tolist() == [[0.0, 101.0], [10.0, 0.0]]


def test_a_variable_is_changed_by_assignment_and_its_old_values_are_kept():
    """``x[key] = v`` changes what the name means from there on, not what was computed before."""

    def fn(v):
        before = v * v
        w = v * 1.0
        w[0] = w[1] * 5.0
        w[1] += 1.0
        return total(w) + total(before), w

    (value, w), gradient = value_and_grad(fn, has_aux=True)(X)
    assert w.tolist() == [10.0, 3.0]
    assert value == 18.0
    assert gradient.tolist() == [2.0, 10.0]
    assert X.tolist() == [1.0, 2.0]


def test_assignment_on_every_library(backend):
    x = backend.asarray([1.0, 2.0, 3.0])

    def fn(v):
        w = v * v
        w[1:] = v[:2] * 10.0
        w[0] = 7.0
        return total(w * w)

    backend.assert_array(grad(fn)(x), [200.0, 400.0, 0.0], like=x)


# Constants


def test_constants_become_numbers_and_numpy_arrays(backend):
    """What comparisons and new arrays give is of the namespace, not on the tape, and free to leave."""

    def look(v):
        xp = array_namespace(v)
        ones = xp.ones_like(v)
        assert not is_variable(ones)
        assert array_namespace(ones) is xp
        assert float(ones[0]) == 1.0
        assert int(xp.argmax(v)) == 1
        assert bool(v[0] < v[1])
        if backend.name not in ("cupy", "fakecupy"):  # whose arrays are no indices of lists
            assert [10, 20, 30][xp.argmax(v)] == 20
        assert complex(ones[0]) == 1.0
        if backend.name == "numpy":
            assert np.asarray(ones).tolist() == [1.0, 1.0]
            assert np.sum(v > 1.5) == 1
            assert np.exp(xp.zeros_like(v)).tolist() == [1.0, 1.0]
        return None

    on_tape(look, backend.asarray([1.0, 2.0]))


# The namespace


def test_asarray_of_the_namespace(backend):
    """It makes arrays of numbers and lists, casts variables on the tape, and leaves them alone otherwise."""
    x = backend.asarray([1.0, 2.0], "float32")

    def fn(v):
        xp = array_namespace(v)
        half = xp.asarray(0.5, dtype=v.dtype, device=v.device)
        weights = xp.asarray([1.0, 3.0], dtype=v.dtype, device=v.device)
        assert xp.asarray(v) is v
        assert xp.asarray(v, dtype=v.dtype) is v
        wide = xp.asarray(v, dtype=xp.float64)
        assert is_variable(wide)
        assert wide.dtype == xp.float64
        return total(v * half * weights) + total(xp.astype(wide, v.dtype))

    backend.assert_array(grad(fn)(x), [1.5, 2.5], like=x)


def test_asarray_without_a_copy_is_the_variable_itself(backend):
    """As of plain arrays: an assignment to one is seen in the other, and a copy stays as it was."""

    def look(v):
        xp = array_namespace(v)
        same, no_copy, copy = xp.asarray(v), xp.asarray(v, copy=False), xp.asarray(v, copy=True)
        v[0] = 7
        assert [backend.to_numpy(stop_gradient(y))[0] for y in (same, no_copy, copy)] == [7, 7, 1]
        with pytest.raises(ValueError, match="asarray: copy=False, but another dtype needs a copy"):
            xp.asarray(v, dtype=xp.float32 if v.dtype != xp.float32 else xp.float64, copy=False)

    look(namespace(backend.xp).asarray(backend.asarray([1, 2], "int64"), copy=True))
    on_tape(lambda v: look(v * 1.0), backend.asarray([1.0, 2.0]))


def test_constants_inside_a_gradient_of_a_gradient_are_of_its_namespace():
    """array-api-compat refuses arrays of two namespaces, and so would every function that asks it."""

    def fn(v):
        xp = array_api_compat.array_namespace(v)
        made = [xp.ones_like(v), xp.asarray([1.0, 2.0]), xp.sort(xp.ones_like(v)), xp.argmax(v), v > 1.0]
        for m in made:
            assert array_api_compat.array_namespace(v, m) is xp
        return xp.sum(v * v * v * made[0])

    np.testing.assert_array_equal(grad(lambda v: total(grad(fn)(v)))(X), 6.0 * X)


def test_the_namespace_lists_what_it_has_and_refuses_the_rest():
    xp = namespace(array_api_compat.numpy)
    for name in dir(xp):
        assert getattr(xp, name) is not None or name == "newaxis"
    assert {"exp", "sum", "matmul", "asarray", "float32", "pi"} <= set(dir(xp))
    with pytest.raises(AttributeError, match=r"learnkit\.autodiff\.namespace.* has no function 'sinus'"):
        _ = xp.sinus


def test_namespaces_are_one_for_each_library():
    base = array_api_compat.numpy
    assert namespace(base) is namespace(base)
    assert namespace(base) == namespace(base)
    assert namespace(base) != namespace(namespace(base))
    assert namespace(namespace(base)).base_namespace is namespace(base)
    assert hash(namespace(base)) == hash(namespace(base))
    assert "array_api_compat.numpy" in repr(namespace(base))
    assert array_api_compat.array_namespace(Variable(X, None)) is namespace(base)


def test_types_of_the_namespace_are_those_below(backend):
    xp = namespace(backend.xp)
    assert xp.float32 is backend.xp.float32
    assert xp.pi == backend.xp.pi
    assert xp.isdtype(xp.float64, "real floating")
    assert xp.result_type(xp.float32, xp.float64) == backend.xp.float64


def test_a_primitive_of_ones_own(backend):
    @primitive()
    def cube(xp, x, /, *, scale=1.0):
        """``scale x^3``."""
        return xp.multiply(scale, xp.pow(x, 3.0)), (x, scale)

    @cube.rule
    def _(xp, g, saved, parents):
        x, scale = saved
        return (xp.multiply(g, xp.multiply(3.0 * scale, xp.square(x))),)

    x = backend.asarray([1.0, 2.0])
    assert repr(cube) == "<primitive cube>"
    assert cube.__doc__ == "``scale x^3``."
    backend.assert_array(cube(x, scale=2.0), [2.0, 16.0], like=x)
    backend.assert_array(grad(lambda v: total(cube(v, scale=2.0)))(x), [6.0, 24.0], like=x)
    backend.assert_array(grad(lambda v: total(grad(lambda u: total(cube(u)))(v)))(x), [6.0, 12.0], like=x)


def test_a_primitive_without_a_rule_says_so():
    lonely = primitive()(lambda xp, x, /: (xp.exp(x), None))
    with pytest.raises(RuntimeError, match="recorded before its rule was given"):
        grad(lambda v: total(lonely(v)))(X)


# Mistakes, and what is said about them


def assign_into_array(v):
    a = X.copy()
    a[:] = v
    return total(a * v)


def add_in_place(v):
    a = X.copy()
    a += v
    return total(a)


def vjp_with(g):
    return vjp(lambda v: v * v, X)[1](g)


MISTAKES = {
    "float": (
        lambda: grad(lambda v: float(v[0]))(X),
        GradientError,
        "float() of a variable would lose its gradient",
    ),
    "int": (
        lambda: grad(lambda v: int(v[0]))(X),
        GradientError,
        "int() of a variable would lose its gradient",
    ),
    "index": (lambda: grad(lambda v: [1, 2][v[0]])(X), GradientError, "int() of a variable would lose"),
    "complex": (lambda: grad(lambda v: complex(v[0]))(X), GradientError, "complex() of a variable"),
    "bool": (lambda: grad(lambda v: v if v[0] else -v)(X), GradientError, "for a choice by value, xp.where"),
    "NumPy array": (
        lambda: grad(lambda v: np.asarray(v))(X),
        GradientError,
        "a variable cannot become a NumPy array; NumPy was asked to read or to assign it\n"
        "  use the functions of xp = array_namespace(x)",
    ),
    "assignment into an array": (
        lambda: grad(assign_into_array)(X),
        GradientError,
        "a variable cannot become a NumPy array; NumPy was asked to read or to assign it",
    ),
    "NumPy ufunc": (
        lambda: grad(lambda v: np.arcsin(v))(X),
        GradientError,
        "numpy.arcsin was called on a variable\n  use xp.asin with xp = array_namespace(x), or stop_gradient",
    ),
    "NumPy ufunc with options": (
        lambda: grad(lambda v: np.add.reduce(v))(X),
        GradientError,
        "numpy.add.reduce was called on a variable\n  use the functions of xp",
    ),
    "NumPy function": (
        lambda: grad(lambda v: np.concatenate([X, v]))(X),
        GradientError,
        "numpy.concatenate was called on a variable\n  use xp.concat with xp = array_namespace(x)",
    ),
    "NumPy function of a package": (
        lambda: grad(lambda v: np.linalg.norm(v))(X),
        GradientError,
        "numpy.linalg.norm was called on a variable\n  use the functions of xp = array_namespace(x)",
    ),
    "array changed in place": (
        lambda: grad(add_in_place)(X),
        GradientError,
        "an array cannot be changed in place by a variable: write a = a + x for a += x",
    ),
    "index of no kind": (lambda: grad(lambda v: v["a"])(X), IndexError, "valid indices"),
    "length of a number": (lambda: grad(lambda v: v * len(v))(np.asarray(1.0)), TypeError, "without axes"),
    "integer argument": (
        lambda: grad(total)(np.asarray([1, 2])),
        GradientError,
        "argument 0 of total has dtype int64; only floating-point arrays have a gradient",
    ),
    "integer leaf": (
        lambda: grad(lambda t: total(t["a"]))({"a": X, "n": np.asarray(3)}),
        GradientError,
        "leaf ['n'] has dtype int64",
    ),
    "Python number": (
        lambda: grad(total)(2.0),
        GradientError,
        "argument 0 of total is of type float, expected an array\n  convert it first",
    ),
    "value with axes": (
        lambda: grad(lambda v: v * v)(X),
        GradientError,
        "returned an array of shape (2,); only a 0-d value has a gradient\n  reduce it with xp.sum",
    ),
    "value without shape": (
        lambda: grad(lambda v: "text")(X),
        GradientError,
        "returned str, expected a 0-d array to differentiate",
    ),
    "no aux": (
        lambda: value_and_grad(total, has_aux=True)(X),
        GradientError,
        "has_aux=True expects total to return (loss, aux), got Variable",
    ),
    "missing argument": (
        lambda: grad(lambda a, b: total(a), 2)(X, X),
        ArgumentError,
        "argnums asks for argument 2, but <lambda> was called with 2",
    ),
    "no argument at all": (lambda: grad(total)(), ArgumentError, "argument 0, but total was called with 0"),
    "pull-back of another shape": (
        lambda: vjp_with(np.ones(3)),
        ShapeError,
        "the pull-back expects a gradient of shape (2,), got (3,)",
    ),
    "pull-back of another number": (
        lambda: vjp_with([X, X]),
        ShapeError,
        "expects 1 arrays, one for each result, got 2",
    ),
    "vectors of two lengths": (
        lambda: grad(lambda v: array_namespace(v).vecdot(v, np.ones(1)))(X),
        ShapeError,
        "vecdot: 2 and 1 elements along axis -1, expected as many",
    ),
    "axes of two lengths": (
        lambda: grad(lambda v: total(array_namespace(v).tensordot(v, np.ones((3, 2)))))(np.ones((2, 3))),
        ShapeError,
        "tensordot: the axes summed over have lengths (2, 3) and (3, 2), expected equal ones",
    ),
    "cross product in the plane": (
        lambda: grad(lambda v: total(array_namespace(v).linalg.cross(v, v)))(X),
        ShapeError,
        "cross: 2 and 2 elements along axis -1, expected 3 and 3",
    ),
    "method of another library": (
        lambda: grad(lambda v: v.sum())(X),
        AttributeError,
        "a variable has no attribute 'sum': use xp.sum(x) with xp = array_namespace(x)",
    ),
    "value by a method": (
        lambda: grad(lambda v: total(v) * v[0].item())(X),
        AttributeError,
        "a variable has no attribute 'item': for its values without gradient, stop_gradient(x)",
    ),
    "backward by a method": (
        lambda: grad(lambda v: total(v).backward())(X),
        AttributeError,
        "a variable has no attribute 'backward': gradients are results, of value_and_grad(fn)(x)",
    ),
    "no such attribute": (
        lambda: grad(lambda v: v.shpe)(X),
        AttributeError,
        "a variable has no attribute 'shpe'",
    ),
    "array printed as a number": (
        lambda: grad(lambda v: (f"{v:.3f}", total(v))[1])(X),
        TypeError,
        "a variable of shape (2,) cannot be printed as '.3f'",
    ),
    "pickled": (
        lambda: grad(lambda v: total(pickle.loads(pickle.dumps(v))))(X),
        GradientError,
        "a variable cannot be pickled: its gradient would be lost\n  pickle stop_gradient(x)",
    ),
    "complex value": (
        lambda: grad(lambda v: total(v * 1j))(X),
        GradientError,
        "returned a value of dtype complex128; only a real floating-point value has a gradient",
    ),
    "value that counts": (
        lambda: grad(lambda v: array_namespace(v).argmax(v))(X),
        GradientError,
        "returned a value of dtype int64; only a real floating-point value has a gradient",
    ),
    "pull-back of a number": (
        lambda: vjp(total, X)[1](1.0),
        GradientError,
        "the pull-back expects an array, got float",
    ),
    "index out of range": (
        lambda: grad(lambda v: array_namespace(v).take(v, np.asarray([5])))(X),
        IndexError,
        "out of bounds",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_explained(name):
    call, kind, text = MISTAKES[name]
    with pytest.raises(kind) as caught:
        call()
    assert text in str(caught.value)


def test_arrays_of_two_libraries_are_not_mixed(backend):
    if backend.name == "numpy":
        pytest.skip("one library only")
    x = backend.asarray([1.0, 2.0])
    with pytest.raises(LearnkitError, match="arrays of two libraries are mixed"):
        grad(lambda v: total(array_namespace(v).multiply(v, X)))(x)

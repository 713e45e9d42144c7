"""Functions as people write them: fused or not, the same values, dtypes, shapes and errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from learnkit import fuse, grad
from learnkit.backends import array_namespace
from learnkit.backends.layout import Layout
from learnkit.fusion import bound_update
from learnkit.losses import MSE
from learnkit.losses.base import ElementwiseLoss
from learnkit.optim.base import Optimizer
from learnkit.optim.engine import init_state, update_in_place

X = np.linspace(-2, 2, 300, dtype="float32")
Y = np.cos(X)
INTEGERS = (np.arange(300) * 37 % 256).astype("uint8")


def as_plain(function, *args, fused=None, **options):
    """The fused function twice beside the plain one, for one call; the fused function."""
    fused = fused or fuse(function)
    want = function(*args, **options)
    for _ in range(2):
        got = fused(*args, **options)
        assert isinstance(got, tuple) == isinstance(want, tuple)
        pairs = zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]
        for g, w in pairs:
            assert g.dtype == w.dtype
            assert g.shape == w.shape
            np.testing.assert_allclose(g, w, rtol=1e-6)
    return fused


def in_dtype(x, like):
    return array_namespace(x).astype(x, like.dtype)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_integers_wrap_around_as_numpy_has_it(engine, dtype):
    """A difference of two images of bytes, for one."""
    a = (np.arange(300) * 7919 % 251).astype(dtype)
    b = np.roll(a, 7)
    for f in (lambda a, b: a - b, lambda a, b: a + b, lambda a, b: a * b, lambda a, b: -a * b + abs(b)):
        as_plain(lambda a, b, x, f=f: x * in_dtype(f(a, b), x), a, b, X)
        as_plain(lambda a, b, x, f=f: array_namespace(x).where(f(a, b) > 3, x, -x), a, b, X)


def test_numbers_that_an_integer_array_does_not_hold(engine):
    """NumPy promotes for a float, and compares with a number of any size."""
    ints = INTEGERS.astype("int32")
    as_plain(lambda a, x: x + array_namespace(x).where(x > 0, a, 1.5), ints, X)
    as_plain(lambda a, x, *, k: array_namespace(x).where(a == k, x, 0.0), ints, X, k=2.5)
    as_plain(lambda a, x: array_namespace(x).where(a < 300, x, 0.0), INTEGERS, X)
    as_plain(lambda x: array_namespace(x).where((x > 0) == 2, x, 0.0), X)
    with pytest.raises(OverflowError):
        fuse(lambda a, x: x + in_dtype(a + 300, x))(INTEGERS, X)


def test_equal_options_of_other_types_have_kernels_of_their_own(engine):
    """1, 1.0, True and np.float64(1) are equal, and another thing to the function each."""

    def scaled(x, *, c):
        return x * c if c is not True else x * 5

    def chosen(x, *, c):
        return x * (2.0 if type(c[0]) is int else 3.0)

    fused = fuse(scaled)
    for c in (1, True, np.float64(1), np.float32(1), 1.0, 1, True):
        as_plain(scaled, X, c=c, fused=fused)
    fused = fuse(chosen)
    for c in ((1, 2), (1.0, 2), (True, 2)):
        as_plain(chosen, X, c=c, fused=fused)


def test_minus_zero_is_another_number(engine):
    def signed(x, *, c):
        return x * math.copysign(1.0, c)

    fused = fuse(signed)
    for c in (0.0, -0.0):
        as_plain(signed, X, c=c, fused=fused)


def test_a_number_may_decide_how_much_is_returned(engine):
    def one_or_two(x, y, *, w):
        return (x * w, y) if w > 1 else x * w

    fused = fuse(one_or_two)
    for w in (0.5, 2.0, 0.25, 3.0):
        as_plain(one_or_two, X, Y, w=w, fused=fused)


def test_python_around_numbers_goes_the_same_way(engine):
    """``isinstance`` of an option, and a function that catches what it cannot know of."""

    def by_type(x, *, w):
        return x * (2.0 if isinstance(w, float) else 3.0)

    def careful(x, *, w):
        try:
            return x * math.sqrt(w)
        except Exception:
            return x * 7.0

    as_plain(by_type, X, w=1.5)
    as_plain(careful, X, w=2.0)


def test_arrays_with_two_names_change_under_both(engine, said):
    def aliased(x, y):
        z = x * 1.0
        kept = z
        z *= 2.0
        return z + kept * y

    def returned(x, y):
        z = x * y
        kept = z
        z += 1.0
        return kept

    def widened(x, y):
        z = x * 2
        z += y
        return z

    def apart(x, y):
        z = x * 1.0
        z *= 2.0
        w = x * 1.0  # the same expression as z was, and another array
        w += y
        return z + w

    for f in (aliased, returned):
        as_plain(f, X, Y)
    as_plain(widened, X, Y.astype("float64"))
    assert len(said()) == 3
    as_plain(apart, X, Y)
    assert len(said()) == 3  # in place, and fused
    given = X.copy()

    def spoils(x):
        x *= 2.0
        return x

    fuse(spoils)(given)
    np.testing.assert_array_equal(given, 2 * X)


def test_arrays_of_one_element_with_more_axes(engine):
    as_plain(lambda x: x * array_namespace(x).full((1, 1), 2.0, dtype=x.dtype), X)
    as_plain(lambda x: x * array_namespace(x).full((1,), 2.0, dtype=x.dtype), X.reshape(30, 10))


def test_an_option_that_changes_at_every_call_is_not_compiled_for_ever(engine, said):
    fused = fuse(lambda x, *, c: x * c)
    by_value = fuse(lambda x, *, c: x * math.exp(c))
    for c in range(60):
        np.testing.assert_array_equal(fused(X, c=c), X * np.float32(c))
        np.testing.assert_allclose(by_value(X, c=c / 60), X * math.exp(c / 60), rtol=1e-6)
    assert len(fused._fused._kernels) <= 32
    assert "another option at every call" in " ".join(said())


def rule(name, slots, update, init_slots=None):
    """An optimizer of that name."""
    body = {"__annotations__": {"lr": Any}, "lr": 0.1, "slots": slots, "update": update}
    if init_slots is not None:
        body["init_slots"] = init_slots
    return dataclass(frozen=True)(type(name, (Optimizer,), body))()


MOVING = {
    "shift": rule("Shift", ("a", "b", "c"), lambda s, t, g, a, b, c, lr, step: (t - lr * (g + c), g, a, b)),
    "swap": rule(
        "Swap",
        ("a", "b"),
        lambda s, t, g, a, b, lr, step: (t - lr * g * a, b, a),
        lambda s, t: (t * 0 + 1, t),
    ),
    "with theta": rule("WithTheta", ("a",), lambda s, t, g, a, lr, step: (a, t), lambda s, t: (t * 0 + 2,)),
    "one array for two": rule(
        "OneForTwo",
        ("a", "b"),
        lambda s, t, g, a, b, lr, step: (t - lr * (g + a - b), a + g, b - g),
        lambda s, t: (t * 0,) * 2,
    ),
}


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize("how", ["blocks", "numba", "off"])
def test_slots_that_move_on(how, name, monkeypatch):
    """Values that go from slot to slot are read before they are overwritten, fused or not."""
    if how == "numba":
        pytest.importorskip("numba")
    monkeypatch.setenv("LEARNKIT_FUSE", how)
    rule, n = MOVING[name], 40_000
    draw = np.random.default_rng(0)
    theta = draw.normal(size=n)
    state = init_state(rule, theta, Layout(("w",), ((n,),)))
    other = rule.init({"w": theta.copy()})
    params = {"w": theta.copy()}
    for _ in range(4):
        grad = draw.normal(size=n)
        update_in_place(rule, theta, grad, state, blocks=True)
        params, other = rule.apply(params, {"w": grad}, other)
    np.testing.assert_allclose(theta, params["w"], rtol=1e-12, atol=1e-12)
    for slot in rule.slots:
        np.testing.assert_allclose(state.slots[slot][0], other.slots[slot][0], rtol=1e-12, atol=1e-12)


def test_vectors_that_a_kernel_would_copy_are_left_to_the_caller(engine):
    """An update of the copy would be lost."""
    rule = MOVING["shift"]
    spread = [np.zeros(100)[::2] for _ in range(5)]
    assert bound_update(rule, spread) is None
    still = [np.zeros(50) for _ in range(5)]
    still[0].flags.writeable = False
    assert bound_update(rule, still) is None


def test_an_option_that_is_an_array_or_a_variable(engine):
    """It has a gradient, and leaves no kernel behind."""
    fused = fuse(lambda x, *, c: x * c)
    x = X.astype("float64")
    for _ in range(3):
        gradient = grad(lambda c: array_namespace(c).sum(fused(x, c=c)))(np.asarray(2.0))
        np.testing.assert_allclose(gradient, x.sum(), atol=1e-12)
        np.testing.assert_array_equal(fused(x, c=x), x * x)
    assert not fused._fused._kernels


def test_a_method_that_is_replaced_is_traced_again(engine):
    """As an editor does that loads changed code into a running process."""

    @dataclass(frozen=True)
    class Changing(ElementwiseLoss):
        def formula(self, y_pred, y_true):
            return (y_pred - y_true) ** 2

    loss, x, y = Changing(), X.astype("float64"), Y.astype("float64")
    before = loss(x, y)
    Changing.formula = lambda self, y_pred, y_true: 5 * (y_pred - y_true) ** 2
    np.testing.assert_allclose(loss(x, y), 5 * before)
    code = (lambda self, y_pred, y_true: 7 * (y_pred - y_true) ** 2).__code__
    Changing.formula.__code__ = code
    np.testing.assert_allclose(loss(x, y), 7 * before)

    @dataclass(frozen=True)
    class Moving(Optimizer):
        lr: float = 0.5

        def update(self, theta, grad, *, lr, step):
            return (theta - lr * grad,)

    for factor in (1.0, 3.0):
        vectors = [np.zeros(4), np.ones(4)]
        update = bound_update(Moving(), vectors)
        assert update(0.5, 1)
        np.testing.assert_array_equal(vectors[0], -0.5 * factor)
        Moving.update = lambda self, theta, grad, *, lr, step: (theta - 3 * lr * grad,)


def test_a_loss_that_overrides_its_terms(engine):
    @dataclass(frozen=True)
    class Tripled(MSE):
        def terms(self, y_pred, y_true, mask=None):
            values, weights = super().terms(y_pred, y_true, mask)
            return 3 * values, weights

    np.testing.assert_allclose(Tripled()(X, Y), 3 * MSE()(X, Y), rtol=1e-6)


def test_a_root_of_a_negative_number_is_complex(engine):
    def rooted(x, *, c):
        return x * c**0.5

    fused = fuse(rooted)
    for c in (4.0, -1.0, 9.0, -4.0):
        as_plain(rooted, X, c=c, fused=fused)
    as_plain(rooted, X, c=-1.0)


def test_text_made_of_an_option(engine):
    as_plain(lambda x, *, c: x * len(f"{c}"), X, c=2.75)
    as_plain(lambda x, *, c: x * float(str(c)), X, c=2.75)


def test_arrays_with_rules_of_their_own(engine):
    """A mask stays, and what Numba knows no numbers of is left to NumPy."""
    masked = fuse(lambda x: x * 2)(np.ma.masked_array(X, X > 0))
    assert isinstance(masked, np.ma.MaskedArray)
    np.testing.assert_array_equal(masked.mask, X > 0)
    as_plain(lambda x: x * 2, X.astype("longdouble"))

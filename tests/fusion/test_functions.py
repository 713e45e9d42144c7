"""Fused functions beside the same functions run plainly: values, dtypes, shapes, and what is not fused."""

from __future__ import annotations

import array_api_compat.numpy as xp
import array_api_strict
import numpy as np
import pytest

from learnkit import array_namespace, check_grads, fuse, grad, value_and_grad
from learnkit.fusion import Fused
from learnkit.fusion.launch import BLOCK, SHARED
from learnkit.fusion.operations import OPERATIONS

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, -1e-30, 88.6, -103.0, 20.0, np.inf, -np.inf, np.nan, 3e38, 1e-42]
#: Where a function is wanted only inside its domain, to compare values and not warnings.
BINARY = {"add", "atan2", "copysign", "divide", "hypot", "logaddexp", "maximum", "minimum", "multiply", "pow"}
BINARY |= {"subtract", "equal", "greater", "greater_equal", "less", "less_equal", "not_equal"}
LOGICAL = {"logical_and", "logical_or", "logical_xor", "logical_not"}


def numbers(dtype, n=3000, seed=0):
    draw = np.random.default_rng(seed).standard_normal(n) * 3
    return np.concatenate([draw, SPECIAL]).astype(dtype)


def kernel_of(fused):
    (kernel,) = fused._kernels.values()
    return kernel


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - LOGICAL - {"erf"}))
def test_each_function_of_the_standard(engine, name, dtype):
    """The bits of NumPy with blocks; with Numba to a few units in the last place, and exact where special."""
    x = numbers(dtype)
    args = (x, np.roll(numbers(dtype, seed=1), 7)) if name in BINARY else (x,)
    plain = getattr(xp, name)
    fused = Fused(lambda *a: getattr(array_namespace(a[0]), name)(*a))
    with np.errstate(all="ignore"):
        want, got = plain(*args), fused(*args)
    assert kernel_of(fused).reason == ""
    assert got.dtype == want.dtype
    if engine == "blocks" or want.dtype == bool:
        np.testing.assert_array_equal(got, want)
        return
    usual = np.isfinite(want)
    np.testing.assert_array_equal(got[~usual], want[~usual])
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    if name in ("tan",):
        tolerance *= 10  # near its poles
    near_zero = 1e-7 if name == "logaddexp" else 1e-37  # where it is 0, its parts cancel
    np.testing.assert_allclose(got[usual], want[usual], rtol=tolerance, atol=near_zero)


@pytest.mark.parametrize("name", sorted(LOGICAL))
def test_logical_functions(engine, name):
    a, b = numbers("float32") > 0, np.roll(numbers("float32"), 5) > 0
    args = (a,) if name == "logical_not" else (a, b)
    fused = Fused(lambda *a: getattr(array_namespace(a[0]), name)(*a))
    np.testing.assert_array_equal(fused(*args), getattr(np, name)(*args))
    assert kernel_of(fused).reason == ""


def mixture(x, y, *, rate=0.5, power=3.0):
    space = array_namespace(x, y)
    z = rate * x + (1 - rate) * y**2 - space.where(space.less(x, y), space.exp(-x * x), 0.25 * y)
    return space.astype(z, y.dtype) / (1.0 + abs(x) ** power)


@pytest.mark.parametrize("shape", [(1,), (7,), (4, 5), (2, 3, 4), (BLOCK + 1,), (SHARED + 3,)])
def test_shapes_and_sizes(engine, shape):
    x, y = (np.random.default_rng(s).standard_normal(shape).astype("float32") for s in (1, 2))
    got = fuse(mixture)(x, y)
    want = mixture(x, y)
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=3e-6, atol=1e-6)


def test_bits_do_not_depend_on_threads_or_blocks(engine, monkeypatch):
    """Elementwise results and sums are the same for one thread, for three, and for other blocks."""
    from learnkit.backends import threads
    from learnkit.fusion import launch

    x = np.random.default_rng(0).standard_normal(SHARED * 2 + 77).astype("float32")
    y = x[::-1].copy()
    results = []
    for count, block in (("1", BLOCK), ("3", BLOCK), ("2", 1000)):
        monkeypatch.setenv("LEARNKIT_THREADS", count)
        monkeypatch.setattr(threads, "_pool", None)
        if engine == "blocks":
            monkeypatch.setattr(launch, "BLOCK", block)
        total = fuse(lambda x, y: array_namespace(x).mean(mixture(x, y)))
        value, gradient = value_and_grad(total, argnums=0)(x, y)
        results.append((fuse(mixture)(x, y), gradient, *([value] if block == BLOCK else [])))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=False):
            np.testing.assert_array_equal(a, b)
    monkeypatch.setattr(threads, "_pool", None)


def test_awkward_arrays(engine):
    """Views with gaps, transposed, read-only and unaligned arrays, 0-d operands and Python numbers."""
    f = fuse(lambda x, y: x * y + array_namespace(x).tanh(x))
    base = np.random.default_rng(0).standard_normal((6, 8)).astype("float32")
    frozen = base.copy()
    frozen.flags.writeable = False
    unaligned = np.frombuffer(b"x" + base.tobytes(), dtype="float32", offset=1).reshape(6, 8)
    for x in (base, base[:, ::2], base.T, frozen, unaligned, np.asfortranarray(base)):
        for y in (x, 2.0, 3, np.float32(1.5), np.asarray(0.5, "float32")):
            want = x * y + np.tanh(x)
            np.testing.assert_allclose(f(x, y), want, rtol=2e-6, atol=1e-6)
            assert f(x, y).dtype == want.dtype


def test_dtypes_that_are_not_fused_run_as_they_are(engine, said):
    f = Fused(lambda x: x * 2 + 1)
    for x in (np.arange(3), np.ones(3, "float16"), np.ones(3, ">f4"), np.ones(3, "complex64")):
        got = f(x)
        np.testing.assert_array_equal(got, x * 2 + 1)
        assert got.dtype == (x * 2 + 1).dtype


def test_other_libraries_run_as_they_are():
    x = array_api_strict.asarray([1.0, 2.0], device=array_api_strict.Device("device1"))
    got = fuse(lambda x: x * x)(x)
    assert got.device == x.device
    assert [float(v) for v in (got[0], got[1])] == [1.0, 4.0]


def test_empty_arrays_and_arrays_without_axes(engine):
    f = fuse(lambda x: x * x)
    assert f(np.zeros((0, 3))).shape == (0, 3)
    assert f(np.float64(3.0)) == 9.0


@pytest.mark.parametrize(
    ("function", "said_of_it"),
    [
        (lambda x: x[::-1], "indexing"),
        (lambda x: array_namespace(x).sum(x, axis=0), "along an axis"),
        (lambda x: array_namespace(x).matmul(x, x), "matmul is not elementwise"),
        (lambda x: x if array_namespace(x).any(x > 0) else -x, "any is not elementwise"),
        (lambda x: array_namespace(x).sum(x) + 1.0, "after the sum"),
        (lambda x: x + np.ones((3, 3)), "no argument"),
        (lambda x: array_namespace(x).reshape(x, (-1,)), "shape"),
    ],
)
def test_what_cannot_be_fused_runs_plainly_and_is_said_once(engine, said, function, said_of_it):
    x = np.arange(9.0).reshape(3, 3) - 4
    f = fuse(function)
    for _ in range(2):
        np.testing.assert_array_equal(f(x), function(x))
    (line,) = said()
    assert "runs unfused" in line
    assert said_of_it in line
    variable_result = grad(lambda x: array_namespace(x).sum(f(x)))(x)
    assert variable_result.shape == x.shape


def test_mistakes_come_out_as_they_are(engine):
    def wrong(x):
        raise ValueError("a mistake of the author")

    with pytest.raises(ValueError, match="a mistake of the author"):
        fuse(wrong)(np.ones(3))


def test_numbers_may_change_without_a_new_kernel(engine, monkeypatch):
    """Python numbers and float options are arguments; what is computed of them alone is done in double."""
    from learnkit.fusion import fused as module

    made = []
    compiled = module._compiled
    monkeypatch.setattr(module, "_compiled", lambda *a: made.append(1) or compiled(*a))
    f = fuse(lambda x, s, *, rate=1.0: x * (1 - rate**s) + min(rate, 0.5))
    x = np.linspace(0, 1, 50, dtype="float32")
    for s in range(1, 6):
        for rate in (0.1, 0.2, 0.3):
            want = x * np.float32(1 - rate**s) + np.float32(rate)
            np.testing.assert_allclose(f(x, s, rate=rate), want, rtol=1e-6)
    assert len(made) == 1
    np.testing.assert_allclose(f(x, 2, rate=0.75), x * np.float32(1 - 0.75**2) + np.float32(0.5), rtol=1e-6)
    assert len(made) == 2  # min(rate, 0.5) is another number now


def test_functions_of_python_numbers_only_have_a_kernel_for_each_value(engine):
    import math

    f = Fused(lambda x, *, rate: x * math.log(rate))
    x = np.linspace(0, 1, 5)
    for rate in (2.0, 3.0, 2.0):
        np.testing.assert_allclose(f(x, rate=rate), x * math.log(rate), rtol=1e-15)
    assert kernel_of(f).reason == ""


def test_several_results(engine):
    f = fuse(lambda x: (x * 2, array_namespace(x).greater(x, 0)))
    x = np.asarray([-1.0, 0.0, 2.0])
    doubled, positive = f(x)
    np.testing.assert_array_equal(doubled, x * 2)
    np.testing.assert_array_equal(positive, x > 0)


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_a_sum_at_the_end_loses_nothing(engine, reduce):
    """A million float32 numbers whose plain sum would lose digits."""
    x = np.random.default_rng(0).random(1_000_000, dtype="float32") + 1000
    f = fuse(lambda x: getattr(array_namespace(x), reduce)(x * x))
    want = getattr(np, reduce)((x * x).astype("float64"))
    got = f(x)
    assert got.dtype == np.float32
    assert abs(float(got) / want - 1) < 1e-7


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_gradients_of_every_order(engine, name):
    """Against differences, first and second order; on torch the function runs as it is."""
    library = pytest.importorskip(name)
    draw = np.random.default_rng(3).standard_normal((2, 6))
    x, y = (library.asarray(d) for d in draw)
    check_grads(fuse(mixture), x, y, order=2)
    check_grads(fuse(lambda x, y: array_namespace(x).mean(mixture(x, y))), x, y, order=2)


def test_the_gradient_is_fused_too(engine, said):
    f = fuse(
        lambda x, y, *, delta: array_namespace(x).mean(array_namespace(x).sqrt(1 + ((x - y) / delta) ** 2))
    )
    x, y = np.random.default_rng(0).standard_normal((2, 30, 4))
    for delta in (0.5, 2.0):
        got = grad(lambda x: f(x, y, delta=delta))(x)  # noqa: B023
        d = (x - y) / delta
        np.testing.assert_allclose(got, d / delta / np.sqrt(1 + d * d) / x.size, rtol=1e-13)
    assert said() == []


@pytest.mark.parametrize("axis", [1, -1, (1,)])
def test_a_mean_of_each_example_before_the_mean_over_the_batch(engine, said, axis):
    """What a loss does that gives one number for each example: together it is the mean of all elements."""
    f = fuse(lambda x, y: array_namespace(x).mean(array_namespace(x).mean((x - y) ** 2, axis=axis)))
    x, y = np.random.default_rng(0).standard_normal((2, 30, 4))
    value, gradient = value_and_grad(f)(x, y)
    np.testing.assert_allclose(value, np.mean((x - y) ** 2), rtol=1e-14)
    np.testing.assert_allclose(gradient, 2 * (x - y) / x.size, rtol=1e-14)
    check_grads(f, x[:3], y[:3], order=2)
    assert said() == []


@pytest.mark.parametrize(
    "function",
    [
        lambda xp, x: xp.mean(x * x, axis=1),
        lambda xp, x: xp.mean(2 * xp.mean(x * x, axis=1)),
        lambda xp, x: xp.sum(xp.mean(x * x, axis=1)),
        lambda xp, x: xp.mean(xp.sum(x * x, axis=1)),
        lambda xp, x: xp.mean(xp.mean(x, axis=0)),
        lambda xp, x: xp.mean(xp.mean(x, axis=1), axis=0, keepdims=True),
    ],
)
def test_other_means_run_plainly(engine, function):
    x = np.random.default_rng(0).standard_normal((5, 3))
    f = fuse(lambda x: function(array_namespace(x), x))
    np.testing.assert_allclose(f(x), function(xp, x), rtol=1e-14)
    got = grad(lambda x: array_namespace(x).sum(f(x)))(x)
    want = grad(lambda x: array_namespace(x).sum(function(array_namespace(x), x)))(x)
    np.testing.assert_allclose(got, want, rtol=1e-14)


def test_a_gradient_for_an_operand_without_axes(engine):
    """Its gradient is a sum, which stands beside another result: correct, though not fused."""
    f = fuse(lambda x, s: x * s)
    x = np.arange(4.0)
    dx, ds = grad(lambda x, s: array_namespace(x).sum(f(x, s)), argnums=(0, 1))(x, np.asarray(3.0))
    np.testing.assert_array_equal(dx, np.full(4, 3.0))
    assert ds == 6.0


def test_the_documentation_stays_with_the_function():
    @fuse
    def documented(x):
        """What it is."""
        return x

    assert documented.__doc__ == "What it is."
    assert documented.__name__ == "documented"
    assert "documented" in repr(documented)

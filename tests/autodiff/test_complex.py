"""Complex numbers: ``dL/da + i dL/db`` for ``z = a + i b``, as in PyTorch, against differences.

Each complex argument counts as two real ones, each complex result too, so that every row checks the
whole real Jacobian, and the one of its gradient.
"""

from __future__ import annotations

import numpy as np
import pytest

from learnkit.autodiff import grad, value_and_grad, vjp
from learnkit.backends import array_namespace
from learnkit.errors import GradientError

rng = np.random.default_rng(29)


def normal(*shape):
    return rng.normal(size=shape)


def twisted(*shape):
    """Complex numbers away from 0 and from the cuts, which lie on the axes."""
    angle = rng.choice([0.4, 1.2, 2.0, 2.7], size=shape) * rng.choice([-1.0, 1.0], size=shape)
    return rng.uniform(0.4, 1.3, size=shape) * np.exp(1j * angle)


def unary(name):
    return {name: (lambda xp, z: getattr(xp, name)(z), twisted(4))}


def binary(name):
    call = lambda xp, a, b: getattr(xp, name)(a, b)  # noqa: E731
    return {
        name: (call, twisted(2, 2), twisted(2, 2)),
        f"{name} broadcast": (call, twisted(2, 1), twisted(2)),
        f"{name} with a real array": (call, twisted(2, 2), 0.4 + normal(2) ** 2),
        f"{name} of a real array": (call, 0.4 + normal(2) ** 2, twisted(2, 1)),
        f"{name} with a number": (lambda xp, a: call(xp, a, 1.3), twisted(2)),
        f"{name} with a complex number": (lambda xp, a: call(xp, a, 0.6 - 1.1j), twisted(2)),
        f"{name} of a number": (lambda xp, a: call(xp, 1.3, a), twisted(2)),
        f"{name} of a complex number": (lambda xp, a: call(xp, 0.6 - 1.1j, a), twisted(2)),
    }


HOLOMORPHIC = """acos acosh asin asinh atan atanh cos cosh exp expm1 log log10 log1p log2 negative positive
reciprocal sin sinh sqrt square tan tanh""".split()

CASES = {
    **{row: case for name in HOLOMORPHIC for row, case in unary(name).items()},
    **{row: case for name in ("abs", "conj", "real", "imag", "sign") for row, case in unary(name).items()},
    **{
        row: case
        for name in ("add", "subtract", "multiply", "divide", "pow")
        for row, case in binary(name).items()
    },
    "pow integer": (lambda xp, z: z**3 + z**-2, twisted(3)),
    "pow complex number of a real array": (lambda xp, x: xp.pow(x, 0.5 + 1.0j), 0.4 + normal(2) ** 2),
    "multiply a real array and i": (lambda xp, x: xp.multiply(1j, x), normal(3)),
    "add a real array and i": (lambda xp, x: xp.exp(xp.add(x, 0.5j)), normal(3)),
    "where": (lambda xp, a, b: xp.where(xp.abs(a) > 0.8, a, b), twisted(4), twisted(4)),
    "where complex and real": (
        lambda xp, a, b: xp.where(xp.abs(a) > 0.8, a, b),
        twisted(4),
        normal(4),
    ),
    "astype to complex": (lambda xp, x: xp.astype(x, xp.complex128) ** 2, normal(3)),
    "sum": (lambda xp, z: xp.sum(z, axis=0, keepdims=True), twisted(2, 2)),
    "mean": (lambda xp, z: xp.mean(z, axis=-1), twisted(2, 2)),
    "prod": (lambda xp, z: xp.prod(z, axis=0), twisted(3, 2)),
    "prod with a zero": (lambda xp, z: xp.prod(z), np.asarray([1.0 + 1.0j, 0.0, 2.0j])),
    "cumulative_sum": (lambda xp, z: xp.cumulative_sum(z), twisted(3)),
    "cumulative_prod": (lambda xp, z: xp.cumulative_prod(z), np.asarray([1.0 + 1.0j, 0.0, 2.0j])),
    "var of the parts": (lambda xp, z: xp.var(xp.real(z)) + xp.std(xp.imag(z)), twisted(4)),
    "reshape": (lambda xp, z: xp.reshape(z, (4,)), twisted(2, 2)),
    "broadcast_to": (lambda xp, z: xp.broadcast_to(z, (2, 2)), twisted(2)),
    "concat": (lambda xp, a, b: xp.concat([a, b]), twisted(1), twisted(2)),
    "stack": (lambda xp, a, b: xp.stack([a, b], axis=-1), twisted(2), twisted(2)),
    "permute_dims": (lambda xp, z: xp.permute_dims(z, (1, 0)), twisted(2, 1)),
    "roll": (lambda xp, z: xp.roll(z, 1), twisted(3)),
    "tile": (lambda xp, z: xp.tile(z, (2,)), twisted(2)),
    "tril": (lambda xp, z: xp.tril(z), twisted(2, 2)),
    "diff": (lambda xp, z: xp.diff(z), twisted(3)),
    "take": (
        lambda xp, z: xp.take(z, xp.asarray([1, 0, 1], dtype=xp.int64, device=z.device), axis=0),
        twisted(2, 2),
    ),
    "getitem": (lambda xp, z: z[1:, ...], twisted(3)),
    "getitem integer array": (
        lambda xp, z: z[xp.asarray([1, 0, 1], dtype=xp.int64, device=z.device)],
        twisted(2),
    ),
    "setitem": (lambda xp, z, w: _assigned(z * z, w), twisted(3), twisted(2)),
    "matmul": (lambda xp, a, b: xp.matmul(a, b), twisted(2, 2), twisted(2, 2)),
    "tensordot": (lambda xp, a, b: xp.tensordot(a, b, axes=1), twisted(2, 2), twisted(2)),
    "vecdot": (lambda xp, a, b: xp.vecdot(a, b), twisted(2, 2), twisted(2)),
    "vecdot complex and real": (lambda xp, a, b: xp.vecdot(a, xp.astype(b, a.dtype)), twisted(2), normal(2)),
}


def _assigned(z, w):
    z[1:] = w
    return z


GROUPS: dict[str, list[str]] = {}
for _row in CASES:
    GROUPS.setdefault(_row.split()[0], []).append(_row)


@pytest.mark.parametrize("row", CASES)
def test_gradient_and_its_gradient_agree_with_differences(row, check_row):
    """Within 1e-6 relative of central differences of the real and imaginary parts, in both orders."""
    check_row(CASES[row])


@pytest.mark.parametrize("name", GROUPS)
def test_gradient_on_every_backend(backend, name, same_as_numpy):
    """Values and gradients elsewhere are those of NumPy, at home, in double and single precision."""
    for row in GROUPS[name]:
        same_as_numpy(backend, CASES[row], dtypes=("float64",) if "astype" in row else ("float64", "float32"))


def test_the_convention(backend):
    """The gradient of |z|^2 is 2 z, of Re z it is 1, of Im z it is i: the direction of steepest ascent."""
    z = backend.asarray(np.asarray(1.0 + 2.0j), "complex128")
    losses = {
        2.0 + 4.0j: lambda xp, z: xp.real(z * xp.conj(z)),
        1.0 + 0.0j: lambda xp, z: xp.real(z),
        0.0 + 1.0j: lambda xp, z: xp.imag(z),
        (1.0 + 2.0j) / 5**0.5: lambda xp, z: xp.abs(z),
        2.0 - 4.0j: lambda xp, z: xp.real(z * z),  # the conjugate of the derivative
    }
    for wanted, loss in losses.items():
        got = grad(lambda z, loss=loss: loss(array_namespace(z), z))(z)
        backend.assert_array(got, np.asarray(wanted), dtype="complex128", rtol=1e-15, atol=1e-15)


def test_descent_descends():
    """z - lr gradient goes to the minimum of |z^2 - w|^2."""
    z = np.asarray(1.0 + 0.2j)
    loss = value_and_grad(lambda z: array_namespace(z).abs(z * z - (1.0 + 2.0j)) ** 2)
    for _ in range(100):
        value, gradient = loss(z)
        z = z - 0.02 * gradient
    assert value < 1e-12
    np.testing.assert_allclose(z * z, 1.0 + 2.0j, rtol=1e-6)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "pow"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_real_operands_have_real_gradients(backend, name, dtype):
    """A real operand beside a complex one gets a gradient of its own dtype, the real part."""
    a = backend.asarray([0.5, 2.0], dtype)
    b = backend.asarray(
        np.asarray([1.0 + 1.0j, 0.3 - 2.0j]), {"float64": "complex128", "float32": "complex64"}[dtype]
    )
    for pair in ((a, b), (b, a)):
        value, pullback = vjp(lambda x, y: getattr(array_namespace(x, y), name)(x, y), *pair)
        assert value.dtype == b.dtype
        for x, g in zip(pair, pullback(backend.xp.ones_like(value)), strict=True):
            assert g.dtype == x.dtype
            backend.assert_here(g)


def test_abs_and_sign_at_zero():
    """The subgradient of |z| at 0 is 0, and sign is constant there."""
    for name in ("abs", "sign"):
        gradient = grad(lambda z, name=name: array_namespace(z).real(getattr(array_namespace(z), name)(z)))
        assert gradient(np.asarray(0.0 + 0.0j)) == 0.0


def test_a_complex_loss_has_no_gradient_but_its_real_part_has():
    """As in PyTorch: there is no smallest complex number to descend to."""
    z = np.asarray(0.7 - 0.4j)
    with pytest.raises(GradientError, match="complex128; only a real floating-point value has a gradient"):
        grad(lambda z: array_namespace(z).exp(z))(z)
    part = grad(lambda z: array_namespace(z).real(array_namespace(z).exp(z)))(z)
    np.testing.assert_allclose(part, np.conj(np.exp(z)), rtol=1e-15)

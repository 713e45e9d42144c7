"""Determinants of singular matrices: the cofactors are finite there, and so are gradients of both orders."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit.autodiff import check_grads, grad, hessian, vjp
from learnkit.backends import array_namespace


def det(a):
    return array_namespace(a).linalg.det(a)


def minor(a, rows, columns):
    """The determinant without these rows and columns."""
    rest = np.delete(np.delete(a, rows, 0), columns, 1)
    return np.linalg.det(rest) if rest.size else 1.0


def cofactors(a):
    """The derivative of the determinant, by its definition."""
    n = len(a)
    return np.asarray([[(-1.0) ** (i + j) * minor(a, [i], [j]) for j in range(n)] for i in range(n)])


def second_cofactors(a):
    """The second derivatives: cofactors of the minors."""
    n = len(a)
    found = np.zeros((n, n, n, n))
    for i, j, k, m in np.ndindex(n, n, n, n):
        if i != k and j != m:
            sign = (-1.0) ** (i + j + k + m) * (1.0 if (k > i) == (m > j) else -1.0)
            found[i, j, k, m] = sign * minor(a, [i, k], [j, m])
    return found


rng = np.random.default_rng(21)
_four = rng.normal(size=(4, 4))
SINGULAR = {
    "rank 1 of 2": [[1.0, 2.0], [2.0, 4.0]],
    "zeros": np.zeros((2, 2)),
    "rounded rank 2 of 3": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]],
    "rank 2 of 3": [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 1.0]],
    "rank 1 of 3": np.ones((3, 3)),
    "zeros of 3": np.zeros((3, 3)),
    "rank 2 of 4": np.diag([0.0, 0.0, 1.0, 2.0]),
    "rank 3 of 4": np.concatenate([_four[:3], [_four[0] - _four[2]]]),
    "one number": [[0.0]],
    "equal singular values": np.eye(3),
    "invertible": _four,
}


@pytest.mark.parametrize("name", SINGULAR)
def test_first_and_second_derivatives_are_cofactors(name):
    """Whatever the rank, those of the definition; PyTorch gives 0 at a singular matrix in the first order."""
    a = np.asarray(SINGULAR[name])
    np.testing.assert_allclose(grad(det)(a), cofactors(a), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(hessian(det)(a), second_cofactors(a), rtol=1e-12, atol=1e-12)
    check_grads(det, a, order=2)


def test_on_every_backend(backend):
    """A batch with a singular matrix, in both precisions, without waiting for the device."""
    a = np.stack([np.ones((3, 3)), np.eye(3), np.asarray(SINGULAR["rank 2 of 3"])])
    wanted = np.stack([cofactors(m) for m in a])
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
        x = backend.asarray(a, dtype)
        with backend.no_sync():
            got = grad(lambda x: array_namespace(x).sum(det(x)))(x)
        backend.assert_array(got, wanted, like=x, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(0, 2, 2), (3, 0, 0), (2, 2, 1, 1)])
def test_batches_and_matrices_without_elements(backend, shape):
    x = backend.xp.ones(shape, dtype=backend.xp.float64, device=backend.device)
    value, pullback = vjp(det, x)
    backend.assert_array(value, np.ones(shape[:-2]))
    backend.assert_array(pullback(value)[0], np.ones(shape), like=x)


def test_complex_singular_matrices():
    """First and second order beside differences, which are exact for a polynomial."""
    a = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    a[2] = (1.0 - 2.0j) * a[0]
    w = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))

    def part(a):
        return array_namespace(a).real(det(a) * (2.0 - 1.0j))

    def slope(a):
        xp = array_namespace(a)
        return xp.sum(xp.real(xp.multiply(grad(part)(a), w)))

    for fn in (part, slope):
        wanted = np.zeros_like(a)
        for place in np.ndindex(3, 3):
            for unit in (1.0, 1j):
                step = np.zeros_like(a)
                step[place] = 0.5 * unit
                two = (
                    4.0 * (fn(a + step) - fn(a - step)) - 0.5 * (fn(a + 2 * step) - fn(a - 2 * step))
                ) / 3.0
                wanted[place] += unit * two
        np.testing.assert_allclose(grad(fn)(a), wanted, rtol=1e-11, atol=1e-11)


def test_third_order_of_an_invertible_matrix():
    """det(t A) = t^3 det(A), whose third derivative is 6 det(A)."""

    def cubic(t):
        xp = array_namespace(t)
        return det(xp.multiply(t, xp.asarray([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 1.0]])))

    np.testing.assert_allclose(grad(grad(grad(cubic)))(np.asarray(0.7)), 6.0 * 7.0, rtol=1e-12)


def test_a_matrix_that_is_not_finite():
    """Its own gradient is NaN, that of the others in the batch is not touched."""
    a = np.stack([np.eye(2), np.full((2, 2), np.nan)])
    with np.errstate(all="ignore"):
        got = grad(lambda x: array_namespace(x).sum(det(x)))(a)
    assert np.isnan(got[1]).all()
    np.testing.assert_allclose(got[0], np.eye(2), atol=1e-15)


def test_slogdet_of_a_singular_matrix(backend):
    """NaN where the infinite logarithm counts, 0 where it is masked, and no error for the whole batch."""
    a = backend.asarray(np.stack([np.ones((2, 2)), 2.0 * np.eye(2)]), "float64")

    def total(masked):
        def fn(x):
            xp = array_namespace(x)
            sign, logabsdet = xp.linalg.slogdet(x)
            return xp.sum(xp.where(xp.equal(sign, 0.0), 0.0, logabsdet) if masked else logabsdet)

        return fn

    with backend.no_sync():
        got = grad(total(True))(a)
    got = backend.to_numpy(got)
    np.testing.assert_allclose(got, [np.zeros((2, 2)), 0.5 * np.eye(2)], atol=1e-15)
    got = backend.to_numpy(grad(total(False))(a))
    assert np.isnan(got[0]).all()
    np.testing.assert_allclose(got[1], 0.5 * np.eye(2), atol=1e-15)

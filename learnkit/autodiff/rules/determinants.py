"""Determinants, batched over leading axes, with gradients at singular matrices too.

The derivative of a determinant is the matrix of its cofactors, a polynomial in the entries that is finite
everywhere. It is computed from the singular values, as in Stewart 1998, "On the adjugate matrix": of
``U S Vh`` the conjugate cofactors are ``conj(det U det Vh) U D Vh`` with the products of all *other*
singular values on the diagonal of ``D``. Nothing is divided by the determinant.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import array_api_compat

from learnkit.autodiff.composite import several
from learnkit.autodiff.primitive import primitive
from learnkit.autodiff.rules.complex import conjugate, hermitian, is_complex, to_dtype
from learnkit.autodiff.tape import Node
from learnkit.backends.base import Array

__all__ = ["det", "slogdet"]

Parents = tuple[Node | None, ...]


@primitive()
def det(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """The determinant. First and second derivatives exist at every matrix, further ones are given at
    invertible matrices."""
    return xp.linalg.det(x), x


@det.rule
def _det_rule(xp: Any, g: Array, a: Array, parents: Parents) -> tuple[Array]:
    return (xp.multiply(_as_matrix(xp, g), _conjugate_cofactors(xp, a)),)


def _conjugate_cofactors(xp: Any, a: Array) -> Array:
    if _is_wrapped(a) and _is_wrapped(a.data):  # third and further derivatives
        d = _as_matrix(xp, conjugate(xp, xp.linalg.det(a)))
        return xp.multiply(d, hermitian(xp, xp.linalg.inv(a)))
    return cofactors(a)


@primitive()
def cofactors(xp: Any, a: Array, /) -> tuple[Array, Any]:
    """The conjugates of the derivatives of the determinant; NaN for a matrix that is not finite."""
    finite = _as_matrix(xp, xp.all(xp.isfinite(a), axis=(-2, -1)))
    u, s, vh = xp.linalg.svd(xp.where(finite, a, _identity(xp, a)))
    sign = _as_matrix(xp, conjugate(xp, xp.multiply(xp.linalg.det(u), xp.linalg.det(vh))))
    before, after = _products_around(xp, s)
    others = xp.expand_dims(to_dtype(xp, xp.multiply(before, after), u.dtype), axis=-2)
    value = xp.multiply(sign, xp.matmul(xp.multiply(u, others), vh))
    return xp.where(finite, value, xp.full_like(value, xp.nan)), (u, s, vh, sign, finite)


@cofactors.rule
def _cofactors_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    """The change of the cofactors of ``S + M``, ``M = U^H g V``: products of all but two singular values."""
    u, s, vh, sign, finite = saved
    m = xp.matmul(xp.matmul(hermitian(xp, u), g), hermitian(xp, vh))
    pairs = to_dtype(xp, _products_without_two(xp, s), u.dtype)
    diagonal = xp.sum(xp.multiply(m, _identity(xp, m)), axis=-1)
    on = xp.matmul(pairs, xp.expand_dims(diagonal, axis=-1))
    change = xp.subtract(xp.multiply(on, _identity(xp, m)), xp.multiply(pairs, xp.matrix_transpose(m)))
    value = xp.multiply(sign, xp.matmul(xp.matmul(u, conjugate(xp, change)), vh))
    return (xp.where(finite, value, xp.full_like(value, xp.nan)),)


def _products_around(xp: Any, s: Array) -> tuple[Array, Array]:
    """The products of all entries before each and of all after each, along the last axis."""
    n = s.shape[-1]
    before = xp.cumulative_prod(s, axis=-1, include_initial=True)[..., :n]
    after = xp.flip(xp.cumulative_prod(xp.flip(s, axis=-1), axis=-1, include_initial=True)[..., :n], axis=-1)
    return before, after


def _products_without_two(xp: Any, s: Array) -> Array:
    """At row i and column j the product of all entries but the i-th and j-th; 0 where i is j."""
    n = s.shape[-1]
    before, after = _products_around(xp, s)
    row = xp.broadcast_to(xp.expand_dims(s, axis=-2), (*s.shape, n))
    above = xp.triu(xp.ones_like(row), k=1)
    row = xp.where(xp.greater(above, 0), row, xp.ones_like(row))
    between = xp.cumulative_prod(row, axis=-1, include_initial=True)[..., :n]
    product = xp.multiply(
        xp.expand_dims(before, axis=-1), xp.multiply(between, xp.expand_dims(after, axis=-2))
    )
    upper = xp.multiply(product, above)
    return xp.add(upper, xp.matrix_transpose(upper))


class SlogdetResult(NamedTuple):
    """Sign and logarithm of the absolute value of a determinant."""

    sign: Array
    logabsdet: Array


def _slogdet_forward(xp: Any, x: Array, /) -> tuple[tuple[Array, ...], Any]:
    sign, logabsdet = xp.linalg.slogdet(x)
    return (sign, logabsdet), (x, sign)


def _slogdet_backward(xp: Any, gs: tuple[Any, ...], saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    """The inverse times the gradient; of a singular matrix NaN, and 0 where no gradient arrives."""
    a, sign = saved
    g_sign, g_log = gs
    weight = g_log
    if g_sign is not None and is_complex(sign):
        turn = xp.real(xp.multiply(xp.conj(g_sign), xp.multiply(1j, sign)))
        imaginary = xp.multiply(1j, xp.astype(turn, sign.dtype))
        weight = imaginary if weight is None else xp.add(xp.astype(weight, sign.dtype), imaginary)
    if weight is None:  # the sign of a real determinant is constant
        return (xp.zeros_like(a),)
    singular = xp.equal(sign, 0)
    inverse = xp.linalg.inv(xp.where(_as_matrix(xp, singular), _identity(xp, a), a))
    infinite = xp.logical_and(singular, xp.not_equal(weight, 0))
    weight = to_dtype(xp, xp.where(infinite, xp.full_like(weight, xp.nan), weight), a.dtype)
    return (xp.multiply(_as_matrix(xp, weight), hermitian(xp, inverse)),)


#: Sign and log of the absolute determinant of an invertible matrix.
slogdet = several(
    "slogdet",
    _slogdet_forward,
    _slogdet_backward,
    SlogdetResult,
)


def _is_wrapped(x: Array) -> bool:
    return getattr(type(x), "wraps_arrays", False)


def _as_matrix(xp: Any, x: Array) -> Array:
    """A batch of numbers as a batch of 1 x 1 matrices."""
    return xp.expand_dims(xp.expand_dims(x, axis=-1), axis=-1)


def _identity(xp: Any, a: Array) -> Array:
    return xp.eye(a.shape[-1], dtype=a.dtype, device=array_api_compat.device(a))

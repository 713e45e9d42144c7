"""Linear systems and decompositions, batched over leading axes.

The rules are those of PyTorch, with gradients of complex matrices as conjugates. Each holds where the
function is smooth: an invertible matrix, distinct eigenvalues or singular values, constant rank. The
docstrings say which; elsewhere the result is infinite or NaN rather than wrong in silence.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import array_api_compat

from learnkit.autodiff.composite import several
from learnkit.autodiff.primitive import Primitive, primitive
from learnkit.autodiff.rules.complex import hermitian, is_complex, to_dtype
from learnkit.autodiff.rules.determinants import det, slogdet
from learnkit.autodiff.rules.elementwise import fit
from learnkit.autodiff.tape import Node
from learnkit.autodiff.variable import plain_value
from learnkit.backends.base import Array
from learnkit.errors import GradientError

__all__ = ["DECOMPOSITIONS"]

Parents = tuple[Node | None, ...]


@primitive()
def inv(xp: Any, x: Array, /) -> tuple[Array, Any]:
    """The inverse of an invertible matrix."""
    y = xp.linalg.inv(x)
    return y, y


@inv.rule
def _inv_rule(xp: Any, g: Array, y: Array, parents: Parents) -> tuple[Array]:
    yh = hermitian(xp, y)
    return (xp.negative(xp.matmul(xp.matmul(yh, g), yh)),)


@primitive()
def solve(xp: Any, x1: Array, x2: Array, /) -> tuple[Array, Any]:
    """``x`` with ``x1 x = x2``, for an invertible ``x1``; a 1-D ``x2`` is one vector."""
    x = xp.linalg.solve(x1, x2)
    return x, (x1, x, (x2.shape, x2.dtype))


@solve.rule
def _solve_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    a, x, kind = saved
    vector = len(kind[0]) == 1
    if vector:
        x, g = xp.expand_dims(x, axis=-1), xp.expand_dims(g, axis=-1)
    db = xp.linalg.solve(hermitian(xp, a), g)
    da = None
    if parents[0] is not None:
        da = fit(xp, xp.negative(xp.matmul(db, hermitian(xp, x))), (a.shape, a.dtype))
    if vector:
        db = xp.squeeze(db, axis=-1)
    return da, (None if parents[1] is None else fit(xp, db, kind))


@primitive()
def cholesky(xp: Any, x: Array, /, *, upper: bool = False) -> tuple[Array, Any]:
    """``L`` with ``L L^H = x`` (or ``U`` with ``U^H U = x``), for a positive definite matrix.

    The gradient is Hermitian, as if ``x`` had been symmetrised first.
    """
    y = xp.linalg.cholesky(x, upper=upper)
    return y, (y, upper)


@cholesky.rule
def _cholesky_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    y, upper = saved
    low, gl = (hermitian(xp, y), hermitian(xp, g)) if upper else (y, g)
    phi = xp.tril(xp.matmul(hermitian(xp, low), gl))
    phi = xp.subtract(phi, xp.multiply(0.5, _diagonal_part(xp, phi)))
    right = xp.linalg.inv(low)
    whole = xp.matmul(xp.matmul(hermitian(xp, right), phi), right)
    return (xp.multiply(0.5, xp.add(whole, hermitian(xp, whole))),)


class EighResult(NamedTuple):
    """Eigenvalues, ascending, and eigenvectors as columns."""

    eigenvalues: Array
    eigenvectors: Array


def _eigh_forward(xp: Any, x: Array, /) -> tuple[tuple[Array, ...], Any]:
    w, v = xp.linalg.eigh(x)
    return (w, v), (w, v)


def _eigh_backward(xp: Any, gs: tuple[Any, ...], saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    w, v = saved
    gw, gv = gs
    vh = hermitian(xp, v)
    inner = None
    if gv is not None:
        vhg = xp.matmul(vh, gv)
        skew = xp.multiply(
            0.5, xp.subtract(vhg, hermitian(xp, vhg))
        )  # the rest would leave Hermitian matrices
        inner = _off_diagonal(xp, _over(xp, skew, to_dtype(xp, _differences(xp, w), v.dtype)))
    if gw is not None:
        values = _diagonal_matrix(xp, to_dtype(xp, gw, v.dtype))
        inner = values if inner is None else xp.add(inner, values)
    return (xp.matmul(xp.matmul(v, inner), vh),)


#: Eigenvalues and vectors of a Hermitian matrix; the vectors' gradient needs distinct eigenvalues.
#: The gradient is Hermitian, as if the matrix had been symmetrised first.
eigh = several("eigh", _eigh_forward, _eigh_backward, EighResult)


class EigResult(NamedTuple):
    """Eigenvalues and eigenvectors as columns, complex."""

    eigenvalues: Array
    eigenvectors: Array


def _eig_forward(xp: Any, x: Array, /) -> tuple[tuple[Array, ...], Any]:
    w, v = xp.linalg.eig(x)
    if not is_complex(w):  # some libraries return real numbers where they can, against the standard
        dtype = xp.complex64 if w.dtype == xp.float32 else xp.complex128
        w, v = xp.astype(w, dtype), xp.astype(v, dtype)
    return (w, v), (w, v, x.dtype)


def _eig_backward(xp: Any, gs: tuple[Any, ...], saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    w, v, dtype = saved
    gw, gv = gs
    vh = hermitian(xp, v)
    inner = None
    if gv is not None:
        vhg = xp.matmul(vh, gv)
        length = _diagonal_part(xp, xp.astype(xp.real(vhg), v.dtype))
        inner = xp.subtract(vhg, xp.matmul(xp.matmul(vh, v), length))
        inner = _over(xp, inner, xp.conj(_differences(xp, w)))
        inner = xp.subtract(inner, _diagonal_part(xp, inner))
    if gw is not None:
        values = _diagonal_matrix(xp, gw)
        inner = values if inner is None else xp.add(inner, values)
    return (to_dtype(xp, xp.linalg.solve(vh, xp.matmul(inner, vh)), dtype),)


#: Eigenvalues and vectors of a diagonalisable matrix with distinct eigenvalues.
eig = several("eig", _eig_forward, _eig_backward, EigResult)


class SVDResult(NamedTuple):
    """``U S Vh`` with singular values descending."""

    U: Array
    S: Array
    Vh: Array


def _svd_forward(xp: Any, x: Array, /, *, full_matrices: bool = True) -> tuple[tuple[Array, ...], Any]:
    u, s, vh = xp.linalg.svd(x, full_matrices=full_matrices)
    return (u, s, vh), (u, s, vh, x if full_matrices and x.shape[-1] != x.shape[-2] else None)


def _svd_backward(xp: Any, gs: tuple[Any, ...], saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    u, s, vh, full = saved
    gu, g_s, gvh = gs
    k = s.shape[-1]
    if full is not None:
        if gu is not None or gvh is not None:
            raise GradientError(
                "svd with full_matrices=True has no gradient for U and Vh of a matrix that is not square: "
                "their last columns are arbitrary",
                hint="use svd(x, full_matrices=False)",
            )
        # Anew, and not the first columns of U, which would ask for a gradient of U in the second order.
        u, _, vh = xp.linalg.svd(full, full_matrices=False)
    uh, v = hermitian(xp, u), hermitian(xp, vh)
    s_row = to_dtype(xp, xp.expand_dims(s, axis=-2), u.dtype)
    s_column = to_dtype(xp, xp.expand_dims(s, axis=-1), u.dtype)
    inner = None
    outside = None
    gap = to_dtype(xp, _differences(xp, xp.square(s)), u.dtype)
    if gu is not None:
        uhg = xp.matmul(uh, gu)
        skew = xp.subtract(uhg, hermitian(xp, uhg))
        if is_complex(u):  # the phase of each column is free; only its imaginary part acts
            phase = _over(xp, _diagonal_part(xp, skew), xp.multiply(2.0, s_row))
        inner = xp.multiply(_off_diagonal(xp, _over(xp, skew, gap)), s_row)
        if is_complex(u):
            inner = xp.add(inner, phase)
        if u.shape[-2] > k:
            rest = xp.subtract(gu, xp.matmul(u, uhg))
            outside = xp.matmul(_over(xp, rest, s_row), vh)
    if gvh is not None:
        gv = hermitian(xp, gvh)
        vhg = xp.matmul(vh, gv)
        skew = xp.subtract(vhg, hermitian(xp, vhg))
        part = xp.multiply(s_column, _off_diagonal(xp, _over(xp, skew, gap)))
        inner = part if inner is None else xp.add(inner, part)
        if vh.shape[-1] > k:
            rest = xp.subtract(gv, xp.matmul(v, vhg))
            part = xp.matmul(u, _over(xp, hermitian(xp, rest), s_column))
            outside = part if outside is None else xp.add(outside, part)
    if g_s is not None:
        values = _diagonal_matrix(xp, to_dtype(xp, g_s, u.dtype))
        inner = values if inner is None else xp.add(inner, values)
    total = xp.matmul(xp.matmul(u, inner), vh)
    return (total if outside is None else xp.add(total, outside),)


#: Singular value decomposition; the vectors' gradients need distinct singular values above 0.
svd = several("svd", _svd_forward, _svd_backward, SVDResult)


class QRResult(NamedTuple):
    """An orthonormal ``Q`` and an upper triangular ``R`` with ``Q R = x``."""

    Q: Array
    R: Array


def _qr_forward(xp: Any, x: Array, /, *, mode: str = "reduced") -> tuple[tuple[Array, ...], Any]:
    q, r = xp.linalg.qr(x, mode=mode)
    return (q, r), (x, q, r, mode)


def _qr_backward(xp: Any, gs: tuple[Any, ...], saved: Any, parents: Parents) -> tuple[Array | None, ...]:
    a, q, r, mode = saved
    gq, gr = gs
    m, n = a.shape[-2:]
    if mode == "complete" and m > n:
        raise GradientError(
            "qr with mode='complete' has no gradient for a matrix with more rows than columns: "
            "the last columns of Q are arbitrary",
            hint="use qr(x, mode='reduced')",
        )
    gq = xp.zeros_like(q) if gq is None else gq
    gr = xp.zeros_like(r) if gr is None else gr
    if m >= n:
        return (_qr_tall(xp, q, r, gq, gr),)
    # a = [x | y], r = [u | v] with v = Q^H y: the first m columns decide Q.
    y, gu, gv = a[..., :, m:], gr[..., :, :m], gr[..., :, m:]
    gq = xp.add(gq, xp.matmul(y, hermitian(xp, gv)))
    return (xp.concat([_qr_tall(xp, q, r[..., :, :m], gq, gu), xp.matmul(q, gv)], axis=-1),)


def _qr_tall(xp: Any, q: Array, r: Array, gq: Array, gr: Array) -> Array:
    inner = xp.subtract(xp.matmul(gr, hermitian(xp, r)), xp.matmul(hermitian(xp, q), gq))
    inner = xp.triu(inner)
    diagonal = _diagonal_part(xp, inner)
    if is_complex(q):
        diagonal = xp.astype(xp.real(diagonal), q.dtype)
    inner = xp.subtract(xp.add(inner, hermitian(xp, inner)), diagonal)
    total = xp.add(gq, xp.matmul(q, inner))
    # Of a matrix that has not full rank NaN, and 0 where no gradient arrives; no error for a whole batch.
    deficient = xp.any(xp.equal(xp.linalg.diagonal(r), 0), axis=-1)
    counts = xp.any(xp.not_equal(total, 0), axis=(-2, -1))
    deficient = xp.expand_dims(xp.expand_dims(deficient, axis=-1), axis=-1)
    counts = xp.expand_dims(xp.expand_dims(counts, axis=-1), axis=-1)
    regular = xp.where(deficient, _eye_like(xp, r), r)
    value = hermitian(xp, xp.linalg.solve(regular, hermitian(xp, total)))
    return xp.where(xp.logical_and(deficient, counts), xp.full_like(value, xp.nan), value)


#: QR decomposition of a matrix of full rank.
qr = several("qr", _qr_forward, _qr_backward, QRResult)


@primitive()
def pinv(xp: Any, x: Array, /, *, rtol: Any = None) -> tuple[Array, Any]:
    """The pseudo-inverse, where the rank does not change."""
    p = xp.linalg.pinv(x, rtol=plain_value(rtol))
    return p, (x, p)


@pinv.rule
def _pinv_rule(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
    """From Golub and Pereyra 1973: dP = -P dA P + P P^H dA^H (I - A P) + (I - P A) dA^H P^H P."""
    a, p = saved
    ph, gh = hermitian(xp, p), hermitian(xp, g)
    first = xp.negative(xp.matmul(xp.matmul(ph, g), ph))
    left = xp.subtract(gh, xp.matmul(a, xp.matmul(p, gh)))
    second = xp.matmul(xp.matmul(left, p), ph)
    right = xp.subtract(gh, xp.matmul(xp.matmul(gh, p), a))
    third = xp.matmul(ph, xp.matmul(p, right))
    return (xp.add(first, xp.add(second, third)),)


def _differences(xp: Any, w: Array) -> Array:
    """``w_j - w_i`` at row i and column j, with 1 on the diagonal, which the callers take out again."""
    gap = xp.subtract(xp.expand_dims(w, axis=-2), xp.expand_dims(w, axis=-1))
    return xp.add(gap, _eye_like(xp, gap))


def _over(xp: Any, numerator: Array, gap: Array) -> Array:
    """The quotient, and 0 where both are 0: there no gradient arrives at what has none."""
    idle = xp.logical_and(xp.equal(gap, 0), xp.equal(numerator, 0))
    return xp.divide(numerator, xp.where(idle, xp.ones_like(gap), gap))


def _eye_like(xp: Any, a: Array) -> Array:
    return xp.eye(a.shape[-2], a.shape[-1], dtype=a.dtype, device=array_api_compat.device(a))


def _diagonal_part(xp: Any, a: Array) -> Array:
    """``a`` with zeros off the diagonal."""
    return xp.multiply(a, _eye_like(xp, a))


def _off_diagonal(xp: Any, a: Array) -> Array:
    return xp.subtract(a, _diagonal_part(xp, a))


def _diagonal_matrix(xp: Any, w: Array) -> Array:
    """Vectors as diagonal matrices."""
    column = xp.expand_dims(w, axis=-1)
    square = xp.broadcast_to(column, (*w.shape, w.shape[-1]))
    return xp.multiply(square, _eye_like(xp, square))


def eigvalsh(xp: Any, x: Array, /) -> Array:
    """Eigenvalues of a Hermitian matrix."""
    return xp.linalg.eigh(x)[0]


def eigvals(xp: Any, x: Array, /) -> Array:
    """Eigenvalues of a square matrix."""
    return xp.linalg.eig(x)[0]


def svdvals(xp: Any, x: Array, /) -> Array:
    """Singular values."""
    return xp.linalg.svd(x, full_matrices=False)[1]


DECOMPOSITIONS: dict[str, Primitive | Any] = {
    "cholesky": cholesky,
    "det": det,
    "eig": eig,
    "eigh": eigh,
    "inv": inv,
    "pinv": pinv,
    "qr": qr,
    "slogdet": slogdet,
    "solve": solve,
    "svd": svd,
}

#: Written in differentiable functions.
COMPOSED: dict[str, Any] = {"eigvals": eigvals, "eigvalsh": eigvalsh, "svdvals": svdvals}

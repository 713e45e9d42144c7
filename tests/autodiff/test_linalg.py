"""Linear algebra: systems, determinants, decompositions and norms, for real and complex matrices.

What a decomposition leaves open, the signs or phases of vectors, is taken out of the results.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from learnkit.autodiff import grad
from learnkit.backends import array_namespace
from learnkit.errors import GradientError

rng = np.random.default_rng(5)


def normal(*shape):
    return rng.normal(size=shape)


def twisted(*shape):
    """Complex normal numbers."""
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def regular(*shape):
    """Matrices well away from singular ones, with distinct singular values."""
    x = 0.3 * rng.normal(size=shape)
    x[..., range(min(shape[-2:])), range(min(shape[-2:]))] += 1.0 + 0.7 * np.arange(min(shape[-2:]))
    return x


def regular_complex(*shape):
    return regular(*shape) + 0.3j * rng.normal(size=shape)


def hermitian(xp, x):
    xt = xp.matrix_transpose(x)
    return x + (xp.conj(xt) if xp.isdtype(x.dtype, "complex floating") else xt)


def positive(xp, x):
    xt = xp.matrix_transpose(x)
    eye = xp.eye(x.shape[-2], dtype=x.dtype, device=x.device)
    return xp.matmul(x, xp.conj(xt) if xp.isdtype(x.dtype, "complex floating") else xt) + eye


def column_weights(xp, x):
    """1, 2, 3, ... for columns, so that each counts by itself."""
    n = x.shape[-1]
    return xp.asarray([1.0 + i for i in range(n)], dtype=x.dtype, device=x.device)


def projectors(xp, v):
    """Vectors without their phases: sums of ``v_i v_i^H`` with weights."""
    vt = xp.matrix_transpose(v)
    vh = xp.conj(vt) if xp.isdtype(v.dtype, "complex floating") else vt
    return xp.matmul(v * column_weights(xp, v), vh)


def eigh_all(xp, x):
    w, v = xp.linalg.eigh(hermitian(xp, x))
    return w, projectors(xp, v), xp.abs(v)


def eig_all(xp, x):
    w, v = xp.linalg.eig(x)
    order = column_weights(xp, v)
    sizes = xp.abs(v)
    # Functions that treat all eigenpairs alike: libraries need not agree on their order.
    pairs = xp.sum(xp.expand_dims(w * w, axis=-2) * xp.astype(sizes, w.dtype), axis=-1)
    return xp.sum(w * w * w, axis=-1), pairs, 0.0 * order


def svd_all(xp, x):
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    weights = column_weights(xp, u)
    return s, xp.matmul(u * weights, vh), projectors(xp, u), projectors(xp, xp.matrix_transpose(vh))


def qr_all(xp, x):
    """Q and R with the signs, or phases, of the diagonal of R taken out."""
    q, r = xp.linalg.qr(x)
    k = q.shape[-1]
    diagonal = xp.linalg.diagonal(r[..., :, :k])
    phase = xp.sign(diagonal)
    conj = xp.conj(phase) if xp.isdtype(x.dtype, "complex floating") else phase
    return q * xp.expand_dims(phase, axis=-2), r * xp.expand_dims(conj, axis=-1)


def first_block(key):
    return lambda xp, x: xp.linalg.svd(x, full_matrices=False)[key]


SYSTEMS = {
    "det": (lambda xp, x: xp.linalg.det(x), regular(3, 3)),
    "det batch": (lambda xp, x: xp.linalg.det(x), regular(2, 2, 2)),
    "det negative": (lambda xp, x: xp.linalg.det(xp.flip(x, axis=0)), regular(3, 3)),
    "det complex": (lambda xp, x: xp.linalg.det(x), regular_complex(2, 2)),
    "slogdet": (lambda xp, x: tuple(xp.linalg.slogdet(x)), regular(3, 3)),
    "slogdet batch": (lambda xp, x: xp.linalg.slogdet(x).logabsdet, regular(2, 2, 2)),
    "slogdet negative": (lambda xp, x: xp.linalg.slogdet(-1.0 * x)[1], regular(3, 3)),
    "slogdet complex": (lambda xp, x: tuple(xp.linalg.slogdet(x)), regular_complex(2, 2)),
    "slogdet complex sign": (lambda xp, x: xp.linalg.slogdet(x).sign, regular_complex(2, 2)),
    "inv": (lambda xp, x: xp.linalg.inv(x), regular(3, 3)),
    "inv batch": (lambda xp, x: xp.linalg.inv(x), regular(2, 2, 2)),
    "inv complex": (lambda xp, x: xp.linalg.inv(x), regular_complex(2, 2)),
    "solve vector": (lambda xp, a, b: xp.linalg.solve(a, b), regular(3, 3), normal(3)),
    "solve matrix": (lambda xp, a, b: xp.linalg.solve(a, b), regular(2, 2), normal(2, 3)),
    "solve batch": (lambda xp, a, b: xp.linalg.solve(a, b), regular(2, 2, 2), normal(2, 2, 1)),
    "solve one matrix, many sides": (
        lambda xp, a, b: xp.linalg.solve(a, b),
        regular(2, 2),
        normal(2, 2, 1),
    ),
    "solve many matrices, one side": (
        lambda xp, a, b: xp.linalg.solve(a, b),
        regular(2, 2, 2),
        normal(2, 1),
    ),
    "solve many matrices, one vector": (
        lambda xp, a, b: xp.linalg.solve(a, b),
        regular(2, 2, 2),
        normal(2),
    ),
    "solve real and complex": (lambda xp, a, b: xp.linalg.solve(a, b), regular(2, 2), twisted(2, 1)),
    "solve complex and real": (lambda xp, a, b: xp.linalg.solve(a, b), regular_complex(2, 2), normal(2)),
    "solve complex": (lambda xp, a, b: xp.linalg.solve(a, b), regular_complex(2, 2), twisted(2, 1)),
    "solve constant matrix": (
        lambda xp, b: xp.linalg.solve(
            xp.asarray([[2.0, 1.0], [0.0, 1.0]], dtype=b.dtype, device=b.device), b
        ),
        normal(2, 2),
    ),
    "cholesky": (lambda xp, x: xp.linalg.cholesky(positive(xp, x)), normal(3, 3)),
    "cholesky upper": (lambda xp, x: xp.linalg.cholesky(positive(xp, x), upper=True), normal(2, 2)),
    "cholesky batch": (lambda xp, x: xp.linalg.cholesky(positive(xp, x)), normal(2, 2, 2)),
    "cholesky complex": (lambda xp, x: xp.linalg.cholesky(positive(xp, x)), twisted(2, 2)),
    "cholesky complex upper": (
        lambda xp, x: xp.linalg.cholesky(positive(xp, x), upper=True),
        twisted(2, 2),
    ),
    "pinv tall": (lambda xp, x: xp.linalg.pinv(x), regular(3, 2)),
    "pinv wide": (lambda xp, x: xp.linalg.pinv(x), regular(2, 3)),
    "pinv square": (lambda xp, x: xp.linalg.pinv(x), regular(2, 2)),
    "pinv rtol": (lambda xp, x: xp.linalg.pinv(x, rtol=1e-9), regular(2, 2, 1)),
    "pinv complex": (lambda xp, x: xp.linalg.pinv(x), regular_complex(3, 2)),
    "matrix_power 3": (lambda xp, x: xp.linalg.matrix_power(x, 3), normal(2, 2)),
    "matrix_power 1": (lambda xp, x: xp.linalg.matrix_power(x, 1), normal(2, 2)),
    "matrix_power 6 batch": (lambda xp, x: xp.linalg.matrix_power(x, 6), 0.7 * normal(2, 2, 2)),
    "matrix_power 0": (lambda xp, x: xp.linalg.matrix_power(x, 0) + x, normal(2, 2)),
    "matrix_power -1": (lambda xp, x: xp.linalg.matrix_power(x, -1), regular(2, 2)),
    "matrix_power -2": (lambda xp, x: xp.linalg.matrix_power(x, -2), regular(2, 2)),
    "matrix_power complex": (lambda xp, x: xp.linalg.matrix_power(x, -2), regular_complex(2, 2)),
}

SPECTRAL = {
    "eigh": (eigh_all, regular(3, 3)),
    "eigh batch": (eigh_all, regular(2, 2, 2)),
    "eigh of a matrix that is symmetric anyway": (
        lambda xp, x: projectors(xp, xp.linalg.eigh(positive(xp, x)).eigenvectors),
        regular(2, 2),
    ),
    "eigh values only": (lambda xp, x: xp.linalg.eigh(hermitian(xp, x)).eigenvalues, regular(3, 3)),
    "eigh vectors only": (
        lambda xp, x: projectors(xp, xp.linalg.eigh(hermitian(xp, x)).eigenvectors),
        regular(2, 2),
    ),
    "eigh complex": (eigh_all, regular_complex(2, 2)),
    "eigvalsh": (lambda xp, x: xp.linalg.eigvalsh(hermitian(xp, x)), regular(3, 3)),
    "eigvalsh complex": (lambda xp, x: xp.linalg.eigvalsh(hermitian(xp, x)), regular_complex(2, 2)),
    "svd square": (svd_all, regular(2, 2)),
    "svd tall": (svd_all, regular(3, 2)),
    "svd wide": (svd_all, regular(2, 3)),
    "svd batch": (svd_all, regular(2, 2, 1)),
    "svd complex square": (svd_all, regular_complex(2, 2)),
    "svd complex tall": (svd_all, regular_complex(3, 2)),
    "svd complex wide": (svd_all, regular_complex(2, 3)),
    "svd values only": (first_block(1), regular(3, 2)),
    "svd left only": (lambda xp, x: projectors(xp, first_block(0)(xp, x)), regular(3, 2)),
    "svd right only": (
        lambda xp, x: projectors(xp, xp.matrix_transpose(first_block(2)(xp, x))),
        regular(2, 3),
    ),
    "svd full matrices, values": (lambda xp, x: xp.linalg.svd(x).S, regular(3, 2)),
    "svd full matrices of a square": (
        lambda xp, x: xp.matmul(*(lambda u, s, vh: (u * column_weights(xp, u), vh))(*xp.linalg.svd(x))),
        regular(2, 2),
    ),
    "svdvals": (lambda xp, x: xp.linalg.svdvals(x), regular(2, 3)),
    "svdvals batch": (lambda xp, x: xp.linalg.svdvals(x), regular(2, 2, 2)),
    "svdvals complex": (lambda xp, x: xp.linalg.svdvals(x), regular_complex(2, 2)),
    "qr square": (qr_all, regular(3, 3)),
    "qr tall": (qr_all, regular(3, 2)),
    "qr wide": (qr_all, regular(2, 3)),
    "qr batch": (qr_all, regular(2, 3, 2)),
    "qr complex tall": (qr_all, regular_complex(3, 2)),
    "qr complex wide": (qr_all, regular_complex(2, 3)),
    "qr complete of a square": (
        lambda xp, x: xp.abs(xp.linalg.qr(x, mode="complete").R[..., 0, :]),
        regular(2, 2),
    ),
    "qr Q only": (lambda xp, x: projectors(xp, xp.linalg.qr(x).Q), regular(3, 2)),
}

#: Not in array-api-strict.
GENERAL_EIGENVALUES = {
    "eig": (eig_all, regular(3, 3)),
    "eig batch": (eig_all, regular(2, 2, 2)),
    "eig complex": (eig_all, regular_complex(2, 2)),
    "eig turning": (eig_all, np.asarray([[0.5, -1.2], [0.9, 0.1]])),
    "eigvals": (lambda xp, x: xp.sum(xp.linalg.eigvals(x) ** 3, axis=-1), regular(3, 3)),
    "eigvals complex": (lambda xp, x: xp.sum(xp.linalg.eigvals(x) ** 3, axis=-1), regular_complex(2, 2)),
}

PRODUCTS = {
    "matmul": (lambda xp, a, b: xp.linalg.matmul(a, b), normal(2, 2), normal(2, 2)),
    "matmul complex": (lambda xp, a, b: xp.matmul(a, b), twisted(2, 2), twisted(2)),
    "matmul complex and real": (
        lambda xp, a, b: xp.matmul(a, xp.astype(b, a.dtype)),
        twisted(2, 2),
        normal(2, 1),
    ),
    "matrix_transpose": (lambda xp, x: xp.linalg.matrix_transpose(x), normal(2, 3)),
    "tensordot": (lambda xp, a, b: xp.linalg.tensordot(a, b, axes=1), normal(2, 2), normal(2)),
    "tensordot complex": (lambda xp, a, b: xp.linalg.tensordot(a, b, axes=1), twisted(2, 2), twisted(2)),
    "vecdot": (lambda xp, a, b: xp.linalg.vecdot(a, b), normal(2, 2), normal(2)),
    "vecdot complex": (lambda xp, a, b: xp.linalg.vecdot(a, b, axis=0), twisted(2, 2), twisted(2, 1)),
    "outer": (lambda xp, a, b: xp.linalg.outer(a, b), normal(2), normal(3)),
    "outer complex": (lambda xp, a, b: xp.linalg.outer(a, b), twisted(2), twisted(2)),
    "cross": (lambda xp, a, b: xp.linalg.cross(a, b), normal(3), normal(3)),
    "cross axis": (lambda xp, a, b: xp.linalg.cross(a, b, axis=0), normal(3, 2), normal(3, 2)),
    "cross broadcast": (lambda xp, a, b: xp.linalg.cross(a, b), normal(2, 3), normal(1, 3)),
    "diagonal": (lambda xp, x: xp.linalg.diagonal(x), normal(2, 3)),
    "diagonal above": (lambda xp, x: xp.linalg.diagonal(x, offset=1), normal(2, 2, 3)),
    "diagonal below": (lambda xp, x: xp.linalg.diagonal(x, offset=-1), normal(3, 2)),
    "trace": (lambda xp, x: xp.linalg.trace(x), normal(3, 3)),
    "trace offset": (lambda xp, x: xp.linalg.trace(x, offset=-1), normal(2, 2, 3)),
    "trace complex": (lambda xp, x: xp.linalg.trace(x), twisted(2, 2)),
}

ORDS = (0.5, 1, 1.5, 2, 3, -1, -2, math.inf, -math.inf)


def apart(*shape):
    """Values of different magnitudes away from 0, so that maxima are well apart."""
    n = int(np.prod(shape))
    return (rng.permutation(0.4 + 0.3 * np.arange(n)) * rng.choice([-1.0, 1.0], size=n)).reshape(shape)


NORMS = {
    **{
        f"vector_norm {o} {axis} {keep}": (
            lambda xp, x, o=o, axis=axis, keep=keep: xp.linalg.vector_norm(
                x, ord=o, axis=axis, keepdims=keep
            ),
            apart(2, 3),
        )
        for o in ORDS
        for axis, keep in ((None, False), (0, True), (-1, False))
    },
    "vector_norm two axes": (lambda xp, x: xp.linalg.vector_norm(x, axis=(0, 2)), apart(2, 2, 2)),
    "vector_norm two axes ord 3": (
        lambda xp, x: xp.linalg.vector_norm(x, axis=(-1, 0), ord=3, keepdims=True),
        apart(2, 2, 2),
    ),
    "vector_norm everything, kept": (lambda xp, x: xp.linalg.vector_norm(x, keepdims=True), apart(2, 2)),
    "vector_norm 0": (lambda xp, x: xp.linalg.vector_norm(x, ord=0) * x, apart(3)),
    "vector_norm complex": (lambda xp, x: xp.linalg.vector_norm(x), twisted(3)),
    "vector_norm complex 3": (lambda xp, x: xp.linalg.vector_norm(x, ord=3, axis=-1), twisted(2, 2)),
    "vector_norm complex 1": (lambda xp, x: xp.linalg.vector_norm(x, ord=1), twisted(2)),
    "vector_norm complex inf": (lambda xp, x: xp.linalg.vector_norm(x, ord=math.inf), twisted(2)),
    **{
        f"matrix_norm {o}{' kept' if keep else ''}": (
            lambda xp, x, o=o, keep=keep: xp.linalg.matrix_norm(x, ord=o, keepdims=keep),
            regular(*shape),
        )
        for o in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)
        for keep, shape in ((False, (3, 2)), (True, (2, 2, 2)))
    },
    "matrix_norm default": (lambda xp, x: xp.linalg.matrix_norm(x), normal(2, 2)),
    "matrix_norm complex": (lambda xp, x: xp.linalg.matrix_norm(x), twisted(2, 2)),
    "matrix_norm complex nuc": (lambda xp, x: xp.linalg.matrix_norm(x, ord="nuc"), regular_complex(2, 2)),
    "matrix_norm complex 1": (lambda xp, x: xp.linalg.matrix_norm(x, ord=1), regular_complex(2, 2)),
}

CASES = {**SYSTEMS, **SPECTRAL, **GENERAL_EIGENVALUES, **PRODUCTS, **NORMS}


def by_function(cases):
    groups = {}
    for row in cases:
        groups.setdefault(row.split()[0], []).append(row)
    return groups


GROUPS = by_function(CASES)


@pytest.mark.parametrize("row", CASES)
def test_gradient_and_its_gradient_agree_with_differences(row, check_row):
    """Within 1e-6 relative of central differences in float64, and so is the derivative of the gradient."""
    check_row(CASES[row])


@pytest.mark.parametrize("name", GROUPS)
def test_gradient_on_every_backend(backend, name, same_as_numpy):
    """Values and gradients elsewhere are those of NumPy, at home, in float64 and float32."""
    for row in GROUPS[name]:
        if backend.name == "strict" and row in NOT_STRICT:
            continue
        same_as_numpy(backend, CASES[row], rtol=1e-9)


NOT_STRICT = {"solve many matrices, one vector"}


WITHOUT_A_GRADIENT = {
    "left vectors beyond the rank": (
        lambda xp, x: xp.sum(xp.linalg.svd(x).U),
        "svd with full_matrices=True has no gradient for U and Vh of a matrix that is not square",
        "use svd(x, full_matrices=False)",
    ),
    "right vectors beyond the rank": (
        lambda xp, x: xp.sum(xp.linalg.svd(xp.matrix_transpose(x)).Vh),
        "svd with full_matrices=True has no gradient for U and Vh of a matrix that is not square",
        "use svd(x, full_matrices=False)",
    ),
    "complete qr of a tall matrix": (
        lambda xp, x: xp.sum(xp.linalg.qr(x, mode="complete").R),
        "qr with mode='complete' has no gradient for a matrix with more rows than columns",
        "use qr(x, mode='reduced')",
    ),
    "an unknown norm": (
        lambda xp, x: xp.linalg.matrix_norm(x, ord=3),
        "matrix_norm: ord is 3, expected 'fro', 'nuc', 1, -1, 2, -2, inf or -inf",
        None,
    ),
}


@pytest.mark.parametrize("name", WITHOUT_A_GRADIENT)
def test_what_has_no_gradient_is_an_error(name):
    """Arbitrary vectors have no gradient: the message says so, and what to use."""
    fn, message, hint = WITHOUT_A_GRADIENT[name]
    with pytest.raises(GradientError) as caught:
        grad(lambda x: fn(array_namespace(x), x))(regular(3, 2))
    assert message in caught.value.message
    assert caught.value.hint == hint


def test_results_have_the_names_of_the_standard():
    """Decompositions of variables are named tuples, as they are of arrays."""
    fields = {"eigh": ("eigenvalues", "eigenvectors"), "svd": ("U", "S", "Vh"), "qr": ("Q", "R")}
    fields |= {"eig": ("eigenvalues", "eigenvectors"), "slogdet": ("sign", "logabsdet")}

    def fn(x):
        xp = array_namespace(x)
        for name, names in fields.items():
            assert getattr(xp.linalg, name)(x)._fields == names
        return xp.sum(x)

    grad(fn)(regular(2, 2))


def test_repeated_eigenvalues_have_gradients_where_the_vectors_do_not_matter():
    """Eigenvalues and singular values alone need no distance between them, and nothing warns."""

    def total(name):
        return lambda x: array_namespace(x).sum(getattr(array_namespace(x).linalg, name)(x))

    for name in ("eigvalsh", "svdvals"):
        np.testing.assert_allclose(grad(total(name))(np.eye(3)), np.eye(3), atol=1e-15)


def test_the_gradient_of_eigenvectors_is_hermitian():
    """As if the matrix had been symmetrised first, whatever of the vectors the loss looks at."""

    def loss(x):
        xp = array_namespace(x)
        w, v = xp.linalg.eigh(x)
        return xp.sum(xp.real(w * v[0, :] * xp.asarray([1.0, 2.0, 3.0])))

    for x in (regular(3, 3), regular_complex(3, 3)):
        got = grad(loss)(x + x.conj().T)
        assert np.max(np.abs(got)) > 0.01
        np.testing.assert_allclose(got, got.conj().T, atol=1e-14)


def test_vectors_that_do_not_matter_need_no_distance():
    """What does not depend on the choice within a space has no gradient there, and not 0 / 0."""

    def whole_space(x):
        xp = array_namespace(x)
        w, v = xp.linalg.eigh(x)
        return xp.sum(w) + xp.sum(xp.matmul(v, xp.matrix_transpose(v)))

    def unused(x):
        xp = array_namespace(x)
        u, s, vh = xp.linalg.svd(x, full_matrices=False)
        return xp.sum(s) + 0.0 * (xp.sum(u) + xp.sum(vh))

    for fn in (whole_space, unused):
        np.testing.assert_allclose(grad(fn)(np.eye(3)), np.eye(3), atol=1e-15)
    assert grad(unused)(np.zeros((3, 2))).shape == (3, 2)


def test_qr_without_full_rank(backend):
    """NaN where the gradient counts, 0 where it is masked, and no error for the whole batch."""
    x = backend.asarray(np.stack([np.asarray([[1.0, 2.0], [3.0, 5.0]]), np.zeros((2, 2))]), "float64")

    def total(weights):
        def fn(x):
            xp = array_namespace(x)
            w = xp.asarray(weights, dtype=x.dtype, device=x.device)
            return xp.sum(xp.abs(xp.linalg.qr(x).R) * xp.reshape(w, (2, 1, 1)))

        return fn

    alone = backend.to_numpy(grad(total([1.0, 1.0]))(backend.xp.stack([x[0, ...], x[0, ...]])))[0]
    masked = backend.to_numpy(grad(total([1.0, 0.0]))(x))
    np.testing.assert_allclose(masked, [alone, np.zeros((2, 2))], atol=1e-14)
    lower = backend.xp.asarray([[[1.0, 0.0], [0.0, 0.0]]], dtype=x.dtype, device=backend.device)
    qs = grad(lambda x: array_namespace(x).sum(array_namespace(x).linalg.qr(x).Q[:, 0, 1]))(lower)
    assert np.isnan(backend.to_numpy(qs)).all()


@pytest.mark.parametrize("ord", [2, -2, "nuc"])
def test_norms_of_equal_singular_values(backend, ord):
    """Equal extreme singular values share the gradient, as equal elements of ``max`` do."""
    x = backend.asarray(3.0 * np.eye(2), "float64")
    got = grad(lambda x: array_namespace(x).linalg.matrix_norm(x, ord=ord))(x)
    backend.assert_array(got, np.eye(2) * (1.0 if ord == "nuc" else 0.5), like=x, atol=1e-15)

"""What the tables of differentiable functions share.

A row of a table is ``(function, *arrays)`` under a name that starts with that of the function it exercises;
the function takes the namespace first. Arrays may be complex, results may be tuples.
"""

from __future__ import annotations

import numpy as np
import pytest

from learnkit.autodiff import check_grads, jvp, vjp
from learnkit.backends import array_namespace


def _listed(result):
    """An array, or the arrays of a tuple, as a list."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _real_parts(xp, result):
    """The results as real arrays: a complex one counts as two."""
    out = []
    for y in _listed(result):
        out += [xp.real(y), xp.imag(y)] if xp.isdtype(y.dtype, "complex floating") else [y]
    return out


def _check(case, **options):
    fn, *arrays = case
    on_tape, _ = vjp(lambda *a: _listed(fn(array_namespace(*a), *a)), *arrays)
    for got, want in zip(on_tape, _listed(fn(array_namespace(*arrays), *arrays)), strict=True):
        assert got.dtype == want.dtype
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)
    complexes = [a.dtype.kind == "c" for a in arrays]
    parts = []
    for a in arrays:
        parts += [np.array(a.real), np.array(a.imag)] if a.dtype.kind == "c" else [a]

    def real_function(*parts):
        xp = array_namespace(*parts)
        rest = iter(parts)
        given = []
        for is_complex in complexes:
            x = next(rest)
            if is_complex:
                y = xp.astype(next(rest), xp.complex128)
                x = xp.add(xp.astype(x, xp.complex128), xp.multiply(1j, y))
            given.append(x)
        return [y + 0.25 * y * y for y in _real_parts(xp, fn(xp, *given))]

    check_grads(real_function, *parts, **{"order": 2, **options})
    # The push-forward goes through the pull-back at a gradient of 0, which rules must not take for "unused".
    tangents = [np.asarray(np.sin(2.0 + np.arange(p.size)).reshape(p.shape)) for p in parts]
    value, forward = jvp(real_function, tuple(parts), tuple(tangents))
    weights = [np.asarray(_weights(np.asarray(y))) for y in value]
    back = vjp(real_function, *parts)[1](weights)
    left = [np.sum(w * t) for w, t in zip(weights, forward, strict=True)]
    right = [np.sum(g * t) for g, t in zip(back, tangents, strict=True)]
    size = sum(map(abs, left)) + sum(map(abs, right))
    np.testing.assert_allclose(sum(left), sum(right), rtol=1e-9, atol=1e-10 * (1.0 + size))


@pytest.fixture
def check_row():
    """``check_row(case)``: values on and off the tape agree, first and second order with central
    differences, and the push-forward is the transpose of the pull-back.

    The results pass through ``y + y^2 / 4``, so that linear functions have a second order as well.
    """
    return _check


def _weights(y):
    w = np.cos(1.0 + np.arange(y.size)).reshape(y.shape)
    return w * (1.0 + 0.3j) + 0.2j if y.dtype.kind == "c" else w


def _single(dtype):
    return {"float64": "float32", "complex128": "complex64"}[dtype]


def _values_and_gradients(fn, arrays, weights, cast):
    value, pullback = vjp(lambda *a: _listed(fn(array_namespace(*a), *a)), *arrays)
    return value, pullback([cast(w, y) for w, y in zip(weights(value), value, strict=True)])


def _same_as_numpy(backend, case, dtypes=("float64", "float32"), rtol=1e-10):
    fn, *arrays = case
    wanted, gradients = _values_and_gradients(
        fn, arrays, lambda ys: [_weights(np.asarray(y)) for y in ys], lambda w, y: w.astype(y.dtype)
    )
    weights = [_weights(np.asarray(y)) for y in wanted]
    for dtype in dtypes:
        tolerance = rtol if dtype == "float64" else 2e-3
        given = [
            backend.asarray(a, a.dtype.name if dtype == "float64" else _single(a.dtype.name)) for a in arrays
        ]
        before = [np.array(backend.to_numpy(a)) for a in given]
        found, found_gradients = _values_and_gradients(
            fn, given, lambda ys: weights, lambda w, y: backend.asarray(w, str(y.dtype).rsplit(".", 1)[-1])
        )
        for got, want in zip(found, wanted, strict=True):
            name = want.dtype.name if dtype == "float64" else _single(want.dtype.name)
            scale = max(1.0, float(np.max(np.abs(want), initial=0.0)))
            backend.assert_array(got, want, dtype=name, rtol=tolerance, atol=tolerance * scale)
        for got, want, argument in zip(found_gradients, gradients, given, strict=True):
            scale = max(1.0, float(np.max(np.abs(want), initial=0.0)))
            backend.assert_array(got, want, like=argument, rtol=10 * tolerance, atol=10 * tolerance * scale)
        for argument, old in zip(given, before, strict=True):
            np.testing.assert_array_equal(backend.to_numpy(argument), old)


@pytest.fixture
def same_as_numpy():
    """``same_as_numpy(backend, case)``: values and gradients there are those of NumPy.

    In double and single precision, with library, device and dtype kept and the arguments unchanged.
    """
    return _same_as_numpy

"""Transforms of the gradient: one row each in ``TRANSFORMS``, one test a property."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit.optim import SGD, ClipByGlobalNorm, Transform, chain, global_norm
from learnkit.plugins import registry

# registered name: transform, what it does to a list of gradients in plain NumPy
TRANSFORMS = {
    "clip_by_global_norm": (
        ClipByGlobalNorm(2.0),
        lambda gs: [g * min(1.0, 2.0 / np.sqrt(sum((g * g).sum() for g in gs))) for g in gs],
    ),
}
SIZES = (0.01, 1.0, 1e6)


def gradients(backend, size, dtype="float64"):
    rng = np.random.default_rng(1)
    plain = [size * rng.normal(size=s) for s in ((3, 2), (4,), (), (2, 1, 2))]
    return plain, [backend.asarray(g, dtype) for g in plain]


def test_every_registered_transform_has_a_row():
    assert set(TRANSFORMS) == set(registry.names("transform", third_party=False))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", TRANSFORMS)
def test_values(backend, name, size):
    """Those of the formula, at home, without a wait for the device; the given gradients are left alone."""
    transform, formula = TRANSFORMS[name]
    for dtype, rtol in (("float64", 1e-12), ("float32", 1e-5)):
        plain, grads = gradients(backend, size, dtype)
        with backend.no_sync():
            new = transform.transform(grads)
        for got, want, given, old in zip(new, formula(plain), grads, plain, strict=True):
            backend.assert_array(got, want, like=given, rtol=rtol, atol=0)
            np.testing.assert_array_equal(backend.to_numpy(given), old.astype(dtype))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_components_by_name(name):
    transform = TRANSFORMS[name][0]
    assert registry.create("transform", registry.describe(transform, "transform")) == transform
    assert transform.transform([]) == []


def test_small_gradients_pass_with_every_bit(backend):
    _, grads = gradients(backend, 1e-3, "float32")
    for got, given in zip(ClipByGlobalNorm(1.0).transform(grads), grads, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(got), backend.to_numpy(given))
    zeros = [backend.asarray(np.zeros(3))]
    backend.assert_array(ClipByGlobalNorm(1.0).transform(zeros)[0], np.zeros(3), rtol=0, atol=0)


def test_what_is_not_a_number_stays_so(backend):
    grads = [backend.asarray([float("nan"), 1.0])]
    assert np.isnan(backend.to_numpy(ClipByGlobalNorm(1.0).transform(grads)[0])).all()


def test_the_norm_is_over_all_gradients_together(backend):
    grads = [backend.asarray([[3.0]]), backend.asarray([4.0]), backend.asarray(12.0)]
    backend.assert_array(global_norm(grads), 13.0, dtype="float32")


def test_a_chain_hands_the_gradients_on():
    theta, grad = np.zeros(2), np.asarray([30.0, 40.0])
    clipped = chain(ClipByGlobalNorm(10.0), ClipByGlobalNorm(5.0), SGD(1.0))
    new, _ = clipped.apply(theta, grad, clipped.init(theta))
    np.testing.assert_allclose(new, [-3.0, -4.0])


def test_a_transform_without_a_formula_says_so():
    with pytest.raises(TypeError, match=r"Transform defines no transform\(self, grads\)"):
        Transform().transform([np.ones(2)])
